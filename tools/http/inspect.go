package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
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
	if err := t.checkNames(r); err != nil {
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
	for _, o := range append([]tools.Object{{Type: typeRequest, Name: r.method + " " + r.path.decoded()}}, extraHeaders(r)...) {
		o.Access = accessOf(f.Effect)
		f.Objects = append(f.Objects, o)
	}
	if names := queryNames(r.path.query); names != "" {
		f.Fingerprint += "?" + names
	}
	f.Text, f.Inspected = exactText(r, in.contentType), in
	if !f.Understood() {
		f.Effect = tools.Unknown
	}
	in.changes = f.Effect != tools.Read
	return f, nil
}

// checkNames refuses what this target does not let an agent set.
func (t *api) checkNames(r *request) error {
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
	switch near, err := t.endpoint(r.path); {
	case err != nil:
		return err
	case near == "graphql":
		return t.inspectGraphQL(r, in, f)
	case near == "jsonrpc":
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
	access := accessOf(op.effect)
	if op.id != "" {
		f.Objects = append(f.Objects, tools.Object{Type: typeOperation, Name: op.id, Access: access})
	}
	f.Objects = append(f.Objects, tools.Object{Type: typeOperation, Name: op.name(), Access: access})
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
		if len(trimmed) > 0 && len(p.segments) >= len(trimmed) && slices.EqualFunc(trimmed, p.segments[:len(trimmed)], strings.EqualFold) {
			return "", unclear("a path beside the "+e.kind+" endpoint", "use exactly "+e.path)
		}
	}
	return "", nil
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
	f.Objects, f.Unknown, f.Summary = call.objects(accessOf(f.Effect)), call.unclear, call.summary()
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
	f.Objects = []tools.Object{{Type: typeRPC, Name: "rpc:" + method, Access: accessOf(f.Effect)}}
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

// jsonBody requires the body to be strict JSON and sent as such.
func (t *api) jsonBody(r *request, in *inspected) error {
	if r.body == nil {
		return &tools.ArgError{Field: "body", Problem: "is missing", Fix: "send a JSON object"}
	}
	ct, given := r.header("Content-Type")
	if given && mediaOf(ct) != "application/json" {
		return &tools.ArgError{Field: "headers.Content-Type", Problem: "is not application/json", Fix: "leave it out"}
	}
	if in.contentType = "application/json"; given {
		in.contentType = ct
	}
	return t.checkContent(r, in.contentType)
}

// checkBody decides how a body is sent and holds it against the operation, if one is known.
func (t *api) checkBody(r *request, in *inspected, op *operation) error {
	ct, given := r.header("Content-Type")
	if r.body == nil {
		if given {
			return &tools.ArgError{Field: "headers.Content-Type", Problem: "is set, but there is no body", Fix: "leave it out"}
		}
		if op != nil {
			return op.checkBody(t.operations, r, "")
		}
		return nil
	}
	documented := op != nil && op.body != nil
	switch {
	case documented:
	case r.method == "GET", r.method == "HEAD", r.method == "DELETE", r.method == "OPTIONS":
		return &tools.ArgError{Field: "body", Problem: "has no meaning on " + r.method + " here", Fix: "leave body out; put filters into the query string"}
	}
	switch {
	case given:
		in.contentType = ct
	case !r.text || documented && op.onlyJSON():
		in.contentType = "application/json"
	default:
		in.contentType = "text/plain; charset=utf-8"
	}
	if err := t.checkContent(r, in.contentType); err != nil {
		return err
	}
	if op != nil {
		return op.checkBody(t.operations, r, mediaOf(in.contentType))
	}
	return nil
}

// checkContent checks that a body has the one reading its content type promises, and sets nothing that only the gateway
// may set.
func (t *api) checkContent(r *request, contentType string) error {
	media, params, err := mime.ParseMediaType(contentType)
	cs := strings.ToLower(params["charset"])
	switch {
	case err != nil || !strings.Contains(media, "/"):
		return &tools.ArgError{Field: "headers.Content-Type", Problem: "is not a media type", Fix: "leave it out, or send one such as application/json"}
	case strings.HasPrefix(media, "multipart/"):
		return &tools.ArgError{Field: "headers.Content-Type", Problem: "multipart bodies are not supported", Fix: "send JSON, text or a form"}
	case cs != "" && cs != "utf-8" && cs != "utf8":
		return &tools.ArgError{Field: "headers.Content-Type", Problem: "names another charset than UTF-8", Fix: "leave the charset out"}
	case !isJSON(media) && !r.text:
		return &tools.ArgError{Field: "body", Problem: "is JSON, but Content-Type says " + media, Fix: "send the body as a string, or leave Content-Type out"}
	case media == formMedia:
		pairs, err := parseQuery(string(r.body))
		if err != nil {
			return &tools.ArgError{Field: "body", Problem: err.Error(), Fix: "send a form as name=value&name=value"}
		}
		for _, p := range pairs {
			if t.queryNames[foldName(p.name)] {
				return &tools.ArgError{Field: "body", Problem: "sets the parameter that carries the target's credential", Fix: "leave it out"}
			}
		}
	case isJSON(media):
		if err := strictJSON(r.body); err != nil {
			return &tools.ArgError{Field: "body", Problem: err.Error(), Fix: "send one JSON value without duplicate keys"}
		}
		return t.checkMembers(r.body)
	}
	return nil
}

// checkMembers refuses top-level members that frameworks take for the method or the credential.
func (t *api) checkMembers(body []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil // not an object
	}
	for name := range members {
		if n := foldName(name); strings.HasPrefix(n, "_") && overrideParameters[n] || t.queryNames[n] {
			return &tools.ArgError{Field: "body." + printable(name, 60), Problem: "is taken by frameworks for the method or the credential", Fix: "leave it out"}
		}
	}
	return nil
}

