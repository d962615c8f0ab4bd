# Which scopes cover the call, and what forbids it. The scopes that match caller and target were looked up before (in Go, by an
# index): input.derived.scopes holds their names, input.derived.ruled those with deny rules among them. Object names are not parsed here: input.derived.objects holds, for each object of
# the plan, the spellings of every pattern that would cover it (allow) or hit it (deny), so that matching is a look-up.
package sallyport.coverage

import data.sallyport.facts

# One single scope must cover the whole call.
covering contains name if {
	some name in input.derived.scopes
	scope := data.sallyport.scopes[name]
	effect_covered(scope)
	objects_covered(scope)
}

# Guard: an effect outside the scope's allow is not covered. An unknown effect is in no scope's allow; a scope may still have
# people look at it.
effect_covered(scope) if {
	scope.allow[input.plan.effect]
	understood_or_looked_at(scope)
} else if {
	not facts.strength[input.plan.effect]
	scope.not_understood_ask
}

understood_or_looked_at(_) if facts.understood

understood_or_looked_at(scope) if scope.not_understood_ask

objects_covered(scope) if {
	scope.objects.unrestricted
} else if {
	every i, _ in input.plan.objects {
		in_allow(scope.objects, input.derived.objects[i].allow)
		not listed(scope.objects.deny, input.derived.objects[i].deny)
	}
}

in_allow(objects, _) if objects.all

in_allow(objects, forms) if listed(objects.allow, forms)

listed(patterns, forms) if {
	some form in forms
	patterns[form]
}

# A deny rule in any matching scope wins, whatever covers the call.
denials contains rule if {
	some name in input.derived.ruled
	some rule in data.sallyport.scopes[name].rules
	hits(rule)
}

# What was not understood may be what the rule forbids: the rule holds unless it can be ruled out, and here nothing can.
doubts contains rule if {
	not facts.understood
	some name in input.derived.ruled
	some rule in data.sallyport.scopes[name].rules
}

# An absent condition holds. A rule on an effect is about the call as a whole and about what it does to each object.
hits(rule) if {
	not rule.objects
	effect_hit(rule, input.plan.effect)
}

hits(rule) if {
	not rule.objects
	some o in input.plan.objects
	effect_hit(rule, o.access)
}

hits(rule) if {
	some i, o in input.plan.objects
	listed(rule.objects, input.derived.objects[i].deny)
	some effect in [input.plan.effect, o.access]
	effect_hit(rule, effect)
}

effect_hit(rule, _) if not rule.effects

effect_hit(rule, effect) if effect in rule.effects
