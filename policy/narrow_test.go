package policy

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// byFirstWord is a Narrower such as a tool would bring: a scope covers the programs it lists.
func byFirstWord(s Scope, objects []Object, kinds []string) (bool, string) {
	if slices.Contains(kinds, "command_text") && !s.CommandText {
		return false, "scope " + s.Name + " takes no command text"
	}
	for _, o := range objects {
		if len(s.Commands) > 0 && !slices.Contains(s.Commands, o.Name) {
			return false, "scope " + s.Name + " does not list " + o.Name
		}
	}
	return true, ""
}

func narrowedConfig(scopes ...Scope) Config {
	return Config{
		Targets: []TargetInfo{{Name: "web-1", Kind: "ssh"}, {Name: "orders-db", Kind: "postgres"}}, Scopes: scopes, EvalTimeout: patient,
		Narrow: map[string]Narrower{"ssh": byFirstWord, "http": func(Scope, []Object, []string) (bool, string) { return false, "" }},
	}
}

func onHost(name string, changes ...func(*Scope)) Scope {
	return scoped(name, append([]func(*Scope){func(s *Scope) { s.Targets = []string{"web-1", "orders-db"} }}, changes...)...)
}

func commands(names ...string) func(*Scope) { return func(s *Scope) { s.Commands = names } }

func running(program string, changes ...func(*Input)) Input {
	return call(append([]func(*Input){func(in *Input) {
		in.Target = Target{Name: "web-1", Kind: "ssh", Environment: "development"}
		in.Plan.Kinds, in.Plan.Objects = []string{"argv"}, []Object{{Type: "program", Name: program, Access: "read"}}
	}}, changes...)...)
}

func TestNarrow(t *testing.T) {
	text := ofKinds("command_text")
	tests := []struct {
		name    string
		scopes  []Scope
		call    Input
		verdict Verdict
		scope   string
		rule    string
		says    string
	}{
		{"listed", []Scope{onHost("a", commands("uptime"))}, running("uptime"), Allow, "a", "score", ""},
		{"not listed", []Scope{onHost("a", commands("uptime"))}, running("reboot"), Deny, "", "no-scope", "scope a does not list reboot"},
		{"listed by another", []Scope{onHost("a", commands("uptime")), onHost("b", commands("reboot"))}, running("reboot"), Allow, "b", "score", ""},
		{"both reasons", []Scope{onHost("a", commands("uptime")), onHost("b", commands("df"))}, running("reboot"), Deny, "", "no-scope", "scope b does not list reboot"},
		{"one flag", []Scope{onHost("a")}, running("uptime", text), Deny, "", "no-scope", "scope a takes no command text"},
		{"the flag given", []Scope{onHost("a", func(s *Scope) { s.CommandText = true })}, running("uptime", text), Allow, "a", "score", ""},
		{"a scope that allows no such effect gives no reason", []Scope{onHost("a", commands("uptime"), allowing("admin"))}, running("reboot"), Deny, "", "guard:effect", ""},
		{"names hold as well", []Scope{onHost("a", commands("reboot"), only("uptime"))}, running("reboot"), Deny, "", "no-scope", "covers all of: reboot"},
		{"another kind of target is not narrowed", []Scope{onHost("a", commands("uptime"))}, call(), Allow, "a", "score", ""},
		{"the kind is the configured one", []Scope{onHost("a", commands("uptime"))}, running("reboot", func(in *Input) { in.Target.Kind = "postgres" }), Deny, "", "no-scope", ""},
		{"not understood", []Scope{onHost("a", commands("uptime"), asksNotUnderstood)}, running("reboot", notUnderstood), Deny, "", "no-scope", "does not list"},
		{"not understood, listed", []Scope{onHost("a", commands("uptime"), asksNotUnderstood)}, running("uptime", notUnderstood), Ask, "a", "guard:not-understood", ""},
		{"an approval does not widen", []Scope{onHost("a", commands("uptime"), asking(0, 95))}, running("reboot", approved(9)), Deny, "", "no-scope", ""},
		{"a deny rule wins over the list", []Scope{onHost("a", commands("uptime"), forbidding("x", nil, []string{"uptime"}))}, running("uptime"), Deny, "", "deny:x", ""},
		{"a deny rule of a scope that does not cover", []Scope{onHost("a"), onHost("b", commands("df"), forbidding("x", nil, []string{"uptime"}))},
			running("uptime"), Deny, "", "deny:x", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := New(context.Background(), narrowedConfig(tt.scopes...))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second is remembered
				d := decide(t, e, tt.call)
				if d.Verdict != tt.verdict || d.Scope != tt.scope || d.Rule != tt.rule {
					t.Errorf("%s scope %q rule %q, want %s %q %q: %v", d.Verdict, d.Scope, d.Rule, tt.verdict, tt.scope, tt.rule, d.Reasons)
				}
				if !slices.ContainsFunc(d.Reasons, func(r Reason) bool { return strings.Contains(r.Text, tt.says) }) {
					t.Errorf("no sentence with %q: %v", tt.says, d.Reasons)
				}
				sound(t, d)
			}
		})
	}
}

