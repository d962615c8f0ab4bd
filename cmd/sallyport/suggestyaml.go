package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sallyport/policy"
)

// quoteASCII writes a text for a comment: on one line, in quotes, everything but plain ASCII escaped.
func quoteASCII(s string) string { return strconv.QuoteToASCII(s) }

// quoteYAML writes a text as a double-quoted YAML scalar (YAML 1.2 section 7.3.1). Between the quotes stand only printable ASCII and
// escapes, so that no text ends the scalar, the line or the mapping it stands in.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func yamlList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteYAML(n)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// text is the suggestion for people: scopes to put under scopes: of a sallyport.yaml, and in comments what they are made from.
func (g *suggestion) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %d calls of %s: %d ran and are covered, %d of them by asking people.\n", g.seen, g.whose, g.covered, g.asked)
	b.WriteString("# Take the identity out of the scopes that covered it before, add these, and run policy replay.\n")
	b.WriteString(g.yaml(true))
	if len(g.apart) > 0 {
		b.WriteString("# Not covered:\n")
	}
	for _, a := range g.apart {
		fmt.Fprintf(&b, "#   %dx %s on %s %s: %s\n", a.Count, quoteASCII(a.Tool), quoteASCII(a.Target), quoteASCII(clipText(a.Statement, 80)), quoteASCII(a.Why))
	}
	return b.String()
}

func (g *suggestion) yaml(comments bool) string {
	var b strings.Builder
	b.WriteString("scopes:\n")
	for _, p := range g.scopes {
		p.write(&b, comments)
	}
	return b.String()
}

func (p *proposed) write(b *strings.Builder, comments bool) {
	line := func(format string, args ...any) { fmt.Fprintf(b, "    "+format+"\n", args...) }
	fmt.Fprintf(b, "  %s:\n", quoteYAML(p.Name))
	if comments {
		from, to, most := p.hours()
		line("# %d calls, between %02d:00 and %02d:59 UTC, at most %d in one hour", p.Calls, from, to, most)
	}
	var who []string
	for _, w := range []struct {
		key   string
		names []string
	}{{"subjects", p.Who.Subjects}, {"agents", p.Who.Agents}, {"clients", p.Who.Clients}} {
		if len(w.names) > 0 {
			who = append(who, w.key+": "+yamlList(w.names))
		}
	}
	line("who: {%s}", strings.Join(who, ", "))
	line("targets: %s", yamlList([]string{p.Target}))
	line("allow: [%s]", p.Allow)
	for _, list := range []string{"objects", "operations", "headers", "commands"} {
		if len(p.Lists[list]) == 0 {
			continue
		}
		indent := "      "
		if line("%s:", list); list == "objects" {
			line("  allow:")
			indent += "  "
		}
		for _, n := range p.Lists[list] {
			fmt.Fprintf(b, "%s- %s\n", indent, quoteYAML(n))
		}
	}
	if p.CommandText {
		line("command_text: true")
	}
	if p.Stdin {
		line("stdin: true")
	}
	if p.Unclear {
		line("not_understood: ask")
	}
	switch {
	case p.Rows > 0 && p.Affected > 0:
		line("limits: {rows: %d, affected_rows: %d}", p.Rows, p.Affected)
	case p.Rows > 0:
		line("limits: {rows: %d}", p.Rows)
	}
	if p.Deny > 0 {
		line("risk: {deny: %d}", p.Deny)
	}
	if a := p.Approval; a != nil {
		line("approval: {from: %s, count: %d, within: %ds}", yamlList(a.From), a.Count, a.WithinS)
	}
}

// whole is the suggestion as a configuration of its own, with its targets standing at nowhere: what configs reads it back from.
func (g *suggestion) whole() string {
	var b strings.Builder
	b.WriteString("public_url: https://sallyport.invalid\nstate: state\nidentity:\n  issuers:\n    - {url: https://login.invalid, audience: https://sallyport.invalid/mcp}\ntargets:\n")
	known := map[string]policy.TargetInfo{}
	for _, p := range g.scopes {
		for _, c := range p.calls {
			known[p.Target] = g.target(c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		t := known[name]
		fmt.Fprintf(&b, "  %s:\n    %s\n", quoteYAML(name), nowhere[t.Kind])
		if t.Environment != "" {
			fmt.Fprintf(&b, "    environment: %s\n", quoteYAML(t.Environment))
		}
		if len(t.Labels) > 0 {
			fmt.Fprintf(&b, "    labels: %s\n", yamlList(t.Labels))
		}
	}
	return b.String() + g.yaml(false)
}

// nowhere is an address of each kind of target.
var nowhere = map[string]string{
	"postgres": `postgres: {address: "localhost/none", user: none, tls: "off"}`,
	"ssh":      `ssh: {address: localhost, user: none, agent: /none, known_hosts: /none}`,
	"http":     `http: {base_url: "https://none.invalid"}`,
}

// suggestedReport is the suggestion as JSON.
type suggestedReport struct {
	Calls   int         `json:"calls"`
	Covered int         `json:"covered"`
	Asked   int         `json:"asked"` // of the covered: people would be asked
	Scopes  []*proposed `json:"scopes"`
	YAML    string      `json:"yaml"`
	Apart   []apartCall `json:"not_covered"`
}

func (g *suggestion) report() suggestedReport {
	return suggestedReport{Calls: g.seen, Covered: g.covered, Asked: g.asked, Scopes: g.scopes, YAML: g.yaml(true), Apart: append([]apartCall{}, g.apart...)}
}
