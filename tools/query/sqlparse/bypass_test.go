package sqlparse

import (
	"slices"
	"strings"
	"testing"
)

// plainRead is what a caller may take for a read before it looks at names.
func plainRead(sql string) bool {
	st, err := analyse(sql)
	return err == nil && st.Kind == "select" && len(st.Writes)+len(st.Refused)+len(st.Unclear)+len(st.Attributes) == 0
}

// neverPlain are texts that do more than read, and are seen by their form. None may look like a plain read.
var neverPlain = []string{
	// More than one statement, also where it does not look like it.
	"SELECT name FROM users; UPDATE users SET name = 'x'",
	"SELECT 2; DROP INDEX orders_user_id_idx",
	"SELECT 1;\r\n--\r\nDELETE FROM users",
	"SELECT 1 /* ; */; /* x */ COMMIT",
	"SELECT $$;$$; SELECT 2",
	`SELECT '\'; DROP TABLE users; --'`,
	`SELECT E'\'; DROP TABLE users; --'; DROP TABLE users`,
	"SELECT /* */ 1; DELETE FROM users /* */",

	// Changes inside reads.
	"WITH gone AS (DELETE FROM users WHERE id = 7 RETURNING name) SELECT name FROM gone",
	"WITH a AS (INSERT INTO audit(what) VALUES ('x')) SELECT 1",
	"WITH RECURSIVE a AS (WITH b AS (UPDATE users SET name = '' RETURNING 1) TABLE b) TABLE a",
	"SELECT * FROM (WITH a AS (DELETE FROM users RETURNING *) SELECT * FROM a) s",
	"SELECT 1 WHERE EXISTS (WITH a AS (DELETE FROM users RETURNING *) SELECT * FROM a)",
	"VALUES ((WITH a AS (DELETE FROM users RETURNING id) SELECT id FROM a))",
	"WITH a AS (MERGE INTO users USING orders ON true WHEN MATCHED THEN DELETE RETURNING 1) SELECT 1",
	"INSERT INTO audit(what) VALUES ('y') RETURNING id",
	"WITH a AS (SELECT 1) DELETE FROM users",
	"EXPLAIN (ANALYZE, VERBOSE) DELETE FROM users WHERE id = 9",
	"EXPLAIN ANALYZE SELECT 1",
	"explain (format json, Analyze) select 1",
	"EXPLAIN (ANALYZE 0, ANALYZE 1) SELECT 1",
	"EXPLAIN UPDATE users SET name = ''",

	// Results that are stored, rows that are locked.
	"SELECT name INTO names_only FROM users",
	"SELECT 1 AS a INTO TEMP t UNION SELECT 2",
	"SELECT INTO t",
	"CREATE TABLE t AS TABLE users",
	"SELECT name FROM users WHERE id = 3 FOR UPDATE SKIP LOCKED",
	"SELECT * FROM (SELECT * FROM users FOR SHARE) s",
	"(SELECT * FROM users FOR KEY SHARE)",
	"SELECT (SELECT id FROM users LIMIT 1 FOR NO KEY UPDATE)",
	"WITH a AS (SELECT * FROM users FOR UPDATE) SELECT 1 UNION SELECT 2",

	// Calls that do not look like calls.
	"SELECT (0.02::double precision).pg_sleep",
	"SELECT ((0.02)).pg_sleep",
	"SELECT ('x'::text).log_it",
	"SELECT 1 FROM users ORDER BY ('x'::text).log_it",
	"SELECT 1 LIMIT (1::int8).log_it",
	"SELECT 1 FROM generate_series(1, ('x'::text).log_it)",
	"VALUES ((('x'::text).log_it))",
	"SELECT ('x'::text).log_it.name",
	"SELECT (ARRAY['x'])[1].log_it",
	"SELECT $1.log_it",
	`SELECT ('x'::text).U&"log\005fit"`,
	"SELECT (SELECT 'x').log_it",
	"SELECT (users).name FROM users",
	"SELECT xmlparse(document '<a/>')",
	"SELECT * FROM xmltable('/' passing '<a/>' columns b text)",
	"SELECT xmlserialize(content a as text) FROM t",
	"SELECT 1 IS DOCUMENT",

	// Every other statement.
	"COPY orders TO PROGRAM 'cat > /dev/null'", "COPY users TO '/tmp/x'", "COPY users FROM STDIN", "COPY (DELETE FROM users RETURNING 1) TO STDOUT",
	"SET statement_timeout TO DEFAULT", "SET LOCAL ROLE postgres", "SET SESSION AUTHORIZATION x", "RESET ALL", "SET CONSTRAINTS ALL DEFERRED",
	"SET TRANSACTION READ WRITE", "START TRANSACTION", "BEGIN", "COMMIT AND CHAIN", "ROLLBACK", "ABORT", "END", "SAVEPOINT a", "RELEASE a", "ROLLBACK TO a",
	"PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "DISCARD ALL", "DEALLOCATE ALL", "PREPARE p AS SELECT 1", "EXECUTE p", "CREATE TABLE t AS EXECUTE p",
	"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "FETCH c", "MOVE c", "CLOSE c", "LISTEN a", "UNLISTEN *", "NOTIFY a, 'x'", "LOAD 'x'", "CHECKPOINT",
	"DO 'BEGIN NULL; END'", "CALL p(1)", "LOCK users", "MERGE INTO users USING orders ON true WHEN MATCHED THEN DO NOTHING",
	"TRUNCATE users", "REFRESH MATERIALIZED VIEW mv_tiers", "VACUUM users", "ANALYZE users", "REINDEX TABLE users", "CLUSTER users",
	"GRANT corpus_owner TO corpus_agent", "REVOKE SELECT ON users FROM x", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x", "CREATE ROLE x",
	"ALTER ROLE x SUPERUSER", "ALTER ROLE x SET search_path = y", "DROP ROLE x", "REASSIGN OWNED BY x TO y", "DROP OWNED BY x",
	"ALTER SYSTEM SET port = 1", "ALTER DATABASE d SET x = 1", "CREATE DATABASE d", "DROP DATABASE d", "CREATE TABLESPACE t LOCATION '/x'",
	"CREATE TABLE t (a int)", "CREATE TEMP TABLE users (a int)", "ALTER TABLE users ADD x int", "DROP TABLE users", "CREATE INDEX ON users (id)",
	"CREATE VIEW v AS SELECT 1", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE TRIGGER t AFTER INSERT ON users EXECUTE FUNCTION f()",
	"CREATE RULE r AS ON SELECT TO users DO INSTEAD NOTHING", "CREATE EXTENSION x", "CREATE SCHEMA s", "CREATE SEQUENCE s", "CREATE TYPE t AS (a int)",
	"CREATE DOMAIN d AS int", "CREATE CAST (a AS b) WITHOUT FUNCTION", "CREATE OPERATOR + (FUNCTION = f)", "CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)",
	"CREATE POLICY p ON users", "COMMENT ON TABLE users IS 'x'", "SECURITY LABEL ON TABLE users IS 'x'", "IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y",
	"CREATE USER MAPPING FOR x SERVER y", "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", "CREATE PUBLICATION p", "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
	"CREATE STATISTICS s ON a, b FROM users", "ALTER TABLE users OWNER TO x", "ALTER TABLE users SET SCHEMA x", "ALTER TABLE users RENAME TO x",
	"SHOW ALL", "SHOW timezone", "EXPLAIN SELECT 1",
}

