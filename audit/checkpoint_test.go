package audit

import (
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func signer(t testing.TB, origin string) *Signer {
	t.Helper()
	private, public, err := NewSigningKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenSigner(private, public)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCheckpoints(t *testing.T) {
	s := signer(t, "https://gateway.test")
	root := tlog.RecordHash([]byte("x"))
	text, err := s.Sign(42, root)
	if err != nil {
		t.Fatal(err)
	}
	if size, got, err := OpenCheckpoint(text, s.public); err != nil || size != 42 || got != root {
		t.Errorf("%d %v, %v", size, got, err)
	}
	other := signer(t, "https://gateway.test")
	stranger := signer(t, "https://elsewhere.test")
	negative, _ := s.Sign(-1, root)
	for name, tt := range map[string]struct{ text, public string }{
		"another key":           {text, other.public},
		"another log":           {text, stranger.public},
		"another size":          {strings.Replace(text, "\n42\n", "\n43\n", 1), s.public},
		"a size below zero":     {negative, s.public},
		"no signature":          {text[:strings.Index(text, "\n\n")+1], s.public},
		"nothing":               {"", s.public},
		"a key that is none":    {text, "x"},
		"a line more":           {strings.Replace(text, "\n42\n", "\n42\n42\n", 1), s.public},
		"text before the log's": {"x\n" + text, s.public},
	} {
		if _, _, err := OpenCheckpoint(tt.text, tt.public); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestACheckpointHasOneSpelling: two texts for one tree would let two anchors disagree about the same log.
func TestACheckpointHasOneSpelling(t *testing.T) {
	s := signer(t, "log")
	root := tlog.RecordHash([]byte("x"))
	good, err := s.Sign(42, root)
	if err != nil {
		t.Fatal(err)
	}
	text := good[:strings.Index(good, "\n\n")+1]
	for name, spelled := range map[string]string{
		"a plus":            strings.Replace(text, "\n42\n", "\n+42\n", 1),
		"a leading zero":    strings.Replace(text, "\n42\n", "\n042\n", 1),
		"an extension line": text + "more\n",
		"another origin":    strings.Replace(text, "log\n", "gol\n", 1),
		"no size":           strings.Replace(text, "\n42\n", "\n\n", 1),
		"a short root":      "log\n42\nAAAA\n",
		"loose base64":      "log\n42\n" + strings.Replace(strings.Split(text, "\n")[2], "=", "\r=", 1) + "\n",
	} {
		signed := sign(t, s, spelled)
		if _, _, err := OpenCheckpoint(signed, s.public); err == nil {
			t.Errorf("%s: %q accepted", name, signed)
		}
	}
}

func TestNamesOfLogs(t *testing.T) {
	for _, origin := range []string{"", "two words", "a+b", "a\nb", "a\u00a0b"} {
		if _, _, err := NewSigningKey(origin); err == nil {
			t.Errorf("%q is a name", origin)
		}
	}
	private, _, err := NewSigningKey("a")
	if err != nil {
		t.Fatal(err)
	}
	_, public, err := NewSigningKey("b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSigner(private, public); err == nil {
		t.Error("halves of two pairs are a pair")
	}
	if _, err := OpenSigner("x", public); err == nil {
		t.Error("a private key that is none")
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	s := signer(f, "log")
	good, err := s.Sign(42, tlog.RecordHash([]byte("x")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(strings.ToUpper(good))
	f.Add("log\n1\n\n— log AAAA\n")
	f.Fuzz(func(t *testing.T, text string) {
		size, _, err := OpenCheckpoint(text, s.public)
		if err == nil && size != 42 {
			t.Errorf("a checkpoint nobody signed: %q", text)
		}
	})
}
