package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"sallyport/gateway"
	"sallyport/identity"
	"sallyport/identity/devissuer"
)

// audience is the resource of every test endpoint; the host is resolved by nobody, requests go to the test server directly.
const audience = "https://gateway.test/mcp"

// fakeGateway answers calls with whatever do says and remembers what it was asked.
type fakeGateway struct {
	do func(ctx context.Context, r *gateway.Request) *gateway.Reply

	mu   sync.Mutex
	seen []*gateway.Request
}

func (f *fakeGateway) Do(ctx context.Context, r *gateway.Request) *gateway.Reply {
	f.mu.Lock()
	f.seen = append(f.seen, r)
	f.mu.Unlock()
	if f.do != nil {
		return f.do(ctx, r)
	}
	return okReply()
}

func (f *fakeGateway) calls() []*gateway.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*gateway.Request(nil), f.seen...)
}

func okReply() *gateway.Reply {
	return &gateway.Reply{Structured: json.RawMessage(`{"status":"ok","call_id":"c1","executed":"yes","data":{"rows":[[1]]}}`), Text: "ok"}
}

// endpoint is the transport under test in front of a fake gateway, with a real issuer and real token verification.
type endpoint struct {
	*Server
	t       *testing.T
	url     string // base, without /mcp
	issuer  *devissuer.Issuer
	gateway *fakeGateway

	mu      sync.Mutex
	refused []string // reasons told to OnRefused
}

// newEndpoint starts an endpoint; change may alter its configuration.
func newEndpoint(t *testing.T, change func(*Config)) *endpoint {
	t.Helper()
	issuer, err := devissuer.Start(t.Context(), devissuer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { issuer.Close() })
	return endpointOf(t, issuer, change)
}

func endpointOf(t *testing.T, issuer *devissuer.Issuer, change func(*Config)) *endpoint {
	t.Helper()
	e := &endpoint{t: t, issuer: issuer, gateway: &fakeGateway{}}
	s, err := New(e.config(change))
	if err != nil {
		t.Fatal(err)
	}
	e.serve(s)
	return e
}

// endpointWith serves other tools than ours through the same transport.
func endpointWith(t *testing.T, issuer *devissuer.Issuer, core *server.MCPServer, change func(*Config)) *endpoint {
	t.Helper()
	e := &endpoint{t: t, issuer: issuer, gateway: &fakeGateway{}}
	s, err := newServer(e.config(change), core, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.serve(s)
	return e
}

func (e *endpoint) config(change func(*Config)) Config {
	verifier, err := identity.New(e.t.Context(), identity.Config{Issuers: []identity.Issuer{{URL: e.issuer.URL(), Audience: audience}}})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(verifier.Close)
	cfg := Config{
		Gateway: e.gateway, ResourceURL: audience, AuthorizationServers: []string{e.issuer.URL()}, Version: "test",
		Verify: func(ctx context.Context, token string) (*identity.Principal, error) {
			return verifier.Verify(ctx, token, identity.MCP)
		},
		ErrorReason: identity.Reason,
		OnRefused: func(_ context.Context, _ *identity.Principal, _, reason string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.refused = append(e.refused, reason)
		},
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func (e *endpoint) serve(s *Server) {
	e.Server = s
	mux := http.NewServeMux()
	s.Register(mux)
	web := httptest.NewServer(mux)
	e.t.Cleanup(web.Close)
	e.url = web.URL
}

func (e *endpoint) reasons() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.refused...)
}

// token of a subject for this endpoint; claims are added or replaced.
func (e *endpoint) token(subject string, claims ...devissuer.Claims) string {
	c := devissuer.Claims{"sub": subject, "aud": audience, "azp": "client-of-" + subject}
	for _, more := range claims {
		for k, v := range more {
			c[k] = v
		}
	}
	return e.issuer.Mint(c)
}

// era is one of the two protocols on the endpoint.
type era struct {
	name   string
	modern bool
}

var eras = []era{{"2025-11-25", false}, {"2026-07-28", true}}

const metaModern = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// body of a request in this era; params are the members of the params object.
func (v era) body(id, method, params string) string {
	if v.modern {
		if params != "" {
			params += ","
		}
		params += metaModern
	}
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + params + `}}`
}

// headers of a request in this era.
func (v era) headers(method, name string) http.Header {
	h := http.Header{}
	h.Set("MCP-Protocol-Version", v.name)
	if v.modern {
		h.Set("Mcp-Method", method)
		if name != "" {
			h.Set("Mcp-Name", name)
		}
	}
	return h
}

// answer of one HTTP request.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string { return http.StatusText(a.status) + " " + a.body }

// request is sent as it is; only what a test does not set gets the honest default.
type request struct {
	method, path, token, body string
	header                    http.Header
}

func (e *endpoint) send(r request) answer {
	e.t.Helper()
	return e.sendCtx(e.t.Context(), r)
}

func (e *endpoint) sendCtx(ctx context.Context, r request) answer {
	e.t.Helper()
	resp, err := e.open(ctx, r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil && ctx.Err() == nil {
		e.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (e *endpoint) open(ctx context.Context, r request) (*http.Response, error) {
	if r.method == "" {
		r.method = http.MethodPost
	}
	if r.path == "" {
		r.path = "/mcp"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, e.url+r.path, bytes.NewReader([]byte(r.body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for k, v := range r.header {
		req.Header[k] = v
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	return http.DefaultClient.Do(req)
}

// call is tools/call of one of our tools in an era, as subject.
func (e *endpoint) call(v era, token, tool, args string) answer {
	e.t.Helper()
	return e.send(request{token: token, header: v.headers("tools/call", tool), body: v.body("1", "tools/call", `"name":"`+tool+`","arguments":`+args)})
}

// inBothEras runs f once per protocol.
func inBothEras(t *testing.T, f func(t *testing.T, v era)) {
	for _, v := range eras {
		t.Run(v.name, func(t *testing.T) { f(t, v) })
	}
}

// messages are the JSON-RPC messages of an answer, whether it is one object or an event stream.
func (a answer) messages(t *testing.T) []map[string]any {
	t.Helper()
	var out []map[string]any
	add := func(s string) {
		var m map[string]any
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			t.Fatalf("not a message: %q: %v", s, err)
		}
		out = append(out, m)
	}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
		add(a.body)
		return out
	}
	for line := range strings.Lines(a.body) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			add(data)
		}
	}
	return out
}

// eventually waits for something another goroutine is about to do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("did not happen: " + what)
}
