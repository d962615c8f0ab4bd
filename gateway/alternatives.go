package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"sallyport/policy"
	"sallyport/tools"
)

// Alternative is one thing the caller could do instead, or about it: an act with its arguments, and why it would help.
type Alternative struct {
	Next
	Why string `json:"why"`
	fix string // who can do it, as in Failure.WhoCanFix
}

// Bounds of what is tried for one denied call, because each try is a decision, and of what is repeated to the agent.
const (
	maxTried        = 24
	maxTargets      = 3
	maxArguments    = 4 << 10 // bytes
	maxAlternatives = 5
)

// alternatives looks for calls near a denied or asked one that policy would answer better, by deciding them. Everything it says is of
// targets and scopes that are the caller's own, and of objects that the call itself touches: what is hidden stays hidden.
func (g *Gateway) alternatives(ctx context.Context, call *Call) []Alternative {
	if call.Facts == nil || call.Decision.Verdict == policy.Allow {
		return nil
	}
	s := search{ctx: ctx, call: call, policy: call.world.Policy}
	if call.Decision.Verdict == policy.Ask {
		return s.ask()
	}
	x, err := s.policy.Explain(ctx, call.input)
	if err != nil {
		return nil
	}
	all := slices.Concat(s.narrower(), s.bounded(), s.later(x), s.elsewhere(), s.administrator(x))
	return all[:min(len(all), maxAlternatives)]
}

// search is one look for alternatives.
type search struct {
	ctx    context.Context
	call   *Call
	policy *policy.Engine
	tried  int
}

// would is the decision about a changed call; a denial when too many were tried.
func (s *search) would(change func(*policy.Input)) policy.Decision {
	if s.tried++; s.tried > maxTried {
		return policy.Decision{Verdict: policy.Deny}
	}
	in := s.call.input
	in.Plan.Objects = slices.Clone(in.Plan.Objects)
	change(&in)
	d, err := s.policy.Decide(s.ctx, in)
	if err != nil {
		return policy.Decision{Verdict: policy.Deny}
	}
	return d
}

// arguments are those of the call with some replaced; nil when they are too long to repeat, or hold what a mask hides: repeated masked
// they would be another call.
func (c *Call) arguments(change map[string]any) map[string]any {
	var all, masked map[string]any
	if len(c.Args) > maxArguments || json.Unmarshal(c.Args, &all) != nil {
		return nil
	}
	seen := c.world.Masking.For(c.Session.ID).JSON(nil, c.Args)
	if json.Unmarshal(seen, &masked) != nil || !reflect.DeepEqual(all, masked) {
		return nil
	}
	maps.Copy(all, change)
	return all
}

func (s *search) ask() []Alternative {
	a := s.call.Decision.Approval
	if a == nil {
		return nil
	}
	// Without arguments: they are the ones just sent, and the answer is the same for calls that differ in a value only.
	why := fmt.Sprintf("send the call as it is: %d of %s will be asked, for up to %s, and nothing runs before", a.Count, strings.Join(a.From, " or "), time.Duration(a.WithinS)*time.Second)
	return []Alternative{{Next{Act: "use_tool", Tool: s.call.Tool}, why, "user"}}
}

// narrower finds objects and columns that no scope covers beside others that one does.
func (s *search) narrower() []Alternative {
	objects := s.call.input.Plan.Objects
	if s.call.world.Targets[s.call.Plan.Target].Kind != "postgres" || len(objects) == 0 {
		return nil
	}
	alone := func(o policy.Object) bool {
		return s.would(func(in *policy.Input) { in.Plan.Objects = []policy.Object{o} }).Verdict != policy.Deny
	}
	var leave, kept []string
	for _, o := range objects {
		if alone(o) {
			kept = append(kept, o.Name)
			continue
		}
		var bad []string
		for _, column := range o.Columns {
			one := o
			if one.Columns = []string{column}; !alone(one) {
				bad = append(bad, o.Name+"."+column)
			}
		}
		if len(bad) == 0 || len(bad) == len(o.Columns) {
			bad = []string{o.Name}
		} else {
			kept = append(kept, o.Name)
		}
		leave = append(leave, bad...)
	}
	if len(leave) == 0 || len(kept) == 0 || s.tried > maxTried {
		return nil
	}
	return []Alternative{{Next{Act: "fix_and_retry", Tool: s.call.Tool}, "leave out " + strings.Join(leave, ", ") + ": no scope of yours covers it; the rest is covered", "agent"}}
}

