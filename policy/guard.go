package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// guard holds a decision against what no module and no score may override, on the plan itself and without Rego:
//
//	G1  a call that was not understood is never allowed without people; and never asked about unless the scope has people look
//	G2  data labelled "credential" is never touched without people
//	G3  an effect outside the scope's allow is denied
//	    so is an object outside the scope's objects or what its tool says is outside, and what a deny rule of any matching scope forbids
//
// (That nobody approves his own call is for package approvals.) A breach becomes a denial that names the guard. A decision that
// could not come from the configuration at all (a scope that does not match, limits that are not the scope's) is an error.
//
// The obligations have to be those of the scope, made stricter by what the operator's Rego answered.
func guard(d Decision, c *callFacts, a *answer) (Decision, error) {
	if err := plausible(d); err != nil {
		return d, err
	}
	if d.Verdict == Deny {
		return d, nil
	}
	i := slices.IndexFunc(c.scopes, func(s scopeFacts) bool { return s.Name == d.Scope })
	if i < 0 {
		return d, fmt.Errorf("%s under scope %q, which does not match the call", d.Verdict, d.Scope)
	}
	s := &c.scopes[i]
	if d.Limits != a.limitsOf(s) {
		return d, fmt.Errorf("limits %+v are not those of scope %s", d.Limits, s.Name)
	}
	if q := a.requirementOf(s); d.Approval != nil && (q == nil || !reflect.DeepEqual(*d.Approval, *q)) {
		return d, fmt.Errorf("the approval asked for is not that of scope %s", s.Name)
	}
	if d.Verdict == Ask && d.Approval == nil {
		return d, fmt.Errorf("ask without anybody to ask")
	}
	if id, text := breach(d, c, s); id != "" {
		d.Verdict, d.Rule, d.Approval = Deny, id, nil
		d.Reasons = append([]Reason{{ID: id, Text: text}}, d.Reasons...)
	}
	return d, nil
}

// nothing is what is answered without Rego of the operator's own.
var nothing = &answer{}

// plausible checks the decision by itself.
func plausible(d Decision) error {
	sum := 0
	for _, r := range d.Reasons {
		sum += r.Points
		if r.ID == "" || r.Text == "" {
			return fmt.Errorf("a reason without id or text")
		}
	}
	switch {
	case d.Verdict != Allow && d.Verdict != Ask && d.Verdict != Deny:
		return fmt.Errorf("verdict %q", d.Verdict)
	case d.Score < 0 || d.Score > 100 || d.Score != sum:
		return fmt.Errorf("score %d, points that add up to %d", d.Score, sum)
	case d.Rule == "" || d.Verdict != Allow && len(d.Reasons) == 0:
		return fmt.Errorf("%s without a reason", d.Verdict)
	}
	return nil
}

// breach names the guard that d breaks, or "".
func breach(d Decision, c *callFacts, s *scopeFacts) (id, text string) {
	in, clear := c.in, c.clear
	agreed := d.Approval != nil && in.Approval != nil && in.Approval.State == "approved" && in.Approval.Votes >= d.Approval.Count
	people := d.Verdict == Ask || agreed
	switch {
	case !clear && !(s.NotUnderstoodAsk && people):
		return "guard:not-understood", "it was not understood"
	case credential(in) && !people:
		return "guard:credential", "it touches credentials, and nobody agreed"
	case slices.Contains(effects, in.Plan.Effect) && !slices.Contains(s.Allow, in.Plan.Effect):
		return "guard:effect", "scope " + s.Name + " does not allow the effect " + in.Plan.Effect
	case !s.names:
		return "guard:objects", "scope " + s.Name + " does not cover every object"
	case s.outside != "":
		return "guard:objects", s.outside
	}
	for _, m := range c.scopes {
		for _, r := range m.rules {
			if !clear || r.hits(c) {
				return "deny:" + r.Name, r.Reason
			}
		}
	}
	return "", ""
}

// understood is facts.understood of the base module.
func understood(p Plan) bool {
	effect := slices.Index(effects, p.Effect)
	stronger := func(o Object) bool {
		access := slices.Index(effects, o.Access)
		return access < 0 || access > effect
	}
	return p.Understood && len(p.Unknown) == 0 && effect >= 0 && !slices.ContainsFunc(p.Objects, stronger)
}

func credential(in *Input) bool {
	is := func(label string) bool { return strings.ToLower(label) == "credential" }
	return slices.ContainsFunc(in.Target.Labels, is) ||
		slices.ContainsFunc(in.Plan.Objects, func(o Object) bool { return slices.ContainsFunc(o.Labels, is) })
}

// hits is coverage.hits of the base module, of a rule that applies: the call has one of the rule's effects, as a whole or in what it does
// to an object; with objects in the rule, it touches one of those.
func (r *rule) hits(c *callFacts) bool {
	p := &c.in.Plan
	effect := func(e string) bool { return len(r.Effects) == 0 || slices.Contains(r.Effects, e) }
	if len(r.objects) == 0 {
		return effect(p.Effect) || slices.ContainsFunc(p.Objects, func(o Object) bool { return effect(o.Access) })
	}
	for i, f := range c.spelled() {
		if r.objects.any(f.deny) && (effect(p.Effect) || effect(p.Objects[i].Access)) {
			return true
		}
	}
	return false
}
