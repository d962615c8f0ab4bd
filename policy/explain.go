package policy

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Explanation is one decision with everything that went into it, for a person who wants to know why, and what would change it.
type Explanation struct {
	Input    Input    `json:"input"`
	Decision Decision `json:"decision"` // its reasons hold every point; their sum is the score
	Guards   []Guard  `json:"guards"`   // all of them, hit or not; deny rules first
	Scopes   []Match  `json:"scopes"`   // that match caller and target, by name
	Votes    []Vote   `json:"votes"`    // of the operator's Rego, the strictest first
}

// Vote is one vote of the operator's Rego.
type Vote struct {
	Decision Verdict `json:"decision"`
	ID       string  `json:"id"`
	Reason   string  `json:"reason"`
}

// Guard is one thing no score overrides: a deny rule of a matching scope, or a guard of every policy.
type Guard struct {
	ID   string `json:"id"` // as in Decision.Rule
	Hit  bool   `json:"hit"`
	Text string `json:"text"` // the rule's reason, or what the guard found
}

// Match is one scope that is for the caller and the target, and how far it covers the call.
type Match struct {
	Scope   string `json:"scope"`
	Effect  bool   `json:"effect"`            // it allows the effect, or has people look at what was not understood
	Objects bool   `json:"objects"`           // its objects cover everything the call touches
	Outside string `json:"outside,omitempty"` // why the patterns of the target's kind (commands, operations) do not cover it
	Score   int    `json:"score"`             // within the scope's limits
	Ask     int    `json:"ask"`
	Deny    int    `json:"deny"`
	Decides bool   `json:"decides"` // it is the decision's scope
	// Opens is when the scope's hours begin next; nil while they last, and for a scope without hours.
	Opens *time.Time `json:"opens,omitempty"`
}

// Covers: the scope covers the call as a whole.
func (m Match) Covers() bool { return m.Effect && m.Objects && m.Outside == "" }

// Explain decides like Decide and says why. With an error, which Decide would return as well, the Decision is the denial that goes with it.
func (e *Engine) Explain(ctx context.Context, in Input) (Explanation, error) {
	d, err := e.Decide(ctx, in)
	answer, _ := e.operator.answer(ctx, &in) // when there is none, err says so
	facts := e.facts(&in, e.scopes.matching(in.Principal, in.Target.Name), answer.contrib)
	x := Explanation{Input: in, Decision: d, Votes: []Vote{}}
	for _, v := range answer.votes {
		x.Votes = append(x.Votes, Vote{v.decision, v.id, v.reason})
	}
	anyEffect := false
	for i := range facts.scopes {
		s := &facts.scopes[i]
		m := Match{
			Scope: s.Name, Effect: facts.allows(s), Objects: s.names, Outside: s.outside,
			Score: s.risk.score, Ask: s.Risk.Ask, Deny: s.Risk.Deny, Decides: s.Name == d.Scope,
		}
		if s.window != nil && !s.window.open(in.Call.Time) {
			if next, ok := s.window.next(in.Call.Time); ok {
				m.Opens = &next
			}
		}
		anyEffect = anyEffect || m.Effect
		x.Scopes = append(x.Scopes, m)
		for j := range s.scope.rules {
			r := &s.scope.rules[j]
			x.Guards = append(x.Guards, Guard{"deny:" + r.Name, slices.Contains(s.rules, r) && (!facts.clear || r.hits(&facts)), r.Reason})
		}
	}
	x.Guards = append(x.Guards, facts.understoodGuard(), facts.credentialGuard())
	if g := (Guard{"guard:effect", !anyEffect, "some matching scope allows the effect " + in.Plan.Effect}); len(x.Scopes) > 0 {
		if g.Hit {
			g.Text = "no matching scope allows what has the effect " + in.Plan.Effect
		}
		x.Guards = append(x.Guards, g)
	}
	return x, err
}

// allows is coverage.effect_covered of the base module.
func (c *callFacts) allows(s *scopeFacts) bool {
	allowed := slices.Contains(s.Allow, c.in.Plan.Effect)
	if c.clear {
		return allowed
	}
	return s.NotUnderstoodAsk && (allowed || !slices.Contains(effects, c.in.Plan.Effect))
}

func (c *callFacts) understoodGuard() Guard {
	g := Guard{"guard:not-understood", !c.clear, "all of it was understood"}
	if unknown := c.in.Plan.Unknown; g.Hit && len(unknown) > 0 {
		g.Text = "not understood: " + strings.Join(unknown, ", ")
	} else if g.Hit {
		g.Text = "what it does was not understood, or its facts contradict each other"
	}
	return g
}

func (c *callFacts) credentialGuard() Guard {
	g := Guard{"guard:credential", credential(c.in), "nothing it touches is labelled credential"}
	if g.Hit {
		g.Text = "it touches what is labelled credential"
	}
	return g
}
