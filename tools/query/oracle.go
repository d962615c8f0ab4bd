package query

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sallyport/tools"
)

const (
	// oracleConns are the connections for asking, beside those for the agents' statements.
	oracleConns = 2
	// oracleTime bounds one question. The statement is parsed and stored, which takes milliseconds.
	oracleTime = 2 * time.Second
	// oracleRest is how long nobody asks after the server could not be asked.
	oracleRest = 30 * time.Second
)

// Login is another role for the same database.
type Login struct {
	User     string
	Password func(ctx context.Context) (string, error) // as Target.Password
}

// oracle is the way to ask a target what it understood: a pool of its own, on the introspect login, or on the target's where there is
// none. Safe for concurrent use; its state is guarded by target.mu.
type oracle struct {
	pool   *pgxpool.Pool
	resume time.Time // nobody asks before; zero: the server can be asked
	why    string    // why it could not be asked last; "" when it could
}

func (t *target) openOracle() (*oracle, error) {
	login := &target{Target: t.Target}
	login.MaxConns = oracleConns
	if t.Introspect != nil {
		login.User, login.Password = t.Introspect.User, t.Introspect.Password
	}
	conf, err := login.poolConfig()
	if err != nil {
		return nil, err
	}
	p := conf.ConnConfig.RuntimeParams
	p["application_name"], p["statement_timeout"], p["lock_timeout"], p["idle_in_transaction_session_timeout"] = "sallyport introspect", "2s", "250ms", "5s"
	pool, err := pgxpool.NewWithConfig(context.Background(), conf)
	if err != nil {
		return nil, errors.New("the connection settings are not usable")
	}
	return &oracle{pool: pool}, nil
}

// understand replaces what names leave open by what the server says, where it can be asked. What names alone cannot judge, and
// what the server's answer adds, is not understood; so is what was not clear before when the server gives no answer.
func (t *target) understand(ctx context.Context, c *call, f *finding) (err error) {
	switch c.st.Kind {
	case "select", "insert", "update", "delete":
	default:
		return nil
	}
	if !f.open || !t.mayAsk() {
		return nil
	}
	a, err := t.question(ctx, c, f.cat)
	var pg *pgconn.PgError
	var cannot errNoProbe
	switch {
	case err == nil:
		t.answered("")
		f.facts.Mode = tools.ModeServer
		f.unclear(f.judge(a, c))
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &cannot):
		t.answered(cannot.why)
	case errors.As(err, &pg), errors.Is(err, errType):
		// About this statement only. It may be wrong, then it fails where it runs; or it cannot stand in a view.
	default:
		t.answered("no connection to it could be made")
	}
	return nil
}

// mayAsk reports whether it is time to ask.
func (t *target) mayAsk() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.now().Before(t.oracle.resume)
}

// answered notes whether the server could be asked, and tells the operator when that changes.
func (t *target) answered(why string) {
	t.mu.Lock()
	before := t.oracle.why
	t.oracle.why, t.oracle.resume = why, time.Time{}
	if why != "" {
		t.oracle.resume = t.now().Add(oracleRest)
	}
	t.mu.Unlock()
	switch {
	case why == before:
	case why == "":
		t.log.Info("the server is asked what it understands again", "target", t.Name)
	default:
		t.log.Warn("statements are understood by their names alone", "target", t.Name, "mode", tools.ModeTree, "reason", why)
	}
}

func (t *target) question(ctx context.Context, c *call, cat *catalog) (*answer, error) {
	asking, cancel := context.WithTimeout(ctx, oracleTime)
	defer cancel()
	conn, err := t.oracle.pool.Acquire(asking)
	if err != nil {
		return nil, err
	}
	p := &probe{ctx: asking, conn: conn.Conn().PgConn(), cat: cat, c: c}
	a, err := p.ask()
	if p.conn.IsClosed() || p.conn.TxStatus() != 'I' || asking.Err() != nil {
		discard(conn)
	} else {
		conn.Release()
	}
	return a, err
}
