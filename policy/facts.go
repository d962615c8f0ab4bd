package policy

import (
	"slices"
	"strings"
)

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

// forms are the spellings of the patterns that cover a name, and of those that hit it. Those that hit one of the object's columns are
// among the latter; those that cover a column are a list for each column.
type forms struct {
	allow, deny []string
	columns     [][]string // none when all columns are touched, or it is not known which
}

func (c *callFacts) spelled() []forms {
	if len(c.forms) > 0 {
		return c.forms
	}
	columns := slices.ContainsFunc(c.scopes, func(s scopeFacts) bool { return s.columns })
	for i := range c.in.Plan.Objects {
		o := &c.in.Plan.Objects[i]
		f := forms{allow: allowForms(o.Name), deny: denyForms(o.Name)}
		if columns {
			f.deny = append(f.deny, denyColumnForms(o)...)
			for _, column := range o.Columns {
				f.columns = append(f.columns, allowColumnForms(o.Name, column))
			}
		}
		c.forms = append(c.forms, f)
	}
	return c.forms
}

// covered: the name as a whole, or every column that is touched.
func (f *forms) covered(allow patterns) bool {
	if allow.any(f.allow) {
		return true
	}
	return len(f.columns) > 0 && !slices.ContainsFunc(f.columns, func(forms []string) bool { return !allow.any(forms) })
}

// namesWithin: every object of the call is covered by s, and none is denied.
func (c *callFacts) namesWithin(s *scope) bool {
	if len(s.allow)+len(s.deny) == 0 {
		return true
	}
	for _, f := range c.spelled() {
		if len(s.allow) > 0 && !f.covered(s.allow) || s.deny.any(f.deny) {
			return false
		}
	}
	return true
}

// scopeFacts is one matching scope and the call.
type scopeFacts struct {
	*scope
	names   bool    // its objects cover those of the call
	outside string  // why the scope's hours or the Narrower of the target's kind say no; "" when they do not
	risk    risk    // within the scope's limits
	rules   []*rule // those that may hit: what is compared in Go holds
}

// covers: everything the call touches is within the scope.
func (s *scopeFacts) covers() bool { return s.names && s.outside == "" }

// facts looks everything up, about the scopes that match. It reads nothing of in but what a remembered decision is found by; see cacheKey.
func (e *Engine) facts(in *Input, matching []*scope, extra []*contribution) callFacts {
	c := callFacts{in: in, extra: extra, clear: understood(in.Plan), scopes: make([]scopeFacts, len(matching))}
	c.risk = e.ratings.rate(in, c.clear, 0, extra...)
	narrow, match := e.narrow[e.kinds[in.Target.Name]], e.match[e.kinds[in.Target.Name]]
	for i, s := range matching {
		c.scopes[i].scope = s
	}
	for i, s := range matching {
		f := &c.scopes[i]
		f.names, f.risk = c.namesWithin(s), c.risk
		if s.Limits.AffectedRows > 0 {
			f.risk = e.ratings.rate(in, c.clear, s.Limits.AffectedRows, extra...)
		}
		f.scope = s.at(f.risk.score)
		if f.outside = s.closedAt(in.Call.Time); f.outside == "" && narrow != nil {
			f.outside = outside(narrow, s.Scope, &in.Plan)
		}
		for j := range s.rules {
			if r := &s.rules[j]; r.applies(&c, match) {
				f.rules = append(f.rules, r)
			}
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
