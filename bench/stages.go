package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// stageResult is where the time of a governed call went, as means over all rounds in microseconds. The gateway's own metrics say it;
// what is left of the caller's time is HTTP, JSON-RPC, the token, and the caller itself.
type stageResult struct {
	Workload string             `json:"workload"`
	Callers  int                `json:"callers"`
	Calls    float64            `json:"calls"`
	Mean     map[string]float64 `json:"mean_us"` // plan, inspect, decide, intent, run, record; "call" is all of them and what is between; "caller" is the whole
}

// stageNames in the order of the pipeline.
var stageNames = []string{"plan", "inspect", "decide", "intent", "run", "record"}

// stageSums are the gateway's counters: seconds by stage, and calls.
type stageSums map[string]float64

// stages reads the gateway's metrics.
func (w *world) stages(ctx context.Context) (stageSums, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.metrics, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read the gateway's metrics: %w", err)
	}
	defer resp.Body.Close()
	names := map[string]string{}
	for _, tool := range []string{"query", "exec", "http"} {
		names[`sallyport_call_seconds_sum{tool="`+tool+`"}`], names[`sallyport_call_seconds_count{tool="`+tool+`"}`] = "call", "calls"
	}
	for _, s := range stageNames {
		names[`sallyport_stage_seconds_sum{stage="`+s+`"}`] = s
	}
	sums := stageSums{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if stage, ok := names[name]; ok {
			x, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return nil, fmt.Errorf("read the gateway's metrics: %s: %w", name, err)
			}
			sums[stage] += x // the tools together: only one is called at a time
		}
	}
	return sums, nil
}

// add joins one round to the means.
func (s *stageResult) add(before, after stageSums, took []time.Duration) {
	n := after["calls"] - before["calls"]
	if n <= 0 {
		return
	}
	join := func(name string, sum float64) {
		s.Mean[name] = (s.Mean[name]*s.Calls + sum) / (s.Calls + n)
	}
	for _, name := range append([]string{"call"}, stageNames...) {
		join(name, (after[name]-before[name])*1e6)
	}
	var all time.Duration
	for _, t := range took {
		all += t
	}
	join("caller", micros(all)/float64(len(took))*n)
	s.Calls += n
}
