package query

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"sallyport/tools"
)

const (
	// roleTime is how long a role may log in without being extended, and how long one that is not used is kept.
	roleTime = 15 * time.Minute
	// sessionConns are the connections of one session. The role may have twice as many, for the moment in which a reloaded
	// configuration has its connections and the old one has not given up all of its own.
	sessionConns = 2
	// sessionIdle closes a session's connection that is not used.
	sessionIdle = time.Minute
	// ownConns are what the gateway itself uses: for the catalog, for counting, for asking.
	ownConns = 4
	// ownSession stands for the gateway where a role belongs to no session.
	ownSession = "gateway"
	// maxRoles bounds the roles of one target.
	maxRoles = 500
)

// JIT says that a target is entered with a role that is made for each session and gone after it.
type JIT struct {
	Broker  Login
	Profile string // the role whose rights the sessions' roles have
	Roles   *Roles
}

// Lease is a role on a target that has to be revoked one day. It is durable before the role exists.
type Lease struct {
	Name    string // of the role
	Target  string // name in the configuration
	Place   string // where the target was when the role was made
	Session string
	Created time.Time
	Expires time.Time // as last written; the role may have been extended since
}

// Leases keeps leases durably. Methods return when what they did is on disk.
type Leases interface {
	PutLease(ctx context.Context, l Lease) error
	DropLease(ctx context.Context, name string) error // no error when there is none
	Leases(ctx context.Context) ([]Lease, error)
}

// RolesConfig is what NewRoles needs; every field is required.
type RolesConfig struct {
	Leases   Leases
	Record   tools.RecordCredential
	Instance string // the same after a restart, another for every other gateway
	Log      *slog.Logger
	Now      func() time.Time
}

// Roles are the roles that this gateway made on its targets. They outlive a reload of the configuration, so there is one Roles for a
// process. Safe for concurrent use.
type Roles struct {
	RolesConfig

	mu      sync.Mutex
	brokers map[brokerKey]*broker
	live    map[roleKey]*role
	over    map[string]time.Time // sessions that ended, and when: nothing is made for them any more
}

type brokerKey struct{ target, place string }

type roleKey struct {
	brokerKey
	session string
}

// role is one role. mu is held while it is made, extended or revoked; name and password are set before it is shared.
type role struct {
	key            roleKey
	name, password string
	conns          int

	mu    sync.Mutex
	until time.Time // zero: not made yet; guarded by mu
	made  time.Time // guarded by mu
	gone  bool      // revoked, or making it failed; guarded by mu

	used  time.Time // guarded by Roles.mu
	users int       // calls that use it now; guarded by Roles.mu
}

var (
	errBroker      = errors.New("the role of the session could not be made")
	errSessionOver = errors.New("the session ended")
)

// NewRoles checks its configuration. Close has to be called at the end.
func NewRoles(cfg RolesConfig) (*Roles, error) {
	if cfg.Leases == nil || cfg.Record == nil || cfg.Instance == "" || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("query: every field of RolesConfig is required")
	}
	return &Roles{RolesConfig: cfg, brokers: map[brokerKey]*broker{}, live: map[roleKey]*role{}, over: map[string]time.Time{}}, nil
}

// register makes t's broker the one for its place. The one before, of an earlier configuration, is closed.
func (r *Roles) register(t Target) (*broker, error) {
	b, err := openBroker(t)
	if err != nil {
		return nil, err
	}
	key := brokerKey{b.target, b.place}
	r.mu.Lock()
	old := r.brokers[key]
	r.brokers[key] = b
	r.mu.Unlock()
	if old != nil {
		old.pool.Close() // waits for what it is doing, which is bounded
	}
	return b, nil
}

func (r *Roles) note() string { return "sallyport gateway " + r.Instance }

func (r *Roles) broker(key brokerKey) *broker {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.brokers[key]
}

// enter is login for a call, which holds the role until it calls leave.
func (r *Roles) enter(ctx context.Context, key roleKey, conns int) (leave func(), err error) {
	held, err := r.role(ctx, key, conns, 1)
	if err != nil {
		return nil, err
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		held.users--
		held.used = r.Now()
	}, nil
}

// login is the name and password of a session's role, which is made when there is none and extended when it is about to expire.
func (r *Roles) login(ctx context.Context, key roleKey, conns int) (user, password string, err error) {
	held, err := r.role(ctx, key, conns, 0)
	if err != nil {
		return "", "", err
	}
	return held.name, held.password, nil
}