func TestNeverPlain(t *testing.T) {
	for _, sql := range neverPlain {
		if plainRead(sql) {
			t.Errorf("looks like a plain read: %s", sql)
		}
	}
}

// byName are texts whose form is that of a read: what they do lies in a name, which the facts must hold for the caller to
// judge.
var byName = []struct{ sql, fact string }{
	{"SELECT count(*), pg_sleep(0.02) FROM users", "function pg_sleep/1"},
	{"SELECT pg_read_file('postgresql.auto.conf')", "function pg_read_file/1"},
	{"SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = 'postgres'", "relation pg_catalog.pg_authid top"},
	{"SELECT set_config('work_mem','2GB',true)", "function set_config/3"},
	{"SELECT upper(log_it(name)) FROM users LIMIT 1", "function log_it/1"},
	{"SELECT query_to_xml('TABLE secrets', false, false, '')", "function query_to_xml/4"},
	{`SELECT U&"pg\005fsleep"(1)`, "function pg_sleep/1"},
	{`SELECT "pg_sleep"(1)`, "function pg_sleep/1"},
	{"SELECT PG_CATALOG . Pg_Sleep /* x */ (1)", "function pg_catalog.pg_sleep/1"},
	{"SELECT u.log_it FROM users u", "column u.log_it output"}, // a call, when users has no such column
	{"SELECT public.users.log_it FROM users", "column public.users.log_it output"},
	{"SELECT 1 FROM users u ORDER BY u.log_it", "column u.log_it other in ORDER BY"},
	{"SELECT ssn(u) FROM users u", "column u other inside function ssn"}, // a column, when users has one
	{"SELECT 1 OPERATOR(public.+) 2", "operator public.+/2"},
	{"SELECT 'x' = ANY (SELECT 'y'::public.d)", "type public.d/0"},
	{"SELECT public.d '1'", "type public.d/0"},
	{"SELECT 1 FROM generate_series(1, 10) AS t(a) WHERE pg_terminate_backend(a)", "function pg_terminate_backend/1"},
	{"SELECT 1 FROM t TABLESAMPLE bernoulli (pg_sleep(1))", "function pg_sleep/1"},
	{"SELECT nextval('s')", "function nextval/1"},
	{"SELECT lo_import('/etc/passwd')", "function lo_import/1"},
	{"SELECT * FROM dblink('', 'DELETE FROM users') AS t(a int)", "function dblink/2"},
	{"SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL) FROM users", "function pg_sleep/1"},
	{"SELECT 1 GROUP BY pg_sleep(1)", "function pg_sleep/1"},
	{"SELECT 1 FROM users JOIN orders ON pg_sleep(1) IS NULL", "function pg_sleep/1"},
	{"SELECT sum(1) OVER (ORDER BY 1 RANGE BETWEEN pg_sleep(1) PRECEDING AND CURRENT ROW)", "function pg_sleep/1"},
	{"SELECT ARRAY[ARRAY[pg_sleep(1)]]", "function pg_sleep/1"},
	{"SELECT ROW(1, (ROW(pg_sleep(1))))", "function pg_sleep/1"},
	{"SELECT JSON_ARRAY(1, pg_sleep(1))", "function pg_sleep/1"},
	{"SELECT a COLLATE \"C\" < pg_sleep(1)::text FROM t", "function pg_sleep/1"},
	{"WITH pg_authid AS (SELECT 1) SELECT * FROM pg_catalog.pg_authid", "relation pg_catalog.pg_authid top"},
	{"WITH a AS (SELECT * FROM secrets) SELECT 1", "relation secrets"},
	{"WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets", "relation secrets"},
	{"SELECT (SELECT (SELECT v FROM secrets)) FROM users", "relation secrets"},
	{"SELECT 1 FROM users NATURAL JOIN secrets", "join NATURAL JOIN@1"},
	{"SELECT * FROM users AS secrets", "relation users as secrets top"},
	{"SELECT " + strings.Repeat("a", 63) + "bc(1)", "function " + strings.Repeat("a", 63) + "/1"}, // as the server cuts it
}

