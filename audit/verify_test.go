package audit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// book is a log in memory, as a store keeps it.
type book struct {
	rows        []Row
	checkpoints []Checkpoint
	head        Head
	signer      *Signer
}

func newBook(t testing.TB, n int) *book {
	b := &book{signer: signer(t, "log")}
	for range n {
		b.add(t, Entry{Kind: KindConfig, Detail: "x"}, nil)
	}
	return b
}

func (b *book) add(t testing.TB, e Entry, body *Body) {
	t.Helper()
	e.V, e.Seq, e.ID, e.Time = 1, int64(len(b.rows)), fmt.Sprint("id", len(b.rows)), time.Unix(1_700_000_000, 0).UTC()
	row := Row{Seq: e.Seq}
	if body != nil {
		k := Key{1}
		row.Body, e.Body = Seal(&k, body, e.ID)
	}
	row.Envelope = e.Encode()
	row.Stored = b.head.Add(LeafHash(row.Envelope))
	b.rows = append(b.rows, row)
}

func (b *book) checkpoint(t testing.TB) {
	t.Helper()
	note, err := b.signer.Sign(b.head.Size(), b.head.Root())
	if err != nil {
		t.Fatal(err)
	}
	b.checkpoints = append(b.checkpoints, Checkpoint{Size: b.head.Size(), Time: time.Unix(1_700_000_000, 0), Note: note})
}

func (b *book) verify(running func(string) bool) *Report {
	v := NewVerifier(b.signer.public, b.checkpoints)
	for _, r := range b.rows {
		v.Add(r)
	}
	return v.Finish(b.checkpoints, b.head.Size(), running)
}

// TestHeadIsTheTree compares the head with tlog over all stored hashes, and opens it at every size.
func TestHeadIsTheTree(t *testing.T) {
	var h Head
	var all []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, err error) {
		for _, x := range indexes {
			out = append(out, all[x])
		}
		return out, nil
	})
	for n := range int64(300) {
		want, err := tlog.TreeHash(n, reader)
		if err != nil || h.Root() != want {
			t.Fatalf("root of %d entries: %v, want %v, %v", n, h.Root(), want, err)
		}
		if opened, err := OpenHead(n, reader); err != nil || opened != h {
			t.Fatalf("opened at %d: %v", n, err)
		}
		leaf := tlog.RecordHash(fmt.Append(nil, n))
		stored, err := tlog.StoredHashesForRecordHash(n, leaf, reader)
		if err != nil {
			t.Fatal(err)
		}
		before := h
		if got := h.Add(leaf); !slices.Equal(got, stored) {
			t.Fatalf("hashes of entry %d: %v, want %v", n, got, stored)
		}
		if before.Size() != n || h.Size() != n+1 {
			t.Fatal("a copy of a head is not a copy")
		}
		all = append(all, stored...)
	}
	if _, err := h.ReadHashes([]int64{0}); err == nil {
		t.Error("a head gave a hash it does not have")
	}
	if _, err := OpenHead(3, tlog.HashReaderFunc(func([]int64) ([]tlog.Hash, error) { return nil, ErrNotFound })); err == nil {
		t.Error("opened a head without its hashes")
	}
}

func TestAWholeLogVerifies(t *testing.T) {
	for n := range 20 {
		b := newBook(t, n)
		b.checkpoint(t)
		b.add(t, Entry{Kind: KindOutcome, Call: "c"}, &Body{Text: "x"})
		r := b.verify(nil)
		if !r.OK() || r.Entries != int64(n+1) || r.Bodies != 1 || r.ProvenSize != int64(n) || r.Checkpoints != 1 || len(r.Root) != 64 {
			t.Errorf("%d entries: %+v", n, r)
		}
		if text := r.Text(0); !strings.Contains(text, "the newest 1 entries are not under a checkpoint") || strings.Contains(text, "FAILED") {
			t.Errorf("text: %s", text)
		}
	}
}

func TestChangesAreFound(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(b *book)
		want  string
	}{
		"removed":                  {func(b *book) { b.rows = slices.Delete(b.rows, 4, 5) }, "entry 4 is missing"},
		"cut":                      {func(b *book) { b.rows = b.rows[:8] }, "the log was cut"},
		"cut with its tree":        {func(b *book) { b.rows, b.head.size = b.rows[:8], 8 }, "the log was cut: a signed checkpoint has 10"},
		"reordered":                {func(b *book) { b.rows[4], b.rows[5] = b.rows[5], b.rows[4] }, "entry 4 is missing"},
		"reordered and renumbered": {func(b *book) { b.rows[4].Envelope, b.rows[5].Envelope = b.rows[5].Envelope, b.rows[4].Envelope }, "moved or copied"},
		"doubled":                  {func(b *book) { b.rows = slices.Insert(b.rows, 4, b.rows[4]) }, "entry 5 is missing: the next row is 4"},
		"a body swapped":           {func(b *book) { b.rows[10].Body = []byte("x") }, "its sealed body is not the one"},
		"a body removed":           {func(b *book) { b.rows[10].Body = nil }, "its sealed body was removed"},
		"a body added":             {func(b *book) { b.rows[3].Body = []byte{} }, "its sealed body is not the one"},
		"hashes removed":           {func(b *book) { b.rows[3].Stored = nil }, "entry 3: its hashes were removed"},
		"a hash above changed":     {func(b *book) { b.rows[3].Stored[1][0] ^= 1 }, "entry 3: the tree above it was changed"},
		"a leaf changed":           {func(b *book) { b.rows[3].Stored[0][0] ^= 1 }, "entry 3 was changed"},
		"a checkpoint relabelled":  {func(b *book) { b.checkpoints[0].Size = 5 }, "holds a checkpoint of 10"},
	} {
		b := newBook(t, 10)
		b.checkpoint(t)
		b.add(t, Entry{Kind: KindOutcome, Call: "c"}, &Body{Text: "x"})
		b.rows[3].Stored = slices.Clone(b.rows[3].Stored)
		tt.spoil(b)
		r := b.verify(nil)
		if all := strings.Join(r.Integrity, "\n"); r.OK() || !strings.Contains(all, tt.want) {
			t.Errorf("%s: found\n%s\nwant %q", name, all, tt.want)
		}
	}
}

