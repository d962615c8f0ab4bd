package main

import (
	"slices"

	"sallyport/policy"
	"sallyport/tools"
	"sallyport/tools/exec"
	httpapi "sallyport/tools/http"
)

// narrowers hold calls against the patterns of scopes that only the tool of a kind of target can read.
var narrowers = map[string]policy.Narrower{"ssh": narrowCommands, "http": narrowOperations}

// matchers hold calls against the patterns of deny rules.
var matchers = map[string]policy.Matcher{
	"ssh": func(r policy.DenyRule, objects []policy.Object) bool {
		return slices.ContainsFunc(objects, func(o policy.Object) bool {
			return o.Type == "command" && slices.ContainsFunc(r.Commands, func(c string) bool { return exec.Matches(c, o.Name) })
		})
	},
	"http": func(r policy.DenyRule, objects []policy.Object) bool {
		facts := httpFacts(objects)
		return slices.ContainsFunc(r.Operations, func(p string) bool { return httpapi.MatchOperation(p, facts) })
	},
}

func httpFacts(objects []policy.Object) []tools.Object {
	facts := make([]tools.Object, 0, len(objects))
	for _, o := range objects {
		facts = append(facts, tools.Object{Type: o.Type, Name: o.Name, Access: tools.Effect(o.Access)})
	}
	return facts
}

func narrowCommands(s policy.Scope, objects []policy.Object, kinds []string) (ok bool, why string) {
	var commands []string
	for _, o := range objects {
		if o.Type == "command" {
			commands = append(commands, o.Name)
		}
	}
	return exec.Scope{Commands: s.Commands, CommandText: s.CommandText, Stdin: s.Stdin}.Covers(commands, kinds)
}

func narrowOperations(s policy.Scope, objects []policy.Object, _ []string) (ok bool, why string) {
	facts := httpFacts(objects)
	if len(s.Operations) > 0 && !httpapi.Covers(s.Operations, facts) {
		return false, "the scope does not cover this operation"
	}
	if !httpapi.CoversHeaders(s.Headers, facts) {
		return false, "the scope does not let this header be set"
	}
	return true, ""
}
