package query

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/tools"
)

// This file holds tricks. It only grows.

// shadows are what somebody with rights in the database may have put in the way of built-in names.
const shadows = `
CREATE TABLE users (id int PRIMARY KEY, name varchar, tier text, manager int);
INSERT INTO users VALUES (1, 'ann', 'free', NULL), (2, 'bob', 'pro', 1);
CREATE TABLE audit (what text);
CREATE FUNCTION log_it(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES ($1); RETURN $1; END $$;
CREATE FUNCTION log_row(users) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
CREATE FUNCTION upper(users) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'shadow' $$;
CREATE FUNCTION json_array(int) RETURNS text LANGUAGE sql AS $$ SELECT 'shadow' $$;
CREATE FUNCTION system_user() RETURNS text LANGUAGE sql AS $$ SELECT 'shadow' $$;
CREATE FUNCTION textrange(text, text) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT true $$;
CREATE FUNCTION catv(varchar, varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'shadow' $$;
CREATE OPERATOR || (leftarg = varchar, rightarg = varchar, function = catv);
CREATE OPERATOR === (leftarg = text, rightarg = text, function = textrange);
CREATE AGGREGATE last_one(text) (sfunc = log_two, stype = text);
CREATE DOMAIN checked AS text CHECK (length(log_it(VALUE)) > 0);
CREATE TYPE own AS (v text);
CREATE FUNCTION to_own(text) RETURNS own LANGUAGE sql AS $$ SELECT ROW($1)::own $$;
CREATE CAST (text AS own) WITH FUNCTION to_own(text) AS IMPLICIT;
CREATE TABLE owns (id int, o own);
CREATE TYPE floats AS RANGE (subtype = float8);
CREATE VIEW v_plain AS SELECT id, tier FROM users WHERE id > 0;
CREATE VIEW v_calls AS SELECT id, log_it(tier) AS t FROM users;
CREATE VIEW v_sleeps AS SELECT id, pg_sleep(0.01)::text AS s FROM users;
CREATE VIEW v_over AS SELECT * FROM v_calls;
CREATE VIEW v_roles AS SELECT rolname, rolpassword FROM pg_authid;
CREATE VIEW v_shadow AS SELECT * FROM pg_shadow;
CREATE VIEW v_activity AS SELECT query FROM pg_stat_activity;
CREATE VIEW v_settings AS SELECT current_setting('port') AS p;
CREATE VIEW v_xml AS SELECT xmlelement(name a, tier) AS x FROM users;
CREATE TABLE guarded (id int, owner text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION may_see(text) RETURNS bool LANGUAGE sql AS $$ SELECT true $$;
CREATE POLICY p ON guarded USING (may_see(owner));
CREATE TABLE ruled (id int);
CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO audit VALUES ('rule');
CREATE TABLE trigged (id int PRIMARY KEY);
CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES ('trigger'); RETURN NEW; END $$;
CREATE TRIGGER tr BEFORE INSERT OR DELETE ON trigged FOR EACH ROW EXECUTE FUNCTION on_change();
CREATE TABLE defaulted (id int, t text DEFAULT log_it('default'));
CREATE TABLE generated (id int, g text GENERATED ALWAYS AS (textrange(id::text, 'x')::text) STORED);
CREATE TABLE checks (id int CHECK (textrange(id::text, 'x')));
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int, parent int REFERENCES parent ON DELETE CASCADE);
CREATE TRIGGER tr BEFORE DELETE ON child FOR EACH ROW EXECUTE FUNCTION on_change();
CREATE FOREIGN DATA WRAPPER none;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER none;
CREATE FOREIGN TABLE remote (id int) SERVER elsewhere;
CREATE SCHEMA other;
CREATE TABLE other.t (id int);
CREATE TABLE domained (id int, c checked);
CREATE TABLE odd (id int, pg_sleep text, xml text);
CREATE FUNCTION sneaky(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM log_it('key'); RETURN $1; END $$;
CREATE TABLE keyed (id int) PARTITION BY LIST ((sneaky(id)));
CREATE TABLE keyed_1 PARTITION OF keyed DEFAULT;
CREATE FUNCTION sneaky_cmp(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM log_it('class'); RETURN 0; END $$;
CREATE OPERATOR CLASS sneaky_ops FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 sneaky_cmp(int, int);
CREATE TABLE classed (id int);
CREATE INDEX ON classed (id sneaky_ops);
CREATE TABLE classed_parts (id int) PARTITION BY RANGE (id sneaky_ops);
CREATE TABLE classed_parts_1 PARTITION OF classed_parts DEFAULT;
CREATE DOMAIN started AS text DEFAULT log_it('domain default');
CREATE TABLE starts (id int, s started);
CREATE TABLE guarded_by_view (id int);
ALTER TABLE guarded_by_view ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded_by_view USING (EXISTS (SELECT 1 FROM v_calls WHERE t IS NOT NULL));
CREATE TABLE guarded_twice (id int);
ALTER TABLE guarded_twice ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded_twice USING (EXISTS (SELECT 1 FROM guarded_by_view));
CREATE TABLE guarded_plainly (id int);
ALTER TABLE guarded_plainly ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded_plainly USING (EXISTS (SELECT 1 FROM users u WHERE u.id = guarded_plainly.id));
`

func openShadows(t *testing.T) *fixture {
	script := strings.Replace(shadows, "CREATE AGGREGATE", "CREATE FUNCTION log_two(text, text) RETURNS text LANGUAGE sql AS $$ SELECT $2 $$;\nCREATE AGGREGATE", 1)
	return open(t, script)
}

// provenReads are those of the statements below that names leave open and the server says are harmless.
var provenReads = []string{
	"SELECT lower('x')", "SELECT '(x)'::own", "SELECT o FROM owns", // of what a user's function or cast could have taken, nothing is
	"SELECT x.row_to_json AS row_to_json FROM (SELECT id FROM staff) x", "SELECT c.to_json AS to_json FROM (VALUES (1)) c(a)", "SELECT x.age FROM current_date x",
	"INSERT INTO owns VALUES (1, '(x)')",
}

// bothWays runs a test where the server is asked and where only names are known. proven says that the statement may run.
func bothWays(t *testing.T, open func(t *testing.T) *fixture, test func(t *testing.T, f *fixture, proven func(sql string) bool)) {
	t.Run("server", func(t *testing.T) {
		test(t, open(t), func(sql string) bool { return slices.Contains(provenReads, sql) })
	})
	t.Run("names", func(t *testing.T) {
		test(t, namesOnly(open(t)), func(string) bool { return false })
	})
}

