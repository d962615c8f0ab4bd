package httpapi

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/tools"
)

const billing = `
openapi: 3.0.3
info: {title: Billing, version: "1"}
paths:
  /v1/invoices:
    get:
      operationId: listInvoices
      summary: Invoices, newest first
      parameters:
        - {name: limit, in: query, schema: {type: integer}}
      responses: {"200": {description: ok}}
    post:
      operationId: createInvoice
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Invoice"}}}
      responses: {"201": {description: made}}
  /v1/invoices/search:
    post:
      operationId: searchInvoices
      x-sallyport-effect: read
      requestBody: {content: {application/json: {schema: {type: object, additionalProperties: false, properties: {q: {type: string, maxLength: 20}}}}}}
      responses: {"200": {description: ok}}
  /v1/invoices/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {operationId: getInvoice, responses: {"200": {description: ok}}}
    delete:
      operationId: deleteInvoice
      requestBody: {content: {application/json: {}}}
      responses: {"204": {description: gone}}
  /v1/invoices/{id}/remind:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {operationId: remind, x-sallyport-effect: write, responses: {"200": {description: sends a letter}}}
  /v1/reports/{name}.csv:
    parameters: [{name: name, in: path, required: true, schema: {type: string}}]
    get: {responses: {"200": {description: ok}}}
  /v1/keys:
    post: {operationId: rotateKeys, x-sallyport-effect: admin, responses: {"200": {description: ok}}}
components:
  schemas:
    Invoice:
      type: object
      required: [customer, total]
      additionalProperties: false
      properties:
        customer: {type: string, pattern: "^c[0-9]+$"}
        total: {type: integer, minimum: 1}
        parent: {$ref: "#/components/schemas/Invoice"}
`

func TestFactsOfOperations(t *testing.T) {
	w := newWorld(t, Target{BaseURL: "http://127.0.0.1:1/api", OpenAPI: []byte(billing), Revision: "r7"})
	invoice := map[string]any{"customer": "c1", "total": 5}
	for _, c := range []struct {
		name    string
		args    args
		effect  tools.Effect
		objects string // names joined by a bar
		shape   string
	}{
		{"list", get("/v1/invoices?limit=3"), tools.Read, "listInvoices|GET /v1/invoices|GET /v1/invoices", "GET /v1/invoices?limit"},
		{"one", get("/v1/invoices/7"), tools.Read, "getInvoice|GET /v1/invoices/{id}|GET /v1/invoices/7", "GET /v1/invoices/{id}"},
		{"head", args{"method": "HEAD", "path": "/v1/invoices/7"}, tools.Read, "getInvoice|GET /v1/invoices/{id}|HEAD /v1/invoices/7", "HEAD /v1/invoices/{id}"},
		{"literal before parameter", args{"method": "POST", "path": "/v1/invoices/search", "body": map[string]any{"q": "x"}}, tools.Read,
			"searchInvoices|POST /v1/invoices/search|POST /v1/invoices/search", "POST /v1/invoices/search"},
		{"a GET with effects", get("/v1/invoices/7/remind"), tools.Write, "remind|GET /v1/invoices/{id}/remind|GET /v1/invoices/7/remind", "GET /v1/invoices/{id}/remind"},
		{"no id, mixed segment", get("/v1/reports/may.csv"), tools.Read, "GET /v1/reports/{name}.csv|GET /v1/reports/may.csv", "GET /v1/reports/{name}.csv"},
		{"create", args{"method": "POST", "path": "/v1/invoices", "body": invoice}, tools.Write, "createInvoice|POST /v1/invoices|POST /v1/invoices", "POST /v1/invoices"},
		{"admin", args{"method": "POST", "path": "/v1/keys"}, tools.Admin, "rotateKeys|POST /v1/keys|POST /v1/keys", "POST /v1/keys"},
		{"delete with a documented body", args{"method": "DELETE", "path": "/v1/invoices/7", "body": map[string]any{}}, tools.Write,
			"deleteInvoice|DELETE /v1/invoices/{id}|DELETE /v1/invoices/7", "DELETE /v1/invoices/{id}"},
		{"undocumented", get("/v1/other/7"), tools.Unknown, "GET /v1/other/7", "GET /v1/other/{}"},
		{"undocumented method", args{"method": "PUT", "path": "/v1/invoices"}, tools.Unknown, "PUT /v1/invoices", "PUT /v1/invoices"},
		{"trailing slash is another path", get("/v1/invoices/"), tools.Unknown, "GET /v1/invoices/", "GET /v1/invoices/"},
		{"HEAD of a GET with effects", args{"method": "HEAD", "path": "/v1/invoices/7/remind"}, tools.Unknown, "HEAD /v1/invoices/7/remind", "HEAD /v1/invoices/{}/remind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, f, err := w.facts(c.args.json())
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, o := range f.Objects {
				names = append(names, o.Name)
			}
			if f.Effect != c.effect || strings.Join(names, "|") != c.objects || f.Fingerprint != c.shape || f.Understood() != (c.effect != tools.Unknown) || f.Revision != "r7" {
				t.Errorf("effect %s, objects %q, shape %q, unknown %v", f.Effect, names, f.Fingerprint, f.Unknown)
			}
			if strings.ContainsAny(f.Summary, "7") {
				t.Errorf("summary holds a literal: %s", f.Summary)
			}
		})
	}
}

