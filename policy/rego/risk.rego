# How much could go wrong, as a sum of named points. The points are data (points.json; every rating is {id, points, text}), and each
# look-up has a default at the dangerous end: what is missing from a table must never score less than what is in it.
#
# What is summed up is a list of ratings, never a set of numbers, in which two contributions of 20 would be one.
package sallyport.risk

import data.sallyport.facts
import data.sallyport.points

# of(scope) is the call's ratings; only their extent depends on the scope, whose own limit bounds what a write can change.
of(scope) := [what, sensitivity, environment, irreversible, extent] if {
	not extent_open
} else := [what, sensitivity, environment, irreversible, rows(scope.limits.affected_rows)] if {
	scope.limits.affected_rows > 0 # the execution is rolled back beyond it
} else := [what, sensitivity, environment, irreversible, points.rows_unknown]

total(ratings) := sum([r.points | some r in ratings])

# The score is what thresholds are compared with.
score(ratings) := min([100, total(ratings)])

# explain(ratings) adds up to the score.
explain(ratings) := ratings if {
	total(ratings) <= 100
} else := array.concat(ratings, [{"id": "clamp", "points": 100 - total(ratings), "text": "the score ends at 100"}])

# What it does: the strongest of its effect and of the kinds of statement it is made of, not their sum.
what := points.not_understood if {
	not facts.understood
} else := effect if {
	count(stronger_kinds) == 0
} else := max(stronger_kinds)[1]

effect := object.get(points.effects, input.plan.effect, points.unrated)

stronger_kinds contains [rating.points, rating] if {
	some kind in input.plan.kinds
	rating := object.get(points.kinds, kind, points.unrated)
	rating.points > effect.points
}

# The most sensitive label of anything it touches, a fifth more when that is changed. A label without a rating is the operator's
# own word for a column, and the values of such columns are masked. Labels of the target are free words: those with a rating count.
sensitivity := max(touched)[1] if {
	count(touched) > 0
} else := points.none

touched contains [rating.points, rating] if {
	some o in input.plan.objects
	some label in o.labels
	table := object.get(points.touched, o.access, points.touched.write)
	rating := object.get(table, lower(label), table.other)
}

touched contains [rating.points, rating] if {
	some label in input.target.labels
	label != "other"
	table := object.get(points.touched, input.plan.effect, points.touched.write)
	rating := table[lower(label)]
}

environment := object.get(points.environments, input.target.environment, points.unrated_environment)

irreversible := points.none if {
	input.plan.effect == "read"
} else := points.none if {
	input.plan.reversible == true
} else := points.none if {
	not facts.understood # rated as a whole
} else := points.irreversible

# Extent: how much a write changes. Without a bound that counts for itself, whatever the number of rows is today.
extent := points.none if {
	input.plan.effect != "write"
} else := points.none if {
	not facts.understood
} else := points.unbounded if {
	unbounded
} else := points.share.rating if {
	input.plan.rows.exact > points.share.from
	input.plan.rows.table > 0
	input.plan.rows.exact * 100 > input.plan.rows.table * points.share.percent
} else := rows(input.plan.rows.exact) if {
	input.plan.rows != null
} else := points.none if {
	only_adds
}

# It is a write that has a bound, and nobody counted what is within it.
extent_open if not extent

unbounded if {
	not input.plan.bounded == true
	not only_adds
}

unbounded if {
	some kind in input.plan.kinds
	kind in points.never_bound
}

only_adds if {
	"insert" in input.plan.kinds
	every kind in input.plan.kinds {
		kind in points.adds_only
	}
}

# The first step that is large enough. A negative number is no number of rows, and rated like the largest.
rows(n) := [step.rating | some step in points.rows; n <= step.to][0] if {
	n >= 0
} else := points.more_rows
