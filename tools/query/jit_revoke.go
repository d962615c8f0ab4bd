package query

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// overTime is how long an ended session is remembered, so that a call that comes late does not open it again.
const overTime = time.Hour

// EndSession revokes the roles of a session on every target and returns when they are gone, with their connections. When it fails it is to be
// called again.
func (r *Roles) EndSession(ctx context.Context, session string) error {
	r.mu.Lock()
	r.over[session] = r.Now()
	var its []*role
	for key, held := range r.live {
		if key.session == session {
			its = append(its, held)
		}
	}
	r.mu.Unlock()
	return r.revokeAll(ctx, its, "session ended")
}

func (r *Roles) revokeAll(ctx context.Context, roles []*role, why string) error {
	var errs []error
	for _, held := range roles {
		if err := r.end(ctx, held, why); err != nil {
			errs = append(errs, fmt.Errorf("revoke role %s on %s: %w", held.name, held.key.target, err))
		}
	}
	return errors.Join(errs...)
}

func (r *Roles) end(ctx context.Context, held *role, why string) error {
	held.mu.Lock()
	defer held.mu.Unlock()
	if held.gone {
		return nil
	}
	if held.until.IsZero() { // nobody got as far as making it
		r.forget(held)
		return nil
	}
	l := Lease{Name: held.name, Target: held.key.target, Place: held.key.place, Session: held.key.session, Created: held.made}
	if err := r.revoke(ctx, l, why); err != nil {
		return err
	}
	r.forget(held)
	return nil
}

// revoke ends a role, records it and drops its lease, in this order: whatever fails is done again.
func (r *Roles) revoke(ctx context.Context, l Lease, why string) error {
	b := r.broker(brokerKey{l.Target, l.Place})
	if b == nil {
		return errors.New("the configuration does not have the target any more as it was; drop the role by hand")
	}
	began := r.Now()
	kept, err := b.revoke(ctx, l.Name)
	if err != nil {
		return err
	}
	now := r.Now()
	detail := fmt.Sprintf("%s; gone after %d ms", why, now.Sub(began).Milliseconds())
	if kept {
		detail = why + "; it owns objects and stays, without login"
		r.Log.Error("a session's role owns objects and cannot be dropped; it cannot log in: give what it owns to somebody else, then drop it",
			"target", l.Target, "role", l.Name)
	}
	if !l.Created.IsZero() {
		detail += fmt.Sprintf("; it lived %s", now.Sub(l.Created).Round(time.Second))
	}
	if err := r.record(ctx, l, "revoked", detail); err != nil {
		return err
	}
	return r.Leases.DropLease(ctx, l.Name)
}

// Reap revokes what nobody uses: roles of an earlier run of this gateway, by their leases and by the mark they carry; roles that were not
// used for a while; and roles of other gateways that expired long ago. It is called at the start and then every few seconds.
func (r *Roles) Reap(ctx context.Context) error {
	leases, err := r.Leases.Leases(ctx) // before looking at what lives: a lease is made after its role is among those
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range leases {
		if r.lives(l.Name) {
			continue
		}
		if r.broker(brokerKey{l.Target, l.Place}) == nil {
			continue // its target is not there now; said at every revocation would be too often
		}
		if err := r.revoke(ctx, l, "left by an earlier run"); err != nil {
			errs = append(errs, fmt.Errorf("revoke role %s on %s: %w", l.Name, l.Target, err))
		}
	}
	r.mu.Lock()
	var brokers []*broker
	for _, b := range r.brokers {
		brokers = append(brokers, b)
	}
	var unused []*role
	for key, held := range r.live {
		if key.session != ownSession && held.users == 0 && r.Now().Sub(held.used) > roleTime {
			unused = append(unused, held)
		}
	}
	for session, when := range r.over {
		if r.Now().Sub(when) > overTime {
			delete(r.over, session)
		}
	}
	r.mu.Unlock()
	errs = append(errs, r.revokeAll(ctx, unused, "not used"))
	for _, b := range brokers {
		names, err := b.left(ctx, r.note())
		if err != nil {
			errs = append(errs, fmt.Errorf("look for roles left on %s: %w", b.target, err))
			continue
		}
		for _, name := range names {
			if r.lives(name) {
				continue
			}
			if err := r.revoke(ctx, Lease{Name: name, Target: b.target, Place: b.place}, "found without a lease"); err != nil {
				errs = append(errs, fmt.Errorf("revoke role %s on %s: %w", name, b.target, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (r *Roles) lives(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, held := range r.live {
		if held.name == name {
			return true
		}
	}
	return false
}

// Close revokes every role, the gateway's own too, and closes the brokers' connections. What cannot be revoked is found at the next start.
func (r *Roles) Close(ctx context.Context) error {
	r.mu.Lock()
	var all []*role
	for _, held := range r.live {
		all = append(all, held)
	}
	r.mu.Unlock()
	err := r.revokeAll(ctx, all, "gateway stopped")
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, b := range r.brokers {
		b.pool.Close()
		delete(r.brokers, key)
	}
	return err
}
