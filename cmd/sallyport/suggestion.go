package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"sallyport/configs"
	"sallyport/policy"
)

// suggestion is the scopes that cover what was observed. Names in it come from statements that agents wrote, so nothing is trusted to
// be written right: the text is read back through configs, compared with what was meant, and every call decided under it.
type suggestion struct {
	whose
	approvers []string
	rules     *rulebook // nil without a configuration

	scopes  []*proposed
	seen    int // calls of theirs in the log
	covered int
	asked   int         // of the covered: people would be asked
	apart   []apartCall // not covered: refused, never answered, or not to be written as a scope
}

// proposed is one scope: one target and one effect, so that what was read is not allowed to be changed.
type proposed struct {
	Name        string              `json:"name"`
	Who         policy.Who          `json:"who"`
	Target      string              `json:"target"`
	Allow       string              `json:"allow"`
	Lists       map[string][]string `json:"narrowed_to"` // objects, operations, headers, commands
	CommandText bool                `json:"command_text,omitempty"`
	Stdin       bool                `json:"stdin,omitempty"`
	Unclear     bool                `json:"not_understood_ask,omitempty"`
	Rows        int64               `json:"rows,omitempty"`
	Affected    int64               `json:"affected_rows,omitempty"`
	Approval    *policy.Requirement `json:"approval,omitempty"`
	Deny        int                 `json:"risk_deny,omitempty"` // 0: the usual one
	Calls       int                 `json:"calls"`
	kind        string              // of the target
	calls       []*observed
	refused     map[string]bool // names that cannot stand in a configuration
}

// apartCall is a call that no suggested scope is meant to cover.
type apartCall struct {
	Count     int    `json:"count"`
	Tool      string `json:"tool"`
	Target    string `json:"target"`
	Statement string `json:"statement"` // without literals
	Why       string `json:"why"`
}

// build fails when nothing ran, when people have to agree and it is not known who, and when what it wrote does not read back as it was meant.
func (g *suggestion) build(ctx context.Context, o observation) error {
	if o.err != nil {
		return o.err
	}
	g.seen = len(o.order)
	byKey := map[string]*proposed{}
	for _, c := range o.order {
		switch why := g.leftOut(c); {
		case why != "":
			g.setApart(c, why)
		default:
			g.propose(byKey, c)
		}
	}
	g.scopes = slices.SortedFunc(maps.Values(byKey), func(a, b *proposed) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(effectOrder(a.Allow), effectOrder(b.Allow)), cmp.Compare(a.Name, b.Name))
	})
	if len(g.scopes) == 0 {
		hint := "calls that were refused or never answered are not suggested"
		if o.without > 0 {
			hint = fmt.Sprintf("%d entries were exported without bodies, or are from an older version", o.without)
		}
		return hinted(fmt.Errorf("none of %d calls of %s ran", g.seen, g.whose), hint)
	}
	g.name()
	for _, p := range g.scopes {
		p.fill(g.whose)
	}
	for _, p := range g.scopes { // until it is known who is needed: the widest thresholds, and somebody to ask
		p.Deny, p.Approval = 100, &policy.Requirement{From: []string{"somebody"}, Count: 1, WithinS: 1800, Assurance: "chat"}
	}
	if err := g.settle(ctx); err != nil {
		return err
	}
	_, err := g.readBack()
	return err
}

// leftOut says why a call is none to suggest a scope for; "" when it is one.
func (g *suggestion) leftOut(c *observed) string {
	switch {
	case !c.ran && c.verdict == string(policy.Deny):
		return "refused: " + c.rule
	case !c.ran && c.verdict == string(policy.Ask):
		return "asked, and not run"
	case !c.ran:
		return "did not run"
	case g.rules != nil && g.rules.targets[c.in.Target.Name].Name == "":
		return "the configuration has no such target"
	}
	return ""
}

