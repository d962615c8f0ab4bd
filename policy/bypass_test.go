package policy

import (
	"context"
	"testing"
)

// TestBypass holds tricks that must stay refused: each tries to get something allowed that is not. It only grows.
func TestBypass(t *testing.T) {
	two := func(o Object) func(*Input) {
		return func(in *Input) { in.Plan.Objects = append(in.Plan.Objects, o) }
	}
	quiet := asking(100, 101) // a scope that asks about nothing: only what no score overrides can stop a call
	tests := []struct {
		name  string
		scope Scope
		call  Input
	}{
		{"an effect in capitals", onCall(quiet), call(func(in *Input) { in.Plan.Effect = "Read" })},
		{"an effect with a space", onCall(quiet), call(func(in *Input) { in.Plan.Effect = "read " })},
		{"two effects in one", onCall(quiet), call(func(in *Input) { in.Plan.Effect = "read,write" })},
		{"effect unknown, said to be understood", onCall(quiet), call(func(in *Input) { in.Plan.Effect = "unknown" })},
		{"effect unknown in a scope that asks", onCall(quiet, asksNotUnderstood), call(func(in *Input) { in.Plan.Effect = "unknown" })},
		{"understood, with something unknown", onCall(quiet), call(func(in *Input) { in.Plan.Unknown = []string{""} })},
		{"a read that writes to its second object", onCall(quiet), call(two(Object{Name: "public.t", Access: "write"}))},
		{"an object without access", onCall(quiet), call(two(Object{Name: "public.t"}))},

		{"the second object is outside", onCall(quiet, only("public.orders")), call(two(Object{Name: "public.t", Access: "read"}))},
		{"an object without a name", onCall(quiet, only("public.*")), call(touching(""))},
		{"a name with a part more", onCall(quiet, only("public.*")), call(touching("public.orders.x"))},
		{"a name with a part less", onCall(quiet, only("public.*")), call(touching("orders"))},
		{"a name in capitals", onCall(quiet, only("public.orders")), call(touching("PUBLIC.ORDERS"))},
		{"a name that starts like an allowed one", onCall(quiet, only("public.orders")), call(touching("public.orders2"))},
		{"a name that is a pattern", onCall(quiet, only("public.orders")), call(touching("*"))},
		{"a table that is called *", onCall(quiet, only("app.*", "public.orders")), call(touching("public.*"))},
		{"a name that is a regular expression", onCall(quiet, only("public.orders")), call(touching("public.order."))},
		{"a name with a line break", onCall(quiet, only("public.orders")), call(touching("public.orders\n"))},
		{"a schema with a dot in it", onCall(quiet, only("public.orders")), call(touching(`"public.orders".orders`))},
		{"a table with a dot in it", onCall(quiet, only("public.orders.*")), call(touching(`public."orders.x"`))},

		{"denied, in quotes", onCall(quiet, except("app.secrets")), call(touching(`"app"."secrets"`))},
		{"denied schema, table with a dot", onCall(quiet, except("app.*")), call(touching("app.a.b"))},
		{"denied schema, quoted table with a dot", onCall(quiet, except("app.*")), call(touching(`app."a.b"`))},
		{"denied schema, many dots", onCall(quiet, except("app.*")), call(touching("app.a.b.c.d.e.f"))},
		{"denied schema, an open quote", onCall(quiet, except("app.*")), call(touching(`app."a`))},
		{"denied table, another schema with a dot", onCall(quiet, except("*.secrets")), call(touching("a.b.secrets"))},
		{"denied table without a schema", onCall(quiet, except("secrets")), call(touching("app.secrets"))},
		{"a denied object that is only read by a write", onCall(quiet, except("app.secrets")), call(update, two(Object{Name: "app.secrets", Access: "read"}))},
		{"a deny rule about writes, and define", onCall(quiet, forbidding("x", []string{"write"}, []string{"public.orders"})),
			call(func(in *Input) { in.Plan.Effect, in.Plan.Objects[0].Access = "define", "write" })},

		{"credential among other labels", onCall(quiet), call(labelled("public", "credential"))},
		{"credential in capitals", onCall(quiet), call(labelled("Credential"))},
		{"credential on the second object", onCall(quiet), call(two(Object{Name: "pg_catalog.pg_authid", Access: "read", Labels: []string{"credential"}}))},

		{"a pending approval", onCall(asking(0, 101)), call(func(in *Input) { in.Approval = &Approval{State: "pending", Votes: 1} })},
		{"an approval in capitals", onCall(asking(0, 101)), call(func(in *Input) { in.Approval = &Approval{State: "Approved", Votes: 1} })},
		{"an approval without votes", onCall(asking(0, 101)), call(approved(0))},
		{"an approval with negative votes", onCall(asking(0, 101)), call(approved(-1))},
		{"an approval of a scope without approvers", onCall(asking(0, 101), nobodyAsked), call(approved(5))},

		{"truncate that claims a bound", onCall(), call(func(in *Input) { change(in, "truncate") })},
		{"an update disguised by a kind that only adds", onCall(), call(update, unbounded, func(in *Input) { in.Plan.Kinds = []string{"insert", "update"} })},
		{"a write without kinds and bound", onCall(), call(update, unbounded, func(in *Input) { in.Plan.Kinds = nil })},
		{"a negative number of rows", onCall(), call(update, rows(-1, 10), in("development"))},
		{"more rows than the table has", onCall(), call(update, rows(1<<62, 10), in("development"))},
		{"an environment in capitals", onCall(), call(update, rows(1, 100), func(in *Input) { in.Target.Environment = "DEVELOPMENT" })},
		{"an environment with a space", onCall(), call(update, rows(1, 100), func(in *Input) { in.Target.Environment = "development " })},
		{"a target in another case", onCall(quiet), call(func(in *Input) { in.Target.Name = "Orders-DB" })},
		{"a group in another case", onCall(quiet), call(func(in *Input) { in.Principal.Groups = []string{"SRE", "sre ", "sre,dba"} })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := newTestEngine(t, tt.scope).Decide(context.Background(), tt.call)
			if err != nil {
				t.Fatal(err)
			}
			if d.Verdict == Allow {
				t.Errorf("allowed: %+v", d)
			}
			sound(t, d)
		})
	}
}