func TestBodiesAreHeldAgainstTheSchema(t *testing.T) {
	up := newUpstream(t, nil)
	w := newWorld(t, Target{BaseURL: up.URL, OpenAPI: []byte(billing)})
	post := func(body any) args { return args{"method": "POST", "path": "/v1/invoices", "body": body} }
	for _, c := range []struct {
		args  args
		field string // of the error; "" when it is sent
	}{
		{post(map[string]any{"customer": "c1", "total": 5}), ""},
		{post(`{ "customer": "c1", "total": 5 }`), ""}, // JSON as text, where only JSON is taken
		{post(map[string]any{"customer": "c1"}), "body"},
		{post(map[string]any{"customer": "x-9131", "total": 5}), "body.customer"},
		{post(map[string]any{"customer": "c1", "total": "5"}), "body.total"},
		{post(map[string]any{"customer": "c1", "total": 0}), "body.total"},
		{post(map[string]any{"customer": "c1", "total": 5, "paid": true}), "body"},
		{post(map[string]any{"customer": "c1", "total": 5, "parent": map[string]any{"customer": "c1", "total": 1.5}}), "body.parent.total"},
		{post(nil), "body"},
		{args{"method": "POST", "path": "/v1/invoices", "body": "a=1", "headers": map[string]string{"Content-Type": formMedia}}, "body"},
		{args{"method": "GET", "path": "/v1/invoices", "body": map[string]any{}}, "body"},
		{args{"method": "POST", "path": "/v1/keys", "body": map[string]any{}}, "body"},
	} {
		before := len(up.requests())
		_, err := w.call(t.Context(), c.args.json(), tools.Limits{})
		var arg *tools.ArgError
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%v: %v", c.args, err)
		case c.field != "" && (!errors.As(err, &arg) || !strings.HasPrefix(arg.Field, c.field)):
			t.Errorf("%v: %v, want an error at %s", c.args, err, c.field)
		case c.field != "" && len(up.requests()) > before:
			t.Errorf("%v: was sent", c.args)
		}
		if err != nil && strings.Contains(err.Error(), "9131") {
			t.Errorf("the error repeats a value: %v", err)
		}
	}
}

// What an approver reads is what is sent, and nothing in it hides.
func TestTextShowsTheWholeRequest(t *testing.T) {
	w := newWorld(t, Target{BaseURL: "http://127.0.0.1:1", Headers: []string{"X-Trace-Id"}})
	_, f, err := w.facts(args{"method": "POST", "path": "/v1/x%C3%A9?a=%20b", "headers": map[string]string{"x-trace-id": "7", "Accept": "*/*"},
		"body": map[string]any{"note": "safe\u202eelif\u200b"}}.json())
	if err != nil {
		t.Fatal(err)
	}
	want := "POST /v1/x%C3%A9?a=%20b\nAccept: */*\nX-Trace-Id: 7\nContent-Type: application/json\n\n{\n  \"note\": \"safe\\u{202e}elif\\u{200b}\"\n}"
	if diff := cmp.Diff(want, f.Text); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]tools.Object{{Type: "request", Name: "POST /v1/xé", Access: tools.Write, Literal: true}, {Type: "header", Name: "X-Trace-Id", Access: tools.Write}}, f.Objects); diff != "" {
		t.Error(diff)
	}
}

