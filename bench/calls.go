package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// tableRows is the size of both tables.
const tableRows = 100_000

// workload is one kind of call, on each of its ways. The first way is what the others are compared with.
type workload struct {
	name    string
	callers []int
	ways    []way
	// what the design asks of governed / first way, p50 at one caller; "" where it asks nothing
	goal, stretch string
}

// way is one way to a target. call makes the n-th call; n is never the same twice.
type way struct {
	name string
	call func(ctx context.Context, n int64) error
	cpu  func() time.Duration // of the process that serves; nil: the caller itself
}

const (
	wayPgx      = "pgx"
	wayOff      = "governance off"
	wayGoverned = "governed"
)

// statement is a workload for PostgreSQL.
type statement struct {
	name          string
	rows          int
	sql           func(n int64) string // the n-th text
	goal, stretch string
}

var statements = []statement{
	{"point, new text each call", 1, func(n int64) string {
		return fmt.Sprintf("SELECT id, customer_id, status, total, placed_at FROM orders WHERE id = %d", 1+n%tableRows)
	}, "5.0", "4.0"},
	{"point, one text", 1, func(int64) string {
		return "SELECT id, customer_id, status, total, placed_at FROM orders WHERE id = 4711"
	}, "5.0", "4.0"},
	{"1,000 x 10", 1000, func(n int64) string {
		return fmt.Sprintf("SELECT * FROM orders WHERE id > %d ORDER BY id LIMIT 1000", n%16*1000)
	}, "", ""},
	{"masked, 100 x 10", 100, func(n int64) string {
		return fmt.Sprintf("SELECT * FROM customers WHERE id > %d ORDER BY id LIMIT 100", n%16*100)
	}, "", ""},
}

// workloads are the statements, and a command and a request where there is something to compare them with.
func (w *world) workloads() (out []workload) {
	for _, s := range statements {
		out = append(out, workload{name: s.name, callers: []int{1, callers}, goal: s.goal, stretch: s.stretch, ways: []way{
			{wayPgx, func(ctx context.Context, n int64) error { return w.direct(ctx, s.sql(n)) }, nil},
			{wayOff, func(ctx context.Context, n int64) error { return w.offline.query(ctx, s.sql(n), nil) }, w.off.cpu},
			{wayGoverned, func(ctx context.Context, n int64) error { return w.agent.query(ctx, s.sql(n), nil) }, w.gateway.cpu},
		}})
	}
	if w.host != nil {
		out = append(out, workload{name: "exec true", callers: []int{1}, goal: "1.5", stretch: "1.25", ways: []way{
			{"x/crypto/ssh, open connection", func(context.Context, int64) error { return w.host.run("true") }, nil},
			{wayGoverned, func(ctx context.Context, _ int64) error {
				return w.agent.call(ctx, "exec", map[string]any{"target": "host", "argv": []string{"true"}, "reason": "to measure it"}, nil)
			}, w.gateway.cpu},
		}})
	}
	return append(out, workload{name: "http GET, 100 objects", callers: []int{1, callers}, ways: []way{
		{"net/http", func(ctx context.Context, n int64) error { return w.api.get(ctx, n) }, nil},
		{wayGoverned, func(ctx context.Context, n int64) error {
			return w.agent.call(ctx, "http", map[string]any{"target": "api", "method": "GET", "path": apiPath(n)}, nil)
		}, w.gateway.cpu},
	}})
}

