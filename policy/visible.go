package policy

import "slices"

// TargetView is one target as one caller may see it.
type TargetView struct {
	Name        string
	Kind        string
	Environment string   // "production" where the configuration names none
	Allow       []string // effects some scope of the caller allows, in the order read, write, define, admin; a call may still be asked or denied
	MayAsk      bool     // some scope of the caller has people asked
	Budgeted    []string // scopes of the caller with budgets, by name
	Limits      Limits   // of the scope that comes first for a plain read; zero is the tool's own maximum
}

// effects in the order of their strength.
var effects = []string{"read", "write", "define", "admin"}

// Visible says whether p may know that target exists: some scope that is for p lists it.
func (e *Engine) Visible(p Principal, target string) bool {
	return len(e.scopes.matching(p, target)) > 0
}

// Targets lists what p may see, by name.
func (e *Engine) Targets(p Principal) []TargetView {
	var out []TargetView
	for _, t := range e.targets {
		if scopes := e.scopes.matching(p, t.Name); len(scopes) > 0 {
			out = append(out, view(t, scopes))
		}
	}
	return out
}

func view(t TargetInfo, scopes []*scope) TargetView {
	v := TargetView{Name: t.Name, Kind: t.Kind, Environment: t.Environment}
	if v.Environment == "" {
		v.Environment = "production"
	}
	for _, effect := range effects {
		if slices.ContainsFunc(scopes, func(s *scope) bool { return slices.Contains(s.Allow, effect) }) {
			v.Allow = append(v.Allow, effect)
		}
	}
	for _, s := range scopes {
		if len(s.Budgets) > 0 {
			v.Budgeted = append(v.Budgeted, s.Name)
		}
	}
	for i := len(scopes) - 1; i >= 0; i-- { // the first by name stays
		s := scopes[i]
		v.MayAsk = v.MayAsk || s.Approval != nil
		if slices.Contains(s.Allow, "read") && s.Risk.Ask > 0 || v.Limits == (Limits{}) {
			v.Limits = s.Limits
		}
	}
	return v
}
