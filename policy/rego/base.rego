# The decision about one call. The first of these that applies is the answer:
#
#  1. a deny rule of a matching scope hits: deny
#  2. the call was not understood and no scope has people look at such calls: deny
#  3. it was not understood, and so a deny rule cannot be ruled out: deny
#  4. no single scope covers the call: deny
#  5. the best covering scope decides: allow before ask before deny, then fewer approvers, then by name
#
# Everything is checked again in Go; see guard.go.
package sallyport.base

import data.sallyport.coverage
import data.sallyport.facts
import data.sallyport.risk

decision := refusal(concat("", ["deny:", rule.name]), [said(concat("", ["deny:", rule.name]), rule.reason)]) if {
	rule := min(coverage.denials)
} else := refusal("guard:not-understood", [not_understood]) if {
	not facts.understood
	not someone_looks
} else := refusal(concat("", ["deny:", rule.name]), [not_understood, said(
	concat("", ["deny:", rule.name]),
	concat("", ["it cannot be ruled out that this holds: ", rule.reason]),
)]) if {
	rule := min(coverage.doubts)
} else := refusal(uncovered.id, [uncovered]) if {
	count(coverage.covering) == 0
} else := {
	"verdict": answer.verdict, "scope": scope.name, "rule": answer.rule, "approval": answer.approval,
	"score": score, "reasons": array.concat(answer.reasons, risk.explain(ratings)), "limits": scope.limits,
} if {
	[rank, _, name, score, ratings] := min(ranked)
	scope := data.sallyport.scopes[name]
	answer := answers(rank, scope, score)
}

said(id, text) := {"id": id, "points": 0, "text": text}

not_understood := said("guard:not-understood", concat("", ["not understood: ", facts.unknown]))

someone_looks if {
	some name in input.derived.scopes
	data.sallyport.scopes[name].not_understood_ask
}

# The sentence for a caller without a covering scope.
uncovered := said("no-scope", "no scope of yours covers this target") if {
	count(input.derived.scopes) == 0
} else := said("guard:effect", concat(" ", ["no scope of yours allows here what has the effect", input.plan.effect])) if {
	not some_effect_covered
} else := said("no-scope", concat(" ", ["no single scope of yours covers all of:", concat(", ", sort({o.name | some o in input.plan.objects}))]))

some_effect_covered if {
	some name in input.derived.scopes
	coverage.effect_covered(data.sallyport.scopes[name])
}

# A call that no scope covers is rated like one under a scope without a limit.
refusal(rule, sentences) := {
	"verdict": "deny", "scope": "", "rule": rule, "approval": null,
	"score": risk.score(ratings), "reasons": array.concat(sentences, risk.explain(ratings)), "limits": no_limits,
} if {
	ratings := risk.of(0)
}

no_limits := {"rows": 0, "bytes": 0, "time_ms": 0, "affected_rows": 0}

# Choosing. The order of the lists in this set is the order of preference, and a scope's name ends every tie.
ranked contains [rank, approvers(scope, rank), name, score, ratings] if {
	some name in coverage.covering
	scope := data.sallyport.scopes[name]
	ratings := risk.of(scope.limits.affected_rows)
	score := risk.score(ratings)
	rank := rank_of(scope, score)
}

allowed := 0

asked := 1

denied := 2

rank_of(scope, score) := denied if {
	score >= scope.deny
} else := allowed if {
	score < scope.ask
	count(guards) == 0
} else := asked if {
	scope.approval != null
} else := denied

approvers(scope, rank) := scope.approval.count if {
	rank == asked
} else := 0

# Why people are asked. The guards come first: no threshold turns those off.
causes(scope, score) := array.concat(guards, [said("score", sprintf("scope %s asks from a score of %d on", [scope.name, scope.ask])) | score >= scope.ask])

guards := array.concat([not_understood | not facts.understood], [touches_credentials | facts.credential])

touches_credentials := said("guard:credential", "it touches credentials, so people must agree")

answers(rank, scope, score) := {"verdict": "allow", "rule": "score", "approval": null, "reasons": []} if {
	rank == allowed
} else := approved_or_asked(scope, causes(scope, score)) if {
	rank == asked
} else := {"verdict": "deny", "rule": "score", "approval": null, "reasons": [said(
	"threshold",
	sprintf("the score %d is too high: scope %s refuses from %d on", [score, scope.name, scope.deny]),
)]} if {
	score >= scope.deny
} else := {"verdict": "deny", "rule": "no-approvers", "approval": null, "reasons": array.concat(causes(scope, score), [said(
	"no-approvers",
	sprintf("people would have to agree, but scope %s names no approvers", [scope.name]),
)])}

approved_or_asked(scope, why) := {"verdict": "allow", "rule": "approved", "approval": scope.approval, "reasons": array.concat(why, [said(
	"approved",
	sprintf("%d of %d approvers agreed", [input.approval.votes, scope.approval.count]),
)])} if {
	facts.approved(scope.approval)
} else := {"verdict": "ask", "rule": why[0].id, "approval": scope.approval, "reasons": why}
