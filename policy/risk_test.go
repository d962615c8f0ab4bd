package policy

import (
	"math"
	"slices"
	"testing"
)

func scoreOf(t *testing.T, changes ...func(*Input)) int { return scoreWithin(t, 0, changes...) }

func scoreWithin(t *testing.T, limit int, changes ...func(*Input)) int {
	t.Helper()
	r, err := readRatings(must(baseModules()).points)
	if err != nil {
		t.Fatal(err)
	}
	c := call(changes...)
	sum := r.rate(&c, understood(c.Plan), limit)
	total := 0
	for _, c := range sum.reasons {
		if c != nil {
			total += c.Points
		}
	}
	if total != sum.score || sum.score < 0 || sum.score > 100 {
		t.Errorf("score %d, reasons that add up to %d", sum.score, total)
	}
	return sum.score
}

func withEffect(effect string) func(*Input) { return func(in *Input) { in.Plan.Effect = effect } }
func ofKinds(kinds ...string) func(*Input)  { return func(in *Input) { in.Plan.Kinds = kinds } }
func accessed(how string) func(*Input)      { return func(in *Input) { in.Plan.Objects[0].Access = how } }
func targetLabels(labels ...string) func(*Input) {
	return func(in *Input) { in.Target.Labels = labels }
}
func environment(name string) func(*Input) { return func(in *Input) { in.Target.Environment = name } }

// A value that a table does not know is rated high, never left out.
func TestUnknownIsRatedHigh(t *testing.T) {
	read, change := scoreOf(t), scoreOf(t, update)
	if read != 20 {
		t.Errorf("a read in production: %d", read)
	}
	for name, tt := range map[string]struct{ got, least int }{
		"effect":                    {scoreOf(t, withEffect("peek")), 40},
		"kind":                      {scoreOf(t, ofKinds("peek")), 40},
		"kind beside a known one":   {scoreOf(t, ofKinds("select", "peek")), 40},
		"kind before a known one":   {scoreOf(t, ofKinds("peek", "select")), 40},
		"environment":               {scoreOf(t, environment("moon")), read},
		"no environment":            {scoreOf(t, environment("")), read},
		"label":                     {scoreOf(t, labelled("a_word_of_our_own")), read + 1},
		"access":                    {scoreOf(t, update, accessed("peek"), labelled("email")), change + 1},
		"construct":                 {scoreOf(t, environment("development"), func(in *Input) { in.Plan.Unknown = []string{"x"} }), 40},
		"rows are not few":          {scoreOf(t, update), scoreOf(t, update, rows(100, 0)) + 1},
		"negative rows are many":    {scoreOf(t, update, rows(-1, 0)), scoreOf(t, update, rows(1000001, 0))},
		"many rows of few":          {scoreOf(t, update, rows(math.MaxInt64, 10)), scoreOf(t, update, rows(1000001, 0))},
		"many rows of many":         {scoreOf(t, update, rows(math.MaxInt64, math.MaxInt64)), scoreOf(t, update, rows(1000001, 0))},
		"one row without a bound":   {scoreOf(t, update, unbounded, rows(1, 1)), 95},
		"no bound and a limit":      {scoreWithin(t, 1, update, unbounded), 95},
		"truncate never has one":    {scoreOf(t, update, ofKinds("truncate")), 95},
		"no label of the target":    {scoreOf(t, targetLabels("team-a")), read},
		"a known one of the target": {scoreOf(t, targetLabels("team-a", "Restricted")), read + 25},
	} {
		if tt.got < tt.least {
			t.Errorf("%s: %d, want at least %d", name, tt.got, tt.least)
		}
	}
}

func TestRisk(t *testing.T) {
	read, change := scoreOf(t), scoreOf(t, update)
	for name, tt := range map[string]struct{ got, want int }{
		"the strongest label counts, once":        {scoreOf(t, labelled("email", "credential", "internal")), read + 60},
		"a changed label counts a fifth more":     {scoreOf(t, update, labelled("confidential")), change + 18},
		"a rated label of the target":             {scoreOf(t, targetLabels("team-a", "restricted")), read + 25},
		"a free label of the target does not":     {scoreOf(t, targetLabels("team-a", "other")), read},
		"the strongest kind, not the sum":         {scoreOf(t, environment("development"), update, ofKinds("select", "update", "delete"), rows(1, 9)), 35},
		"unknown rows within a limit":             {scoreWithin(t, 100, environment("development"), update), 35},
		"a limit of the scope is not the rows":    {scoreWithin(t, 1000000, update, rows(1, 9)), scoreOf(t, update, rows(1, 9))},
		"clamped":                                 {scoreOf(t, update, unbounded, labelled("credential")), 100},
		"a fifth of the table is not more":        {scoreOf(t, update, rows(20, 100)), scoreOf(t, update, rows(20, 0))},
		"more than a fifth of the table":          {scoreOf(t, update, rows(21, 100)), scoreOf(t, update, rows(20, 0)) + 20},
		"a fifth of a table that is small":        {scoreOf(t, update, rows(10, 11)), scoreOf(t, update, rows(10, 0))},
		"two contributions of the same size, two": {scoreOf(t, update, labelled("restricted"), rows(1000001, 0)), change - 20 + 30 + 25},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d, want %d", name, tt.got, tt.want)
		}
	}
	if s := scoreOf(t, update, ofKinds("insert"), unbounded); s >= 95 {
		t.Errorf("an insert needs no bound: %d", s)
	}
}

// More rows never score less.
func TestMoreRowsNeverScoreLess(t *testing.T) {
	var scores []int
	for _, n := range []int64{0, 1, 2, 100, 101, 10000, 10001, 1000000, 1000001, math.MaxInt64} {
		scores = append(scores, scoreOf(t, update, rows(n, 0)))
	}
	if !slices.IsSorted(scores) {
		t.Error(scores)
	}
}

// The order of facts does not matter, also where two count the same.
func TestRiskDoesNotDependOnOrder(t *testing.T) {
	r, err := readRatings(must(baseModules()).points)
	if err != nil {
		t.Fatal(err)
	}
	development := environment("development") // not clamped
	a := call(development, update, rows(1, 9), ofKinds("delete", "merge", "update"), labelled("email", "ipv4", "internal"))
	b := call(development, update, rows(1, 9), ofKinds("update", "merge", "delete"), labelled("internal", "ipv4", "email"))
	if x, y := r.rate(&a, true, 0), r.rate(&b, true, 0); x != y {
		t.Errorf("%+v, %+v", x, y)
	}
}