func (g *suggestion) setApart(c *observed, why string) {
	for i := range g.apart {
		if a := &g.apart[i]; a.Tool == c.in.Call.Tool && a.Target == c.in.Target.Name && a.Statement == c.statement && a.Why == why {
			a.Count++
			return
		}
	}
	g.apart = append(g.apart, apartCall{1, c.in.Call.Tool, c.in.Target.Name, c.statement, why})
}

var effectNames = []string{"read", "write", "define", "admin"}

func effectOrder(effect string) int { return slices.Index(effectNames, effect) }

// propose adds the call to the scope for calls of its kind.
func (g *suggestion) propose(byKey map[string]*proposed, c *observed) {
	plan := c.in.Plan
	effect, unclear := plan.Effect, !plan.Understood || len(plan.Unknown) > 0
	if effectOrder(effect) < 0 {
		effect, unclear = "read", true // the least a scope can allow; people look at what was not understood
	}
	text, stdin := slices.Contains(plan.Kinds, "command_text"), slices.Contains(plan.Kinds, "stdin")
	key := fmt.Sprint([]any{c.in.Target.Name, effect, unclear, text, stdin})
	p := byKey[key]
	if p == nil {
		p = &proposed{Target: c.in.Target.Name, Allow: effect, Unclear: unclear, CommandText: text, Stdin: stdin, kind: g.target(c).Kind,
			refused: map[string]bool{}}
		byKey[key] = p
	}
	p.calls = append(p.calls, c)
}

// fill sets what the scope says from its calls. Names that a configuration refuses are left out, and so is what only they needed.
func (p *proposed) fill(w whose) {
	p.Who, p.Lists, p.Rows, p.Affected = policy.Who{}, map[string][]string{}, 0, 0
	for _, c := range p.calls {
		p.addWho(w, c.in.Principal)
		for list, names := range narrowedTo(p.kind, c.in.Plan.Objects) {
			for _, n := range names {
				if !p.refused[n] && !slices.Contains(p.Lists[list], n) {
					p.Lists[list] = append(p.Lists[list], n)
				}
			}
			slices.Sort(p.Lists[list])
		}
		if p.kind == "postgres" {
			p.Rows = max(p.Rows, roundUp(c.rows))
		}
		if p.kind == "postgres" && p.Allow != "read" {
			p.Affected = max(p.Affected, roundUp(c.affected))
		}
	}
	if list := listOf[p.kind]; len(p.Lists[list]) == 0 {
		p.Lists[list] = []string{nothing[list]} // an absent list would cover everything
	}
}

// target is what the configuration says of the call's target, or else the record.
func (g *suggestion) target(c *observed) policy.TargetInfo {
	if g.rules != nil {
		return g.rules.targets[c.in.Target.Name]
	}
	return policy.TargetInfo(c.in.Target)
}

