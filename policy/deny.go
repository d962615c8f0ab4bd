package policy

import (
	"slices"
	"strings"
)

// This file holds a call against the conditions of a deny rule that are compared in Go: all but effects and objects, which the base
// module and the guard compare. Each list stands for itself: a call that reads a forbidden label in one table and a forbidden object in
// another is hit by a rule that names both. Where that differs from what was meant, it refuses.

// applies: no condition rules the call out. What a call does is in doubt when it was not understood, so then only what is certain can:
// which tool it is of, where it goes, and when.
func (r *rule) applies(c *callFacts, match Matcher) bool {
	in := c.in
	switch {
	case r.Nowhere,
		len(r.Tools) > 0 && !slices.Contains(r.Tools, in.Call.Tool),
		len(r.Targets) > 0 && !slices.Contains(r.Targets, in.Target.Name),
		r.outside != nil && r.outside.open(in.Call.Time):
		return false
	case !c.clear:
		return true
	case len(r.Kinds) > 0 && !slices.ContainsFunc(in.Plan.Kinds, func(k string) bool { return slices.Contains(r.Kinds, k) }),
		len(r.labels) > 0 && !slices.ContainsFunc(in.Plan.Objects, r.labelled):
		return false
	case len(r.Operations)+len(r.Commands) > 0:
		return match != nil && match(r.DenyRule, in.Plan.Objects)
	}
	return true
}

func (r *rule) labelled(o Object) bool {
	return slices.ContainsFunc(o.Labels, func(l string) bool { return r.labels[strings.ToLower(l)] })
}
