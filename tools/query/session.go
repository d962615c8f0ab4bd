package query

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"sallyport/tools"
)

var errPassword = errors.New("the password could not be read")

// path is the search path as the session has it.
func (t *target) path() []string {
	path := []string{"pg_catalog"}
	for _, s := range t.SearchPath {
		if s != "pg_catalog" && s != "pg_temp" {
			path = append(path, s)
		}
	}
	return path
}

// definingPath is the search path where something is made: the same schemas in the same order, pg_catalog being implied.
func (t *target) definingPath() string {
	var path []string
	for _, s := range t.path()[1:] {
		path = append(path, quoteIdent(s))
	}
	return strings.Join(append(path, "pg_temp"), ", ")
}

func (t *target) poolConfig() (*pgxpool.Config, error) {
	// Everything is set here, so that PG* variables and files of the gateway's own user decide nothing.
	conf, err := pgxpool.ParseConfig("host=localhost port=5432 user=x dbname=x password=x sslmode=disable passfile=/nonexistent pool_min_conns=0")
	if err != nil {
		return nil, errors.New("the connection settings are not usable")
	}
	c := conf.ConnConfig
	c.Host, c.Port, c.Database, c.User, c.Password = t.Host, t.Port, t.Database, t.User, ""
	c.TLSConfig, c.Fallbacks = t.TLS, nil
	c.ConnectTimeout = connectTime
	c.RuntimeParams = t.startup()
	// Agents' statements never go through pgx's own Query: they are sent as Parse, Bind, Execute (see run.go). This is for the
	// case that somebody forgets: the simple protocol would take several statements.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.MaxProtocolMessageBodyLen = maxMessage
	c.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {} // a notice is text of the server
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		// A context that ends cancels the statement on the server and waits for its answer, so that it has ended when the call does.
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelWait}
	}
	conf.MaxConns = int32(min(t.MaxConns, maxConns))
	conf.MaxConnIdleTime = 5 * time.Minute
	conf.MaxConnLifetime = 30 * time.Minute
	conf.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) (err error) {
		if t.Password != nil {
			if c.Password, err = t.Password(ctx); err != nil {
				return fmt.Errorf("%w: %w", errPassword, err)
			}
		}
		return nil
	}
	conf.AfterConnect = func(ctx context.Context, c *pgx.Conn) error { return prepareSession(ctx, c.PgConn()) }
	return conf, nil
}

// startup are the settings every session has. They are sent with the login, so that no default of the role or the database
// decides them.
func (t *target) startup() map[string]string {
	path := make([]string, 0, len(t.SearchPath)+2)
	for _, s := range t.path() {
		path = append(path, quoteIdent(s))
	}
	return map[string]string{
		"application_name": "sallyport", "search_path": strings.Join(append(path, "pg_temp"), ", "),
		// How a text is read: otherwise the parser and the server may see different statements.
		"standard_conforming_strings": "on", "client_encoding": "UTF8", "backslash_quote": "safe_encoding", "transform_null_equals": "off",
		// How values are written.
		"datestyle": "ISO, MDY", "intervalstyle": "postgres", "timezone": "UTC", "bytea_output": "hex", "extra_float_digits": "1", "xmloption": "content",
		// What a session may do, and for how long. Each call sets its own statement_timeout.
		"default_transaction_read_only": "on", "row_security": "on", "statement_timeout": "60s", "lock_timeout": "2s",
		"idle_in_transaction_session_timeout": "60s",
		// Text of the server is not wanted; a cursor is read to the end; compiling costs more than it saves.
		"client_min_messages": "error", "cursor_tuple_fraction": "1", "jit": "off",
	}
}

// Names of the prepared statements that are ours.
const (
	stmtSetup = "sallyport_setup"
	stmtGuard = "sallyport_guard"
	stmtCode  = "sallyport_code"
	sqlSetup  = `SELECT pg_catalog.set_config('application_name', $1, true), pg_catalog.set_config('statement_timeout', $2, true)`
)

// prepareSession checks that the session is what was asked for.
func prepareSession(ctx context.Context, conn *pgconn.PgConn) error {
	for name, want := range map[string]string{"standard_conforming_strings": "on", "client_encoding": "UTF8"} {
		if conn.ParameterStatus(name) != want {
			return fmt.Errorf("the server did not take %s", name)
		}
	}
	for name, sql := range map[string]string{stmtSetup: sqlSetup, stmtGuard: sqlGuard, stmtCode: sqlCode} {
		if _, err := conn.Prepare(ctx, name, sql, nil); err != nil {
			return err
		}
	}
	return nil
}

// acquire takes a connection of the pool. Errors are *tools.UnreachableError.
func (t *target) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	waiting, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := t.pool.Acquire(waiting)
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, unreachable(err)
}

// discard takes a connection out of the pool, ends it and waits, for a while, until it is gone.
func discard(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelWait)
	defer cancel()
	pg := conn.Hijack().PgConn()
	_ = pg.Close(ctx)
	select {
	case <-pg.CleanupDone():
	case <-ctx.Done():
	}
}

// unreachable says why a connection could not be had, without the server's words, hosts or users.
func unreachable(err error) error {
	problem := "no connection could be made"
	var pg *pgconn.PgError
	var dns *net.DNSError
	switch {
	case errors.As(err, &pg) && strings.HasPrefix(pg.Code, "28"):
		problem = "the login was refused"
	case errors.As(err, &pg) && pg.Code == "3D000":
		problem = "the database does not exist"
	case errors.As(err, &pg) && pg.Code == "53300":
		problem = "the server has no free connection"
	case errors.As(err, &pg) && strings.HasPrefix(pg.Code, "57P"):
		problem = "the server is starting up or shutting down"
	case errors.As(err, &pg):
		problem = "the server refused the session (SQLSTATE " + pg.Code + ")"
	case errors.As(err, &dns):
		problem = "its name could not be resolved"
	case errors.Is(err, errPassword):
		problem = "the gateway could not read its password"
	case errors.Is(err, context.DeadlineExceeded):
		problem = "no connection became free in time"
	}
	return &tools.UnreachableError{Problem: problem, Err: err}
}
