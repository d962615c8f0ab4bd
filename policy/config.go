package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config is what the operator wrote, as policy needs it. It is data for the base module: no Rego is generated from it.
type Config struct {
	Targets []TargetInfo
	Scopes  []Scope
	// EvalTimeout bounds one evaluation; reaching it is an error, and so a denial. 0 means DefaultEvalTimeout.
	EvalTimeout time.Duration
	// Uncached decides each call anew. Otherwise decisions are remembered as long as the engine lives; never those with an approval.
	Uncached bool
	// Narrow lets tools narrow scopes by patterns of their own, by kind of target ("http", "ssh").
	Narrow map[string]Narrower
	// Match lets tools match deny rules by patterns of their own, by kind of target.
	Match map[string]Matcher
	// Rego is the operator's own rules; nil when there are none.
	Rego *Rego
	// Fresh, when given, is asked before each decision; its error is a denial. It is how a bundle grows too old.
	Fresh func() error
}

// Matcher says whether what a call touches is among r.Operations and r.Commands, where one hit is enough. It must be a pure function, safe
// for concurrent use, and must not keep or change what it is given.
type Matcher func(r DenyRule, objects []Object) bool

// Narrower says whether s covers a call on a target of its kind, as far as the tool's own patterns go: Operations, Commands, Headers,
// CommandText, Stdin. When not, why is the sentence the caller reads. It is asked beside ObjectsAllow and ObjectsDeny, which hold anyway,
// also about calls that were not understood. It must be a pure function, safe for concurrent use, and must not keep or change what it is given.
type Narrower func(s Scope, objects []Object, kinds []string) (ok bool, why string)

// DefaultEvalTimeout is some five hundred times what a decision costs. It is there for a runaway policy; a machine that is merely
// busy, or a build with the race detector, must not be denied calls by it.
const DefaultEvalTimeout = 250 * time.Millisecond

// TargetInfo is one configured target.
type TargetInfo struct {
	Name        string
	Kind        string // postgres, ssh, http
	Environment string // "" counts as production
	Labels      []string
}

// Level is who has to say yes from a score on.
type Level struct {
	Risk int
	Requirement
}

// Scope lets somebody do something on some targets. Nothing is allowed unless a scope allows it.
type Scope struct {
	Name    string
	Who     Who
	Targets []string // names of configured targets; patterns are resolved by the configuration
	Allow   []string // effects: read, write, define, admin
	// NotUnderstoodAsk turns the denial of a call that was not understood into a question; never into an allow without
	// approval.
	NotUnderstoodAsk bool
	Limits           Limits
	Risk             Thresholds
	Approval         *Requirement // nil: a call that would be asked is denied
	// Higher are stricter requirements for calls with a higher score, in ascending order of Risk; the last that the score reaches takes the
	// place of Approval.
	Higher []Level
	// ObjectsAllow and ObjectsDeny are patterns of object names: parts joined by ".", each literal or "*" for exactly one
	// part; "*" alone matches every name. Empty ObjectsAllow means every object. See names.go for names with quotes or more dots.
	ObjectsAllow []string
	ObjectsDeny  []string
	Deny         []DenyRule
	// Budgets bound what one caller may use over time. They are counted by the caller of this package; see [Engine.Budgets].
	Budgets []Budget
	// Hours are when the scope covers calls; nil is always. Its deny rules hold at all times.
	Hours *Hours
	// These are for the Narrower of a kind of target, which says what they mean and when they are wrong.
	Operations  []string // http
	Headers     []string // http
	Commands    []string // ssh
	CommandText bool     // ssh
	Stdin       bool     // ssh
}

// Who names callers. A caller matches when one of Groups or Subjects names it (any of either list) and, where Agents, Clients or
// Claims are given, each of these matches it as well. Naming only Agents, Clients or Claims is enough too. An empty Who matches
// nobody. Everything is compared exactly and case-sensitively.
type Who struct {
	Groups   []string
	Subjects []string // "sub", of any configured issuer, or "iss#sub", of this one only
	Agents   []string
	Clients  []string
	// Claims are verified token claims by name, and the JSON values of which the caller's has to be one: "gold" in quotes, true, 3. Of a
	// claim that is a list, one item is enough. Each named claim has to match.
	Claims map[string][]string
}

