package sqlparse

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pg "github.com/pganalyze/pg_query_go/v6"

	"sallyport/tools"
)

// FuzzAnalyse: what is stated never contradicts the grammar. The same text has the same facts; a text that is parenthesised
// with comments around is the same statement; what is called a plain read has no token that only other statements have.
func FuzzAnalyse(f *testing.F) {
	for _, sql := range slices.Concat(neverPlain, outputs, plain) {
		f.Add(sql)
	}
	for _, c := range byName {
		f.Add(c.sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if len(sql) > 1<<10 || check(sql, maxStatement) != nil {
			return // longer texts are for the child: they may end the process
		}
		st, err := analyse(sql)
		if err != nil {
			if not := (*tools.NotUnderstoodError)(nil); !errors.As(err, &not) {
				t.Fatalf("%q: %v", sql, err)
			}
			return
		}
		if err := st.check(sql); err != nil {
			t.Fatalf("%q: %v", sql, err)
		}
		again, err := analyse(sql)
		if err != nil || !cmp.Equal(st, again) {
			t.Fatalf("%q: not the same the second time: %v\n%s", sql, err, cmp.Diff(st, again))
		}
		throughPipe(t, st)
		literalsAreGone(t, sql, st)
		relationsAreComplete(t, sql, st)
		if st.Kind == "select" && len(st.Writes)+len(st.Refused)+len(st.Unclear) == 0 {
			isRead(t, st)
		}
	})
}

// throughPipe: the facts survive their way from the child.
func throughPipe(t *testing.T, st *Statement) {
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	var back Statement
	if err := json.Unmarshal(b, &back); err != nil || !cmp.Equal(st, &back) {
		t.Fatalf("%q: not the same after JSON: %v\n%s", st.Text, err, cmp.Diff(st, &back))
	}
}

// literalsAreGone: the fingerprint is a statement of its own with no literal in it but those that became parameters.
func literalsAreGone(t *testing.T, sql string, st *Statement) {
	scan, err := pg.Scan(st.Fingerprint)
	if err != nil {
		t.Fatalf("%q: fingerprint %q: %v", sql, st.Fingerprint, err)
	}
	for _, token := range scan.GetTokens() {
		switch token.GetToken() {
		case pg.Token_ICONST, pg.Token_FCONST, pg.Token_SCONST, pg.Token_USCONST, pg.Token_BCONST, pg.Token_XCONST, pg.Token_SQL_COMMENT, pg.Token_C_COMMENT:
			t.Fatalf("%q: fingerprint %q holds %s", sql, st.Fingerprint, token.GetToken())
		}
	}
}

// relationsAreComplete compares with the plainest possible reading of the tree: each relation with a schema is in the facts.
func relationsAreComplete(t *testing.T, sql string, st *Statement) {
	if len(st.Refused)+len(st.Unclear) > 0 || st.Kind == "show" {
		return
	}
	tree, err := pg.ParseToJSON(sql)
	if err != nil {
		t.Fatal(err)
	}
	var root any
	dec := json.NewDecoder(strings.NewReader(tree))
	if err := dec.Decode(&root); err != nil {
		return
	}
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				visit(e)
			}
		case map[string]any:
			schema, _ := v["schemaname"].(string)
			if name, ok := v["relname"].(string); ok && schema != "" {
				if !slices.ContainsFunc(st.Relations, func(r Relation) bool { return r.Schema == schema && r.Name == name }) {
					t.Fatalf("%q: no relation %s.%s", sql, schema, name)
				}
			}
			if names, ok := v["funcname"].([]any); ok && len(names) > 0 {
				last, _ := names[len(names)-1].(map[string]any)["String"].(map[string]any)["sval"].(string)
				if !slices.ContainsFunc(st.Functions, func(c Call) bool { return c.Name == last }) {
					t.Fatalf("%q: no function %s", sql, last)
				}
			}
			for _, e := range v {
				visit(e)
			}
		}
	}
	visit(root)
}

// isRead: a plain read means the same in parentheses, which PostgreSQL allows for SELECT, VALUES and TABLE alone. (WITH x AS
// (DELETE ...) SELECT and FOR UPDATE are allowed there too; SELECT INTO is not.)
func isRead(t *testing.T, st *Statement) {
	inner, err := analyse("SELECT 1 FROM (" + st.Text + ") s")
	if err != nil {
		t.Fatalf("%q: not a sub-query: %v", st.Text, err)
	}
	if len(inner.Writes)+len(inner.Refused)+len(inner.Unclear) > 0 {
		t.Fatalf("%q: as a sub-query it has %v %v %v", st.Text, inner.Writes, inner.Refused, inner.Unclear)
	}
	if len(inner.Relations) != len(st.Relations) || len(inner.Functions) != len(st.Functions) {
		t.Fatalf("%q: as a sub-query it reads %v and calls %v", st.Text, inner.Relations, inner.Functions)
	}
	for _, c := range inner.Columns {
		if c.Place != PlaceOther {
			t.Fatalf("%q: as a sub-query its %v is %s", st.Text, c.Names, c.Place)
		}
	}
}
