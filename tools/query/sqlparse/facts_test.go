package sqlparse

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// facts writes what a test looks at in one line a fact, so that a table can hold many statements.
func facts(st *Statement) (out []string) {
	out = append(out, "kind "+st.Kind)
	mention := func(word string, list []Mention) {
		for _, m := range list {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s@%d %s", word, m.What, m.Position, m.Effect)))
		}
	}
	mention("write", st.Writes)
	mention("refused", st.Refused)
	mention("unclear", st.Unclear)
	mention("join", st.NaturalJoins)
	mention("attribute", st.Attributes)
	for _, r := range st.Relations {
		line := "relation " + dotted(r.Schema, r.Name)
		for _, flag := range []struct {
			set  bool
			word string
		}{{r.Alias != "", "as " + r.Alias}, {r.Written, "written"}, {r.ColumnAliases, "renamed"}, {r.TopLevel, "top"}} {
			if flag.set {
				line += " " + flag.word
			}
		}
		out = append(out, line)
	}
	for _, c := range st.Columns {
		name := strings.Join(c.Names, ".")
		if c.Star {
			name = strings.TrimPrefix(name+".*", ".")
		}
		line := fmt.Sprintf("column %s %s", name, c.Place)
		if c.Place == PlaceOther {
			line += " " + c.Where
		}
		out = append(out, line)
	}
	call := func(word string, list []Call) {
		for _, c := range list {
			line := fmt.Sprintf("%s %s/%d", word, dotted(c.Schema, c.Name), c.Args)
			if c.Syntax {
				line += " syntax"
			}
			out = append(out, line)
		}
	}
	call("function", st.Functions)
	call("operator", st.Operators)
	call("type", st.Types)
	if len(st.Aliases) > 0 {
		out = append(out, "aliases "+strings.Join(st.Aliases, " "))
	}
	if !st.Bounded {
		out = append(out, "unbounded")
	}
	if st.Params > 0 {
		out = append(out, fmt.Sprintf("params %d", st.Params))
	}
	if !st.Output.Plain {
		out = append(out, "output "+st.Output.Why)
	}
	return out
}

func dotted(schema, name string) string {
	if schema == "" {
		return name
	}
	return schema + "." + name
}

// only keeps the facts that start with one of the words.
func only(all []string, words ...string) (out []string) {
	for _, f := range all {
		if slices.Contains(words, strings.Fields(f)[0]) {
			out = append(out, f)
		}
	}
	return out
}

