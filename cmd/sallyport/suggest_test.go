package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/audit"
	"sallyport/configs"
	"sallyport/policy"
)

// logged is a call as audit export prints it.
type logged struct {
	subject, target, kind, effect string
	objects                       []policy.Object
	kinds                         []string
	verdict, rule, scope          string // of its last decision
	outcome                       *audit.Outcome
}

func (l logged) input(id string) policy.Input {
	return policy.Input{Version: 1, Call: policy.Call{ID: id, Tool: map[string]string{"postgres": "query", "ssh": "exec", "http": "http"}[l.kind], Time: time.Date(2026, 11, 25, 11, 0, 0, 0, time.UTC)},
		Principal: policy.Principal{Issuer: "https://login.example.com", Subject: l.subject, Groups: []string{"support"}, Agent: "claude-code", Client: "cc"},
		Target:    policy.Target{Name: l.target, Kind: l.kind, Environment: "production"},
		Plan:      policy.Plan{Understood: true, Effect: l.effect, Kinds: l.kinds, Objects: l.objects, Bounded: true, Reversible: true}}
}

func (l logged) line(t *testing.T, id string) []byte {
	t.Helper()
	kind := "outcome"
	if l.outcome == nil {
		kind = map[string]string{"deny": "denied", "ask": "request"}[l.verdict]
	}
	in, err := json.Marshal(l.input(id))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"v": 1, "kind": kind, "call": id, "tool": "query", "target": l.target, "statement": "select from " + id, "principal": map[string]any{"sub": l.subject},
		"decision": map[string]any{"verdict": l.verdict, "rule": l.rule, "scope": l.scope}, "outcome": l.outcome, "body": map[string]any{"input": json.RawMessage(in)}})
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func table1(name, access string) []policy.Object {
	return []policy.Object{{Type: "table", Name: name, Access: access}}
}

// ran1 is what maria did; others1 what she was refused, was never answered, did not get to, and what somebody else did.
func ran1() []logged {
	ok := func(rows, affected int64) *audit.Outcome {
		return &audit.Outcome{Status: "ok", Rows: rows, Affected: affected}
	}
	return []logged{
		{"maria", "orders-db", "postgres", "read", table1("public.orders", "read"), nil, "allow", "score", "support", ok(130, -1)},
		{"maria", "orders-db", "postgres", "read", table1("public.customers", "read"), nil, "allow", "score", "support", ok(3, -1)},
		{"maria", "orders-db", "postgres", "read", nil, nil, "allow", "score", "support", ok(1, -1)},
		{"maria", "orders-db", "postgres", "write", table1("public.orders", "write"), nil, "allow", "approved", "support", ok(0, 7)},
		{"maria", "orders-db", "postgres", "read", table1(`public."x: [admin]"`, "read"), nil, "allow", "score", "support", ok(1, -1)},
		{"maria", "orders-db", "postgres", "read", table1(`public."it's ""quoted"" # {a: b}, \"`, "read"), nil, "allow", "score", "support", ok(1, -1)},
		{"maria", "web-1", "ssh", "read", []policy.Object{{Type: "command", Name: "systemctl status", Access: "read"}}, nil, "allow", "score", "support", ok(0, -1)},
		{"maria", "billing", "http", "read", []policy.Object{{Type: "operation", Name: "listInvoices", Access: "read"}, {Type: "operation", Name: "GET /v1/invoices", Access: "read"},
			{Type: "request", Name: "GET /v1/invoices", Access: "read"}}, nil, "allow", "score", "support", ok(0, -1)},
		{"maria", "billing", "http", "write", []policy.Object{{Type: "request", Name: "POST /v1/refunds", Access: "write"}}, nil, "allow", "approved", "support", ok(0, -1)},
	}
}

