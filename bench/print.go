package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// print writes the report for people: first what was asked for, goals and measured, then where it comes from.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s, %d CPUs, %s, load before %s, after %s; %d rounds of %s a case, took %s\n",
		r.Begun.Format("2006-01-02 15:04 MST"), r.Machine.CPUs, r.Machine.Go, r.Machine.LoadBefore, r.Machine.LoadAfter, r.Rounds, r.Sample, r.Took)
	r.printGoals(w)
	r.printCases(w)
	r.printStages(w)
	r.printMemory(w)
	r.printParts(w)
}

func table(w io.Writer, title, header string) *tabwriter.Writer {
	fmt.Fprintf(w, "\n%s\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, strings.ReplaceAll(header, "|", "\t")+"\t")
	return t
}

func (r *report) printGoals(w io.Writer) {
	t := table(w, "goals (ratios are medians of the ratios within a round, lowest and highest in brackets)", "measure|goal|stretch|measured")
	defer t.Flush()
	for _, g := range r.goals() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", g.measure, g.goal, g.stretch, g.measured)
	}
}

type goal struct{ measure, goal, stretch, measured string }

// goals are those of the design that this run can measure. Comparisons with other products need those products.
func (r *report) goals() (out []goal) {
	for _, c := range r.governed(1) {
		out = append(out, goal{c.Workload + ": governed / " + c.Base + ", p50, 1 caller", c.Goal, c.Stretch, r.ratio(c, c.Base, p50)})
	}
	for _, c := range r.governed(1) {
		one, stretch := "", ""
		if c.Goal != "" { // those that are compared with pgx as well
			one, stretch = "1.7", "1.4"
		}
		out = append(out, goal{c.Workload + ": governed / governance off, p50, 1 caller", one, stretch, r.ratio(c, wayOff, p50)})
	}
	for _, c := range r.governed(callers) {
		out = append(out, goal{c.Workload + ": governed / governance off, calls/s, 16 callers", "", "", r.ratio(c, wayOff, rate)})
	}
	for _, m := range r.Memory {
		if m.Way == wayGoverned {
			out = append(out, goal{"memory growth, masked result of 100,000 rows", "16 MiB", "4 MiB", mebibytes(m.Growth)})
		}
	}
	for _, p := range r.Parts {
		switch x := median(p.Figures); {
		case p.Name == partDecide:
			out = append(out, goal{p.Name, "50 us", "36 us", fmt.Sprintf("%.0f us", x)})
		case strings.HasPrefix(p.Name, "masking"):
			out = append(out, goal{p.Name, "300 MB/s", "400 MB/s", fmt.Sprintf("%.0f MB/s", x)})
		case p.Name == partAudit16:
			out = append(out, goal{"audit appends/s / fdatasync for each record, 16 callers", "5", "10", ratios(p.Figures, r.part(partSync16))})
		}
	}
	return slices.DeleteFunc(out, func(g goal) bool { return g.measured == "" })
}

func p50(c *caseResult) []float64  { return c.P50 }
func rate(c *caseResult) []float64 { return c.Rate }

// governed are the cases of the gateway with n callers.
func (r *report) governed(n int) (out []*caseResult) {
	for _, c := range r.Cases {
		if c.Way == wayGoverned && c.Callers == n {
			out = append(out, c)
		}
	}
	return out
}

// ratio of a case to the same on another way; "" when that was not measured.
func (r *report) ratio(c *caseResult, to string, of func(*caseResult) []float64) string {
	other := r.find(c.Workload, to, c.Callers)
	if other == nil {
		return ""
	}
	return ratios(of(c), of(other))
}

func (r *report) find(load, way string, n int) *caseResult {
	for _, c := range r.Cases {
		if c.Workload == load && c.Way == way && c.Callers == n {
			return c
		}
	}
	return nil
}

func (r *report) part(name string) []float64 {
	for _, p := range r.Parts {
		if p.Name == name {
			return p.Figures
		}
	}
	return nil
}

// ratios is the median of a[i]/b[i], with the range.
func ratios(a, b []float64) string {
	var q []float64
	for i := range min(len(a), len(b)) {
		q = append(q, a[i]/b[i])
	}
	if len(q) == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f [%.2f-%.2f]", median(q), slices.Min(q), slices.Max(q))
}

func (r *report) printCases(w io.Writer) {
	if len(r.Cases) == 0 {
		return
	}
	t := table(w, "calls (medians over the rounds; processor time is the serving process's, on the first way the caller's)", "call|callers|way|p50 us|p99 us|calls/s|cpu us/call|p50 / first|calls/s / first")
	defer t.Flush()
	for _, c := range r.Cases {
		name := c.Workload
		if c.Way != c.Base {
			name = ""
		}
		cpu := "-"
		if len(c.CPU) > 0 {
			cpu = thousands(median(c.CPU))
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", name, c.Callers, c.Way, thousands(median(c.P50)), thousands(median(c.P99)), thousands(median(c.Rate)), cpu,
			ratioOnly(r.ratio(c, c.Base, p50)), ratioOnly(r.ratio(c, c.Base, rate)))
	}
}

// ratioOnly leaves the range out.
func ratioOnly(s string) string { s, _, _ = strings.Cut(s, " "); return s }

func (r *report) printStages(w io.Writer) {
	if len(r.Stages) == 0 {
		return
	}
	t := table(w, "where the time of a governed call goes (means in us; transport is HTTP, JSON-RPC, the token and the caller itself)",
		"call|callers|"+strings.Join(stageNames, "|")+"|rest|transport|whole")
	defer t.Flush()
	for _, s := range r.Stages {
		fmt.Fprintf(t, "%s\t%d\t", s.Workload, s.Callers)
		rest := s.Mean["call"]
		for _, name := range stageNames {
			rest -= s.Mean[name]
			fmt.Fprintf(t, "%s\t", thousands(s.Mean[name]))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t\n", thousands(rest), thousands(s.Mean["caller"]-s.Mean["call"]), thousands(s.Mean["caller"]))
	}
}

func (r *report) printMemory(w io.Writer) {
	if len(r.Memory) == 0 {
		return
	}
	t := table(w, "one result of 100,000 x 10, two columns labelled, three times", "way|resident before|peak growth|answer|median ms")
	defer t.Flush()
	for _, m := range r.Memory {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", m.Way, mebibytes(m.Before), mebibytes(m.Growth), mebibytes(m.ReplySize), thousands(median(m.Took)))
	}
}

func (r *report) printParts(w io.Writer) {
	if len(r.Parts) == 0 {
		return
	}
	t := table(w, "parts by themselves", "part|median|unit")
	defer t.Flush()
	for _, p := range r.Parts {
		fmt.Fprintf(t, "%s\t%s\t%s\t\n", p.Name, thousands(median(p.Figures)), p.Unit)
	}
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(x))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func mebibytes(n int64) string {
	if n < 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// thousands writes 12,345; below ten with one decimal.
func thousands(x float64) string {
	if x < 10 {
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	s := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
