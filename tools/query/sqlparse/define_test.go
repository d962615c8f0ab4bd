package sqlparse

import (
	"strings"
	"testing"
)

// TestDefinitionsWithMoreThanIsKnownAreNotTaken: each has one part that no rule reads. Passing it on would run what nobody decided.
func TestDefinitionsWithMoreThanIsKnownAreNotTaken(t *testing.T) {
	for _, sql := range []string{
		"CREATE TABLE t (a int) TABLESPACE s", "CREATE TABLE t (a int) USING heap2", "CREATE TABLE t (a int) WITH (user_catalog_table)", "CREATE TABLE t OF y",
		"CREATE TABLE t PARTITION OF u DEFAULT", "CREATE TABLE t (a int) INHERITS (u)", "CREATE TABLE t (LIKE u)", "CREATE TEMP TABLE t (a int)", "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
		"CREATE TABLE db.s.t (a int)", "CREATE TABLE t (a int STORAGE plain)", "CREATE TABLE t (a int COMPRESSION lz4)", "CREATE TABLE t (a x%TYPE)", "CREATE TABLE t (a int, EXCLUDE (a WITH =))",
		"CREATE TABLE t (a int PRIMARY KEY USING INDEX TABLESPACE s)", "CREATE TABLE t (a int) PARTITION BY RANGE (a o)", "CREATE TABLE t (a serial[])",
		"CREATE INDEX ON t USING mine (a)", "CREATE INDEX ON t (a mine_ops)", "CREATE INDEX ON t (a) TABLESPACE s", "CREATE INDEX ON t (a) WITH (buffering)", "CREATE INDEX CONCURRENTLY ON t (a)",
		"CREATE RECURSIVE VIEW v (a) AS SELECT $1", "CREATE TEMP VIEW v AS SELECT 1", "CREATE VIEW v WITH (other) AS SELECT 1", "CREATE TABLE t AS EXECUTE p", "CREATE TABLE t AS SELECT $1",
		"CREATE TABLE t AS WITH d AS (DELETE FROM u RETURNING 1) SELECT 1", "CREATE TABLE t TABLESPACE s AS SELECT 1", "CREATE VIEW v AS SELECT 1 FROM u FOR UPDATE",
		"CREATE SEQUENCE s OWNED BY t.a", "CREATE TEMP SEQUENCE s", "CREATE SCHEMA s AUTHORIZATION x", "CREATE SCHEMA s CREATE TABLE t (a int)", "CREATE TYPE t AS (a int)",
		"CREATE TYPE t (INPUT = f, OUTPUT = g)", "DROP FUNCTION f", "DROP INDEX CONCURRENTLY i", "DROP OWNED BY x", "DROP TYPE t[]",
		"ALTER TABLE t ATTACH PARTITION u DEFAULT", "ALTER TABLE t INHERIT u", "ALTER TABLE t SET TABLESPACE s", "ALTER TABLE t DISABLE TRIGGER ALL", "ALTER TABLE t SET (a = 1)",
		"ALTER TABLE t ALTER a SET STORAGE plain", "ALTER TABLE t ADD a int, DISABLE RULE r", "ALTER TABLE t REPLICA IDENTITY FULL", "ALTER TABLE t ADD UNIQUE USING INDEX i",
		"ALTER VIEW v SET (security_invoker)", "ALTER TYPE t RENAME ATTRIBUTE a TO b", "ALTER TABLE ALL IN TABLESPACE s SET TABLESPACE u",
		"ANALYZE", "ANALYZE (VERBOSE) t", "VACUUM t", "VACUUM (ANALYZE) t", "GRANT ALL ON FUNCTION f() TO x", "GRANT ALL ON DATABASE d TO x", "GRANT ALL ON t TO CURRENT_USER",
		"GRANT SELECT ON t TO x GRANTED BY y", "GRANT a TO b GRANTED BY c", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x",
		"CREATE ROLE x PASSWORD 'secret'", "ALTER ROLE x PASSWORD NULL", "CREATE ROLE x SUPERUSER", "ALTER ROLE x REPLICATION", "ALTER USER x BYPASSRLS", "CREATE ROLE x IN ROLE y", "CREATE ROLE x CREATEROLE",
		"ALTER ROLE ALL SET a = 1", "ALTER ROLE x SET a = 1", "COMMENT ON FUNCTION f() IS 'x'",
	} {
		st, err := analyse(sql)
		if err == nil && len(st.Unclear)+len(st.Refused) == 0 {
			t.Errorf("taken: %s: %+v", sql, st.Define)
		}
	}
}

func TestAdviceIsForStatementsThatAreRefused(t *testing.T) {
	for name, text := range advice {
		if _, ok := statements[name]; !ok || text == "" || strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q", name, text)
		}
	}
	for _, sql := range []string{"COPY t TO PROGRAM 'x'", "DO 'x'", "CALL f()", "LOCK t", "VACUUM t", "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", "ALTER SYSTEM SET a = 1",
		"CREATE INDEX CONCURRENTLY ON t (a)", "SELECT 1 INTO t", "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p"} {
		if st, err := analyse(sql); err != nil || len(st.Refused) == 0 || st.Refused[0].Advice == "" {
			t.Errorf("%s: %v %+v", sql, err, st)
		}
	}
}
