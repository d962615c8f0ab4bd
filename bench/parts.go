package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/audit"
	"sallyport/masking"
	"sallyport/policy"
	"sallyport/store"
)

// scopes is how many the gateway and the policy benchmark have.
const scopes = 20

// partResult is one part of the gateway by itself, in this process. Figures has one element a round.
type partResult struct {
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	Figures []float64 `json:"figures"`
}

// part is measured once a round.
type part struct {
	name, unit string
	measure    func(ctx context.Context, d time.Duration) (float64, error)
}

func (r *report) measureParts(ctx context.Context, o options, say func(string, ...any)) (err error) {
	dir, err := os.MkdirTemp("", "sallyport-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	parts, err := policyParts(ctx)
	if err != nil {
		return err
	}
	masks, err := maskingParts()
	if err != nil {
		return err
	}
	records, closeRecords, err := recordParts(ctx, dir)
	if err != nil {
		return err
	}
	defer closeRecords()
	parts = append(append(parts, masks...), records...)
	say("parts by themselves: %d, %d rounds ...", len(parts), o.rounds)
	for _, p := range parts {
		r.Parts = append(r.Parts, &partResult{Name: p.name, Unit: p.unit})
	}
	for round := range o.rounds {
		for i := range parts {
			i = (i + round) % len(parts)
			x, err := parts[i].measure(ctx, o.time)
			if err != nil {
				return fmt.Errorf("%s: %w", parts[i].name, err)
			}
			r.Parts[i].Figures = append(r.Parts[i].Figures, x)
		}
	}
	return ctx.Err()
}

// perCall runs f for d and returns the processor time of one call in microseconds: on a machine that others use, the only fair clock.
func perCall(ctx context.Context, d time.Duration, f func() error) (float64, error) {
	n, used := 0, ownCPU()
	for begun := time.Now(); time.Since(begun) < d && ctx.Err() == nil; n++ {
		if err := f(); err != nil {
			return 0, err
		}
	}
	return micros(ownCPU()-used) / float64(max(n, 1)), nil
}

// policyOf has n scopes on one target, one of them for the caller.
func policyOf(n int) policy.Config {
	cfg := policy.Config{Uncached: true, Targets: []policy.TargetInfo{{Name: "bench", Kind: "postgres", Environment: "production"}}}
	for i := range n {
		name := fmt.Sprintf("team-%d", i)
		cfg.Scopes = append(cfg.Scopes, policy.Scope{Name: name, Who: policy.Who{Groups: []string{name}}, Targets: []string{"bench"}, Allow: []string{"read", "write"},
			ObjectsAllow: []string{"public.*"}, Approval: &policy.Requirement{From: []string{"leads"}, Count: 1, WithinS: 1800}})
	}
	return cfg
}

// policyParts decides about a point read, as the gateway asks it.
func policyParts(ctx context.Context) ([]part, error) {
	in := policy.Input{
		Version: 1, Call: policy.Call{Tool: "query"}, Principal: policy.Principal{Issuer: "https://login.example.com", Subject: "maria", Groups: []string{"team-7", "staff"}},
		Target: policy.Target{Name: "bench", Kind: "postgres", Environment: "production"},
		Plan: policy.Plan{Understood: true, Effect: "read", Kinds: []string{"select"}, Bounded: true, Reversible: true, Objects: []policy.Object{
			{Type: "table", Name: "public.orders", Columns: []string{"id", "customer_id", "status", "total", "placed_at"}, Access: "read"}}},
	}
	var parts []part
	for name, uncached := range map[string]bool{partDecide: true, partRemembered: false} {
		cfg := policyOf(scopes)
		cfg.Uncached = uncached
		e, err := policy.New(ctx, cfg)
		if err != nil {
			return nil, err
		}
		n := 0
		parts = append(parts, part{name, "us of processor", func(ctx context.Context, d time.Duration) (float64, error) {
			return perCall(ctx, d, func() error {
				n++
				in.Call.ID, in.Call.Time = fmt.Sprintf("call-%d", n), time.Now().UTC() // another call each time
				got, err := e.Decide(ctx, in)
				if err == nil && got.Verdict != policy.Allow {
					err = fmt.Errorf("an ordinary read was decided %s", got.Verdict)
				}
				return err
			})
		}})
	}
	many, err := policy.New(ctx, policyOf(500))
	if err != nil {
		return nil, err
	}
	parts = append(parts, part{partDecideMany, "us", func(ctx context.Context, d time.Duration) (float64, error) {
		in := in
		took, _, err := drive(ctx, 1, d, func(ctx context.Context) error {
			in.Call.Time = time.Now().UTC()
			_, err := many.Decide(ctx, in)
			return err
		})
		if err != nil || len(took) == 0 {
			return 0, err
		}
		slices.Sort(took)
		return micros(took[len(took)*99/100]), nil
	}})
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.name, b.name) })
	return parts, nil
}

