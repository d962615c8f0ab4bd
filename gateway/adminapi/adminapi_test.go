package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/gateway"
	"sallyport/identity"
	"sallyport/identity/devissuer"
	"sallyport/masking"
	"sallyport/policy"
	"sallyport/store"
)

const (
	mcpAudience = "https://gateway.test/mcp"
	apiAudience = "https://gateway.test/api"
)

// rig is the API in front of a real gateway, store and issuer.
type rig struct {
	t      *testing.T
	issuer *devissuer.Issuer
	store  *store.Store
	url    string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	ctx, quiet := t.Context(), slog.New(slog.DiscardHandler)
	issuer, err := devissuer.Start(ctx, devissuer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { issuer.Close() })
	verifier, err := identity.New(ctx, identity.Config{Issuers: []identity.Issuer{{URL: issuer.URL(), Audience: mcpAudience, APIAudience: apiAudience}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	st, err := store.Open(ctx, store.Config{Dir: t.TempDir() + "/state", Origin: "test", Now: time.Now, Log: quiet, ReplayWindow: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	pol, err := policy.New(ctx, policy.Config{Targets: []policy.TargetInfo{{Name: "db", Kind: "postgres"}}})
	if err != nil {
		t.Fatal(err)
	}
	mask, err := masking.New(masking.Config{Key: st.MaskingKey()})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(ctx, gateway.Config{Store: st, Log: quiet, Now: time.Now, SessionIdle: time.Hour, SessionMax: time.Hour, Replay: time.Minute, MaxPending: 10},
		&gateway.World{Policy: pol, Masking: mask, Targets: map[string]gateway.Target{"db": {Kind: "postgres", Revision: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	api := New(Config{Gateway: g, Log: st, Links: st, Slog: quiet,
		Verify: func(ctx context.Context, token string) (*identity.Principal, error) {
			return verifier.Verify(ctx, token, identity.API)
		},
		Roles: func() Roles {
			return Roles{Approver: []string{"dba", "sre"}, Operator: []string{"platform"}, Auditor: []string{"security"}}
		},
	})
	web := httptest.NewServer(api)
	t.Cleanup(web.Close)
	r := &rig{t: t, issuer: issuer, store: st, url: web.URL}
	r.ask(pol.Revision(), mask.Revision())
	return r
}

// ask makes one open request: ann's, for people of dba.
func (r *rig) ask(policyRevision, maskingRevision string) {
	now := time.Now()
	req := approvals.Request{ID: "req-1", Code: "K7QM-2X9D", CallID: "call-1", AttachKey: "key", State: approvals.Pending, Tool: "query_write", Target: "db",
		Requester: approvals.Identity{Issuer: r.issuer.URL(), Subject: "ann"}, Agent: "claude", Client: "cli", Summary: "updates public.orders",
		Text: "update orders set x = 'PLANTED'", From: []string{"dba"}, Assurance: "chat", Count: 1, Created: now, Expires: now.Add(time.Hour),
		Revision: approvals.Revisions{Policy: policyRevision, Target: "1", Masking: maskingRevision}}
	req.Sign()
	rec := audit.Record{Entry: audit.Entry{Kind: audit.KindRequest, Call: "call-1"}, Body: &audit.Body{Text: req.Text}}
	if _, _, err := r.store.OpenApproval(r.t.Context(), req, rec); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) person(subject, group string, change ...devissuer.Claims) string {
	c := devissuer.Claims{"sub": subject, "aud": apiAudience, "groups": []string{group}, "azp": "sallyport-cli", "auth_time": time.Now().Unix()}
	for _, more := range change {
		for k, v := range more {
			c[k] = v
		}
	}
	return r.issuer.Mint(c)
}

func (r *rig) send(method, path, token, body string, header ...string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func concrete(route string) (method, path string) {
	method, path, _ = strings.Cut(route, " ")
	return method, strings.ReplaceAll(path, "{id}", "req-1")
}

// Invariant 7: every route with every token an agent could hold, or could have tampered with.
func TestNoRouteOpensForAnAgentsToken(t *testing.T) {
	r := newRig(t)
	now := time.Now()
	tokens := map[string]string{
		"none":                           "",
		"an agent's, with every group":   r.issuer.Mint(devissuer.Claims{"sub": "dan", "aud": mcpAudience, "groups": []string{"dba", "platform", "security"}, "auth_time": now.Unix()}),
		"an act claim":                   r.person("dan", "dba", devissuer.Claims{"act": map[string]any{"sub": "claude"}}),
		"an empty act claim":             r.person("dan", "dba", devissuer.Claims{"act": map[string]any{}}),
		"no login time":                  r.person("dan", "dba", devissuer.Claims{"auth_time": nil}),
		"an old login":                   r.person("dan", "dba", devissuer.Claims{"auth_time": now.Add(-48 * time.Hour).Unix()}),
		"a login in the future":          r.person("dan", "dba", devissuer.Claims{"auth_time": now.Add(48 * time.Hour).Unix()}),
		"both audiences":                 r.person("dan", "dba", devissuer.Claims{"aud": []string{mcpAudience, apiAudience}}),
		"expired":                        r.person("dan", "dba", devissuer.Claims{"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(-time.Minute).Unix()}),
		"alg none":                       r.issuer.MintWith(devissuer.Header{"alg": "none"}, devissuer.Claims{"aud": apiAudience, "groups": []string{"dba"}, "auth_time": now.Unix()}),
		"a person without a role":        r.person("dan", "support"),
		"groups as text with a comma":    r.person("dan", "dba,security"),
		"a group in another letter case": r.person("dan", "DBA"),
	}
	for _, route := range Routes() {
		method, path := concrete(route)
		for name, token := range tokens {
			t.Run(route+"/"+name, func(t *testing.T) {
				status, body := r.send(method, path, token, `{"yes":true,"digest":"x"}`)
				if status != http.StatusUnauthorized && status != http.StatusForbidden {
					t.Errorf("status %d: %s", status, body)
				}
				if strings.Contains(body, "PLANTED") || token != "" && strings.Contains(body, token) {
					t.Errorf("leaks: %s", body)
				}
			})
		}
	}
}

// Routes is what New serves: a route that is added must be in the test above.
func TestRoutesListsEveryRoute(t *testing.T) {
	r := newRig(t)
	for _, route := range Routes() {
		method, path := concrete(route)
		if status, body := r.send(method, path, "", ""); status != http.StatusUnauthorized {
			t.Errorf("%s is not served: %d %s", route, status, body)
		}
	}
	if status, _ := r.send("GET", "/api/anything", r.person("dan", "dba"), ""); status != http.StatusNotFound {
		t.Errorf("an unknown route: %d", status)
	}
}

func TestEachRoleOpensItsRoutesOnly(t *testing.T) {
	r := newRig(t)
	open := map[string][]string{
		"dba": {"GET /api/approvals", "GET /api/approvals/{id}", "POST /api/approvals/{id}/votes",
			"POST /api/links", "POST /api/links/refresh", "DELETE /api/links"},
		"platform": {"GET /api/approvals", "GET /api/approvals/{id}", "GET /api/sessions", "POST /api/sessions/{id}/end", "GET /api/locks", "POST /api/locks", "DELETE /api/locks/{id}"},
		"security": {"GET /api/approvals", "GET /api/approvals/{id}", "GET /api/audit/entries", "GET /api/audit/verify", "POST /api/audit/checkpoints",
			"GET /api/sessions", "GET /api/locks"},
	}
	for group, routes := range open {
		for _, route := range Routes() {
			method, path := concrete(route)
			status, body := r.send(method, path, r.person("dan", group), `{}`)
			if want := slices.Contains(routes, route); want == (status == http.StatusForbidden) {
				t.Errorf("%s, %s: %d %s", group, route, status, body)
			}
		}
	}
}

func TestPagesOfABrowserAreRefused(t *testing.T) {
	r := newRig(t)
	if status, _ := r.send("GET", "/api/approvals", r.person("dan", "dba"), "", "Origin", "https://gateway.test"); status != http.StatusForbidden {
		t.Errorf("got %d", status)
	}
}

func TestAVote(t *testing.T) {
	r := newRig(t)
	token := r.person("dan", "dba")
	status, body := r.send("GET", "/api/approvals/k7qm2x9d", token, "")
	var d Detail
	if err := json.Unmarshal([]byte(body), &d); status != 200 || err != nil || d.Text != "update orders set x = 'PLANTED'" || d.Digest == "" {
		t.Fatalf("%d %s", status, body)
	}
	vote := func(token, ballot string) (int, string) {
		return r.send("POST", "/api/approvals/req-1/votes", token, ballot)
	}
	for name, tt := range map[string]struct {
		token, ballot string
		want          int
	}{
		"not JSON":             {token, `yes`, 400},
		"no digest":            {token, `{"yes":true}`, 400},
		"no answer":            {token, `{"digest":"` + d.Digest + `"}`, 400},
		"an unknown field":     {token, `{"yes":true,"digest":"` + d.Digest + `","force":true}`, 400},
		"another digest":       {token, `{"yes":true,"digest":"` + strings.Repeat("0", 64) + `"}`, 409},
		"the requester":        {r.person("ann", "dba"), `{"yes":true,"digest":"` + d.Digest + `"}`, 403},
		"the agent":            {r.person("claude", "dba"), `{"yes":true,"digest":"` + d.Digest + `"}`, 403},
		"somebody not asked":   {r.person("eve", "sre"), `{"yes":true,"digest":"` + d.Digest + `"}`, 404},
		"an operator":          {r.person("olga", "platform"), `{"yes":true,"digest":"` + d.Digest + `"}`, 403},
		"an enormous body":     {token, `{"yes":true,"digest":"` + strings.Repeat("a", 100<<10) + `"}`, 400},
		"a reason, and denies": {r.person("zoe", "sre"), `{"yes":false,"digest":"` + d.Digest + `"}`, 404},
	} {
		if status, body := vote(tt.token, tt.ballot); status != tt.want {
			t.Errorf("%s: %d, want %d: %s", name, status, tt.want, body)
		}
	}
	status, body = vote(token, `{"yes":true,"digest":"`+d.Digest+`","reason":"checked"}`)
	if err := json.Unmarshal([]byte(body), &d); status != 200 || err != nil || d.State != "approved" || d.Given != 1 {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := vote(token, `{"yes":true,"digest":"`+d.Digest+`"}`); status != 409 {
		t.Errorf("a second vote: %d", status)
	}
}

func TestAVoteThatComesTooLate(t *testing.T) {
	r := newRig(t)
	req, err := r.store.Approval(t.Context(), "req-1")
	if err != nil {
		t.Fatal(err)
	}
	req.ID, req.Code, req.CallID, req.AttachKey, req.Expires = "req-2", "AAAA-BBBB", "call-2", "key-2", time.Now().Add(-time.Second)
	if _, _, err := r.store.OpenApproval(t.Context(), req, audit.Record{Entry: audit.Entry{Kind: audit.KindRequest, Call: "call-2"}}); err != nil {
		t.Fatal(err)
	}
	status, body := r.send("POST", "/api/approvals/req-2/votes", r.person("dan", "dba"), `{"yes":true,"digest":"`+req.Digest+`"}`)
	if status != 409 || !strings.Contains(body, `"code":"expired"`) {
		t.Errorf("%d %s", status, body)
	}
}

// Somebody of another group sees neither the request nor that it exists.
func TestAnApproverSeesWhatHeMayBeAsked(t *testing.T) {
	r := newRig(t)
	sre := r.person("eve", "sre")
	if _, body := r.send("GET", "/api/approvals", sre, ""); strings.TrimSpace(body) != "[]" {
		t.Errorf("listed: %s", body)
	}
	_, hidden := r.send("GET", "/api/approvals/req-1", sre, "")
	_, none := r.send("GET", "/api/approvals/req-2", sre, "")
	if hidden != none {
		t.Errorf("hidden: %s\nnone: %s", hidden, none)
	}
	if _, body := r.send("GET", "/api/approvals", r.person("dan", "dba"), ""); !strings.Contains(body, "K7QM-2X9D") {
		t.Errorf("listed: %s", body)
	}
	if status, _ := r.send("GET", "/api/approvals?state=maybe", r.person("dan", "dba"), ""); status != 400 {
		t.Errorf("an unknown state: %d", status)
	}
}

func TestReadingTheLogIsInTheLog(t *testing.T) {
	r := newRig(t)
	auditor := r.person("olga", "security")
	status, body := r.send("GET", "/api/audit/entries?limit=10", auditor, "")
	if status != 200 || !strings.Contains(body, "PLANTED") {
		t.Fatalf("%d %s", status, body)
	}
	if _, body := r.send("GET", "/api/audit/entries?bodies=false", auditor, ""); strings.Contains(body, "PLANTED") || !strings.Contains(body, `"kind":"read"`) || !strings.Contains(body, `"olga"`) {
		t.Errorf("%s", body)
	}
	for _, line := range bytes.Split(bytes.TrimSpace([]byte(body)), []byte("\n")) {
		if !json.Valid(line) {
			t.Errorf("not a JSON line: %s", line)
		}
	}
	for _, q := range []string{"since=yesterday", "limit=0", "limit=x"} {
		if status, _ := r.send("GET", "/api/audit/entries?"+q, auditor, ""); status != 400 {
			t.Errorf("%s: %d", q, status)
		}
	}
	if _, body := r.send("GET", "/api/audit/verify", auditor, ""); !strings.Contains(body, `"entries"`) {
		t.Errorf("%s", body)
	}
	if _, body := r.send("POST", "/api/audit/checkpoints", auditor, ""); !strings.Contains(body, "test\\n") {
		t.Errorf("%s", body)
	}
}