// direct runs a statement as a program with pgx does, every value decoded to a Go value.
func (w *world) direct(ctx context.Context, sql string) error {
	rows, err := w.pool.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if _, err := rows.Values(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// caseResult is one workload on one way with so many callers. Each slice has one element a round.
type caseResult struct {
	Workload string    `json:"workload"`
	Way      string    `json:"way"`
	Callers  int       `json:"callers"`
	P50      []float64 `json:"p50_us"`
	P99      []float64 `json:"p99_us"`
	Rate     []float64 `json:"calls_per_second"`
	CPU      []float64 `json:"cpu_us_per_call,omitempty"` // of the serving process; of the caller where it serves itself

	Base          string `json:"base"` // the way it is compared with
	Goal, Stretch string `json:"-"`

	way    way
	stages *stageResult // governed only
}

func (r *report) measureCalls(ctx context.Context, o options, w *world, say func(string, ...any)) error {
	for _, load := range w.workloads() {
		for _, n := range load.callers {
			for _, v := range load.ways {
				c := &caseResult{Workload: load.name, Way: v.name, Callers: n, Goal: load.goal, Stretch: load.stretch, Base: load.ways[0].name, way: v}
				if !o.cases.MatchString(fmt.Sprintf("%s/%s/%d", load.name, v.name, n)) {
					continue
				}
				if v.name == wayGoverned {
					c.stages = &stageResult{Workload: load.name, Callers: n, Mean: map[string]float64{}}
					r.Stages = append(r.Stages, c.stages)
				}
				r.Cases = append(r.Cases, c)
			}
		}
	}
	if err := w.check(ctx); err != nil {
		return err
	}
	total := time.Duration(o.rounds+1) * time.Duration(len(r.Cases)) * o.time
	say("%d cases, %d rounds of %s each and one to warm up: about %s ...", len(r.Cases), o.rounds, o.time, total.Round(time.Second))
	var calls atomic.Int64
	for round := range o.rounds + 1 {
		for i := range r.Cases {
			c := r.Cases[(i+round)%len(r.Cases)] // each round begins one case later
			d := o.time
			if round == 0 {
				d = min(d, 200*time.Millisecond)
			}
			if err := c.sample(ctx, w, d, round > 0, &calls); err != nil {
				return fmt.Errorf("%s, %s, %d callers: %w", c.Workload, c.Way, c.Callers, err)
			}
		}
		if round > 0 {
			say("  round %d of %d", round, o.rounds)
		}
	}
	return nil
}

// check makes sure that every way gives whole answers before anything is timed.
func (w *world) check(ctx context.Context) error {
	for _, load := range statements {
		for name, a := range map[string]*agent{wayOff: w.offline, wayGoverned: w.agent} {
			if err := a.query(ctx, load.sql(0), complete(load.rows)); err != nil {
				return fmt.Errorf("%s, %s: %w", load.name, name, err)
			}
		}
	}
	return nil
}

// sample runs a case for d and, when keep is set, adds what was measured.
func (c *caseResult) sample(ctx context.Context, w *world, d time.Duration, keep bool, calls *atomic.Int64) error {
	cpu := c.way.cpu
	if cpu == nil {
		cpu = ownCPU
	}
	var before stageSums
	var err error
	if c.stages != nil {
		if before, err = w.stages(ctx); err != nil {
			return err
		}
	}
	used := cpu()
	took, elapsed, err := drive(ctx, c.Callers, d, func(ctx context.Context) error { return c.way.call(ctx, calls.Add(1)) })
	used = cpu() - used
	if err != nil || !keep {
		return err
	}
	slices.Sort(took)
	n := float64(len(took))
	c.P50 = append(c.P50, micros(took[len(took)/2]))
	c.P99 = append(c.P99, micros(took[len(took)*99/100]))
	c.Rate = append(c.Rate, n/elapsed.Seconds())
	if used > 0 {
		c.CPU = append(c.CPU, micros(used)/n)
	}
	if c.stages != nil {
		after, err := w.stages(ctx)
		if err != nil {
			return err
		}
		c.stages.add(before, after, took)
	}
	return nil
}

// drive calls f from so many callers for d, and returns how long each call took.
func drive(ctx context.Context, callers int, d time.Duration, f func(context.Context) error) (took []time.Duration, elapsed time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	per := make([][]time.Duration, callers)
	begun := time.Now()
	for i := range callers {
		wg.Go(func() {
			for at := time.Now(); at.Sub(begun) < d && ctx.Err() == nil; {
				if err := f(ctx); err != nil {
					cancel(err)
					return
				}
				now := time.Now()
				per[i] = append(per[i], now.Sub(at))
				at = now
			}
		})
	}
	wg.Wait()
	elapsed = time.Since(begun)
	if err := context.Cause(ctx); err != nil {
		return nil, 0, err
	}
	return slices.Concat(per...), elapsed, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
