# Which scopes cover the call, and what forbids it. The scopes that match caller and target were looked up before (in Go, by an
# index): input.derived.scopes holds their names. Object names are not parsed here: input.derived.objects holds, for each object of
# the plan, the spellings of every pattern that would cover it (allow) or hit it (deny), so that matching is a look-up.
package sallyport.coverage

import data.sallyport.facts

matching[name] := data.sallyport.scopes[name] if some name in input.derived.scopes

# One single scope must cover the whole call.
covering[name] := scope if {
	some name, scope in matching
	effect_covered(scope)
	objects_covered(scope)
}

# Guard: an effect outside the scope's allow is not covered. An unknown effect is in no scope's allow; a scope may still have
# people look at it.
effect_covered(scope) if {
	facts.understood
	input.plan.effect in scope.allow
}

effect_covered(scope) if {
	not facts.understood
	scope.not_understood_ask
	input.plan.effect in scope.allow
}

effect_covered(scope) if {
	not facts.understood
	scope.not_understood_ask
	not facts.strength[input.plan.effect]
}

objects_covered(scope) if {
	every i, _ in input.plan.objects {
		object_covered(scope, input.derived.objects[i])
	}
}

object_covered(scope, forms) if {
	in_allow(scope.objects, forms)
	not listed(scope.objects.deny, forms.deny)
}

in_allow(objects, _) if objects.all

in_allow(objects, forms) if listed(objects.allow, forms.allow)

listed(patterns, forms) if {
	some form in forms
	patterns[form]
}

# A deny rule in any matching scope wins, whatever covers the call.
denials contains {"name": rule.name, "reason": rule.reason} if {
	some _, scope in matching
	some rule in scope.rules
	hits(rule)
}

# What was not understood may be what the rule forbids: the rule holds unless it can be ruled out, and here nothing can.
doubts contains {"name": rule.name, "reason": rule.reason} if {
	not facts.understood
	some _, scope in matching
	some rule in scope.rules
}

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
	rule.objects
	some i, o in input.plan.objects
	listed(rule.objects, input.derived.objects[i].deny)
	either_effect_hit(rule, o.access)
}

either_effect_hit(rule, access) if effect_hit(rule, access)

either_effect_hit(rule, _) if effect_hit(rule, input.plan.effect)

effect_hit(rule, _) if not rule.effects

effect_hit(rule, effect) if effect in rule.effects

