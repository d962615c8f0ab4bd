package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var bodies = []Body{
	{}, {Text: "SELECT 1"}, {Claim: "because"}, {Result: []byte(`{"a":1}`)},
	{Input: []byte(`{"v":1}`)}, {Text: "SELECT 1", Result: []byte(`{"a":1}`), Input: []byte(`{"v":1}`)},
	{Text: "DELETE FROM t", Claim: "clean up", Result: bytes.Repeat([]byte("x"), 100_000)},
}

func TestSealedBodiesOpen(t *testing.T) {
	k := NewKey()
	for _, b := range bodies {
		sealed, ref := Seal(&k, &b, "id")
		got, err := Open(&k, sealed, ref, "id")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&b, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestBodiesFromBeforeInputOpen: a body of three fields, as written before Input was recorded, and nothing else that is nearly one.
func TestBodiesFromBeforeInputOpen(t *testing.T) {
	k := NewKey()
	fields := func(fields ...string) []byte {
		plain := make([]byte, saltSize)
		for _, f := range fields {
			plain = append(binary.BigEndian.AppendUint32(plain, uint32(len(f))), f...)
		}
		return plain
	}
	open := func(plain []byte) (*Body, error) {
		sealed := k.Encrypt(plain, "id")
		return Open(&k, sealed, refOf(plain, sealed), "id")
	}
	got, err := open(fields("SELECT 1", "because", "{}"))
	if diff := cmp.Diff(&Body{Text: "SELECT 1", Claim: "because", Result: []byte("{}")}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for name, plain := range map[string][]byte{
		"two fields": fields("SELECT 1", ""), "an empty fourth": fields("", "", "", ""), "a fifth": fields("", "", "", "{}", "x"),
		"half a length": append(fields("", "", ""), 0, 0),
	} {
		if got, err := open(plain); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	k, other := NewKey(), NewKey()
	b := Body{Text: "SELECT 1", Result: []byte("{}")}
	sealed, ref := Seal(&k, &b, "id")
	again, refAgain := Seal(&k, &b, "id")
	if bytes.Equal(sealed, again) || ref.Commit == refAgain.Commit {
		t.Error("two bodies with the same text can be recognised as equal")
	}
	if bytes.Contains(sealed, []byte("SELECT")) {
		t.Error("the body can be read")
	}
	for name, open := range map[string]func() (*Body, error){
		"another key":       func() (*Body, error) { return Open(&other, sealed, ref, "id") },
		"another entry":     func() (*Body, error) { return Open(&k, sealed, ref, "di") },
		"another body":      func() (*Body, error) { return Open(&k, again, ref, "id") },
		"no reference":      func() (*Body, error) { return Open(&k, sealed, nil, "id") },
		"an empty one":      func() (*Body, error) { return Open(&k, nil, ref, "id") },
		"less than a nonce": func() (*Body, error) { return Open(&k, sealed[:11], ref, "id") },
		"a cut one":         func() (*Body, error) { return Open(&k, sealed[:len(sealed)-1], ref, "id") },
		"a longer one":      func() (*Body, error) { return Open(&k, append(bytes.Clone(sealed), 0), ref, "id") },
	} {
		if got, err := open(); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k := Key{1}
	for _, b := range bodies {
		sealed, _ := Seal(&k, &b, "id")
		f.Add(sealed, 0, byte(0))
		f.Add(sealed, len(sealed)/2, byte(1))
	}
	f.Fuzz(func(t *testing.T, sealed []byte, at int, flip byte) {
		body := Body{Text: string(sealed), Result: sealed}
		good, ref := Seal(&k, &body, "id")
		if _, err := Open(&k, sealed, ref, "id"); err == nil {
			t.Error("a stranger's bytes open")
		}
		if flip != 0 {
			good[((at%len(good))+len(good))%len(good)] ^= flip
			if _, err := Open(&k, good, ref, "id"); !errors.Is(err, ErrSealed) {
				t.Errorf("a changed byte is not found: %v", err)
			}
		}
	})
}

// FuzzBodyFields: what is inside comes from whoever holds the key, and is still read with care.
func FuzzBodyFields(f *testing.F) {
	k := Key{1}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 60))
	f.Add(make([]byte, 44))
	f.Add(make([]byte, 48))
	f.Add(append(make([]byte, 44), 0, 0, 0, 1, 'x'))
	f.Fuzz(func(t *testing.T, plain []byte) {
		sealed := k.Encrypt(plain, "id")
		if b, err := Open(&k, sealed, refOf(plain, sealed), "id"); err == nil {
			size := saltSize + 12 + len(b.Text) + len(b.Claim) + len(b.Result)
			if b.Input != nil {
				size += 4 + len(b.Input)
			}
			if size != len(plain) {
				t.Errorf("%d bytes were read as a body of %+v", len(plain), b)
			}
		}
	})
}
