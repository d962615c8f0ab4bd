package policy

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestGolden holds the points against what people expect of typical calls. A change of points.json that moves a call over a
// threshold has to change testdata/golden.txt, where a reviewer sees it.
func TestGolden(t *testing.T) {
	f, err := os.Open("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if words := strings.Fields(line); len(words) > 0 {
			n++
			t.Run(strings.Join(words, " "), func(t *testing.T) { testGolden(t, words) })
		}
	}
	if n < 50 {
		t.Errorf("only %d calls", n)
	}
}

func testGolden(t *testing.T, words []string) {
	last := len(words) - 3
	low, _ := strconv.Atoi(words[last+1])
	high, _ := strconv.Atoi(words[last+2])
	scope := onCall(func(s *Scope) { s.Allow, s.NotUnderstoodAsk = effects, true })
	c := call(in(map[string]string{"none": ""}[words[0]]), func(in *Input) {
		if words[0] != "none" {
			in.Target.Name, in.Target.Environment = "orders-db", words[0]
		}
	})
	for _, w := range words[1:last] {
		if err := goldenWord(&c, &scope, w); err != nil {
			t.Fatal(err)
		}
	}
	d := decide(t, newTestEngine(t, scope), c)
	if string(d.Verdict) != words[last] || d.Score < low || d.Score > high {
		t.Errorf("%s with score %d, want %s and %d to %d: %v", d.Verdict, d.Score, words[last], low, high, d.Reasons)
	}
}

func goldenWord(c *Input, s *Scope, word string) error {
	key, value, _ := strings.Cut(word, ":")
	define := func(effect, kind string) {
		c.Plan.Effect, c.Plan.Kinds, c.Plan.Reversible, c.Plan.Objects[0].Access = effect, []string{kind}, false, "write"
	}
	switch key {
	case "read":
	case "explain", "show":
		c.Plan.Kinds = []string{key}
	case "update", "delete", "insert":
		change(c, key)
	case "truncate":
		change(c, key)
		c.Plan.Reversible = false
	case "unbounded":
		unbounded(c)
	case "define", "admin": // define:create_index
		if m, err := baseModules(); err != nil || !strings.Contains(string(m.points), `"`+value+`":`) {
			return fmt.Errorf("%q is no kind with a rating (%v)", value, err)
		}
		define(key, value)
	case "not_understood":
		notUnderstood(c)
	case "kind":
		c.Plan.Kinds = []string{value}
	case "masked", "label":
		c.Plan.Objects[0].Labels = append(c.Plan.Objects[0].Labels, value)
	case "rows":
		var n, of int64
		if _, err := fmt.Sscanf(value, "%d/%d", &n, &of); err != nil {
			return err
		}
		rows(n, of)(c)
	case "limit":
		s.Limits.AffectedRows, _ = strconv.Atoi(value)
	default:
		return fmt.Errorf("%q is no word for a call", word)
	}
	return nil
}
