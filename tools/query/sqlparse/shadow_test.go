package sqlparse

import "testing"

func TestShadows(t *testing.T) {
	for _, tt := range []struct {
		sql          string
		hits, sample string
		added        int64
		atMost, any  bool
	}{
		{sql: "UPDATE t SET a = 1, b = b + $1 WHERE c = $2", hits: "SELECT t.tableoid AS sallyport_table, t.ctid AS sallyport_row FROM t WHERE c = $2",
			sample: "SELECT t.tableoid AS sallyport_table, t.ctid AS sallyport_row, 1 AS a, b + $1 AS b FROM t WHERE c = $2"},
		{sql: `UPDATE ONLY s."T" AS "x y" SET a = f.a FROM f JOIN g USING (id) WHERE "x y".id = f.id /* why */;`,
			hits:   `SELECT DISTINCT "x y".tableoid AS sallyport_table, "x y".ctid AS sallyport_row FROM ONLY s."T" "x y", f JOIN g USING (id) WHERE "x y".id = f.id`,
			sample: `SELECT "x y".tableoid AS sallyport_table, "x y".ctid AS sallyport_row, f.a AS a FROM ONLY s."T" "x y", f JOIN g USING (id) WHERE "x y".id = f.id`},
		{sql: "UPDATE t SET a = DEFAULT", hits: "SELECT t.tableoid AS sallyport_table, t.ctid AS sallyport_row FROM t"},
		{sql: "UPDATE t SET (a, b) = (SELECT 1, 2)", hits: "SELECT t.tableoid AS sallyport_table, t.ctid AS sallyport_row FROM t"},
		{sql: "UPDATE t SET a[1] = 2", hits: "SELECT t.tableoid AS sallyport_table, t.ctid AS sallyport_row FROM t"},
		{sql: "WITH x AS (SELECT id FROM y LIMIT 3) DELETE FROM t USING x WHERE t.id = x.id RETURNING *", any: true,
			hits: "WITH x AS (SELECT id FROM y LIMIT 3) SELECT DISTINCT t.tableoid AS sallyport_table, t.ctid AS sallyport_row FROM t, x WHERE t.id = x.id"},
		{sql: "DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 3)",
			hits: "SELECT t.tableoid AS sallyport_table, t.ctid AS sallyport_row FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 3)"},
		{sql: "DELETE FROM t WHERE id IN (SELECT id FROM u TABLESAMPLE system (10))", any: true,
			hits: "SELECT t.tableoid AS sallyport_table, t.ctid AS sallyport_row FROM t WHERE id IN (SELECT id FROM u TABLESAMPLE system(10))"},
		{sql: "INSERT INTO t VALUES (1), (DEFAULT), (3)", added: 3},
		{sql: "INSERT INTO t DEFAULT VALUES", added: 1},
		{sql: "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", added: 1, atMost: true},
		{sql: "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", added: 1},
		{sql: "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1 WHERE t.a > 1", added: 1, atMost: true},
		{sql: "INSERT INTO t VALUES (generate_series(1, 1000000), DEFAULT)", hits: "SELECT generate_series(1, 1000000)"},
		{sql: "INSERT INTO t(a) VALUES (1), (2), (3) LIMIT 2", hits: "VALUES (1), (2), (3) LIMIT 2", any: true},
		{sql: "INSERT INTO t SELECT a, a FROM u WHERE b = $1", hits: "SELECT a, a FROM u WHERE b = $1"},
		{sql: "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x UNION ALL TABLE u", hits: "WITH x AS (SELECT 1) SELECT * FROM x UNION ALL SELECT * FROM u"},
		{sql: "WITH x AS (SELECT 1) INSERT INTO t WITH y AS (SELECT 2) SELECT * FROM x, y"},
		{sql: "SELECT 1"},
		{sql: "WITH x AS (DELETE FROM u RETURNING id) UPDATE t SET a = 1 FROM x WHERE t.id = x.id"}, // its WITH clause changes something
		{sql: "UPDATE t SET a = xmlparse(document '<a/>') WHERE id = 1"},                            // not understood
	} {
		st, err := analyse(tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		got := st.Shadow
		if got == nil {
			got = &Shadow{}
		}
		if want := (Shadow{Hits: tt.hits, Sample: tt.sample, Added: tt.added, AtMost: tt.atMost, Unordered: tt.any}); *got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.sql, *got, want)
		}
	}
}
