# How much could go wrong, as a sum of named points. The points are data (points.json; every rating is {id, points, text}), and each
# look-up has a default at the dangerous end: what is missing from a table must never score less than what is in it.
#
# What is summed up is a list of ratings, never a set of numbers, in which two contributions of 20 would be one.
package sallyport.risk

import data.sallyport.facts
import data.sallyport.points

# of(limit) is the call's ratings; limit is how many rows the scope lets a write change, 0 for no limit of its own.
of(limit) := array.concat(common, [extent_within(limit)])

common := [what, sensitivity, environment, irreversible]

extent_within(_) := extent

extent_within(limit) := rows(limit) if {
	not extent
	limit > 0 # the execution is rolled back beyond it
}

extent_within(0) := points.rows_unknown if not extent

# score(ratings) is what thresholds are compared with.
score(ratings) := min([100, total(ratings)])

total(ratings) := sum([r.points | some r in ratings])

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

# Extent: how much a write changes. Without a bound that counts for itself, whatever the number of rows is today. Undefined for a
# write that has a bound, when nobody counted what is within it.
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
