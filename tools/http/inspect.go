package httpapi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"sallyport/tools"
)

// inspected is what Run needs again: the target, and the content type the body is sent as.
type inspected struct {
	api         *api
	req         *request
	contentType string // "" without a body
	changes     bool   // anything but a read
}

// inspect states what a planned call would do to its target. It looks at what the operator configured; nothing is sent.
func (a *APIs) inspect(_ context.Context, p *tools.Plan) (*tools.Facts, error) {
	t, err := a.target(p.Target)
	if err != nil {
		return nil, err
	}
	r, ok := p.Parsed.(*request)
	if !ok {
		return nil, fmt.Errorf("inspect http: the plan is of another tool")
	}
	if err := t.checkAllowed(r); err != nil {
		return nil, err
	}
	f := &tools.Facts{
		Effect: methodEffect(r.method), Kinds: []string{strings.ToLower(r.method)}, Bounded: true,
		Fingerprint: r.method + " " + foldedPath(r.path), Revision: t.Revision,
	}
	in := &inspected{api: t, req: r}
	if err := t.understand(r, in, f); err != nil {
		return nil, err
	}
	if !f.Understood() {
		f.Effect = tools.Unknown
	}
	if f.Effect != tools.Read {
		f.Values = append(tools.Strings(r.body), r.path.decoded())
		for _, q := range r.path.query {
			f.Values = append(f.Values, q.name, q.value)
		}
	}
	f.Objects = append(f.Objects, tools.Object{Type: typeRequest, Name: r.method + " " + r.path.decoded(), Literal: true})
	f.Objects = append(f.Objects, extraHeaders(r)...)
	for i := range f.Objects {
		f.Objects[i].Access = tools.Write // also where nobody knows
		if f.Effect == tools.Read {
			f.Objects[i].Access = tools.Read
		}
	}
	if names := queryNames(r.path.query); names != "" {
		f.Fingerprint += "?" + names
	}
	f.Text, f.Inspected = exactText(r, in.contentType), in
	in.changes = f.Effect != tools.Read
	return f, nil
}

// checkAllowed refuses what this target does not let an agent send.
func (t *api) checkAllowed(r *request) error {
	if len(r.body) > t.Limits.RequestBytes {
		return &tools.ArgError{Field: "body", Problem: fmt.Sprintf("is larger than the %d bytes this target takes", t.Limits.RequestBytes), Fix: "send less"}
	}
	for _, h := range r.headers {
		if !t.headers[h.name] {
			return &tools.ArgError{Field: "headers." + h.name, Problem: "is not a header this target lets an agent set", Fix: "leave it out; describe_target lists those allowed"}
		}
	}
	for _, q := range r.path.query {
		if t.queryNames[foldName(q.name)] {
			return &tools.ArgError{Field: "path", Problem: "sets a query parameter that carries the target's credential", Fix: "leave it out; the gateway adds it"}
		}
	}
	if t.Auth.SigV4 != nil && strings.Contains(r.path.rawQuery, "+") {
		return &tools.ArgError{Field: "path", Problem: "holds a + in the query, which a signature covers in two ways", Fix: "write %20 for a space or %2B for a plus"}
	}
	return nil
}

// understand finds out which operation the call is, and checks the body against it.
func (t *api) understand(r *request, in *inspected, f *tools.Facts) error {
	switch kind, err := t.endpoint(r.path); {
	case err != nil:
		return err
	case kind == "graphql":
		return t.inspectGraphQL(r, in, f)
	case kind == "jsonrpc":
		return t.inspectRPC(r, in, f)
	}
	if t.operations == nil {
		f.Summary = verb(f.Effect) + " " + f.Fingerprint
		return t.checkBody(r, in, nil)
	}
	op := t.operations.match(r.method, r.path.segments)
	if op == nil {
		f.Unknown = append(f.Unknown, tools.Unclear{Construct: r.method + " on a path that the target's OpenAPI document does not describe"})
		f.Summary = "calls an undocumented operation: " + f.Fingerprint
		return t.checkBody(r, in, nil)
	}
	f.Effect, f.Fingerprint = op.effect, r.method+" "+op.template
	if op.id != "" {
		f.Objects = append(f.Objects, tools.Object{Type: typeOperation, Name: op.id})
	}
	f.Objects = append(f.Objects, tools.Object{Type: typeOperation, Name: op.name()})
	f.Summary = verb(op.effect) + " " + f.Fingerprint
	if op.id != "" {
		f.Summary += " (" + op.id + ")"
	}
	return t.checkBody(r, in, op)
}

