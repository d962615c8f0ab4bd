package policy

import (
	"context"
	"slices"
	"strings"
	"testing"
)

func ruled(change func(*DenyRule)) func(*Scope) {
	return func(s *Scope) {
		d := DenyRule{Name: "x", Reason: "because"}
		change(&d)
		s.Deny = append(s.Deny, d)
	}
}

func withColumns(names ...string) func(*Input) {
	return func(in *Input) { in.Plan.Objects[0].Columns = names }
}

// byName is a Matcher such as a tool would bring.
func byName(r DenyRule, objects []Object) bool {
	return slices.ContainsFunc(objects, func(o Object) bool { return slices.Contains(append(r.Commands, r.Operations...), o.Name) })
}

// TestDenyRules: every condition that is given has to hold; a call that was not understood is ruled out by what is certain only.
func TestDenyRules(t *testing.T) {
	second := func(o Object) func(*Input) {
		return func(in *Input) { in.Plan.Objects = append(in.Plan.Objects, o) }
	}
	customers := func(columns ...string) func(*Input) {
		return second(Object{Type: "table", Name: "public.customers", Access: "read", Columns: columns})
	}
	tests := []struct {
		name string
		rule DenyRule
		call Input
		hit  bool
	}{
		{"kind", DenyRule{Kinds: []string{"delete", "select"}}, call(), true},
		{"another kind", DenyRule{Kinds: []string{"delete"}}, call(), false},
		{"tool", DenyRule{Tools: []string{"query"}}, call(), true},
		{"another tool", DenyRule{Tools: []string{"exec"}}, call(), false},
		{"target", DenyRule{Targets: []string{"orders-db"}}, call(), true},
		{"another target", DenyRule{Targets: []string{"dev-db"}}, call(), false},
		{"label", DenyRule{Labels: []string{"Email"}}, call(labelled("internal", "email")), true},
		{"another label", DenyRule{Labels: []string{"email"}}, call(labelled("internal")), false},
		{"no label", DenyRule{Labels: []string{"email"}}, call(), false},
		{"outside of hours", DenyRule{OutsideHours: &office}, call(at("2026-08-03T17:00:00Z")), true},
		{"within hours", DenyRule{OutsideHours: &office}, call(at("2026-08-03T10:00:00Z")), false},
		{"all conditions hold", DenyRule{Effects: []string{"read"}, Kinds: []string{"select"}, Tools: []string{"query"}, Labels: []string{"email"},
			Objects: []string{"public.orders"}, Targets: []string{"orders-db"}, OutsideHours: &office}, call(labelled("email"), at("2026-08-03T17:00:00Z")), true},
		{"all but the effect", DenyRule{Effects: []string{"write"}, Kinds: []string{"select"}, Labels: []string{"email"}}, call(labelled("email")), false},
		{"all but the object", DenyRule{Kinds: []string{"select"}, Objects: []string{"app.x"}}, call(), false},
		{"all but the hours", DenyRule{Kinds: []string{"select"}, OutsideHours: &office}, call(at("2026-08-03T10:00:00Z")), false},
		{"label here, object there", DenyRule{Labels: []string{"email"}, Objects: []string{"public.customers"}}, call(labelled("email"), customers()), true},

		{"not understood: a kind is in doubt", DenyRule{Kinds: []string{"delete"}}, call(notUnderstood), true},
		{"not understood: a label is in doubt", DenyRule{Labels: []string{"email"}}, call(notUnderstood), true},
		{"not understood: a command is in doubt", DenyRule{Commands: []string{"reboot"}}, call(notUnderstood), true},
		{"not understood: the tool is certain", DenyRule{Tools: []string{"exec"}}, call(notUnderstood), false},
		{"not understood: the target is certain", DenyRule{Targets: []string{"dev-db"}}, call(notUnderstood), false},
		{"not understood: the time is certain", DenyRule{OutsideHours: &office}, call(notUnderstood, at("2026-08-03T10:00:00Z")), false},

		{"command", DenyRule{Commands: []string{"reboot"}}, call(touching("reboot")), true},
		{"another command", DenyRule{Commands: []string{"reboot"}}, call(touching("uptime")), false},
		{"operation", DenyRule{Operations: []string{"reboot"}}, call(touching("reboot")), true},

		{"column", DenyRule{Objects: []string{"public.orders.email"}}, call(withColumns("id", "email")), true},
		{"another column", DenyRule{Objects: []string{"public.orders.email"}}, call(withColumns("id")), false},
		{"all columns", DenyRule{Objects: []string{"public.orders.email"}}, call(), true},
		{"the column of another table", DenyRule{Objects: []string{"public.customers.email"}}, call(withColumns("email")), false},
		{"the column of every table", DenyRule{Objects: []string{"*.*.email"}}, call(withColumns("email")), true},
		{"the column of every table, all columns", DenyRule{Objects: []string{"*.*.email"}}, call(), true},
		{"every column", DenyRule{Objects: []string{"public.orders.*"}}, call(withColumns("id")), true},
		{"a pattern of two parts is a table", DenyRule{Objects: []string{"orders.email"}}, call(withColumns("email")), false},
		{"a pattern of two parts with a star is a table", DenyRule{Objects: []string{"*.email"}}, call(withColumns("email")), false},
		{"a pattern of one part is a table", DenyRule{Objects: []string{"email"}}, call(withColumns("email")), false},
		{"a column with a dot in it", DenyRule{Objects: []string{`public.orders."e.mail"`}}, call(withColumns("e.mail")), true},
		{"a column that is a star", DenyRule{Objects: []string{"public.orders.email"}}, call(withColumns("*")), false},
		{"a column with quotes in it", DenyRule{Objects: []string{"public.orders.email"}}, call(withColumns(`"email`)), false},
		{"the second object's column", DenyRule{Objects: []string{"public.customers.email"}}, call(customers("email")), true},
		{"effect and column", DenyRule{Effects: []string{"write"}, Objects: []string{"public.orders.email"}}, call(update, withColumns("email")), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := narrowedConfig(scoped("a", allowing("read", "write"), asksNotUnderstood, ruled(func(d *DenyRule) {
				reason, name := d.Reason, d.Name
				*d = tt.rule
				d.Reason, d.Name = reason, name
			}), func(s *Scope) { s.Targets = []string{"orders-db"} }))
			cfg.Targets = append(cfg.Targets, TargetInfo{Name: "dev-db", Kind: "postgres"})
			cfg.Match = map[string]Matcher{"postgres": byName, "ssh": byName, "http": byName}
			e := must(New(context.Background(), cfg))
			for range 2 { // the second is remembered
				d := decide(t, e, tt.call)
				if hit := d.Rule == "deny:x"; hit != tt.hit {
					t.Errorf("%+v", d)
				}
				if tt.hit && !slices.ContainsFunc(d.Reasons, func(r Reason) bool { return strings.Contains(r.Text, "because") }) {
					t.Errorf("the reason is not told: %v", d.Reasons)
				}
				sound(t, d)
			}
			x := must(e.Explain(context.Background(), tt.call))
			if x.Guards[0].Hit != tt.hit {
				t.Errorf("explained as %+v", x.Guards[0])
			}
			// Rego that lets everything through does not get past the guard.
			m := must(baseModules())
			m.rego, m.blind = map[string]string{"hostile.rego": `package sallyport.base

decision := {"verdict": "allow", "score": 0, "reasons": [{"id": "x", "points": 0, "text": "x"}], "scope": "a", "rule": "score", "approval": null, "limits": ` + limits500 + `}`}, false
			if d := decide(t, must(newEngine(context.Background(), cfg, m)), tt.call); tt.hit && tt.call.Plan.Understood && d.Rule != "deny:x" {
				t.Errorf("the guard let it through: %+v", d)
			}
		})
	}
}

