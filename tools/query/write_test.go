package query

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sallyport/tools"
)

const accounts = `CREATE TABLE accounts (id int PRIMARY KEY, owner text NOT NULL, balance numeric CHECK (balance >= 0));
INSERT INTO accounts SELECT g, 'o' || g, 100 FROM generate_series(1, 200) g;
CREATE TABLE entries (id serial PRIMARY KEY, account int REFERENCES accounts ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, note text DEFAULT 'none');
CREATE INDEX ON entries(account);`

func TestWritesChangeAndSayHowMuch(t *testing.T) {
	f := open(t, accounts)
	for _, c := range []struct {
		sql      string
		params   []any
		affected int64
		code     string
		data     string
	}{
		{"UPDATE accounts SET balance = balance + $1 WHERE id = $2 RETURNING id, balance", []any{"5.50", 1}, 1, "UPDATE 1",
			`{"columns":[{"name":"id","type":"integer"},{"name":"balance","type":"numeric"}],"rows":[[1,105.50]],"affected":1}`},
		{"INSERT INTO entries(account, note) VALUES (1, 'a'), (2, 'SECRET') RETURNING note", nil, 2, "INSERT 0 2", `{"columns":[{"name":"note","type":"text"}],"rows":[["a"],["***"]],"affected":2}`},
		{"INSERT INTO entries(account) SELECT id FROM accounts WHERE id < 4", nil, 3, "INSERT 0 3", `{"columns":[],"rows":[],"affected":3}`},
		{"DELETE FROM entries WHERE note = $1", []any{"a"}, 1, "DELETE 1", `{"columns":[],"rows":[],"affected":1}`},
		{"DELETE FROM accounts WHERE id = -1 RETURNING *", nil, 0, "DELETE 0", ""},
		{"WITH x AS (SELECT 1 AS id) UPDATE accounts a SET owner = 'n' FROM x WHERE a.id = x.id", nil, 1, "UPDATE 1", ""},
		{"INSERT INTO accounts VALUES (1, 'x', 1) ON CONFLICT (id) DO UPDATE SET owner = excluded.owner", nil, 1, "INSERT 0 1", ""},
	} {
		out, err := f.write(c.sql, c.params...)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if out.Affected != c.affected || out.Code != c.code || c.data != "" && string(out.Data) != c.data {
			t.Errorf("%s: %d, %s, %s", c.sql, out.Affected, out.Code, out.Data)
		}
	}
	if got := f.rows("SELECT balance, owner FROM accounts WHERE id = 1"); got != `[[105.50,"x"]]` {
		t.Error(got)
	}
}

func TestTooManyAffectedRowsAreRolledBack(t *testing.T) {
	f := open(t, accounts)
	for _, c := range []struct {
		sql         string
		limit       int
		rows, bound int64
	}{
		{"UPDATE accounts SET owner = 'all'", 0, 200, 100},
		{"UPDATE accounts SET owner = 'all' WHERE id <= 11 RETURNING id", 10, 11, 10},
		{"DELETE FROM accounts", 150, 200, 150},
		{"INSERT INTO entries(account) SELECT 1 FROM generate_series(1, 101)", 0, 101, 100},
	} {
		_, err := f.do(t.Context(), f.db.Writes(), request{sql: c.sql, limits: tools.Limits{AffectedRows: c.limit}})
		var many *tools.AffectedError
		if !errors.As(err, &many) || many.Rows != c.rows || many.Limit != c.bound {
			t.Errorf("%s: %v", c.sql, err)
		}
	}
	if got := f.rows("SELECT count(*), count(*) FILTER (WHERE owner = 'all') FROM accounts"); got != `[[200,0]]` {
		t.Error(got)
	}
	if _, err := f.do(t.Context(), f.db.Writes(), request{sql: "UPDATE accounts SET owner = 'all'", limits: tools.Limits{AffectedRows: 200}}); err != nil {
		t.Error(err)
	}
}

func TestReturningIsLimitedAndTheChangeIsWhole(t *testing.T) {
	f := open(t, accounts)
	out, err := f.do(t.Context(), f.db.Writes(), request{sql: "UPDATE accounts SET owner = 'x' WHERE id <= 50 RETURNING id", limits: tools.Limits{Rows: 10}})
	if err != nil || out.Rows != 10 || out.Affected != 50 || out.Truncated == nil || out.Truncated.By != "rows" {
		t.Errorf("got %+v, %v", out, err)
	}
	// A value that may not leave undoes the change: its answer could not be recorded.
	_, err = f.do(t.Context(), f.db.Writes(), request{sql: "UPDATE accounts SET owner = repeat('y', 100) WHERE id = 1 RETURNING owner", limits: tools.Limits{ValueBytes: 50}})
	var large *tools.TooLargeError
	if !errors.As(err, &large) {
		t.Errorf("got %v", err)
	}
	if got := f.rows("SELECT owner FROM accounts WHERE id = 1"); got != `[["x"]]` {
		t.Error(got)
	}
}