func accessOf(e tools.Effect) tools.Effect {
	if e == tools.Read {
		return tools.Read
	}
	return tools.Write
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

// foldedPath is the path with what looks like a value replaced. Without a document nobody knows which segments are
// parameters, so only plain lower-case words and versions are kept.
func foldedPath(p *requestPath) string {
	var b strings.Builder
	for _, s := range p.segments {
		b.WriteByte('/')
		if s == "" || isWord(s) {
			b.WriteString(s)
		} else {
			b.WriteString("{}")
		}
	}
	return b.String()
}

func isWord(s string) bool {
	if len(s) > 32 {
		return false
	}
	if s[0] == 'v' && len(s) > 1 && strings.Trim(s[1:], "0123456789") == "" {
		return true
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-_") == ""
}

// queryNames are the names of the parameters, sorted: part of the shape, without values.
func queryNames(query []pair) string {
	var names []string
	for _, q := range query {
		if !isWord(strings.ToLower(q.name)) {
			q.name = "{}"
		}
		names = append(names, q.name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), "&")
}

// exactText is the request for an approver: everything the agent chose, with nothing hidden in it.
func exactText(r *request, contentType string) string {
	var b strings.Builder
	b.WriteString(r.method + " " + r.path.raw)
	if r.path.hasQuery {
		b.WriteString("?" + r.path.rawQuery)
	}
	for _, h := range r.headers {
		b.WriteString("\n" + h.name + ": " + h.value)
	}
	if r.body == nil {
		return b.String()
	}
	if _, given := r.header("Content-Type"); !given {
		b.WriteString("\nContent-Type: " + contentType)
	}
	body := r.body
	var pretty bytes.Buffer
	if isJSON(mediaOf(contentType)) && json.Indent(&pretty, body, "", "  ") == nil {
		body = pretty.Bytes()
	}
	b.WriteString("\n\n" + visible(string(body)))
	return b.String()
}

// visible writes characters that people do not see as escapes.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\u{%04x}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool {
	return r != '\n' && r != '\t' && (unreadable(r) || !unicode.IsPrint(r) && !unicode.IsSpace(r))
}
