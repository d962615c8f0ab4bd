package policy

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func scoped(name string, changes ...func(*Scope)) Scope {
	return onCall(append([]func(*Scope){func(s *Scope) { s.Name = name }}, changes...)...)
}

func allowing(effects ...string) func(*Scope) { return func(s *Scope) { s.Allow = effects } }
func asking(ask, deny int) func(*Scope) {
	return func(s *Scope) { s.Risk = Thresholds{ask, deny} }
}
func needing(count int) func(*Scope) {
	return func(s *Scope) {
		s.Approval = &Requirement{From: []string{"dba"}, Count: count, WithinS: 60, Assurance: "chat"}
	}
}
func nobodyAsked(s *Scope)       { s.Approval = nil }
func asksNotUnderstood(s *Scope) { s.NotUnderstoodAsk = true }
func only(patterns ...string) func(*Scope) {
	return func(s *Scope) { s.ObjectsAllow = patterns }
}
func except(patterns ...string) func(*Scope) {
	return func(s *Scope) { s.ObjectsDeny = patterns }
}
func forbidding(name string, effects, objects []string) func(*Scope) {
	return func(s *Scope) {
		s.Deny = append(s.Deny, DenyRule{Name: name, Effects: effects, Objects: objects, Reason: "because"})
	}
}
func limited(changed int) func(*Scope) {
	return func(s *Scope) { s.Limits.AffectedRows = changed }
}
func budgetOf(calls int64) func(*Scope) {
	return func(s *Scope) { s.Budgets = []Budget{{Per: time.Hour, Calls: calls}} }
}

// evening is outside of office.
func evening(in *Input) { at("2026-08-03T20:00:00Z")(in) }

func forGroup(g string) func(*Scope) { return func(s *Scope) { s.Who = Who{Groups: []string{g}} } }

