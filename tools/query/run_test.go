package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/tools"
)

func TestLimitsCutAndSayWhich(t *testing.T) {
	f := open(t, "")
	for _, c := range []struct {
		sql    string
		limits tools.Limits
		by     string
		rows   int64
	}{
		{"SELECT generate_series(1, 10)", tools.Limits{Rows: 10}, "", 10},
		{"SELECT generate_series(1, 11)", tools.Limits{Rows: 10}, "rows", 10},
		{"SELECT generate_series(1, 1000)", tools.Limits{}, "", 1000},
		{"SELECT generate_series(1, 100000000)", tools.Limits{}, "rows", 1000},
		{"SELECT generate_series(1, 5000)", tools.Limits{Rows: 4000}, "rows", 4000},
		{"SELECT generate_series(1, 4000)", tools.Limits{Rows: 4000}, "", 4000},
		{"SELECT generate_series(1, 2002)", tools.Limits{Rows: 2002}, "", 2002},
		{"SELECT generate_series(1, 1001)", tools.Limits{Rows: 5000}, "", 1001},
		{"SELECT generate_series(1, 10)", tools.Limits{Rows: 5000}, "", 10},
		{"SELECT repeat('x', 100) FROM generate_series(1, 10)", tools.Limits{Bytes: 600}, "bytes", 5},
		{"SELECT repeat('x', 1000) FROM generate_series(1, 100000)", tools.Limits{Rows: 100000}, "bytes", 1043},
	} {
		out, err := f.do(t.Context(), f.db.Reads(), request{sql: c.sql, limits: c.limits})
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		by := ""
		if out.Truncated != nil {
			by = out.Truncated.By
		}
		if by != c.by || out.Rows != c.rows {
			t.Errorf("%s: %d rows, cut by %q; want %d, %q", c.sql, out.Rows, by, c.rows, c.by)
		}
		if c.limits.Bytes > 0 && len(out.Data) > c.limits.Bytes {
			t.Errorf("%s: %d bytes", c.sql, len(out.Data))
		}
		onlyRows(t, out)
	}
	_, err := f.do(t.Context(), f.db.Reads(), request{sql: "SELECT 1, repeat('x', 100)", limits: tools.Limits{ValueBytes: 99}})
	var large *tools.TooLargeError
	if !errors.As(err, &large) || large.Limit != 99 || large.Bytes != 100 {
		t.Errorf("got %v", err)
	}
	_, err = f.read("SELECT repeat('x', 30000000 + g) FROM generate_series(1, 1) g")
	if !errors.As(err, &large) {
		t.Errorf("got %v", err)
	}
	if got := f.rows("SELECT 1"); got != "[[1]]" { // and the target still answers
		t.Error(got)
	}
}

// running waits until the server runs (or no longer runs) a statement of the call. The answer comes from another login.
func (f *fixture) running(want bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		n := f.one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sallyport call-1' AND state = 'active' AND datname = current_database()")
		if (n != "0") == want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	f.t.Fatalf("the statement is running: %v, wanted %v", !want, want)
}

const endless = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"

func TestCancelEndsTheStatementOnTheServer(t *testing.T) {
	f := open(t, "CREATE TABLE t (id int)")
	for _, c := range []struct {
		tool *Tool
		sql  string
	}{{f.db.Reads(), endless}, {f.db.Writes(), "INSERT INTO t " + endless}} {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var err error
		wg.Go(func() { _, err = f.do(ctx, c.tool, request{sql: c.sql}) })
		f.running(true)
		cancel()
		wg.Wait()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if n := f.one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sallyport call-1' AND state = 'active'"); n != "0" {
			t.Error("the statement still runs after the call ended")
		}
	}
	if n := f.one("SELECT count(*) FROM t"); n != "0" {
		t.Error("a cancelled write was committed")
	}
}

func TestTimeLimitEndsTheStatement(t *testing.T) {
	f := open(t, "")
	_, err := f.do(t.Context(), f.db.Reads(), request{sql: endless, limits: tools.Limits{Time: 100 * time.Millisecond}})
	var slow *tools.TimeoutError
	if !errors.As(err, &slow) || slow.Executed != tools.ExecutedNo || slow.Limit != "100ms" {
		t.Errorf("got %v", err)
	}
	f.running(false)
}

func TestSessionsAreCleanAndPinned(t *testing.T) {
	f := open(t, "", func(t *Target) { t.MaxConns = 1; t.SearchPath = []string{"app", "public"} })
	f.exec("ALTER ROLE " + agentRole + " SET standard_conforming_strings = off; ALTER ROLE " + agentRole + " SET search_path = 'evil'; ALTER ROLE " + agentRole + " SET default_transaction_read_only = off")
	defer f.exec("ALTER ROLE " + agentRole + " RESET ALL")
	if got := f.rows("SHOW search_path"); got != `[["\"pg_catalog\", \"app\", \"public\", pg_temp"]]` {
		t.Error(got)
	}
	if got := f.rows("SHOW standard_conforming_strings"); got != `[["on"]]` {
		t.Error(got)
	}
	// With the role's default this would be one literal to one side and two columns to the other.
	if got := f.rows(`SELECT 'a\', 'b'`); got != `[["a\\","b"]]` {
		t.Error(got)
	}
	for _, sql := range []string{"SELECT 1/0", "SELECT 1"} {
		_, _ = f.read(sql)
		if n := f.one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE '%transaction%'"); n != "0" {
			t.Errorf("after %s a transaction is open", sql)
		}
		if n := f.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"); n != "0" {
			t.Error("locks are left")
		}
	}
	if got := f.rows("SHOW statement_timeout"); got != `[["30s"]]` {
		t.Error(got)
	}
}

