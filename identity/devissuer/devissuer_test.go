package devissuer_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"sallyport/identity"
	"sallyport/identity/devissuer"
)

const audience = "http://127.0.0.1:7400/mcp"

func start(t *testing.T, o devissuer.Options) *devissuer.Issuer {
	t.Helper()
	iss, err := devissuer.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { iss.Close() })
	return iss
}

func TestAnyOpenIDClientCanUseIt(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			iss := start(t, devissuer.Options{Alg: alg})
			p, err := oidc.NewProvider(t.Context(), iss.URL())
			if err != nil {
				t.Fatal(err)
			}
			var doc struct {
				Challenges []string `json:"code_challenge_methods_supported"`
			}
			if err := p.Claims(&doc); err != nil || len(doc.Challenges) != 1 || doc.Challenges[0] != "S256" {
				t.Errorf("code_challenge_methods_supported: %v, %v", doc.Challenges, err)
			}
			tok, err := p.Verifier(&oidc.Config{ClientID: audience}).Verify(t.Context(), iss.Mint(devissuer.Claims{"aud": audience, "sub": "maria"}))
			if err != nil || tok.Subject != "maria" {
				t.Errorf("got %v, %v", tok, err)
			}
		})
	}
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "[::]:0", "localhost:0", "127.0.0.1", "gateway.example:0"} {
		if iss, err := devissuer.Start(t.Context(), devissuer.Options{Addr: addr}); err == nil {
			iss.Close()
			t.Errorf("%s: started", addr)
		}
	}
	iss := start(t, devissuer.Options{})
	req, err := http.NewRequest(http.MethodGet, iss.URL()+"/keys", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "rebound.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a request for another host was answered with %d", resp.StatusCode)
	}
}

func TestUnknownAlgorithmDoesNotStart(t *testing.T) {
	if _, err := devissuer.Start(t.Context(), devissuer.Options{Alg: "HS256"}); err == nil {
		t.Error("started")
	}
}

type tokenAnswer struct {
	Token string `json:"access_token"`
	Type  string `json:"token_type"`
	Secs  int    `json:"expires_in"`
	Error string `json:"error"`
}

// ask posts form to the token endpoint, authenticated as id when that is not "".
func ask(t *testing.T, iss *devissuer.Issuer, id, secret string, form url.Values) (status int, a tokenAnswer) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, iss.URL()+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		req.SetBasicAuth(id, secret)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, a
}

func TestClientCredentialsGiveATokenTheGatewayAccepts(t *testing.T) {
	iss := start(t, devissuer.Options{Clients: map[string]devissuer.Client{
		"ci": {Secret: "s3cret", Subject: "deploy-bot", Groups: []string{"ci"}, Scopes: []string{"query", "exec"}, Audiences: []string{audience}},
	}})
	status, a := ask(t, iss, "ci", "s3cret", url.Values{"grant_type": {"client_credentials"}, "resource": {audience}})
	if status != http.StatusOK || a.Type != "Bearer" || a.Secs != 600 {
		t.Fatalf("%d %+v", status, a)
	}
	v, err := identity.New(t.Context(), identity.Config{Issuers: []identity.Issuer{{URL: iss.URL(), Audience: audience}}})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	p, err := v.Verify(t.Context(), a.Token, identity.MCP)
	if err != nil || p.Subject != "deploy-bot" || p.Client != "ci" || !p.InGroup("ci") || len(p.Scopes) != 2 {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestTokenEndpointRefuses(t *testing.T) {
	iss := start(t, devissuer.Options{})
	iss.Register("ci", devissuer.Client{Secret: "s3cret", Audiences: []string{audience}})
	iss.Register("public", devissuer.Client{Audiences: []string{audience}})
	good := url.Values{"grant_type": {"client_credentials"}}
	for name, tt := range map[string]struct {
		id, secret string
		form       url.Values
		want       string
	}{
		"wrong secret":            {"ci", "other", good, "invalid_client"},
		"no secret":               {"ci", "", good, "invalid_client"},
		"unknown client":          {"nobody", "s3cret", good, "invalid_client"},
		"client without a secret": {"public", "", good, "invalid_client"},
		"nobody":                  {"", "", good, "invalid_client"},
		"password grant":          {"ci", "s3cret", url.Values{"grant_type": {"password"}}, "unsupported_grant_type"},
		"another audience":        {"ci", "s3cret", url.Values{"grant_type": {"client_credentials"}, "resource": {"http://127.0.0.1:7400/api"}}, "invalid_target"},
	} {
		if status, a := ask(t, iss, tt.id, tt.secret, tt.form); a.Error != tt.want || a.Token != "" || status < 400 {
			t.Errorf("%s: %d %+v, want %s", name, status, a, tt.want)
		}
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"ci"}, "client_secret": {"s3cret"}}
	if status, a := ask(t, iss, "", "", form); status != http.StatusOK || a.Token == "" {
		t.Errorf("credentials in the form: %d %+v", status, a)
	}
}

func TestDownAndRotate(t *testing.T) {
	iss := start(t, devissuer.Options{Lifetime: time.Minute})
	keys := func() (status, n int) {
		resp, err := http.Get(iss.URL() + "/keys")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var set struct{ Keys []json.RawMessage }
		json.NewDecoder(resp.Body).Decode(&set)
		for _, k := range set.Keys {
			if strings.Contains(string(k), `"d":`) {
				t.Fatal("a private key is published")
			}
		}
		return resp.StatusCode, len(set.Keys)
	}
	for _, step := range []struct {
		do     func() error
		status int
		keys   int
	}{
		{func() error { return nil }, http.StatusOK, 1},
		{func() error { return iss.Rotate("", true) }, http.StatusOK, 2},
		{func() error { iss.Down(true); return nil }, http.StatusServiceUnavailable, 0},
		{func() error { iss.Down(false); return iss.Rotate("EdDSA", false) }, http.StatusOK, 1},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if status, n := keys(); status != step.status || n != step.keys {
			t.Errorf("got status %d, %d keys; want %d, %d", status, n, step.status, step.keys)
		}
	}
	if got := iss.Fetches(); got != 4 {
		t.Errorf("Fetches() = %d, want 4", got)
	}
}
