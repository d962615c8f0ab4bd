package query

import (
	"encoding/json"
	"strings"
	"testing"

	"sallyport/tools"
)

func TestValuesKeepTheirTypes(t *testing.T) {
	f := open(t, `CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN percent AS int;
		CREATE TABLE v (m mood, p pair, d percent, ms mood[]); INSERT INTO v VALUES ('ok', (1, 'x y'), 7, '{sad,ok}')`)
	for sql, want := range map[string]string{
		`SELECT true, false, NULL::bool`:                                                            `[[true,false,null]]`,
		`SELECT 1::int2, -2::int4, 9007199254740992, 9007199254740993`:                              `[[1,-2,9007199254740992,"9007199254740993"]]`,
		`SELECT 12.50::numeric, 0.1::numeric, 'NaN'::numeric`:                                       `[[12.50,0.1,"NaN"]]`,
		`SELECT 12345678901234567890.5::numeric, -0.000001::numeric`:                                `[["12345678901234567890.5",-0.000001]]`,
		`SELECT 0.1::float8, 1e300::float8, 'Infinity'::float8, 1::float4`:                          `[[0.1,1e+300,"Infinity",1]]`,
		`SELECT 0.1::float8 + 0.2::float8`:                                                          `[[0.30000000000000004]]`,
		`SELECT 'a"b\c' || chr(10) || chr(9) || chr(1) || 'é漢'`:                                     `[["a\"b\\c\n\t\u0001é漢"]]`,
		`SELECT '{"a": [1, null], "b": "x"}'::jsonb, '[1,2]'::json`:                                 `[[{"a": [1, null], "b": "x"},[1,2]]]`,
		`SELECT ARRAY[1,2,NULL], ARRAY['a b','c"d','NULL',NULL,'']`:                                 `[[[1,2,null],["a b","c\"d","NULL",null,""]]]`,
		`SELECT ARRAY[[1,2],[3,4]], '{}'::int[], '[0:1]={5,6}'::int[]`:                              `[[[[1,2],[3,4]],[],[5,6]]]`,
		`SELECT ARRAY[true,false], ARRAY['{"a":1}'::jsonb]`:                                         `[[[true,false],[{"a": 1}]]]`,
		`SELECT '\xdeadbeef'::bytea, ''::bytea`:                                                     `[["\\xdeadbeef","\\x"]]`,
		`SELECT '2026-01-02'::date, '2026-01-02 03:04:05+00'::timestamptz, '1 day 02:00'::interval`: `[["2026-01-02","2026-01-02 03:04:05+00","1 day 02:00:00"]]`,
		`SELECT '6f1ed002-ab5f-4ef7-9a5b-0a1b2c3d4e5f'::uuid, '[1,5)'::int4range, '10.0.0.1'::inet`: `[["6f1ed002-ab5f-4ef7-9a5b-0a1b2c3d4e5f","[1,5)","10.0.0.1"]]`,
		`SELECT m, p, d, ms FROM v`:                                                                 `[["ok","(1,\"x y\")",7,["sad","ok"]]]`,
		`SELECT 'SECRET'::text, 'xSECRETx'::bytea, '{"k":"SECRET"}'::jsonb, ARRAY['SECRET']`:        `[["***","x***x",{"k": "***"},["***"]]]`,
		`SELECT`:                    `[[]]`,
		`SELECT 1 WHERE false`:      `[]`,
		`VALUES (1, 'a'), (2, 'b')`: `[[1,"a"],[2,"b"]]`,
		`(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1;`: `[[1],[2]]`,
		`-- a comment
		SELECT 1 -- another`: `[[1]]`,
		`SHOW timezone`: `[["UTC"]]`,
	} {
		if got := f.rows(sql); got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
}

func TestColumnsSayNameAndType(t *testing.T) {
	f := open(t, "CREATE TABLE t (id int, n numeric(10,2), ssn text)", labelsOf(map[string]Label{"t.ssn": {Class: "us_ssn", Method: "redact"}}))
	out, err := f.read(`SELECT id, n AS "a ""b""", ssn FROM t`)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"columns":[{"name":"id","type":"integer"},{"name":"a \"b\"","type":"numeric"},{"name":"ssn","type":"text","masked":true}],"rows":[]}`
	if string(out.Data) != want {
		t.Errorf("got %s\nwant %s", out.Data, want)
	}
	if out.Affected != -1 || out.Code != "SELECT 0" || len(out.Columns) != 1 || out.Columns[0] != (tools.MaskedColumn{Name: "ssn", Class: "us_ssn", Method: "redact", Why: "column label"}) {
		t.Errorf("got %+v", out)
	}
}

func TestParametersTakeTheServersTypes(t *testing.T) {
	f := open(t, "CREATE TABLE t (id int, tags text[], doc jsonb, at timestamptz); INSERT INTO t VALUES (1, '{a,b}', '{\"k\": 1}', '2026-01-01')")
	for _, c := range []struct {
		sql    string
		params []any
		want   string
	}{
		{"SELECT id FROM t WHERE id = $1", []any{1}, "[[1]]"},
		{"SELECT id FROM t WHERE id = $1", []any{"1"}, "[[1]]"},
		{"SELECT id FROM t WHERE id = ANY($1)", []any{[]any{1, 2, nil}}, "[[1]]"},
		{"SELECT id FROM t WHERE tags @> $1", []any{[]any{"a"}}, "[[1]]"},
		{"SELECT id FROM t WHERE doc = $1", []any{map[string]any{"k": 1}}, "[[1]]"},
		{"SELECT $1::jsonb, $2::text[], $3::jsonb[]", []any{[]any{1, "x"}, []any{`q"\`, "{}"}, []any{map[string]any{"a": `"`}}}, `[[[1, "x"],["q\"\\","{}"],[{"a": "\""}]]]`},
		{"SELECT $1::text, $2::bool, $3::float8, $4::int", []any{"it's -- ; $1", true, 1.5, nil}, `[["it's -- ; $1",true,1.5,null]]`},
		{"SELECT id FROM t WHERE at < $1 LIMIT $2", []any{"2027-01-01", 5}, "[[1]]"},
	} {
		if got := f.rows(c.sql, c.params...); got != c.want {
			t.Errorf("%s %v\n got %s\nwant %s", c.sql, c.params, got, c.want)
		}
	}
	for _, c := range []struct {
		sql    string
		params []any
		field  string
	}{
		{"SELECT $1::int", []any{map[string]any{"a": 1}}, "params[0]"},
		{"SELECT $1::int, $2::text", []any{1, []any{"a"}}, "params[1]"},
		{"SELECT $1::int[]", []any{[]any{map[string]any{}}}, "params[0]"},
		{"SELECT $1::int", nil, "params"},
		{"SELECT 1", []any{1}, "params"},
		{"SELECT $2::int", []any{1}, "params"},
		{"SELECT $1::text", []any{"a\x00b"}, "params[0]"},
	} {
		_, err := f.read(c.sql, c.params...)
		if arg, ok := err.(*tools.ArgError); !ok || arg.Field != c.field {
			t.Errorf("%s %v: got %v, want an error about %s", c.sql, c.params, err, c.field)
		}
	}
}

func TestArgumentsAreReadStrictly(t *testing.T) {
	f := open(t, "")
	for in, field := range map[string]string{
		`{"sql": "SELECT 1"}`:                                "target",
		`{"target": "db"}`:                                   "sql",
		`{"target": "db", "sql": " "}`:                       "sql",
		`{"target": "db", "sql": "SELECT 1", "confirm": 1}`:  "confirm",
		`{"target": "db", "sql": 1}`:                         "sql",
		`{"target": "db", "sql": "SELECT 1", "params": {}}`:  "params",
		`{"target": "db", "sql": "SELECT 1", "params": "x"}`: "params",
		`[]`: "",
	} {
		_, err := f.db.Reads().Plan(t.Context(), tools.Args(in))
		if arg, ok := err.(*tools.ArgError); !ok || arg.Field != field {
			t.Errorf("%s: got %v, want an error about %q", in, err, field)
		}
	}
	p, err := f.db.Reads().Plan(t.Context(), tools.Args(`{"target":"db","sql":"SELECT $1::text","params":["x"],"reason":"why"}`))
	if err != nil || p.Reason != "why" || p.Target != "db" || p.Tool != "query" {
		t.Errorf("got %+v, %v", p, err)
	}
	facts, err := f.db.Reads().Inspect(t.Context(), p)
	if err != nil || facts.Text != "SELECT $1::text\n$1 = \"x\"" || facts.Revision != "r1" {
		t.Errorf("got %+v, %v", facts, err)
	}
	p.Target = "nosuch"
	if _, err = f.db.Reads().Inspect(t.Context(), p); err != tools.ErrNoSuchTarget {
		t.Errorf("got %v", err)
	}
}

func FuzzArrays(f *testing.F) {
	for _, s := range []string{"{}", "{1,2}", `{"a\"b",NULL}`, "{{1},{2}}", "[0:1]={1,2}", "{", `{"`, "{1", "{,}", "{{{{{{{{1}}}}}}}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := newRenderer(plainMask{}, &finding{cat: &catalog{}}, tools.Limits{})
		arrayWriter(writeText, ',')(r, []byte(s))
		if !json.Valid(r.buf) {
			t.Fatalf("%q became %s", s, r.buf)
		}
		if strings.Contains(string(r.buf), "SECRET") {
			t.Fatalf("%q was not masked", s)
		}
	})
}

func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"0", "-1", "1.5", "1e+300", "NaN", "01", "-", "1.", ".5", "12345678901234567890", "9007199254740993"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := newRenderer(plainMask{}, &finding{cat: &catalog{}}, tools.Limits{})
		writeNumber(r, []byte(s))
		if !json.Valid(r.buf) {
			t.Fatalf("%q became %s", s, r.buf)
		}
	})
}
