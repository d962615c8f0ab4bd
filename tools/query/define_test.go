package query

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/tools"
)

// owned is a database whose schema public the agent's role may build in; own_orders and own_people are its own.
const owned = `CREATE TABLE customers (id int PRIMARY KEY, name text, ssn text); INSERT INTO customers VALUES (1, 'ann', '078-05-1120');
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, status text); INSERT INTO orders SELECT g, 1, 'open' FROM generate_series(1, 10) g;
CREATE TABLE notes (id int PRIMARY KEY, body text); CREATE VIEW open_orders AS SELECT id, customer FROM orders WHERE status = 'open';
CREATE MATERIALIZED VIEW totals AS SELECT status, count(*) AS n FROM orders GROUP BY status; CREATE INDEX notes_body ON notes (body); CREATE SEQUENCE numbers;
CREATE TYPE mood AS ENUM ('sad'); CREATE SCHEMA app;
ALTER TABLE customers OWNER TO query_agent; ALTER TABLE orders OWNER TO query_agent; ALTER TABLE notes OWNER TO query_agent; ALTER VIEW open_orders OWNER TO query_agent;
ALTER MATERIALIZED VIEW totals OWNER TO query_agent; ALTER SEQUENCE numbers OWNER TO query_agent; ALTER TYPE mood OWNER TO query_agent; ALTER SCHEMA app OWNER TO query_agent;
GRANT CREATE ON SCHEMA public TO query_agent; ` +
	`DO $$ BEGIN EXECUTE 'GRANT CREATE ON DATABASE ' || quote_ident(current_database()) || ' TO query_agent'; END $$;`

var ssn = labelsOf(map[string]Label{"customers.ssn": {Class: "us_ssn", Method: "redact"}})

// define runs a definition through all steps and returns its facts.
func (f *fixture) define(sql string) (*tools.Facts, error) {
	f.t.Helper()
	_, facts, err := f.facts(f.db.Writes(), sql)
	if err != nil {
		return nil, err
	}
	_, err = f.write(sql)
	return facts, err
}

