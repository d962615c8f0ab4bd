# The order of answers. The Go tests hold the engine as a whole against tables; here it is the module alone, with nothing behind it.
package sallyport.base_test

import data.sallyport.base

scope(changes) := object.union(
	{
		"name": "s", "allow": {"read": true, "write": true}, "not_understood_ask": false, "ask": 40, "deny": 95, "rules": [],
		"limits": {"rows": 5, "bytes": 0, "time_ms": 0, "affected_rows": 0},
		"approval": {"from": ["dba"], "count": 1, "within_s": 60, "assurance": "chat"},
		"objects": {"unrestricted": true, "all": true, "allow": {}, "deny": {}},
	},
	changes,
)

call(plan, approval, scopes) := {
	"v": 1,
	"target": {"name": "t", "environment": "production", "labels": []},
	"plan": object.union(
		{
			"understood": true, "unknown": [], "effect": "read", "kinds": ["select"], "functions": [],
			"bounded": true, "reversible": true, "rows": null,
			"objects": [{"type": "table", "name": "public.orders", "columns": [], "access": "read", "labels": []}],
		},
		plan,
	),
	"approval": approval,
	"derived": {"scopes": scopes, "ruled": scopes, "objects": [{"allow": ["*", "public.orders"], "deny": ["*", "public.orders"]}]},
}

answer(plan, approval, scopes) := d if {
	d := base.decision with input as call(plan, approval, [name | some name, _ in scopes]) with data.sallyport.scopes as scopes
}

update := {
	"effect": "write", "kinds": ["update"], "rows": {"exact": 1, "table": 9},
	"objects": [{"type": "table", "name": "public.orders", "columns": [], "access": "write", "labels": []}],
}

unclear := {"understood": false, "effect": "unknown"}

test_allow if answer({}, null, {"s": scope({})}).verdict == "allow"

test_ask if answer(update, null, {"s": scope({})}).verdict == "ask"

test_agreed if answer(update, {"state": "approved", "votes": 1}, {"s": scope({})}).verdict == "allow"

test_deny_by_score if answer(object.union(update, {"bounded": false}), {"state": "approved", "votes": 9}, {"s": scope({})}).verdict == "deny"

test_no_scope if answer({}, null, {}).rule == "no-scope"

test_effect if answer(update, null, {"s": scope({"allow": {"write": false}})}).rule == "guard:effect"

test_not_understood if answer(unclear, null, {"s": scope({})}).rule == "guard:not-understood"

test_not_understood_ask if answer(unclear, null, {"s": scope({"not_understood_ask": true})}).verdict == "ask"

test_not_understood_ask_of_another_scope if {
	answer(unclear, null, {"s": scope({}), "a": scope({"name": "a", "not_understood_ask": true})}).scope == "a"
}

rule := {"name": "x", "reason": "because", "objects": {"public.orders": true}}

test_deny_rule if answer({}, null, {"s": scope({}), "z": scope({"name": "z", "rules": [rule]})}).rule == "deny:x"

test_deny_rule_in_doubt if {
	elsewhere := object.union(rule, {"objects": {"app.secrets": true}})
	answer(unclear, null, {"s": scope({"not_understood_ask": true, "rules": [elsewhere]})}).rule == "deny:x"
}

test_objects if {
	narrow := {"unrestricted": false, "all": false, "allow": {"app.orders": true}, "deny": {}}
	answer({}, null, {"s": scope({"objects": narrow})}).rule == "no-scope"
}

# Without the spellings of an object's name nothing covers it.
test_objects_that_were_not_looked_up if {
	narrow := {"unrestricted": false, "all": true, "allow": {}, "deny": {"app.secrets": true}}
	c := call({}, null, ["s"])
	blind := object.union(c, {"derived": {"scopes": ["s"], "ruled": [], "objects": []}})
	d := base.decision with input as blind with data.sallyport.scopes as {"s": scope({"objects": narrow})}
	d.rule == "no-scope"
}

test_limits_of_the_scope if answer({}, null, {"s": scope({})}).limits.rows == 5

test_every_answer_adds_up if {
	every d in [answer({}, null, {}), answer(update, null, {"s": scope({})}), answer(unclear, null, {"s": scope({})})] {
		sum([r.points | some r in d.reasons]) == d.score
	}
}
