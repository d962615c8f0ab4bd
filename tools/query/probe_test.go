package query

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/tools"
)

// namesOnly lets a gateway understand statements by their names alone, as where the server cannot be asked.
func namesOnly(f *fixture) *fixture {
	o := f.db.targets["db"].oracle
	o.resume = time.Now().Add(24 * time.Hour)
	return f
}

// TestTheServerSaysWhatNamesLeaveOpen: by its names a statement may call something else than it does.
func TestTheServerSaysWhatNamesLeaveOpen(t *testing.T) {
	f := openShadows(t)
	f.exec(`CREATE TYPE point3 AS (x int, y int, z int); CREATE TABLE points (id int, p point3); INSERT INTO points VALUES (1, '(1,2,3)');
		CREATE AGGREGATE product(numeric) (sfunc = numeric_mul, stype = numeric, initcond = '1'); GRANT SELECT ON points TO ` + agentRole)
	for sql, want := range map[string]string{
		"SELECT lower('X')":                                                  `[["x"]]`, // there is a lower(varchar)
		"SELECT lower($1)":                                                   `[["x"]]`,
		"SELECT (p).y FROM points":                                           `[[2]]`,
		"SELECT (p.p).z FROM points p WHERE (p).x = 1":                       `[[3]]`,
		"SELECT c.to_json FROM (VALUES (1)) c(a)":                            `[[{"a":1}]]`,
		"SELECT ('ABC'::text).lower":                                         `[["abc"]]`,
		"SELECT product(id) FROM generate_series(1, 4) id":                   `[[24]]`,
		"SELECT tier || tier FROM users WHERE id = 1":                        `[["freefree"]]`, // there is a || of varchar
		"SELECT '(a)'::own":                                                  `[["(a)"]]`,      // there is a cast from text
		"SELECT count(*) FROM (SELECT 1 AS pg_sleep) x WHERE x.pg_sleep = 1": `[[1]]`,
	} {
		var params []any
		if strings.Contains(sql, "$1") {
			params = []any{"X"}
		}
		if got := f.rows(sql, params...); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

// TestNamesAloneAreNeverWeaker: what names leave open is not understood where the server cannot be asked.
func TestNamesAloneAreNeverWeaker(t *testing.T) {
	f := namesOnly(openShadows(t))
	for _, sql := range []string{"SELECT lower('X')", "SELECT (u).tier FROM users u", "SELECT ('ABC'::text).lower", "SELECT c.to_json FROM (VALUES (1)) c(a)", "SELECT '(x)'::own",
		"SELECT last_one(tier) FROM users", "SELECT x.pg_sleep FROM (VALUES (0.01)) x(a)"} {
		out, err := f.read(sql)
		var unclear *tools.NotUnderstoodError
		if !errors.As(err, &unclear) {
			t.Errorf("%s: %v %+v", sql, err, out)
		}
	}
	_, facts, err := f.facts(f.db.Reads(), "SELECT id FROM users")
	if err != nil || facts.Mode != tools.ModeTree || !facts.Understood() {
		t.Errorf("%v %+v", err, facts)
	}
}

// TestAskingRunsNothing: input functions run while a statement is parsed, and for arrays and rows of domains their checks.
func TestAskingRunsNothing(t *testing.T) {
	f := openShadows(t)
	f.exec(`CREATE TABLE arrays (id int, cs checked[], c checked); CREATE TYPE holder AS (c checked); CREATE TABLE holders (id int, h holder);
		CREATE FUNCTION watch(text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(77); RETURN true; END $$;
		CREATE DOMAIN watched AS text CHECK (watch(VALUE)); CREATE TABLE seen (id int, w watched, ws watched[]); INSERT INTO seen(id) VALUES (1);
		GRANT SELECT ON arrays, holders, seen TO ` + agentRole)
	for _, sql := range []string{
		"SELECT 1 FROM seen WHERE ARRAY[w] = '{x}'", "SELECT 1 FROM seen WHERE ws = '{x}'", "SELECT 1 FROM seen HAVING array_agg(w) = '{x}'", "SELECT 1 FROM seen s WHERE s.ws = '{x}'",
		"SELECT 1 FROM (SELECT w FROM seen) s WHERE ARRAY[s.w] = '{x}'", "SELECT coalesce(s, '(1,x,)') FROM seen s", "SELECT 1 FROM seen AS s(a, b, c) WHERE ARRAY[b] = '{x}'",
		"SELECT ws FROM seen UNION SELECT '{x}'", "SELECT ('{x}')._watched", "SELECT _watched('{x}')", "SELECT public._watched('{x}')", "SELECT '{x}'::_watched", "SELECT ('(x)').holder", "SELECT holder('(x)')",
		"SELECT watched[] '{x}'", "SELECT * FROM json_populate_recordset(NULL::seen, '[{\"w\":\"x\"}]')", "SELECT 1 FROM seen WHERE ROW(ws) = ROW('{x}')", "SELECT CASE WHEN true THEN ws ELSE '{x}' END FROM seen",
	} {
		if out, err := f.read(sql); err == nil {
			t.Errorf("ran: %s %s", sql, out.Data)
		}
		if n := f.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"); n != "0" {
			t.Fatalf("%s: the check of a domain ran", sql)
		}
	}
	for _, sql := range []string{"SELECT * FROM seen", "SELECT id, w, ws FROM seen", "SELECT s.w FROM seen s WHERE id = 1 ORDER BY id"} {
		if _, err := f.read(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// TestNothingIsAskedWhereEventTriggersRun: they would run at CREATE VIEW.
func TestNothingIsAskedWhereEventTriggersRun(t *testing.T) {
	f := openShadows(t)
	f.exec(`CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM pg_advisory_lock(78); END $$;
		CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION ev()`)
	_, facts, err := f.facts(f.db.Reads(), "SELECT id FROM users")
	if err != nil || facts.Mode != tools.ModeTree {
		t.Errorf("%v %+v", err, facts)
	}
	if n := f.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"); n != "0" {
		t.Error("the event trigger ran")
	}
	if _, err := f.read("SELECT lower('X')"); err == nil {
		t.Error("a name that is open was understood without asking")
	}
}

const looksRole = "query_looks"

// introspecting gives the target a second login, which may do nothing but make temporary objects.
func introspecting(f *fixture) {
	f.exec(`DO $$ BEGIN CREATE ROLE ` + looksRole + ` LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		REVOKE TEMP ON DATABASE ` + f.database + ` FROM PUBLIC; GRANT TEMP ON DATABASE ` + f.database + ` TO ` + looksRole)
	f.target.Introspect = &Login{User: looksRole}
}

// TestTheServerIsAskedOnALoginOfItsOwn: it needs no right on the tables.
func TestTheServerIsAskedOnALoginOfItsOwn(t *testing.T) {
	f := openShadows(t)
	introspecting(f)
	f.db = f.gateway(f.target)
	for _, sql := range []string{"SELECT lower('x'), id FROM users", "SELECT * FROM v_plain"} {
		if _, facts, err := f.facts(f.db.Reads(), sql); err != nil || !facts.Understood() || facts.Mode != tools.ModeServer {
			t.Errorf("%s: %v %+v", sql, err, facts)
		}
	}
	for _, sql := range []string{"UPDATE users SET tier = lower(tier) WHERE id = $1 RETURNING id, tier", "INSERT INTO audit SELECT tier FROM users WHERE id = 1",
		"DELETE FROM users u USING audit a WHERE a.what = u.tier AND u.id = 7", "WITH z AS (SELECT 1 AS i) UPDATE users SET manager = z.i FROM z WHERE users.id = z.i",
		"INSERT INTO users VALUES (9, 'x', 'y') ON CONFLICT (id) DO UPDATE SET tier = excluded.tier RETURNING *"} {
		var params []any
		if strings.Contains(sql, "$1") {
			params = []any{1}
		}
		if _, facts, err := f.facts(f.db.Writes(), sql, params...); err != nil || !facts.Understood() || facts.Mode != tools.ModeServer {
			t.Errorf("%s: %v %+v", sql, err, facts)
		}
	}
	if n := f.one("SELECT count(*) FROM audit"); n != "0" {
		t.Error("asking about a change made it")
	}
}

// TestNobodyIsAskedWhoSeesOtherNames: what the second login resolves has to be what the first one runs.
func TestNobodyIsAskedWhoSeesOtherNames(t *testing.T) {
	f := openShadows(t)
	introspecting(f)
	f.exec(`CREATE SCHEMA extra; GRANT USAGE ON SCHEMA extra TO ` + agentRole + `; CREATE FUNCTION extra.upper(varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'shadow' $$`)
	f.target.SearchPath = []string{"extra", "public"}
	f.db = f.gateway(f.target)
	out, err := f.read("SELECT upper('x'::varchar)") // the second login finds pg_catalog.upper
	var unclear *tools.NotUnderstoodError
	if !errors.As(err, &unclear) {
		t.Errorf("%v %+v", err, out)
	}
	if _, facts, err := f.facts(f.db.Reads(), "SELECT id FROM users"); err != nil || facts.Mode != tools.ModeTree {
		t.Errorf("%v %+v", err, facts)
	}
	f.exec("GRANT USAGE ON SCHEMA extra TO " + looksRole)
	f.db = f.gateway(f.target)
	if out, err := f.read("SELECT upper('x'::varchar)"); !errors.As(err, &unclear) {
		t.Errorf("%v %+v", err, out)
	}
	if _, facts, err := f.facts(f.db.Reads(), "SELECT id FROM users"); err != nil || facts.Mode != tools.ModeServer {
		t.Errorf("%v %+v", err, facts)
	}
}

// TestWithoutAnybodyToAskNamesDecide: no TEMP, no such login.
func TestWithoutAnybodyToAskNamesDecide(t *testing.T) {
	f := openShadows(t)
	f.exec("REVOKE TEMP ON DATABASE " + f.database + " FROM PUBLIC")
	missing := f.target
	missing.Introspect = &Login{User: "nobody_of_this_name"}
	for _, target := range []Target{f.target, missing} {
		f.db = f.gateway(target)
		if _, facts, err := f.facts(f.db.Reads(), "SELECT id FROM users"); err != nil || !facts.Understood() || facts.Mode != tools.ModeTree {
			t.Errorf("%v %+v", err, facts)
		}
		if out, err := f.read("SELECT lower('x')"); err == nil {
			t.Errorf("ran: %s", out.Data)
		}
	}
}

// TestListedFunctionsMayBeCalled: by their whole signature, and no other function of the name.
func TestListedFunctionsMayBeCalled(t *testing.T) {
	f := openShadows(t)
	f.exec(`CREATE FUNCTION total(bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT $1 * 2 $$; CREATE FUNCTION total(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT $1 $$;
		CREATE FUNCTION takes(checked) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$; CREATE VIEW v_total AS SELECT total(id::bigint) AS t FROM users; GRANT SELECT ON v_total TO ` + agentRole)
	f.target.Functions = []string{"public.total(int8)", "public.takes(public.checked)", "public.nosuch(int)", "pg_catalog.pg_sleep(float8)", "public.x((", "public.may_see(text)"}
	f.db = f.gateway(f.target)
	for sql, want := range map[string]string{"SELECT total(2)": "[[4]]", "SELECT public.total(id) FROM users WHERE id = 1": "[[2]]", "SELECT (3::bigint).total": "[[6]]", "SELECT t FROM v_total ORDER BY t": "[[2],[4]]",
		"SELECT * FROM guarded": "[]"} {
		if got := f.rows(sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	for _, sql := range []string{"SELECT total('x'::text)", "SELECT total('1')", "SELECT ('x'::text).total", "SELECT takes('x')", "SELECT pg_sleep(0)"} {
		if out, err := f.read(sql); err == nil {
			t.Errorf("ran: %s %s", sql, out.Data)
		}
	}
	want := []string{"public.takes(public.checked)", "public.nosuch(int)", "pg_catalog.pg_sleep(float8)", "public.x(("}
	if got := f.db.targets["db"].cat.unlisted; !slices.Equal(got, want) {
		t.Errorf("not listed: %q, want %q", got, want)
	}
}

// TestNewMeaningsAreNoticedAtOnce: a remembered finding is not used when somebody gave one of its names another meaning since.
func TestNewMeaningsAreNoticedAtOnce(t *testing.T) {
	f := openShadows(t)
	f.exec("CREATE FUNCTION total(bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT $1 * 2 $$")
	f.target.Functions = []string{"public.total(bigint)"}
	f.db = f.gateway(f.target)
	for sql, change := range map[string]string{
		"SELECT length(name) FROM users":               "CREATE FUNCTION length(varchar) RETURNS int LANGUAGE sql AS $$ SELECT 7 $$",
		"SELECT id FROM users WHERE name ~ 'a'":        "CREATE FUNCTION opens(varchar, varchar) RETURNS bool LANGUAGE sql AS $$ SELECT true $$; CREATE OPERATOR ~ (leftarg = varchar, rightarg = varchar, function = opens)",
		"SELECT total(1)":                              "CREATE FUNCTION total(int) RETURNS int LANGUAGE sql AS $$ SELECT 7 $$",
		"SELECT total(id::bigint) FROM users":          "CREATE OR REPLACE FUNCTION total(bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT 7::bigint $$",
		"SELECT initcap(tier) FROM users WHERE id = 1": "CREATE FUNCTION date_of(text) RETURNS date LANGUAGE sql AS $$ SELECT NULL::date $$; CREATE CAST (text AS date) WITH FUNCTION date_of(text)",
	} {
		for range 2 {
			if _, err := f.read(sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		p, facts, err := f.facts(f.db.Reads(), sql)
		if err != nil {
			t.Fatal(err)
		}
		f.exec(change)
		res, err := f.db.Reads().Run(t.Context(), p, facts, tools.Obligations{})
		if err == nil {
			_, err = res.Render(t.Context(), plainMask{})
		}
		if !errors.Is(err, errChanged) {
			t.Errorf("%s after %s: %v", sql, change, err)
		}
	}
}
