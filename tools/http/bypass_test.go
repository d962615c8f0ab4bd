package httpapi

import (
	"net/netip"
	"strings"
	"testing"

	"sallyport/tools"
)

// Tricks that must stay refused: no request may leave. The table only grows.
func TestBypasses(t *testing.T) {
	up := newUpstream(t, nil)
	w := newWorld(t, Target{
		BaseURL: up.URL + "/api", Headers: []string{"X-Trace-Id"},
		Auth:    Auth{Bearer: secret("s3cr3t-credential"), Query: &Named{"api_key", secret("key-in-query")}},
		GraphQL: &GraphQL{Path: "/v1/graphql"}, JSONRPC: &JSONRPC{Path: "/v1/rpc", Read: []string{"get_*"}},
	})
	h := func(name, value string) args {
		return args{"method": "GET", "path": "/v1/x", "headers": map[string]string{name: value}}
	}
	post := func(path string, body any) args { return args{"method": "POST", "path": path, "body": body} }
	gql := func(query string) args { return post("/v1/graphql", map[string]any{"query": query}) }
	for name, a := range map[string]args{
		"dot segment":                  get("/v1/../secret"),
		"dot segment at the end":       get("/v1/x/.."),
		"single dot":                   get("/v1/./x"),
		"encoded dot":                  get("/v1/%2e/x"),
		"half encoded dots":            get("/v1/.%2E/x"),
		"three times encoded":          get("/v1/%25252e%25252e/x"),
		"fullwidth dots":               get("/v1/%EF%BC%8E%EF%BC%8E/x"),
		"two dot leader":               get("/v1/%E2%80%A5/x"),
		"one dot leaders":              get("/v1/%E2%80%A4%E2%80%A4/x"),
		"ellipsis":                     get("/v1/%E2%80%A6/x"),
		"dots and a space":             get("/v1/..%20/x"),
		"zero width space in dots":     get("/v1/.%E2%80%8B./x"),
		"fullwidth slash":              get("/v1/a%EF%BC%8F..%EF%BC%8Fx"),
		"encoded slash":                get("/v1/a%2Fb"),
		"backslash":                    get(`/v1/..\x`),
		"encoded backslash":            get("/v1/..%5Cx"),
		"fullwidth backslash":          get("/v1/a%EF%BC%BCb"),
		"overlong slash":               get("/v1/..%c0%af..%c0%afx"),
		"unicode escape":               get("/v1/%u002e%u002e/x"),
		"unicode escape, encoded":      get("/v1/%25u002e/x"),
		"path parameter":               get("/v1/x;jsessionid=1"),
		"path parameter, encoded":      get("/v1/..%3B/x"),
		"greek question mark":          get("/v1/..%CD%BE/x"), // NFKC folds it to a semicolon
		"empty segment":                get("/v1//x"),
		"network path":                 get("//evil.example/v1/x"),
		"absolute URL":                 get("https://evil.example/v1/x"),
		"user info":                    get("@evil.example/v1/x"),
		"port":                         get(":8080/v1/x"),
		"no slash":                     get("v1/x"),
		"empty path":                   get(""),
		"fragment":                     get("/v1/x#y"),
		"NUL":                          get("/v1/x%00.json"),
		"line feed, encoded":           get("/v1/x%0aHost:%20evil"),
		"line feed":                    get("/v1/x\nHost: evil"),
		"space smuggles a version":     get("/v1/x HTTP/1.1"),
		"DEL":                          get("/v1/x%7F"),
		"C1 control":                   get("/v1/x%C2%85"),
		"right-to-left override":       get("/v1/%E2%80%AEx"),
		"bad percent":                  get("/v1/100%"),
		"bad percent 2":                get("/v1/%zz"),
		"raw UTF-8":                    get("/v1/café"),
		"too long":                     get("/v1/" + strings.Repeat("x", maxTarget)),
		"credential in query":          get("/v1/x?api_key=mine"),
		"credential, other case":       get("/v1/x?API_Key=mine"),
		"credential, encoded":          get("/v1/x?api%5Fkey=mine"),
		"credential, dash":             get("/v1/x?api-key=mine"),
		"credential, dot":              get("/v1/x?api.key=mine"),
		"credential, plus":             get("/v1/x?api+key=mine"),
		"credential, list":             get("/v1/x?api_key[]=mine"),
		"credential, open bracket":     get("/v1/x?api[key=mine"),
		"credential, twice encoded":    get("/v1/x?api%255Fkey=mine"),
		"credential, fullwidth":        get("/v1/x?%EF%BD%81pi_key=mine"),
		"credential after semicolon":   get("/v1/x?a=1;api_key=mine"),
		"credential, leading space":    get("/v1/x?%20api_key=mine"),
		"credential, no value":         get("/v1/x?api_key"),
		"query without a name":         get("/v1/x?=1"),
		"query, empty pair":            get("/v1/x?a=1&&b=2"),
		"query, line feed":             get("/v1/x?a=1%0d%0aX:1"),
		"query, bad percent":           get("/v1/x?a=%"),
		"query, not UTF-8":             get("/v1/x?a=%ff"),
		"method override":              get("/v1/x?_method=DELETE"),
		"method override, header name": get("/v1/x?X-HTTP-Method-Override=DELETE"),
		"second question mark in name": get("/v1/x??api_key=mine&api_key=1"),

		"method, lower case":    {"method": "get", "path": "/v1/x"},
		"method, trailing":      {"method": "GET ", "path": "/v1/x"},
		"method, TRACE":         {"method": "TRACE", "path": "/v1/x"},
		"method, CONNECT":       {"method": "CONNECT", "path": "/v1/x"},
		"method, injection":     {"method": "GET /admin HTTP/1.1\r\nX: ", "path": "/v1/x"},
		"method, empty":         {"method": "", "path": "/v1/x"},
		"unknown argument":      {"method": "GET", "path": "/v1/x", "url": "https://evil.example"},
		"argument, other case":  {"method": "GET", "path": "/v1/x", "Path": "/v1/y"},
		"argument of a type":    {"method": "GET", "path": []string{"/v1/x"}},
		"headers of a type":     {"method": "GET", "path": "/v1/x", "headers": map[string]any{"Accept": []string{"a", "b"}}},
		"body on GET":           {"method": "GET", "path": "/v1/x", "body": map[string]any{"a": 1}},
		"body on DELETE":        {"method": "DELETE", "path": "/v1/x", "body": "x"},
		"content type, no body": h("Content-Type", "application/json"),

		"Host":                          h("Host", "evil.example"),
		"Authorization":                 h("authorization", "Bearer mine"),
		"Proxy-Authorization":           h("Proxy-Authorization", "x"),
		"Cookie":                        h("Cookie", "a=b"),
		"Connection drops a header":     h("Connection", "Authorization"),
		"Transfer-Encoding":             h("Transfer-Encoding", "chunked"),
		"Transfer-Encoding, underscore": h("Transfer_Encoding", "chunked"),
		"Transfer-Encoding, space":      h("Transfer-Encoding ", "chunked"),
		"Content-Length":                h("Content-Length", "0"),
		"Upgrade":                       h("Upgrade", "h2c"),
		"HTTP2-Settings":                h("HTTP2-Settings", "x"),
		"Expect":                        h("Expect", "100-continue"),
		"TE":                            h("TE", "trailers"),
		"X-Forwarded-For":               h("X-Forwarded-For", "127.0.0.1"),
		"X_Forwarded_Host":              h("X_Forwarded_Host", "evil"),
		"Forwarded":                     h("Forwarded", "for=127.0.0.1"),
		"X-Real-IP":                     h("X-Real-IP", "127.0.0.1"),
		"X-Original-URL":                h("X-Original-URL", "/secret"),
		"X-Rewrite-URL":                 h("X-Rewrite-URL", "/secret"),
		"X-HTTP-Method":                 h("X-HTTP-Method", "DELETE"),
		"X-Amz-Security-Token":          h("X-Amz-Security-Token", "x"),
		"Range is not on the list":      h("Range", "bytes=0-"),
		"Accept-Encoding":               h("Accept-Encoding", "br"),
		"unknown header":                h("X-Other", "1"),
		"header value, CR LF":           h("Accept", "a\r\nX: b"),
		"header value, LF":              h("X-Trace-Id", "a\nb"),
		"header value, NUL":             h("X-Trace-Id", "a\x00"),
		"header value, not ASCII":       h("X-Trace-Id", "é"),
		"header name, empty":            h("", "x"),
		"header name, colon":            h("X-Trace-Id:", "x"),
		"header name, CR LF":            h("X-Trace-Id\r\nHost", "x"),
		"header twice":                  {"method": "GET", "path": "/v1/x", "headers": map[string]string{"X-Trace-Id": "1", "x-trace-id": "2"}},

		"body member overrides the method": post("/v1/x", map[string]any{"_method": "DELETE"}),
		"body member is the credential":    post("/v1/x", map[string]any{"API_KEY": "mine"}),
		"form overrides the method":        {"method": "POST", "path": "/v1/x", "headers": map[string]string{"Content-Type": formMedia}, "body": "a=1&_method=DELETE"},
		"form holds the credential":        {"method": "POST", "path": "/v1/x", "headers": map[string]string{"Content-Type": formMedia}, "body": "a=1&api%5fkey=x"},
		"multipart":                        {"method": "POST", "path": "/v1/x", "headers": map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, "body": "--x"},
		"other charset":                    {"method": "POST", "path": "/v1/x", "headers": map[string]string{"Content-Type": "application/json; charset=utf-7"}, "body": "{}"},
		"text says JSON, has two readings": {"method": "POST", "path": "/v1/x", "headers": map[string]string{"Content-Type": "application/json"}, "body": `{"a":1,"A":2}`},
		"JSON sent as text":                {"method": "POST", "path": "/v1/x", "headers": map[string]string{"Content-Type": "text/plain"}, "body": map[string]any{"a": 1}},
		"body too large":                   post("/v1/x", strings.Repeat("x", 1<<20+1)),

		"graphql by GET":               get("/v1/graphql?query={a}"),
		"graphql with a query string":  post("/v1/graphql?query={a}", map[string]any{"query": "{a}"}),
		"graphql, slash behind":        get("/v1/graphql/?query=mutation%7Ba%7D"),
		"graphql, other case":          get("/v1/GraphQL?query=mutation%7Ba%7D"),
		"graphql, below":               get("/v1/graphql/x?query=mutation%7Ba%7D"),
		"graphql as text":              {"method": "POST", "path": "/v1/graphql", "headers": map[string]string{"Content-Type": "text/plain"}, "body": "{a}"},
		"graphql, other content type":  {"method": "POST", "path": "/v1/graphql", "headers": map[string]string{"Content-Type": "application/graphql"}, "body": `{"query":"{a}"}`},
		"graphql batch":                post("/v1/graphql", []any{map[string]any{"query": "{a}"}}),
		"graphql persisted query":      post("/v1/graphql", map[string]any{"query": "{a}", "extensions": map[string]any{"persistedQuery": 1}}),
		"graphql by id":                post("/v1/graphql", map[string]any{"id": "abc"}),
		"graphql, two operations":      post("/v1/graphql", map[string]any{"query": "query A {a} mutation B {b}", "operationName": "B"}),
		"graphql, other operationName": post("/v1/graphql", map[string]any{"query": "query A {a}", "operationName": "B"}),
		"graphql subscription":         gql("subscription {a}"),
		"graphql introspection":        gql("{__schema{types{name}}}"),
		"graphql introspection, alias": gql(`{x:__type(name:"A"){name}}`),
		"graphql introspection, deep":  gql("{a{...F}} fragment F on Query {__schema{types{name}}}"),
		"graphql, fragment loop":       gql("{...A} fragment A on Query {...B} fragment B on Query {...A}"),
		"graphql, fragment missing":    gql("{...A}"),
		"graphql, fragment bomb":       gql(fragmentBomb(20)),
		"graphql, too deep":            gql(strings.Repeat("{a", 40) + strings.Repeat("}", 40)),
		"graphql, aliases":             gql("{" + strings.Repeat("x:a ", 1) + manyAliases(40) + "}"),
		"graphql directive":            gql("{a @export(as: \"x\")}"),
		"graphql, schema definition":   gql("type A {a: String}"),
		"graphql, nothing":             gql(""),
		"graphql, comment ends in CR":  gql("{a #\r secrets\n}"),
		"graphql, comment ends in LS":  gql("{a #\u2028 secrets\n}"),
		"graphql, endless name":        gql("{" + strings.Repeat("a", 5000) + "}"),
		"graphql, byte order mark":     gql("{a \ufeff b}"),
		"graphql, syntax":              gql("{a"),

		"rpc batch":           post("/v1/rpc", []any{map[string]any{"jsonrpc": "2.0", "id": 1, "method": "get_a"}}),
		"rpc notification":    post("/v1/rpc", map[string]any{"jsonrpc": "2.0", "method": "get_a"}),
		"rpc null id":         post("/v1/rpc", map[string]any{"jsonrpc": "2.0", "id": nil, "method": "get_a"}),
		"rpc version":         post("/v1/rpc", map[string]any{"jsonrpc": "1.0", "id": 1, "method": "get_a"}),
		"rpc, further member": post("/v1/rpc", map[string]any{"jsonrpc": "2.0", "id": 1, "method": "get_a", "Method": "x"}),
		"rpc write":           post("/v1/rpc", map[string]any{"jsonrpc": "2.0", "id": 1, "method": "Get_a"}),
		"rpc by GET":          get("/v1/rpc?method=get_a"),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.call(t.Context(), a.json(), tools.Limits{}, "GET /v1/**", "graphql:query.*", "rpc:*"); err == nil {
				t.Errorf("was sent: %+v", up.requests())
			}
		})
	}
	if seen := up.requests(); len(seen) > 0 {
		t.Errorf("%d requests arrived: %+v", len(seen), seen)
	}
}