// Thresholds split the score: below Ask allow, below Deny ask, from Deny on deny. Ask 0 asks always, also for a read.
type Thresholds struct {
	Ask  int
	Deny int
}

// DefaultThresholds hold for a scope that states none.
var DefaultThresholds = Thresholds{Ask: 40, Deny: 95}

// DenyRule refuses, for every caller its scope matches, and whatever other scopes allow. All conditions given must hold; a
// rule without a condition refuses everything.
type DenyRule struct {
	Name    string   // in the decision's rule: "deny:NAME"; "" means the scope's name and the rule's place, "support/1"
	Effects []string // the call has one of these effects
	Objects []string // the call touches an object that one of these patterns matches
	Reason  string   // the sentence the caller reads

	Kinds        []string // the call has one of these kinds: update, delete, stdin, graphql mutation
	Tools        []string // it is a call of one of these tools
	Labels       []string // it touches an object with one of these sensitivity labels, letter case aside
	Targets      []string // it is on one of these targets, by name
	Nowhere      bool     // Targets were given by what they are, and no target is like that: the rule never holds
	Operations   []string // http: one of these patterns is of what it requests
	Commands     []string // ssh: it runs one of these commands
	OutsideHours *Hours   // it is made at another time
}

// normalized returns a copy with the defaults filled in, sorted by name, or everything that is wrong with it.
func (c Config) normalized() (Config, error) {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.EvalTimeout == 0 {
		c.EvalTimeout = DefaultEvalTimeout
	}
	if c.EvalTimeout < 0 {
		bad("EvalTimeout %s is negative", c.EvalTimeout)
	}
	c.Targets, c.Scopes = slices.Clone(c.Targets), slices.Clone(c.Scopes)
	slices.SortFunc(c.Targets, func(a, b TargetInfo) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.Scopes, func(a, b Scope) int { return strings.Compare(a.Name, b.Name) })
	known := map[string]bool{}
	for _, t := range c.Targets {
		if t.Name == "" || known[t.Name] {
			bad("target %q is unnamed or defined twice", t.Name)
		}
		known[t.Name] = true
	}
	for i := range c.Scopes {
		s := &c.Scopes[i]
		if s.Name == "" || i > 0 && s.Name == c.Scopes[i-1].Name {
			bad("scope %q is unnamed or defined twice", s.Name)
		}
		for _, t := range s.Targets {
			if !known[t] {
				bad("scope %s: target %q is not configured", s.Name, t)
			}
		}
		if len(s.Operations) > 0 && c.Narrow["http"] == nil || len(s.Commands) > 0 && c.Narrow["ssh"] == nil {
			bad("scope %s: operations or commands are given, and nothing here narrows by them", s.Name) // it would allow all of them
		}
		for i, d := range s.Deny {
			if len(d.Operations) > 0 && c.Match["http"] == nil || len(d.Commands) > 0 && c.Match["ssh"] == nil {
				bad("scope %s: deny[%d]: operations or commands are given, and nothing here matches them", s.Name, i) // it would refuse nothing
			}
			for _, t := range d.Targets {
				if !known[t] {
					bad("scope %s: deny[%d]: target %q is not configured", s.Name, i, t)
				}
			}
		}
		if err := s.normalize(); err != nil {
			problems = append(problems, err)
		}
	}
	return c, errors.Join(problems...)
}

