package exec

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestCleanedIsWhatAPersonReads(t *testing.T) {
	for in, want := range map[string]string{
		"plain\n\ttext":             "plain\n\ttext",
		"\x1b[31;1mred\x1b[0m":      "red",
		"\x1b]0;title\x07x":         "x",
		"\x1b]8;;http://e\x1b\\y":   "y",
		"\x1b(Bz\x1bc!":             "z!",
		"\x1b[31\nm":                "\nm",
		"10%\r20%\r\n":              "10%\n20%\n",
		"a\x00b\x07\x7f":            "a␀b␇␡",
		"a\u202eb\u200bc\U000e0041": "abc",
		"bad \xff\xfe":              "bad \ufffd\ufffd",
		"é日":                        "é日",
	} {
		if got := string(cleaned([]byte(in))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestASecretAcrossTheLimitIsMasked(t *testing.T) {
	for lead := 980; lead <= 1000; lead++ {
		o := output{limit: 1000}
		// In pieces, as it comes from the wire.
		for _, piece := range strings.SplitAfter(strings.Repeat("x", lead)+"s3cret-token"+strings.Repeat("y\n", 5000), "3") {
			o.take([]byte(piece))
		}
		_, masked := o.text(plainMask{})
		if len(masked) > 1000 || bytes.Contains(masked, []byte("s3cr")) {
			t.Errorf("lead %d: %d bytes, %q", lead, len(masked), masked[max(0, len(masked)-20):])
		}
	}
}

func TestBinaryIsToldFromText(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		want bool
	}{
		"empty": {nil, false}, "text": {[]byte("hello\n"), false}, "other encoding": {[]byte("caf\xe9 au lait, s'il vous pla\xeet\n"), false},
		"names ended by NUL": {[]byte("a/file\x00another/file\x00"), false}, "gzip": {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x02\x03"), true},
		"zeros": {make([]byte, 100), true}, "colours": {[]byte("\x1b[31mx\x1b[0m"), false}, "cut inside a character": {[]byte("日本語")[:8], false},
	} {
		if _, got := (&output{buf: c.in}).binary(); got != c.want {
			t.Errorf("%s: binary %t", name, got)
		}
	}
}

func TestTimelineFollowsTheMaskedText(t *testing.T) {
	tape := newTimeline(time.Unix(0, 0))
	raw, masked := []byte("user s3cret-token\nend\n"), []byte("user [masked]\nend\n")
	for i, n := range []int{18, 4} {
		tape.add(time.Unix(int64(i), 0), "o", n)
	}
	got := string(tape.rendered(map[string][]byte{"o": raw}, map[string][]byte{"o": masked}))
	if want := `[[0,"o",14],[1,"o",4]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTimelineIsBounded(t *testing.T) {
	tape := newTimeline(time.Unix(0, 0))
	total := 0
	for i := range 10_000 {
		tape.add(time.Unix(int64(i), 0), []string{"o", "o", "o", "e"}[i%4], 1)
	}
	for _, e := range tape.events {
		total += e.bytes
	}
	if len(tape.events) > maxEvents || total != 10_000 {
		t.Errorf("%d events, %d bytes", len(tape.events), total)
	}
}

func FuzzCleaned(f *testing.F) {
	f.Add([]byte("\x1b[31mred\x1b[0m\r\n\x00\xff\u202e"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := cleaned(in)
		if !utf8.Valid(out) {
			t.Errorf("%q: not UTF-8", out)
		}
		if bytes.ContainsAny(out, "\x00\x1b\r\x7f") {
			t.Errorf("%q holds a control character", out)
		}
		if diff := cmp.Diff(out, cleaned(out)); diff != "" {
			t.Errorf("cleaning twice changes something: %s", diff)
		}
	})
}
