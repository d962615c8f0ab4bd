package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// hostile is an engine whose Rego answers decision, whatever the call is.
func hostile(t testing.TB, decision string, scopes ...Scope) *Engine {
	t.Helper()
	return hostileModule(t, "package sallyport.base\n\ndecision := "+decision, scopes...)
}

func hostileModule(t testing.TB, module string, scopes ...Scope) *Engine {
	t.Helper()
	e, err := newEngine(context.Background(), Config{
		Targets: []TargetInfo{{Name: "orders-db"}, {Name: "dev-db"}, {Name: "bare-db"}}, Scopes: scopes, EvalTimeout: patient,
	}, modules{rego: map[string]string{"hostile.rego": module}, points: must(baseModules()).points})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const (
	limits500   = `{"rows": 500, "bytes": 0, "time_ms": 0, "affected_rows": 0}`
	approvalDBA = `{"from": ["dba"], "count": 1, "within_s": 1800, "assurance": "chat"}`
)

// says is a decision by a module that went wrong.
func says(verdict, approval string) string {
	return fmt.Sprintf(`{"verdict": %q, "score": 0, "reasons": [{"id": "x", "points": 0, "text": "trust me"}], "scope": "on-call", "rule": "score",
		"approval": %s, "limits": %s}`, verdict, approval, limits500)
}

// TestGuardsHoldWhateverRegoSays: each guard denies by itself, when the module allows or asks.
func TestGuardsHoldWhateverRegoSays(t *testing.T) {
	tests := []struct {
		name     string
		scope    Scope
		call     Input
		decision string
		verdict  Verdict
		rule     string
	}{
		{"an honest allow", onCall(), call(), says("allow", "null"), Allow, "score"},
		{"an honest ask", onCall(), call(), says("ask", approvalDBA), Ask, "score"},
		{"G1 allow", onCall(), call(notUnderstood), says("allow", "null"), Deny, "guard:not-understood"},
		{"G1 ask, which the scope does not say", onCall(), call(notUnderstood), says("ask", approvalDBA), Deny, "guard:not-understood"},
		{"G1 ask, which the scope says", onCall(asksNotUnderstood), call(notUnderstood), says("ask", approvalDBA), Ask, "score"},
		{"G1 allow without people", onCall(asksNotUnderstood), call(notUnderstood), says("allow", "null"), Deny, "guard:not-understood"},
		{"G1 allow with too few people", onCall(asksNotUnderstood), call(notUnderstood, approved(0)), says("allow", approvalDBA), Deny, "guard:not-understood"},
		{"G1 allow with people", onCall(asksNotUnderstood), call(notUnderstood, approved(1)), says("allow", approvalDBA), Allow, "score"},
		{"G1 a list of unknowns counts", onCall(), call(func(in *Input) { in.Plan.Unknown = []string{"x"} }), says("allow", "null"), Deny, "guard:not-understood"},
		{"G1 an effect nobody knows", onCall(), call(func(in *Input) { in.Plan.Effect = "peek" }), says("allow", "null"), Deny, "guard:not-understood"},
		{"G1 no effect", onCall(), call(func(in *Input) { in.Plan.Effect = "" }), says("allow", "null"), Deny, "guard:not-understood"},
		{"G1 a read that writes", onCall(), call(func(in *Input) { in.Plan.Objects[0].Access = "write" }), says("allow", "null"), Deny, "guard:not-understood"},
		{"G1 an access nobody knows", onCall(), call(func(in *Input) { in.Plan.Objects[0].Access = "" }), says("allow", "null"), Deny, "guard:not-understood"},
		{"G2 allow", onCall(), call(labelled("email", "credential")), says("allow", "null"), Deny, "guard:credential"},
		{"G2 in capitals", onCall(), call(labelled("CREDENTIAL")), says("allow", "null"), Deny, "guard:credential"},
		{"G2 ask", onCall(), call(labelled("credential")), says("ask", approvalDBA), Ask, "score"},
		{"G2 allow with people", onCall(), call(labelled("credential"), approved(1)), says("allow", approvalDBA), Allow, "score"},
		{"G3 allow", onCall(allowing("read")), call(update), says("allow", "null"), Deny, "guard:effect"},
		{"G3 ask", onCall(allowing("read")), call(update), says("ask", approvalDBA), Deny, "guard:effect"},
		{"G3 with people", onCall(allowing("read")), call(update, approved(9)), says("allow", approvalDBA), Deny, "guard:effect"},
		{"objects outside", onCall(only("app.*")), call(), says("allow", "null"), Deny, "guard:objects"},
		{"objects denied", onCall(except("public.orders")), call(), says("ask", approvalDBA), Deny, "guard:objects"},
		{"a deny rule", onCall(forbidding("x", nil, []string{"public.*"})), call(), says("allow", "null"), Deny, "deny:x"},
		{"a deny rule, with people", onCall(forbidding("x", nil, []string{"public.*"})), call(approved(9)), says("allow", approvalDBA), Deny, "deny:x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := decide(t, hostile(t, tt.decision, tt.scope), tt.call)
			if d.Verdict != tt.verdict || d.Rule != tt.rule {
				t.Errorf("%s by %s, want %s by %s", d.Verdict, d.Rule, tt.verdict, tt.rule)
			}
			sound(t, d)
		})
	}
}

