package query

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"sallyport/tools"
)

// memory keeps leases and records of one test, as the store does durably.
type memory struct {
	mu     sync.Mutex
	leases map[string]Lease
	events []string
}

func (m *memory) PutLease(_ context.Context, l Lease) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leases[l.Name] = l
	return nil
}

func (m *memory) DropLease(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.leases, name)
	return nil
}

func (m *memory) Leases(context.Context) ([]Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.leases)), nil
}

func (m *memory) record(_ context.Context, c tools.Credential) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, c.Session+" "+c.Event)
	return nil
}

// TestARoleForEachSession: issue 6. A session's role lives from its first statement to its end; a restarted gateway finds what is left.
func TestARoleForEachSession(t *testing.T) {
	mem := &memory{leases: map[string]Lease{}}
	roles := func() *Roles {
		r, err := NewRoles(RolesConfig{Leases: mem, Record: mem.record, Instance: "one", Log: slog.New(slog.DiscardHandler), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := roles()
	f := open(t, "CREATE TABLE items (id int); INSERT INTO items VALUES (1); DROP SCHEMA IF EXISTS sallyport CASCADE;"+SetupSQL("jit_broker", "jit_ro")+SetupSQL("jit_broker", "jit_ro")+
		"GRANT USAGE ON SCHEMA public TO jit_ro; GRANT SELECT ON items TO jit_ro", func(tgt *Target) {
		tgt.User, tgt.JIT = "", &JIT{Broker: Login{User: "jit_broker"}, Profile: "jit_ro", Roles: first}
	})
	read := func(session string) (string, error) {
		tool := f.db.Reads()
		p, facts, err := f.facts(tool, "SELECT id FROM items")
		if err != nil {
			return "", err
		}
		res, err := tool.Run(t.Context(), p, facts, tools.Obligations{CallID: "c", Session: session, Limits: tools.Limits{}})
		if err != nil {
			return "", err
		}
		defer res.Close()
		out, err := res.Render(t.Context(), plainMask{})
		if err != nil {
			return "", err
		}
		return onlyRows(t, out), nil
	}
	count := func() string {
		return f.one("SELECT count(*) FROM pg_roles WHERE rolname ~ '^sallyport_s_' AND rolcanlogin")
	}
	for _, session := range []string{"ann-1", "bob-1", "ann-1"} {
		if got, err := read(session); err != nil || got != "[[1]]" {
			t.Fatalf("%s: %s %v", session, got, err)
		}
	}
	if n := count(); n != "3" { // ann, bob, the gateway
		t.Errorf("%s roles", n)
	}
	if err := f.db.Reads().EndSession(t.Context(), "ann-1"); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != "2" {
		t.Errorf("after the end of one: %s roles", n)
	}
	if _, err := read("ann-1"); err == nil {
		t.Error("a session that ended was opened again")
	}
	if _, err := read("bob-1"); err != nil {
		t.Errorf("the other session: %v", err)
	}
	if err := first.Reap(t.Context()); err != nil || count() != "2" {
		t.Errorf("what is used was revoked: %v, %s roles", err, count())
	}
	// The gateway is gone; another run of it has the leases, and not the roles.
	second := roles()
	again := f.target
	again.JIT = &JIT{Broker: Login{User: "jit_broker"}, Profile: "jit_ro", Roles: second}
	f.gateway(again)
	if err := second.Reap(t.Context()); err != nil || count() != "0" || len(mem.leases) != 0 {
		t.Errorf("after a restart: %v, %s roles, leases %v", err, count(), mem.leases)
	}
	if !slices.Contains(mem.events, "ann-1 issued") || !slices.Contains(mem.events, "ann-1 revoked") || !slices.Contains(mem.events, "bob-1 revoked") {
		t.Errorf("recorded: %v", mem.events)
	}
	// The broker ends no other role.
	b := second.brokers[brokerKey{"db", slices.Collect(maps.Keys(second.brokers))[0].place}]
	if _, err := b.revoke(t.Context(), agentRole); err == nil {
		t.Error("the broker disabled a role that is not a session's")
	}
	if err := second.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