// TestReadsCannotWriteEvenWhenApproved: what was not understood may be approved by people, and still runs in a transaction
// that only reads, on a connection nobody gets afterwards.
func TestReadsCannotWriteEvenWhenApproved(t *testing.T) {
	f := open(t, `CREATE TABLE audit (what text); CREATE FUNCTION log_it(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES ($1); RETURN $1; END $$`,
		func(t *Target) { t.MaxConns = 1 })
	approved := func(sql string) (*tools.Rendered, error) {
		p, facts, err := f.facts(f.db.Reads(), sql)
		if err != nil {
			t.Fatal(err)
		}
		if facts.Understood() || facts.Effect != tools.Unknown {
			t.Fatalf("%s was understood", sql)
		}
		res, err := f.db.Reads().Run(t.Context(), p, facts, tools.Obligations{Changes: true})
		if err != nil {
			t.Fatal(err)
		}
		return res.Render(t.Context(), plainMask{})
	}
	for _, sql := range []string{"SELECT log_it('x')", "SELECT set_config('transaction_read_only', 'off', false), log_it('x')", "SELECT nextval('nosuch')"} {
		var target *tools.TargetError
		if _, err := approved(sql); !errors.As(err, &target) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if out, err := approved("SELECT set_config('search_path', 'evil', false)"); err != nil {
		t.Error(out, err)
	}
	if got := f.rows("SHOW search_path"); strings.Contains(got, "evil") {
		t.Error("the next call got a session that was changed")
	}
}

func TestRedefinitionBetweenInspectionAndExecutionIsNoticed(t *testing.T) {
	for name, change := range map[string]string{
		"swapped by rename": "ALTER TABLE t RENAME TO old; CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'other'); GRANT SELECT ON t TO " + agentRole,
		"column renamed":    "ALTER TABLE t RENAME COLUMN id TO x; ALTER TABLE t RENAME COLUMN v TO id; ALTER TABLE t RENAME COLUMN x TO v",
		"view replaced":     "CREATE OR REPLACE VIEW w AS SELECT 7 AS id, pg_sleep(0)::text AS v",
		"shadowed":          "CREATE TABLE app.t (id int, v text); GRANT USAGE ON SCHEMA app TO " + agentRole + "; GRANT SELECT ON app.t TO " + agentRole,
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, "CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO PUBLIC; CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'a'); CREATE VIEW w AS SELECT id, v FROM t",
				func(t *Target) { t.SearchPath = []string{"app", "public"} })
			sql := "SELECT v FROM t"
			if name == "view replaced" {
				sql = "SELECT v FROM w"
			}
			p, facts, err := f.facts(f.db.Reads(), sql)
			if err != nil {
				t.Fatal(err)
			}
			f.exec(change)
			res, err := f.db.Reads().Run(t.Context(), p, facts, tools.Obligations{})
			if err != nil {
				t.Fatal(err)
			}
			out, err := res.Render(t.Context(), plainMask{})
			var again *tools.UnreachableError
			if !errors.As(err, &again) {
				t.Errorf("got %v, %v", out, err)
			}
			if _, err := f.read("SELECT v FROM t"); err != nil && name != "column renamed" {
				t.Errorf("after it was noticed: %v", err)
			}
		})
	}
}

func TestNamesMadeLaterAreFound(t *testing.T) {
	f := open(t, "CREATE TABLE t (id int)")
	f.rows("SELECT id FROM t")
	f.exec("CREATE TABLE u (id int); GRANT SELECT ON u TO " + agentRole)
	f.rows("SELECT id FROM u")
	f.exec("ALTER TABLE t ADD COLUMN extra int")
	f.rows("SELECT t.extra FROM t")
}

func TestManyCallsAtOnce(t *testing.T) {
	f := open(t, "CREATE TABLE t (id int, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 100) g", func(t *Target) { t.MaxConns = 4 })
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			out, err := f.read("SELECT v FROM t WHERE id = $1", i+1)
			if err != nil {
				t.Error(err)
			} else if got := onlyRows(t, out); got != fmt.Sprintf(`[["v%d"]]`, i+1) {
				t.Error(got)
			}
		})
	}
	wg.Wait()
}

func TestTargetsThatCannotBeReached(t *testing.T) {
	f := open(t, "")
	for name, c := range map[string]struct {
		change func(*Target)
		says   string
	}{
		"no server":   {func(t *Target) { t.Port = 1 }, "no connection could be made"},
		"no role":     {func(t *Target) { t.User = "nobody_here" }, "the login was refused"},
		"no database": {func(t *Target) { t.Database = "nosuch" }, "the database does not exist"},
		"no name":     {func(t *Target) { t.Host = "nosuch.invalid" }, "its name could not be resolved"},
	} {
		target := f.target
		c.change(&target)
		db := f.gateway(target)
		p, err := db.Reads().Plan(t.Context(), args("db", "SELECT 1", nil))
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Reads().Inspect(t.Context(), p)
		var down *tools.UnreachableError
		if !errors.As(err, &down) || down.Problem != c.says {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	if _, err := Open(Config{}); err == nil {
		t.Error("opened without a parser")
	}
}