// maskingParts scans three kinds of text as the query tool does it, value by value.
func maskingParts() ([]part, error) {
	e, err := masking.New(masking.Config{})
	if err != nil {
		return nil, err
	}
	e.SetSecrets(map[string][]byte{"targets.bench.password": []byte("Tr0ub4dor&3")})
	var cells, dense, log [][]byte
	var page strings.Builder
	for i := range 4000 {
		cell := fmt.Sprintf("customer %d of the shop in town", i)
		if i%100 == 0 {
			cell = fmt.Sprintf("customer%d@example.com asked again", i)
		}
		cells = append(cells, []byte(cell))
		dense = append(dense, fmt.Appendf(nil, "%d,ann.smith%d@example.com,123-45-%04d,4111 1111 1111 1111,note", i, i, i%9000+1))
		fmt.Fprintf(&page, "Jan %2d 10:00:%02d web-1 nginx[%d]: GET /v1/orders/%d?limit=50 HTTP/1.1 200 %d \"Mozilla/5.0\" rt=0.%03d\n", i%28+1, i%60, 1000+i, i, i*13, i%1000)
		if page.Len() > 16<<10 {
			log = append(log, []byte(page.String()))
			page.Reset()
		}
	}
	var parts []part
	for _, corpus := range []struct {
		name  string
		texts [][]byte
	}{{"cells, 1 in 100 hits", cells}, {"log, 16 KiB pages", log}, {"dense personal data", dense}} {
		size := 0
		for _, t := range corpus.texts {
			size += len(t)
		}
		m, dst := e.For("bench"), make([]byte, 0, 1<<20)
		parts = append(parts, part{"masking: " + corpus.name, "MB/s of one core", func(ctx context.Context, d time.Duration) (float64, error) {
			us, err := perCall(ctx, d, func() error {
				for _, t := range corpus.texts {
					dst = m.Text(dst[:0], t)
				}
				return nil
			})
			return float64(size) / us, err
		}})
	}
	return parts, nil
}

// recordParts compares the audit log with the least a durable record costs: one write and one fdatasync.
func recordParts(ctx context.Context, dir string) ([]part, func(), error) {
	s, err := store.Open(ctx, store.Config{Dir: filepath.Join(dir, "state"), Origin: "bench.invalid", Now: time.Now, Log: slog.New(slog.DiscardHandler), ReplayWindow: time.Minute})
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	rec := audit.Record{
		Entry: audit.Entry{
			Kind: audit.KindOutcome, Call: "0199c0de-0000-7000-8000-000000000000", Session: "0199c0de-0000-7000-8000-000000000001", Tool: "query", Target: "bench",
			Principal: &audit.Principal{Issuer: "https://login.example.com", Subject: "maria", Groups: []string{"readers", "staff"}, Client: "bench"},
			Statement: "SELECT id, customer_id, status, total, placed_at FROM orders WHERE id = $1", Objects: []string{"read public.orders"},
			Decision: &audit.Decision{Verdict: "allow", Scope: "readers", Rule: "scope", Score: 10, Revision: "0123456789abcdef"},
			Outcome:  &audit.Outcome{Status: "ok", Target: "SELECT 1", Rows: 1, Affected: -1, Bytes: 400, ElapsedUS: 400},
		},
		Body: &audit.Body{Text: "SELECT id, customer_id, status, total, placed_at FROM orders WHERE id = 4711", Result: []byte(strings.Repeat("x", 400))},
	}
	line := []byte(strings.Repeat("x", 617))
	var mu sync.Mutex
	each := func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if _, err := f.Write(line); err != nil {
			return err
		}
		return datasync(f)
	}
	rate := func(n int, write func(context.Context) error) func(context.Context, time.Duration) (float64, error) {
		return func(ctx context.Context, d time.Duration) (float64, error) {
			took, elapsed, err := drive(ctx, n, d, write)
			return float64(len(took)) / elapsed.Seconds(), err
		}
	}
	appendOne := func(ctx context.Context) error { return s.Append(ctx, rec) }
	parts := []part{
		{partSync1, "records/s", rate(1, each)},
		{partAudit1, "records/s", rate(1, appendOne)},
		{partSync16, "records/s", rate(callers, each)},
		{partAudit16, "records/s", rate(callers, appendOne)},
	}
	return parts, func() { f.Close(); s.Close() }, nil
}

const (
	partDecide     = "policy decision, 20 scopes, not remembered"
	partRemembered = "policy decision, 20 scopes, remembered"
	partDecideMany = "policy decision, 500 scopes, not remembered, p99"

	partSync1   = "fdatasync for each record, 1 caller"
	partAudit1  = "audit append, 1 caller"
	partSync16  = "fdatasync for each record, 16 callers"
	partAudit16 = "audit append, 16 callers"
)