func mustAnalyse(t testing.TB, sql string) *Statement {
	t.Helper()
	st, err := analyse(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if err := st.check(sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return st
}

// TestFacts states all facts of some statements.
func TestFacts(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"SELECT id, u.name AS n, u.*, * FROM users u WHERE id = $2", `kind select
relation users as u top
column id output
column u.name output
column u.* output
column * output
column id other in WHERE
operator =/2
aliases n u
params 2`},
		{"SELECT lower(u.ssn), ssn::text, ssn || 'x', (SELECT ssn FROM users LIMIT 1) FROM public.users u", `kind select
relation users
relation public.users as u top
column u.ssn other inside function lower
column ssn other inside a cast
column ssn other inside an expression
column ssn other in a sub-query
function lower/1
operator ||/2
type text/0
aliases u`},
		{"INSERT INTO t (a, b) VALUES (1, DEFAULT), (2, f(3)) ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE t.c > 1 RETURNING a, b + 1", `kind insert
write INSERT@1 write
write UPDATE in ON CONFLICT@53 write
relation t written top
column a assigned
column b assigned
column a other in ON CONFLICT
column b assigned
column excluded.b other in SET
column t.c other in ON CONFLICT
column a output
column b other in RETURNING
function f/1
operator >/2
operator +/2
aliases excluded`},
		{"UPDATE ONLY t AS x SET (a, b) = (SELECT c, d FROM s), e[1] = 2 FROM f WHERE x.i = f.i RETURNING x.*", `kind update
write UPDATE@1 write
relation t as x written top
relation s
relation f top
column a assigned
column b assigned
column c other in a sub-query
column d other in a sub-query
column e assigned
column x.i other in WHERE
column f.i other in WHERE
column x.* output
operator =/2
aliases x`},
		{"DELETE FROM t USING a, b WHERE t.x = a.x RETURNING t.x", `kind delete
write DELETE@1 write
relation t written top
relation a top
relation b top
column t.x other in WHERE
column a.x other in WHERE
column t.x output
operator =/2`},
		{"SELECT a FROM t UNION SELECT b FROM s ORDER BY 1", `kind select
relation t
relation s
column a other in UNION
column b other in UNION
output UNION`},
		{"SELECT * FROM a NATURAL JOIN b JOIN c USING (id, k) JOIN d ON a.x = d.x", `kind select
join NATURAL JOIN@1
relation a top
relation b top
relation c top
relation d top
column id other in USING
column k other in USING
column * output
column a.x other in a join condition
column d.x other in a join condition
operator =/2
operator =/2`},
		{"EXPLAIN (VERBOSE, FORMAT json) SELECT a FROM t WHERE b = 1", `kind explain
relation t
column a other in an explained statement
column b other in WHERE
operator =/2
output EXPLAIN`},
		{"SHOW work_mem", "kind show\noutput SHOW"},
		{"SELECT x FROM (t JOIN s ON true) AS j(x, y)", `kind select
relation t renamed top
relation s renamed top
column x output
aliases j x y`},
	} {
		if diff := cmp.Diff(c.want, strings.Join(facts(mustAnalyse(t, c.sql)), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.sql, diff)
		}
	}
}