// endpoint says whether a path is that of the GraphQL or JSON-RPC endpoint. A path that some servers route to the same
// place (another letter case, a slash behind it, a path below it) is refused: there it would not be looked into.
func (t *api) endpoint(p *requestPath) (string, error) {
	for _, e := range []struct{ kind, path string }{{"graphql", t.graphQLPath()}, {"jsonrpc", t.rpcPath()}} {
		if e.path == "" {
			continue
		}
		want, _ := parsePath(e.path) // checked in Open
		if slices.Equal(want.segments, p.segments) {
			return e.kind, nil
		}
		trimmed := want.segments
		if len(trimmed) > 0 && trimmed[len(trimmed)-1] == "" {
			trimmed = trimmed[:len(trimmed)-1]
		}
		if len(trimmed) > 0 && len(p.segments) >= len(trimmed) && slices.EqualFunc(trimmed, p.segments[:len(trimmed)], routedAlike) {
			return "", unclear("a path beside the "+e.kind+" endpoint", "use exactly "+e.path)
		}
	}
	return "", nil
}

// routedAlike reports whether some server takes two segments for the same: in another letter case, or with spaces or dots behind it.
func routedAlike(a, b string) bool {
	trim := func(s string) string {
		return strings.TrimRightFunc(s, func(r rune) bool { return r == '.' || unicode.IsSpace(r) })
	}
	return strings.EqualFold(trim(a), trim(b))
}

func (t *api) graphQLPath() string {
	if t.GraphQL == nil {
		return ""
	}
	return t.GraphQL.Path
}

func (t *api) rpcPath() string {
	if t.JSONRPC == nil {
		return ""
	}
	return t.JSONRPC.Path
}

func (t *api) inspectGraphQL(r *request, in *inspected, f *tools.Facts) error {
	if err := onlyPost(r, "GraphQL"); err != nil {
		return err
	}
	if err := t.jsonBody(r, in); err != nil {
		return err
	}
	call, err := parseGraphQL(r.body, t.GraphQL.Introspection)
	if err != nil {
		return err
	}
	f.Effect = tools.Read
	if call.mutation {
		f.Effect = tools.Write
	}
	f.Kinds = []string{"graphql " + call.kind()}
	f.Objects, f.Unknown, f.Summary = call.objects(), call.unclear, call.summary()
	f.Fingerprint = "POST " + t.GraphQL.Path + " " + call.kind() + " {" + call.names(" ") + "}"
	return nil
}

func (t *api) inspectRPC(r *request, in *inspected, f *tools.Facts) error {
	if err := onlyPost(r, "JSON-RPC"); err != nil {
		return err
	}
	if err := t.jsonBody(r, in); err != nil {
		return err
	}
	method, err := parseRPC(r.body)
	if err != nil {
		return err
	}
	f.Effect = t.JSONRPC.effect(method)
	f.Kinds = []string{"rpc"}
	f.Objects = []tools.Object{{Type: typeRPC, Name: "rpc:" + method}}
	f.Summary = verb(f.Effect) + " JSON-RPC method " + method
	f.Fingerprint = "POST " + t.JSONRPC.Path + " " + method
	return nil
}

func onlyPost(r *request, what string) error {
	if r.method != "POST" || r.path.hasQuery {
		return unclear("a "+what+" request that is not a POST without a query string", "send method POST, the document in body, and no query string")
	}
	return nil
}

func verb(e tools.Effect) string {
	switch e {
	case tools.Read:
		return "reads"
	case tools.Define:
		return "configures with"
	case tools.Admin:
		return "administers with"
	}
	return "changes with"
}

// extraHeaders are the headers a scope may want to know of: those beyond the everyday ones.
func extraHeaders(r *request) []tools.Object {
	var out []tools.Object
	for _, h := range r.headers {
		if !slices.Contains(defaultHeaders, h.name) {
			out = append(out, tools.Object{Type: typeHeader, Name: h.name})
		}
	}
	return out
}