// TestARewrittenLogIsFound: all hashes are right again, but the signature fixed others.
func TestARewrittenLogIsFound(t *testing.T) {
	b := newBook(t, 10)
	b.checkpoint(t)
	forged := newBook(t, 0)
	forged.signer, forged.checkpoints = b.signer, b.checkpoints
	for range 10 {
		forged.add(t, Entry{Kind: KindConfig, Detail: "y"}, nil)
	}
	if r := forged.verify(nil); len(r.Integrity) != 1 || !strings.Contains(r.Integrity[0], "the signed root does not match") || r.ProvenSize != 0 {
		t.Errorf("%+v", r)
	}
	other := newBook(t, 10)
	other.checkpoint(t)
	other.signer = b.signer
	if r := other.verify(nil); len(r.Authorship) != 1 || len(r.Integrity) != 0 || r.ProvenSize != 0 {
		t.Errorf("a stranger's signature: %+v", r)
	}
}

func TestIntentsWithoutOutcome(t *testing.T) {
	b := newBook(t, 1)
	for _, call := range []string{"c1", "c2", "c3"} {
		b.add(t, Entry{Kind: KindIntent, Call: call}, nil)
	}
	b.add(t, Entry{Kind: KindOutcome, Call: "c2"}, nil)
	if r := b.verify(nil); len(r.Completeness) != 2 || !strings.HasPrefix(r.Completeness[0], "entry 1:") || !strings.HasPrefix(r.Completeness[1], "entry 3:") {
		t.Errorf("%q", r.Completeness)
	}
	r := b.verify(func(call string) bool { return call == "c3" })
	if len(r.Completeness) != 1 || !slices.Equal(r.OpenIntents, []string{"c3"}) || r.OK() {
		t.Errorf("%q, running %q", r.Completeness, r.OpenIntents)
	}
	if text := r.Text(0); !strings.Contains(text, "completeness  FAILED") || !strings.Contains(text, "integrity     ok") {
		t.Error(text)
	}
}

func TestAReportDoesNotGrowWithTheDamage(t *testing.T) {
	b := newBook(t, maxProblems+100)
	for i := range b.rows {
		b.rows[i].Envelope = []byte("{}")
	}
	r := b.verify(nil)
	if len(r.Integrity) != maxProblems+1 || !strings.Contains(r.Integrity[maxProblems], "further problems") || !strings.Contains(r.Integrity[0], "entry 0") {
		t.Errorf("%d problems, the last %q", len(r.Integrity), r.Integrity[len(r.Integrity)-1])
	}
	if text := r.Text(3); strings.Count(text, "integrity     FAILED") != 4 || !strings.Contains(text, "and 998 further problems; --all lists them") {
		t.Errorf("got\n%s", text)
	}
}

// FuzzVerify: any changed byte of any row is found.
func FuzzVerify(f *testing.F) {
	f.Add(uint8(10), uint8(3), uint16(5), byte(1), uint8(0))
	f.Add(uint8(1), uint8(0), uint16(0), byte(0x20), uint8(1))
	f.Add(uint8(33), uint8(31), uint16(60), byte(0x80), uint8(2))
	s := signer(f, "log")
	f.Fuzz(func(t *testing.T, n, row uint8, at uint16, flip byte, part uint8) {
		if n == 0 || flip == 0 {
			return
		}
		b := &book{signer: s}
		for range n {
			b.add(t, Entry{Kind: KindOutcome, Call: "c"}, &Body{Text: "x"})
		}
		b.checkpoint(t)
		if r := b.verify(nil); !r.OK() {
			t.Fatalf("before: %+v", r)
		}
		r := &b.rows[int(row)%len(b.rows)]
		switch part % 3 {
		case 0:
			r.Envelope[int(at)%len(r.Envelope)] ^= flip
		case 1:
			r.Body[int(at)%len(r.Body)] ^= flip
		case 2:
			h := &r.Stored[int(at)%len(r.Stored)]
			h[int(at)%len(h)] ^= flip
		}
		got := b.verify(nil)
		if got.OK() || !strings.Contains(got.Integrity[0], fmt.Sprintf("entry %d", r.Seq)) {
			t.Errorf("a changed byte of entry %d, part %d: %+v", r.Seq, part%3, got)
		}
	})
}
