package policy

import (
	"fmt"
	"slices"
	"strings"
)

// This file makes one decision out of the base module's and the operator's. Without Override it can only become stricter. With it, votes
// replace what the score decided, and nothing else: where no scope covers the call, a deny rule forbids it or a guard holds, they
// change nothing. guard checks the result, whichever way it came about.

// ownLimits are at most what each tool has as its own limits. A limit of the operator's Rego where the scope names none must not raise
// those: then the lower of the two is written down.
var ownLimits = Limits{Rows: 1000, Bytes: 256 << 10, TimeMS: 30_000, AffectedRows: 100}

// limitsOf are the limits of a call under s.
func (a *answer) limitsOf(s *scopeFacts) Limits {
	bound := func(scope, own, here int) int {
		if here > 0 && scope == 0 {
			return min(own, here)
		}
		return lower(scope, here)
	}
	l, o, h := s.Limits, ownLimits, a.limits
	return Limits{bound(l.Rows, o.Rows, h.Rows), bound(l.Bytes, o.Bytes, h.Bytes), bound(l.TimeMS, o.TimeMS, h.TimeMS),
		bound(l.AffectedRows, o.AffectedRows, h.AffectedRows)}
}

// requirementOf is who is asked about a call under s; nil when nobody is named.
func (a *answer) requirementOf(s *scopeFacts) *Requirement {
	q := stricter(s.Approval, a.approvals)
	if q == nil || a.approvals == nil {
		return q
	}
	stated := *q
	if stated.WithinS == 0 {
		stated.WithinS = 1800
	}
	if stated.Assurance == "" {
		stated.Assurance = assurances[0]
	}
	return &stated
}

// combine takes a decision of the base module that guard has passed.
func (o *operator) combine(d Decision, c *callFacts, a *answer) Decision {
	if o == nil {
		return d
	}
	i := slices.IndexFunc(c.scopes, func(s scopeFacts) bool { return s.Name == d.Scope })
	if i < 0 { // a refusal that is about no scope: votes can only add why
		if len(a.votes) > 0 && a.votes[0].decision == Deny {
			d.Reasons = append(a.sentences(Deny), d.Reasons...)
		}
		return d
	}
	s := &c.scopes[i]
	base := d.Verdict
	if d.Rule == "approved" { // whether enough people said yes is seen below, when it is known how many must
		base = Ask
		d.Reasons = slices.DeleteFunc(d.Reasons, func(r Reason) bool { return r.ID == "approved" })
		d.Rule = d.Reasons[0].ID
	}
	verdict := base
	if len(a.votes) > 0 && (o.override || strictness(a.votes[0].decision) > strictness(base)) {
		verdict = a.votes[0].decision
	}
	if len(a.votes) > 0 && verdict == a.votes[0].decision && (verdict != Allow || verdict != base) {
		d.Reasons = append(a.sentences(verdict), d.Reasons...)
		if verdict != base {
			d.Rule = "rego:" + a.votes[0].id
		}
	}
	d.Verdict, d.Limits, d.Approval = verdict, a.limitsOf(s), nil
	if verdict == Ask {
		a.ask(&d, c.in, s)
	}
	return d
}

// ask is the rest of combine for a call that people must agree to.
func (a *answer) ask(d *Decision, in *Input, s *scopeFacts) {
	d.Approval = a.requirementOf(s)
	switch q := d.Approval; {
	case q == nil:
		d.Verdict, d.Rule = Deny, "no-approvers"
		d.Reasons = append([]Reason{{ID: "no-approvers", Text: "people would have to agree, but scope " + s.Name + " names no approvers"}}, d.Reasons...)
	case in.Approval != nil && in.Approval.State == "approved" && in.Approval.Votes >= q.Count:
		d.Verdict, d.Rule = Allow, "approved"
		d.Reasons = append([]Reason{{ID: "approved", Text: fmt.Sprintf("%d of %d approvers agreed", in.Approval.Votes, q.Count)}}, d.Reasons...)
	}
}

// sentences are the reasons of the votes for v.
func (a *answer) sentences(v Verdict) []Reason {
	var out []Reason
	for _, w := range a.votes {
		if w.decision == v {
			out = append(out, Reason{ID: "rego:" + w.id, Text: strings.TrimSpace(w.reason)})
		}
	}
	return out
}