func (s *Scope) normalize() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("scope "+s.Name+": "+format, args...))
	}
	for _, list := range [][]string{s.Who.Groups, s.Who.Subjects, s.Who.Agents, s.Who.Clients} {
		if slices.Contains(list, "") {
			bad("who holds an empty name, which would match callers without one")
		}
	}
	if s.Who.empty() {
		bad("who names nobody")
	}
	for name, values := range s.Who.Claims {
		if name == "" || len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return canonicalClaim([]byte(v)) != v }) {
			bad("who.claims: %q needs values, each the JSON of a string, true, false or a number", name)
		}
	}
	if len(s.Allow) == 0 {
		bad("allow is empty")
	}
	badEffects(s.Allow, func(e string) { bad("allow: %q is not one of read, write, define, admin", e) })
	if s.Risk == (Thresholds{}) {
		s.Risk = DefaultThresholds
	}
	if r := s.Risk; r.Ask < 0 || r.Deny <= 0 || r.Ask > r.Deny || r.Deny > 101 {
		bad("risk: ask %d and deny %d are not in 0 <= ask <= deny <= 101, deny > 0", r.Ask, r.Deny)
	}
	if l := s.Limits; l.Rows < 0 || l.Bytes < 0 || l.TimeMS < 0 || l.AffectedRows < 0 {
		bad("limits: a negative one")
	}
	if s.Approval != nil && len(s.Approval.From) == 0 {
		s.Approval = nil // nobody can say yes: as if it were absent
	}
	if a := s.Approval; a != nil {
		copied := *a
		if s.Approval = &copied; copied.Assurance == "" {
			s.Approval.Assurance = "chat"
		}
		if a.Count < 1 || a.WithinS < 1 {
			bad("approval: count %d and within %d s must be at least 1", a.Count, a.WithinS)
		}
		if !slices.Contains([]string{"chat", "web", "web_fresh"}, s.Approval.Assurance) {
			bad("approval: assurance %q is not one of chat, web, web_fresh", a.Assurance)
		}
	}
	s.Higher = slices.Clone(s.Higher)
	for i, l := range s.Higher {
		before, from := s.Approval, s.Risk.Ask
		if i > 0 {
			before, from = &s.Higher[i-1].Requirement, s.Higher[i-1].Risk
		}
		switch {
		case before == nil:
			bad("approval: higher without an approval to be higher than")
		case l.Risk <= from || l.Risk >= s.Risk.Deny:
			bad("approval: higher[%d]: risk %d is not above %d and below %d", i, l.Risk, from, s.Risk.Deny)
		case len(l.From) == 0 || l.Count < before.Count || l.WithinS < 1 || slices.Index(assurances, l.Assurance) < slices.Index(assurances, before.Assurance):
			bad("approval: higher[%d] asks for less than what is below it", i)
		}
	}
	for i, b := range s.Budgets {
		if b.Per != time.Hour && b.Per != 24*time.Hour {
			bad("budgets[%d]: per %s is neither an hour nor a day", i, b.Per)
		}
		if b.Calls < 0 || b.Rows < 0 || b.MaskedValues < 0 || b.Bytes < 0 || b == (Budget{Per: b.Per}) {
			bad("budgets[%d]: names no amount, or a negative one", i)
		}
	}
	if s.Hours != nil {
		if _, err := newWindow(*s.Hours); err != nil {
			bad("hours: %w", err)
		}
	}
	s.Deny = slices.Clone(s.Deny)
	for i := range s.Deny {
		d := &s.Deny[i]
		if d.Name == "" {
			d.Name = fmt.Sprintf("%s/%d", s.Name, i+1)
		}
		if d.Reason == "" {
			d.Reason = "a rule of scope " + s.Name + " forbids it"
		}
		if d.OutsideHours != nil {
			if _, err := newWindow(*d.OutsideHours); err != nil {
				bad("deny[%d].outside_hours: %w", i, err)
			}
		}
		if len(d.Operations) > 0 && len(d.Commands) > 0 {
			bad("deny[%d]: operations and commands never hold for one call; write two rules", i)
		}
		badEffects(d.Effects, func(e string) { bad("deny[%d]: %q is not one of read, write, define, admin", i, e) })
	}
	for _, list := range [][]string{s.ObjectsAllow, s.ObjectsDeny} {
		for _, p := range list {
			if err := checkPattern(p); err != nil {
				bad("objects: %w", err)
			}
		}
	}
	for i, d := range s.Deny {
		for _, p := range d.Objects {
			if err := checkPattern(p); err != nil {
				bad("deny[%d].objects: %w", i, err)
			}
		}
	}
	return errors.Join(problems...)
}

func badEffects(list []string, report func(string)) {
	for _, e := range list {
		if !slices.Contains(effects, e) {
			report(e)
		}
	}
}
