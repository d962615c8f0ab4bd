package policy

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// This file says how much could go wrong, as a sum of named points. It is a pure function of a call's facts and of the table of points
// (rego/points.json); Rego gets the result and decides with it. Each look-up has a default at the dangerous end: what is missing from a
// table must never score less than what is in it.

// risk is a score from 0 to 100, and what adds up to it.
type risk struct {
	score   int
	reasons [7]*contribution // what counts, then nil
}

// rate sums up. limit is how many rows the scope lets a write change, 0 for no limit of its own.
// further are contributions of the operator's own; they count, and are not among the reasons.
func (r *ratings) rate(in *Input, clear bool, limit int, further ...*contribution) risk {
	p := &in.Plan
	var sum risk
	n := 0
	for _, c := range [...]*contribution{
		r.what(p, clear), r.sensitivity(in), r.environment(in.Target.Environment), r.cannotUndo(p, clear), r.extent(in, clear, limit), r.cascades(in, clear),
	} {
		if c != nil {
			sum.reasons[n] = c
			sum.score += c.Points
			n++
		}
	}
	for _, c := range further {
		sum.score += c.Points
	}
	if sum.score > 100 {
		sum.reasons[n] = spelledOut(Reason{"clamp", 100 - sum.score, "the score ends at 100"})
		sum.score = 100
	}
	return sum
}

// what it does: the strongest of its effect and of the kinds of statement it is made of, not their sum.
func (r *ratings) what(p *Plan, clear bool) *contribution {
	if !clear {
		return r.notUnderstood
	}
	strongest, ok := r.effects[p.Effect]
	if !ok {
		strongest = r.unrated
	}
	effect := strongest.points()
	for _, kind := range p.Kinds {
		c, ok := r.kinds[kind]
		if !ok {
			c = r.unrated
		}
		if c.points() > effect {
			strongest = heavier(strongest, c)
		}
	}
	return strongest
}

// sensitivity is the most sensitive label of anything it touches, a fifth more when that is changed. A label without a rating is the
// operator's own word for a column, and the values of such columns are masked. Labels of the target are free words: those with a
// rating count.
func (r *ratings) sensitivity(in *Input) *contribution {
	var most *contribution
	for i := range in.Plan.Objects {
		o := &in.Plan.Objects[i]
		labels := r.touching(o.Access)
		for _, label := range o.Labels {
			c, ok := labels.rated[strings.ToLower(label)]
			if !ok {
				c = labels.other
			}
			most = heavier(most, c)
		}
	}
	for _, label := range in.Target.Labels {
		most = heavier(most, r.touching(in.Plan.Effect).rated[strings.ToLower(label)])
	}
	return most
}

// touching: whatever is not a read counts as a change.
func (r *ratings) touching(access string) *labelRatings {
	if access == "read" {
		return &r.reads
	}
	return &r.changes
}

// heavier is the one with more points. The name breaks a tie, so that the order of facts does not matter.
func heavier(a, b *contribution) *contribution {
	if a == nil || b != nil && cmp.Or(cmp.Compare(b.Points, a.Points), cmp.Compare(b.ID, a.ID)) > 0 {
		return b
	}
	return a
}

func (r *ratings) environment(name string) *contribution {
	c, ok := r.environments[name]
	if !ok {
		return r.unratedEnv
	}
	return c
}

// cannotUndo: what was not understood is rated as a whole.
func (r *ratings) cannotUndo(p *Plan, clear bool) *contribution {
	if p.Effect == "read" || p.Reversible || !clear {
		return nil
	}
	return r.irreversible
}