// TestConstructs states the facts that matter for one construct.
func TestConstructs(t *testing.T) {
	for _, c := range []struct{ sql, words, want string }{
		// CTE names.
		{"WITH users AS (SELECT * FROM users) SELECT * FROM users", "relation", "relation users"},
		{"WITH RECURSIVE users AS (SELECT * FROM users) SELECT * FROM users", "relation", ""},
		{"WITH a AS (SELECT 1 FROM b), b AS (SELECT 1 FROM a) SELECT 1 FROM a, b", "relation", "relation b"},
		{"WITH RECURSIVE a AS (SELECT 1 FROM b), b AS (SELECT 1) SELECT 1 FROM a, b", "relation", ""},
		{"WITH a AS (SELECT 1) SELECT 1 FROM public.a", "relation", "relation public.a top"},
		{"SELECT 1 FROM (WITH a AS (SELECT 1) SELECT * FROM a) s, a", "relation", "relation a top"},
		{"WITH a AS (SELECT 1) SELECT 1 FROM t WHERE x IN (SELECT y FROM a)", "relation", "relation t top"},
		{"WITH a AS (WITH b AS (SELECT 1 FROM a) SELECT 1 FROM b) SELECT 1 FROM a, b", "relation", "relation a; relation b top"},
		{"WITH t AS (SELECT 1 AS x) INSERT INTO t SELECT x FROM t", "relation", "relation t written top"},
		{"WITH t AS (SELECT 1 AS x) UPDATE t SET a = 1 FROM t AS u WHERE t.b = 2", "relation", "relation t written top"},
		{"WITH t AS (SELECT 1) DELETE FROM t USING t AS u WHERE t.b = 2", "relation", "relation t written top"},
		{"INSERT INTO s WITH a AS (SELECT 1) SELECT * FROM a", "relation", "relation s written top"},
		{"WITH a AS (SELECT 1) SELECT 1 FROM a UNION SELECT 1 FROM a", "relation", ""},
		{"SELECT 1 FROM a UNION (WITH a AS (SELECT 1) SELECT 1 FROM a)", "relation", "relation a"},
		{`WITH "A" AS (SELECT 1) SELECT 1 FROM a`, "relation", "relation a top"},
		{`WITH U&"\0061" AS (SELECT 1) SELECT 1 FROM a`, "relation", ""},
		{"WITH a AS (SELECT 1) SELECT 1 FROM LATERAL (SELECT * FROM a) x", "relation", ""},

		// Writes.
		{"WITH d AS (DELETE FROM t WHERE a = 1 RETURNING *) SELECT 1", "kind write unbounded", "kind select; write DELETE in a WITH clause@6 write"},
		{"WITH d AS (DELETE FROM t) SELECT 1", "write unbounded", "write DELETE in a WITH clause@6 write; unbounded"},
		{"WITH d AS (WITH e AS (UPDATE t SET a = 1 WHERE b = 2 RETURNING *) SELECT * FROM e) SELECT 1", "write", "write UPDATE in a WITH clause@17 write"},
		{"WITH d AS (MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE) SELECT 1", "refused", "refused MERGE in a WITH clause@6 write"},
		{"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "kind refused", "kind MergeStmt; refused MERGE@1 write"},
		{"UPDATE t SET a = 1", "unbounded", "unbounded"},
		{"UPDATE t SET a = 1 WHERE true", "unbounded", "unbounded"},
		{"DELETE FROM t WHERE 1 = 1", "unbounded", "unbounded"},
		{"DELETE FROM t WHERE a = 1", "unbounded", ""},
		{"DELETE FROM t WHERE CURRENT OF c", "unclear", "unclear WHERE CURRENT OF@1"},
		{"INSERT INTO t DEFAULT VALUES", "write relation", "write INSERT@1 write; relation t written top"},
		{"EXPLAIN DELETE FROM t WHERE a = 1", "write refused", "write DELETE@1 write; refused EXPLAIN of a statement that changes data@1"},

		// Reads with effects.
		{"SELECT a INTO s FROM t", "refused", "refused SELECT INTO@1 define"},
		{"SELECT a INTO s FROM t UNION SELECT b FROM u", "refused", "refused SELECT INTO@1 define"},
		{"SELECT 1 FROM (SELECT 1 FROM t FOR NO KEY UPDATE) s", "refused", "refused FOR NO KEY UPDATE@1 write"},
		{"WITH a AS (SELECT 1 FROM t FOR SHARE) SELECT 1", "refused", "refused FOR SHARE@6 write"},
		{"SELECT 1 FROM t WHERE a = (SELECT 1 FROM s FOR KEY SHARE OF s NOWAIT)", "refused relation", "refused FOR KEY SHARE@27 write; relation t top; relation s"},
		{"SELECT 1 FROM t FOR UPDATE OF t FOR SHARE SKIP LOCKED", "refused", "refused FOR SHARE@1 write; refused FOR UPDATE@1 write"},
		{"EXPLAIN ANALYZE SELECT 1", "refused", "refused EXPLAIN ANALYZE@1"},
		{"EXPLAIN (ANALYZE off) SELECT 1", "refused", "refused EXPLAIN ANALYZE@1"},
		{"EXPLAIN (analyze false, analyze true) UPDATE t SET a = 1", "kind refused", "kind explain; refused EXPLAIN ANALYZE@1 write"},
		{`EXPLAIN ("ANALYZE") SELECT 1`, "refused", "refused EXPLAIN ANALYZE@1"},
		{"EXPLAIN ANALYSE VERBOSE SELECT 1", "refused", "refused EXPLAIN ANALYZE@1"},
		{"EXPLAIN (serialize) SELECT 1", "unclear", "unclear an option of EXPLAIN that is not known@10"},
		{"EXPLAIN EXECUTE p", "kind refused", "kind explain; refused EXECUTE@1 write"},
		{"EXPLAIN CREATE TABLE s AS SELECT 1", "refused", "refused CREATE TABLE AS@1 define"},
		{"EXPLAIN DECLARE c CURSOR FOR SELECT 1", "refused", "refused DECLARE CURSOR@1"},

		// Calls where they hide.
		{"VALUES ((f(1))), ((g()))", "function output", "function f/1; function g/0; output VALUES"},
		{"SELECT (0.02::float8).pg_sleep", "unclear attribute", "attribute pg_sleep@8"},
		{"SELECT (u).name FROM users u", "unclear attribute column", "attribute name@8; column u other inside an expression"},
		{"SELECT (a.b).c.d FROM a", "unclear attribute", "attribute c@8; attribute d@8"},
		{"SELECT $1.name", "unclear attribute", "attribute name@8"},
		{"SELECT tags[1].f FROM users", "unclear attribute", "attribute f@8"},
		{"SELECT tags[1], tags[f(1):2] FROM users", "unclear function", "function f/1"},
		{"SELECT (f(1)).*", "unclear function", "function f/1"},
		{"SELECT count(*) FILTER (WHERE f(a)) OVER (PARTITION BY g(b) ORDER BY h(c) ROWS i(1) PRECEDING) FROM t", "function",
			"function count/0; function f/1; function g/1; function h/1; function i/1"},
		{"SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY f(b))", "function", "function sum/1; function f/1"},
		{"SELECT percentile_cont(f(0.5)) WITHIN GROUP (ORDER BY g(a)) FROM t", "function", "function percentile_cont/2; function f/1; function g/1"},
		{"SELECT string_agg(a, ',' ORDER BY f(b)) FROM t", "function", "function string_agg/2; function f/1"},
		{"SELECT 1 FROM ROWS FROM (f(1), g(2) AS (a int)) WITH ORDINALITY AS x", "function type aliases", "function f/1; function g/1; type pg_catalog.int4/0; aliases a f g ordinality x"},
		{"SELECT 1 FROM t TABLESAMPLE s.m (f(1)) REPEATABLE (g(2))", "function relation", "relation t top; function s.m/1; function f/1; function g/1"},
		{"SELECT 1 FROM t, LATERAL f(t.a) x, LATERAL (SELECT g(t.b)) y", "function", "function f/1; function g/1"},
		{"SELECT 1 LIMIT f(1) OFFSET g(2)", "function", "function f/1; function g/1"},
		{"SELECT DISTINCT ON (f(a)) a FROM t ORDER BY f(a)", "function output", "function f/1; function f/1; output DISTINCT"},
		{"SELECT 1 FROM t GROUP BY GROUPING SETS ((a), (f(b)), CUBE (g(c), d)) HAVING h(1)", "function", "function f/1; function g/1; function h/1"},
		{"SELECT f(VARIADIC ARRAY[g(1)]), h(a => i(2))", "function", "function f/1; function g/1; function h/1; function i/1"},
		{"SELECT CASE f(1) WHEN g(2) THEN h(3) ELSE i(4) END", "function operator", "function f/1; function g/1; function h/1; function i/1; operator =/2"},
		{"SELECT COALESCE(f(1), 2), GREATEST(g(1), 2), NULLIF(h(1), 2), ROW(i(1)), ARRAY[[j(1)]]", "function", "function f/1; function g/1; function h/1; function i/1; function j/1"},
		{"SELECT ARRAY(SELECT f(1))", "function", "function f/1"},
		{"INSERT INTO t (a) SELECT f(1)", "function", "function f/1"},
		{"INSERT INTO t VALUES (1) ON CONFLICT ((f(a))) WHERE g(b) DO UPDATE SET c = h(1) WHERE i(2) RETURNING j(3)", "function", "function f/1; function g/1; function h/1; function i/1; function j/1"},
		{"WITH RECURSIVE a AS (SELECT 1 x UNION ALL SELECT f(x) FROM a) SEARCH DEPTH FIRST BY x SET o CYCLE x SET c TO 1 DEFAULT 2 USING p SELECT 1 FROM a", "function aliases", "function f/1; aliases a c o p x"},
		{"SELECT a.b.c.d.e", "unclear", "unclear a column with a database name@8"},
		{"SELECT 1 FROM db.public.t", "unclear", "unclear a relation with a database name@15"},
		{"SELECT db.s.f(1)", "unclear", "unclear a name of db.s.f@8"},

		// What the grammar turns into calls, operators and types.
		{"SELECT EXTRACT(year FROM a), POSITION('x' IN b), SUBSTRING(c FROM 2 FOR 3), TRIM(both 'x' FROM d), OVERLAY(e PLACING 'x' FROM 1) FROM t", "function",
			"function pg_catalog.extract/2; function pg_catalog.position/2; function pg_catalog.substring/3; function pg_catalog.btrim/2; function pg_catalog.overlay/3"},
		{"SELECT a AT TIME ZONE 'UTC', (a, b) OVERLAPS (c, d), NORMALIZE(x), COLLATION FOR (y) FROM t", "function",
			"function pg_catalog.timezone/2; function pg_catalog.overlaps/4; function pg_catalog.normalize/1; function pg_catalog.pg_collation_for/1"},
		{"SELECT current_user, CURRENT_TIMESTAMP(3), session_user", "function", "function current_user/0 syntax; function current_timestamp/0 syntax; function session_user/0 syntax"},
		{"SELECT GROUPING(a) FROM t GROUP BY a", "function", "function grouping/1 syntax"},
		{"SELECT a LIKE 'x', a NOT ILIKE 'y' ESCAPE 'z', a SIMILAR TO 'w' FROM t", "function operator",
			"function pg_catalog.like_escape/2; function pg_catalog.similar_to_escape/1; operator ~~/2; operator !~~*/2; operator ~/2"},
		{"SELECT a BETWEEN 1 AND 2, a NOT BETWEEN 3 AND 4 FROM t", "operator", "operator <=/2; operator >=/2; operator </2; operator >/2"},
		{"SELECT a BETWEEN SYMMETRIC 1 AND 2 FROM t", "operator", "operator </2; operator <=/2; operator >/2; operator >=/2"},
		{"SELECT a IN (1, 2), a NOT IN (3, f(4)), a IN (SELECT 1), a <> ALL (SELECT 2), a = ANY (b) FROM t", "function operator",
			"function f/1; operator =/2; operator <>/2; operator =/2; operator <>/2; operator =/2"},
		{"SELECT a IS DISTINCT FROM b, (a, b) < (c, d), - a, a OPERATOR(s.+) b, a OPERATOR(s.@@) ANY (SELECT 1) FROM t", "operator",
			"operator =/2; operator </2; operator -/1; operator s.+/2; operator s.@@/2"},
		{"SELECT a FROM t ORDER BY b USING OPERATOR(s.<)", "operator", "operator s.</2"},
		{"SELECT a::s.d, CAST(b AS varchar(10)), c::int[][], date '2020-01-01', interval '1' day, s.d '1' FROM t", "type",
			"type s.d/0; type pg_catalog.varchar/1; type pg_catalog.int4/0; type date/0; type pg_catalog.interval/1; type s.d/0"},
		{"SELECT a::foo(bar) FROM t", "unclear", "unclear a type modifier that is not a constant@11"},
		{"SELECT a COLLATE \"C\", b IS NULL, c IS NOT TRUE, d IS JSON OBJECT FROM t", "unclear column",
			"column a other inside an expression; column b other inside an expression; column c other inside an expression; column d other inside a JSON function"},
		{"SELECT xmlelement(name x), xmlparse(content a) FROM t", "unclear", "unclear an XML function@8; unclear an XML function@28"},
		{"SELECT 1 FROM XMLTABLE('/a' PASSING b COLUMNS c text)", "unclear", "unclear XMLTABLE@15"},
		{"SELECT JSON_VALUE(a, '$.b' PASSING f(1) AS x RETURNING s.d), JSON_OBJECT('k': g(2)) FROM t", "unclear function type",
			"function json_value/2 syntax; function f/1; function json_object/1 syntax; function g/1; type s.d/0"},
		{"SELECT * FROM JSON_TABLE(f(1), '$' COLUMNS (a int PATH '$.a' DEFAULT g(2) ON EMPTY, NESTED PATH '$.b' COLUMNS (c s.d))) j", "unclear function type aliases",
			"function json_table/2 syntax; function f/1; function g/1; type pg_catalog.int4/0; type s.d/0; aliases a c j"},
		{"SELECT JSON_ARRAY(SELECT f(1)), JSON_ARRAYAGG(a ORDER BY g(b)), JSON_OBJECTAGG(k: h(v)) FROM t", "unclear function",
			"function json_array/1 syntax; function f/1; function json_arrayagg/1 syntax; function g/1; function json_objectagg/2 syntax; function h/1"},
		{"SELECT SYSTEM_USER", "function column", "column system_user other as SYSTEM_USER; function pg_catalog.system_user/0"},

		// Places of columns.
		{"TABLE users", "column relation output", "relation users top; column * output"},
		{"(SELECT ssn FROM users)", "column", "column ssn output"},
		{"SELECT (ssn), u, ROW(u.*), count(u) FROM users u", "column", "column ssn output; column u output; column u.* other inside an expression; column u other inside function count"},
		{"SELECT s.ssn FROM (SELECT ssn FROM users) s", "column", "column s.ssn output; column ssn other in a sub-query"},
		{"SELECT ssn AS x, id FROM users ORDER BY x", "column", "column ssn output; column id output; column ssn other in ORDER BY; column x other in ORDER BY"},
		{"SELECT u.ssn AS x FROM users u GROUP BY x", "column", "column u.ssn output; column u.ssn other in GROUP BY; column x other in GROUP BY"},
		{"SELECT ssn AS x FROM users ORDER BY 1", "output", "output ORDER BY a column number"},
		{"SELECT ssn FROM users HAVING true", "output", "output HAVING"},
		{"INSERT INTO t SELECT ssn FROM users", "column", "column ssn other in the rows to insert"},
		{"UPDATE t SET a = ssn FROM users RETURNING ssn", "column", "column a assigned; column ssn other in SET; column ssn output"},
		{"WITH a AS (UPDATE t SET b = 1 WHERE c = 2 RETURNING ssn) SELECT 1", "column", "column b assigned; column c other in WHERE; column ssn other in a WITH clause"},
		{"SELECT a FROM t AS x(a, b)", "relation aliases", "relation t as x renamed top; aliases a b x"},
		{"SELECT 1 FROM a JOIN b USING (k) AS j", "aliases", "aliases j"},
		{"SELECT " + strings.Repeat("é", 3) + ".ü, ß FROM t", "unclear relation", "relation t top"},
	} {
		st := mustAnalyse(t, c.sql)
		got := strings.Join(only(facts(st), strings.Fields(c.words)...), "; ")
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
		if c.words != "unclear" && !strings.Contains(c.words, "unclear") && len(st.Unclear) > 0 {
			t.Errorf("%s: unclear: %v", c.sql, st.Unclear)
		}
	}
}

// TestParamTokens: each $n and nothing else, at its place in Text.
func TestParamTokens(t *testing.T) {
	for sql, want := range map[string]string{
		"/* $3 */ SELECT $1, '$4', $10 -- $2":               "[{1 7 9} {10 17 20}]",
		"SELECT a.$$x$$ || $2::text || $1":                  "",
		"SELECT $$ $5 $$, E'\\'$6', \"$7\", é, x=$1 FROM t": "[{1 38 40}]",
		"SELECT 1": "[]",
		"UPDATE t SET a[$1] = $2, b = $1 WHERE c = ANY ($3)": "[{1 15 17} {2 21 23} {1 29 31} {3 47 49}]",
	} {
		st, err := analyse(sql)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", sql, err)
			}
			continue
		}
		if got := fmt.Sprint(st.ParamTokens); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
		for _, p := range st.ParamTokens {
			if st.Text[p.Start:p.End] != fmt.Sprintf("$%d", p.Number) {
				t.Errorf("%s: %q is not $%d", sql, st.Text[p.Start:p.End], p.Number)
			}
		}
	}
}
