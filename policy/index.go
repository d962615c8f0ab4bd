package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// index finds the scopes that are for a caller and a target. It is why a decision costs the same with 20 scopes and with 500: Rego
// only ever sees the scopes that match.
type index struct {
	byTarget map[string][]*scope // sorted by the scope's name; read-only after newIndex
}

// scope is a Scope with its look-ups prepared.
type scope struct {
	Scope
	groups, subjects, agents, clients map[string]bool
	claims                            map[string]map[string]bool
	allow, deny                       patterns // of objects
	columns                           bool     // allow, deny or a rule names columns
	window                            *window  // nil: always open
	rules                             []rule
	term                              *ast.Term // for Rego
	levels                            []*scope  // the same scope with the requirement of each level; of Scope.Higher
}

// at is s with the requirement for a score.
func (s *scope) at(score int) *scope {
	found := s
	for i, l := range s.levels {
		if score >= s.Higher[i].Risk {
			found = l
		}
	}
	return found
}

// withLevels makes the scopes that stand for s at its levels. Nothing of s may change any more.
func (s *scope) withLevels() {
	for _, l := range s.Higher {
		stricter := *s
		stricter.Approval = &l.Requirement
		stricter.term = scopeTerm(stricter.Scope, l.Risk)
		s.levels = append(s.levels, &stricter)
	}
}

type rule struct {
	DenyRule
	objects patterns
	labels  map[string]bool // in small letters
	outside *window
	term    *ast.Term // for Rego
}

// newIndex takes normalized scopes, sorted by name.
func newIndex(scopes []Scope) (*index, error) {
	ix := &index{byTarget: map[string][]*scope{}}
	for _, s := range scopes {
		p := &scope{Scope: s, groups: set(s.Who.Groups), subjects: set(s.Who.Subjects), agents: set(s.Who.Agents), clients: set(s.Who.Clients),
			allow: newPatterns(s.ObjectsAllow), deny: newDenyPatterns(s.ObjectsDeny), term: scopeTerm(s, 0)}
		for name, values := range s.Who.Claims {
			if p.claims == nil {
				p.claims = map[string]map[string]bool{}
			}
			p.claims[name] = set(values)
		}
		for _, d := range s.Deny {
			r, err := newRule(d)
			if err != nil {
				return nil, err
			}
			p.rules = append(p.rules, r)
			p.columns = p.columns || slices.ContainsFunc(d.Objects, namesColumn)
		}
		p.columns = p.columns || slices.ContainsFunc(s.ObjectsAllow, namesColumn) || slices.ContainsFunc(s.ObjectsDeny, namesColumn)
		if s.Hours != nil {
			var err error
			if p.window, err = newWindow(*s.Hours); err != nil {
				return nil, err
			}
		}
		p.withLevels()
		for t := range set(s.Targets) {
			ix.byTarget[t] = append(ix.byTarget[t], p)
		}
	}
	return ix, nil
}

func newRule(d DenyRule) (r rule, err error) {
	r = rule{DenyRule: d, objects: newDenyPatterns(d.Objects)}
	for _, l := range d.Labels {
		if r.labels == nil {
			r.labels = map[string]bool{}
		}
		r.labels[strings.ToLower(l)] = true
	}
	if d.OutsideHours != nil {
		if r.outside, err = newWindow(*d.OutsideHours); err != nil {
			return r, err
		}
	}
	r.term = ruleTerm(d, r.objects)
	return r, nil
}

// matching lists the scopes for p on target, by name. A target that is not configured has none.
func (ix *index) matching(p Principal, target string) []*scope {
	var out []*scope
	for _, s := range ix.byTarget[target] {
		if s.isFor(p) {
			out = append(out, s)
		}
	}
	return out
}

func (w Who) empty() bool {
	return len(w.Groups)+len(w.Subjects)+len(w.Agents)+len(w.Clients)+len(w.Claims) == 0
}

// isFor implements Who. An attribute the caller does not have is "" and matches nothing.
func (s *scope) isFor(p Principal) bool {
	if s.Who.empty() {
		return false
	}
	if len(s.groups)+len(s.subjects) > 0 && !s.namesSubject(p) && !s.namesGroup(p) {
		return false
	}
	for name, wanted := range s.claims {
		if !p.Claims.hasOneOf(name, wanted) {
			return false
		}
	}
	return (len(s.agents) == 0 || s.agents[p.Agent]) && (len(s.clients) == 0 || s.clients[p.Client])
}

func (s *scope) namesGroup(p Principal) bool {
	if len(s.groups) == 0 {
		return false
	}
	for _, g := range p.Groups {
		if s.groups[g] {
			return true
		}
	}
	return false
}

// namesSubject never lets a bare entry match a subject with a "#" in it: such a subject could imitate one of another issuer.
// An issuer has no fragment (OpenID Connect Discovery 1.0 §3), so the first "#" of an entry is where the subject begins.
func (s *scope) namesSubject(p Principal) bool {
	if p.Subject == "" || strings.Contains(p.Issuer, "#") {
		return false
	}
	return !strings.Contains(p.Subject, "#") && s.subjects[p.Subject] || p.Issuer != "" && s.subjects[p.Issuer+"#"+p.Subject]
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}
