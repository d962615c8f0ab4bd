# The decision about one call. The first of these that applies is the answer:
#
#  1. a deny rule of a matching scope hits: deny
#  2. the call was not understood and no scope has people look at such calls: deny
#  3. no single scope covers the call: deny
#  4. the best covering scope decides: allow before ask before deny, then fewer approvers, then by name
#
# Everything is checked again in Go; see guard.go.
package sallyport.base

import data.sallyport.facts
import data.sallyport.risk
import data.sallyport.coverage

decision := refusal(sprintf("deny:%s", [first(coverage.denials).name]), [said(
	sprintf("deny:%s", [first(coverage.denials).name]),
	first(coverage.denials).reason,
)]) if {
	count(coverage.denials) > 0
} else := refusal("guard:not-understood", [not_understood]) if {
	not facts.understood
	not someone_looks
} else := refusal(sprintf("deny:%s", [first(coverage.doubts).name]), [not_understood, said(
	sprintf("deny:%s", [first(coverage.doubts).name]),
	sprintf("it cannot be ruled out that this holds: %s", [first(coverage.doubts).reason]),
)]) if {
	count(coverage.doubts) > 0
} else := refusal(uncovered.id, [uncovered]) if {
	count(coverage.covering) == 0
} else := chosen

first(set) := min(set)

said(id, text) := {"id": id, "points": 0, "text": text}

not_understood := said("guard:not-understood", sprintf("not understood: %s", [facts.unknown_text]))

someone_looks if {
	some _, scope in coverage.matching
	scope.not_understood_ask
}

# Which sentence a caller without a covering scope reads.
uncovered := said("no-scope", "no scope of yours covers this target") if {
	count(coverage.matching) == 0
} else := said("guard:effect", sprintf("no scope of yours allows the effect %s here", [input.plan.effect])) if {
	not some_effect_covered
} else := said("no-scope", sprintf("no single scope of yours covers all of: %s", [object_names]))

some_effect_covered if {
	some _, scope in coverage.matching
	coverage.effect_covered(scope)
}

object_names := concat(", ", sort({o.name | some o in input.plan.objects}))

# A call that no scope covers is scored like one without a limit of its own.
refusal(rule, sentences) := {
	"verdict": "deny", "scope": "", "rule": rule, "approval": null,
	"score": risk.score(points),
	"reasons": array.concat(sentences, [c | some c in risk.explain(points)]),
	"limits": no_limits,
} if {
	points := risk.contributions({"limits": no_limits})
}

no_limits := {"rows": 0, "bytes": 0, "time_ms": 0, "affected_rows": 0}

# Choosing. The order of arrays is the order of preference, and a scope's name ends every tie.
ranked contains [rank, approvers(scope, rank), name, score, points] if {
	some name, scope in coverage.covering
	points := risk.contributions(scope)
	score := risk.score(points)
	rank := rank_of(scope, score)
}

allowed := 0

asked := 1

denied := 2

rank_of(scope, score) := denied if {
	score >= scope.deny
} else := denied if {
	count(causes(scope, score)) > 0
	scope.approval == null
} else := asked if {
	count(causes(scope, score)) > 0
} else := allowed

approvers(scope, rank) := scope.approval.count if rank == asked

approvers(_, rank) := 0 if rank != asked

# Why people are asked. The guards come first: no threshold turns those off.
causes(scope, score) := array.concat(guards, [said("score", sprintf("scope %s asks from a score of %d on", [scope.name, scope.ask])) |
	score >= scope.ask
])

guards := array.concat(
	[not_understood | not facts.understood],
	[said("guard:credential", "it touches credentials, so people must agree") | facts.credential],
)

chosen := {
	"verdict": answer.verdict, "scope": name, "rule": answer.rule, "approval": answer.approval,
	"score": score,
	"reasons": array.concat(answer.reasons, [c | some c in risk.explain(points)]),
	"limits": scope.limits,
} if {
	[rank, _, name, score, points] := min(ranked)
	scope := coverage.covering[name]
	answer := final(rank, scope, score)
}

final(rank, scope, score) := {"verdict": "deny", "rule": "score", "approval": null, "reasons": [said(
	"threshold",
	sprintf("the score %d is too high: scope %s refuses from %d on", [score, scope.name, scope.deny]),
)]} if {
	rank == denied
	score >= scope.deny
} else := {"verdict": "deny", "rule": "no-approvers", "approval": null, "reasons": array.concat(causes(scope, score), [said(
	"no-approvers",
	sprintf("people would have to agree, but scope %s names no approvers", [scope.name]),
)])} if {
	rank == denied
} else := {"verdict": "allow", "rule": "approved", "approval": scope.approval, "reasons": array.concat(causes(scope, score), [said(
	"approved",
	sprintf("%d of %d approvers agreed", [input.approval.votes, scope.approval.count]),
)])} if {
	rank == asked
	facts.approved(scope.approval)
} else := {"verdict": "ask", "rule": causes(scope, score)[0].id, "approval": scope.approval, "reasons": causes(scope, score)} if {
	rank == asked
} else := {"verdict": "allow", "rule": "score", "approval": null, "reasons": []} if {
	rank == allowed
}
