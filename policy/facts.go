package policy

import "strings"

// callFacts is one call with what Go finds out about it before Rego decides: who and where it is for, whether names are covered, how
// risky it is. The guards use the same afterwards.
type callFacts struct {
	in     *Input
	extra  []*contribution // of the operator's Rego; counted in every risk
	clear  bool            // understood
	risk   risk            // without a scope's limit
	scopes []scopeFacts    // the matching scopes, by name
	forms  []forms         // of the objects' names; empty until they matter
}

// forms are the spellings of the patterns that cover a name, and of those that hit it.
type forms struct{ allow, deny []string }

func (c *callFacts) spelled() []forms {
	if len(c.forms) == 0 {
		for i := range c.in.Plan.Objects {
			name := c.in.Plan.Objects[i].Name
			c.forms = append(c.forms, forms{allowForms(name), denyForms(name)})
		}
	}
	return c.forms
}

// namesWithin: every object of the call is covered by s, and none is denied.
func (c *callFacts) namesWithin(s *scope) bool {
	if len(s.allow)+len(s.deny) == 0 {
		return true
	}
	for _, f := range c.spelled() {
		if len(s.allow) > 0 && !s.allow.any(f.allow) || s.deny.any(f.deny) {
			return false
		}
	}
	return true
}

// scopeFacts is one matching scope and the call.
type scopeFacts struct {
	*scope
	names   bool   // its objects cover those of the call
	outside string // why the Narrower of the target's kind says no; "" when it does not
	risk    risk   // within the scope's limits
}

// covers: everything the call touches is within the scope.
func (s *scopeFacts) covers() bool { return s.names && s.outside == "" }

// facts looks everything up. It reads nothing of in but what a remembered decision is found by; see cacheKey.
func (e *Engine) facts(in *Input, extra []*contribution) callFacts {
	matching := e.scopes.matching(in.Principal, in.Target.Name)
	c := callFacts{in: in, extra: extra, clear: understood(in.Plan), scopes: make([]scopeFacts, len(matching))}
	c.risk = e.ratings.rate(in, c.clear, 0, extra...)
	narrow := e.narrow[e.kinds[in.Target.Name]]
	for i, s := range matching {
		f := &c.scopes[i]
		f.scope, f.names, f.risk = s, c.namesWithin(s), c.risk
		if s.Limits.AffectedRows > 0 {
			f.risk = e.ratings.rate(in, c.clear, s.Limits.AffectedRows, extra...)
		}
		if narrow != nil {
			f.outside = outside(narrow, s.Scope, &in.Plan)
		}
	}
	return c
}

// outside asks the Narrower why it says no.
func outside(narrow Narrower, s Scope, p *Plan) string {
	ok, why := narrow(s, p.Objects, p.Kinds)
	if ok {
		return ""
	}
	if why = strings.TrimSpace(why); why == "" {
		return "scope " + s.Name + " does not cover it"
	}
	return why
}
