package query

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/tools"
)

const shop = `CREATE TABLE customers (id int PRIMARY KEY, name text, ssn text); CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, status text);
CREATE VIEW open_orders AS SELECT id, customer FROM orders WHERE status = 'open'; COMMENT ON TABLE orders IS 'one row per order'; COMMENT ON COLUMN orders.status IS 'open or paid'; ANALYZE;`

func TestFacts(t *testing.T) {
	f := open(t, shop, labelsOf(map[string]Label{"customers.ssn": {Class: "us_ssn", Method: "redact"}}))
	for _, c := range []struct {
		tool *Tool
		sql  string
		want tools.Facts
	}{
		{f.db.Reads(), "SELECT o.status, c.name FROM orders o JOIN customers c ON c.id = o.customer WHERE o.id = 5", tools.Facts{
			Effect: tools.Read, Kinds: []string{"select"}, Bounded: true, Summary: "reads public.customers (id, name), public.orders (customer, id, status)",
			Objects: []tools.Object{{Type: "table", Name: "public.customers", Columns: []string{"id", "name"}, Access: tools.Read},
				{Type: "table", Name: "public.orders", Columns: []string{"customer", "id", "status"}, Access: tools.Read}}}},
		{f.db.Reads(), "SELECT *, now() FROM customers", tools.Facts{
			Effect: tools.Read, Kinds: []string{"select"}, Bounded: true, Functions: []string{"now"}, Summary: "reads public.customers",
			Objects: []tools.Object{{Type: "table", Name: "public.customers", Access: tools.Read, Labels: []string{"us_ssn"}}}}},
		{f.db.Reads(), "SELECT name FROM customers", tools.Facts{
			Effect: tools.Read, Kinds: []string{"select"}, Bounded: true, Summary: "reads public.customers (name)",
			Objects: []tools.Object{{Type: "table", Name: "public.customers", Columns: []string{"name"}, Access: tools.Read}}}},
		{f.db.Reads(), "SELECT count(*) FROM open_orders", tools.Facts{
			Effect: tools.Read, Kinds: []string{"select"}, Bounded: true, Functions: []string{"count"}, Summary: "reads public.open_orders",
			Objects: []tools.Object{{Type: "view", Name: "public.open_orders", Access: tools.Read}}}},
		{f.db.Reads(), "SELECT pg_sleep(1), 2", tools.Facts{
			Effect: tools.Unknown, Kinds: []string{"select"}, Bounded: true, Functions: []string{"pg_sleep"}, Summary: "computes without reading a table",
			Unknown: []tools.Unclear{{Construct: "function pg_sleep", Position: 8}}}},
		{f.db.Writes(), "UPDATE orders SET status = 'paid'", tools.Facts{
			Effect: tools.Write, Kinds: []string{"update"}, Summary: "updates public.orders (status)", Values: []string{"paid"},
			Objects: []tools.Object{{Type: "table", Name: "public.orders", Columns: []string{"status"}, Access: tools.Write}}}},
		{f.db.Writes(), "DELETE FROM orders WHERE id IN (SELECT id FROM open_orders)", tools.Facts{
			Effect: tools.Write, Kinds: []string{"delete"}, Bounded: true, Summary: "deletes from public.orders (id); reads public.open_orders (id)",
			Objects: []tools.Object{{Type: "view", Name: "public.open_orders", Columns: []string{"id"}, Access: tools.Read},
				{Type: "table", Name: "public.orders", Columns: []string{"id"}, Access: tools.Write}}}},
		{f.db.Reads(), "SHOW timezone", tools.Facts{Effect: tools.Read, Kinds: []string{"show"}, Bounded: true, Summary: "shows the setting timezone"}},
		{f.db.Reads(), "EXPLAIN SELECT id FROM orders", tools.Facts{
			Effect: tools.Read, Kinds: []string{"explain"}, Bounded: true, Summary: "explains a statement that reads public.orders (id)",
			Objects: []tools.Object{{Type: "table", Name: "public.orders", Columns: []string{"id"}, Access: tools.Read}}}},
	} {
		_, got, err := f.facts(c.tool, c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if got.Text != c.sql || got.Inspected == nil || got.Understood() == (got.Fingerprint == "") {
			t.Errorf("%s: %+v", c.sql, got)
		}
		got.Text, got.Inspected, got.Fingerprint, got.Mode, c.want.Revision = "", nil, "", "", "r1"
		if diff := cmp.Diff(&c.want, got); diff != "" {
			t.Errorf("%s:\n%s", c.sql, diff)
		}
	}
}

// TestFactsStayTheSame: approvals are bound to them, so two looks at the same database must give the same.
func TestFactsStayTheSame(t *testing.T) {
	f := open(t, people+"CREATE TABLE customers (id int PRIMARY KEY, name text, ssn text)")
	labels := map[string]Label{"people.ssn": {Class: "a", Method: "redact"}, "orders.ssn_copy": {Class: "b", Method: "redact"}, "customers.ssn": {Class: "c", Method: "redact"}}
	var first []byte
	for range 20 {
		target := f.target
		target.Labels = labels
		db := f.gateway(target)
		p, err := db.Reads().Plan(t.Context(), args("db", "SELECT p.*, c.* FROM people p, customers c, log_it('x')", nil))
		if err != nil {
			t.Fatal(err)
		}
		facts, err := db.Reads().Inspect(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		facts.Inspected = nil
		got, _ := json.Marshal(facts)
		if first == nil {
			first = got
		}
		if string(got) != string(first) {
			t.Fatalf("facts differ:\n%s\n%s", first, got)
		}
	}
}

func TestDescribe(t *testing.T) {
	f := open(t, shop, labelsOf(map[string]Label{"customers.ssn": {Class: "us_ssn", Method: "redact"}}))
	f.exec("CREATE TABLE hidden (id int); CREATE SCHEMA closed; CREATE TABLE closed.t (id int); CREATE VIEW shows AS SELECT ssn FROM customers; GRANT SELECT ON shows TO " + agentRole)
	for _, c := range []struct{ path, detail, want string }{
		{"", "", `{"target":"db","schemas":[{"name":"public","tables":4,"names":["customers","open_orders","orders","shows"]}],"note":"path: a schema lists its tables, schema.table its columns"}`},
		{"", "names", `{"target":"db","schemas":[{"name":"public","tables":4}],"note":"path: a schema lists its tables, schema.table its columns"}`},
		{"public", "", `{"target":"db","path":"public","tables":[{"name":"public.customers","kind":"table","rows_estimate":0},{"name":"public.open_orders","kind":"view","rows_estimate":-1},` +
			`{"name":"public.orders","kind":"table","rows_estimate":0},{"name":"public.shows","kind":"view","rows_estimate":-1,"note":"shows customers.ssn, which is labelled us_ssn; use the table itself"}]}`},
		{"orders", "", `{"target":"db","path":"orders","tables":[{"name":"public.orders","kind":"table","rows_estimate":0,"comment":"one row per order","columns":[` +
			`{"name":"id","type":"integer","not_null":true,"key":"primary","masked":false},{"name":"customer","type":"integer","key":"references public.customers","masked":false},` +
			`{"name":"status","type":"text","masked":false,"comment":"open or paid"}]}]}`},
		{"public.customers", "full", `{"target":"db","path":"public.customers","tables":[{"name":"public.customers","kind":"table","rows_estimate":0,"columns":[` +
			`{"name":"id","type":"integer","not_null":true,"key":"primary","masked":false},{"name":"name","type":"text","masked":false},{"name":"ssn","type":"text","masked":true,"class":"us_ssn"}]}]}`},
	} {
		d, err := f.db.Describe(t.Context(), "db", c.path, c.detail)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if got, _ := json.Marshal(d); string(got) != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.path, got, c.want)
		}
	}
	for _, path := range []string{"hidden", "closed", "closed.t", "nosuch", "public.nosuch"} {
		_, err := f.db.Describe(t.Context(), "db", path, "")
		if target, ok := err.(*tools.TargetError); !ok || target.Code != "42P01" {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := f.db.Describe(t.Context(), "nosuch", "", ""); err != tools.ErrNoSuchTarget {
		t.Error(err)
	}
	if _, err := f.db.Describe(t.Context(), "db", "", "all"); err == nil {
		t.Error("detail was not checked")
	}
}

// TestFunctionListFitsTheServer: each name that the server has is there, and those not marked are not volatile.
func TestFunctionListFitsTheServer(t *testing.T) {
	f := open(t, "")
	if _, _, err := f.facts(f.db.Reads(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	cat := f.db.targets["db"].cat
	found := 0
	for name, volatileOK := range allowedFunctions {
		for _, fn := range cat.functions[name] {
			found++
			if !fn.builtin() {
				t.Errorf("%s: %s.%s did not come with the server", name, fn.schema.name, fn.name)
			}
			if fn.volatile && !volatileOK {
				t.Errorf("%s is volatile", name)
			}
		}
	}
	if found < 500 {
		t.Errorf("only %d functions are known", found)
	}
	for name := range systemRelations {
		if name != "pg_catalog.pg_stat_statements" && cat.relation("pg_catalog", name[len("pg_catalog."):]) == nil && cat.version/10000 == 15 && name[0] == 'p' {
			t.Errorf("%s is not a relation of this server", name)
		}
	}
}