// A Narrower that gives no reason still narrows, with a sentence.
func TestNarrowWithoutAReason(t *testing.T) {
	cfg := narrowedConfig(onHost("a"))
	cfg.Narrow["ssh"] = func(Scope, []Object, []string) (bool, string) { return false, " " }
	d := decide(t, must(New(context.Background(), cfg)), running("uptime"))
	if d.Verdict != Deny || d.Reasons[0].Text != "scope a does not cover it" {
		t.Errorf("%+v", d)
	}
	sound(t, d)
}

// What a Narrower says holds whatever Rego answers.
func TestGuardHoldsNarrowing(t *testing.T) {
	cfg := narrowedConfig(onHost("on-call", commands("uptime")))
	m := must(baseModules())
	for verdict, approval := range map[string]string{"allow": "null", "ask": approvalDBA} {
		m.rego, m.blind = map[string]string{"hostile.rego": "package sallyport.base\n\ndecision := " + says(verdict, approval)}, false
		d := decide(t, must(newEngine(context.Background(), cfg, m)), running("reboot"))
		if d.Verdict != Deny || d.Rule != "guard:objects" || d.Reasons[0].Text != "scope on-call does not list reboot" {
			t.Errorf("%+v", d)
		}
		sound(t, d)
	}
}

// Patterns that nothing reads would allow everything.
func TestNarrowingWithoutANarrower(t *testing.T) {
	for _, change := range []func(*Scope){commands("uptime"), func(s *Scope) { s.Operations = []string{"GET /v1/**"} }} {
		cfg := narrowedConfig(onHost("a", change))
		cfg.Narrow = nil
		if _, err := New(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "nothing here narrows") {
			t.Errorf("%v", err)
		}
	}
}

func TestRevisionHoldsNarrowing(t *testing.T) {
	base := must(New(context.Background(), narrowedConfig(onHost("a"))))
	for name, change := range map[string]func(*Scope){
		"operations": func(s *Scope) { s.Operations = []string{"x"} }, "headers": func(s *Scope) { s.Headers = []string{"x"} }, "commands": commands("x"),
		"command text": func(s *Scope) { s.CommandText = true }, "stdin": func(s *Scope) { s.Stdin = true },
	} {
		if e := must(New(context.Background(), narrowedConfig(onHost("a", change)))); e.Revision() == base.Revision() {
			t.Errorf("%s does not change the revision", name)
		}
	}
	cfg := narrowedConfig(onHost("a"))
	cfg.Narrow = nil
	if e := must(New(context.Background(), cfg)); e.Revision() == base.Revision() {
		t.Error("narrowing at all does not change the revision")
	}
}