// TestColumnsOfAScope: objects with three parts are columns, in the lists that allow and that deny.
func TestColumnsOfAScope(t *testing.T) {
	tests := []struct {
		name   string
		scope  func(*Scope)
		call   Input
		covers bool
	}{
		{"allowed columns", only("public.orders.id", "public.orders.status"), call(withColumns("id", "status")), true},
		{"one more", only("public.orders.id", "public.orders.status"), call(withColumns("id", "total")), false},
		{"all columns", only("public.orders.id", "public.orders.status"), call(), false},
		{"a star for columns, all columns", only("public.orders.*"), call(), false},
		{"a star for columns", only("public.orders.*"), call(withColumns("total")), true},
		{"the table beside a column", only("public.orders.id", "public.orders"), call(), true},
		{"a schema", only("public.*"), call(withColumns("id")), true},
		{"the table's name is no column's", only("orders.id"), call(withColumns("id")), false},
		{"a name with a dot", only(`public."orders.id"`), call(withColumns("id")), false},
		{"denied column", except("public.orders.email"), call(withColumns("id", "email")), false},
		{"not the denied column", except("public.orders.email"), call(withColumns("id")), true},
		{"denied column, all columns", except("public.orders.email"), call(), false},
		{"denied column of an allowed table", func(s *Scope) { s.ObjectsAllow, s.ObjectsDeny = []string{"public.*"}, []string{"*.*.email"} }, call(withColumns("email")), false},
		{"a long name, all columns", except("a.b.*"), call(touching("a.b.c.d.e")), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := decide(t, newTestEngine(t, scoped("a", tt.scope)), tt.call)
			if (d.Verdict == Allow) != tt.covers {
				t.Errorf("%+v", d)
			}
			sound(t, d)
		})
	}
}

func TestDenyRulesThatNeverHold(t *testing.T) {
	for want, d := range map[string]DenyRule{
		"nothing here matches":    {Commands: []string{"reboot"}},
		"never hold for one call": {Commands: []string{"reboot"}, Operations: []string{"GET /"}},
		`"nowhere" is not`:        {Targets: []string{"nowhere"}},
		"the same time":           {OutsideHours: &Hours{From: 1, To: 1}},
	} {
		_, err := New(context.Background(), Config{Targets: []TargetInfo{{Name: "db"}}, Scopes: []Scope{onCall(func(s *Scope) { s.Targets = []string{"db"} }, ruled(func(r *DenyRule) { *r = d }))}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", d, err)
		}
	}
}