func TestReadsThatRunOtherCodeAreNotUnderstood(t *testing.T) {
	bothWays(t, openShadows, testReadsThatRunOtherCode)
}

func testReadsThatRunOtherCode(t *testing.T, f *fixture, proven func(sql string) bool) {
	for _, sql := range []string{
		// calls, in every form
		"SELECT log_it('x')", "SELECT public.log_it('x')", `SELECT "log_it"('x')`, `SELECT U&"\006Cog_it"('x')`, "SELECT upper(log_it(tier)) FROM users",
		"SELECT * FROM log_it('x')", "SELECT id FROM users WHERE id > length(log_it(tier))", "SELECT 1 FROM users ORDER BY log_it(tier)",
		"SELECT count(*) FILTER (WHERE log_it(tier) = 'x') FROM users", "SELECT 1 LIMIT length(log_it('x'))", "VALUES ((log_it('x')))",
		"SELECT rank() OVER (ORDER BY log_it(tier)) FROM users", "SELECT CASE WHEN true THEN log_it('x') END", "SELECT ARRAY[log_it('x')]",
		"WITH a AS (SELECT log_it('x')) SELECT 1", "SELECT (SELECT log_it('x'))", "SELECT 1 FROM users JOIN LATERAL log_it(tier) l ON true",
		"SELECT 1 FROM users TABLESAMPLE log_it(1)", "EXPLAIN SELECT log_it('x')", "SELECT last_one(tier) FROM users",
		// attribute notation
		"SELECT u.log_row FROM users u", "SELECT users.log_row FROM users", "SELECT u.upper FROM users u", "SELECT (u).log_row FROM users u",
		"SELECT x.upper FROM (SELECT users FROM users) x", "SELECT public.users.log_row FROM users", "SELECT id FROM users u WHERE u.log_row = 'x'",
		"SELECT (0.01::float8).pg_sleep", "SELECT x.pg_sleep FROM (VALUES (0.01)) x(a)",
		"SELECT x.pg_sleep FROM generate_series(0, 0) x WHERE EXISTS (SELECT 1 FROM odd x)", "SELECT odd.pg_sleep FROM generate_series(0, 0) odd WHERE EXISTS (SELECT 1 FROM odd)",
		// shadows that exact types prefer
		"SELECT lower(name) FROM users", "SELECT lower('x')", "SELECT upper(u) FROM users u", "SELECT name || name FROM users", "SELECT 'a' === 'b'",
		"SELECT tier OPERATOR(public.===) 'b' FROM users",
		// names that became grammar after the server's version
		"SELECT json_array(1)", "SELECT system_user", "SELECT json_value('{}', '$.a')",
		// types and casts
		"SELECT 'x'::checked", "SELECT CAST('x' AS checked)", "SELECT '(x)'::own", "SELECT ARRAY['x']::checked[]", "SELECT '[1,2]'::floats", "SELECT '<a/>'::xml",
		"SELECT o FROM owns", "SELECT * FROM json_to_record('{\"a\":\"x\"}') AS r(a checked)",
		// views
		"SELECT * FROM v_calls", "SELECT id FROM v_calls", "SELECT 1 FROM v_sleeps", "SELECT * FROM v_over", "TABLE v_settings", "SELECT 1 FROM v_xml",
		"SELECT 1 FROM users WHERE EXISTS (SELECT 1 FROM v_calls)",
		// other relations
		"SELECT * FROM guarded", "SELECT * FROM guarded_by_view", "SELECT * FROM guarded_twice", "SELECT * FROM remote", "SELECT * FROM pg_ts_config_map", "SELECT * FROM pg_shmem_allocations",
		// built-ins that are not plain reads
		"SELECT pg_sleep(0)", "SELECT pg_catalog.pg_sleep(0)", "SELECT pg_sleep_for('0')", "SELECT set_config('a.b', 'c', false)", "SELECT current_setting('port')",
		"SELECT pg_advisory_lock(1)", "SELECT pg_notify('a', 'b')", "SELECT nextval('s')", "SELECT lo_create(0)", "SELECT pg_read_file('x')", "SELECT pg_ls_dir('.')",
		"SELECT query_to_xml('SELECT 1', true, true, '')", "SELECT table_to_xml('users', true, true, '')", "SELECT cursor_to_xml('c', 1, true, true, '')",
		"SELECT ts_stat('SELECT 1')", "SELECT ts_rewrite('a'::tsquery, 'SELECT 1')", "SELECT pg_terminate_backend(1)", "SELECT pg_reload_conf()",
		"SELECT pg_stat_get_activity(NULL)", "SELECT pg_get_functiondef('log_it'::regproc)", "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef",
		"SELECT pg_get_indexdef('users_pkey'::regclass)", "SELECT pg_get_constraintdef(oid) FROM pg_constraint", "SELECT pg_get_triggerdef(oid) FROM pg_trigger", "SELECT pg_get_partkeydef('users'::regclass)", "SELECT pg_get_function_arguments('log_it'::regproc)", "SELECT pg_get_viewdef('v_plain'::regclass)", "SELECT setseed(0.5)",
		"SELECT txid_current()", "SELECT pg_logical_emit_message(true, 'a', 'b')", "SELECT xpath('/a', NULL)", "SELECT inet_server_addr()",
		"SELECT json_populate_record(NULL::users, '{}')", "SELECT pg_export_snapshot()", "SELECT no_such_function(1)",
	} {
		out, err := f.read(sql)
		var unclear *tools.NotUnderstoodError
		if err == nil && proven(sql) {
			continue
		} else if err == nil {
			t.Errorf("ran: %s\n\t%s", sql, out.Data)
		} else if !errors.As(err, &unclear) {
			t.Errorf("%s: %v (%T), want not understood", sql, err, err)
		}
	}
	if n := f.one("SELECT count(*) FROM audit"); n != "0" {
		t.Errorf("%s rows were written", n)
	}
}