func others1() []logged {
	return []logged{
		{"maria", "orders-db", "postgres", "read", table1("public.salaries", "read"), nil, "deny", "no-scope", "", nil},
		{"maria", "orders-db", "postgres", "write", table1("public.customers", "write"), nil, "ask", "score", "support", nil},
		{"bob", "orders-db", "postgres", "read", table1("public.ledger", "read"), nil, "allow", "score", "support", &audit.Outcome{Status: "ok"}},
		{"maria", "web-1", "ssh", "write", []policy.Object{{Type: "command", Name: "systemctl restart", Access: "write"}}, nil, "deny", "no-scope", "", nil},
		{"maria", "billing", "http", "write", []policy.Object{{Type: "request", Name: "DELETE /v1/invoices", Access: "write"}}, nil, "deny", "no-scope", "", nil},
		{"maria", "orders-db", "postgres", "write", table1("public.big", "write"), nil, "allow", "score", "support", &audit.Outcome{Status: "error", Code: "budget_exceeded"}},
	}
}

func logFile(t *testing.T, calls ...logged) string {
	t.Helper()
	var b bytes.Buffer
	for i, l := range calls {
		b.Write(l.line(t, fmt.Sprintf("c%d", i)))
	}
	path := filepath.Join(t.TempDir(), "log.jsonl")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const suggestHead = `public_url: https://sallyport.example.com
state: state
identity:
  issuers:
    - {url: https://login.example.com, audience: https://sallyport.example.com/mcp}
targets:
  orders-db:
    postgres: {address: "db.internal:5432/orders", user: sallyport, password: "env:P"}
    environment: production
  web-1:
    ssh: {address: web-1.internal, user: deploy, agent: /run/agent, known_hosts: known_hosts}
    environment: production
  billing:
    http: {base_url: "https://billing.internal"}
    environment: production
`

func program(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// What ran is allowed or asked under the suggestion, and what did not run is denied.
func TestASuggestionCoversWhatRanAndNothingElse(t *testing.T) {
	all := append(ran1(), others1()...)
	code, out, errs := program(t, "policy", "suggest", "--subject", "maria", "--approvers", "dba", "--input", logFile(t, all...))
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"- \"public.\\\"x: [admin]\\\"\"", "limits: {rows: 200}", "limits: {rows: 1, affected_rows: 10}", `- "systemctl status"`, `- "listInvoices"`, `- "POST /v1/refunds"`,
		`subjects: ["https://login.example.com#maria"]`, `"refused: no-scope"`, `"asked, and not run"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	for _, refused := range []string{"salaries", "ledger", "restart", "DELETE", "public.big"} {
		if strings.Contains(out, refused) && strings.Contains(strings.Split(out, "# Not covered")[0], refused) {
			t.Errorf("%s is suggested:\n%s", refused, out)
		}
	}
	path := filepath.Join(t.TempDir(), "sallyport.yaml")
	if err := os.WriteFile(path, []byte(suggestHead+out), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := program(t, "config", "check", path); code != 0 {
		t.Fatalf("config check: %s\n%s", errs, out)
	}
	// Through the program: nothing that ran turns into its opposite.
	if code, replayed, errs := program(t, "policy", "replay", "--config", path, "--input", logFile(t, ran1()...)); code != 0 {
		t.Errorf("replay exits %d: %s%s", code, replayed, errs)
	}
	rules, err := openRulebook(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	verdict := func(in policy.Input) policy.Verdict {
		d, err := rules.engine.Decide(t.Context(), rules.here(in))
		if err != nil {
			t.Fatal(err)
		}
		return d.Verdict
	}
	for i, l := range ran1() {
		if v := verdict(l.input("x")); v == policy.Deny {
			t.Errorf("call %d ran and is now denied: %+v", i, l)
		}
	}
	never := append(others1()[:2:2], others1()[3:]...)
	never = append(never, logged{subject: "maria", target: "orders-db", kind: "postgres", effect: "write", objects: table1("public.customers", "read")},
		logged{subject: "maria", target: "orders-db", kind: "postgres", effect: "write", objects: table1(`public."x: [admin]"`, "write")},
		logged{subject: "maria", target: "orders-db", kind: "postgres", effect: "admin", objects: table1("public.orders", "admin")},
		logged{subject: "maria", target: "billing", kind: "http", effect: "write", objects: []policy.Object{{Type: "operation", Name: "listInvoices", Access: "write"}}},
		logged{subject: "maria", target: "web-1", kind: "ssh", effect: "read", kinds: []string{"stdin"}, objects: ran1()[6].objects},
		logged{subject: "eve", target: "orders-db", kind: "postgres", effect: "read", objects: table1("public.orders", "read")})
	for _, l := range never {
		if v := verdict(l.input("x")); v != policy.Deny {
			t.Errorf("never ran, and is now %s: %+v", v, l)
		}
	}
}

// Names come from statements that agents wrote. None of them may become more than a name.
func TestNamesCannotInjectIntoASuggestion(t *testing.T) {
	names := []string{
		"public.\"a\nscopes: {evil: {who: {groups: [all]}}}\"", "public.\"b\r\n  allow: [admin]\"", "public.\"c\u2028allow: [admin]\"", "public.\"d\u202e\"", "public.\"e\x00\"",
		`public."f"]`, `public."g", "*"`, `public.*`, `*`, `"*"`, `public."*"`, "public.\"h\u0085allow: [admin]\"", `public."i\"`, `public."j" #`, "public.\"k\U000e0041\"", `..`, ``, ` public.l`, `public."m'"`,
		`public."&a"`, `public."!!str"`, `public."%x"`, `public."` + "`" + `"`, `public."ü😀"`, strings.Repeat("a.", 200) + "b", `public."- x"`, "public.\"n\t\"",
	}
	for _, name := range names {
		c := logged{"maria", "orders-db", "postgres", "read", table1(name, "read"), nil, "allow", "score", "support", &audit.Outcome{Status: "ok", Rows: 1}}
		plain := ran1()[0]
		code, out, errs := program(t, "policy", "suggest", "--subject", "maria", "--input", logFile(t, plain, c))
		if code != 0 {
			t.Errorf("%q: exit %d: %s", name, code, errs)
			continue
		}
		f, err := configs.Parse("sallyport.yaml", []byte(suggestHead+out))
		if err != nil {
			t.Errorf("%q: %v\n%s", name, err, out)
			continue
		}
		if len(f.Scopes) != 1 {
			t.Errorf("%q made %d scopes:\n%s", name, len(f.Scopes), out)
		}
		for _, s := range f.Scopes {
			allow := strings.Join(s.Objects.Allow, "\x00")
			if strings.Join(s.Allow, " ") != "read" || len(s.Who.Groups) > 0 || allow != "public.orders" && allow != "public.orders\x00"+name && allow != name+"\x00public.orders" {
				t.Errorf("%q reads as %+v\n%s", name, s, out)
			}
		}
		for _, r := range out {
			if r != '\n' && (r < 0x20 || r > 0x7e) {
				t.Errorf("%q: %U stands in the output", name, r)
			}
		}
	}
	for _, subject := range []string{"a\"}\n  allow: [admin]", `x", groups: ["sre`, "{}", "*"} {
		c := ran1()[0]
		c.subject = subject
		code, out, _ := program(t, "policy", "suggest", "--subject", subject, "--input", logFile(t, c))
		if code != 0 {
			continue // refused as a whole: a subject that cannot stand in a configuration
		}
		f, err := configs.Parse("sallyport.yaml", []byte(suggestHead+out))
		if err != nil || len(f.Scopes) != 1 {
			t.Fatalf("%q: %v\n%s", subject, err, out)
		}
		for _, s := range f.Scopes {
			if len(s.Who.Groups) > 0 || len(s.Who.Subjects) != 1 || s.Who.Subjects[0] != "https://login.example.com#"+subject {
				t.Errorf("%q reads as %+v", subject, s.Who)
			}
		}
	}
}

func TestSuggestSaysWhatItNeeds(t *testing.T) {
	path := logFile(t, ran1()...)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--input", path}, 2, "whose calls"},
		{[]string{"--subject", "maria"}, 2, "one of --since and --input"},
		{[]string{"--subject", "maria", "--input", path}, 2, "--approvers"},
		{[]string{"--subject", "nobody", "--input", path}, 1, "none of 0 calls"},
		{[]string{"--subject", "https://other.example.com#maria", "--input", path}, 1, "none of 0 calls"},
	} {
		if code, _, errs := program(t, append([]string{"policy", "suggest"}, c.args...)...); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit %d, %s", c.args, code, errs)
		}
	}
}
