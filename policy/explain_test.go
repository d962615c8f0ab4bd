package policy

import (
	"slices"
	"testing"
)

// TestExplainAgreesWithDecide: the explanation of a decision is about that decision, its points add up, and the guard or scope that decided
// is among those it shows.
func TestExplainAgreesWithDecide(t *testing.T) {
	e, err := New(t.Context(), Config{EvalTimeout: patient, Targets: []TargetInfo{{Name: "orders-db", Kind: "postgres"}}, Scopes: []Scope{
		{Name: "support", Who: Who{Groups: []string{"support"}}, Targets: []string{"orders-db"}, Allow: []string{"read", "write"}, ObjectsAllow: []string{"public.orders"},
			Approval: &Requirement{From: []string{"dba"}, Count: 1, WithinS: 60}},
		{Name: "ledger", Who: Who{Groups: []string{"support"}}, Targets: []string{"orders-db"}, Allow: []string{"read"},
			Deny: []DenyRule{{Objects: []string{"public.ledger"}, Reason: "not for agents"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	in := func(effect, object string, labels ...string) Input {
		return Input{Version: 1, Principal: Principal{Subject: "maria", Groups: []string{"support"}}, Target: Target{Name: "orders-db", Kind: "postgres"},
			Plan: Plan{Understood: true, Effect: effect, Bounded: true, Reversible: true, Objects: []Object{{Type: "table", Name: object, Access: effect, Labels: labels}}}}
	}
	unclear := in("read", "public.orders")
	unclear.Plan.Understood, unclear.Plan.Unknown = false, []string{"function f"}
	stranger := in("read", "public.orders")
	stranger.Principal.Groups = nil
	for name, tt := range map[string]struct {
		in     Input
		rule   string
		hit    []string // guards
		covers []string // scopes
	}{
		"a read":                 {in("read", "public.orders"), "score", nil, []string{"ledger", "support"}},
		"a write":                {in("write", "public.orders"), "score", nil, []string{"support"}},
		"a write somewhere else": {in("write", "public.customers"), "no-scope", nil, nil},
		"a deny rule":            {in("read", "public.ledger"), "deny:ledger/1", []string{"deny:ledger/1"}, []string{"ledger"}},
		"a credential":           {in("read", "public.orders", "credential"), "guard:credential", []string{"guard:credential"}, []string{"ledger", "support"}},
		"an effect":              {in("define", "public.orders"), "guard:effect", []string{"guard:effect"}, nil},
		"not understood":         {unclear, "guard:not-understood", []string{"deny:ledger/1", "guard:not-understood", "guard:effect"}, nil},
		"a stranger":             {stranger, "no-scope", nil, nil},
	} {
		x, err := e.Explain(t.Context(), tt.in)
		d, again := e.Decide(t.Context(), tt.in)
		if err != nil || again != nil {
			t.Fatalf("%s: %v, %v", name, err, again)
		}
		var hit, covers []string
		for _, g := range x.Guards {
			if g.Text == "" {
				t.Errorf("%s: guard %s says nothing", name, g.ID)
			}
			if g.Hit {
				hit = append(hit, g.ID)
			}
		}
		for _, m := range x.Scopes {
			if m.Covers() {
				covers = append(covers, m.Scope)
			}
			if m.Decides != (m.Scope == d.Scope) {
				t.Errorf("%s: scope %s, and the decision's is %q", name, m.Scope, d.Scope)
			}
		}
		if x.Decision.Rule != tt.rule || d.Rule != tt.rule || x.Decision.Verdict != d.Verdict || x.Decision.Score != d.Score {
			t.Errorf("%s: explained as %+v, decided as %+v, want rule %s", name, x.Decision, d, tt.rule)
		}
		if !slices.Equal(hit, tt.hit) || !slices.Equal(covers, tt.covers) {
			t.Errorf("%s: guards %v, scopes %v; want %v, %v", name, hit, covers, tt.hit, tt.covers)
		}
		sum := 0
		for _, r := range x.Decision.Reasons {
			sum += r.Points
		}
		if sum != x.Decision.Score {
			t.Errorf("%s: points add up to %d, the score is %d", name, sum, x.Decision.Score)
		}
	}
}
