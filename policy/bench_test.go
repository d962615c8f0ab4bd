package policy

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkDecide is a whole uncached decision. Goals: 50 us with 20 scopes, p99 below 1 ms with 500.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{20, 500} {
		for name, in := range map[string]Input{"read": call(), "update": call(update, rows(1, 1000)), "denied": call(update, unbounded)} {
			b.Run(fmt.Sprintf("scopes=%d/%s", n, name), func(b *testing.B) { benchmarkDecide(b, n, in, false) })
			b.Run(fmt.Sprintf("remembered/scopes=%d/%s", n, name), func(b *testing.B) { benchmarkDecide(b, n, in, true) })
		}
	}
}

func benchmarkDecide(b *testing.B, n int, in Input, remembered bool) {
	scopes := []Scope{onCall(), onCall(func(s *Scope) {
		s.Name, s.Allow, s.ObjectsAllow = "support", []string{"read"}, []string{"public.*", "app.orders"}
	})}
	for i := len(scopes); i < n; i++ { // all on the same target, for other people: the index by target alone does not help
		scopes = append(scopes, onCall(func(s *Scope) { s.Name, s.Who.Groups = fmt.Sprintf("team-%d", i), []string{fmt.Sprintf("team-%d", i)} }))
	}
	e := newTestEngine(b, scopes...)
	if !remembered {
		e.cache = nil
	}
	ctx := context.Background()
	took := make([]time.Duration, 0, 1<<16)
	for b.Loop() {
		start := time.Now()
		if _, err := e.Decide(ctx, in); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

// BenchmarkDecideWithRego is what rules of the operator's own cost: some on facts, whose decisions are remembered, and one on the time, which
// is asked about every call.
func BenchmarkDecideWithRego(b *testing.B) {
	facts := `votes contains {"decision": "ask", "id": "audit", "reason": "the audit tables"} if {
	some o in input.plan.objects
	startswith(o.name, "audit.")
}

limits contains {"rows": 100}`
	clock := `votes contains {"decision": "deny", "id": "weekend", "reason": "no changes at the weekend"} if {
	input.plan.effect != "read"
	time.weekday(time.parse_rfc3339_ns(input.call.time)) in {"Saturday", "Sunday"}
}`
	in := call(update, rows(1, 1000))
	for _, bb := range []struct {
		name       string
		modules    []string
		remembered bool
	}{
		{"none", nil, false}, {"facts", []string{facts}, false}, {"facts+clock", []string{facts, clock}, false},
		{"remembered/none", nil, true}, {"remembered/facts", []string{facts}, true}, {"remembered/facts+clock", []string{facts, clock}, true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			e := newTestEngine(b, onCall())
			if bb.modules != nil {
				e = withRego(b, false, onCall(), bb.modules...)
			}
			if !bb.remembered {
				e.cache = nil
			}
			for b.Loop() {
				if _, err := e.Decide(context.Background(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