// TestSeveralScopes is the table of what happens when more than one scope matches, or none.
func TestSeveralScopes(t *testing.T) {
	two := func(in *Input) {
		in.Plan.Objects = append(in.Plan.Objects, Object{Type: "table", Name: "public.customers", Access: "read"})
	}
	tests := []struct {
		name    string
		scopes  []Scope
		call    Input
		verdict Verdict
		scope   string
		rule    string
	}{
		{"nobody's scope", []Scope{scoped("a", forGroup("dba"))}, call(), Deny, "", "no-scope"},
		{"another target's scope", []Scope{scoped("a", func(s *Scope) { s.Targets = []string{"dev-db"} })}, call(), Deny, "", "no-scope"},
		{"a target nobody configured", []Scope{scoped("a")}, call(func(in *Input) { in.Target.Name = "nowhere" }), Deny, "", "no-scope"},
		{"effect in no scope", []Scope{scoped("a", allowing("read")), scoped("b", allowing("define"))}, call(update), Deny, "", "guard:effect"},
		{"one of two allows the effect", []Scope{scoped("a", allowing("read")), scoped("b", allowing("read", "write"))}, call(update, rows(1, 9)), Ask, "b", "score"},
		{"effects are not a ladder", []Scope{scoped("a", allowing("admin", "define"))}, call(update), Deny, "", "guard:effect"},
		{"objects split over two scopes", []Scope{scoped("a", only("public.orders")), scoped("b", only("public.customers"))}, call(two), Deny, "", "no-scope"},
		{"objects in one of two scopes", []Scope{scoped("a", only("public.orders")), scoped("b", only("public.customers", "public.orders"))}, call(two), Allow, "b", "score"},
		{"effect in one, object in the other", []Scope{scoped("a", allowing("read")), scoped("b", allowing("write"), only("app.*"))}, call(update), Deny, "", "no-scope"},
		{"objects deny wins over objects allow", []Scope{scoped("a", only("*"), except("public.orders"))}, call(), Deny, "", "no-scope"},
		{"objects deny narrows its own scope only", []Scope{scoped("a", except("public.orders")), scoped("b")}, call(), Allow, "b", "score"},
		{"a deny rule wins everywhere", []Scope{scoped("a"), scoped("b", allowing("admin"), forbidding("orders", nil, []string{"public.orders"}))}, call(), Deny, "", "deny:orders"},
		{"a deny rule of a scope that is not for the caller", []Scope{scoped("a"), scoped("b", forGroup("dba"), forbidding("x", nil, nil))}, call(), Allow, "a", "score"},
		{"a deny rule needs both conditions", []Scope{scoped("a", forbidding("x", []string{"write"}, []string{"public.orders"}))}, call(), Allow, "a", "score"},
		{"a deny rule on an effect", []Scope{scoped("a", forbidding("x", []string{"write"}, nil))}, call(update), Deny, "", "deny:x"},
		{"a deny rule on what a write reads", []Scope{scoped("a", forbidding("x", []string{"read"}, []string{"public.customers"}))}, call(update, two), Deny, "", "deny:x"},
		{"the first deny rule by name is named", []Scope{scoped("a", forbidding("y", nil, nil)), scoped("b", forbidding("x", nil, nil))}, call(), Deny, "", "deny:x"},
		{"a deny rule without a name", []Scope{scoped("a", forbidding("", nil, nil))}, call(), Deny, "", "deny:a/1"},
		{"an approval does not lift a deny rule", []Scope{scoped("a", asking(0, 95), forbidding("x", nil, nil))}, call(approved(9)), Deny, "", "deny:x"},
		{"allow before ask", []Scope{scoped("a", asking(0, 95)), scoped("b")}, call(), Allow, "b", "score"},
		{"ask before deny", []Scope{scoped("a", asking(0, 1)), scoped("b", asking(0, 95))}, call(), Ask, "b", "score"},
		{"allow before deny", []Scope{scoped("a", asking(0, 1)), scoped("b")}, call(), Allow, "b", "score"},
		{"fewer approvers", []Scope{scoped("a", needing(3)), scoped("b", needing(2)), scoped("c", needing(2))}, call(update), Ask, "b", "score"},
		{"then by name", []Scope{scoped("b"), scoped("a"), scoped("c")}, call(), Allow, "a", "score"},
		{"by name whatever the approvers, when allowed", []Scope{scoped("a", needing(3)), scoped("b", needing(1))}, call(), Allow, "a", "score"},
		{"an approval is of the scope that asked", []Scope{scoped("a", needing(3)), scoped("b", needing(2))}, call(update, approved(2)), Allow, "b", "approved"},
		{"too few votes", []Scope{scoped("a", needing(2))}, call(update, approved(1)), Ask, "a", "score"},
		{"an approval that is not one", []Scope{scoped("a")}, call(update, func(in *Input) { in.Approval = &Approval{State: "pending", Votes: 5} }), Ask, "a", "score"},
		{"an approval does not lift a score", []Scope{scoped("a")}, call(update, unbounded, approved(9)), Deny, "a", "score"},
		{"ask 0 always asks", []Scope{scoped("a", asking(0, 95))}, call(), Ask, "a", "score"},
		{"ask without approvers", []Scope{scoped("a", nobodyAsked)}, call(update), Deny, "a", "no-approvers"},
		{"ask with an empty list of approvers", []Scope{scoped("a", func(s *Scope) { s.Approval.From = nil })}, call(update), Deny, "a", "no-approvers"},
		{"ask without approvers, another asks", []Scope{scoped("a", nobodyAsked), scoped("b")}, call(update), Ask, "b", "score"},
		{"thresholds absent", []Scope{scoped("a", asking(0, 0))}, call(), Allow, "a", "score"},
		{"thresholds absent, unbounded", []Scope{scoped("a", asking(0, 0))}, call(update, unbounded), Deny, "a", "score"},

		{"not understood", []Scope{scoped("a")}, call(notUnderstood), Deny, "", "guard:not-understood"},
		{"not understood, people look", []Scope{scoped("a", asksNotUnderstood)}, call(notUnderstood), Ask, "a", "guard:not-understood"},
		{"not understood, people looked", []Scope{scoped("a", asksNotUnderstood)}, call(notUnderstood, approved(1)), Allow, "a", "approved"},
		{"not understood, nobody to look", []Scope{scoped("a", asksNotUnderstood, nobodyAsked)}, call(notUnderstood), Deny, "a", "no-approvers"},
		{"not understood, approved, but not by this scope's wish", []Scope{scoped("a")}, call(notUnderstood, approved(9)), Deny, "", "guard:not-understood"},
		{"not understood, outside the objects", []Scope{scoped("a", asksNotUnderstood, only("app.*"))}, call(notUnderstood), Deny, "", "no-scope"},
		{"not understood, may be what is forbidden", []Scope{scoped("a", asksNotUnderstood, forbidding("x", nil, []string{"app.secrets"}))}, call(notUnderstood), Deny, "", "deny:x"},
		{"not understood, effect known and not allowed", []Scope{scoped("a", asksNotUnderstood, allowing("read"))},
			call(update, func(in *Input) { in.Plan.Understood = false }), Deny, "", "guard:effect"},
		{"credentials ask", []Scope{scoped("a", asking(100, 101))}, call(labelled("credential")), Ask, "a", "guard:credential"},
		{"credentials, agreed", []Scope{scoped("a", asking(100, 101))}, call(labelled("credential"), approved(1)), Allow, "a", "approved"},
		{"credentials, nobody to ask", []Scope{scoped("a", asking(100, 101), nobodyAsked)}, call(labelled("credential")), Deny, "a", "no-approvers"},
		{"a target that is all credentials", []Scope{scoped("a", asking(100, 101))}, call(func(in *Input) { in.Target.Labels = []string{"Credential"} }), Ask, "a", "guard:credential"},

		{"the decider is closed, another decides", []Scope{scoped("a", during(office)), scoped("b")}, call(evening), Allow, "b", "score"},
		{"the decider is closed, another asks", []Scope{scoped("a", during(office)), scoped("b", asking(0, 95))}, call(evening), Ask, "b", "score"},
		{"the only scope is closed", []Scope{scoped("a", during(office))}, call(evening), Deny, "", "no-scope"},
		{"two closed scopes", []Scope{scoped("a", during(office)), scoped("b", during(office))}, call(evening), Deny, "", "no-scope"},
		{"closed, and people had agreed inside", []Scope{scoped("a", during(office))}, call(update, evening, approved(9)), Deny, "", "no-scope"},
		{"closed, and people had agreed; another needs more", []Scope{scoped("a", during(office)), scoped("b", needing(2))}, call(update, evening, approved(1)), Ask, "b", "score"},
		{"a deny rule of a closed scope holds", []Scope{scoped("a", during(office), forbidding("x", nil, nil)), scoped("b")}, call(evening), Deny, "", "deny:x"},
		{"a deny rule of a closed scope, about something else", []Scope{scoped("a", during(office), forbidding("x", nil, []string{"app.secrets"})), scoped("b")}, call(evening), Allow, "b", "score"},
		{"hours of one, effect of the other", []Scope{scoped("a", during(office), allowing("write")), scoped("b", allowing("read"))}, call(update, evening), Deny, "", "no-scope"},
		{"a limit decides the score of its own scope", []Scope{scoped("a", limited(1)), scoped("b", asking(46, 95))}, call(update), Ask, "a", "score"},
		{"a limit that lets it pass, a scope that asks", []Scope{scoped("a", asking(46, 95)), scoped("b", asking(46, 95), limited(1))}, call(update), Allow, "b", "score"},
		{"a budget does not choose the scope", []Scope{scoped("a", budgetOf(1)), scoped("b")}, call(), Allow, "a", "score"},
		{"a budget does not make a scope ask less", []Scope{scoped("a", budgetOf(1), asking(0, 95)), scoped("b", budgetOf(1000))}, call(), Allow, "b", "score"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newTestEngine(t, tt.scopes...)
			d := decide(t, e, tt.call)
			if d.Verdict != tt.verdict || d.Scope != tt.scope || d.Rule != tt.rule {
				t.Errorf("%s scope %q rule %q, want %s %q %q: %v", d.Verdict, d.Scope, d.Rule, tt.verdict, tt.scope, tt.rule, d.Reasons)
			}
			sound(t, d)
			if diff := cmp.Diff(d, decide(t, e, tt.call)); diff != "" {
				t.Errorf("decided differently the second time:\n%s", diff)
			}
		})
	}
}

