package httpapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/tools"
)

// The types of objects that facts of HTTP calls hold.
const (
	typeOperation = "operation" // of the OpenAPI document: its operationId, and its template "GET /v1/invoices/{id}"
	typeRequest   = "request"   // method and decoded path as sent: "GET /v1/invoices/7". A literal: not for envelopes without literals
	typeGraphQL   = "graphql"   // "graphql:query.invoices", one per root field
	typeRPC       = "rpc"       // "rpc:get_block"
	typeHeader    = "header"    // a request header that is not one of the everyday ones: "X-Trace-Id"
)

// Covers reports whether a scope's operations cover a call completely. patterns are of four forms:
//
//	GET /v1/invoices/*      method (or *) and path: * is one segment, {name} one segment, ** at the end one or more
//	listInvoices            an operationId; * stands for any text
//	graphql:query.invoices  a root field; * stands for any text
//	rpc:get_*               a JSON-RPC method; * stands for any text
//
// A request to a GraphQL or JSON-RPC endpoint is covered only if each of its root fields or its method is: the path of
// the endpoint says nothing. Where an OpenAPI document is known, {name} means that document's parameter, so that
// "GET /users/{id}" is not also "GET /users/export". A trailing slash is a segment of its own. No patterns cover nothing.
func Covers(patterns []string, objects []tools.Object) bool {
	inner := false
	for _, o := range objects {
		if o.Type == typeGraphQL || o.Type == typeRPC {
			inner = true
			if !slices.ContainsFunc(patterns, func(p string) bool { return globMatch(p, o.Name) && strings.Contains(p, ":") }) {
				return false
			}
		}
	}
	return inner || slices.ContainsFunc(patterns, func(p string) bool { return MatchOperation(p, objects) })
}

// MatchOperation reports whether one pattern applies to a call, for rules where one hit counts (a denial): a root field,
// the method, the operation, or the request.
func MatchOperation(pattern string, objects []tools.Object) bool {
	method, path, isPath := strings.Cut(pattern, " ")
	documented := slices.ContainsFunc(objects, func(o tools.Object) bool { return o.Type == typeOperation })
	for _, o := range objects {
		switch o.Type {
		case typeGraphQL, typeRPC:
			if strings.Contains(pattern, ":") && globMatch(pattern, o.Name) {
				return true
			}
		case typeOperation:
			if !isPath && globMatch(pattern, o.Name) && !strings.Contains(o.Name, " ") || isPath && sameTemplate(method, path, o.Name) {
				return true
			}
		case typeRequest:
			if isPath && !(documented && strings.Contains(path, "{")) && matchRequest(method, path, o.Name) {
				return true
			}
		}
	}
	return false
}

// CoversHeaders reports whether a scope lets a call set the request headers it sets. names are those beyond the everyday
// ones, which every scope has.
func CoversHeaders(names []string, objects []tools.Object) bool {
	return !slices.ContainsFunc(objects, func(o tools.Object) bool {
		return o.Type == typeHeader && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, o.Name) })
	})
}

// CheckPattern reports what is wrong with a scope's pattern.
func CheckPattern(pattern string) error {
	method, path, isPath := strings.Cut(pattern, " ")
	switch {
	case pattern == "":
		return errors.New("is empty")
	case !isPath && strings.HasPrefix(pattern, "/"):
		return fmt.Errorf("%q names no method; write %q", pattern, "GET "+pattern)
	case !isPath:
		return nil
	case method != "*" && !slices.Contains(methods, method):
		return fmt.Errorf("%q does not start with a method (%s) or *", pattern, strings.Join(methods, ", "))
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("%q: the path must start with /", pattern)
	}
	parts := strings.Split(path[1:], "/")
	for i, p := range parts {
		if p == "**" && i < len(parts)-1 {
			return fmt.Errorf("%q: ** can only be the last segment", pattern)
		}
		if p == "**" || p == "*" {
			continue
		}
		if _, err := newSegment(p); err != nil || strings.Contains(p, "*") {
			return fmt.Errorf("%q: a segment is a text, *, {name} or, at the end, **", pattern)
		}
	}
	return nil
}

// matchRequest holds "GET", "/v1/**" against "GET /v1/invoices/7".
func matchRequest(method, path, request string) bool {
	m, p, _ := strings.Cut(request, " ")
	if method != "*" && method != m || !strings.HasPrefix(path, "/") || !strings.HasPrefix(p, "/") {
		return false
	}
	want, have := strings.Split(path[1:], "/"), strings.Split(p[1:], "/")
	for i, w := range want {
		switch {
		case w == "**" && i == len(want)-1:
			return i < len(have) && have[i] != ""
		case i >= len(have):
			return false
		case w == "*":
			if have[i] == "" {
				return false
			}
		default:
			seg, err := newSegment(w)
			if err != nil || !seg.matches(have[i]) {
				return false
			}
		}
	}
	return len(want) == len(have)
}

// sameTemplate compares a pattern with an operation's template; how parameters are called does not matter.
func sameTemplate(method, path, name string) bool {
	m, template, ok := strings.Cut(name, " ")
	return ok && (method == "*" || method == m) && foldParameters(path) == foldParameters(template)
}

func foldParameters(template string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(template, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		b.WriteString("{}")
		_, template, _ = strings.Cut(rest, "}")
	}
}

// segment is one segment of a path template: text with at most one parameter in it, as in "{name}.json".
type segment struct {
	prefix, suffix string
	param          bool
	name           string // of the parameter
}

func newSegment(s string) (segment, error) {
	open, end := strings.IndexByte(s, '{'), strings.IndexByte(s, '}')
	switch {
	case open < 0 && end < 0:
		return segment{prefix: s}, nil
	case open < 0 || end < open || strings.ContainsAny(s[end+1:], "{}"):
		return segment{}, fmt.Errorf("segment %q: one parameter per segment is supported", s)
	}
	return segment{prefix: s[:open], suffix: s[end+1:], param: true, name: s[open+1 : end]}, nil
}

func (s segment) matches(have string) bool {
	if !s.param {
		return have == s.prefix
	}
	return len(have) > len(s.prefix)+len(s.suffix) && strings.HasPrefix(have, s.prefix) && strings.HasSuffix(have, s.suffix)
}

// value is the parameter's part of a segment that matches.
func (s segment) value(have string) string { return have[len(s.prefix) : len(have)-len(s.suffix)] }

func matchSegments(want []segment, have []string) bool {
	return len(want) == len(have) && slices.EqualFunc(want, have, segment.matches)
}

// compareSegments orders literal before mixed before parameter, from the left.
func compareSegments(a, b []segment) int {
	rank := func(s segment) int {
		switch {
		case !s.param:
			return 0
		case s.prefix != "" || s.suffix != "":
			return 1
		}
		return 2
	}
	for i := range min(len(a), len(b)) {
		if c := rank(a[i]) - rank(b[i]); c != 0 {
			return c
		}
		if c := len(b[i].prefix) + len(b[i].suffix) - len(a[i].prefix) - len(a[i].suffix); c != 0 && rank(a[i]) == 1 {
			return c
		}
	}
	return len(a) - len(b)
}

// globMatch matches text against a pattern in which * stands for any text. Linear in the length of both.
func globMatch(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, parts[0])
	last := parts[len(parts)-1]
	if !ok || len(s) < len(last) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[:len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}