func TestDefinitionsRunAndSayWhatTheyAre(t *testing.T) {
	f := open(t, owned, ssn)
	points, err := os.ReadFile("../../policy/rego/points.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ sql, effect, kinds, objects string }{
		{"CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL DEFAULT lower('X'), price numeric(10,2) CHECK (things.price > 0), note int REFERENCES notes (id))",
			"define", "create_table", "table public.notes define, table public.things define"},
		{"CREATE TABLE IF NOT EXISTS app.tags (id bigserial, tag varchar(20) COLLATE \"C\" UNIQUE)", "define", "create_table", "table app.tags define"},
		{"CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at)", "define", "create_table", "table public.parts define"},
		{"ALTER TABLE things ADD COLUMN color text DEFAULT 'red', ALTER COLUMN name DROP NOT NULL", "define", "alter_table add_column", "table public.things define"},
		{"ALTER TABLE things ALTER COLUMN color TYPE varchar(30) USING upper(color)", "define", "alter_table alter_type", "table public.things define"},
		{"ALTER TABLE things ADD CONSTRAINT named CHECK (name <> '')", "define", "alter_table add_constraint", "table public.things define"},
		{"ALTER TABLE things DROP CONSTRAINT named", "define", "alter_table drop_constraint", "table public.things define"},
		{"ALTER TABLE things DROP COLUMN color", "define", "alter_table drop drop_column", "table public.things define"},
		{"CREATE UNIQUE INDEX things_name ON things (lower(name)) WHERE name IS NOT NULL", "define", "create_index", "table public.things define, index public.things_name define"},
		{"ALTER TABLE customers ADD COLUMN since date", "define", "alter_table add_column", "table public.customers define"},
		{"CREATE INDEX ON customers (name)", "define", "create_index", "table public.customers define"},
		{"CREATE VIEW names AS SELECT id, name FROM customers", "define", "create_view", "table public.customers read, view public.names define"},
		{"CREATE OR REPLACE VIEW names AS SELECT id, name, 1 AS one FROM customers", "define", "create_view", "table public.customers read, view public.names define"},
		{"CREATE MATERIALIZED VIEW app.counts AS SELECT customer, count(*) FROM orders GROUP BY 1", "define", "create_materialized_view", "view app.counts define, table public.orders read"},
		{"CREATE TABLE copied AS SELECT id, status FROM orders WHERE id < 5", "define", "create_table_as", "table public.copied define, table public.orders read"},
		{"REFRESH MATERIALIZED VIEW totals", "define", "refresh_materialized_view", "view public.totals define"},
		{"COMMENT ON COLUMN customers.ssn IS 'secret'", "define", "comment", "table public.customers define"},
		{"ANALYZE orders", "define", "analyze", "table public.orders define"},
		{"ALTER TABLE copied RENAME COLUMN status TO state", "define", "rename", "table public.copied define"},
		{"ALTER TABLE copied RENAME TO copies", "define", "rename", "table public.copied define, table public.copies define"},
		{"ALTER TABLE copies SET SCHEMA app", "define", "set_schema", "table app.copies define, table public.copies define"},
		{"CREATE SEQUENCE counter START 10 INCREMENT BY 5", "define", "create_sequence", "sequence public.counter define"},
		{"CREATE TYPE size AS ENUM ('s', 'm')", "define", "create_type", "type public.size define"},
		{"ALTER TYPE mood ADD VALUE 'happy'", "define", "alter_type", "type public.mood define"},
		{"CREATE SCHEMA more", "define", "create_schema", "schema more define"},
		{"TRUNCATE notes, things", "write", "truncate", "table public.notes write, table public.things write"},
		{"GRANT SELECT (id, body), INSERT ON notes TO public", "admin", "grant", "role public admin, table public.notes admin"},
		{"REVOKE ALL ON notes FROM public", "admin", "revoke", "role public admin, table public.notes admin"},
		{"ALTER TABLE notes ENABLE ROW LEVEL SECURITY", "admin", "alter_table row_security", "table public.notes admin"},
		{"CREATE POLICY own ON notes FOR SELECT USING (id > 0)", "admin", "create_policy", "role public admin, table public.notes admin, policy public.notes.own admin"},
		{"DROP POLICY own ON notes", "admin", "drop_policy", "table public.notes admin, policy public.notes.own admin"},
		{"DROP VIEW open_orders", "define", "drop_view", "view public.open_orders define"},
		{"DROP INDEX public.notes_body", "define", "drop_index", "table public.notes define, index public.notes_body define"},
		{"DROP INDEX things_name", "define", "drop_index", "table public.things define, index public.things_name define"},
		{"DROP TABLE IF EXISTS things, nothing", "define", "drop_table drop", "table nothing define, table public.things define"},
		{"DROP MATERIALIZED VIEW totals", "define", "drop_materialized_view", "view public.totals define"},
		{"DROP TYPE mood", "define", "drop_type drop", "type public.mood define"},
		{"DROP SCHEMA more", "define", "drop_schema drop", "schema more define"},
	} {
		facts, err := f.define(c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		var objects []string
		for _, o := range facts.Objects {
			objects = append(objects, o.Type+" "+o.Name+" "+string(o.Access))
		}
		for _, kind := range facts.Kinds {
			if !strings.Contains(string(points), `"`+kind+`":`) {
				t.Errorf("kind %s has no rating", kind)
			}
		}
		want := []string{c.effect, c.kinds, c.objects}
		if diff := cmp.Diff(want, []string{string(facts.Effect), strings.Join(facts.Kinds, " "), strings.Join(objects, ", ")}); diff != "" {
			t.Errorf("%s:\n%s", c.sql, diff)
		}
		if facts.Fingerprint == "" || facts.Summary == "" || (c.effect == "write") == facts.Bounded {
			t.Errorf("%s: %+v", c.sql, facts)
		}
	}
	if got := f.one("SELECT count(*) FROM pg_class WHERE relname IN ('things', 'tags', 'copies', 'names')"); got != "3" {
		t.Errorf("%s relations are there", got)
	}
}

func TestTheNextCallSeesWhatWasDefined(t *testing.T) {
	f := open(t, owned)
	if got := f.rows("SELECT count(*) FROM notes"); got != `[[0]]` {
		t.Fatal(got)
	}
	for _, sql := range []string{"CREATE TABLE fresh (id int)", "INSERT INTO fresh VALUES (1)", "ALTER TABLE fresh ADD COLUMN name text", "UPDATE fresh SET name = 'x' WHERE id = 1"} {
		if _, err := f.write(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if got := f.rows("SELECT f.id, f.name FROM fresh f"); got != `[[1,"x"]]` {
		t.Error(got)
	}
}

func TestErrorsOfDefinitionsAreTheServers(t *testing.T) {
	f := open(t, owned)
	for sql, code := range map[string]string{
		"CREATE TABLE notes (id int)":                               "42P07",
		"DROP TABLE nothing":                                        "42P01",
		"CREATE TABLE x (a int, a int)":                             "42701",
		"DROP TABLE customers":                                      "2BP01",
		"ALTER TABLE orders ADD CHECK (status <> 'open')":           "23514",
		"CREATE TABLE app.nowhere.x (id int)":                       "",
		"CREATE TABLE missing.x (id int)":                           "3F000",
		"CREATE UNIQUE INDEX ON orders (status)":                    "23505",
		"ALTER TABLE customers ALTER name TYPE int USING 1/(id-id)": "22012",
		"CREATE ROLE other_agent":                                   "42501",
		"DROP SEQUENCE notes":                                       "42809",
	} {
		_, err := f.define(sql)
		var target *tools.TargetError
		var unclear *tools.NotUnderstoodError
		if code == "" && errors.As(err, &unclear) {
			continue
		}
		if !errors.As(err, &target) || target.Code != code || target.Executed != tools.ExecutedNo {
			t.Errorf("%s: %v (%T)", sql, err, err)
		}
	}
}

// TestADefinitionIsForTheTableThatWasInspected: a table that was replaced meanwhile is not the one people said yes to.
func TestADefinitionIsForTheTableThatWasInspected(t *testing.T) {
	f := open(t, owned)
	for _, sql := range []string{"ALTER TABLE notes ADD COLUMN x int", "DROP TABLE notes", "TRUNCATE notes", "CREATE VIEW fine AS SELECT id FROM notes", "DROP VIEW open_orders"} {
		p, facts, err := f.facts(f.db.Writes(), sql)
		if err != nil {
			t.Fatal(err)
		}
		f.exec("ALTER TABLE notes RENAME TO other_notes; CREATE TABLE notes (id int); ALTER TABLE notes OWNER TO query_agent; DROP VIEW open_orders; CREATE VIEW open_orders AS SELECT 1 AS id; ALTER VIEW open_orders OWNER TO query_agent")
		res, err := f.db.Writes().Run(t.Context(), p, facts, tools.Obligations{CallID: "c", Changes: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = res.Render(t.Context(), plainMask{})
		var down *tools.UnreachableError
		if !errors.As(err, &down) || !strings.Contains(down.Problem, "redefined") {
			t.Errorf("%s: %v", sql, err)
		}
		f.exec("DROP TABLE notes; ALTER TABLE other_notes RENAME TO notes")
	}
	if _, err := f.write("ALTER TABLE notes ADD COLUMN x int"); err != nil {
		t.Error(err)
	}
}

// TestADefinitionNeedsTheRightToChange: without the gateway's word that changes are allowed nothing is sent.
func TestADefinitionNeedsTheRightToChange(t *testing.T) {
	f := open(t, owned)
	p, facts, err := f.facts(f.db.Writes(), "DROP TABLE notes")
	if err != nil {
		t.Fatal(err)
	}
	var wrong *tools.WrongToolError
	if _, err := f.db.Writes().Run(t.Context(), p, facts, tools.Obligations{CallID: "c"}); !errors.As(err, &wrong) {
		t.Errorf("got %v", err)
	}
}