// sound checks what holds for every decision.
func sound(t testing.TB, d Decision) {
	t.Helper()
	sum := 0
	for _, r := range d.Reasons {
		sum += r.Points
		if r.ID == "" || r.Text == "" {
			t.Errorf("reason without id or text: %+v", r)
		}
	}
	if sum != d.Score || d.Score < 0 || d.Score > 100 {
		t.Errorf("the points add up to %d, the score is %d", sum, d.Score)
	}
	if d.Verdict == Ask && (d.Approval == nil || len(d.Approval.From) == 0 || d.Approval.Count < 1) {
		t.Errorf("asks nobody: %+v", d.Approval)
	}
	if d.Revision == "" || d.Rule == "" {
		t.Errorf("no revision or rule: %+v", d)
	}
}

// The limits are those of the scope that covers the call, never the union.
func TestLimitsOfTheCoveringScope(t *testing.T) {
	e := newTestEngine(t, scoped("a", asking(0, 95), func(s *Scope) { s.Limits = Limits{Rows: 10000} }), scoped("b", func(s *Scope) { s.Limits = Limits{Rows: 5, AffectedRows: 7} }))
	if d := decide(t, e, call()); d.Scope != "b" || d.Limits != (Limits{Rows: 5, AffectedRows: 7}) {
		t.Errorf("%+v", d)
	}
}

