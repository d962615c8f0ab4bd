package policy

import "strings"

// callFacts is one call with what Go finds out about it before Rego decides: who and where it is for, whether names are covered, how
// risky it is. The guards use the same afterwards.
type callFacts struct {
	in     *Input
	clear  bool         // understood
	risk   risk         // without a scope's limit
	scopes []scopeFacts // the matching scopes, by name
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
func (e *Engine) facts(in *Input) callFacts {
	matching := e.scopes.matching(in.Principal, in.Target.Name)
	c := callFacts{in: in, clear: understood(in.Plan), scopes: make([]scopeFacts, len(matching))}
	c.risk = e.ratings.rate(in, c.clear, 0)
	narrow := e.narrow[e.kinds[in.Target.Name]]
	for i, s := range matching {
		f := &c.scopes[i]
		f.scope, f.names, f.risk = s, s.coversObjects(in.Plan.Objects), c.risk
		if s.Limits.AffectedRows > 0 {
			f.risk = e.ratings.rate(in, c.clear, s.Limits.AffectedRows)
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