func TestGraphQLAndRPCFacts(t *testing.T) {
	w := newWorld(t, Target{BaseURL: "http://127.0.0.1:1", GraphQL: &GraphQL{Path: "/graphql"}, JSONRPC: &JSONRPC{Path: "/rpc", Read: []string{"get_*", "*.list"}}})
	gql := func(q string) args {
		return args{"method": "POST", "path": "/graphql", "body": map[string]any{"query": q, "variables": map[string]any{"id": 1}}}
	}
	rpc := func(m string) args {
		return args{"method": "POST", "path": "/rpc", "body": map[string]any{"jsonrpc": "2.0", "id": "1", "method": m, "params": []any{1}}}
	}
	for _, c := range []struct {
		args    args
		effect  tools.Effect
		objects string
	}{
		{gql("{invoices{id}}"), tools.Read, "graphql:query.invoices"},
		{gql("query Q($id: ID!) {x: invoice(id: $id){id} customers @include(if: true){id} __typename}"), tools.Read, "graphql:query.customers|graphql:query.invoice"},
		{gql("query {...F} fragment F on Query {secrets{v} ... on Query {more}}"), tools.Read, "graphql:query.more|graphql:query.secrets"},
		{gql("mutation {pay(id: 1){ok}}"), tools.Write, "graphql:mutation.pay"},
		{gql("{a #x\r\n b}"), tools.Read, "graphql:query.a|graphql:query.b"},
		{gql("# mutation {pay}\n{invoices{id}}"), tools.Read, "graphql:query.invoices"},
		{gql("{a @live}"), tools.Unknown, "graphql:query.a"},
		{gql("{__typename}"), tools.Read, "graphql:query.__typename"},
		{rpc("get_block"), tools.Read, "rpc:get_block"},
		{rpc("jobs.list"), tools.Read, "rpc:jobs.list"},
		{rpc("set_block"), tools.Write, "rpc:set_block"},
		{rpc("GET_block"), tools.Write, "rpc:GET_block"},
		{rpc("xget_block"), tools.Write, "rpc:xget_block"},
	} {
		_, f, err := w.facts(c.args.json())
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
			continue
		}
		var names []string
		for _, o := range f.Objects {
			if o.Type != typeRequest {
				names = append(names, o.Name)
			}
		}
		if f.Effect != c.effect || strings.Join(names, "|") != c.objects {
			t.Errorf("%v: effect %s, objects %q", c.args, f.Effect, names)
		}
	}
}

func TestGraphQLSyntaxErrorHasItsPosition(t *testing.T) {
	w := newWorld(t, Target{BaseURL: "http://127.0.0.1:1", GraphQL: &GraphQL{Path: "/graphql"}})
	_, _, err := w.facts(args{"method": "POST", "path": "/graphql", "body": map[string]any{"query": "{\n  a(}"}}.json())
	var e *tools.NotUnderstoodError
	if !errors.As(err, &e) || e.Position != 7 {
		t.Errorf("%v", err)
	}
}

func TestCovers(t *testing.T) {
	w := newWorld(t, Target{BaseURL: "http://127.0.0.1:1", GraphQL: &GraphQL{Path: "/v1/graphql"}, JSONRPC: &JSONRPC{Path: "/v1/rpc"}})
	doc := newWorld(t, Target{BaseURL: "http://127.0.0.1:1", OpenAPI: []byte(billing)})
	gql := args{"method": "POST", "path": "/v1/graphql", "body": map[string]any{"query": "{invoices customers}"}}
	search := args{"method": "POST", "path": "/v1/invoices/search", "body": map[string]any{}}
	for _, c := range []struct {
		w        *world
		args     args
		patterns string // separated by a bar
		want     bool
	}{
		{w, get("/v1/a/b"), "GET /v1/**", true},
		{w, get("/v1/a/"), "GET /v1/**", true},
		{w, get("/v1"), "GET /v1/**", false},
		{w, get("/v1/"), "GET /v1/**", false},
		{w, get("/v10/a"), "GET /v1/**", false},
		{w, get("/V1/a"), "GET /v1/**", false},
		{w, get("/v1/a"), "POST /v1/**", false},
		{w, get("/v1/a"), "* /v1/**", true},
		{w, get("/v1/a"), "GET /v1/*", true},
		{w, get("/v1/a/b"), "GET /v1/*", false},
		{w, get("/v1/"), "GET /v1/*", false},
		{w, get("/v1/caf%C3%A9"), "GET /v1/café", true},
		{w, get("/v1/a"), "GET /v1/{id}", true},
		{w, get("/v1/a.csv"), "GET /v1/{id}.csv", true},
		{w, get("/v1/.csv"), "GET /v1/{id}.csv", false},
		{w, get("/v1/a"), "", false},
		{w, get("/v1/GET /v1/a"), "GET /v1/**", false}, // refused before: a raw space
		{w, get("/v2/x%20/v1/a"), "GET /v1/**", false},
		{w, gql, "POST /v1/**", false},
		{w, gql, "* /**", false},
		{w, gql, "graphql:query.invoices", false},
		{w, gql, "graphql:query.invoices|graphql:query.cust*", true},
		{w, gql, "graphql:*", true},
		{w, gql, "*", false},
		{doc, get("/v1/invoices/7"), "getInvoice", true},
		{doc, get("/v1/invoices/7"), "get*", true},
		{doc, get("/v1/invoices/7"), "GET /v1/invoices/{number}", true},
		{doc, get("/v1/invoices/7"), "GET /v1/invoices/*", true},
		{doc, search, "POST /v1/invoices/{id}", false}, // {id} is the document's parameter, and this is another operation
		{doc, search, "POST /v1/invoices/*", true},
		{doc, search, "searchInvoices", true},
	} {
		_, f, err := c.w.facts(c.args.json())
		got := err == nil && Covers(strings.FieldsFunc(c.patterns, func(r rune) bool { return r == '|' }), f.Objects)
		if got != c.want {
			t.Errorf("%v by %q: %v, %v", c.args, c.patterns, got, err)
		}
	}
	for p, want := range map[string]bool{"GET /v1/**": true, "listInvoices": true, "graphql:query.*": true, "rpc:get_*": true, "* /x": true, "GET /{id}.csv": true,
		"": false, "/v1/**": false, "get /v1": false, "GET v1": false, "GET /**/x": false, "GET /a*b": false, "GET /{a}{b}": false} {
		if err := CheckPattern(p); (err == nil) != want {
			t.Errorf("pattern %q: %v", p, err)
		}
	}
}