func TestWho(t *testing.T) {
	p := call().Principal
	with := func(f func(*Principal)) Principal { q := p; f(&q); return q }
	tests := []struct {
		name string
		who  Who
		p    Principal
		want bool
	}{
		{"group", Who{Groups: []string{"sre"}}, p, true},
		{"group in another case", Who{Groups: []string{"SRE"}}, p, false},
		{"part of a group", Who{Groups: []string{"sr"}}, p, false},
		{"subject", Who{Subjects: []string{"ann"}}, p, true},
		{"subject of this issuer", Who{Subjects: []string{"https://login.example.com#ann"}}, p, true},
		{"subject of another issuer", Who{Subjects: []string{"https://other.example.com#ann"}}, p, false},
		{"subject that imitates another issuer's", Who{Subjects: []string{"https://other.example.com#ann"}},
			with(func(p *Principal) { p.Subject = "https://other.example.com#ann" }), false},
		{"group or subject", Who{Groups: []string{"dba"}, Subjects: []string{"ann"}}, p, true},
		{"neither group nor subject", Who{Groups: []string{"dba"}, Subjects: []string{"bob"}}, p, false},
		{"group and agent", Who{Groups: []string{"sre"}, Agents: []string{"support-bot"}}, p, true},
		{"group and another agent", Who{Groups: []string{"sre"}, Agents: []string{"deploy-bot"}}, p, false},
		{"group and agent, and no agent", Who{Groups: []string{"sre"}, Agents: []string{"support-bot"}}, with(func(p *Principal) { p.Agent = "" }), false},
		{"agent without group", Who{Groups: []string{"dba"}, Agents: []string{"support-bot"}}, p, false},
		{"agent alone", Who{Agents: []string{"support-bot"}}, p, true},
		{"client", Who{Groups: []string{"sre"}, Clients: []string{"desktop"}}, p, true},
		{"another client", Who{Groups: []string{"sre"}, Clients: []string{"ci"}}, p, false},
		{"claim", Who{Claims: oneClaim("department", `"finance"`)}, with(claiming("department", `"finance"`)), true},
		{"claim and group", Who{Groups: []string{"sre"}, Claims: oneClaim("department", `"finance"`)}, with(claiming("department", `"finance"`)), true},
		{"claim and another group", Who{Groups: []string{"dba"}, Claims: oneClaim("department", `"finance"`)}, with(claiming("department", `"finance"`)), false},
		{"group without the claim", Who{Groups: []string{"sre"}, Claims: oneClaim("department", `"finance"`)}, p, false},
		{"one of two values", Who{Claims: oneClaim("tier", `"gold"`, `"silver"`)}, with(claiming("tier", `"silver"`)), true},
		{"a list that holds it", Who{Claims: oneClaim("tier", `"gold"`)}, with(claiming("tier", `["bronze", "gold"]`)), true},
		{"a list that does not", Who{Claims: oneClaim("tier", `"gold"`)}, with(claiming("tier", `["bronze"]`)), false},
		{"two claims, one of which matches", Who{Claims: map[string][]string{"tier": {`"gold"`}, "department": {`"finance"`}}}, with(claiming("tier", `"gold"`)), false},
		{"a boolean", Who{Claims: oneClaim("employee", "true")}, with(claiming("employee", "true")), true},
		{"a boolean is not its word", Who{Claims: oneClaim("employee", "true")}, with(claiming("employee", `"true"`)), false},
		{"a number", Who{Claims: oneClaim("level", "3")}, with(claiming("level", "3.0")), true},
		{"a number is not its digits", Who{Claims: oneClaim("level", "3")}, with(claiming("level", `"3"`)), false},
		{"a string written otherwise", Who{Claims: oneClaim("department", `"finance"`)}, with(claiming("department", `"fin\u0061nce"`)), true},
		{"another case", Who{Claims: oneClaim("department", `"finance"`)}, with(claiming("department", `"Finance"`)), false},
		{"another claim's value", Who{Claims: oneClaim("department", `"finance"`)}, with(claiming("tier", `"finance"`)), false},
		{"an object", Who{Claims: oneClaim("department", `"finance"`)}, with(claiming("department", `{"finance": true}`)), false},
		{"null", Who{Claims: oneClaim("department", `"finance"`, `""`)}, with(claiming("department", `null`)), false},
		{"a list with null", Who{Claims: oneClaim("department", `"finance"`, `""`)}, with(claiming("department", `[null, "finance"]`)), false},
		{"a list in a list", Who{Claims: oneClaim("department", `"finance"`)}, with(claiming("department", `[["finance"]]`)), false},
		{"two values", Who{Claims: oneClaim("department", `"finance"`)}, with(claiming("department", `"finance" "finance"`)), false},
		{"a number beyond exactness", Who{Claims: oneClaim("id", "9007199254740991")}, with(claiming("id", "9007199254740993")), false},
		{"a caller without anything", Who{Groups: []string{"sre"}, Subjects: []string{"ann"}}, Principal{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newTestEngine(t, scoped("a", func(s *Scope) { s.Who = tt.who }))
			if got := e.Visible(tt.p, "orders-db"); got != tt.want {
				t.Errorf("visible %v, want %v", got, tt.want)
			}
			d := decide(t, e, call(func(in *Input) { in.Principal = tt.p }))
			if (d.Verdict == Allow) != tt.want {
				t.Errorf("%s, want allow: %v", d.Verdict, tt.want)
			}
		})
	}
}

