# The order of answers. The Go tests hold the engine as a whole against tables; here it is the module alone, with nothing behind it.
package sallyport.base_test

import data.sallyport.base

scope(changes) := object.union(
	{
		"name": "s", "allow": {"read": true, "write": true}, "not_understood_ask": false, "ask": 40, "deny": 95,
		"asks": {"id": "score", "points": 0, "text": "asks from 40 on"},
		"limits": {"rows": 5, "bytes": 0, "time_ms": 0, "affected_rows": 0},
		"approval": {"from": ["dba"], "count": 1, "within_s": 60, "assurance": "chat"},
	},
	changes,
)

# matched(scope, score, changes) is a matching scope as Go hands it over.
matched(s, score, changes) := object.union({"scope": s, "objects": true, "risk": risk(score)}, changes)

risk(score) := {"score": score, "reasons": [{"id": "x", "points": score, "text": "x"}]}

call(plan, approval, scopes, rules) := {
	"target": {"labels": []},
	"plan": object.union(
		{
			"understood": true, "unknown": [], "effect": "read",
			"objects": [{"name": "public.orders", "access": "read", "labels": []}],
		},
		plan,
	),
	"approval": approval,
	"derived": {"scopes": scopes, "rules": rules, "objects": [["*", "public.orders"]], "risk": risk(50)},
}

answer(plan, approval, scopes) := ruled(plan, approval, scopes, [])

ruled(plan, approval, scopes, rules) := d if {
	d := base.decision with input as call(plan, approval, scopes, rules)
}

low := [matched(scope({}), 20, {})]

high := [matched(scope({}), 50, {})]

update := {"effect": "write", "objects": [{"name": "public.orders", "access": "write", "labels": []}]}

unclear := {"understood": false, "effect": "unknown"}

test_allow if answer({}, null, low).verdict == "allow"

test_ask if answer(update, null, high).verdict == "ask"

test_ask_from_the_threshold_on if answer({}, null, [matched(scope({}), 40, {})]).verdict == "ask"

test_agreed if answer(update, {"state": "approved", "votes": 1}, high).verdict == "allow"

test_deny_by_score if answer(update, {"state": "approved", "votes": 9}, [matched(scope({}), 95, {})]).verdict == "deny"

test_no_scope if answer({}, null, []).rule == "no-scope"

test_effect if answer(update, null, [matched(scope({"allow": {"write": false}}), 50, {})]).rule == "guard:effect"

test_credential if answer({"objects": [{"name": "t", "access": "read", "labels": ["Credential"]}]}, null, low).rule == "guard:credential"

test_credential_of_the_target if {
	d := base.decision with input as object.union(call({}, null, low, []), {"target": {"labels": ["credential"]}})
	d.rule == "guard:credential"
}

test_contradiction if answer({"objects": [{"name": "t", "access": "write", "labels": []}]}, null, low).rule == "guard:not-understood"

test_unknown_access if answer({"objects": [{"name": "t", "access": "peek", "labels": []}]}, null, low).rule == "guard:not-understood"

test_missing_access if answer({"objects": [{"name": "t", "labels": []}]}, null, low).rule == "guard:not-understood"

test_unknown_construct if answer({"unknown": ["x"]}, null, low).rule == "guard:not-understood"

test_unknown_effect if answer({"effect": "peek"}, null, low).rule == "guard:not-understood"

test_not_understood if answer(unclear, null, low).rule == "guard:not-understood"

test_not_understood_ask if answer(unclear, null, [matched(scope({"not_understood_ask": true}), 20, {})]).verdict == "ask"

test_not_understood_ask_of_another_scope if {
	answer(unclear, null, [matched(scope({}), 20, {}), matched(scope({"name": "z", "not_understood_ask": true}), 20, {})]).scope == "z"
}

rule := {"name": "x", "reason": "because", "objects": {"public.orders": true}}

test_deny_rule if ruled({}, null, low, [rule]).rule == "deny:x"

test_deny_rule_elsewhere if ruled({}, null, low, [{"name": "x", "reason": "because", "objects": {"app.secrets": true}}]).verdict == "allow"

test_deny_rule_in_doubt if {
	looked_at := [matched(scope({"not_understood_ask": true}), 20, {})]
	ruled(unclear, null, looked_at, [{"name": "x", "reason": "because", "objects": {"app.secrets": true}}]).rule == "deny:x"
}

# What Go did not say is covered is not.
test_objects if answer({}, null, [matched(scope({}), 20, {"objects": false})]).rule == "no-scope"

test_objects_that_were_not_looked_up if answer({}, null, [object.remove(low[0], ["objects"])]).rule == "no-scope"

test_outside if {
	d := answer({}, null, [matched(scope({}), 20, {"objects": false, "outside": "not this one"})])
	d.reasons[0] == {"id": "no-scope", "points": 0, "text": "not this one"}
}

test_allow_before_ask if answer({}, null, [matched(scope({}), 50, {}), matched(scope({"name": "z"}), 20, {})]).scope == "z"

test_limits_of_the_scope if answer({}, null, low).limits.rows == 5

test_every_answer_adds_up if {
	every d in [answer({}, null, []), answer(update, null, high), answer(unclear, null, low)] {
		sum([r.points | some r in d.reasons]) == d.score
	}
}
