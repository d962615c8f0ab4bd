package query

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// roleConns is how many connections the role of t may have on the server: room for those of two configurations, while one replaces the other.
func (t *target) roleConns() int {
	if t.own.session == ownSession {
		return 2 * (ownConns + 1 + oracleConns)
	}
	return 2 * sessionConns
}

// jitSettings are the limits of connections whose login does not live long. The server looks every second whether its client is
// there, so that a statement ends when the gateway dies.
func (t *target) jitSettings(conf *pgxpool.Config) {
	conf.MaxConns = min(conf.MaxConns, ownConns)
	p := conf.ConnConfig.RuntimeParams
	p["client_connection_check_interval"], p["idle_session_timeout"] = "1000", "10min"
	p["tcp_keepalives_idle"], p["tcp_keepalives_interval"], p["tcp_keepalives_count"] = "30", "10", "3"
}

// acquireAs takes a connection of the session's own, with the session's role. leave is to be called once it was released.
func (t *target) acquireAs(ctx context.Context, session string) (*pgxpool.Conn, func(), error) {
	if session == "" || session == ownSession {
		return nil, nil, errors.New("query: a call without a session on a target that makes a role for each")
	}
	as := &target{Target: t.Target, own: roleKey{t.own.brokerKey, session}}
	leave, err := t.JIT.Roles.enter(ctx, as.own, as.roleConns())
	if err != nil {
		return nil, nil, unreachable(err)
	}
	pool, err := t.sessionPool(as)
	if err != nil {
		leave()
		return nil, nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := pool.Acquire(waiting)
	if err == nil {
		return conn, leave, nil
	}
	leave()
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	return nil, nil, unreachable(err)
}

func (t *target) sessionPool(as *target) (*pgxpool.Pool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.sessions[as.own.session]; p != nil {
		return p, nil
	}
	conf, err := as.poolConfig()
	if err != nil {
		return nil, err
	}
	conf.MaxConns, conf.MaxConnIdleTime, conf.HealthCheckPeriod = sessionConns, sessionIdle, 15*time.Second
	p, err := pgxpool.NewWithConfig(context.Background(), conf)
	if err != nil {
		return nil, err
	}
	if t.sessions == nil {
		t.sessions = map[string]*pgxpool.Pool{}
	}
	t.sessions[as.own.session] = p
	return p, nil
}

func (t *target) takeSession(session string) *pgxpool.Pool {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.sessions[session]
	delete(t.sessions, session)
	return p
}

func (t *target) closeSessions() {
	t.mu.Lock()
	all := t.sessions
	t.sessions = nil
	t.mu.Unlock()
	for _, p := range all {
		p.Close()
	}
}

// EndSession revokes the roles that were made for a session and returns when they and their connections are gone. It is called once the
// session's calls ended; one that still runs fails. When it returns an error it is to be called again.
func (t *Tool) EndSession(ctx context.Context, session string) error {
	done := map[*Roles]bool{}
	var errs []error
	for _, tgt := range t.db.targets {
		if tgt.JIT == nil {
			continue
		}
		if !done[tgt.JIT.Roles] {
			done[tgt.JIT.Roles] = true
			errs = append(errs, tgt.JIT.Roles.EndSession(ctx, session))
		}
		if p := tgt.takeSession(session); p != nil {
			p.Close() // the server ended its connections already
		}
	}
	return errors.Join(errs...)
}