func TestNamesTheCallerMustJudge(t *testing.T) {
	for _, c := range byName {
		st := mustAnalyse(t, c.sql)
		if got := facts(st); !slices.Contains(got, c.fact) {
			t.Errorf("%s: no %q in\n%s", c.sql, c.fact, strings.Join(got, "\n"))
		}
	}
}

// outputs are reads that could tell a labelled column ssn other than by showing it. None of their references to it may be
// called a plain output of a plain projection only.
var outputs = []string{
	"SELECT 1 FROM users WHERE ssn = '1'", "SELECT id AS ssn FROM users WHERE ssn = '1'", "SELECT id FROM users ORDER BY ssn",
	"SELECT ssn AS x FROM users ORDER BY x", "SELECT ssn AS x FROM users ORDER BY 1", "SELECT ssn AS x FROM users GROUP BY x", "SELECT DISTINCT ssn FROM users",
	"SELECT DISTINCT ON (x) ssn AS x FROM users", "SELECT ssn FROM users UNION SELECT '1'", "SELECT '1' EXCEPT SELECT ssn FROM users", "SELECT max(ssn) FROM users",
	"SELECT ssn::int FROM users", "SELECT ssn || '' FROM users", "SELECT (SELECT ssn FROM users LIMIT 1)", "SELECT x FROM (SELECT ssn AS x FROM users) s WHERE x > '1'",
	"WITH s AS (SELECT ssn AS x FROM users) SELECT x FROM s", "SELECT id FROM users u JOIN other o USING (ssn)", "SELECT CASE WHEN ssn IS NULL THEN 1 END FROM users",
	"SELECT rank() OVER (ORDER BY ssn) FROM users", "SELECT count(*) FROM users GROUP BY ssn", "SELECT 1 FROM users HAVING max(ssn) > '1'",
	"SELECT 1 FROM users LIMIT (SELECT length(ssn) FROM users LIMIT 1)", "SELECT ROW(ssn) FROM users", "SELECT ARRAY[ssn] FROM users", "SELECT ssn[1] FROM users",
	"SELECT ssn COLLATE \"C\" FROM users", "SELECT ssn IS NULL FROM users", "SELECT NOT ssn FROM users", "SELECT COALESCE(ssn, '') FROM users",
	"INSERT INTO t SELECT ssn FROM users", "INSERT INTO t (a) VALUES ((SELECT ssn FROM users LIMIT 1))", "UPDATE t SET a = ssn FROM users",
	"UPDATE t SET (a, b) = (SELECT ssn, 1 FROM users)", "DELETE FROM users WHERE ssn LIKE '1%'", "DELETE FROM users RETURNING lower(ssn)",
	"INSERT INTO users (id) VALUES (1) ON CONFLICT (ssn) DO NOTHING", "INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = users.ssn",
	"WITH a AS (DELETE FROM users WHERE id = 1 RETURNING ssn) SELECT 1", "EXPLAIN SELECT ssn FROM users", "VALUES ((SELECT ssn FROM users LIMIT 1))",
	"SELECT 1 FROM users, LATERAL (SELECT ssn) x", "SELECT 1 FROM users, f(ssn)", "SELECT 1 FROM users TABLESAMPLE system (ssn)",
}