func oneClaim(name string, values ...string) map[string][]string {
	return map[string][]string{name: values}
}

func claiming(name, value string) func(*Principal) {
	return func(p *Principal) { p.Claims = Claims{name: []byte(value)} }
}

func TestTargets(t *testing.T) {
	e := newTestEngine(t,
		scoped("a", func(s *Scope) { s.Targets = []string{"bare-db"}; s.Allow = []string{"write", "read"} }, nobodyAsked),
		scoped("b", func(s *Scope) { s.Targets = []string{"orders-db"}; s.Allow = []string{"admin"} }),
		scoped("c", func(s *Scope) { s.Targets = []string{"dev-db"} }, forGroup("dba")))
	want := []TargetView{
		{Name: "bare-db", Kind: "postgres", Environment: "production", Allow: []string{"read", "write"}, Limits: Limits{Rows: 500}},
		{Name: "orders-db", Kind: "postgres", Environment: "production", Allow: []string{"admin"}, MayAsk: true, Limits: Limits{Rows: 500}},
	}
	if diff := cmp.Diff(want, e.Targets(call().Principal)); diff != "" {
		t.Error(diff)
	}
	if e.Visible(call().Principal, "dev-db") || e.Visible(call().Principal, "nowhere") {
		t.Error("sees what no scope of his lists")
	}
}