// bounded: a change without a WHERE would be another matter with one.
func (s *search) bounded() []Alternative {
	if s.call.input.Plan.Bounded {
		return nil
	}
	d := s.would(func(in *policy.Input) { in.Plan.Bounded = true })
	if d.Verdict == policy.Deny {
		return nil
	}
	return []Alternative{{Next{Act: "fix_and_retry", Tool: s.call.Tool}, "bound it with a WHERE that selects the rows meant: " + then(d), "agent"}}
}

func then(d policy.Decision) string {
	if d.Verdict == policy.Ask && d.Approval != nil {
		return fmt.Sprintf("then %d of %s would be asked", d.Approval.Count, strings.Join(d.Approval.From, " or "))
	}
	return "then it would be allowed"
}

// later is when a scope that is closed now covers the call.
func (s *search) later(x policy.Explanation) []Alternative {
	for _, m := range x.Scopes {
		if m.Opens == nil || !m.Effect || !m.Objects {
			continue
		}
		if d := s.would(func(in *policy.Input) { in.Call.Time = *m.Opens }); d.Verdict != policy.Deny {
			return []Alternative{{Next{Act: "wait"}, "a scope of yours covers this again from " + m.Opens.Format(time.RFC3339) + " on; " + then(d), "user"}}
		}
	}
	return nil
}

// elsewhere finds other targets of the caller's where a scope covers the same.
func (s *search) elsewhere() []Alternative {
	var out []Alternative
	s.tried = 0
	here := s.call.world.Targets[s.call.Plan.Target]
	for _, v := range s.policy.Targets(s.call.policyPrincipal()) {
		if v.Kind != here.Kind || v.Name == s.call.Plan.Target || !slices.Contains(v.Allow, string(s.call.Facts.Effect)) || len(out) == maxTargets {
			continue
		}
		t := s.call.world.Targets[v.Name]
		d := s.would(func(in *policy.Input) {
			in.Target = policy.Target{Name: v.Name, Kind: t.Kind, Environment: t.Environment, Labels: t.Labels}
		})
		if d.Verdict != policy.Deny {
			out = append(out, Alternative{Next{Act: "use_tool", Tool: s.call.Tool, Arguments: s.call.arguments(map[string]any{"target": v.Name})},
				fmt.Sprintf("if %s (%s) will do: %s there, as long as the names mean the same", v.Name, v.Environment, strings.TrimPrefix(then(d), "then ")), "agent"})
		}
	}
	return out
}

// administrator names the key of the caller's own scope that is in the way.
func (s *search) administrator(x policy.Explanation) []Alternative {
	var out []Alternative
	say := func(key, what string) {
		out = append(out, Alternative{Next{Act: "ask_user"}, "an administrator of the gateway can change " + key + ": " + what, "admin"})
	}
	d, effect := s.call.Decision, string(s.call.Facts.Effect)
	for _, m := range x.Scopes {
		key := "scopes." + m.Scope
		switch {
		case len(out) > 0 || strings.HasPrefix(d.Rule, "deny:") || d.Rule == "guard:not-understood":
		case !m.Effect && m.Objects && m.Outside == "" && effect != string(tools.Unknown):
			say(key+".allow", "it lacks "+effect)
		case m.Effect && !m.Objects:
			say(key+".objects", "it does not cover all that the call touches")
		case m.Effect && m.Objects && m.Outside == "" && d.Rule == "no-approvers":
			say(key+".approval.from", "it names nobody who could agree")
		case m.Covers() && d.Rule == "score":
			say(key+".risk.deny", fmt.Sprintf("the score %d is not below %d", m.Score, m.Deny))
		}
	}
	return out
}
