package sqlparse

import (
	"fmt"
	"strings"
	"testing"
)

// TestRanges: only columns that are certain are stated, and each name that can stand before a dot is.
func TestRanges(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"SELECT 1 FROM a, b.c AS d", ""},
		{"SELECT 1 FROM (SELECT x, y AS z, count(*), max(1), 1 + 1, 'a'::date, q::text FROM t) s", "s(count date max q x z)"},
		{"SELECT 1 FROM (SELECT x, y FROM t) s(a)", "s(a y)"},
		{"SELECT 1 FROM (SELECT *, y FROM t) s(a)", "s(a)"},
		{"SELECT 1 FROM (SELECT *, y FROM t, u.v w) s", "s(y) tables t u.v"},
		{"SELECT 1 FROM (SELECT w.* FROM t, u.v w) s", "s() tables u.v"},
		{"SELECT 1 FROM (SELECT o.* FROM t) s, o", "s()"},
		{"SELECT 1 FROM (SELECT * FROM t x(a, b)) s", "s(a b); x(a b)"},
		{"SELECT 1 FROM (SELECT p UNION SELECT q) s", "s(p)"},
		{"SELECT 1 FROM (VALUES (1, 2)) s(a)", "s(a)"},
		{"SELECT 1 FROM (VALUES (1, 2)) s", "s()"},
		{"SELECT 1 FROM f() s", "s()"},
		{"SELECT 1 FROM f()", "f()"},
		{"SELECT 1 FROM f() s(a)", "s(a)"},
		{"SELECT 1 FROM f() AS s(a int, b text)", "s(a b)"},
		{"SELECT 1 FROM f() AS (a int)", "f(a)"},
		{"WITH c AS (SELECT * FROM t) SELECT 1 FROM c", "c() tables t"},
		{"WITH t AS (SELECT * FROM t) SELECT 1 FROM t AS u", "t() tables t; u() ranges t"},
		{"WITH RECURSIVE t AS (SELECT * FROM t) SELECT 1 FROM t", "t() ranges t"},
		{"WITH c(a) AS (SELECT x, y FROM t) SELECT 1 FROM c d(b)", "c(a y); d(b)"},
		{"WITH c AS (SELECT 1 AS a) SELECT 1 FROM (SELECT * FROM c) s", "c(a); s() ranges c"},
		{"WITH c AS (DELETE FROM t RETURNING a) SELECT 1 FROM c", "c()"},
		{"SELECT 1 FROM (a JOIN b ON true) j", "a() tables a; b() tables b; j() tables a b"},
		{"SELECT 1 FROM (a JOIN b ON true) j(x)", "a() tables a; b() tables b; j(x)"},
		{"SELECT 1 FROM a JOIN b USING (x, y) AS u", "u(x y)"},
		{"INSERT INTO s.t AS a VALUES (1) ON CONFLICT DO NOTHING", "excluded() tables s.t"},
		{"SELECT 1 FROM JSON_TABLE('{}', '$' COLUMNS (a int PATH '$', NESTED PATH '$' COLUMNS (b int PATH '$'))) AS j", "j(a b)"},
	} {
		var got []string
		for _, r := range mustAnalyse(t, c.sql).Ranges {
			line := fmt.Sprintf("%s(%s)", r.Name, strings.Join(r.Columns, " "))
			if len(r.Tables) > 0 {
				line += " tables"
				for _, table := range r.Tables {
					line += " " + dotted(table.Schema, table.Name)
				}
			}
			if len(r.Ranges) > 0 {
				line += " ranges " + strings.Join(r.Ranges, " ")
			}
			got = append(got, line)
		}
		if all := strings.Join(got, "; "); all != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.sql, all, c.want)
		}
	}
}

// TestLargeStarsEnd: the columns of stars in nested and repeated sub-queries are found in bounded time and space.
func TestLargeStarsEnd(t *testing.T) {
	nested, wide := "SELECT * FROM t", "SELECT 1 FROM (SELECT "+strings.Repeat("*, ", 500)+"* FROM "+strings.Repeat("t, ", 500)+"t) s"
	for range 200 {
		nested = "SELECT * FROM (" + nested + ") a, (SELECT 1 AS x) b"
	}
	joined := "t"
	for range 200 {
		joined = "(" + joined + " JOIN t ON true) AS j"
	}
	for _, sql := range []string{nested, wide, "SELECT 1 FROM " + joined} {
		if _, err := analyse(sql); err != nil {
			t.Error(err)
		}
	}
}