func TestRevision(t *testing.T) {
	base := newTestEngine(t, scoped("a"), scoped("b"))
	if same := newTestEngine(t, scoped("b"), scoped("a")); same.Revision() != base.Revision() {
		t.Error("the order of scopes changes the revision")
	}
	for name, s := range map[string]Scope{
		"who": scoped("b", forGroup("dba")), "targets": scoped("b", func(s *Scope) { s.Targets = s.Targets[:1] }), "allow": scoped("b", allowing("read")),
		"limits": scoped("b", func(s *Scope) { s.Limits.Rows++ }), "risk": scoped("b", asking(41, 95)), "approval": scoped("b", needing(2)),
		"objects": scoped("b", only("*")), "deny": scoped("b", forbidding("x", nil, nil)), "not understood": scoped("b", asksNotUnderstood),
	} {
		if other := newTestEngine(t, scoped("a"), s); other.Revision() == base.Revision() {
			t.Errorf("%s does not change the revision", name)
		}
	}
}

// New refuses what it cannot mean, and says everything at once.
func TestNewRefuses(t *testing.T) {
	bad := []struct {
		change func(*Scope)
		want   string
	}{
		{func(s *Scope) { s.Name = "" }, "unnamed"},
		{func(s *Scope) { s.Who = Who{} }, "names nobody"},
		{func(s *Scope) { s.Who.Agents = []string{""} }, "empty name"},
		{func(s *Scope) { s.Targets = []string{"nowhere"} }, `target "nowhere" is not configured`},
		{allowing(), "allow is empty"},
		{allowing("read", "unknown"), `"unknown" is not one of`},
		{asking(50, 40), "risk"},
		{asking(50, 0), "risk"},
		{asking(-1, 40), "risk"},
		{needing(0), "at least 1"},
		{func(s *Scope) {
			s.Approval = &Requirement{From: []string{"dba"}, Count: 1, WithinS: 60, Assurance: "sms"}
		}, "sms"},
		{func(s *Scope) { s.Limits.Rows = -1 }, "negative"},
		{only("public.ord*"), "whole part"},
		{only(""), "empty"},
		{except("public..x"), "empty part"},
		{except("public.[ab]"), "only * is special"},
		{forbidding("x", []string{"delete"}, nil), "deny[0]"},
		{forbidding("x", nil, []string{" a.b"}), "deny[0].objects"},
	}
	for _, tt := range bad {
		_, err := New(context.Background(), Config{Targets: []TargetInfo{{Name: "orders-db"}, {Name: "dev-db"}, {Name: "bare-db"}}, Scopes: []Scope{scoped("a", tt.change)}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q, want %q in it", err, tt.want)
		}
	}
	_, err := New(context.Background(), Config{Scopes: []Scope{scoped("a", allowing()), scoped("a", asking(9, 1))}})
	for _, want := range []string{"allow is empty", "risk", "defined twice", "not configured"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q, want %q in it", err, want)
		}
	}
}
