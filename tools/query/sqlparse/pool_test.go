package sqlparse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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

// TestEveryBombIsAnAnswer: whatever a statement does to the parser, this process lives, the statement has an answer, and the
// next one, which has to be parsed, is understood.
func TestEveryBombIsAnAnswer(t *testing.T) {
	sizes := []int{2 << 10, 80 << 10, 250 << 10, 1 << 20}
	if testing.Short() {
		sizes = []int{2 << 10, 80 << 10}
	}
	p := newPool(t, Config{CacheBytes: -1})
	for name, bomb := range bombs {
		for _, size := range sizes {
			begun := time.Now()
			_, err := p.Parse(t.Context(), bomb(size))
			took := time.Since(begun)
			var not *tools.NotUnderstoodError
			var arg *tools.ArgError
			if err != nil && !errors.As(err, &not) && !errors.As(err, &arg) {
				t.Errorf("%s of %d bytes: %v", name, size, err)
			}
			begun = time.Now()
			st, err := p.Parse(t.Context(), "SELECT id FROM users")
			if err != nil || st.Kind != "select" || len(st.Unclear) > 0 {
				t.Errorf("the statement after %s of %d bytes: %v, %v", name, size, st, err)
			}
			t.Logf("%-12s %7d: %-80v %v, next %v", name, size, err, took.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
		}
	}
}

func TestManyCallersAndBombs(t *testing.T) {
	p := newPool(t, Config{CacheBytes: -1})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 10 {
				if i == 0 {
					_, _ = p.Parse(t.Context(), bombs["sum"](100<<10))
					continue
				}
				st, err := p.Parse(t.Context(), fmt.Sprintf("SELECT c%d FROM t", i))
				if err != nil || st.Columns[0].Names[0] != fmt.Sprintf("c%d", i) {
					t.Errorf("caller %d: %v, %v", i, st, err)
				}
			}
		})
	}
	group.Wait()
}

// TestDamagedChild: an answer that is not one is "not understood", and its child is replaced.
func TestDamagedChild(t *testing.T) {
	for _, how := range []string{"garbage", "empty", "other", "outside", "huge", "half", "silent"} {
		t.Run(how, func(t *testing.T) {
			p := newPool(t, Config{Argv: self(t, fakeArgument, how), Workers: 1, Timeout: 50 * time.Millisecond})
			for range 3 { // each time a new child
				st, err := p.Parse(t.Context(), "SELECT 1")
				if not := (*tools.NotUnderstoodError)(nil); !errors.As(err, &not) {
					t.Fatalf("got %v, %v", st, err)
				}
			}
		})
	}
}

func TestChildThatCannotStart(t *testing.T) {
	for _, argv := range [][]string{nil, {""}, {"/no/such/program"}, self(t, fakeArgument, "ends")} {
		if _, err := NewPool(Config{Argv: argv}); err == nil {
			t.Errorf("a pool of %q", argv)
		}
	}
}

