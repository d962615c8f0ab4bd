package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	brokerConns = 2
	// brokerTime bounds one statement of the broker.
	brokerTime = 5 * time.Second
	// goneTime bounds the waiting until the sessions of a role have ended, and goneStep is between two looks.
	goneTime = 10 * time.Second
	goneStep = 5 * time.Millisecond
	// strangersAge is how long a role of another gateway has to be expired before it counts as left behind: a gateway that lives extends its
	// roles.
	strangersAge = time.Hour
)

// broker is the login by which the roles of one target's sessions are made and ended. It calls the functions of SetupSQL and may do nothing
// else. Safe for concurrent use.
type broker struct {
	target, place, profile string
	pool                   *pgxpool.Pool
}

func (b *broker) exec(ctx context.Context, sql string, params ...string) (out [][]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, brokerTime)
	defer cancel()
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("the broker's login: %w", err)
	}
	defer conn.Release()
	values := make([][]byte, len(params))
	for i, p := range params {
		values[i] = []byte(p)
	}
	rr := conn.Conn().PgConn().ExecParams(ctx, sql, values, nil, nil, nil)
	for rr.NextRow() {
		var row []string
		for _, v := range rr.Values() {
			row = append(row, string(v))
		}
		out = append(out, row)
	}
	if _, err = rr.Close(); err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) && (pg.Code == "42883" || pg.Code == "3F000" || pg.Code == "42501") {
			return nil, fmt.Errorf("%w; run what sallyport target sql %s prints", err, b.target)
		}
		return nil, err
	}
	return out, nil
}

func (b *broker) issue(ctx context.Context, name, verifier string, until time.Time, conns int, note string) error {
	_, err := b.exec(ctx, "SELECT sallyport.issue($1, $2, $3, $4, $5, $6)", name, verifier, stamp(until), fmt.Sprint(conns), b.profile, note)
	return err
}

func (b *broker) extend(ctx context.Context, name string, until time.Time) error {
	_, err := b.exec(ctx, "SELECT sallyport.extend($1, $2)", name, stamp(until))
	return err
}

// revoke ends a role: no login, then no session, then no role. kept: it owns something and stays, without login. A role that does not
// exist is revoked already.
func (b *broker) revoke(ctx context.Context, name string) (kept bool, err error) {
	// A transaction of its own: whoever logs in after it is refused, so the sessions that are counted then are all there will be.
	if _, err := b.exec(ctx, "SELECT sallyport.disable($1)", name); err != nil {
		return false, err
	}
	waiting, cancel := context.WithTimeout(ctx, goneTime)
	defer cancel()
	for {
		rows, err := b.exec(waiting, "SELECT sallyport.terminate($1)", name)
		if err != nil {
			return false, err
		}
		if rows[0][0] == "0" {
			break
		}
		select {
		case <-waiting.Done():
			return false, fmt.Errorf("role %s cannot log in any more, and its sessions do not end: %w", name, waiting.Err())
		case <-time.After(goneStep):
		}
	}
	rows, err := b.exec(ctx, "SELECT sallyport.remove($1)", name)
	if err != nil {
		return false, err
	}
	return rows[0][0] != "t", nil
}

// left are the roles that can log in and that this gateway made, or that expired so long ago that no living gateway can need them.
func (b *broker) left(ctx context.Context, note string) (names []string, err error) {
	rows, err := b.exec(ctx, `SELECT r.rolname FROM pg_catalog.pg_roles r WHERE pg_catalog.starts_with(r.rolname::text, '`+rolePrefix+`') AND r.rolcanlogin
		AND pg_catalog.pg_has_role(r.oid, $2::pg_catalog.name, 'MEMBER')
		AND (pg_catalog.shobj_description(r.oid, 'pg_authid') = $1 OR r.rolvaliduntil < pg_catalog.now() - $3::pg_catalog.interval)`,
		note, b.profile, strangersAge.String())
	for _, r := range rows {
		names = append(names, r[0])
	}
	return names, err
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000Z07:00") }

// openBroker connects to nothing yet.
func openBroker(t Target) (*broker, error) {
	place := fmt.Sprintf("%s:%d/%s as %s", t.Host, t.Port, t.Database, t.JIT.Profile)
	login := &target{Target: t}
	login.User, login.Password, login.JIT = t.JIT.Broker.User, t.JIT.Broker.Password, nil
	conf, err := login.poolConfig()
	if err != nil {
		return nil, err
	}
	conf.MaxConns, conf.MaxConnIdleTime, conf.AfterConnect = brokerConns, 5*time.Minute, nil
	p := conf.ConnConfig.RuntimeParams
	p["application_name"], p["default_transaction_read_only"], p["statement_timeout"] = "sallyport broker", "off", "5s"
	p["search_path"] = "pg_catalog, pg_temp"
	conf.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool, err := pgxpool.NewWithConfig(context.Background(), conf)
	if err != nil {
		return nil, errors.New("the broker's connection settings are not usable")
	}
	return &broker{target: t.Name, place: place, profile: t.JIT.Profile, pool: pool}, nil
}