func (r *Roles) role(ctx context.Context, key roleKey, conns, users int) (*role, error) {
	for {
		held, err := r.find(key, conns, users)
		if err != nil {
			return nil, err
		}
		again, err := r.ready(ctx, held)
		if err == nil && !again {
			return held, nil
		}
		r.mu.Lock()
		held.users -= users
		r.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// find is the entry of a role, perhaps of one that has still to be made.
func (r *Roles) find(key roleKey, conns, users int) (*role, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, over := r.over[key.session]; over {
		return nil, errSessionOver
	}
	held := r.live[key]
	if held == nil {
		n := 0
		for k := range r.live {
			if k.brokerKey == key.brokerKey {
				n++
			}
		}
		if n >= maxRoles {
			return nil, fmt.Errorf("%w: the target has %d sessions; end some", errBroker, n)
		}
		held = &role{key: key, name: roleName(key.session), password: rand.Text() + rand.Text(), conns: conns}
		r.live[key] = held
	}
	held.users += users
	held.used = r.Now()
	return held, nil
}

// roleName names the session as far as a name of 63 bytes can, and is never used twice.
func roleName(session string) string {
	short := strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			return c
		}
		return -1
	}, session)
	if len(short) > 16 {
		short = short[len(short)-16:] // the beginning of an id is the time
	}
	var own [5]byte
	rand.Read(own[:])
	return rolePrefix + short + "_" + hex.EncodeToString(own[:])
}

// ready makes the role, or extends it. again: it was revoked meanwhile, look for another.
func (r *Roles) ready(ctx context.Context, held *role) (again bool, err error) {
	held.mu.Lock()
	defer held.mu.Unlock()
	now := r.Now()
	switch {
	case held.gone:
		return true, nil
	case held.until.IsZero():
		if err := r.make(ctx, held, now); err != nil {
			return false, fmt.Errorf("%w: %w", errBroker, err)
		}
	case held.until.Sub(now) < roleTime/2:
		until := now.Add(roleTime)
		if err := r.broker(held.key.brokerKey).extend(ctx, held.name, until); err != nil {
			return false, fmt.Errorf("%w: it could not be extended: %w", errBroker, err)
		}
		held.until = until
	}
	return false, nil
}

// make makes the role: lease, role, record, in this order. What goes wrong on the way is undone, or left to Reap. The caller holds held.mu.
func (r *Roles) make(ctx context.Context, held *role, now time.Time) error {
	// Past the caller: what was begun is finished or undone. Each step is bounded.
	ctx = context.WithoutCancel(ctx)
	verifier, err := scramVerifier(held.password)
	if err != nil {
		r.forget(held)
		return err
	}
	until := now.Add(roleTime)
	lease := Lease{Name: held.name, Target: held.key.target, Place: held.key.place, Session: held.key.session, Created: now, Expires: until}
	if err := r.Leases.PutLease(ctx, lease); err != nil {
		r.forget(held)
		return err
	}
	err = r.broker(held.key.brokerKey).issue(ctx, held.name, verifier, until, held.conns, r.note())
	if err == nil {
		err = r.record(ctx, lease, "issued", "member of "+r.broker(held.key.brokerKey).profile)
	}
	if err == nil {
		held.made, held.until = now, until
		return nil
	}
	r.forget(held)
	if _, undo := r.broker(held.key.brokerKey).revoke(ctx, held.name); undo != nil {
		r.Log.Error("the role of a session could not be made, and what is left of it not be removed; it is tried again", "target", lease.Target, "role", lease.Name, "err", undo)
		return err
	}
	if undo := r.Leases.DropLease(ctx, held.name); undo != nil {
		r.Log.Error("a lease could not be dropped; it is tried again", "role", lease.Name, "err", undo)
	}
	return err
}

// forget takes a role out of those that are used. The caller holds held.mu.
func (r *Roles) forget(held *role) {
	held.gone = true
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live[held.key] == held {
		delete(r.live, held.key)
	}
}

func (r *Roles) record(ctx context.Context, l Lease, event, detail string) error {
	session := l.Session
	if session == ownSession {
		session = ""
	}
	c := tools.Credential{Session: session, Tool: toolRead, Target: l.Target, Mode: "jit", Event: event, ID: "postgres role " + l.Name, Detail: detail}
	if event == "issued" {
		c.Until = l.Expires
	}
	return r.Record(ctx, c)
}
