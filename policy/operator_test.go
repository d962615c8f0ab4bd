package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// withRego is an engine with Rego of the operator's own; each module is a file a.rego, b.rego, ...
func withRego(t testing.TB, override bool, scope Scope, modules ...string) *Engine {
	t.Helper()
	e, err := loadRego(override, scope, modules...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func loadRego(override bool, scope Scope, modules ...string) (*Engine, error) {
	r := &Rego{Override: override, Timeout: patient}
	for i, text := range modules {
		name := fmt.Sprintf("%c.rego", 'a'+i)
		if strings.Contains(text, "\ntest_") {
			name = fmt.Sprintf("%c_test.rego", 'a'+i)
		}
		if !strings.HasPrefix(text, "package") {
			text = "package sallyport.operator\n\n" + text
		}
		r.Modules = append(r.Modules, Module{name, text})
	}
	return New(context.Background(), Config{
		Targets: []TargetInfo{{Name: "orders-db", Kind: "postgres", Environment: "production"}, {Name: "dev-db", Kind: "postgres", Environment: "development"}, {Name: "bare-db"}},
		Scopes:  []Scope{scope}, EvalTimeout: patient, Rego: r,
	})
}

func votes(decision string) string {
	return fmt.Sprintf(`votes contains {"decision": %q, "id": "v", "reason": "because"} if input.v == 1`, decision)
}

func noApproval(s *Scope) { s.Approval = nil }

// TestVotes: what comes of the base module's decision and a vote, in either mode.
func TestVotes(t *testing.T) {
	tooHigh := call(update, unbounded)
	asks := call(update, rows(5, 1000))
	tests := []struct {
		name               string
		scope              Scope
		call               Input
		vote               string
		tighten, overriden string // verdict and rule
	}{
		{"allowed", onCall(), call(), "allow", "allow score", "allow score"},
		{"allowed", onCall(), call(), "ask", "ask rego:v", "ask rego:v"},
		{"allowed, nobody to ask", onCall(noApproval), call(), "ask", "deny no-approvers", "deny no-approvers"},
		{"allowed", onCall(), call(), "deny", "deny rego:v", "deny rego:v"},
		{"asked", onCall(), asks, "allow", "ask score", "allow rego:v"},
		{"asked", onCall(), asks, "ask", "ask score", "ask score"},
		{"asked", onCall(), asks, "deny", "deny rego:v", "deny rego:v"},
		{"refused by the score", onCall(), tooHigh, "allow", "deny score", "allow rego:v"},
		{"refused by the score", onCall(), tooHigh, "ask", "deny score", "ask rego:v"},
		{"nobody to ask", onCall(noApproval), asks, "allow", "deny no-approvers", "allow rego:v"},
		{"agreed", onCall(), call(update, rows(5, 1000), approved(1)), "deny", "deny rego:v", "deny rego:v"},
		{"agreed", onCall(), call(update, rows(5, 1000), approved(1)), "ask", "allow approved", "allow approved"},
		{"agreed to what only the vote asks", onCall(), call(approved(1)), "ask", "allow approved", "allow approved"},

		{"not understood", onCall(), call(notUnderstood), "allow", "deny guard:not-understood", "deny guard:not-understood"},
		{"not understood, people look", onCall(asksNotUnderstood), call(notUnderstood), "allow", "ask guard:not-understood", "deny guard:not-understood"},
		{"credentials", onCall(), call(labelled("credential")), "allow", "ask guard:credential", "deny guard:credential"},
		{"effect", onCall(allowing("read")), call(update), "allow", "deny guard:effect", "deny guard:effect"},
		{"objects", onCall(only("app.*")), call(), "allow", "deny no-scope", "deny no-scope"},
		{"a deny rule", onCall(forbidding("x", nil, nil)), call(), "allow", "deny deny:x", "deny deny:x"},
		{"another caller", onCall(), call(func(in *Input) { in.Principal.Groups = nil }), "allow", "deny no-scope", "deny no-scope"},
	}
	for _, tt := range tests {
		for override, want := range map[bool]string{false: tt.tighten, true: tt.overriden} {
			t.Run(fmt.Sprintf("%s/%s/override=%v", tt.name, tt.vote, override), func(t *testing.T) {
				d := decide(t, withRego(t, override, tt.scope, votes(tt.vote)), tt.call)
				if got := string(d.Verdict) + " " + d.Rule; got != want {
					t.Errorf("%s, want %s: %+v", got, want, d)
				}
				sound(t, d)
			})
		}
	}
}

// The strictest of all votes holds, and all that are as strict are told.
func TestTheStrictestVoteHolds(t *testing.T) {
	e := withRego(t, true, onCall(), votes("allow"), `votes contains {"decision": "ask", "id": "z", "reason": "look"}
votes contains {"decision": "ask", "id": "c", "reason": "look here"}`)
	d := decide(t, e, call())
	if d.Verdict != Ask || d.Rule != "rego:c" || d.Reasons[0].Text != "look here" || d.Reasons[1].Text != "look" {
		t.Errorf("%+v", d)
	}
}

// Points are counted before the thresholds, each with its sentence, and the sum is the score.
func TestContributions(t *testing.T) {
	night := `contrib contains {"id": "night", "points": 12, "text": "at night"} if time.clock(time.parse_rfc3339_ns(input.call.time))[0] >= 22`
	e := withRego(t, false, onCall(), night)
	day, late := call(), call(func(in *Input) { in.Call.Time = time.Date(2026, 8, 1, 23, 0, 0, 0, time.UTC) })
	if d := decide(t, e, day); d.Score != 20 || d.Verdict != Allow {
		t.Errorf("by day: %+v", d)
	}
	d := decide(t, e, late)
	if d.Score != 32 || d.Verdict != Allow || !slices.Contains(d.Reasons, Reason{"rego:night", 12, "at night: +12"}) {
		t.Errorf("at night: %+v", d)
	}
	sound(t, d)
	two := withRego(t, false, onCall(), `contrib contains {"id": sprintf("n%d", [i]), "points": 20, "text": "again"} if some i in [1, 2]`)
	if d := decide(t, two, call()); d.Score != 60 || d.Verdict != Ask { // the trap: a set {20, 20} sums up to 20
		t.Errorf("%+v", d)
	}
	if d := decide(t, withRego(t, false, onCall(), `contrib contains {"id": "x", "points": 100, "text": "x"}`), call()); d.Score != 100 || d.Verdict != Deny {
		t.Errorf("%+v", d)
	} else {
		sound(t, d)
	}
}

// Limits only get lower: the scope's, the rule's, and what the tool has as its own.
func TestLimitsOnlyGetLower(t *testing.T) {
	e := withRego(t, true, onCall(), `limits contains {"rows": 100, "time_ms": 600000}
limits contains {"rows": 900, "bytes": 4096}`)
	if got, want := decide(t, e, call()).Limits, (Limits{Rows: 100, Bytes: 4096, TimeMS: 30_000}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	e = withRego(t, true, onCall(), `limits contains {"rows": 501}`)
	if got := decide(t, e, call()).Limits.Rows; got != 500 {
		t.Errorf("%d rows", got)
	}
}

// Who must agree only gets more: all groups, the highest count, the shortest time, the strongest assurance.
func TestApprovals(t *testing.T) {
	asks := call(update, rows(5, 1000))
	rule := `approval contains {"from": ["security"], "count": 2, "within_s": 600, "assurance": "web"}
approval contains {"from": ["dba", "legal"], "count": 1, "within_s": 86400}`
	e := withRego(t, false, onCall(), rule)
	d := decide(t, e, asks)
	want := Requirement{From: []string{"dba", "security", "legal"}, Count: 2, WithinS: 600, Assurance: "web"}
	slices.Sort(want.From)
	if d.Approval != nil {
		slices.Sort(d.Approval.From)
	}
	if d.Verdict != Ask || d.Approval == nil || fmt.Sprint(*d.Approval) != fmt.Sprint(want) {
		t.Errorf("%+v %+v", d, d.Approval)
	}
	one := asks
	one.Approval = &Approval{State: "approved", Votes: 1}
	if d := decide(t, e, one); d.Verdict != Ask { // the scope wants one, the rule two
		t.Errorf("one yes: %+v", d)
	} else {
		sound(t, d)
	}
	one.Approval = &Approval{State: "approved", Votes: 2}
	if d := decide(t, e, one); d.Verdict != Allow || d.Rule != "approved" {
		t.Errorf("two: %+v", d)
	}
	if d := decide(t, withRego(t, false, onCall(noApproval), rule, votes("ask")), call()); d.Verdict != Ask || d.Approval.Count != 2 {
		t.Errorf("a scope without approvers: %+v", d)
	}
}

// TestBadAnswers: what does not decode strictly is a denial, and the error names the place in the operator's module.
func TestBadAnswers(t *testing.T) {
	tests := []struct{ name, module, want string }{
		{"a number", "votes contains 1", "not an object"},
		{"a text", `contrib contains "x"`, "not an object"},
		{"an unknown field", `votes contains {"decision": "deny", "id": "v", "reason": "r", "extra": 1}`, "votes has fields nobody knows"},
		{"another field", `votes contains {"verdict": "deny", "id": "v", "reason": "r"}`, `unknown field "verdict"`},
		{"a missing field", `votes contains {"decision": "deny", "id": "v"}`, "votes has no reason"},
		{"a wrong type", `votes contains {"decision": true, "id": "v", "reason": "r"}`, "decision is boolean"},
		{"an unknown decision", `votes contains {"decision": "Deny", "id": "v", "reason": "r"}`, `"Deny" is not one of`},
		{"an id of another form", `votes contains {"decision": "deny", "id": "A B", "reason": "r"}`, "is not lower-case"},
		{"an id twice", `votes contains {"decision": x, "id": "v", "reason": "r"} if some x in ["ask", "deny"]`, "stands there twice"},
		{"an empty reason", `votes contains {"decision": "deny", "id": "v", "reason": " "}`, "is empty"},
		{"points that take away", `contrib contains {"id": "p", "points": -5, "text": "t"}`, "not in 1 to 100"},
		{"no points", `contrib contains {"id": "p", "points": 0, "text": "t"}`, "not in 1 to 100"},
		{"points between two numbers", `contrib contains {"id": "p", "points": 1.5, "text": "t"}`, "not a whole number"},
		{"a contribution twice", `contrib contains {"id": "p", "points": n, "text": "t"} if some n in [1, 2]`, "stands there twice"},
		{"a limit of nothing", `limits contains {"rows": 0}`, "not in 1 to"},
		{"an unknown limit", `limits contains {"row": 5}`, `unknown field "row"`},
		{"no limit", `limits contains {}`, "without a limit"},
		{"nobody", `approval contains {"from": [], "count": 1}`, "names no group"},
		{"an empty group", `approval contains {"from": [""], "count": 1}`, "names no group"},
		{"a group that is no list", `approval contains {"from": "dba", "count": 1}`, "not a list"},
		{"nobody needed", `approval contains {"from": ["dba"], "count": 0}`, "not in 1 to 100"},
		{"an unknown assurance", `approval contains {"from": ["dba"], "count": 1, "assurance": "none"}`, "not one of chat"},
		{"a huge answer", `votes contains {"decision": "deny", "id": sprintf("v%d", [i]), "reason": "r"} if some i in numbers.range(1, 100)`, "more than 64"},
		{"a huge text", `votes contains {"decision": "deny", "id": "v", "reason": concat("", [s | some _ in numbers.range(1, 2000); s := "x"])}`, "longer than"},
		{"a function that fails", `votes contains {"decision": "deny", "id": "v", "reason": "r"} if to_number(input.call.id) > 1`, "to_number"},
		{"a conflict", "x := 1\n\nx := 2 if input.v == 1\n\n" + `votes contains {"decision": "deny", "id": "v", "reason": "r"} if x == 1`, "conflict"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, override := range []bool{false, true} {
				e := withRego(t, override, onCall(), "\n"+tt.module) // the rule stands in line 4
				failsClosed(t, e, context.Background(), call(), tt.want)
				failsClosed(t, e, context.Background(), call(), "a.rego:")
			}
		})
	}
}

// TestRefusedAtLoad: mistakes that would otherwise make a rule silently say nothing, with the place.
func TestRefusedAtLoad(t *testing.T) {
	tests := []struct{ name, module, want string }{
		{"a misspelt fact", `votes contains {"decision": "deny", "id": "v", "reason": "r"} if input.plan.efect == "write"`, "a.rego:3:66: input.plan.efect: the input has no efect; did you mean effect?"},
		{"a misspelt fact of an object", `votes contains {"decision": "deny", "id": "v", "reason": "r"} if input.plan.objects[_].nam == "x"`, "did you mean name?"},
		{"a misspelt fact in a library", "package sallyport.operator.lib\n\nnight if input.call.tme == \"x\"", "did you mean time?"},
		{"a misspelt fact of the rows", `votes contains {"decision": "deny", "id": "v", "reason": "r"} if input.plan.rows.exat > 1`, "did you mean exact?"},
		{"what only the base module sees", `votes contains {"decision": "deny", "id": "v", "reason": "r"} if input.derived.risk.score > 1`, "has no derived"},
		{"a text compared with a number", `votes contains {"decision": "deny", "id": "v", "reason": "r"} if input.plan.effect == 1`, "match error"},
		{"a misspelt entry", `vote contains {"decision": "deny", "id": "v", "reason": "r"}`, "did you mean votes?"},
		{"an entry that is one value", `votes := {"decision": "deny", "id": "v", "reason": "r"}`, "has to be a set"},
		{"an entry with a default", `default limits := {}`, "has to be a set"},
		{"an entry by key", `contrib["night"] := 5`, "has to be a set"},
		{"an entry below an entry", `votes.night contains {"decision": "deny", "id": "v", "reason": "r"}`, "has to be a set"},
		{"an entry in a package below", "package sallyport.operator.night\n\nvotes contains {}", "counts in package sallyport.operator only"},
		{"masking", `masking contains {}`, "label columns"},
		{"a rule that does not exist", `votes contains {"decision": "deny", "id": "v", "reason": "r"} if data.sallyport.operator.nigth`, "no such rule"},
		{"the base module", `votes contains {"decision": "deny", "id": "v", "reason": "r"} if data.sallyport.base.decision.score > 1`, "there is no such data"},
		{"all data", `votes contains {"decision": "deny", "id": "v", "reason": "r"} if data[_]`, "recursive"},
		{"an import of the base module", "import data.sallyport.base\n\n" + `votes contains {"decision": "deny", "id": "v", "reason": "r"} if base.decision`, "there is no such data"},
		{"an unused import", "import data.sallyport.operator.lib\n\nvotes contains {}", "unused"},
		{"old Rego", `votes[x] { x := 1 }`, "a.rego:3"},
		{"nothing that decides", `night if input.v == 1`, "define votes, contrib, limits or approval"},
		{"the base package", "package sallyport.base\n\ndecision := {}", "belong in package sallyport.operator"},
		{"a package above", "package sallyport\n\noperator.votes contains {}", "belong in package sallyport.operator"},
		{"a package that begins like it", "package sallyport.operators\n\nvotes contains {}", "belong in package sallyport.operator"},
		{"a package of tests", "package sallyport.operator_test\n\nvotes contains {}", "belong in package sallyport.operator"},
		{"an empty file", "package x", "belong in package sallyport.operator"},
		{"recursion", "a if b\n\nb if a\n\nvotes contains {} if a", "recursive"},
	}
	for _, f := range []string{`http.send({"method": "get", "url": "x"})`, `net.lookup_ip_addr("x")`, `opa.runtime()`, `rego.parse_module("a", "b")`,
		`rand.intn("a", 2)`, `uuid.rfc4122("a")`, `trace("a")`, `regex.match(input.plan.effect, "x")`, `glob.match("*", [], "x")`, `time.now_ns()`,
		`crypto.sha256("a")`, `walk(input)`} {
		name, _, _ := strings.Cut(f, "(")
		if name == "walk" {
			f = "walk(input, [_, _])"
		}
		tests = append(tests, struct{ name, module, want string }{name, "votes contains {} if " + f, "undefined function"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadRego(false, onCall(), tt.module)
			if tt.want == "undefined function" && err != nil && (strings.Contains(err.Error(), "is not available here") || strings.Contains(err.Error(), "undefined function")) {
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

// What is right loads: libraries, imports of keywords, functions of time.
func TestAcceptedAtLoad(t *testing.T) {
	e := withRego(t, false, onCall(), `import rego.v1
import future.keywords.in
import data.sallyport.operator.windows

votes contains {"decision": "deny", "id": "freeze", "reason": sprintf("%s is frozen on %s", [input.target.name, windows.day])} if windows.weekend
votes contains v if {
	some o in input.plan.objects
	startswith(o.name, "audit.")
	v := {"decision": "ask", "id": "audit", "reason": "the audit tables"}
}`, `package sallyport.operator.windows

day := time.weekday(time.parse_rfc3339_ns(input.call.time))

weekend if day in {"Saturday", "Sunday"}`)
	if d := decide(t, e, call()); d.Verdict != Deny || d.Reasons[0].Text != "orders-db is frozen on Saturday" {
		t.Errorf("%+v", d)
	}
}

// The runaway policy: the time limit ends it, with a denial.
func TestRunawayRego(t *testing.T) {
	for name, body := range map[string]string{
		"a loop":   "some a in numbers.range(1, 5000)\n\tsome b in numbers.range(1, 5000)\n\ta + b == -1",
		"a range":  "count(numbers.range(1, 1000000000)) == 1",
		"doubling": "some a in numbers.range(1, 100000000)\n\ta == -1",
	} {
		t.Run(name, func(t *testing.T) {
			e := withRego(t, true, onCall(), "votes contains {\"decision\": \"allow\", \"id\": \"v\", \"reason\": \"r\"} if {\n\t"+body+"\n}")
			e.operator.timeout = 20 * time.Millisecond
			failsClosed(t, e, context.Background(), call(), "took longer")
		})
	}
}

// Rego of the operator's own is part of the revision, so that approvals become stale; its tests are not.
func TestRegoIsPartOfTheRevision(t *testing.T) {
	a, b := withRego(t, false, onCall(), votes("ask")), withRego(t, false, onCall(), votes("deny"))
	over := withRego(t, true, onCall(), votes("ask"))
	tested := withRego(t, false, onCall(), votes("ask"), "package sallyport.operator_test\n\nimport data.sallyport.operator\n\ntest_it if count(operator.votes) == 1 with input as {\"v\": 1}")
	seen := map[string]bool{newTestEngine(t, onCall()).Revision(): true, a.Revision(): true, b.Revision(): true, over.Revision(): true}
	if len(seen) != 4 || !seen[tested.Revision()] {
		t.Errorf("revisions %v, with a test %s", seen, tested.Revision())
	}
}

// A failing test of the operator's refuses the load.
func TestFailingTestRefusesTheLoad(t *testing.T) {
	failing := "package sallyport.operator_test\n\nimport data.sallyport.operator\n\ntest_nothing_is_said if count(operator.votes) == 0 with input as {\"v\": 1}\n"
	_, err := loadRego(false, onCall(), votes("deny"), failing)
	if err == nil || !strings.Contains(err.Error(), "b_test.rego:5:1: test sallyport.operator_test.test_nothing_is_said fails") {
		t.Errorf("%v", err)
	}
	if _, err := loadRego(false, onCall(), votes("deny"), strings.Replace(failing, "test_nothing", "todo_test_nothing", 1)+"\ntest_x if true\n"); err == nil || !strings.Contains(err.Error(), "skipped") {
		t.Errorf("a skipped test: %v", err)
	}
	if _, err := loadRego(false, onCall(), votes("deny"), strings.Replace(failing, "== 0", "== 1", 1)); err != nil {
		t.Errorf("a test that passes: %v", err)
	}
	broken := strings.Replace(failing, "count(operator.votes) == 0", `http.send({"url": "x", "method": "get"})`, 1)
	if _, err := loadRego(false, onCall(), votes("deny"), broken); err == nil {
		t.Error("a test may reach the network")
	}
}

// What a rule does to the input with "with" is seen by that rule only.
func TestWithChangesNothingElse(t *testing.T) {
	e := withRego(t, true, onCall(), `quiet if input.plan.effect == "read"

votes contains {"decision": "ask", "id": "v", "reason": "r"} if {
	quiet with input as {"plan": {"effect": "read"}, "principal": {"groups": ["dba"]}}
}`)
	if d := decide(t, e, call(update, unbounded, func(in *Input) { in.Principal.Groups = []string{"nobody"} })); d.Verdict != Deny || d.Rule != "no-scope" {
		t.Errorf("%+v", d)
	}
}

// TestRegoIsNeverAnsweredFromMemory: rules that read the time or the call's id are asked about every call; others may be remembered.
func TestRegoIsNeverAnsweredFromMemory(t *testing.T) {
	reason := `{"decision": "deny", "id": "v", "reason": "r"}`
	for _, cond := range []string{
		`endswith(input.call.time, "12:00:00Z")`, `input.call.id == "call-1"`, `x := input; x.call.id == "call-1"`, `c := input.call; c.id == "call-1"`,
		`k := "id"; input.call[k] == "call-1"`, `some k, v in input.call; v == "call-1"; k == "id"`, `object.get(input, ["call", "id"], "") == "call-1"`,
		`f(input.call)`, `[x | x := input.call.id][0] == "call-1"`, `every v in [input.call] { v.id == "call-1" }`,
		`{"a": input}.a.call.id == "call-1"`, `input[{"call": "call"}[data.sallyport.operator.key]].id == "call-1"`,
	} {
		e := withRego(t, false, onCall(), "f(c) if c.id == \"call-1\"\n\nkey := \"call\"\n\nvotes contains "+reason+" if {\n\t"+strings.ReplaceAll(cond, "; ", "\n\t")+"\n}")
		later := call(func(in *Input) { in.Call.ID, in.Call.Time = "call-2", in.Call.Time.Add(time.Hour) })
		if d := decide(t, e, later); d.Verdict != Allow {
			t.Errorf("%s, later: %+v", cond, d)
		}
		if d := decide(t, e, call()); d.Verdict != Deny {
			t.Errorf("%s was answered from memory: %+v", cond, d)
		}
	}
	e := withRego(t, false, onCall(), `votes contains `+reason+` if { "sre" in input.principal.groups; input.target.kind == "ssh"; input.call.tool == "exec"; input.plan.effect == "write" }`)
	if e.operator.reads.hidden {
		t.Error("rules on facts that are in the key are not remembered")
	}
}

// The schema is made from Input, so that a new field is in it.
func TestInputSchema(t *testing.T) {
	for _, field := range []string{`"principal"`, `"groups"`, `"reversible"`, `"exact"`, `"additionalProperties": false`} {
		if !strings.Contains(string(InputSchema()), field) {
			t.Errorf("no %s in the schema", field)
		}
	}
}
