package configs

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

func (r *report) scope(f *File, s *Scope, name, path string) {
	r.name(path, name)
	r.who(f, s, path+".who")
	r.selection(f, &s.Targets, path+".targets", "so the scope allows nothing")
	r.hours(s.Hours, path+".hours")
	r.objects(s.Objects.Allow, path+".objects.allow", false)
	r.objects(s.Objects.Deny, path+".objects.deny", true)
	for i := range s.Deny {
		r.when(f, &s.Deny[i].When, fmt.Sprintf("%s.deny[%d].when", path, i))
	}
	for i, b := range s.Budgets {
		if b.Calls == 0 && b.Rows == 0 && b.MaskedValues == 0 && b.Bytes == 0 {
			r.emptiness(fmt.Sprintf("%s.budgets[%d]", path, i), "names no amount; write calls, rows, masked_values or bytes")
		}
	}
	r.narrowing(f, s, path)
	if s.Risk.Ask > s.Risk.Deny {
		r.problem(path+".risk.ask", "%d is above risk.deny (%d); write ask at most as high as deny", s.Risk.Ask, s.Risk.Deny)
	}
	r.approval(f, s, path)
}

func (r *report) who(f *File, s *Scope, path string) {
	w := s.Who
	if len(w.Groups)+len(w.Subjects)+len(w.Agents)+len(w.Clients)+len(w.Claims) == 0 {
		r.emptiness(path, "names nobody; write groups: [NAME], or subjects, agents, clients or claims")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Claims)) {
		if len(w.Claims[name]) > 0 && !slices.ContainsFunc(f.Identity.Issuers, func(i Issuer) bool { return slices.Contains(i.Claims, name) }) {
			r.problem(path+".claims."+name, "no issuer passes this claim on, so nobody would match; add it to claims of one under identity.issuers")
		}
	}
	for key, list := range map[string][]string{"groups": w.Groups, "subjects": w.Subjects, "agents": w.Agents, "clients": w.Clients} {
		for i, v := range list {
			if strings.Contains(v, "*") {
				r.problem(fmt.Sprintf("%s.%s[%d]", path, key, i), "* is not a pattern here; write the names out")
			}
		}
	}
}

func (r *report) when(f *File, w *When, path string) {
	if w.empty() {
		r.emptiness(path, "is empty, which would refuse every call; name effects or objects")
		return
	}
	r.objects(w.Objects, path+".objects", true)
	r.operations(w.Operations, path+".operations")
	r.commands(w.Commands, path+".commands")
	if !w.Targets.Empty() {
		r.selection(f, &w.Targets, path+".targets", "so the rule refuses nothing")
	}
	r.hours(w.OutsideHours, path+".outside_hours")
	if len(w.Operations) > 0 && len(w.Commands) > 0 {
		r.problem(path+".commands", "a call is never both a command and an operation of an API, so the rule refuses nothing; write two rules")
	}
	for key, list := range map[string][]string{"kinds": w.Kinds, "labels": w.Labels} {
		for i, v := range list {
			if strings.Contains(v, "*") {
				r.problem(fmt.Sprintf("%s.%s[%d]", path, key, i), "* is not a pattern here; write the names out")
			}
		}
	}
}

// selection checks a selector; nothing says what follows when no target is like that.
func (r *report) selection(f *File, s *Selector, path, nothing string) {
	for i, name := range s.Names {
		if f.Targets[name] == nil {
			r.problem(fmt.Sprintf("%s[%d]", path, i), "%s", unknownName("target", name, slices.Sorted(maps.Keys(f.Targets))))
		}
	}
	if s.Names != nil {
		return
	}
	if s.Environment == "" && len(s.Labels) == 0 {
		r.emptiness(path, "selects nothing; write a list of targets, environment or labels")
		return
	}
	if s.Environment != "" {
		r.name(path+".environment", s.Environment)
	}
	if len(f.Selected(s)) == 0 {
		r.warn(path, "no target is like this, %s", nothing)
	}
}

func unknownName(what, name string, known []string) string {
	if n := nearest(name, known); n != "" {
		return fmt.Sprintf("there is no %s %q; did you mean %s?", what, name, n)
	}
	if len(known) == 0 {
		return fmt.Sprintf("there is no %s %q, nor any other", what, name)
	}
	return fmt.Sprintf("there is no %s %q; there are %s", what, name, strings.Join(known, ", "))
}

// objects checks patterns of names: parts joined by ".", each a word or "*" for one whole part; "*" alone is everything. A list that
// denies also accepts one part, for that name in every schema. What double quotes hold is a name as it is.
func (r *report) objects(list []string, path string, denies bool) {
	for i, o := range list {
		parts := strings.Split(quoted.ReplaceAllString(o, "q"), ".")
		bad := len(parts) == 1 && o != "*" && !denies || slices.ContainsFunc(parts, func(part string) bool {
			return part == "" || part != "*" && strings.ContainsAny(part, "*?[]{}\"' ")
		})
		if bad {
			r.problem(fmt.Sprintf("%s[%d]", path, i), `%q is not an object; write "schema.name", or "schema.*" for all of a schema`, o)
		}
	}
}

var quoted = regexp.MustCompile(`"([^"*]|"")+"`)

