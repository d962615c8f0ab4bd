package exec

import (
	"context"
	"maps"
	"slices"
	"strings"

	"sallyport/tools"
)

// family is one known command as describe_target shows it.
type family struct {
	Name        string            `json:"name"`
	Does        string            `json:"does,omitempty"`
	Effect      tools.Effect      `json:"effect,omitempty"`      // without subcommand
	Subcommands map[string]string `json:"subcommands,omitempty"` // effect by name
	Options     []string          `json:"options,omitempty"`
	Operands    string            `json:"operands,omitempty"`
	Refused     string            `json:"refused,omitempty"`
}

// Describe lists the commands that are known; path is one command's name for that command alone. detail is names, summary
// (the default) or full. Whether a call may run is for policy to say: explain_access.
func (h *Hosts) Describe(_ context.Context, target, path, detail string) (any, error) {
	if _, ok := h.hosts[target]; !ok {
		return nil, tools.ErrNoSuchTarget
	}
	if !slices.Contains([]string{"", "names", "summary", "full"}, detail) {
		return nil, &tools.ArgError{Field: "detail", Problem: "is not one of names, summary, full"}
	}
	names := slices.Sorted(maps.Keys(h.known.commands))
	if path != "" {
		if h.known.commands[path] == nil {
			return nil, &tools.ArgError{Field: "path", Problem: "is not a command that is known here", Fix: "leave it out to see all"}
		}
		names = []string{path}
		if detail == "" {
			detail = "full"
		}
	}
	list := []family{}
	var refused []string
	for _, name := range names {
		e := h.known.commands[name]
		if e.Refuse != "" && path == "" {
			refused = append(refused, name)
			continue
		}
		list = append(list, e.family(detail))
	}
	out := map[string]any{"commands": list,
		"note": "argv words reach the program unchanged; options must be known and spelled in full; what is not listed is not understood and so not allowed"}
	if refused != nil && detail != "names" {
		out["never_understood"] = refused
	}
	return out, nil
}

func (e *entry) family(detail string) family {
	f := family{Name: e.Name}
	if detail == "names" {
		return f
	}
	f.Does, f.Refused = e.Does, e.Refuse
	if e.Subcommands == nil {
		f.Effect = e.Effect
	}
	if detail != "full" {
		return f
	}
	f.Operands = e.Operands
	for name, s := range e.Subcommands {
		if f.Subcommands == nil {
			f.Subcommands = map[string]string{}
		}
		f.Subcommands[name] = strings.TrimSpace(string(stronger(e.Effect, s.effect)) + " " + strings.Join(s.kinds, " "))
	}
	f.Options = slices.Sorted(maps.Keys(e.options))
	return f
}
