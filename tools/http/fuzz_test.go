package httpapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sallyport/tools"
)

// What is sent parses, on the other side, to what was decided: the request line is the agent's bytes behind the base's
// path, and Go's own readers of paths and queries find the segments and parameters that policy saw.
func FuzzPath(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.Request.Path)
	}
	for _, s := range []string{"/", "/?", "/a?b", "/a/?b=c%26d&e=+f", "/%41?%41=%42", "/a%2Bb+c", "/a:b@c/*", "/~u/%20x", "/x?api%5fkey=1", "/x?a=%25%32%65", "/%e2%80%a5/x"} {
		f.Add(s)
	}
	w := newWorld(f, Target{BaseURL: "http://127.0.0.1:1/api"})
	target := w.targets["api"]
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePath(s)
		if err != nil {
			return
		}
		in := &inspected{api: target, req: &request{method: "GET", path: p}}
		var sent bytes.Buffer
		if err := in.newRequest().Write(&sent); err != nil {
			t.Fatalf("accepted and not sendable: %q: %v", s, err)
		}
		got, err := http.ReadRequest(bufio.NewReader(&sent))
		if err != nil {
			t.Fatalf("accepted and not readable: %q: %v", s, err)
		}
		if got.RequestURI != "/api"+s || got.Host != "127.0.0.1:1" || got.Method != "GET" {
			t.Fatalf("sent %q to %q, decided %q", got.RequestURI, got.Host, s)
		}
		decided := p.decoded()
		if got.URL.Path != "/api"+decided {
			t.Fatalf("the server reads the path %q, decided %q", got.URL.Path, decided)
		}
		if clean := path.Clean(decided); clean != decided && clean != strings.TrimSuffix(decided, "/") {
			t.Fatalf("%q cleans to %q", decided, clean)
		}
		if again, err := url.PathUnescape(decided); err == nil && again != decided {
			t.Fatalf("%q decodes once more, to %q", decided, again)
		}
		values, err := url.ParseQuery(got.URL.RawQuery)
		if err != nil {
			t.Fatalf("the server cannot read the query of %q: %v", s, err)
		}
		ours := url.Values{}
		for _, q := range p.query {
			ours[q.name] = append(ours[q.name], q.value)
		}
		if !reflect.DeepEqual(values, ours) {
			t.Fatalf("the server reads the query %v, decided %v", values, ours)
		}
	})
}

// A body that is accepted has one reading: decoders that take the first, the last or the case-folded key agree.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":1,"A":2}`, `{"a":{"b":[1,{"c":null}]}}`, `"\ud83d\ude00"`, `"\ud83d"`, `{"s":1,"\u017f":2}`, `1e999`, `[1,2`, `{"a":"\\ud800"}`,
		`{"jsonrpc":"2.0","id":1,"method":"get_a"}`, `{"query":"{a}","variables":{}}`, `{"query":"mutation{a}"}`, " [ ] ", `{"":{"":1}}`, `{"k":1,"\u212a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if strictJSON(b) != nil {
			return
		}
		v, err := decodeNumbers(b)
		if err != nil {
			t.Fatalf("accepted %q: %v", b, err)
		}
		if have, want := members(v), written(b); have != want {
			t.Fatalf("%q: %d members written, %d read", b, want, have)
		}
		if method, err := parseRPC(b); err == nil {
			var loose struct{ Method, JSONRPC string }
			if json.Unmarshal(b, &loose) != nil || loose.Method != method || loose.JSONRPC != "2.0" {
				t.Fatalf("%q: method %q, a lenient decoder reads %q", b, method, loose.Method)
			}
		}
		if c, err := parseGraphQL(b, false); err == nil {
			if len(c.fields) == 0 || !slices.IsSorted(c.fields) {
				t.Fatalf("%q: understood, but nothing is asked for", b)
			}
			if !c.mutation && !bytes.Contains(b, []byte("{")) {
				t.Fatalf("%q is not a document", b)
			}
		}
	})
}

func members(v any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		n = len(v)
		for _, m := range v {
			n += members(m)
		}
	case []any:
		for _, m := range v {
			n += members(m)
		}
	}
	return n
}

// written counts the members as they stand in the text: a colon outside of a string.
func written(b []byte) int {
	n, inside := 0, false
	for i := 0; i < len(b); i++ {
		switch {
		case inside && b[i] == '\\':
			i++
		case b[i] == '"':
			inside = !inside
		case !inside && b[i] == ':':
			n++
		}
	}
	return n
}

// Whatever the arguments are: a call that is planned and inspected is sent as its text says, and never elsewhere.
func FuzzArguments(f *testing.F) {
	for _, s := range samples(f) {
		f.Add([]byte(s.args()))
	}
	f.Add([]byte(`{"target":"api","method":"POST","path":"/v1/graphql","body":{"query":"{a}"}}`))
	f.Add([]byte(` { "target" : "api" , "method" : "PUT", "path":"/x", "body" :  [ 1 ] , "headers": null } `))
	f.Add([]byte(`{"target":"api","method":"POST","path":"/x","body":"a=1&b=2","headers":{"Content-Type":"application/x-www-form-urlencoded"}}`))
	w := newWorld(f, Target{BaseURL: "http://127.0.0.1:1/api", Auth: Auth{Query: &Named{"api_key", secret("k")}}, GraphQL: &GraphQL{Path: "/v1/graphql"}, JSONRPC: &JSONRPC{Path: "/rpc"}})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, facts, err := w.facts(tools.Args(b))
		if err != nil {
			return
		}
		r, in := p.Parsed.(*request), facts.Inspected.(*inspected)
		var sent bytes.Buffer
		if err := in.newRequest().Write(&sent); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		got, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(sent.Bytes())))
		if err != nil {
			t.Fatalf("%s: sent %q: %v", b, sent.Bytes(), err)
		}
		line, _, _ := strings.Cut(facts.Text, "\n")
		if got.Method+" "+strings.TrimPrefix(got.RequestURI, "/api") != line || got.Host != "127.0.0.1:1" {
			t.Fatalf("%s: sent %s %s, the approver reads %s", b, got.Method, got.RequestURI, line)
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(got.Body)
		if !bytes.Equal(body.Bytes(), r.body) {
			t.Fatalf("%s: body %q, decided %q", b, body.Bytes(), r.body)
		}
		for _, q := range got.URL.Query()["api_key"] {
			t.Fatalf("%s: sets the credential's parameter to %q", b, q)
		}
		if facts.Effect == tools.Read && r.method != "GET" && r.method != "HEAD" && r.path.raw != "/v1/graphql" {
			t.Fatalf("%s: %s is no read", b, r.method)
		}
	})
}
