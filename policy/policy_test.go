package policy

import (
	"context"
	"testing"
	"time"
)

// patient is the evaluation time limit in tests: what they check must not depend on how loaded the machine is.
const patient = time.Minute

func newTestEngine(t testing.TB, scopes ...Scope) *Engine {
	t.Helper()
	e, err := New(context.Background(), Config{
		Targets: []TargetInfo{
			{Name: "orders-db", Kind: "postgres", Environment: "production"},
			{Name: "dev-db", Kind: "postgres", Environment: "development"},
			{Name: "bare-db", Kind: "postgres"},
		},
		Scopes: scopes, EvalTimeout: patient,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func decide(t testing.TB, e *Engine, in Input) Decision {
	t.Helper()
	d, err := e.Decide(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// onCall is the scope most tests begin with; each change returns a copy.
func onCall(changes ...func(*Scope)) Scope {
	s := Scope{
		Name: "on-call", Who: Who{Groups: []string{"sre"}}, Targets: []string{"orders-db", "dev-db", "bare-db"}, Allow: []string{"read", "write", "define"},
		Limits: Limits{Rows: 500}, Risk: Thresholds{Ask: 40, Deny: 95},
		Approval: &Requirement{From: []string{"dba"}, Count: 1, WithinS: 1800, Assurance: "chat"},
	}
	for _, change := range changes {
		change(&s)
	}
	return s
}

// call is an ordinary read of public.orders in production by somebody in group sre.
func call(changes ...func(*Input)) Input {
	in := Input{
		Version: 1, Call: Call{ID: "call-1", Tool: "query", Time: time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)},
		Principal: Principal{Issuer: "https://login.example.com", Subject: "ann", Groups: []string{"staff", "sre"}, Agent: "support-bot", Client: "desktop"},
		Target:    Target{Name: "orders-db", Kind: "postgres", Environment: "production"},
		Plan: Plan{Understood: true, Effect: "read", Kinds: []string{"select"}, Bounded: true, Reversible: true,
			Objects: []Object{{Type: "table", Name: "public.orders", Access: "read"}}},
	}
	for _, change := range changes {
		change(&in)
	}
	return in
}

func update(in *Input) { change(in, "update") }

func change(in *Input, kind string) {
	in.Call.Tool, in.Plan.Effect, in.Plan.Kinds = "query_write", "write", []string{kind}
	in.Plan.Objects[0].Access = "write"
}

func unbounded(in *Input) { in.Plan.Bounded = false }
func rows(n, of int64) func(*Input) {
	return func(in *Input) { in.Plan.Rows = &Rows{Exact: n, Table: of} }
}
func in(environment string) func(*Input) {
	return func(in *Input) {
		in.Target.Environment = environment
		in.Target.Name = map[string]string{"development": "dev-db", "": "bare-db"}[environment]
		if in.Target.Name == "" {
			in.Target.Name = "orders-db"
		}
	}
}
func notUnderstood(in *Input) {
	in.Plan.Understood, in.Plan.Unknown, in.Plan.Effect = false, []string{"function log_it"}, "unknown"
}
func labelled(labels ...string) func(*Input) {
	return func(in *Input) { in.Plan.Objects[0].Labels = labels }
}
func touching(name string) func(*Input) {
	return func(in *Input) { in.Plan.Objects[0].Name = name }
}
func approved(votes int) func(*Input) {
	return func(in *Input) { in.Approval = &Approval{State: "approved", Votes: votes} }
}
