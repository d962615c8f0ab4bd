package main

import (
	"sallyport/policy"
	"sallyport/tools"
	"sallyport/tools/exec"
	httpapi "sallyport/tools/http"
)

// narrowers hold calls against the patterns of scopes that only the tool of a kind of target can read.
var narrowers = map[string]policy.Narrower{"ssh": narrowCommands, "http": narrowOperations}

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
	facts := make([]tools.Object, 0, len(objects))
	for _, o := range objects {
		facts = append(facts, tools.Object{Type: o.Type, Name: o.Name, Access: tools.Effect(o.Access)})
	}
	if len(s.Operations) > 0 && !httpapi.Covers(s.Operations, facts) {
		return false, "the scope does not cover this operation"
	}
	if !httpapi.CoversHeaders(s.Headers, facts) {
		return false, "the scope does not let this header be set"
	}
	return true, ""
}
