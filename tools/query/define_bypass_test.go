package query

import (
	"errors"
	"strings"
	"testing"

	"sallyport/tools"
)

// This file holds tricks with definitions. It only grows.

func TestDefinitionsDoNotPartColumnsFromTheirLabels(t *testing.T) {
	f := open(t, owned+`CREATE TABLE kin (id int, customer_ssn text); ALTER TABLE customers ADD UNIQUE (ssn); ALTER TABLE kin ADD FOREIGN KEY (customer_ssn) REFERENCES customers (ssn);
		CREATE VIEW shown AS SELECT ssn AS x FROM customers; CREATE MATERIALIZED VIEW kept AS SELECT ssn AS x FROM customers;
		CREATE TABLE base (id int, name text, ssn text); CREATE TABLE heir () INHERITS (customers);
		ALTER TABLE kin OWNER TO query_agent; ALTER VIEW shown OWNER TO query_agent; ALTER MATERIALIZED VIEW kept OWNER TO query_agent; ALTER TABLE heir OWNER TO query_agent;`, ssn)
	for _, sql := range []string{
		// another name for the column, the table or the schema
		"ALTER TABLE customers RENAME COLUMN ssn TO x", "ALTER TABLE customers RENAME TO x", "ALTER TABLE customers RENAME ssn TO x", "ALTER TABLE public.customers SET SCHEMA app",
		"ALTER INDEX customers RENAME TO x", "ALTER SEQUENCE customers RENAME TO x", "ALTER VIEW customers RENAME TO x", "ALTER VIEW shown RENAME TO y", "ALTER TABLE shown RENAME COLUMN x TO y",
		"ALTER MATERIALIZED VIEW customers RENAME TO x", "ALTER TABLE heir RENAME TO x", "ALTER TABLE customers RENAME CONSTRAINT customers_pkey TO x",
		// the values elsewhere
		"CREATE TABLE x AS SELECT ssn FROM customers", "CREATE TABLE x AS SELECT * FROM customers", "CREATE TABLE x AS TABLE customers", "CREATE TABLE x AS SELECT c FROM customers c",
		"CREATE TABLE x AS SELECT upper(ssn) AS id FROM customers", "CREATE MATERIALIZED VIEW x AS SELECT ssn AS id FROM customers", "CREATE VIEW x AS SELECT ssn AS id FROM customers",
		"CREATE VIEW x AS SELECT * FROM shown", "CREATE VIEW x (id, name, y) AS SELECT * FROM customers", "CREATE TABLE x AS SELECT (SELECT ssn FROM customers LIMIT 1) AS y",
		"CREATE TABLE x AS WITH c AS (SELECT ssn AS y FROM customers) SELECT y FROM c", "CREATE TABLE x AS SELECT customer_ssn FROM kin", "CREATE VIEW x AS SELECT id FROM customers WHERE ssn LIKE '0%'",
		"CREATE TABLE x AS SELECT id FROM customers ORDER BY ssn", "CREATE OR REPLACE VIEW shown AS SELECT ssn AS x FROM customers", "CREATE VIEW x AS SELECT to_json(customers) FROM customers",
		"ALTER TABLE customers ADD COLUMN x text GENERATED ALWAYS AS (ssn) STORED", "ALTER TABLE customers ALTER COLUMN name TYPE text USING ssn",
		"ALTER TABLE customers ALTER COLUMN name TYPE text USING customers::text", "ALTER TABLE customers ALTER COLUMN ssn TYPE varchar",
		"CREATE TABLE x AS SELECT most_common_vals FROM pg_stats",
		// what tells the values
		"CREATE TABLE x (guess text REFERENCES customers (ssn))", "ALTER TABLE notes ADD FOREIGN KEY (body) REFERENCES customers (ssn)", "CREATE UNIQUE INDEX ON customers (ssn)",
		"CREATE INDEX ON customers (ssn)", "CREATE INDEX ON customers ((ssn > '1'))", "CREATE INDEX ON customers (name) WHERE ssn = '1'", "CREATE INDEX ON customers (name) INCLUDE (ssn)",
		"ALTER TABLE customers ADD CHECK (ssn <> '078-05-1120')", "ALTER TABLE customers ADD UNIQUE (ssn)", "ALTER TABLE customers ALTER COLUMN ssn SET NOT NULL",
		"CREATE POLICY p ON customers USING (ssn = '1')", "CREATE POLICY p ON notes USING (EXISTS (SELECT 1 FROM customers WHERE ssn = body))",
		"ALTER TABLE customers VALIDATE CONSTRAINT c", "CREATE INDEX ON customers ((customers::text))",
		// the links that a label spreads along
		"ALTER TABLE kin DROP CONSTRAINT kin_customer_ssn_fkey", "DROP TABLE kin", "ALTER TABLE customers DROP CONSTRAINT customers_ssn_key CASCADE", "DROP TABLE customers CASCADE",
		"ALTER TABLE customers DROP COLUMN ssn CASCADE", "ALTER TABLE kin DROP COLUMN customer_ssn", "ALTER TABLE kin RENAME COLUMN customer_ssn TO x",
		"ALTER TABLE ONLY customers ADD COLUMN x int", "DROP SCHEMA public CASCADE",
	} {
		_, facts, err := f.facts(f.db.Writes(), sql)
		var label *tools.LabelledError
		if !errors.As(err, &label) {
			t.Errorf("%s: %v (%T) %+v, want a labelled column", sql, err, err, facts)
		}
	}
	for _, sql := range []string{ // of forms that are not taken
		"ALTER TABLE heir NO INHERIT customers", "ALTER TABLE customers INHERIT base", "CREATE TABLE x (LIKE customers INCLUDING ALL)", "CREATE TABLE x () INHERITS (customers)",
		"SELECT ssn INTO x FROM customers", "CREATE TEMP TABLE x AS SELECT ssn FROM customers", "ALTER TABLE customers REPLICA IDENTITY FULL", "ALTER SCHEMA public RENAME TO x",
		"CREATE STATISTICS x ON ssn, name FROM customers", "CREATE RULE r AS ON INSERT TO notes DO ALSO INSERT INTO notes SELECT 1, ssn FROM customers",
		"CREATE TRIGGER t BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION f()", "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM customers'",
		"DO 'BEGIN ALTER TABLE customers RENAME ssn TO x; END'", "ALTER TABLE heir ATTACH PARTITION x DEFAULT", "COPY customers TO STDOUT", "COPY (SELECT ssn FROM customers) TO '/tmp/x'",
		"ALTER TYPE pair RENAME ATTRIBUTE ssn TO x CASCADE", "CREATE PUBLICATION p FOR TABLE customers", "CREATE EXTENSION dblink", "ALTER TABLE customers DISABLE TRIGGER ALL",
		"CREATE TABLE x AS EXECUTE p", "COPY notes FROM PROGRAM 'cat'", "ALTER EXTENSION x ADD TABLE customers",
	} {
		if _, _, err := f.facts(f.db.Writes(), sql); err == nil {
			t.Errorf("taken: %s", sql)
		}
	}
	if got := f.rows("SELECT ssn FROM customers"); got != `[["<us_ssn>"]]` {
		t.Error(got)
	}
}

