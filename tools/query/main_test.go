package query

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"sallyport/tools"
	"sallyport/tools/query/pgserver"
	"sallyport/tools/query/sqlparse"
)

const workerArgument = "parse-worker"

// parser is shared by all tests of the binary; set in TestMain.
var parser *sqlparse.Pool

// TestMain lets the test binary be its own parser child, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerArgument {
		if err := sqlparse.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	exe, err := os.Executable()
	if err == nil {
		parser, err = sqlparse.NewPool(sqlparse.Config{Argv: []string{exe, workerArgument}, Wait: 30 * time.Second, Timeout: 10 * time.Second})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	pgserver.Main(closing{m})
}

type closing struct{ *testing.M }

func (c closing) Run() int {
	defer parser.Close()
	return c.M.Run()
}

// plainMask replaces the word SECRET, so that tests see what went through it, and labelled values by their class.
type plainMask struct{}

func (plainMask) Text(dst, src []byte) []byte {
	return append(dst, bytes.ReplaceAll(src, []byte("SECRET"), []byte("***"))...)
}

func (m plainMask) JSON(dst, src []byte) []byte {
	if !json.Valid(src) {
		text, _ := json.Marshal(string(m.Text(nil, src)))
		return append(dst, text...)
	}
	return m.Text(dst, src)
}

func (plainMask) Labelled(dst, src []byte, class, method string) ([]byte, bool) {
	if method == "null" {
		return dst, false
	}
	return append(dst, "<"+class+">"...), true
}

// fixture is one database with a gateway in front of it.
type fixture struct {
	t        testing.TB
	server   *pgserver.Server
	database string
	db       *DB
	target   Target
}

const agentRole = "query_agent"

// open makes a database from sql, as superuser, and a gateway that logs in to it as agentRole, which may read and write everything
// in public unless sql says otherwise.
func open(t testing.TB, sql string, adjust ...func(*Target)) *fixture {
	t.Helper()
	s, database := pgserver.ForTest(t)
	f := &fixture{t: t, server: s, database: database}
	f.exec(`DO $$ BEGIN CREATE ROLE ` + agentRole + ` LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`)
	f.exec(sql)
	f.exec("GRANT USAGE ON SCHEMA public TO " + agentRole + "; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + agentRole +
		"; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO " + agentRole)
	f.target = Target{Name: "db", Host: "127.0.0.1", Port: s.Port, Database: database, User: agentRole, Revision: "r1"}
	for _, a := range adjust {
		a(&f.target)
	}
	f.db = f.gateway(f.target)
	return f
}

func (f *fixture) gateway(targets ...Target) *DB {
	f.t.Helper()
	db, err := Open(Config{Targets: targets, Parser: parser, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(db.Close)
	return db
}

func (f *fixture) exec(sql string) {
	f.t.Helper()
	if err := f.server.ExecIn(context.Background(), f.database, sql); err != nil {
		f.t.Fatal(err)
	}
}

// one reads one value as superuser.
func (f *fixture) one(sql string) string {
	f.t.Helper()
	db := f.gateway(Target{Name: "admin", Host: "127.0.0.1", Port: f.server.Port, Database: f.database, User: pgserver.Superuser})
	conn, err := db.targets["admin"].acquire(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Release()
	var out string
	l := &loader{ctx: context.Background(), conn: conn.Conn().PgConn()}
	l.each(sql, func(v []string) { out = v[0] })
	if l.err != nil {
		f.t.Fatal(l.err)
	}
	return out
}

func labelsOf(labels map[string]Label) func(*Target) {
	return func(t *Target) { t.Labels = labels }
}

// request is one call of a test.
type request struct {
	sql    string
	params []any
	limits tools.Limits
	caller string
}

func args(target, sql string, params []any) tools.Args {
	m := map[string]any{"target": target, "sql": sql}
	if params != nil {
		m["params"] = params
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// facts plans and inspects.
func (f *fixture) facts(tool *Tool, sql string, params ...any) (*tools.Plan, *tools.Facts, error) {
	p, err := tool.Plan(f.t.Context(), args("db", sql, params))
	if err != nil {
		return nil, nil, err
	}
	facts, err := tool.Inspect(f.t.Context(), p)
	return p, facts, err
}

// do runs a call through all steps, like the gateway with a policy that allows what is understood.
func (f *fixture) do(ctx context.Context, tool *Tool, r request) (*tools.Rendered, error) {
	p, err := tool.Plan(ctx, args("db", r.sql, r.params))
	if err != nil {
		return nil, err
	}
	facts, err := tool.Inspect(ctx, p)
	if err != nil {
		return nil, err
	}
	if !facts.Understood() {
		return nil, &tools.NotUnderstoodError{Unclear: facts.Unknown[0]}
	}
	res, err := tool.Run(ctx, p, facts, tools.Obligations{CallID: "call-1", Caller: r.caller, Limits: r.limits, Changes: facts.Effect != tools.Read})
	if err != nil {
		return nil, err
	}
	defer res.Close()
	return res.Render(ctx, plainMask{})
}

func (f *fixture) read(sql string, params ...any) (*tools.Rendered, error) {
	return f.do(f.t.Context(), f.db.Reads(), request{sql: sql, params: params})
}

func (f *fixture) write(sql string, params ...any) (*tools.Rendered, error) {
	return f.do(f.t.Context(), f.db.Writes(), request{sql: sql, params: params})
}

// rows is what a read answers, as JSON.
func (f *fixture) rows(sql string, params ...any) string {
	f.t.Helper()
	out, err := f.read(sql, params...)
	if err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	return onlyRows(f.t, out)
}

func onlyRows(t testing.TB, out *tools.Rendered) string {
	t.Helper()
	var data struct {
		Columns []struct{ Name, Type string } `json:"columns"`
		Rows    json.RawMessage               `json:"rows"`
	}
	if err := json.Unmarshal(out.Data, &data); err != nil {
		t.Fatalf("the result is not JSON: %v\n%s", err, out.Data)
	}
	return strings.TrimSpace(string(data.Rows))
}
