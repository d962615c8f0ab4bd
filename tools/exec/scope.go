package exec

import (
	"slices"
	"strings"
)

// Scope is what a scope of the configuration says about commands.
type Scope struct {
	// Commands are programs, or programs with their subcommand ("systemctl status"). None: every command of the effect.
	Commands    []string
	CommandText bool // lines of text are accepted too
	Stdin       bool // so is standard input
}

// Covers reports whether the scope covers a call, by the names of the objects of type "command" among its facts and by
// their kinds. (The name of a program that is not known is in quotes when a space is in it, and so is never taken for a known
// one with a subcommand.) Each command of a line must be covered, a wrapper as well as what it starts. When the call is not covered,
// why is a sentence for the caller.
func (s Scope) Covers(commands, kinds []string) (ok bool, why string) {
	switch {
	case slices.Contains(kinds, "command_text") && !s.CommandText:
		return false, "the scope takes an argument vector (argv), not a command as text"
	case slices.Contains(kinds, "stdin") && !s.Stdin:
		return false, "the scope does not let standard input be sent"
	case len(s.Commands) == 0:
		return true, ""
	case len(commands) == 0:
		return false, "the call names no command"
	}
	for _, c := range commands {
		covered := func(allowed string) bool { return Matches(allowed, c) }
		if !slices.ContainsFunc(s.Commands, covered) {
			return false, "the scope does not cover the command " + c
		}
	}
	return true, ""
}

// Matches says whether the name of a command is what a scope or a rule lists: a program, or a program with its subcommand.
func Matches(listed, command string) bool {
	return command == listed || strings.HasPrefix(command, listed+" ")
}
