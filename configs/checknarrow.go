package configs

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// narrowing checks the keys of a scope that belong to one kind of target.
func (r *report) narrowing(f *File, s *Scope, path string) {
	for i, o := range s.Operations {
		if err := operation(o); err != nil {
			r.problem(fmt.Sprintf("%s.operations[%d]", path, i), "%s", err)
		}
	}
	for i, h := range s.Headers {
		at := fmt.Sprintf("%s.headers[%d]", path, i)
		switch {
		case !isToken(h):
			r.problem(at, "%q is not the name of a header", h)
		case framingHeader(h) || credentialHeader(h):
			r.problem(at, "an agent never sets %s; remove it", h)
		}
	}
	for i, c := range s.Commands {
		if strings.ContainsAny(c, "*?'\"`$;|&<>\\(){}[]#~") {
			r.problem(fmt.Sprintf("%s.commands[%d]", path, i), `%q has quotes, patterns or operators; write a program and perhaps its first words: "systemctl status"`, c)
		}
	}
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

// eachSecret calls visit for every secret of the file that refers to something, with its path.
func eachSecret(f *File, visit func(path string, s Secret)) {
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		switch {
		case v.Type() == reflect.TypeFor[Secret]():
			if s := v.Interface().(Secret); !s.IsZero() {
				visit(path, s)
			}
		case v.Kind() == reflect.Pointer && !v.IsNil():
			walk(v.Elem(), path)
		case v.Kind() == reflect.Struct && !isScalar(v.Type()):
			for _, fl := range fieldsOf(v.Type()) {
				walk(v.FieldByIndex(fl.index), join(path, fl.name))
			}
		case v.Kind() == reflect.Map:
			for _, k := range v.MapKeys() {
				walk(v.MapIndex(k), join(path, k.String()))
			}
		}
	}
	walk(reflect.ValueOf(f).Elem(), "")
}
