# The traps of summing up risk in Rego, each of which once lowered a score.
package sallyport.risk_test

import data.sallyport.points
import data.sallyport.risk

plan := {
	"understood": true, "unknown": [], "effect": "read", "kinds": ["select"], "objects": [table], "functions": [],
	"bounded": true, "reversible": true, "rows": null,
}

table := {"type": "table", "name": "public.orders", "columns": [], "access": "read", "labels": []}

written := object.union(table, {"access": "write"})

write := object.union(plan, {"effect": "write", "kinds": ["update"], "objects": [written]})

unlimited := 0

score_of(p, environment) := risk.score(ratings_of(p, environment))

ratings_of(p, environment) := r if {
	r := risk.of(unlimited) with input.plan as p with input.target as {"name": "t", "environment": environment, "labels": []}
}

test_read_in_production if score_of(plan, "production") == 20

# Two ratings of the same size are two.
test_equal_points_are_added if {
	ratings := [{"id": "a", "points": 20, "text": "a"}, {"id": "b", "points": 20, "text": "b"}]
	risk.total(ratings) == 40
}

test_clamped_and_explained if {
	ratings := [{"id": "a", "points": 80, "text": "a"}, {"id": "b", "points": 80, "text": "b"}]
	risk.score(ratings) == 100
	risk.total(risk.explain(ratings)) == 100
}

# A value that a table does not know is rated high, never left out.
test_unknown_effect if score_of(object.union(plan, {"effect": "peek"}), "production") >= 40

test_unknown_kind if score_of(object.union(plan, {"kinds": ["peek"]}), "production") >= 40

test_unknown_kind_beside_a_known_one if score_of(object.union(plan, {"kinds": ["select", "peek"]}), "production") >= 40

test_unknown_environment if score_of(plan, "moon") == score_of(plan, "production")

test_no_environment_is_production if score_of(plan, "") == score_of(plan, "production")

test_unknown_label if {
	labelled := object.union(plan, {"objects": [object.union(table, {"labels": ["a_word_of_our_own"]})]})
	score_of(labelled, "production") > score_of(plan, "production")
}

test_unknown_access if {
	labelled := object.union(write, {"objects": [object.union(written, {"access": "peek", "labels": ["email"]})]})
	score_of(labelled, "production") > score_of(write, "production")
}

test_unknown_construct if score_of(object.union(plan, {"unknown": ["x"]}), "development") >= 40

# The most sensitive label counts, once; a change of it counts a fifth more.
test_strongest_label if {
	labelled := object.union(plan, {"objects": [object.union(table, {"labels": ["email", "credential", "internal"]})]})
	score_of(labelled, "production") == score_of(plan, "production") + points.touched.read.credential.points
}

test_changed_label_counts_more if points.touched.write.confidential.points == 18

test_label_of_the_target if {
	target := {"name": "t", "environment": "production", "labels": ["team-a", "restricted"]}
	ratings := risk.of(unlimited) with input.plan as plan with input.target as target
	risk.score(ratings) == score_of(plan, "production") + points.touched.read.restricted.points
}

# The strongest kind counts, not the sum, and not the effect beside it.
test_strongest_kind if {
	p := object.union(write, {"kinds": ["select", "update", "delete"], "rows": {"exact": 1, "table": 9}})
	score_of(p, "development") == points.kinds["delete"].points
}

# Rows: more rows never score less.
test_rows_ascend if {
	scores := [score_of(object.union(write, {"rows": {"exact": n, "table": 0}}), "production") |
		some n in [0, 1, 2, 100, 101, 10000, 10001, 1000000, 1000001]
	]
	every i, s in scores {
		every j, later in scores {
			not_less(i, j, s, later)
		}
	}
}

not_less(i, j, _, _) if j <= i

not_less(i, j, s, later) if {
	j > i
	later >= s
}

test_negative_rows_are_many if {
	score_of(object.union(write, {"rows": {"exact": -1, "table": 0}}), "production") == score_of(object.union(write, {"rows": {"exact": 1000001, "table": 0}}), "production")
}

test_unknown_rows_are_not_few if {
	score_of(write, "production") > score_of(object.union(write, {"rows": {"exact": 100, "table": 0}}), "production")
}

test_unknown_rows_within_a_limit if {
	ratings := risk.of(100) with input.plan as write with input.target as {"environment": "development", "labels": []}
	risk.score(ratings) == 35
}

test_a_limit_does_not_bound_the_unbounded if {
	p := object.union(write, {"bounded": false})
	ratings := risk.of(1) with input.plan as p with input.target as {"environment": "production", "labels": []}
	risk.score(ratings) >= 95
}

test_unbounded_with_one_row if score_of(object.union(write, {"bounded": false, "rows": {"exact": 1, "table": 1}}), "production") >= 95

test_insert_needs_no_bound if score_of(object.union(write, {"kinds": ["insert"], "bounded": false}), "production") < 95

test_truncate_never_has_one if score_of(object.union(write, {"kinds": ["truncate"]}), "production") >= 95