// extent is how much a write changes. Without a bound that counts for itself, whatever the number of rows is today. When nobody counted
// what is within the bound, the scope's limit holds: the execution is rolled back beyond it.
func (r *ratings) extent(in *Input, clear bool, limit int) *contribution {
	p := &in.Plan
	onlyAdds := r.onlyAdds(p.Kinds)
	switch {
	case p.Effect != "write" || !clear:
		return nil
	case !p.Bounded && !onlyAdds || r.neverBound(p.Kinds):
		return r.unbounded
	case in.Target.Kind == "ssh" || in.Target.Kind == "http":
		return nil // commands and requests have no rows
	case p.Rows != nil && r.largeShare(*p.Rows):
		return r.share.counted(p)
	case p.Rows != nil:
		return r.rowsUpTo(p.Rows.all()).counted(p)
	case onlyAdds:
		return nil
	case limit > 0:
		return r.rowsUpTo(int64(limit))
	}
	return r.rowsUnknown
}

// all are the rows that change, wherever they are. A negative number is no number of rows, see rowsUpTo.
func (n Rows) all() int64 {
	sum := n.Exact
	for _, c := range n.Cascade {
		if sum < 0 || c.Rows < 0 {
			return -1
		}
		sum += min(c.Rows, math.MaxInt64-sum)
	}
	return sum
}

// counted says the same as c with the numbers it was rated by.
func (c *contribution) counted(p *Plan) *contribution {
	n := *p.Rows
	table := p.changed()
	if c == nil || table == "" {
		return c
	}
	text := "changes " + thousands(n.Exact)
	if n.Table > 0 {
		text += " of " + thousands(n.Table)
	}
	text += " rows of " + table
	if others := n.all() - n.Exact; others > 0 {
		text += " and " + thousands(others) + " of other tables"
	}
	return spelledOut(Reason{c.ID, c.Points, fmt.Sprintf("%s: +%d", text, c.Points)})
}

// changed is the one table that is changed by itself; "" when it cannot be told.
func (p *Plan) changed() (name string) {
	for i := range p.Objects {
		o := &p.Objects[i]
		follows := slices.ContainsFunc(p.Rows.Cascade, func(c Cascade) bool { return c.Table == o.Name })
		switch {
		case o.Access != "write" || follows || o.Name == name:
		case name != "":
			return ""
		default:
			name = o.Name
		}
	}
	return name
}

func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// cascades: a statement names one table to change. What else it changes of a database it changes through foreign keys.
func (r *ratings) cascades(in *Input, clear bool) *contribution {
	if !clear || in.Plan.Effect != "write" || in.Target.Kind != "postgres" {
		return nil
	}
	first := ""
	for i := range in.Plan.Objects {
		switch o := &in.Plan.Objects[i]; {
		case o.Access == "read" || o.Name == first:
		case first == "":
			first = o.Name
		default:
			return r.cascade
		}
	}
	return nil
}

func (r *ratings) onlyAdds(kinds []string) bool {
	other := func(kind string) bool { return !slices.Contains(r.table.AddsOnly, kind) }
	return slices.Contains(kinds, "insert") && !slices.ContainsFunc(kinds, other)
}

func (r *ratings) neverBound(kinds []string) bool {
	return slices.ContainsFunc(kinds, func(kind string) bool { return slices.Contains(r.table.NeverBound, kind) })
}

// largeShare compares 128-bit products: numbers of rows are what a target says, and may be anything.
func (r *ratings) largeShare(n Rows) bool {
	s := r.table.Share
	if n.Exact <= s.From || n.Exact < 0 || n.Table <= 0 || s.Percent < 0 {
		return false
	}
	high, low := bits.Mul64(uint64(n.Exact), 100)
	limitHigh, limitLow := bits.Mul64(uint64(n.Table), uint64(s.Percent))
	return high > limitHigh || high == limitHigh && low > limitLow
}

// rowsUpTo is the first step that is large enough. A negative number is no number of rows, and rated like the largest.
func (r *ratings) rowsUpTo(n int64) *contribution {
	if n < 0 {
		return r.moreRows
	}
	for i, s := range r.table.Rows {
		if n <= s.To {
			return r.rows[i]
		}
	}
	return r.moreRows
}
