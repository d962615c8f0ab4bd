# What is known about the call, in the few words the other modules decide with. Everything here errs on the dangerous side: a
# value this file does not know makes the call "not understood", never harmless.
package sallyport.facts

# The effects a scope can allow, and what each may do to an object: effects are ordered by strength. "unknown" is not one of them.
includes := {
	"read": {"read": true},
	"write": {"read": true, "write": true},
	"define": {"read": true, "write": true, "define": true},
	"admin": {"read": true, "write": true, "define": true, "admin": true},
}

# Facts that contradict each other (a read that writes to an object) were not understood either. It has to be "every": with "not" an
# access that is missing would be one that does not contradict.
understood if {
	input.plan.understood == true
	input.plan.unknown == []
	accesses := includes[input.plan.effect]
	every o in input.plan.objects {
		accesses[o.access]
	}
}

credential if {
	some o in input.plan.objects
	some label in o.labels
	lower(label) == "credential"
}

credential if {
	some label in input.target.labels
	lower(label) == "credential"
}

# What was not understood, for a sentence.
unknown := concat(", ", sort(input.plan.unknown)) if {
	count(input.plan.unknown) > 0
} else := "what it does"