// addWho names the caller by what was asked for. A subject is written with its issuer: another issuer may have the same.
func (p *proposed) addWho(w whose, caller policy.Principal) {
	add := func(list *[]string, name string) {
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	if w.Subject != "" {
		name := caller.Subject
		if caller.Issuer != "" {
			name = caller.Issuer + "#" + caller.Subject
		}
		add(&p.Who.Subjects, name)
	}
	if w.Agent != "" {
		add(&p.Who.Agents, w.Agent)
	}
	if w.Client != "" {
		add(&p.Who.Clients, w.Client)
	}
}

// narrowedTo are the patterns that cover exactly what a call touches, by the scope's key. What cannot be written so is left out, and the
// call is then found not to be covered.
func narrowedTo(kind string, objects []policy.Object) map[string][]string {
	out := map[string][]string{}
	for _, o := range objects {
		switch kind {
		case "postgres":
			if pattern, ok := policy.ExactPattern(o.Name); ok {
				out["objects"] = append(out["objects"], pattern)
			}
		case "ssh":
			if o.Type == "command" {
				out["commands"] = append(out["commands"], o.Name)
			}
		case "http":
			if o.Type == "header" {
				out["headers"] = append(out["headers"], o.Name)
			}
		}
	}
	if kind == "http" {
		out["operations"] = operationsOf(objects)
	}
	return out
}

// operationsOf are the patterns of an HTTP call: its root fields or its method where the body says what it is, else its operation, else
// the path as it was sent. "*" and "{" would stand for more than themselves.
func operationsOf(objects []policy.Object) []string {
	byType := map[string][]string{}
	for _, o := range objects {
		if !strings.Contains(o.Name, "*") {
			byType[o.Type] = append(byType[o.Type], o.Name)
		}
	}
	if inner := append(byType["graphql"], byType["rpc"]...); len(inner) > 0 {
		return inner
	}
	for _, name := range byType["operation"] { // its id first: it stays when the path changes
		if !strings.ContainsAny(name, " /:") {
			return []string{name}
		}
	}
	if templates := byType["operation"]; len(templates) > 0 {
		return templates[:1]
	}
	return slices.DeleteFunc(byType["request"], func(s string) bool { return strings.Contains(s, "{") })
}

// roundUp is the next of 1, 2, 5, 10, 20, 50, ...
func roundUp(n int64) int64 {
	for step := int64(1); ; step *= 10 {
		for _, m := range []int64{1, 2, 5} {
			if m*step >= n {
				return m * step
			}
		}
	}
}

var notInNames = regexp.MustCompile(`[^a-z0-9._-]+`)

// name gives each scope one of its own.
func (g *suggestion) name() {
	taken := map[string]bool{}
	for _, p := range g.scopes {
		base := notInNames.ReplaceAllString("suggested-"+p.Target+"-"+p.Allow, "-")
		base = base[:min(len(base), 56)]
		p.Name = base
		for i := 2; taken[p.Name]; i++ {
			p.Name = fmt.Sprintf("%s-%d", base, i)
		}
		taken[p.Name] = true
	}
}

// settle removes names that no configuration may hold and calls that are not covered then, and finds out where people have to be asked.
func (g *suggestion) settle(ctx context.Context) error {
	f, err := g.readBack()
	if err != nil {
		return err
	}
	cfg, err := policyConfig(ctx, f, nil)
	if err != nil {
		return err
	}
	engine, err := policy.New(ctx, cfg)
	if err != nil {
		return fmt.Errorf("the suggestion makes no policy: %w", err)
	}
	var left []*proposed
	for _, p := range g.scopes {
		asks, score := false, 0
		var covered []*observed
		for _, c := range p.calls {
			in := c.in
			in.Target = policy.Target(g.target(c))
			d, err := engine.Decide(ctx, in)
			if err != nil {
				return err
			}
			if d.Verdict == policy.Deny {
				g.setApart(c, "no scope can be written for it: "+firstSentence(d))
				continue
			}
			covered = append(covered, c)
			score = max(score, d.Score)
			if d.Verdict == policy.Ask {
				asks = true
				g.asked++
			}
		}
		if p.calls, p.Calls = covered, len(covered); p.Calls == 0 {
			continue
		}
		g.covered += p.Calls
		left = append(left, p)
		p.fill(g.whose)
		if p.Approval = nil; asks {
			if p.Approval, err = g.whoAgrees(p); err != nil {
				return err
			}
		}
		if p.Deny = 0; score >= policy.DefaultThresholds.Deny {
			p.Deny = 100
		}
	}
	if g.scopes = left; len(left) == 0 {
		return hinted(errors.New("no scope can be written for any of these calls"), "the names of what they touch cannot stand in a configuration")
	}
	return nil
}

// whoAgrees is who was asked about calls like these, or who --approvers names.
func (g *suggestion) whoAgrees(p *proposed) (*policy.Requirement, error) {
	if len(g.approvers) > 0 {
		return &policy.Requirement{From: g.approvers, Count: 1, WithinS: 1800, Assurance: "chat"}, nil
	}
	if g.rules != nil {
		for _, c := range p.calls {
			if a := g.rules.approvals[c.scope]; a != nil {
				return a, nil
			}
		}
	}
	return nil, &cliError{code: exitUsage, err: fmt.Errorf("%s on %s needs people to agree, and it is not known who", p.Allow, visible(p.Target, false)),
		hints: []string{"name the groups with --approvers, or give the --config under which they were asked"}}
}

// readBack parses the text as a configuration, drops names it refuses, and holds the result against what was meant.
func (g *suggestion) readBack() (*configs.File, error) {
	for {
		f, err := configs.Parse("suggestion", []byte(g.whole()))
		var problems configs.Problems
		if errors.As(err, &problems) && g.dropRefused(problems) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the suggestion is no configuration: %w", err)
		}
		if len(f.Scopes) != len(g.scopes) {
			return nil, fmt.Errorf("the suggestion reads as %d scopes instead of %d", len(f.Scopes), len(g.scopes))
		}
		for _, p := range g.scopes {
			if !p.readsAs(f.Scopes[p.Name]) {
				return nil, fmt.Errorf("the suggestion does not read back as it was meant: scope %s", p.Name)
			}
		}
		return f, nil
	}
}

