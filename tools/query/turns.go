package query

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"sallyport/tools"
)

// turns shares a target's connections between callers: one caller's calls hold at most half of them, and all calls together leave
// one for looking at the catalog, so that a caller who starts many long statements stops nobody else's work. Safe for
// concurrent use.
type turns struct {
	all  chan struct{} // one token for each connection that calls may hold
	each int           // tokens of one caller

	mu      sync.Mutex
	callers map[string]*turn // those that hold or wait for a connection; guarded by mu
}

// turn is one caller's share.
type turn struct {
	tokens chan struct{}
	users  int // calls that hold a token or wait for one; guarded by turns.mu
}

// newTurns shares conns connections, of which a pool of one or two has too few to keep one back or to halve.
func newTurns(conns int) *turns {
	return &turns{all: make(chan struct{}, max(1, conns-1)), each: max(1, conns/2), callers: map[string]*turn{}}
}

// take waits until the caller may use a connection; give gives it back. The error is ctx's.
func (t *turns) take(ctx context.Context, caller string) (give func(), err error) {
	own := t.enter(caller)
	select {
	case own.tokens <- struct{}{}:
	case <-ctx.Done():
		t.leave(caller, own)
		return nil, ctx.Err()
	}
	select {
	case t.all <- struct{}{}:
	case <-ctx.Done():
		<-own.tokens
		t.leave(caller, own)
		return nil, ctx.Err()
	}
	return func() {
		<-t.all
		<-own.tokens
		t.leave(caller, own)
	}, nil
}

func (t *turns) enter(caller string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.callers[caller]
	if own == nil {
		own = &turn{tokens: make(chan struct{}, t.each)}
		t.callers[caller] = own
	}
	own.users++
	return own
}

func (t *turns) leave(caller string, own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(t.callers, caller)
	}
}

// acquireFor is acquire for a call of this caller. give is to be called once the connection was released.
func (t *target) acquireFor(ctx context.Context, caller string) (conn *pgxpool.Conn, give func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	give, err = t.turns.take(waiting, caller)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return nil, nil, &tools.UnreachableError{Problem: "all connections this caller may hold at once are in use; wait for other calls to end", Err: err}
	}
	if conn, err = t.acquire(ctx); err != nil {
		give()
		return nil, nil, err
	}
	return conn, give, nil
}