// TestDefinitionsThatRunOtherCodeAreNotUnderstood: an expression of a definition may use what a query may.
func TestDefinitionsThatRunOtherCodeAreNotUnderstood(t *testing.T) {
	f := openShadows(t)
	f.exec("GRANT CREATE ON SCHEMA public TO query_agent")
	for _, sql := range []string{
		"CREATE TABLE x (id int, t text DEFAULT log_it('x'))", "CREATE TABLE x (id int CHECK (log_it('x') = 'x'))", "CREATE TABLE x (id int, g text GENERATED ALWAYS AS (lower('x'::varchar)) STORED)",
		"CREATE TABLE x (o own)", "CREATE TABLE x (c checked)", "CREATE VIEW x AS SELECT log_it('x')", "CREATE VIEW x AS SELECT * FROM v_calls", "CREATE TABLE x AS SELECT pg_sleep(1)",
		"CREATE TABLE x AS SELECT u.log_row FROM users u", "CREATE INDEX ON users (lower(name))", "CREATE INDEX ON users ((name || name))", "CREATE INDEX ON users (id) WHERE log_it(tier) = 'x'",
		"CREATE INDEX ON classed (id sneaky_ops)", "ALTER TABLE users ALTER COLUMN tier TYPE text USING log_it(tier)", "ALTER TABLE users ADD COLUMN x text DEFAULT log_it('x')",
		"ALTER TABLE users ALTER COLUMN tier TYPE own USING tier", "CREATE POLICY p ON users USING (log_it(tier) = 'x')", "CREATE POLICY p ON users USING ((users).log_row = 'x')", "CREATE INDEX ON users ((users.log_row))", "CREATE TABLE x (a text CHECK ((a).log_it = 'x'))", "ALTER TABLE defaulted ADD COLUMN x int", "ALTER TABLE checks ADD COLUMN x int",
		"TRUNCATE trigged", "TRUNCATE remote", "ALTER TABLE remote ADD COLUMN x int", "CREATE TABLE x (id int) PARTITION BY LIST (sneaky(id))", "CREATE TABLE x (id int) PARTITION BY LIST (id sneaky_ops)",
		"ANALYZE classed", "CREATE TABLE x AS SELECT 1 FROM guarded", "CREATE TABLE pg_catalog.x (id int)", "ALTER TABLE pg_catalog.pg_class ADD COLUMN x int", "DROP TABLE users CASCADE",
		"GRANT SELECT ON pg_authid TO public", "CREATE SCHEMA pg_mine", "TRUNCATE pg_class", "ALTER TABLE users SET SCHEMA pg_catalog", "CREATE TABLE pg_temp.x (id int)",
	} {
		_, facts, err := f.facts(f.db.Writes(), sql)
		var unclear *tools.NotUnderstoodError
		if !errors.As(err, &unclear) && (err != nil || facts.Understood()) {
			t.Errorf("understood: %s: %v %+v", sql, err, facts)
		}
	}
	f.exec("CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES ('ddl'); END $$; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION on_ddl()")
	if _, facts, err := f.facts(f.db.Writes(), "CREATE TABLE x (id int)"); err != nil || facts.Understood() {
		t.Errorf("an event trigger was not seen: %v %+v", err, facts)
	}
	if n := f.one("SELECT count(*) FROM audit"); n != "0" {
		t.Errorf("%s rows were written", n)
	}
}