func TestErrorsOfWritesAreRolledBackAndSayNoValues(t *testing.T) {
	f := open(t, accounts)
	for sql, want := range map[string]struct{ code, says string }{
		"INSERT INTO accounts VALUES (1, 'SECRETVALUE', 5)":                         {"23505", "a unique constraint would be violated in public.accounts"},
		"INSERT INTO accounts VALUES (1000, NULL, 5)":                               {"23502", "a column that must not be null would be null in public.accounts: owner"},
		"UPDATE accounts SET balance = -1 WHERE id = 1":                             {"23514", "a check constraint would be violated in public.accounts"},
		"INSERT INTO entries(account) VALUES (4711)":                                {"23503", "a foreign key would be violated in public.entries"},
		"UPDATE accounts SET balance = owner::numeric WHERE id = 1":                 {"22P02", "a text does not have the form its type needs"},
		"UPDATE accounts SET balance = 1 / (balance - balance) WHERE id = 1":        {"22012", "division by zero"},
		"INSERT INTO accounts SELECT id, owner, balance FROM accounts WHERE id = 2": {"23505", "a unique constraint would be violated in public.accounts"},
	} {
		_, err := f.write(sql)
		var target *tools.TargetError
		if !errors.As(err, &target) || target.Code != want.code || target.Message != want.says || target.Executed != tools.ExecutedNo {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if got := f.rows("SELECT count(*) FROM accounts WHERE balance = 100"); got != `[[200]]` {
		t.Error(got)
	}
}

func TestCascadesAreFacts(t *testing.T) {
	f := open(t, accounts)
	_, facts, err := f.facts(f.db.Writes(), "DELETE FROM accounts WHERE id = 1")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range facts.Objects {
		names = append(names, string(o.Access)+" "+o.Name)
	}
	if got := strings.Join(names, ", "); got != "write public.accounts, write public.entries" {
		t.Error(got)
	}
}

// cutter is a proxy in front of the server that ends both connections when the client sends what it waits for: before or after
// passing it on.
type cutter struct {
	net.Listener
	word  []byte
	after bool
	wg    sync.WaitGroup
}

func newCutter(t *testing.T, server, word string, after bool) *cutter {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, word: []byte(word), after: after}
	c.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.pass(client, server) })
		}
	})
	t.Cleanup(func() { l.Close(); c.wg.Wait() })
	return c
}

func (c *cutter) pass(client net.Conn, server string) {
	defer client.Close()
	target, err := net.Dial("tcp4", server)
	if err != nil {
		return
	}
	defer target.Close()
	var done sync.WaitGroup
	cut := make(chan struct{})
	done.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := target.Read(buf)
			select {
			case <-cut: // the answer to what was waited for is lost
				client.Close()
				return
			default:
			}
			if n > 0 {
				client.Write(buf[:n])
			}
			if err != nil {
				client.Close()
				return
			}
		}
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			break
		}
		if bytes.Contains(buf[:n], c.word) {
			if c.after {
				close(cut)
				target.Write(buf[:n])
				done.Wait()
			}
			break
		}
		if _, err := io.Copy(target, bytes.NewReader(buf[:n])); err != nil {
			break
		}
	}
	target.Close()
	client.Close()
	done.Wait()
}

func TestAConnectionLostAroundCommitIsUnknown(t *testing.T) {
	f := open(t, accounts)
	addr := net.JoinHostPort(f.target.Host, strconv.Itoa(int(f.target.Port)))
	for name, after := range map[string]bool{"before it arrived": false, "after it arrived": true} {
		proxy := newCutter(t, addr, "COMMIT\x00", after)
		target := f.target
		target.Port = uint16(proxy.Addr().(*net.TCPAddr).Port)
		through := &fixture{t: t, server: f.server, database: f.database, target: target}
		// Reading the catalog commits too; that goes the straight way.
		through.db = f.gateway(target)
		straight := f.gateway(f.target)
		cat, err := straight.targets["db"].catalog(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		tgt := through.db.targets["db"]
		tgt.cat, tgt.checked = cat, tgt.now()

		_, err = through.write("UPDATE accounts SET owner = $1 WHERE id = 1", name)
		var unknown *tools.OutcomeUnknownError
		if !errors.As(err, &unknown) || unknown.Check == "" {
			t.Errorf("%s: %v", name, err)
		}
		got := f.one("SELECT owner FROM accounts WHERE id = 1")
		if (got == name) != after {
			t.Errorf("%s: the row says %q", name, got)
		}
	}
	// Lost before COMMIT: nothing happened, and that is known.
	proxy := newCutter(t, addr, "SET CONSTRAINTS", true)
	target := f.target
	target.Port = uint16(proxy.Addr().(*net.TCPAddr).Port)
	through := &fixture{t: t, server: f.server, database: f.database, target: target}
	through.db = f.gateway(target)
	_, err := through.write("UPDATE accounts SET owner = 'never' WHERE id = 1")
	var down *tools.UnreachableError
	if !errors.As(err, &down) {
		t.Errorf("got %v", err)
	}
	if got := f.one("SELECT owner FROM accounts WHERE id = 1"); got == "never" {
		t.Error("the change was committed")
	}
}
