# How much could go wrong, as a sum of named points. The points are data (points.json), each look-up has a default at the
# dangerous end: what is missing from a table must never score less than what is in it.
#
# Contributions are objects with an id, never bare numbers: in a set of numbers two contributions of 20 are one.
package sallyport.risk

import data.sallyport.facts
import data.sallyport.points

# score(contributions(scope)) is what the thresholds of the scope are compared with.
score(contributions) := min([100, sum([c.points | some c in contributions])])

# contributions: those of the call, and the extent, which the scope's own limit on changed rows may bound.
contributions(scope) := call_contributions | {c | some c in [extent(scope)]; c.points > 0}

# explain adds what makes the points add up to the score.
explain(contributions) := contributions if sum([c.points | some c in contributions]) <= 100

explain(contributions) := contributions | {{"id": "clamp", "points": 100 - total, "text": "the score ends at 100"}} if {
	total := sum([c.points | some c in contributions])
	total > 100
}

call_contributions := {c | some c in [what, sensitivity, environment, irreversible]; c.points > 0}

named(id, points, text) := {"id": id, "points": points, "text": sprintf("%s: +%d", [text, points])}

nothing := {"id": "nothing", "points": 0, "text": ""}

# What it does: the strongest of its effect and the kinds of statement it is made of, not their sum.
what := named("not-understood", points.not_understood.points, sprintf("%s (%s)", [points.not_understood.text, facts.unknown_text])) if {
	not facts.understood
} else := named(concat("", ["kind:", strongest_kind[1]]), strongest_kind[0], rating(points.kinds, strongest_kind[1], points.unrated).text) if {
	strongest_kind[0] > effect.points
} else := named(concat("", ["effect:", input.plan.effect]), effect.points, effect.text)

effect := rating(points.effects, input.plan.effect, points.unrated)

default strongest_kind := [0, ""]

strongest_kind := max({[rating(points.kinds, kind, points.unrated).points, kind] | some kind in input.plan.kinds}) if {
	count(input.plan.kinds) > 0
}

rating(table, key, otherwise) := object.get(table, key, otherwise)

# Sensitivity: the most sensitive label of anything it touches; a fifth more when that is changed. A label without a rating is
# a word of the operator's own for a column, and columns with a label are masked.
sensitivity := named(concat("", ["label:", top_label[1]]), top_label[0], sprintf("touches %s data", [top_label[1]])) if top_label[0] > 0

else := nothing

top_label := max({[p, name] |
	some o in input.plan.objects
	some label in o.labels
	name := lower(label)
	p := touched(rating(points.labels, name, points.unrated_label).points, o.access)
} | {[p, name] |
	some label in input.target.labels # free words; only those with a rating count
	name := lower(label)
	p := points.labels[name].points
} | {[0, ""]})

touched(p, access) := p if access == "read"

touched(p, access) := ceil((p * 6) / 5) if access != "read"

environment := named("environment", e.points, e.text) if {
	e := rating(points.environments, facts.environment, points.unrated_environment)
}

irreversible := named("irreversible", points.irreversible.points, points.irreversible.text) if {
	facts.understood
	input.plan.effect != "read"
	not input.plan.reversible == true
} else := nothing

# Extent: how much a write changes. No bound at all counts for itself, whatever the number of rows is today.
extent(scope) := nothing if {
	not facts.understood
} else := nothing if {
	input.plan.effect != "write"
} else := named("unbounded", points.unbounded.points, points.unbounded.text) if {
	unbounded
} else := rows(input.plan.rows) if {
	input.plan.rows != null
} else := nothing if {
	only_adds
} else := rows({"exact": scope.limits.affected_rows, "table": 0}) if {
	scope.limits.affected_rows > 0 # the execution is rolled back beyond it
} else := named("rows", points.rows_unknown.points, points.rows_unknown.text)

default unbounded := false

unbounded if {
	not input.plan.bounded == true
	not only_adds
}

unbounded if {
	some kind in input.plan.kinds
	kind in points.never_bound
}

default only_adds := false

only_adds if {
	"insert" in input.plan.kinds
	every kind in input.plan.kinds {
		kind in points.adds_only
	}
}

# A negative number is no number of rows: it falls through to the last, highest line.
rows(r) := named("rows", points.share.points, sprintf("changes %d of %d rows, more than %d %%", [r.exact, r.table, points.share.percent])) if {
	r.exact > points.share.from
	r.exact * 100 > r.table * points.share.percent
	r.table > 0
} else := named("rows", step.points, sprintf("changes at most %d rows", [step.to])) if {
	r.exact >= 0
	some i, step in points.rows
	r.exact <= step.to
	every j, lower_step in points.rows {
		beyond(j, i, r.exact, lower_step.to)
	}
} else := named("rows", points.more_rows.points, "changes very many rows")

# Step i is the right one when every step before it is too small.
beyond(j, i, _, _) if j >= i

beyond(j, i, n, to) if {
	j < i
	n > to
}
