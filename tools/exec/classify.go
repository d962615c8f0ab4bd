package exec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

// inspected is what Run needs of the facts: the line that will run, as it was understood.
type inspected struct{ line []shparse.Item }

// classify states the facts of a call. cwd is where it will start, "" when only the host knows.
func (k *Knowledge) classify(p *parsed, cwd string) *tools.Facts {
	f := newFinding(cwd)
	line := slices.Clone(p.Line)
	for i, item := range p.Line {
		line[i].Words = k.item(item, f)
	}
	form := "argv"
	if p.Text {
		form = "command_text"
	}
	kinds := []string{form}
	if p.Stdin != nil {
		kinds = append(kinds, "stdin")
	}
	slices.Sort(f.kinds)
	slices.Sort(f.programs)
	facts := &tools.Facts{
		Effect: f.effect, Kinds: append(kinds, f.kinds...), Objects: f.objects, Functions: slices.Compact(f.programs),
		Bounded: !f.unbounded, Unknown: f.unclear, Summary: clip(strings.Join(f.does, "; "), 300),
		Text: text(p, line, cwd), Inspected: &inspected{line},
	}
	if facts.Effect != tools.Read {
		facts.Values = sent(p)
	}
	if facts.Understood() {
		facts.Fingerprint = clip(strings.Join(f.shape, " "), 1000)
	}
	return facts
}

// sent are the texts that reach the host.
func sent(p *parsed) (all []string) {
	for _, item := range p.Line {
		for _, w := range item.Words {
			all = append(all, w.Text)
		}
	}
	if p.Stdin != nil {
		all = append(all, *p.Stdin)
	}
	return all
}

// text is the exact call for the approver: one word a line, so that no space or quote can deceive.
func text(p *parsed, line []shparse.Item, cwd string) string {
	var b strings.Builder
	if cwd != "" {
		fmt.Fprintf(&b, "in %s\n", printable(cwd))
	}
	for _, item := range line {
		if item.Op != "" {
			b.WriteString(item.Op + "\n")
		}
		for i, w := range item.Words {
			fmt.Fprintf(&b, "  [%d] %s", i, printable(w.Text))
			if w.Glob {
				b.WriteString("   (wildcard)")
			}
			b.WriteByte('\n')
		}
		for _, r := range item.Redirects {
			b.WriteString("  " + strings.TrimSpace(r.Kind+" "+printable(r.File)) + "\n")
		}
	}
	if p.Text {
		b.WriteString("as one line: " + shparse.Render(line) + "\n")
	}
	if p.Stdin != nil {
		fmt.Fprintf(&b, "standard input, %d bytes: %s\n", len(*p.Stdin), strconv.QuoteToGraphic(*p.Stdin))
	}
	return b.String()
}

// printable shows a word as it is when every character of it is visible and means itself, else quoted with escapes.
func printable(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar || r == '"' || r == '\\' {
			return strconv.QuoteToGraphic(s)
		}
	}
	return s
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
