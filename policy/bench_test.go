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