// TestNoNameLooksLikeAnother: a scope that lists public.orders covers neither a role nor a table of another schema that only sounds like it,
// and the grantee of a right is not lost beside the table.
func TestNoNameLooksLikeAnother(t *testing.T) {
	f := open(t, `CREATE SCHEMA odd; GRANT USAGE ON SCHEMA odd TO PUBLIC; CREATE TABLE odd."public.orders" (id int); CREATE TABLE orders (id int); CREATE TABLE "a""b" (id int); GRANT SELECT ON ALL TABLES IN SCHEMA odd TO PUBLIC`)
	f.exec("GRANT CREATE ON SCHEMA public TO query_agent")
	for sql, want := range map[string]string{
		`CREATE ROLE "public.orders" LOGIN`:                        `role "public.orders" admin`,
		`GRANT SELECT ON public.orders TO "public.orders"`:         `role "public.orders" admin, table public.orders admin`,
		`CREATE SCHEMA "public.orders"`:                            `schema "public.orders" define`,
		`CREATE TABLE public."x.y" (id int)`:                       `table public."x.y" define`,
		`DROP TABLE odd."public.orders"`:                           `table odd."public.orders" define`,
		`DROP TABLE "a""b"`:                                        `table public."a""b" define`,
		`DROP TABLE IF EXISTS "public.orders"`:                     `table "public.orders" define`,
		`CREATE INDEX "public.orders" ON odd."public.orders" (id)`: `table odd."public.orders" define, index odd."public.orders" define`,
	} {
		_, facts, err := f.facts(f.db.Writes(), sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		var got []string
		for _, o := range facts.Objects {
			got = append(got, o.Type+" "+o.Name+" "+string(o.Access))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %s, want %s", sql, strings.Join(got, ", "), want)
		}
	}
	if _, facts, err := f.facts(f.db.Reads(), `SELECT id FROM odd."public.orders"`); err != nil || facts.Objects[0].Name != `odd."public.orders"` {
		t.Errorf("%+v %v", facts, err)
	}
}

// TestAnIndexIsOfItsTable: what is agreed to for the index of one table does not drop that of another which took its name.
func TestAnIndexIsOfItsTable(t *testing.T) {
	f := open(t, owned)
	if _, facts, err := f.facts(f.db.Writes(), "DROP INDEX IF EXISTS nobodys"); err == nil && facts.Understood() {
		t.Error("an index of no known table was understood")
	}
	c, facts, err := f.facts(f.db.Writes(), "DROP INDEX public.notes_body")
	if err != nil {
		t.Fatal(err)
	}
	f.exec("DROP INDEX notes_body; CREATE INDEX notes_body ON orders (id)")
	res, err := f.db.Writes().Run(t.Context(), c, facts, tools.Obligations{CallID: "call-1", Changes: true})
	if err == nil {
		_, err = res.Render(t.Context(), plainMask{})
		res.Close()
	}
	if err == nil {
		t.Error("it was dropped")
	}
	if n := f.one("SELECT count(*) FROM pg_class WHERE relname = 'notes_body'"); n != "1" {
		t.Errorf("%s indexes are left", n)
	}
}