func TestCoversHeaders(t *testing.T) {
	w := newWorld(t, Target{BaseURL: "http://127.0.0.1:1", Headers: []string{"X-Trace-Id"}})
	for name, ok := range map[string]bool{"X-Trace-Id": true, "Accept": true, "If-Match": true} {
		_, f, err := w.facts(args{"method": "GET", "path": "/x", "headers": map[string]string{name: "1"}}.json())
		if err != nil || CoversHeaders([]string{"x-trace-id"}, f.Objects) != ok || CoversHeaders(nil, f.Objects) != (name != "X-Trace-Id") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A definition that cannot be kept is refused when it is loaded, with the place.
func TestOpenRefuses(t *testing.T) {
	for want, target := range map[string]Target{
		"https":                {BaseURL: "ftp://x"},
		"in the clear":         {BaseURL: "http://api.example/"},
		"holds a user":         {BaseURL: "https://u:p4ssw0rd@api.example/"},
		"query":                {BaseURL: "https://api.example/?x=1"},
		"dot segment":          {BaseURL: "https://api.example/a/../b"},
		"cannot be allowed":    {BaseURL: "https://api.example", Headers: []string{"X-Forwarded-For"}},
		"set by the gateway":   {BaseURL: "https://api.example", Headers: []string{"X-Api-Key"}, Auth: Auth{Header: &Named{"x-api-key", secret("k")}}},
		"exclude":              {BaseURL: "https://api.example", Auth: Auth{Bearer: secret("a"), Basic: &Basic{"u", secret("p")}}},
		"auth.header":          {BaseURL: "https://api.example", Auth: Auth{Header: &Named{"Content-Length", secret("k")}}},
		"auth.sigv4":           {BaseURL: "https://api.example", Auth: Auth{SigV4: &SigV4{}}},
		"token_url":            {BaseURL: "https://api.example", Auth: Auth{OAuth2: &OAuth2{TokenURL: "http://login.example/token", ClientID: "x", ClientSecret: secret("s")}}},
		"openapi":              {BaseURL: "https://api.example", OpenAPI: []byte("openapi: 3.0.0\ninfo: {}")},
		"x-sallyport-effect":   {BaseURL: "https://api.example", OpenAPI: []byte(strings.Replace(billing, "x-sallyport-effect: admin", "x-sallyport-effect: harmless", 1))},
		"graphql.path":         {BaseURL: "https://api.example", GraphQL: &GraphQL{Path: "graphql"}},
		"cannot share":         {BaseURL: "https://api.example", GraphQL: &GraphQL{Path: "/x"}, JSONRPC: &JSONRPC{Path: "/X"}},
		"itself; remove":       {BaseURL: "https://api.example", Fixed: map[string]string{"Transfer-Encoding": "chunked"}},
		"out of bounds":        {BaseURL: "https://api.example", Limits: Limits{Time: time.Hour}},
		"allowed_networks":     {BaseURL: "https://169.254.169.254/latest"},
		"Punycode":             {BaseURL: "https://bücher.example"},
		"operationId \"a b\"":  {BaseURL: "https://api.example", OpenAPI: []byte(strings.Replace(billing, "operationId: rotateKeys", "operationId: a b", 1))},
		"needs an https base ": {BaseURL: "http://localhost", ClientCertificate: noCertificate},
	} {
		target.Name = "api"
		_, err := Open(Config{Targets: []Target{target}, Log: slog.New(slog.DiscardHandler), Now: time.Now, Known: func(string, []byte) {}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "p4ssw0rd") {
			t.Errorf("want %q: %v", want, err)
		}
	}
	if _, err := Open(Config{Targets: []Target{{Name: "api", BaseURL: "https://api.example", Auth: Auth{Bearer: secret("x")}}}, Log: slog.New(slog.DiscardHandler), Now: time.Now}); err == nil {
		t.Error("a credential that masking does not hear of was accepted")
	}
}

func TestUnknownTargetIsNotFound(t *testing.T) {
	w := newWorld(t, Target{BaseURL: "http://127.0.0.1:1"})
	if _, _, err := w.facts(args{"target": "other", "method": "GET", "path": "/x"}.json()); !errors.Is(err, tools.ErrNoSuchTarget) {
		t.Error(err)
	}
}

// A value that does not fit its parameter is another operation, and an undocumented one; OpenAPI 3.1 is understood too.
func TestPathParametersAreTyped(t *testing.T) {
	doc := `{"openapi":"3.1.0","info":{"title":"T","version":"1"},"paths":{"/u/{id}":{"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"integer","minimum":1}}],
		"get":{"operationId":"getUser","responses":{"200":{"description":"ok"}}},
		"put":{"operationId":"putUser","requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/User"}}}},"responses":{"200":{"description":"ok"}}}}},
		"components":{"schemas":{"User":{"type":"object","required":["name"],"properties":{"name":{"type":["string","null"]},"kind":{"const":"person"}}}}}}`
	w := newWorld(t, Target{BaseURL: "http://127.0.0.1:1", OpenAPI: []byte(doc)})
	for path, known := range map[string]bool{"/u/7": true, "/u/export": false, "/u/0": false, "/u/-1": false, "/u/7.5": false, "/u/1e3": false, "/u/07": false} {
		_, f, err := w.facts(get(path).json())
		if err != nil || f.Understood() != known {
			t.Errorf("%s: %v, %v", path, f.Unknown, err)
		}
	}
	for body, ok := range map[string]bool{`{"name":"ann"}`: true, `{"name":null,"kind":"person"}`: true, `{"name":5}`: false, `{}`: false, `{"name":"x","kind":"robot-9131"}`: false} {
		_, _, err := w.facts(tools.Args(`{"target":"api","method":"PUT","path":"/u/7","body":` + body + `}`))
		var arg *tools.ArgError
		if ok != (err == nil) || err != nil && !errors.As(err, &arg) {
			t.Errorf("%s: %v", body, err)
		}
		if err != nil && (strings.Contains(err.Error(), "9131") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestDescribe(t *testing.T) {
	w := newWorld(t, Target{BaseURL: "http://127.0.0.1:1", OpenAPI: []byte(billing), JSONRPC: &JSONRPC{Path: "/rpc", Read: []string{"get_*"}}})
	d, err := w.Describe(t.Context(), "api", "", "names")
	if err != nil || len(d.Operations) != 8 || d.JSONRPC == nil || d.Operations[0].Summary != "" {
		t.Fatalf("%+v, %v", d, err)
	}
	if d, err = w.Describe(t.Context(), "api", "/v1/invoices/{id}", ""); err != nil || len(d.Operations) != 3 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = w.Describe(t.Context(), "api", "createInvoice", "full"); err != nil || len(d.Operations) != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	if body := string(marshal(d.Operations[0].Body)); !strings.Contains(body, `"required":["customer","total"]`) || !strings.Contains(body, `"pattern":"^c[0-9]+$"`) {
		t.Errorf("body %s", body)
	}
	for _, c := range [][2]string{{"/nope", ""}, {"", "everything"}} {
		var arg *tools.ArgError
		if _, err := w.Describe(t.Context(), "api", c[0], c[1]); !errors.As(err, &arg) {
			t.Errorf("%q: %v", c, err)
		}
	}
	if _, err := w.Describe(t.Context(), "other", "", ""); !errors.Is(err, tools.ErrNoSuchTarget) {
		t.Error(err)
	}
}