func TestIdleChildThatWasKilled(t *testing.T) {
	p := newPool(t, Config{Workers: 1})
	w := <-p.idle
	w.kill()
	<-w.exited
	p.idle <- w
	if _, err := p.Parse(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
}

func TestCloseLeavesNoChild(t *testing.T) {
	p := newPool(t, Config{Workers: 3})
	var children []*worker
	for range 3 {
		children = append(children, <-p.idle)
	}
	p.Close()
	for _, w := range children {
		select {
		case <-w.exited:
		default:
			t.Errorf("process %d is there after Close", w.cmd.Process.Pid)
		}
	}
	if _, err := p.Parse(t.Context(), "SELECT 1"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("parse after Close: %v", err)
	}
	p.Close()
}

func TestParseEndsWithItsContext(t *testing.T) {
	p := newPool(t, Config{Argv: self(t, fakeArgument, "silent"), Workers: 1, Timeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := p.Parse(ctx, "SELECT 1")
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNoChildInTime(t *testing.T) {
	p := newPool(t, Config{Workers: 1, Wait: time.Millisecond})
	w := <-p.idle
	defer func() { p.idle <- w }()
	if _, err := p.Parse(t.Context(), "SELECT 1"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// TestNothingIsParsedTwice: a cached statement needs no child.
func TestNothingIsParsedTwice(t *testing.T) {
	p := newPool(t, Config{Workers: 1})
	first, err := p.Parse(t.Context(), "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	w := <-p.idle
	defer func() { p.idle <- w }()
	again, err := p.Parse(t.Context(), "SELECT 1")
	if err != nil || again != first {
		t.Errorf("got %v, %v", again, err)
	}
}

func TestCacheKeepsTheLatestWithinItsBytes(t *testing.T) {
	c := newCache(1000)
	for i := range 100 {
		c.put(fmt.Sprintf("%02d", i), &Statement{Params: i}, 49) // 100 bytes each
		c.get("00")
	}
	if c.used > 1000 || len(c.entries) != 10 || c.recent.Len() != 10 {
		t.Errorf("%d bytes, %d entries, %d listed", c.used, len(c.entries), c.recent.Len())
	}
	if c.get("00") == nil || c.get("99") == nil || c.get("01") != nil {
		t.Error("what was used last is not what is kept")
	}
	c.put("large", &Statement{}, 400)
	if c.get("large") != nil {
		t.Error("one statement may take most of the cache")
	}
}

func TestTextsNoParserSees(t *testing.T) {
	p := newPool(t, Config{Workers: 1})
	for _, c := range []struct{ sql, problem string }{
		{"", "is empty"},
		{" \t\r\n", "is empty"},
		{"SELECT 'a\x00b'", "has the control character U+0000 at position 10"},
		{"SELECT é\x0b1", "has the control character U+000B at position 9"},
		{"SELECT 1\x1b[2K", "has the control character U+001B at position 9"},
		{"SELECT '\u0085'", "has the control character U+0085 at position 9"},
		{"SELECT '\xc3('", "is not valid UTF-8"},
		{"SELECT '" + strings.Repeat("x", maxStatement) + "'", "is 262153 bytes long, the limit is 262144"},
	} {
		_, err := p.Parse(t.Context(), c.sql)
		if arg := (*tools.ArgError)(nil); !errors.As(err, &arg) || arg.Field != "sql" || arg.Problem != c.problem {
			t.Errorf("%.20q: %v", c.sql, err)
		}
	}
}

// TestNotOneStatement: what is wrong, and at which character.
func TestNotOneStatement(t *testing.T) {
	p := newPool(t, Config{Workers: 1})
	for _, c := range []struct {
		sql, construct string
		position       int
	}{
		{"SELECT 1; SELECT 2", "more than one statement", 11},
		{"SELECT 'é';\n\tDROP TABLE t;", "more than one statement", 14},
		{"SELECT 1;;DROP TABLE t", "more than one statement", 11},
		{";;", "an empty statement", 0},
		{"-- nothing", "an empty statement", 0},
		{"SELECT 'é' é FORM t", `syntax error at or near "FORM"`, 14},
		{"SELECT 'open", `unterminated quoted string at or near "'open"`, 8},
		{"\\d users", `syntax error at or near "\"`, 1},
	} {
		st, err := p.Parse(t.Context(), c.sql)
		not := (*tools.NotUnderstoodError)(nil)
		if !errors.As(err, &not) || not.Construct != c.construct || not.Position != c.position {
			t.Errorf("%q: %v, %v", c.sql, st, err)
		}
	}
	for _, sql := range []string{"SELECT 1;", "; SELECT 1 ;; -- done", "/* a */ SELECT 1 /* b */; /* c */"} {
		st, err := p.Parse(t.Context(), sql)
		if err != nil || st.Text != "SELECT 1" || st.Fingerprint != "select $1" {
			t.Errorf("%q: %+v, %v", sql, st, err)
		}
	}
}