func TestNoOtherUseOfAColumnIsAnOutput(t *testing.T) {
	for _, sql := range outputs {
		st := mustAnalyse(t, sql)
		elsewhere := !st.Output.Plain
		for _, c := range st.Columns {
			if slices.Contains(c.Names, "ssn") && c.Place == PlaceOther {
				elsewhere = true
			}
		}
		if !elsewhere {
			t.Errorf("%s\n%s", sql, strings.Join(facts(st), "\n"))
		}
	}
}

// plain are the reads that must stay reads.
var plain = []string{
	"SELECT tier, count(*) FROM users GROUP BY tier HAVING count(*) > 1",
	"SELECT 'TRUNCATE orders' || ';' AS s",
	`SELECT "delete" FROM users WHERE "delete" IS NOT TRUE LIMIT 2`,
	"WITH x AS MATERIALIZED (SELECT id FROM users) SELECT count(*) FROM x",
	"SELECT rank() OVER (ORDER BY total DESC), id FROM orders LIMIT 5",
	"SELECT meta -> 'addr' ->> 'city' FROM users WHERE id = 2",
	"SELECT u.id, o.id FROM users u JOIN orders o ON o.user_id = u.id WHERE o.status = 'done' LIMIT 5",
	"SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'",
	"SELECT $body$ DO $$ BEGIN END $$; $body$ AS example",
	"SELECT current_timestamp, date_part('year', created_at) FROM orders LIMIT 1",
	"SELECT tags[1], tags[1:2], (meta)['a'] FROM users", "TABLE users", "VALUES (1, 'a'), (2, 'b')",
	"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t",
	"SELECT DISTINCT ON (user_id) * FROM orders ORDER BY user_id, created_at DESC NULLS LAST FETCH FIRST 3 ROWS WITH TIES",
	"SELECT (o).* FROM orders o", "SELECT a.*, b.c FROM a LEFT JOIN b ON a.x = b.x FULL JOIN c USING (y) CROSS JOIN d",
	"SELECT x.a, x.b FROM ROWS FROM (unnest(ARRAY[1,2]), unnest(ARRAY[3,4])) WITH ORDINALITY AS x(a, b, c)",
	"SELECT interval '1 day', date '2025-01-01', 'x'::varchar(10), now() AT TIME ZONE 'UTC', 1::numeric(10,2)",
	"SELECT * FROM orders WHERE created_at BETWEEN $1 AND $2 AND status = ANY($3) AND note ILIKE '%x%' ESCAPE '!'",
	"SELECT extract(epoch from created_at), substring(note from 1 for 3), trim(note), a IS NOT DISTINCT FROM b FROM orders",
	"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FILTER (WHERE total > 0) FROM orders",
	"SELECT a, b, GROUPING(a, b), sum(c) FROM t GROUP BY ROLLUP (a, b)", "SELECT JSON_VALUE(meta, '$.plan'), meta IS JSON FROM users",
	"SELECT id, sum(total) OVER w FROM orders WINDOW w AS (PARTITION BY user_id ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
	"SELECT 1 /* /* nested */ comment */ -- and more", "SELECT 1;", "SELECT", "SELECT /* /* */ 1; DELETE FROM users -- */ 1", "SELECT id FROM users WHERE (id, name) IN (SELECT id, name FROM users)",
}

func TestPlainReads(t *testing.T) {
	for _, sql := range plain {
		if !plainRead(sql) {
			st, err := analyse(sql)
			t.Errorf("%s: %v, %+v", sql, err, st)
		}
	}
}
