package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// The names are OPA's, so that what reads its decision logs reads this.
func TestADecisionIsLoggedAsOPADoes(t *testing.T) {
	e, err := New(t.Context(), Config{Targets: []TargetInfo{{Name: "db", Kind: "postgres"}},
		Scopes: []Scope{{Name: "all", Who: Who{Groups: []string{"ops"}}, Targets: []string{"db"}, Allow: []string{"read"}, Risk: DefaultThresholds}}})
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Version: 1, Call: Call{ID: "c1", Tool: "query", Time: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}, Target: Target{Name: "db", Kind: "postgres"},
		Principal: Principal{Issuer: "https://idp", Subject: "maria", Groups: []string{"ops"}, Claims: map[string]json.RawMessage{"phone": json.RawMessage(`"SECRET"`)}},
		Plan:      Plan{Understood: true, Effect: "read", Bounded: true, Reversible: true}}
	d, err := e.Decide(t.Context(), in)
	if err != nil || d.Verdict != Allow {
		t.Fatalf("%+v %v", d, err)
	}
	var out bytes.Buffer
	log := NewDecisionLog(&out, map[string]string{"id": "gw-1"}, func(err error) { t.Error(err) })
	log.Record(e, in, d, nil, time.Millisecond)
	log.Record(e, in, Decision{}, errors.New("no decision"), time.Millisecond)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || strings.Contains(out.String(), "SECRET") || in.Principal.Claims == nil {
		t.Fatalf("%s", out.String())
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"labels", "decision_id", "revision", "bundles", "path", "input", "result", "erased", "requested_by", "timestamp", "metrics"} {
		if m[name] == nil {
			t.Errorf("no %s in %s", name, lines[0])
		}
	}
	if r := m["result"].(map[string]any); r["verdict"] != "allow" {
		t.Errorf("%v", r)
	}
	if !strings.Contains(lines[1], `"error":{"message":"no decision"}`) || strings.Contains(lines[1], `"result"`) {
		t.Errorf("%s", lines[1])
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestADecisionThatCannotBeLoggedIsTold(t *testing.T) {
	e, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	NewDecisionLog(full{}, nil, func(error) { told++ }).Record(e, Input{}, Decision{}, nil, 0)
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	(*DecisionLog)(nil).Record(e, Input{}, Decision{}, nil, 0)
}
