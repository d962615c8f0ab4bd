package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/audit"
	"sallyport/identity"
)

// LockStore keeps who is locked out.
type LockStore interface {
	Locks(ctx context.Context) ([]identity.Lock, error)
	PutLock(ctx context.Context, l identity.Lock, rec audit.Record) error
	DropLock(ctx context.Context, id string, rec audit.Record) error
}

// locks are the store's, in memory: every call looks at them.
type locks struct {
	mu  sync.RWMutex
	all []identity.Lock
}

// covering is a lock that keeps p out; nil when there is none.
func (l *locks) covering(p *identity.Principal, now time.Time) *identity.Lock {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i := range l.all {
		if l.all[i].Covers(p, now) {
			found := l.all[i]
			return &found
		}
	}
	return nil
}

// lockedError is a caller who is kept out.
type lockedError struct{ identity.Lock }

func (e *lockedError) Error() string { return "locked out" }

// Locks lists the locks in force.
func (g *Gateway) Locks() []identity.Lock {
	now := g.Now()
	g.locks.mu.RLock()
	defer g.locks.mu.RUnlock()
	return slices.DeleteFunc(append([]identity.Lock{}, g.locks.all...), func(l identity.Lock) bool { return !l.Expires.IsZero() && !now.Before(l.Expires) })
}

// Lock keeps somebody out from now on. On error nobody is locked out. The sessions he has go on until [Gateway.EndLocked].
func (g *Gateway) Lock(ctx context.Context, l identity.Lock, by *identity.Principal) (identity.Lock, error) {
	l.ID, l.Created, l.By = newID(), g.Now().UTC(), by.Issuer+"#"+by.Subject
	if err := g.Store.PutLock(ctx, l, lockRecord(&l, "locked", by)); err != nil {
		return identity.Lock{}, err
	}
	g.locks.mu.Lock()
	defer g.locks.mu.Unlock()
	g.locks.all = append(g.locks.all, l)
	return l, nil
}

// EndLocked ends the sessions of everybody l keeps out, and returns how many there were. On error some are still being ended, and it is
// tried again; the lock holds.
func (g *Gateway) EndLocked(ctx context.Context, l identity.Lock) (int, error) {
	n, endings := g.sessions.close(whyLocked, func(open *lease) bool {
		p := open.principal
		return l.Covers(&identity.Principal{Issuer: p.Issuer, Subject: p.Subject, Agent: p.Agent, Client: p.Client, Chain: open.chain}, g.Now())
	})
	return n, g.finish(ctx, slices.DeleteFunc(endings, func(l *lease) bool { return l.why != whyLocked }))
}

const whyLocked = "locked by an operator"

// Unlock lifts a lock.
func (g *Gateway) Unlock(ctx context.Context, id string, by *identity.Principal) error {
	g.locks.mu.RLock()
	at := slices.IndexFunc(g.locks.all, func(l identity.Lock) bool { return l.ID == id })
	var l identity.Lock
	if at >= 0 {
		l = g.locks.all[at]
	}
	g.locks.mu.RUnlock()
	if at < 0 {
		return ErrNoLock
	}
	if err := g.Store.DropLock(ctx, id, lockRecord(&l, "unlocked", by)); err != nil {
		return err
	}
	g.locks.mu.Lock()
	defer g.locks.mu.Unlock()
	g.locks.all = slices.DeleteFunc(g.locks.all, func(l identity.Lock) bool { return l.ID == id })
	return nil
}

// ErrNoLock is Unlock's answer for a lock that does not exist.
var ErrNoLock = fmt.Errorf("no such lock")

func lockRecord(l *identity.Lock, what string, by *identity.Principal) audit.Record {
	var names []string
	for _, n := range []struct{ what, is string }{{"issuer", l.Issuer}, {"subject", l.Subject}, {"agent", l.Agent}, {"client", l.Client}} {
		if n.is != "" {
			names = append(names, n.what+" "+n.is)
		}
	}
	return audit.Record{Entry: audit.Entry{Kind: audit.KindSession, Detail: what + " " + strings.Join(names, ", "),
		Principal: &audit.Principal{Issuer: by.Issuer, Subject: by.Subject, Groups: by.Groups, Client: by.Client}}, Body: &audit.Body{Text: l.Reason}}
}