// listAt is the path of an item of a list that names come from.
var listAt = regexp.MustCompile(`^scopes\.(.+)\.(objects\.allow|operations|headers|commands)\[(\d+)\]$`)

// dropRefused takes names out that the configuration refuses; false when a problem is of another kind.
func (g *suggestion) dropRefused(problems configs.Problems) bool {
	refused := map[string]bool{}
	for _, problem := range problems {
		if !listAt.MatchString(problem.Path) {
			return false
		}
		refused[problem.Path] = true
	}
	for _, p := range g.scopes {
		for list, names := range p.Lists {
			key := list
			if list == "objects" {
				key = "objects.allow"
			}
			for i, n := range names {
				if refused[fmt.Sprintf("scopes.%s.%s[%d]", p.Name, key, i)] {
					p.refused[n] = true
				}
			}
		}
		p.fill(g.whose)
	}
	return true
}

// nothing is a pattern of a list that covers no call, and listOf the list that narrows a kind of target.
var (
	nothing = map[string]string{"objects": "none.none", "operations": "none-of-the-operations", "commands": "none-of-the-commands"}
	listOf  = map[string]string{"postgres": "objects", "http": "operations", "ssh": "commands"}
)

func (p *proposed) readsAs(s *configs.Scope) bool {
	if s == nil {
		return false
	}
	same := func(got, want []string) bool {
		return len(got) == len(want) && (len(got) == 0 || reflect.DeepEqual(got, want))
	}
	return same(s.Who.Subjects, p.Who.Subjects) && same(s.Who.Agents, p.Who.Agents) && same(s.Who.Clients, p.Who.Clients) &&
		len(s.Who.Groups)+len(s.Who.Claims)+len(s.Deny)+len(s.Objects.Deny) == 0 && same(s.Targets.Names, []string{p.Target}) && same(s.Allow, []string{p.Allow}) &&
		same(s.Objects.Allow, p.Lists["objects"]) && same(s.Operations, p.Lists["operations"]) && same(s.Headers, p.Lists["headers"]) && same(s.Commands, p.Lists["commands"]) &&
		s.CommandText == p.CommandText && s.Stdin == p.Stdin && (s.NotUnderstood == "ask") == p.Unclear &&
		int64(s.Limits.Rows) == p.Rows && int64(s.Limits.AffectedRows) == p.Affected &&
		(s.Approval == nil) == (p.Approval == nil) && (p.Approval == nil || same(s.Approval.From, p.Approval.From) && s.Approval.Count == p.Approval.Count)
}

// hours are the whole hours (UTC) at which calls began, and the most there were in one of them.
func (p *proposed) hours() (from, to, most int) {
	from, to = 23, 0
	perHour := map[time.Time]int{}
	for _, c := range p.calls {
		t := c.in.Call.Time.UTC()
		from, to = min(from, t.Hour()), max(to, t.Hour())
		perHour[t.Truncate(time.Hour)]++
		most = max(most, perHour[t.Truncate(time.Hour)])
	}
	return from, to, most
}