func (r *report) approval(f *File, s *Scope, path string) {
	a := s.Approval
	if a == nil {
		if s.NotUnderstood == "ask" || slices.ContainsFunc(s.Allow, func(e string) bool { return e != "read" }) {
			r.warn(path, "has no approval, so that what would be asked is denied; add approval: {from: [GROUP]}")
		}
		return
	}
	r.slackOf(f, a, path+".approval")
	from := func(list []string, at string) {
		for i, g := range list {
			if !slices.Contains(f.Roles.Approver.Groups, g) {
				r.warn(fmt.Sprintf("%s.from[%d]", at, i), "%q is not in roles.approver.groups, so its members can answer only when another of their groups is", g)
			}
		}
	}
	from(a.From, path+".approval")
	for i, h := range a.Higher {
		from(h.From, fmt.Sprintf("%s.approval.higher[%d]", path, i))
	}
	levels, sure := a.Levels(), []string{"chat", "web", "web_fresh"}
	for i, h := range levels[1:] {
		at, below, above := fmt.Sprintf("%s.approval.higher[%d]", path, i), levels[i], s.Risk.Ask
		if i > 0 {
			above = below.Risk
		}
		switch {
		case h.Risk <= above || h.Risk >= s.Risk.Deny:
			r.problem(at+".risk", "%d is not above %d and below %d, where the scope refuses", h.Risk, above, s.Risk.Deny)
		case h.Count < below.Count:
			r.problem(at+".count", "asks for fewer people than below it; write at least %d", below.Count)
		case slices.Index(sure, h.Assurance) < slices.Index(sure, below.Assurance):
			r.problem(at+".assurance", "is weaker than below it; write %s or leave it out", below.Assurance)
		}
	}
	if !slices.ContainsFunc(f.Identity.Issuers, func(i Issuer) bool { return i.APIAudience != "" }) {
		r.warn(path+".approval", "no issuer has an api_audience, so that nobody can answer; add one under identity.issuers")
	}
}

func (r *report) operations(list []string, path string) {
	for i, o := range list {
		if err := operation(o); err != nil {
			r.problem(fmt.Sprintf("%s[%d]", path, i), "%s", err)
		}
	}
}

func (r *report) commands(list []string, path string) {
	for i, c := range list {
		if strings.ContainsAny(c, "*?'\"`$;|&<>\\(){}[]#~") {
			r.problem(fmt.Sprintf("%s[%d]", path, i), `%q has quotes, patterns or operators; write a program and perhaps its first words: "systemctl status"`, c)
		}
	}
}

// narrowing checks the keys of a scope that belong to one kind of target.
func (r *report) narrowing(f *File, s *Scope, path string) {
	r.operations(s.Operations, path+".operations")
	for i, h := range s.Headers {
		at := fmt.Sprintf("%s.headers[%d]", path, i)
		switch {
		case !isToken(h):
			r.problem(at, "%q is not the name of a header", h)
		case framingHeader(h) || credentialHeader(h):
			r.problem(at, "an agent never sets %s; remove it", h)
		}
	}
	r.commands(s.Commands, path+".commands")
	kinds := map[string]bool{}
	for _, name := range f.TargetsOf(s) {
		kinds[f.Targets[name].Kind()] = true
	}
	for _, k := range []struct {
		kind, key string
		given     bool
	}{
		{"postgres", "objects", len(s.Objects.Allow)+len(s.Objects.Deny) > 0},
		{"http", "operations", len(s.Operations) > 0}, {"http", "headers", len(s.Headers) > 0},
		{"ssh", "commands", len(s.Commands) > 0}, {"ssh", "command_text", s.CommandText}, {"ssh", "stdin", s.Stdin},
	} {
		if k.given && len(kinds) > 0 && !kinds[k.kind] {
			r.warn(path+"."+k.key, "no target of this scope is %s, so this means nothing", k.kind)
		}
	}
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// operation accepts "METHOD /path" with * and ** segments, an operationId, "graphql:query.*" and "rpc:get_*".
func operation(o string) error {
	if method, path, ok := strings.Cut(o, " "); ok {
		if !slices.Contains(methods, method) && method != "*" {
			return fmt.Errorf("%q is not a method; write one of %s, or * for any", method, strings.Join(methods, ", "))
		}
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#\\") {
			return fmt.Errorf(`%q is not a path; write "GET /v1/invoices/*", or ** at the end for any rest`, path)
		}
		segments := strings.Split(path[1:], "/")
		for i, s := range segments {
			switch {
			case s == "**" && i == len(segments)-1, s == "*", !strings.Contains(s, "*"):
			default:
				return fmt.Errorf("%q: * stands for one whole segment, ** for any rest at the end", s)
			}
		}
		return nil
	}
	kind, name, ok := strings.Cut(o, ":")
	if !ok {
		if strings.ContainsAny(o, "*/") {
			return fmt.Errorf(`%q is neither an operationId nor "METHOD /path"`, o)
		}
		return nil
	}
	root := name
	if kind == "graphql" {
		var what string
		what, root, _ = strings.Cut(name, ".")
		if what != "query" && what != "mutation" {
			return fmt.Errorf(`%q is neither query nor mutation; write "graphql:query.*" or "graphql:mutation.name"`, what)
		}
	} else if kind != "rpc" {
		return fmt.Errorf(`%q is not a kind of operation; write "graphql:query.name", "rpc:method", "METHOD /path" or an operationId`, kind)
	}
	if root == "" || strings.Contains(strings.TrimSuffix(root, "*"), "*") {
		return fmt.Errorf("%q: * stands for any rest at the end only, and something has to be named", root)
	}
	return nil
}
