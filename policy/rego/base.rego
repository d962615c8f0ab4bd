# The decision about one call. The first of these that applies is the answer:
#
#  1. a deny rule of a matching scope hits: deny
#  2. the call was not understood and no scope has people look at such calls: deny
#  3. it was not understood, and so a deny rule cannot be ruled out: deny
#  4. some covering scope allows it: allow, under the first by name
#  5. some covering scope has people asked: ask (or allow, when they agreed), under the one that needs fewest, then the first by name
#  6. some scope covers it: deny
#  7. no single scope covers it: deny
#
# The places of the scopes in input.derived.scopes are in the order of their names. How risky the call is was summed up before, in Go.
# Everything is checked again there; see guard.go.
package sallyport.base

import data.sallyport.coverage
import data.sallyport.facts

decision := refusal(deny_id(rule), [said(deny_id(rule), rule.reason)]) if {
	rule := min(coverage.denials)
} else := refusal("guard:not-understood", [not_understood]) if {
	not facts.understood
	not someone_looks
} else := refusal(deny_id(rule), [not_understood, said(
	deny_id(rule),
	concat("", ["it cannot be ruled out that this holds: ", rule.reason]),
)]) if {
	not facts.understood
	rule := min(coverage.doubts)
} else := answer(s, "allow", "score", null, []) if {
	s := input.derived.scopes[min(allowed)]
} else := approved_or_asked(s, causes(s)) if {
	s := input.derived.scopes[min(asked)[1]]
} else := denied(input.derived.scopes[min(coverage.covering)]) if {
	count(coverage.covering) > 0
} else := refusal(uncovered[0].id, uncovered)

answer(s, verdict, rule, approval, sentences) := {
	"verdict": verdict, "scope": s.scope.name, "rule": rule, "approval": approval,
	"score": s.risk.score, "reasons": array.concat(sentences, s.risk.reasons), "limits": s.scope.limits,
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

# Nobody is asked about these. No threshold turns the guards off.
allowed contains i if {
	facts.understood
	not facts.credential
	some i in coverage.covering
	s := input.derived.scopes[i]
	s.risk.score < s.scope.ask
	s.risk.score < s.scope.deny
}

# The approval of a scope that names nobody is null and has no count.
asked contains [s.scope.approval.count, i] if {
	some i in coverage.covering
	s := input.derived.scopes[i]
	s.risk.score < s.scope.deny
}

# Why people are asked, the guards first.
causes(s) := array.concat(guards, [said("score", sprintf("scope %s asks from a score of %d on", [s.scope.name, s.scope.ask])) | s.risk.score >= s.scope.ask])

guards := array.concat([not_understood | not facts.understood], [touches_credentials | facts.credential])

approved_or_asked(s, why) := answer(s, "allow", "approved", s.scope.approval, array.concat(why, [said(
	"approved",
	sprintf("%d of %d approvers agreed", [input.approval.votes, s.scope.approval.count]),
)])) if {
	facts.approved(s.scope.approval)
} else := answer(s, "ask", why[0].id, s.scope.approval, why)

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
