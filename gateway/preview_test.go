package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/policy"
	"sallyport/tools/query"
	"sallyport/tools/query/pgserver"
	"sallyport/tools/query/sqlparse"
)

// dbRig is a rig whose target db is a real PostgreSQL.
type dbRig struct {
	*rig
	server   *pgserver.Server
	database string
}

const shopSQL = `
CREATE TABLE customers (id int PRIMARY KEY, email text, note text);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, status text, secret text);
CREATE TABLE other (id int PRIMARY KEY, v text);
INSERT INTO customers SELECT g, 'c' || g || '@example.com', 'SECRET' || g FROM generate_series(1, 1000) g;
INSERT INTO orders SELECT g, 1 + g % 1000, CASE WHEN g <= 100 THEN 'new' ELSE 'paid' END, 's' || g FROM generate_series(1, 5000) g;
INSERT INTO other SELECT g, 'v' FROM generate_series(1, 10) g;`

func newDBRig(t *testing.T, change func(*policy.Config)) *dbRig {
	t.Helper()
	server, database := pgserver.ForTest(t)
	r := &dbRig{server: server, database: database}
	for _, sql := range []string{
		`DO $$ BEGIN CREATE ROLE gateway_agent LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`, shopSQL,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO gateway_agent`,
	} {
		if err := server.ExecIn(t.Context(), database, sql); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parser, err := sqlparse.NewPool(sqlparse.Config{Argv: []string{exe, workerArgument}, Wait: 30 * time.Second, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(parser.Close)
	db, err := query.Open(query.Config{Parser: parser, Log: slog.New(slog.DiscardHandler), Now: time.Now, Targets: []query.Target{{
		Name: "db", Host: "127.0.0.1", Port: server.Port, Database: database, User: "gateway_agent", Revision: "1",
		Labels: map[string]query.Label{"customers.email": {Class: "email", Method: "redact"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	r.rig = newRig(t)
	w := r.newWorld(change)
	w.Tools = map[string]Tool{"query": db.Reads(), "query_write": db.Writes()}
	r.Replace(w)
	return r
}

func (r *dbRig) exec(sql string) {
	r.t.Helper()
	if err := r.server.ExecIn(r.t.Context(), r.database, sql); err != nil {
		r.t.Fatal(err)
	}
}

// count asks the database by a read of somebody who may.
func (r *dbRig) count(sql string) string {
	r.t.Helper()
	env := r.call(who("root", "root"), "query", read("SELECT count(*) FROM "+sql), time.Second)
	var data struct{ Rows [][]int }
	if err := json.Unmarshal(env.Data, &data); err != nil || len(data.Rows) != 1 {
		r.t.Fatalf("%s: %s, %+v", sql, env.Status, env.Error)
	}
	return fmt.Sprint(data.Rows[0][0])
}

func (r *dbRig) yes() {
	r.t.Helper()
	if err := r.vote("dora", true, "dba"); err != nil {
		r.t.Fatal(err)
	}
}

// TestAnApprovalIsForWhatPeopleSaw: 100 rows were agreed to, 101 would change now; nothing is changed, and people are asked anew.
func TestAnApprovalIsForWhatPeopleSaw(t *testing.T) {
	r := newDBRig(t, nil)
	ann := who("ann", "support")
	change := write("UPDATE orders SET status = 'done' WHERE status = 'new'")
	if env := r.call(ann, "query_write", change, 0); env.Status != statusPending {
		t.Fatalf("%s %+v", env.Status, env.Error)
	}
	if i := r.pending().Impact; i == nil || i.Rows != (approvals.Count{N: 100, Is: approvals.Exact}) || i.Of != (approvals.Count{N: 5000, Is: approvals.Exact}) || i.Object != "public.orders" {
		t.Fatalf("impact %+v", i)
	}
	r.yes()
	r.exec("UPDATE orders SET status = 'new' WHERE id = 101")
	env := r.call(ann, "query_write", change, time.Second)
	if env.code() != ApprovalStale || env.Executed != "no" || env.Error.Message != "agreed to change 100 rows of public.orders, it would now change 101; nothing was changed" || !env.Error.Retryable {
		t.Fatalf("%s %+v", env.Status, env.Error)
	}
	if n := r.count("orders WHERE status = 'done'"); n != "0" {
		t.Errorf("%s rows were changed", n)
	}
	if got := r.kinds(); !strings.HasSuffix(got, "request vote approval intent outcome approval outcome") {
		t.Errorf("the log says %s", got)
	}
	if env := r.call(ann, "query_write", change, 0); env.Status != statusPending {
		t.Fatalf("the second question: %s %+v", env.Status, env.Error)
	}
	if i := r.pending().Impact; i.Rows.N != 101 {
		t.Errorf("people see %+v", i.Rows)
	}
	r.yes()
	if env := r.call(ann, "query_write", change, time.Second); env.Status != statusOK || !strings.Contains(string(env.Data), `"affected":101`) {
		t.Errorf("%s %+v %s", env.Status, env.Error, env.Data)
	}
	if n := r.count("orders WHERE status = 'done'"); n != "101" {
		t.Errorf("%s rows were changed", n)
	}
}

// TestCascadesAreAgreedToAsWell: the command tag of a DELETE does not count what follows by foreign keys.
func TestCascadesAreAgreedToAsWell(t *testing.T) {
	r := newDBRig(t, nil)
	ann := who("ann", "support")
	change := write("DELETE FROM customers WHERE id <= 10")
	r.call(ann, "query_write", change, 0)
	if i := r.pending().Impact; i.Rows.N != 10 || len(i.Cascades) != 1 || i.Cascades[0] != (approvals.Cascade{Object: "public.orders", Action: "delete", Level: 1, Rows: approvals.Count{N: 50, Is: approvals.Exact}}) {
		t.Fatalf("impact %+v", i)
	}
	r.yes()
	r.exec("INSERT INTO orders VALUES (9000, 1)")
	env := r.call(ann, "query_write", change, time.Second)
	if env.code() != ApprovalStale || env.Executed != "no" || env.Error.Message != "agreed to change 50 rows of public.orders, it would now change 51; nothing was changed" {
		t.Fatalf("%s %+v", env.Status, env.Error)
	}
	if n := r.count("customers"); n != "1000" {
		t.Errorf("%s customers are left", n)
	}
	r.call(ann, "query_write", change, 0)
	r.yes()
	if env := r.call(ann, "query_write", change, time.Second); env.Status != statusOK {
		t.Errorf("%s %+v", env.Status, env.Error)
	}
	if n := r.count("orders"); n != "4950" {
		t.Errorf("%s orders are left", n)
	}
}

var volatileText = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9A-Z]{4}-[0-9A-Z]{4}|20\d\d-\d\d-\d\dT[0-9:]+Z`)

// TestNoCountReachesAnAgentThatCouldNotCount asks the same question with different answers: whatever the agent gets back has to be the
// same, byte for byte, but for ids and times.
func TestNoCountReachesAnAgentThatCouldNotCount(t *testing.T) {
	r := newDBRig(t, func(cfg *policy.Config) {
		cfg.Scopes[0].Allow = []string{"write"} // may ask for changes, and read nothing
		cfg.Scopes[0].Risk = policy.Thresholds{Ask: 40, Deny: 70}
	})
	ann := who("ann", "support")
	see := func(tool string, args map[string]any) string {
		reply, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		got := r.Do(t.Context(), &Request{Principal: ann, Tool: tool, Args: reply})
		open, err := r.store.Approvals(t.Context(), approvals.Pending)
		if err != nil {
			t.Fatal(err)
		}
		for _, req := range open { // out of the way of the next question
			if _, err := r.store.CloseApproval(t.Context(), req.ID, []approvals.State{approvals.Pending}, approvals.Cancelled, audit.Record{Entry: audit.Entry{Kind: audit.KindApproval}}); err != nil {
				t.Fatal(err)
			}
		}
		return volatileText.ReplaceAllString(string(got.Structured)+"\n"+got.Text, "#")
	}
	for _, form := range []string{
		"UPDATE orders SET status = 'x' WHERE secret LIKE %s",
		"DELETE FROM orders WHERE secret LIKE %s",
		"UPDATE other SET v = 'x' WHERE EXISTS (SELECT FROM orders WHERE secret LIKE %s)",
		"INSERT INTO other SELECT id + 100, 'x' FROM orders WHERE secret LIKE %s",
		"DELETE FROM customers WHERE note LIKE %s", // with a label, and a cascade
		"UPDATE orders SET status = 'x' WHERE 1 / (length(secret) - 2) > 0 AND secret LIKE %s",
	} {
		none, all := fmt.Sprintf(form, "'nothing'"), fmt.Sprintf(form, "'%'")
		for tool, args := range map[string]func(string) map[string]any{
			"query_write":    write,
			"explain_access": func(sql string) map[string]any { return map[string]any{"tool": "query_write", "arguments": write(sql)} },
		} {
			if a, b := see(tool, args(none)), see(tool, args(all)); a != b {
				t.Errorf("%s of %s differs:\n%s\n%s", tool, form, a, b)
			}
		}
	}
}

// TestExplainCountsNothing: explaining runs nothing on the target, for those who may read as well.
func TestExplainCountsNothing(t *testing.T) {
	r := newDBRig(t, nil)
	env := r.call(who("ann", "support"), "explain_access", map[string]any{"tool": "query_write", "arguments": write("UPDATE orders SET status = 'x' WHERE id > 0")}, 0)
	if !strings.Contains(string(env.Data), "nobody knows how many rows") || strings.Contains(string(env.Data), "5000") {
		t.Errorf("%s", env.Data)
	}
}

// TestWhatWasCountedDecidesAgain: people are spared the question when the number says so, and the call is held to the number.
func TestWhatWasCountedDecidesAgain(t *testing.T) {
	r := newDBRig(t, func(cfg *policy.Config) { cfg.Scopes[0].Risk = policy.Thresholds{Ask: 50, Deny: 70} })
	ann := who("ann", "support")
	if env := r.call(ann, "query_write", write("UPDATE orders SET status = 'x' WHERE id = 1"), 0); env.Status != statusOK {
		t.Errorf("one row: %s %+v", env.Status, env.Error)
	}
	if env := r.call(ann, "query_write", write("UPDATE orders SET status = 'y' WHERE id <= 200"), 0); env.Status != statusPending {
		t.Errorf("200 rows: %s %+v", env.Status, env.Error)
	}
	if env := r.call(ann, "query_write", write("UPDATE orders SET status = 'z' WHERE id <= 4000"), 0); env.code() != Denied || !strings.Contains(env.Error.Message, "4,000 of 5,000 rows of public.orders: +25") {
		t.Errorf("most rows: %s %+v", env.Status, env.Error)
	}
	if n := r.count("orders WHERE status IN ('y', 'z')"); n != "0" {
		t.Errorf("%s rows were changed", n)
	}
}

// TestNothingOfASampleLeavesTheCard: the sample is masked, sealed, and in nothing the agent gets; the envelope has numbers only.
func TestNothingOfASampleLeavesTheCard(t *testing.T) {
	r := newDBRig(t, nil)
	env := r.call(who("ann", "support"), "query_write", write("UPDATE customers SET email = 'new@example.com', note = 'x' WHERE id = 7"), 0)
	if env.Masking != nil || strings.Contains(string(env.encode()), "SECRET7") {
		t.Errorf("the agent gets %s", env.encode())
	}
	card, _ := json.Marshal(r.pending().Impact)
	if !strings.Contains(string(card), "SECRET7") || strings.Contains(string(card), "c7@example.com") || strings.Contains(string(card), "new@example.com") {
		t.Errorf("the card shows %s", card)
	}
	for _, e := range r.entries() {
		if b := e.Encode(); strings.Contains(string(b), "SECRET7") {
			t.Errorf("an envelope holds the sample: %s", b)
		}
	}
}

// TestARaceIsNoChange: somebody else changes the same rows between snapshot and statement.
func TestARaceIsNoChange(t *testing.T) {
	r := newDBRig(t, nil)
	ann := who("ann", "support")
	change := write("UPDATE orders SET status = 'done' WHERE status = 'new'")
	r.call(ann, "query_write", change, 0)
	r.yes()
	held := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() { // holds row 5 until somebody waits for it
		held <- r.server.ExecIn(ctx, r.database, "BEGIN; UPDATE orders SET status = 'new' WHERE id = 5; SELECT pg_advisory_xact_lock(5); "+
			"DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE NOT granted) LOOP PERFORM pg_sleep(0.05); END LOOP; END $$; COMMIT")
	}()
	eventually(t, "the other transaction holds its row", func() bool {
		return r.count("pg_catalog.pg_locks WHERE locktype = 'advisory' AND objid = 5") != "0"
	})
	env := r.call(ann, "query_write", change, time.Second)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if env.code() != TargetErr || env.Error.SQLState != "40001" || env.Executed != "no" || !env.Error.Retryable {
		t.Errorf("%s %+v", env.Status, env.Error)
	}
	if n := r.count("orders WHERE status = 'done'"); n != "0" {
		t.Errorf("%s rows were changed", n)
	}
	if env := r.call(ann, "query_write", change, 0); env.Status != statusPending {
		t.Errorf("the next call: %s %+v", env.Status, env.Error)
	}
}