// A deny rule of another scope that matches holds as well.
func TestGuardDenyRuleOfAnotherScope(t *testing.T) {
	e := hostile(t, says("allow", "null"), onCall(), scoped("other", allowing("admin"), forbidding("x", nil, nil)))
	if d := decide(t, e, call()); d.Verdict != Deny || d.Rule != "deny:x" {
		t.Errorf("%+v", d)
	}
}

// TestFailClosed: whatever goes wrong is an error together with a denial.
func TestFailClosed(t *testing.T) {
	good := says("allow", "null")
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the decision", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	tests := []struct{ name, module, want string }{
		{"no result", "decision := " + good + " if input.v == 2", "0 results"},
		{"no such rule", "other := 1", "0 results"},
		{"conflicting results", "decision := " + good + "\n\ndecision := " + says("deny", "null"), "conflict"},
		{"a built-in function fails", `decision := ` + good + " if not broken\n\nbroken if to_number(input.call.id) > 100", "to_number"},
		{"not an object", `decision := "allow"`, "not an object"},
		{"true", `decision := true`, "not an object"},
		{"a set", `decision := {"allow"}`, "not an object"},
		{"several verdicts", `decision contains x if some x in [` + good + `, ` + says("deny", "null") + `]`, "not an object"},
		{"an unknown field", "decision := " + edit(`"score": 0`, `"score": 0, "extra": 1`), "fields nobody knows"},
		{"a missing field", "decision := " + edit(`"score": 0,`, ``), "has no score"},
		{"a field in another case", "decision := " + edit(`"verdict"`, `"Verdict"`), "has no verdict"},
		{"a missing limit", "decision := " + edit(`"bytes": 0,`, ``), "has no bytes"},
		{"an unknown field in a reason", "decision := " + edit(`"id": "x"`, `"id": "x", "y": 1`), "fields nobody knows"},
		{"a score that is text", "decision := " + edit(`"score": 0`, `"score": "0"`), "not a number"},
		{"a score between two numbers", "decision := " + edit(`"score": 0`, `"score": 39.5`), "not a whole number"},
		{"a score out of range", "decision := " + edit(`"score": 0`, `"score": -1`), "score -1"},
		{"points that do not add up", "decision := " + edit(`"score": 0`, `"score": 30`), "add up"},
		{"a verdict nobody knows", "decision := " + edit(`"allow"`, `"Allow"`), `verdict "Allow"`},
		{"an empty verdict", "decision := " + edit(`"allow"`, `""`), "verdict"},
		{"a verdict that is null", "decision := " + edit(`"allow"`, `null`), "not a string"},
		{"no rule", "decision := " + edit(`"rule": "score"`, `"rule": ""`), "without a reason"},
		{"a scope that does not match", "decision := " + edit(`"on-call"`, `"other"`), "does not match"},
		{"no scope", "decision := " + edit(`"on-call"`, `""`), "does not match"},
		{"limits of its own", "decision := " + edit(`"rows": 500`, `"rows": 501`), "limits"},
		{"limits lifted", "decision := " + edit(`"rows": 500`, `"rows": 0`), "limits"},
		{"ask without approval", "decision := " + says("ask", "null"), "anybody to ask"},
		{"ask somebody else", "decision := " + says("ask", strings.Replace(approvalDBA, "dba", "staff", 1)), "not that of scope"},
		{"ask fewer", "decision := " + says("ask", strings.Replace(approvalDBA, `"count": 1`, `"count": 0`, 1)), "not that of scope"},
		{"a reason without a text", "decision := " + edit(`"text": "trust me"`, `"text": ""`), "without id or text"},
		{"deny without a reason", "decision := " + strings.Replace(says("deny", "null"), `[{"id": "x", "points": 0, "text": "trust me"}]`, "[]", 1), "without a reason"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := hostileModule(t, "package sallyport.base\n\n"+tt.module, onCall())
			failsClosed(t, e, context.Background(), call(), tt.want)
		})
	}
}

