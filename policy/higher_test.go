package policy

import (
	"context"
	"strings"
	"testing"
)

// higher asks for two, freshly logged in, from a score on.
func higher(risk int) func(*Scope) {
	return func(s *Scope) {
		s.Higher = append(s.Higher, Level{Risk: risk, Requirement: Requirement{From: []string{"dba", "sre-leads"}, Count: 2 + len(s.Higher), WithinS: 600, Assurance: "web_fresh"}})
	}
}

// TestWhoIsAskedDependsOnTheScore: an update in production scores 65, one of a single row 45.
func TestWhoIsAskedDependsOnTheScore(t *testing.T) {
	one := rows(1, 9)
	for name, tt := range map[string]struct {
		scopes  []Scope
		call    Input
		verdict Verdict
		scope   string
		count   int
	}{
		"below the level":               {[]Scope{scoped("a", higher(60))}, call(update, one), Ask, "a", 1},
		"from the level on":             {[]Scope{scoped("a", higher(65))}, call(update), Ask, "a", 2},
		"the highest that is reached":   {[]Scope{scoped("a", higher(50), higher(60), higher(90))}, call(update), Ask, "a", 3},
		"one yes is not two":            {[]Scope{scoped("a", higher(60))}, call(update, approved(1)), Ask, "a", 2},
		"two are":                       {[]Scope{scoped("a", higher(60))}, call(update, approved(2)), Allow, "a", 2},
		"a scope that needs fewer":      {[]Scope{scoped("a", higher(60)), scoped("b")}, call(update), Ask, "b", 1},
		"both at their levels, by name": {[]Scope{scoped("b", higher(60)), scoped("a", higher(60))}, call(update), Ask, "a", 2},
		"within a limit the score is lower, and so is the level": {[]Scope{scoped("a", higher(60), limited(1))}, call(update), Ask, "a", 1},
		"a read asks nobody whatever the levels":                 {[]Scope{scoped("a", higher(41))}, call(), Allow, "a", 0},
	} {
		d := decide(t, newTestEngine(t, tt.scopes...), tt.call)
		count := 0
		if d.Approval != nil {
			count = d.Approval.Count
		}
		if d.Verdict != tt.verdict || d.Scope != tt.scope || count != tt.count {
			t.Errorf("%s: %s scope %q count %d, want %s %q %d: %v", name, d.Verdict, d.Scope, count, tt.verdict, tt.scope, tt.count, d.Reasons)
		}
		sound(t, d)
		if tt.verdict == Ask && tt.count > 1 && (d.Approval.Assurance != "web_fresh" || !strings.Contains(d.Reasons[0].Text, "of dba or sre-leads")) {
			t.Errorf("%s: %+v %v", name, d.Approval, d.Reasons)
		}
	}
}

func TestALevelNeverAsksForLess(t *testing.T) {
	level := func(change func(*Level)) func(*Scope) {
		return func(s *Scope) {
			s.Approval.Count, s.Approval.Assurance = 2, "web"
			l := Level{Risk: 70, Requirement: Requirement{From: []string{"dba"}, Count: 2, WithinS: 60, Assurance: "web"}}
			change(&l)
			s.Higher = []Level{l}
		}
	}
	for name, s := range map[string]Scope{
		"fewer people":       scoped("a", level(func(l *Level) { l.Count = 1 })),
		"a weaker proof":     scoped("a", level(func(l *Level) { l.Assurance = "chat" })),
		"nobody":             scoped("a", level(func(l *Level) { l.From = nil })),
		"no time":            scoped("a", level(func(l *Level) { l.WithinS = 0 })),
		"where it allows":    scoped("a", level(func(l *Level) { l.Risk = 40 })),
		"where it refuses":   scoped("a", level(func(l *Level) { l.Risk = 95 })),
		"not in order":       scoped("a", higher(70), higher(60)),
		"higher than nobody": scoped("a", nobodyAsked, higher(70)),
	} {
		if _, err := New(context.Background(), Config{Targets: []TargetInfo{{Name: "orders-db", Kind: "postgres"}, {Name: "dev-db", Kind: "postgres"}, {Name: "bare-db", Kind: "postgres"}}, Scopes: []Scope{s}}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
