# The decision about one call. The first of these that applies is the answer:
#
#  1. a deny rule of a matching scope hits: deny
#  2. the call was not understood and no scope has people look at such calls: deny
#  3. it was not understood, and so a deny rule cannot be ruled out: deny
#  4. some covering scope allows it: allow, under the first by name
#  5. some covering scope has people asked: ask, or allow when they agreed, under the one that needs fewest, then the first by name
#  6. some scope covers it: deny
#  7. no single scope covers it: deny
#
# The places of the scopes in input.derived.scopes are in the order of their names. How risky the call is was summed up before, in Go.
# Everything is checked again there; see guard.go.
package sallyport.base

import data.sallyport.coverage
import data.sallyport.facts

decision := refusal(deny_id(rule), [said(deny_id(rule), rule.reason)]) if {
	input.derived.rules[0] # most calls have none, and then there is nothing to evaluate
	rule := min(coverage.denials)
} else := unclear if {
	not facts.understood
} else := {
	"verdict": "allow", "scope": s.scope.name, "rule": "score", "approval": null,
	"score": s.risk.score, "reasons": s.risk.reasons, "limits": s.scope.limits,
} if {
	facts.understood
	not facts.credential # no threshold turns the guards off
	s := [s | some s in coverage.covering; s.risk.score < s.scope.ask; s.risk.score < s.scope.deny][0]
} else := answer(s, "allow", "approved", s.scope.approval, array.concat(causes(s), [agreed(s)])) if {
	input.approval.state == "approved"
	s := coverage.covering[min(asked)[1]]
	input.approval.votes >= s.scope.approval.count
} else := answer(s, "ask", why[0].id, s.scope.approval, why) if {
	s := coverage.covering[min(asked)[1]]
	why := causes(s)
} else := denied(s) if {
	s := coverage.covering[0]
} else := refusal(uncovered[0].id, uncovered)

answer(s, verdict, rule, approval, sentences) := {
	"verdict": verdict, "scope": s.scope.name, "rule": rule, "approval": approval,
	"score": s.risk.score, "reasons": array.concat(sentences, s.risk.reasons), "limits": s.scope.limits,
}

# Undefined when people look at such calls and nothing is in doubt: then the call goes on.
unclear := refusal("guard:not-understood", [not_understood]) if {
	not someone_looks
} else := refusal(deny_id(rule), [not_understood, said(
	deny_id(rule),
	concat("", ["it cannot be ruled out that this holds: ", rule.reason]),
)]) if {
	rule := min(coverage.doubts)
}

# A call that no scope covers is rated like one under a scope without a limit.
refusal(rule, sentences) := {
	"verdict": "deny", "scope": "", "rule": rule, "approval": null,
	"score": input.derived.risk.score, "reasons": array.concat(sentences, input.derived.risk.reasons), "limits": no_limits,
}

no_limits := {"rows": 0, "bytes": 0, "time_ms": 0, "affected_rows": 0}

said(id, text) := {"id": id, "points": 0, "text": text}

deny_id(rule) := concat("", ["deny:", rule.name])

not_understood := said("guard:not-understood", concat("", ["not understood: ", facts.unknown]))

touches_credentials := said("guard:credential", "it touches credentials, so people must agree")

someone_looks if {
	some s in input.derived.scopes
	s.scope.not_understood_ask
}

# Approvers and place of the scopes that have people asked. The approval of a scope that names nobody is null and has no count.
asked := [[s.scope.approval.count, i] |
	some i, s in coverage.covering
	s.risk.score < s.scope.deny
]

# Why people are asked, the guards first: no threshold turns those off.
causes(s) := [s.scope.asks] if {
	facts.understood
	not facts.credential
	s.risk.score >= s.scope.ask
} else := array.concat(guards, [s.scope.asks | s.risk.score >= s.scope.ask])

guards := array.concat([not_understood | not facts.understood], [touches_credentials | facts.credential])

agreed(s) := said("approved", sprintf("%d of %d approvers agreed", [input.approval.votes, s.scope.approval.count]))

denied(s) := answer(s, "deny", "score", null, [said(
	"threshold",
	sprintf("the score %d is too high: scope %s refuses from %d on", [s.risk.score, s.scope.name, s.scope.deny]),
)]) if {
	s.risk.score >= s.scope.deny
} else := answer(s, "deny", "no-approvers", null, array.concat(causes(s), [said(
	"no-approvers",
	sprintf("people would have to agree, but scope %s names no approvers", [s.scope.name]),
)]))

# The sentences for a caller without a covering scope. Where a tool narrows scopes in its own way, its reasons say more than names.
uncovered := [said("no-scope", "no scope of yours covers this target")] if {
	count(input.derived.scopes) == 0
} else := [said("guard:effect", concat(" ", ["no scope of yours allows here what has the effect", input.plan.effect]))] if {
	not some_effect_covered
} else := [said("no-scope", why) | some why in outside] if {
	count(outside) > 0
} else := [said("no-scope", concat(" ", ["no single scope of yours covers all of:", concat(", ", sort({o.name | some o in input.plan.objects}))]))]

some_effect_covered if {
	some s in input.derived.scopes
	coverage.effect_covered(s.scope)
}

outside contains s.outside if {
	some s in input.derived.scopes
	coverage.effect_covered(s.scope)
}
