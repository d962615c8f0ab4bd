# Which scopes cover the call, and what forbids it. The scopes that match caller and target were looked up before (in Go, by an
# index): input.derived.scopes lists them by name, each with what Go found out about it and the call:
#
#	scope    what the operator wrote: name, allow, not_understood_ask, ask, deny, limits, approval; and in asks the sentence for it
#	objects  it covers all that the call touches (names are compared in Go; they are not parsed here)
#	outside  for a tool that narrows scopes in its own way: why the scope does not cover the call
#	risk     score and reasons of the call within the scope's limits
#
# input.derived.rules are the deny rules of those scopes.
package sallyport.coverage

import data.sallyport.facts

# One single scope must cover the whole call. These do, by name. A list, because building a set costs a sixth of a decision.
covering := [s |
	some s in input.derived.scopes
	s.scope.allow[input.plan.effect]
	s.objects == true
] if {
	facts.understood
} else := [s |
	some s in input.derived.scopes
	looked_at(s.scope)
	s.objects == true
]

# Guard: an effect outside the scope's allow is not covered. An unknown effect is in no scope's allow; a scope may still have
# people look at it.
effect_covered(scope) if {
	facts.understood
	scope.allow[input.plan.effect]
} else if {
	not facts.understood
	looked_at(scope)
}

looked_at(scope) if {
	scope.not_understood_ask
	scope.allow[input.plan.effect]
} else if {
	scope.not_understood_ask
	not facts.includes[input.plan.effect]
}

# A deny rule in any matching scope wins, whatever covers the call.
denials contains rule if {
	some rule in input.derived.rules
	hits(rule)
}

# What was not understood may be what the rule forbids: the rule holds unless it can be ruled out, and here nothing can.
doubts contains rule if {
	not facts.understood
	some rule in input.derived.rules
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

# input.derived.objects holds, for each object of the plan, the spellings of every pattern that would hit it.
hits(rule) if {
	some i, o in input.plan.objects
	some form in input.derived.objects[i]
	rule.objects[form]
	some effect in [input.plan.effect, o.access]
	effect_hit(rule, effect)
}

effect_hit(rule, _) if not rule.effects

effect_hit(rule, effect) if effect in rule.effects
