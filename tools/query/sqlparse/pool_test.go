package sqlparse

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sallyport/tools"
)

// bombs are texts whose nesting has killed the parser, at a size in bytes.
var bombs = map[string]func(size int) string{
	"sum":         func(n int) string { return "SELECT 1" + strings.Repeat("+1", n/2) },
	"parentheses": func(n int) string { return "SELECT " + strings.Repeat("(", n/2) + "1" + strings.Repeat(")", n/2) },
	"open":        func(n int) string { return "SELECT " + strings.Repeat("(", n) },
	"selects": func(n int) string {
		return "SELECT " + strings.Repeat("(SELECT ", n/9) + "1" + strings.Repeat(")", n/9)
	},
	"unions": func(n int) string { return "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", n/19) },
	"arrays": func(n int) string { return "SELECT " + strings.Repeat("ARRAY[", n/7) + "1" + strings.Repeat("]", n/7) },
	"casts":  func(n int) string { return "SELECT 1" + strings.Repeat("::int", n/5) },
	"not":    func(n int) string { return "SELECT " + strings.Repeat("NOT ", n/4) + "true" },
	"minus":  func(n int) string { return "SELECT " + strings.Repeat("- ", n/2) + "x" },
	"calls":  func(n int) string { return "SELECT " + strings.Repeat("f(", n/3) + "1" + strings.Repeat(")", n/3) },
	"case": func(n int) string {
		return "SELECT " + strings.Repeat("CASE WHEN true THEN ", n/24) + "1" + strings.Repeat(" END", n/24)
	},
	"from": func(n int) string {
		return "SELECT 1 FROM " + strings.Repeat("(SELECT 1 FROM ", n/18) + "t" + strings.Repeat(")a ", n/18)
	},
	"joins": func(n int) string { return "SELECT 1 FROM t" + strings.Repeat(" CROSS JOIN t", n/13) },
	"with": func(n int) string {
		return strings.Repeat("WITH a AS (", n/20) + "SELECT 1" + strings.Repeat(") SELECT 1", n/20)
	},
	"subscripts": func(n int) string { return "SELECT x" + strings.Repeat("[1]", n/3) },
	"fields":     func(n int) string { return "SELECT (x)" + strings.Repeat(".a", n/2) },
	"comments":   func(n int) string { return strings.Repeat("/*", n/2) + strings.Repeat("*/", n/2) + "SELECT 1" },
	"explain":    func(n int) string { return strings.Repeat("EXPLAIN ", n/8) + "SELECT 1" },
	"values":     func(n int) string { return "VALUES (1)" + strings.Repeat(",(1)", n/4) },
	"names":      func(n int) string { return "SELECT a" + strings.Repeat(",a", n/2) },
	"statements": func(n int) string { return "SELECT 1" + strings.Repeat(";SELECT 1", n/9) },
}

func TestPoolSurvivesEveryBomb(t *testing.T) {
	p := newPool(t, Config{})
	for name, bomb := range bombs {
		for _, size := range []int{2 << 10, 40 << 10, 80 << 10, 200 << 10, 1 << 20} {
			begun := time.Now()
			_, err := p.Parse(t.Context(), bomb(size))
			took := time.Since(begun)
			var not *tools.NotUnderstoodError
			var arg *tools.ArgError
			if err != nil && !errors.As(err, &not) && !errors.As(err, &arg) {
				t.Errorf("%s of %d bytes: %v", name, size, err)
			}
			begun = time.Now()
			if _, err := p.Parse(t.Context(), "SELECT 1 /* "+name+" "+strings.Repeat("x", size/10000)+" */"); err != nil {
				t.Errorf("the statement after %s of %d bytes: %v", name, size, err)
			}
			t.Logf("%-12s %7d: %-80v %v, next %v", name, size, err, took.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
		}
	}
}
