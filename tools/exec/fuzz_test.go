package exec

import (
	"bytes"
	"math/rand/v2"
	osexec "os/exec"
	"slices"
	"strings"
	"testing"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

// FuzzShellPlan holds two things against any text: what is rendered parses to the same words again, and nothing is a read
// whose programs are not all known.
func FuzzShellPlan(f *testing.F) {
	for _, text := range slices.Concat(bypasses, commonReads) {
		f.Add(text)
	}
	h := open(f, offline)
	f.Fuzz(func(t *testing.T, text string) {
		line, err := shparse.Parse(text)
		if err != nil {
			return
		}
		again, err := shparse.Parse(shparse.Render(line))
		if err != nil {
			t.Fatalf("%q is rendered as %q: %v", text, shparse.Render(line), err)
		}
		same := func(a, b shparse.Item) bool {
			return a.Op == b.Op && slices.Equal(a.Words, b.Words) && slices.Equal(a.Redirects, b.Redirects)
		}
		if !slices.EqualFunc(line, again, same) {
			t.Fatalf("%q: %v became %v", text, line, again)
		}
		facts, err := facts(t, h, map[string]any{"command": text})
		if err != nil || !runsAsRead(facts) {
			return
		}
		for _, item := range line {
			if e, _ := h.known.lookup(item.Words[0].Text); e == nil || e.Refuse != "" || e.Effect != tools.Read {
				t.Fatalf("%q runs as a read with the program %q", text, item.Words[0].Text)
			}
		}
	})
}

// alphabet is what the random arguments are made of: what shells give a meaning, and bytes of all kinds.
var alphabet = []string{"'", "''", `\`, `"`, "$", "`", "!", "*", "?", "[", "]", "{", "}", "~", "#", ";", "&", "|", "<", ">", "(", ")", "=", "%", "^", "-", " ", "\t", "\n",
	"\r", "\x01", "\x1b", "\x7f", "\x80", "\xff", "\xc3", "é", "\u00a0", "\u202e", "日", "a", "B", "0", "$(id)", "${x}", "\\n"}

// Quoted words reach a program unchanged, through every shell and through the two levels that a pipeline has.
func TestQuotedWordsArriveUnchanged(t *testing.T) {
	const words, batch = 30_000, 500
	r := rand.New(rand.NewPCG(1, 2))
	for _, shell := range []string{"bash", "dash", "sh"} {
		path, err := osexec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not installed", shell)
			continue
		}
		for range words / batch {
			var line, want strings.Builder
			line.WriteString("exec printf '%s\\0'")
			for range batch {
				var w strings.Builder
				for range r.IntN(12) {
					w.WriteString(alphabet[r.IntN(len(alphabet))])
				}
				line.WriteString(" " + shparse.Quote(w.String()))
				want.WriteString(w.String() + "\x00")
			}
			for _, text := range []string{line.String(), "exec " + path + " -c " + shparse.Quote(line.String())} {
				out, err := osexec.Command(path, "-c", text).Output()
				if err != nil {
					t.Fatal(shell, err)
				}
				if !bytes.Equal(out, []byte(want.String())) {
					t.Fatalf("%s changed a word", shell)
				}
			}
		}
	}
}