func TestReadsBesideShadowsStillWork(t *testing.T) {
	f := openShadows(t)
	for _, sql := range []string{
		"SELECT id, tier FROM users WHERE id = 1 ORDER BY tier LIMIT 5", "SELECT * FROM v_plain", "SELECT * FROM guarded_plainly", "SELECT u.id, u.tier FROM users u", "SELECT upper(tier) FROM users",
		"SELECT u FROM users u", "SELECT public.users.tier FROM users", "SELECT x.a FROM (SELECT id AS a FROM users) x", "SELECT now(), random(), current_date",
		"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t", "SELECT ctid, tableoid FROM users",
		"SELECT e.key, e.value FROM jsonb_each('{\"a\": 1}') e", "SELECT g FROM generate_series(1, 3) g", "SELECT count(*) FROM users",
		"SELECT * FROM users TABLESAMPLE bernoulli (50)", "SELECT id FROM owns", "SELECT id FROM classed", "SELECT odd.pg_sleep, odd.xml FROM odd", "SELECT pg_sleep, xml FROM odd o", "WITH o AS (SELECT 1 AS z) SELECT o.z FROM o, (SELECT o.id FROM users o) q",
		"SELECT relname FROM pg_class LIMIT 1", "SELECT table_name FROM information_schema.tables LIMIT 1",
		"SELECT tier FROM users WHERE tier LIKE 'f%' AND tier ~ '^f' AND id BETWEEN 1 AND 2 AND id IN (1, 2) AND tier IS DISTINCT FROM 'x'",
		"SELECT min(id), max(id), avg(id), sum(id), string_agg(tier, ',' ORDER BY tier) FROM users GROUP BY manager HAVING count(*) > 0",
	} {
		if _, err := f.read(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// TestCatalogsAreLabelled: what holds credentials or copies of rows says so, also behind a view, for policy to judge.
func TestCatalogsAreLabelled(t *testing.T) {
	f := openShadows(t)
	for sql, label := range map[string]string{
		"SELECT rolpassword FROM pg_authid": labelCredential, "TABLE pg_shadow": labelCredential, "SELECT 1 FROM pg_catalog.pg_user_mappings": labelCredential,
		"SELECT * FROM pg_hba_file_rules": labelCredential, "SELECT 1 FROM pg_settings": labelCredential, "SELECT * FROM v_roles": labelCredential,
		"SELECT 1 FROM v_shadow": labelCredential, "SELECT 1 FROM pg_stats": labelDataCopy, "SELECT 1 FROM pg_stat_activity": labelDataCopy,
		"SELECT * FROM v_activity": labelDataCopy, "SELECT * FROM pg_attribute": labelDataCopy, "SELECT attmissingval FROM pg_attribute": labelDataCopy,
		"SELECT c FROM pg_class c": labelDataCopy, "SELECT attname FROM pg_attribute": "", "SELECT relname FROM pg_class": "",
		"SELECT count(*) FROM pg_proc NATURAL JOIN (SELECT 'x' AS prosrc) x": labelDataCopy, "SELECT indexdef FROM pg_indexes": labelDataCopy, "SELECT indexname FROM pg_indexes": "", "SELECT conbin FROM pg_constraint": labelDataCopy, "SELECT partexprs FROM pg_partitioned_table": labelDataCopy,
		"SELECT column_default FROM information_schema.columns": labelDataCopy, "SELECT column_name FROM information_schema.columns": "",
	} {
		_, facts, err := f.facts(f.db.Reads(), sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		got := strings.Join(facts.Objects[0].Labels, ",")
		if got != label && !(facts.Effect == tools.Unknown && strings.HasPrefix(sql, "SELECT * FROM v_")) {
			t.Errorf("%s: labels %q, want %q (%v)", sql, got, label, facts.Unknown)
		}
	}
}

func TestWritesThatRunOtherCodeAreNotUnderstood(t *testing.T) {
	bothWays(t, openShadows, testWritesThatRunOtherCode)
}

func testWritesThatRunOtherCode(t *testing.T, f *fixture, proven func(sql string) bool) {
	for _, sql := range []string{
		"INSERT INTO ruled VALUES (1)", "INSERT INTO trigged VALUES (1)", "INSERT INTO defaulted(id) VALUES (1)", "INSERT INTO generated(id) VALUES (1)",
		"INSERT INTO checks VALUES (1)", "INSERT INTO keyed VALUES (1)", "INSERT INTO keyed_1 VALUES (1)", "INSERT INTO classed VALUES (1)", "INSERT INTO classed_parts VALUES (1)", "INSERT INTO starts(id) VALUES (1)", "UPDATE guarded_by_view SET id = 1 WHERE id = 2", "INSERT INTO domained VALUES (1, 'x')", "DELETE FROM parent WHERE id = 1", "DELETE FROM trigged WHERE id = 1", "INSERT INTO guarded VALUES (1, 'a')", "UPDATE guarded SET owner = 'a' WHERE id = 1",
		"INSERT INTO v_plain VALUES (1, 'a')", "INSERT INTO remote VALUES (1)", "UPDATE pg_class SET relname = 'x' WHERE relname = 'users'",
		"INSERT INTO audit VALUES (log_it('x'))", "UPDATE users SET tier = log_it(tier) WHERE id = 1", "DELETE FROM users WHERE log_it(tier) = 'x'",
		"DELETE FROM users WHERE id = 1 RETURNING log_it(tier)", "INSERT INTO owns VALUES (1, '(x)')", "UPDATE users u SET tier = u.log_row WHERE id = 1",
		"WITH a AS (DELETE FROM users RETURNING id) INSERT INTO audit SELECT id FROM a", "WITH a AS (SELECT log_it('x') AS x) INSERT INTO audit SELECT x FROM a",
		"INSERT INTO audit SELECT t FROM v_calls",
	} {
		_, err := f.write(sql)
		var unclear *tools.NotUnderstoodError
		if !errors.As(err, &unclear) && !(err == nil && proven(sql)) {
			t.Errorf("%s: %v (%T), want not understood", sql, err, err)
		}
	}
	if n := f.one("SELECT count(*) FROM audit"); n != "0" {
		t.Errorf("%s rows were written", n)
	}
}

func TestEachToolSendsTheOtherOnes(t *testing.T) {
	f := openShadows(t)
	for _, c := range []struct{ tool, sql, use string }{
		{"r", "DELETE FROM users", "query_write"}, {"r", "INSERT INTO audit VALUES ('x') RETURNING what", "query_write"},
		{"r", "WITH a AS (DELETE FROM users RETURNING id) SELECT id FROM a", "query_write"},
		{"w", "SELECT 1", "query"}, {"w", "EXPLAIN SELECT 1", "query"}, {"w", "SHOW timezone", "query"},
		{"r", "DROP TABLE users", "query_write"}, {"r", "CREATE TABLE x ()", "query_write"}, {"r", "TRUNCATE users", "query_write"}, {"r", "GRANT ALL ON users TO public", "query_write"},
		{"w", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", ""}, {"w", "VACUUM users", ""},
		{"r", "SELECT 1 FOR UPDATE", ""}, {"r", "SELECT * INTO x FROM users", ""}, {"w", "MERGE INTO users USING audit ON true WHEN MATCHED THEN DELETE", ""},
		{"r", "COPY users TO STDOUT", ""}, {"w", "DO ''", ""}, {"w", "CALL x()", ""},
	} {
		tool := f.db.Reads()
		if c.tool == "w" {
			tool = f.db.Writes()
		}
		_, err := tool.Plan(t.Context(), args("db", c.sql, nil))
		var wrong *tools.WrongToolError
		if !errors.As(err, &wrong) || wrong.Use != c.use {
			t.Errorf("%s: %v (%T), want another tool: %q", c.sql, err, err, c.use)
		}
	}
	for _, sql := range []string{"BEGIN", "COMMIT", "SET work_mem = '1GB'", "RESET ALL", "DISCARD ALL", "PREPARE a AS SELECT 1", "LISTEN a", "SELECT 1; SELECT 2", "",
		"SHOW all", "SHOW data_directory", "EXPLAIN ANALYZE SELECT 1", "EXPLAIN DELETE FROM users", "SET SESSION AUTHORIZATION postgres", "FETCH 1 FROM sallyport",
		"SELEC 1", "SELECT 1 FROM other_db.public.users", "SAVEPOINT a", "/* only a comment */", "-- x\n;"} {
		for _, tool := range []*Tool{f.db.Reads(), f.db.Writes()} {
			_, err := tool.Plan(t.Context(), args("db", sql, nil))
			var unclear *tools.NotUnderstoodError
			var wrong *tools.WrongToolError
			var arg *tools.ArgError
			if !errors.As(err, &unclear) && !errors.As(err, &arg) && !(errors.As(err, &wrong) && tool.name == toolWrite && wrong.Use == toolRead) {
				t.Errorf("%s: %v (%T), want not understood", sql, err, err)
			}
		}
	}
}

// canary is in every labelled column of the tests below.
const canary = "987654320"

const people = `
CREATE TABLE people (id int PRIMARY KEY, name text, ssn text UNIQUE, email text, note text);
INSERT INTO people SELECT g, 'n' || g, (987654320 + g - 1)::text, 'e' || g, NULL FROM generate_series(1, 3) g;
CREATE TABLE orders (id int, person int, ssn_copy text REFERENCES people(ssn), name text);
INSERT INTO orders VALUES (1, 1, '987654320', 'n1');
CREATE TABLE children (hobby text) INHERITS (people);
INSERT INTO children VALUES (9, 'c', '987654320', 'e', NULL, 'h');
CREATE TABLE parts (id int, ssn text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
INSERT INTO parts VALUES (1, '987654320');
CREATE TABLE gens (id int, ssn text, tail text GENERATED ALWAYS AS (substr(ssn, 1)) STORED);
INSERT INTO gens VALUES (1, '987654320');
CREATE VIEW v_all AS SELECT * FROM people;
CREATE VIEW v_name AS SELECT id, name FROM people;
CREATE VIEW v_row AS SELECT id, row_to_json(p) AS j FROM people p;
CREATE VIEW v_expr AS SELECT id, reverse(ssn) AS r FROM people;
CREATE VIEW v_where AS SELECT id FROM people WHERE ssn LIKE '9%';
CREATE VIEW v_nested AS SELECT id, r FROM v_expr;
CREATE MATERIALIZED VIEW m_all AS SELECT * FROM people;
CREATE TABLE sink (id int, t text);
ALTER TABLE people ADD COLUMN late text DEFAULT '987654320';
ANALYZE;
`

func openPeople(t *testing.T) *fixture {
	l := Label{Class: "us_ssn", Method: "redact"}
	return open(t, people, labelsOf(map[string]Label{"people.ssn": l, "people.late": l, "public.parts.ssn": l, "gens.ssn": l}))
}

// leaks reports whether the canary, or a simple transform of it, is in the text.
func leaks(text string) bool {
	back := []byte(canary)
	slices.Reverse(back)
	for _, form := range []string{canary, canary[:6], canary[3:], string(back), hex.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte(canary)),
		fmt.Sprintf("%x", 987654320), "987-65-4320"} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			return true
		}
	}
	return false
}

func TestLabelledColumnsAreOnlyShownMasked(t *testing.T) {
	f := openPeople(t)
	masked := []string{
		"SELECT ssn FROM people", "SELECT * FROM people", "SELECT p.* FROM people p", "SELECT p.ssn AS id, p.id FROM people p", `SELECT "ssn" FROM people`, `SELECT U&"s\0073n" FROM people`,
		"SELECT people.ssn, name FROM public.people", "SELECT public.people.ssn FROM people", "TABLE people", "SELECT id, ssn FROM people ORDER BY id", "SELECT ssn FROM ONLY people", "SELECT (ssn) FROM people",
		"SELECT p.ssn FROM people p JOIN orders o ON o.person = p.id", "SELECT * FROM people p, orders o", "SELECT ssn_copy FROM orders", "SELECT ssn FROM children", "SELECT * FROM children",
		"SELECT ssn FROM parts", "SELECT ssn FROM parts_1", "SELECT * FROM gens", "SELECT tail FROM gens", "SELECT late FROM people", "SELECT ssn FROM people WHERE id = 1 LIMIT 1 OFFSET 0",
		"SELECT ssn, count(*) OVER () FROM people", "SELECT ssn FROM people TABLESAMPLE system (100)",
	}
	for _, sql := range masked {
		out, err := f.read(sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		} else if leaks(string(out.Data)) || len(out.Columns) == 0 || !strings.Contains(string(out.Data), `"masked":true`) {
			t.Errorf("%s: %s", sql, out.Data)
		}
	}
	for _, sql := range []string{"SELECT id, name FROM people WHERE id = 1", "SELECT count(*) FROM people", "SELECT * FROM v_name", "SELECT id FROM orders",
		"SELECT name FROM people GROUP BY name", "SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM people p WHERE p.id = o.person)"} {
		if out, err := f.read(sql); err != nil || leaks(string(out.Data)) || len(out.Columns) > 0 {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestLabelledColumnsCannotBeUsed(t *testing.T) {
	f := openPeople(t)
	expressions := []string{"ssn::int", "ssn::text", "ssn::date", "ssn::bytea", "CAST(ssn AS varchar)", "ssn || ''", "lower(ssn)", "reverse(ssn)", "substr(ssn, 1, 3)", "md5(ssn)", "length(ssn)",
		"encode(ssn::bytea, 'hex')", "ascii(ssn)", "translate(ssn, '9', 'x')", "format('%s', ssn)", "regexp_replace(ssn, '^', 'x')", "string_to_array(ssn, NULL)", "ARRAY[ssn]", "ROW(ssn)", "ROW(people.*)",
		"people", "people::text", "row_to_json(people)", "to_jsonb(people)", "to_json(people)->>'ssn'", "json_build_object('a', ssn)", "jsonb_build_array(ssn)", "coalesce(ssn, 'x')", "nullif(ssn, 'x')",
		"greatest(ssn, 'x')", "CASE WHEN ssn LIKE '9%' THEN 1 END", "CASE ssn WHEN '1' THEN 1 END", "ssn = '987654320'", "ssn IS NULL", "ssn IN ('1')", "ssn = ANY(ARRAY['1'])", "ssn LIKE '9%'", "ssn BETWEEN '1' AND '9'",
		"ssn IS DISTINCT FROM '1'", "(id, ssn) > (1, '9')", "ssn COLLATE \"C\"", "min(ssn)", "max(ssn)", "count(ssn)", "array_agg(ssn)", "string_agg(ssn, ',')", "json_agg(people)", "mode() WITHIN GROUP (ORDER BY ssn)",
		"count(*) FILTER (WHERE ssn > '5')", "first_value(ssn) OVER ()", "rank() OVER (ORDER BY ssn)", "lag(ssn) OVER (PARTITION BY ssn)", "to_tsvector(ssn)", "int4range(1, ssn::int)", "1 / (ssn::int - 987654320)",
		"(SELECT ssn)", "(SELECT max(ssn) FROM people)", "EXISTS (SELECT 1 FROM people WHERE ssn = '987654320')", "(SELECT string_agg(x::text, '') FROM (SELECT * FROM people) x)", "num_nulls(ssn)", "pg_typeof(ssn)",
		"pg_column_size(ssn)", "(people).ssn", "(people.*)::text", "hashtext(ssn)", "ssn[1]", "xmlelement(name a, ssn)", "xmlforest(ssn)", "grouping(ssn)"}
	statements := []string{
		"SELECT id FROM people WHERE ssn = '987654320'", "SELECT id FROM people ORDER BY ssn", "SELECT ssn FROM people ORDER BY 1", "SELECT ssn AS s FROM people ORDER BY s", "SELECT ssn AS id FROM people ORDER BY id",
		"SELECT id FROM people GROUP BY id HAVING max(ssn) > '5'", "SELECT 1 FROM people GROUP BY ssn", "SELECT ssn FROM people GROUP BY ssn", "SELECT DISTINCT ssn FROM people", "SELECT DISTINCT * FROM people",
		"SELECT DISTINCT ON (ssn) id FROM people", "SELECT ssn FROM people UNION SELECT 'x'", "SELECT 'x' UNION ALL SELECT ssn FROM people", "SELECT id::text FROM people INTERSECT SELECT ssn FROM people", "TABLE people UNION ALL TABLE people",
		"SELECT id FROM people EXCEPT SELECT ssn::int FROM people", "SELECT * FROM (SELECT ssn FROM people) s", "SELECT s.x FROM (SELECT ssn AS x FROM people) s", "SELECT s.x FROM (SELECT ssn FROM people) s(x)", "SELECT x FROM (TABLE people) s(a, b, x)",
		"WITH c AS (SELECT * FROM people) SELECT ssn FROM c", "WITH c(x) AS (SELECT ssn FROM people) SELECT x FROM c", "WITH c AS MATERIALIZED (TABLE people) TABLE c", "WITH RECURSIVE c AS (SELECT ssn FROM people UNION ALL SELECT ssn FROM c WHERE false) SELECT * FROM c",
		"SELECT l.x FROM people p, LATERAL (SELECT p.ssn AS x) l", "SELECT l FROM people p, LATERAL (VALUES (p.ssn)) l(x)", "SELECT u FROM people p, unnest(ARRAY[p.ssn]) u", "SELECT e FROM people p, jsonb_each_text(to_jsonb(p)) e",
		"SELECT o.id FROM orders o JOIN people p ON p.ssn = o.name", "SELECT 1 FROM people a JOIN people b USING (ssn)", "SELECT 1 FROM people a NATURAL JOIN people b", "SELECT 1 FROM people p NATURAL JOIN orders o", "SELECT * FROM people a FULL JOIN people b USING (ssn)",
		"SELECT c FROM people AS x(a, b, c)", "SELECT lower(c) FROM people AS x(a, b, c)", "SELECT j.c FROM (people CROSS JOIN sink) AS j(a, b, c)", "SELECT lower(j.c) FROM (people CROSS JOIN sink) AS j(a, b, c)", "SELECT x.y FROM (people CROSS JOIN sink) AS x(a, b, y)",
		"SELECT 1 LIMIT (SELECT ssn::int FROM people LIMIT 1)", "SELECT 1 OFFSET (SELECT length(ssn) FROM people LIMIT 1)", "SELECT sum(1) OVER (ORDER BY ssn) FROM people", "SELECT 1 FROM people WINDOW w AS (PARTITION BY ssn)",
		"SELECT 1 FROM people TABLESAMPLE bernoulli (length((SELECT ssn FROM people LIMIT 1)))", "EXPLAIN SELECT ssn FROM people", "EXPLAIN SELECT 1 FROM people WHERE ssn = '987654320'", "EXPLAIN (FORMAT JSON) TABLE people",
		"VALUES ((SELECT ssn FROM people LIMIT 1))", "SELECT (SELECT people FROM people LIMIT 1)", "SELECT id FROM people p WHERE p = p",
		"SELECT ssn FROM v_all", "SELECT * FROM v_all", "SELECT id FROM v_all", "SELECT id FROM v_row", "SELECT r FROM v_expr", "SELECT id FROM v_where", "TABLE v_nested", "SELECT id FROM m_all", "SELECT lower(ssn_copy) FROM orders",
		"SELECT lower(ssn) FROM children", "SELECT lower(ssn) FROM parts_1", "SELECT lower(tail) FROM gens", "SELECT upper(late) FROM people", "SELECT ssn FROM people WHERE (SELECT true FROM people x WHERE x.ssn > 'a' LIMIT 1)",
		"SELECT people.ssn::text FROM sink, people", "SELECT k.ssn FROM (SELECT p.* FROM people p) k", "SELECT count(*) FROM (SELECT DISTINCT ssn FROM people) x",
	}
	for _, e := range expressions {
		statements = append(statements, "SELECT "+e+" FROM people")
	}
	for _, sql := range statements {
		out, err := f.read(sql)
		if err == nil {
			t.Errorf("ran: %s\n\t%s", sql, out.Data)
			continue
		}
		if leaks(err.Error()) && !strings.Contains(sql, canary) {
			t.Errorf("%s: the error leaks: %v", sql, err)
		}
		var label *tools.LabelledError
		var unclear *tools.NotUnderstoodError
		if !errors.As(err, &label) && !errors.As(err, &unclear) {
			t.Errorf("%s: %v (%T), want it refused before it runs", sql, err, err)
		}
	}
}

func TestLabelledColumnsCannotBeReadByWriting(t *testing.T) {
	f := openPeople(t)
	for _, sql := range []string{
		"INSERT INTO sink SELECT id, ssn FROM people", "INSERT INTO sink(id, t) SELECT id, ssn FROM people RETURNING t", "INSERT INTO people SELECT * FROM people", "INSERT INTO sink TABLE parts", "INSERT INTO sink VALUES (1, (SELECT ssn FROM people LIMIT 1))",
		"WITH c AS (SELECT ssn FROM people) INSERT INTO sink SELECT 1, ssn FROM c", "UPDATE people SET note = ssn WHERE id = 1 RETURNING note", "UPDATE people SET note = 'x' WHERE ssn = '987654320'", "UPDATE sink SET t = p.ssn FROM people p WHERE p.id = sink.id",
		"UPDATE people SET (note, name) = (SELECT ssn, 'x' FROM people LIMIT 1) WHERE id = 1", "DELETE FROM people WHERE ssn > '5'", "DELETE FROM sink USING people p WHERE p.ssn = sink.t", "DELETE FROM people WHERE id = 1 RETURNING lower(ssn)",
		"UPDATE people SET note = 'x' WHERE id = 1 RETURNING people", "UPDATE people SET note = 'x' WHERE id = 1 RETURNING to_jsonb(people)", "INSERT INTO people(id, ssn) VALUES (7, '987654320') ON CONFLICT (ssn) DO NOTHING",
		"INSERT INTO people(id, ssn) VALUES (7, '987654320') ON CONFLICT DO NOTHING", "INSERT INTO people(id, ssn) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = people.ssn RETURNING note",
		"INSERT INTO people(id, ssn) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = 'y' WHERE people.ssn = '987654320'", "INSERT INTO people(id, ssn) VALUES (1, 'x') ON CONFLICT ON CONSTRAINT people_ssn_key DO UPDATE SET note = 'x'",
		"UPDATE people SET ssn = ssn || 'x' WHERE id = 1", "INSERT INTO sink SELECT id, x.t FROM (TABLE people) x(id, n, t)", "INSERT INTO sink(id) SELECT length(ssn) FROM people", "INSERT INTO sink SELECT 1, p::text FROM people p",
	} {
		out, err := f.write(sql)
		if err == nil {
			t.Errorf("ran: %s\n\t%s", sql, out.Data)
			continue
		}
		var label *tools.LabelledError
		var unclear *tools.NotUnderstoodError
		if !errors.As(err, &label) && !errors.As(err, &unclear) {
			t.Errorf("%s: %v (%T), want it refused before it runs", sql, err, err)
		}
	}
	for _, sql := range []string{"UPDATE people SET note = 'x' WHERE id = 2 RETURNING ssn, id", "UPDATE people SET note = 'x' WHERE id = 2 RETURNING *", "INSERT INTO people(id, ssn) VALUES (77, '555') RETURNING *", "DELETE FROM people WHERE id = 77 RETURNING people.*"} {
		out, err := f.write(sql)
		if err != nil || leaks(string(out.Data)) || len(out.Columns) == 0 {
			t.Errorf("%s: %v", sql, err)
		}
	}
	// What must not be found out cannot be read from an error either.
	_, err := f.write("INSERT INTO people(id, ssn) VALUES (8, '987654320')")
	if err == nil || leaks(err.Error()) {
		t.Errorf("got %v", err)
	}
}

// attributes are functions and types that the call in x.f could mean.
const attributes = `
CREATE TABLE staff (id int PRIMARY KEY, name text, ssn text);
INSERT INTO staff VALUES (1, 'ann', '987654320'), (2, 'bob', '987654321');
CREATE TABLE plain (id int, born date);
INSERT INTO plain VALUES (1, '2000-01-01');
CREATE TABLE heirs (hobby text) INHERITS (plain);
CREATE TYPE shape AS (id int);
CREATE TABLE typed OF shape;
CREATE TABLE effects (what text);
CREATE FUNCTION age(plain) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(ssn, ',') FROM staff $$;
CREATE FUNCTION area(shape) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(ssn, ',') FROM staff $$;
CREATE VIEW v_plain AS SELECT id FROM plain;
CREATE FUNCTION xmin(v_plain) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(ssn, ',') FROM staff $$;
CREATE FUNCTION seen(text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(4242); RETURN true; END $$;
CREATE DOMAIN watched AS text CHECK (seen(VALUE));
`

func openAttributes(t *testing.T) *fixture {
	return open(t, attributes, labelsOf(map[string]Label{"staff.ssn": {Class: "us_ssn", Method: "redact"}}))
}

// TestAttributeNotationIsNotUnderstood: x.f is the call f(x) where x has no column f, also for functions that may be called
// otherwise.
func TestAttributeNotationIsNotUnderstood(t *testing.T) {
	bothWays(t, openAttributes, testAttributeNotation)
}

func testAttributeNotation(t *testing.T, f *fixture, proven func(sql string) bool) {
	statements := []string{
		"SELECT s.to_json AS to_json FROM staff s", "SELECT s.row_to_json, now() FROM staff s", "SELECT staff.row_to_json FROM staff, generate_series(1, 1) g", "SELECT s.to_jsonb AS to_jsonb FROM staff s",
		"SELECT id FROM staff s ORDER BY s.to_jsonb -> 'ssn', now()", "SELECT id, s.to_jsonb ->> 'ssn' AS to_jsonb FROM staff s", "SELECT id FROM staff s WHERE s.to_jsonb ->> 'ssn' LIKE '9%' AND now() IS NOT NULL",
		"SELECT reverse(s.concat) FROM staff s", "SELECT (SELECT s.to_json) AS to_json FROM staff s", "SELECT x.to_json AS to_json FROM staff x, LATERAL (SELECT 1 AS to_json) y", "SELECT public.staff.to_json AS to_json FROM staff, now()",
		"EXPLAIN SELECT s.to_json AS to_json FROM staff s WHERE s.concat = 'x'", "SELECT to_json FROM staff s, LATERAL (SELECT s.to_json AS to_json) x", "WITH a AS (SELECT s.to_json AS to_json FROM staff s) SELECT a.to_json FROM a",
		"SELECT count(*) FROM staff s GROUP BY s.concat, now()", "SELECT s.to_json FROM (SELECT 1 AS to_json) s, (SELECT s.to_json FROM staff s) q", "SELECT 1 FROM staff s JOIN plain p ON s.concat = p.concat AND now() IS NOT NULL",
		"SELECT max(s.concat) FROM staff s", "SELECT 1 FROM (staff s JOIN plain p ON s.concat = 'x' AND now() IS NOT NULL) AS j", "SELECT j.to_json AS to_json FROM (staff s JOIN plain p ON true) AS j",
		// a row as itself
		"SELECT s.staff AS staff FROM staff s", "SELECT staff.staff AS staff FROM staff", "SELECT public.staff.staff AS staff FROM staff, now()",
		// the row of what is no table
		"SELECT x.age FROM unnest(ARRAY[NULL::plain]) AS x", "SELECT x.age AS age FROM unnest(ARRAY['(1,2000-01-01)'::plain]) AS x", "SELECT age.age FROM unnest(ARRAY[NULL::plain]) AS age",
		"SELECT x.age FROM (SELECT 1 AS age) x, (SELECT x.age FROM unnest(ARRAY[NULL::plain]) x) y", "SELECT unnest.age FROM unnest(ARRAY[NULL::plain])", "SELECT x.row_to_json AS row_to_json FROM (SELECT id FROM staff) x",
		"SELECT c.to_json AS to_json FROM (VALUES (1)) c(a)", "SELECT x.watched FROM unnest(ARRAY['x']) AS x", "SELECT v.xmin FROM v_plain v", "SELECT x.age FROM (SELECT 1) AS x(a), now()",
		"SELECT j.age FROM (staff JOIN plain USING (id)) AS j", "SELECT u.age FROM staff JOIN plain USING (id) AS u", "WITH RECURSIVE a AS (SELECT * FROM a) SELECT a.age FROM a", "SELECT x.age FROM (SELECT * FROM plain) x",
		`SELECT "*VALUES*".age FROM plain "*VALUES*", (VALUES (1), (2) ORDER BY "*VALUES*".age) v`, "SELECT x.age FROM current_date x", "SELECT current_date.age FROM current_date",
		// through the row type of a parent, or the type a table was made of
		"SELECT age(h) FROM heirs h", "SELECT h.age FROM heirs h", "SELECT area(t) FROM typed t",
		"SELECT age(x) FROM (SELECT h FROM heirs h) AS x(x)", "SELECT age(ROW(1, NULL)::plain)",
		// a name that means different things in different places
		"WITH p AS (SELECT 1 AS age) SELECT p.age FROM public.plain p", "WITH p AS (SELECT 1 AS age) SELECT p.age FROM p, (SELECT p.age FROM plain p) z", "WITH p AS (SELECT 1 AS age) SELECT (SELECT p.age FROM plain AS p) FROM p",
		"WITH r AS (SELECT 1 AS age), q AS (WITH r AS (SELECT 1 AS b) SELECT * FROM r) SELECT q.age FROM q", "SELECT q.age FROM (WITH plain AS (SELECT 1 AS b) SELECT * FROM plain) q, (WITH plain AS (SELECT 1 AS age) SELECT * FROM plain) r",
		"SELECT plain.age FROM plain JOIN (SELECT 1 AS id, 2 AS age) s USING (id)", "SELECT x.age FROM (SELECT 2 AS age, 1 AS b) x(b)", "SELECT x.age FROM ROWS FROM (unnest(ARRAY[NULL::plain]), generate_series(1, 1)) AS x",
	}
	for _, name := range []string{"num_nulls", "quote_literal", "concat", "json_agg", "array_agg", "jsonb_agg", "json_build_array", "count", "pg_column_size", "text", "md5", "pg_typeof", "max", "format", "row_to_json"} {
		statements = append(statements, fmt.Sprintf("SELECT s.%s AS %[1]s FROM staff s", name), fmt.Sprintf("SELECT s.%s FROM staff s, now()", name))
	}
	for _, sql := range statements {
		if out, err := f.read(sql); err != nil || !proven(sql) {
			refusedBefore(t, sql, out, err)
		}
	}
	for _, sql := range []string{"UPDATE staff s SET name = name WHERE id = 1 RETURNING s.to_jsonb AS to_jsonb", "UPDATE staff s SET name = s.to_jsonb ->> 'ssn' WHERE id = 1 AND now() > '2000-01-01' RETURNING name",
		"UPDATE plain SET born = born WHERE id = 1 RETURNING plain.age AS age", "DELETE FROM staff s WHERE s.concat LIKE '%9%' AND now() IS NOT NULL",
		"INSERT INTO plain VALUES (1) ON CONFLICT DO NOTHING RETURNING plain.age AS age", "INSERT INTO effects SELECT s.concat FROM staff s, now()"} {
		out, err := f.write(sql)
		refusedBefore(t, sql, out, err)
	}
	if n := f.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"); n != "0" {
		t.Errorf("%s locks were left behind", n)
	}
}

// refusedBefore: the statement was refused before the server saw it.
func refusedBefore(t *testing.T, sql string, out *tools.Rendered, err error) {
	t.Helper()
	var label *tools.LabelledError
	var unclear *tools.NotUnderstoodError
	if err == nil {
		t.Errorf("ran: %s\n\t%s", sql, out.Data)
	} else if !errors.As(err, &label) && !errors.As(err, &unclear) {
		t.Errorf("%s: %v (%T), want it refused before it runs", sql, err, err)
	}
}

// TestColumnsWithNamesOfFunctionsStillWork: what is certain to be a column may be called like a function.
func TestColumnsWithNamesOfFunctionsStillWork(t *testing.T) {
	f := openAttributes(t)
	f.exec(`CREATE TABLE events (id int PRIMARY KEY, name text, date date, count int, text text, position int); GRANT ALL ON events TO ` + agentRole)
	for _, sql := range []string{
		"SELECT e.name, e.date, e.count, e.text FROM events e WHERE e.position > 1 ORDER BY e.date", "SELECT public.events.name FROM events", "SELECT c.count FROM (SELECT count(*) FROM events) c", "SELECT c.max, c.min FROM (SELECT max(id), min(id) FROM events) c",
		"WITH t AS (SELECT name, count(*) AS count FROM events GROUP BY name) SELECT t.name, t.count FROM t ORDER BY t.count", "SELECT x.name FROM (SELECT * FROM events) x", "WITH a AS (SELECT * FROM events), b AS (SELECT a.*, 1 AS n FROM a) SELECT b.name, b.date FROM b",
		"WITH a AS (SELECT e.*, p.born FROM events e JOIN plain p ON p.id = e.id) SELECT q.name, q.born FROM a q WHERE q.count > 1", "SELECT x.name, x.age FROM (VALUES ('a', 1)) AS x(name, age)", "SELECT x.age FROM json_to_recordset('[]') AS x(age int)",
		"SELECT g.date FROM generate_series(1, 2) AS g(date)", "SELECT e.name FROM events e TABLESAMPLE system (50)", "SELECT l.date FROM events e, LATERAL (SELECT e.date) l", "SELECT x.now, x.interval FROM (SELECT now()::date, '1 day'::interval) x",
		"WITH RECURSIVE up AS (SELECT e.id, e.name FROM events e UNION ALL SELECT e.id, e.name FROM events e JOIN up ON up.id = e.id AND up.name = e.name) SELECT up.name FROM up", "SELECT j.name FROM (events e JOIN plain p ON p.id = e.id) AS j",
		"SELECT x.name FROM (SELECT name FROM events UNION SELECT name FROM staff) x", "SELECT x.date FROM (SELECT id, name, born FROM plain, (SELECT 'a' AS name) n) AS x(id, name, date)", "SELECT u.position FROM unnest(ARRAY[1]) WITH ORDINALITY AS u(x, position)",
		"SELECT u.id FROM events JOIN plain USING (id) AS u", "SELECT v.id FROM v_plain v", "SELECT p.ctid, p.xmin FROM plain p", "SELECT o.name FROM plain p LEFT JOIN (SELECT * FROM (SELECT * FROM events) i) o ON o.id = p.id",
	} {
		if _, err := f.read(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{"INSERT INTO events AS e (id, name) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET name = excluded.name, count = e.count + 1", "UPDATE events e SET name = x.name FROM (SELECT * FROM events) x WHERE x.id = e.id RETURNING e.name, x.date"} {
		if _, err := f.write(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// TestStarsWithADatabaseName: the server takes them, and their columns would not be found.
func TestStarsWithADatabaseNameAreNotUnderstood(t *testing.T) {
	f := openAttributes(t)
	for _, sql := range []string{"SELECT id, DB.public.staff.* FROM staff ORDER BY 4", "SELECT DISTINCT ON (4) id, DB.public.staff.* FROM staff", "SELECT DB.public.staff.ssn FROM staff", "SELECT id, (DB.public.staff.*)::text FROM staff", "SELECT count(DB.public.staff.*) FROM staff"} {
		sql = strings.ReplaceAll(sql, "DB", quoteIdent(f.database))
		out, err := f.read(sql)
		refusedBefore(t, sql, out, err)
	}
}

// TestCopiesOfLabelledValuesAreMasked: the planner's statistics and other copies in the catalogs hold values of labelled columns, and
// so may what a function wrote down.
func TestCopiesOfLabelledValuesAreMasked(t *testing.T) {
	f := openPeople(t)
	f.exec(`CREATE STATISTICS both_of (mcv) ON name, ssn FROM people;
		INSERT INTO people SELECT g, 'n', '987654320' || g % 5, 'e', NULL FROM generate_series(1000, 1005) g ON CONFLICT DO NOTHING;
		CREATE FUNCTION all_of_them() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT string_agg(ssn, ',') FROM people); END $$;
		CREATE MATERIALIZED VIEW m_told AS SELECT all_of_them() AS s;
		CREATE VIEW v_over_told AS SELECT * FROM m_told;
		CREATE VIEW v_stats AS SELECT most_common_vals::text AS m FROM pg_stats;
		CREATE MATERIALIZED VIEW m_fine AS SELECT count(*) AS n FROM orders;
		CREATE INDEX only_one ON people (id) WHERE ssn = '987654320'; ALTER TABLE people ADD CONSTRAINT never CHECK (ssn <> '9876543200') NOT VALID; ALTER TABLE people OWNER TO ` + agentRole + `;
		ANALYZE; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ` + agentRole + `; GRANT SELECT ON pg_statistic, pg_statistic_ext_data TO ` + agentRole)
	for _, sql := range []string{
		"SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'people' AND attname = 'ssn'", "SELECT * FROM pg_stats", "TABLE pg_stats_ext", "SELECT s.* FROM pg_stats s", "SELECT * FROM pg_stats_ext_exprs", "SELECT most_common_elems FROM pg_stats",
		"SELECT indexdef FROM pg_indexes WHERE indexname = 'only_one'", "TABLE pg_indexes", "SELECT i.* FROM pg_index i", "SELECT conbin FROM pg_constraint", "SELECT check_clause FROM information_schema.check_constraints", "TABLE pg_attrdef",
		"SELECT stavalues1, stavalues2 FROM pg_statistic", "SELECT * FROM pg_statistic", "SELECT * FROM pg_statistic_ext_data", "SELECT stxdmcv FROM pg_statistic_ext_data", "SELECT attmissingval FROM pg_attribute", "SELECT * FROM pg_attribute WHERE attname = 'late'",
	} {
		if out, err := f.read(sql); err == nil && leaks(string(out.Data)) {
			t.Errorf("leaks: %s\n\t%s", sql, out.Data)
		} else if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"SELECT most_common_vals::text FROM pg_stats", "SELECT histogram_bounds::text::text[] FROM pg_stats", "SELECT array_to_string(most_common_vals::text::text[], ',') FROM pg_stats", "SELECT row_to_json(s) FROM pg_stats s", "SELECT s FROM pg_stats s", "SELECT s.to_json AS to_json FROM pg_stats s",
		"SELECT m FROM (SELECT most_common_vals AS m FROM pg_stats) x", "SELECT attname FROM pg_stats WHERE histogram_bounds::text LIKE '%9876%'", "SELECT attname FROM pg_stats ORDER BY most_common_vals::text", "SELECT stavalues1::text FROM pg_statistic", "SELECT stxdmcv::text FROM pg_statistic_ext_data",
		"SELECT reverse(indexdef) FROM pg_indexes", "SELECT 1 FROM pg_indexes WHERE indexdef LIKE '%9876%'", "SELECT conbin::text FROM pg_constraint", "SELECT lower(check_clause) FROM information_schema.check_constraints",
		"SELECT attmissingval::text FROM pg_attribute", "SELECT m FROM v_stats", "SELECT a FROM pg_attribute a", "WITH s AS (TABLE pg_stats) SELECT * FROM s", "SELECT * FROM m_told", "SELECT * FROM v_over_told", "SELECT m FROM pg_stats_ext s(a, b, c, d, e, f, g, h, m)",
		"SELECT i.values FROM pg_statistic_ext_data d, pg_mcv_list_items(d.stxdmcv) i",
	} {
		out, err := f.read(sql)
		refusedBefore(t, sql, out, err)
	}
	for _, sql := range []string{"SELECT attname, n_distinct, null_frac, correlation FROM pg_stats", "SELECT attname FROM pg_attribute GROUP BY attname", "SELECT n FROM m_fine", "SELECT indexname FROM pg_indexes", "SELECT conname, contype FROM pg_constraint GROUP BY conname, contype", "SELECT i.indisunique FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid", "SELECT column_name FROM information_schema.columns"} {
		if _, err := f.read(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