// Even where a scope allows writes, what has two readings is not sent.
func TestAmbiguousArgumentsAreNotSent(t *testing.T) {
	up := newUpstream(t, nil)
	w := newWorld(t, Target{BaseURL: up.URL})
	for _, raw := range []string{
		`{"target":"api","method":"GET","path":"/a","path":"/b"}`,
		`{"target":"api","method":"POST","path":"/a","body":{"x":1,"x":2}}`,
		`{"target":"api","method":"POST","path":"/a","body":{"x":1,"X":2}}`,
		`{"target":"api","method":"POST","path":"/a","body":{"s":1,"\u017f":2}}`,
		`{"target":"api","method":"POST","path":"/a","body":{"x":"\ud800"}}`,
		`{"target":"api","method":"POST","path":"/a","body":"\udc00"}`,
		"{\"target\":\"api\",\"method\":\"POST\",\"path\":\"/a\",\"body\":\"\xff\"}",
		`{"target":"api","method":"POST","path":"/a","body":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
		`{"target":"api","method":"GET","path":"/a"} {}`,
		`[]`, `null`, `"x"`, ``,
	} {
		if _, err := w.call(t.Context(), tools.Args(raw), tools.Limits{}); err == nil {
			t.Errorf("was sent: %s", raw)
		}
	}
	if n := len(up.requests()); n > 0 {
		t.Errorf("%d requests arrived", n)
	}
}

func fragmentBomb(n int) string {
	var b strings.Builder
	b.WriteString("{...F0}")
	for i := range n {
		name := string(rune('a' + i))
		next := string(rune('a' + i + 1))
		if i == 0 {
			b.WriteString(" fragment F0 on Q {..." + next + " ..." + next + "}")
			continue
		}
		b.WriteString(" fragment " + name + " on Q {..." + next + " ..." + next + "}")
	}
	return b.String() + " fragment " + string(rune('a'+n)) + " on Q {x}"
}

func manyAliases(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("a" + strings.Repeat("b", i) + ":f ")
	}
	return b.String()
}

// Addresses that a name must not lead to, whoever answers for it.
func TestAddressesNeverConnectedTo(t *testing.T) {
	public, local := &guard{host: "api.example"}, &guard{host: "localhost", loopback: true}
	for _, s := range []string{"127.0.0.1", "::1", "127.8.8.8", "::ffff:127.0.0.1", "0.0.0.0", "0.1.2.3", "::", "169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fe80::1%eth0",
		"fd00:ec2::254", "100.100.100.200", "168.63.129.16", "224.0.0.1", "ff02::1", "255.255.255.255", "64:ff9b::169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1"} {
		a := netip.MustParseAddr(s)
		if public.allows(a) {
			t.Errorf("%s is allowed for a name", s)
		}
		if local.allows(a) != a.Unmap().IsLoopback() {
			t.Errorf("%s for localhost: %v", s, local.allows(a))
		}
	}
	for _, s := range []string{"10.0.0.1", "192.168.1.1", "203.0.113.9", "2001:db8::1", "fd12::1"} {
		if a := netip.MustParseAddr(s); !public.allows(a) || local.allows(a) {
			t.Errorf("%s: for a name %v, for localhost %v", s, public.allows(a), local.allows(a))
		}
	}
	narrow := &guard{host: "api.example", allowed: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	if !narrow.allows(netip.MustParseAddr("10.1.2.3")) || narrow.allows(netip.MustParseAddr("10.2.0.1")) || !narrow.allows(netip.MustParseAddr("::ffff:10.1.2.3")) {
		t.Error("allowed networks are not what decides")
	}
}