func failsClosed(t *testing.T, e *Engine, ctx context.Context, in Input, want string) {
	t.Helper()
	d, err := e.Decide(ctx, in)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q in it", err, want)
	}
	if d.Verdict != Deny || d.Approval != nil {
		t.Errorf("%+v with an error", d)
	}
	sound(t, d)
}

func TestFailClosedOnTimeOut(t *testing.T) {
	runaway := "package sallyport.base\n\nmany := numbers.range(1, 3000)\n\ndecision := 1 if {\n\tsome a in many\n\tsome b in many\n\tsome c in many\n\ta + b + c == -1\n}"
	e := hostileModule(t, runaway, onCall())
	e.timeout = time.Millisecond
	failsClosed(t, e, context.Background(), call(), "cancel")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e.timeout = patient
	failsClosed(t, e, ctx, call(), "cancel")
}

func TestFailClosedOnAnotherInputVersion(t *testing.T) {
	for _, v := range []int{0, 2} {
		failsClosed(t, newTestEngine(t, onCall()), context.Background(), call(func(in *Input) { in.Version = v }), "version")
	}
}

// TestForbiddenBuiltins: a module cannot reach outside of its input, or take long over a pattern an agent wrote.
func TestForbiddenBuiltins(t *testing.T) {
	for _, expr := range []string{
		`http.send({"method": "get", "url": "http://127.0.0.1"})`, `net.lookup_ip_addr("example.com")`, `opa.runtime()`, `time.now_ns()`,
		`rego.parse_module("a", "package a")`, `rand.intn("a", 2)`, `uuid.rfc4122("a")`, `trace("a")`, `regex.match("a", input.call.id)`,
		`glob.match("*", [], input.call.id)`, `io.jwt.decode("a")`, `crypto.sha256("a")`, `json.patch({}, [])`, `walk(input)`, `print("a")`,
	} {
		_, err := compile(map[string]string{"x.rego": "package x\n\nx := y if y := " + expr})
		if err == nil || !strings.Contains(err.Error(), "undefined function") {
			t.Errorf("%s: %v, want an undefined function", expr, err)
		}
	}
}

// The input is the JSON of Input and "derived"; a field added to Input has to be added there too.
func TestInputValueIsItsJSON(t *testing.T) {
	in := call(rows(1<<60, 7), labelled("email"), approved(2), func(in *Input) {
		in.Target.Labels, in.Plan.Unknown, in.Plan.Functions = []string{"eu"}, []string{"\"x\"\n<&>"}, []string{"lower(text)"}
		in.Principal.Groups, in.Plan.Objects[0].Columns = []string{}, []string{"a", "b"}
		in.Principal.Claims = Claims{"department": []byte(`"finance"`), "tier": []byte(`["gold", "silver"]`), "level": []byte("3"), "employee": []byte("true")}
		in.Plan.External, in.Plan.Rows.Source, in.Plan.Rows.Cascade = []string{"notify"}, "shadow", []Cascade{{"public.lines", 7}}
	})
	v := inputValue(&callFacts{in: &in}, false)
	var got, want map[string]any
	for dst, src := range map[*map[string]any]string{&got: v.String(), &want: string(must(json.Marshal(in)))} {
		if err := json.Unmarshal([]byte(src), dst); err != nil {
			t.Fatal(err, src)
		}
	}
	if got["derived"] == nil {
		t.Error("no derived")
	}
	delete(got, "derived")
	if a, b := string(must(json.Marshal(got))), string(must(json.Marshal(want))); a != b {
		t.Errorf("%s\nwant %s", a, b)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
