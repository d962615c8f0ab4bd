package mcpserver

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/identity/devissuer"
)

// The official conformance suite has nothing about a server's authorization; this is ours. Every case is tried in both
// eras and with every HTTP method, because a door that only POST guards is open.
func TestWhoIsNotAdmitted(t *testing.T) {
	e := newEndpoint(t, nil)
	now := time.Now()
	other, err := devissuer.Start(t.Context(), devissuer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	good := e.token("ann")
	parts := strings.Split(good, ".")
	tests := []struct {
		name   string
		header string // of Authorization; "" sends none
		query  string
		want   int
	}{
		{"no token", "", "", 401},
		{"another scheme", "Basic YW5uOmFubg==", "", 401},
		{"scheme without a token", "Bearer ", "", 400},
		{"two words", "Bearer " + good + " x", "", 400},
		{"not a token", "Bearer abc", "", 401},
		{"a token in the query as well", "Bearer " + good, "?access_token=" + good, 400},
		{"a token in the query only", "", "?access_token=" + good, 400},
		{"a token in the query, in capitals", "", "?Token=" + good, 400},
		{"bad signature", "Bearer " + parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), "", 401},
		{"no signature", "Bearer " + parts[0] + "." + parts[1] + ".", "", 401},
		{"alg none", "Bearer " + e.issuer.MintWith(devissuer.Header{"alg": "none"}, devissuer.Claims{"aud": audience}), "", 401},
		{"alg HS256", "Bearer " + e.issuer.MintWith(devissuer.Header{"alg": "HS256"}, devissuer.Claims{"aud": audience}), "", 401},
		{"unknown key", "Bearer " + e.issuer.MintWith(devissuer.Header{"kid": "nobody"}, devissuer.Claims{"aud": audience}), "", 401},
		{"another issuer", "Bearer " + other.Mint(devissuer.Claims{"aud": audience}), "", 401},
		{"another issuer's name", "Bearer " + other.Mint(devissuer.Claims{"aud": audience, "iss": e.issuer.URL()}), "", 401},
		{"another audience", "Bearer " + e.token("ann", devissuer.Claims{"aud": "https://gateway.test/api"}), "", 401},
		{"audience with something after it", "Bearer " + e.token("ann", devissuer.Claims{"aud": audience + "/"}), "", 401},
		{"no audience", "Bearer " + e.token("ann", devissuer.Claims{"aud": nil}), "", 401},
		{"expired", "Bearer " + e.token("ann", devissuer.Claims{"iat": now.Add(-20 * time.Minute).Unix(), "exp": now.Add(-10 * time.Minute).Unix()}), "", 401},
		{"not yet valid", "Bearer " + e.token("ann", devissuer.Claims{"nbf": now.Add(10 * time.Minute).Unix()}), "", 401},
		{"no expiry", "Bearer " + e.token("ann", devissuer.Claims{"exp": nil}), "", 401},
		{"valid for a year", "Bearer " + e.token("ann", devissuer.Claims{"exp": now.Add(365 * 24 * time.Hour).Unix()}), "", 401},
		{"no subject", "Bearer " + e.token("ann", devissuer.Claims{"sub": nil, "aud": audience}), "", 0},
		{"an ID token", "Bearer " + e.issuer.MintWith(devissuer.Header{"typ": "JWT"}, devissuer.Claims{"sub": "ann", "aud": "client-of-ann", "nonce": "n", "at_hash": "h"}), "", 401},
	}
	for _, tt := range tests {
		if tt.want == 0 { // the issuer fills in a subject; kept to say that it was thought of
			continue
		}
		for _, v := range eras {
			for _, method := range []string{"POST", "GET", "DELETE", "PUT"} {
				t.Run(tt.name+"/"+v.name+"/"+method, func(t *testing.T) {
					r := request{method: method, path: "/mcp" + tt.query, header: v.headers("tools/list", ""), body: v.body("1", "tools/list", "")}
					if tt.header != "" {
						r.header.Set("Authorization", tt.header)
					}
					a := e.send(r)
					if a.status != tt.want {
						t.Fatalf("status %d, want %d: %s", a.status, tt.want, a)
					}
					if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `resource_metadata="https://gateway.test/.well-known/oauth-protected-resource/mcp"`) {
						t.Errorf("challenge %q does not name the metadata", challenge)
					}
					if strings.Contains(a.body, good) || strings.Contains(a.header.Get("WWW-Authenticate"), good) {
						t.Error("the token is in the answer")
					}
				})
			}
		}
	}
	if n := len(e.gateway.calls()); n != 0 {
		t.Errorf("%d calls reached the gateway", n)
	}
}

func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	e := newEndpoint(t, nil)
	h := eras[0].headers("tools/list", "")
	h["Authorization"] = []string{"Bearer " + e.token("ann"), "Bearer " + e.token("bob")}
	if a := e.send(request{header: h, body: eras[0].body("1", "tools/list", "")}); a.status != 400 {
		t.Errorf("got %s", a)
	}
}

func TestOnlyPostIsServed(t *testing.T) {
	e := newEndpoint(t, nil)
	inBothEras(t, func(t *testing.T, v era) {
		for _, method := range []string{"GET", "DELETE", "PUT", "HEAD"} {
			if a := e.send(request{method: method, token: e.token("ann"), header: v.headers("tools/list", "")}); a.status != 405 || a.header.Get("Allow") != "POST" {
				t.Errorf("%s: %d, Allow %q", method, a.status, a.header.Get("Allow"))
			}
		}
	})
}

func TestMetadataIsAtEveryPlaceClientsLook(t *testing.T) {
	e := newEndpoint(t, func(c *Config) { c.ReadScope, c.WriteScope = "sallyport:read", "sallyport:write" })
	var first string
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"} {
		a := e.send(request{method: "GET", path: path})
		if a.status != 200 {
			t.Fatalf("%s: %s", path, a)
		}
		var doc struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
			Methods  []string `json:"bearer_methods_supported"`
			Scopes   []string `json:"scopes_supported"`
		}
		if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Resource != audience || !slices.Equal(doc.Servers, []string{e.issuer.URL()}) || !slices.Equal(doc.Methods, []string{"header"}) ||
			!slices.Equal(doc.Scopes, []string{"sallyport:read", "sallyport:write"}) {
			t.Errorf("%s: %s", path, a.body)
		}
		if first == "" {
			first = a.body
		} else if first != a.body {
			t.Errorf("%s differs from the other place", path)
		}
	}
	if a := e.send(request{method: "POST", path: "/.well-known/oauth-protected-resource"}); a.status != 405 {
		t.Errorf("POST: %s", a)
	}
}

// A client steps up once, so that the challenge has to name every scope that is needed, and the hierarchy has to hold.
func TestScopeStepUp(t *testing.T) {
	e := newEndpoint(t, func(c *Config) { c.ReadScope, c.WriteScope = "sallyport:read", "sallyport:write" })
	tests := []struct {
		scopes, tool string
		want         int
		challenge    string
	}{
		{"", "query", 403, `scope="sallyport:read"`},
		{"openid", "query", 403, `scope="sallyport:read"`},
		{"sallyport:read", "query", 200, ""},
		{"sallyport:write", "query", 200, ""},
		{"sallyport:read", "query_write", 403, `scope="sallyport:read sallyport:write"`},
		{"", "query_write", 403, `scope="sallyport:read sallyport:write"`},
		{"sallyport:write", "query_write", 200, ""},
		{"sallyport:read sallyport:write", "query_write", 200, ""},
	}
	for _, tt := range tests {
		for _, v := range eras {
			t.Run(tt.scopes+"/"+tt.tool+"/"+v.name, func(t *testing.T) {
				before := len(e.gateway.calls())
				a := e.call(v, e.token("ann", devissuer.Claims{"scope": tt.scopes}), tt.tool, `{"target":"t","sql":"select 1","reason":"r"}`)
				if a.status != tt.want {
					t.Fatalf("status %d, want %d: %s", a.status, tt.want, a)
				}
				if tt.want != 403 {
					return
				}
				challenge := a.header.Get("WWW-Authenticate")
				for _, part := range []string{`error="insufficient_scope"`, tt.challenge, "resource_metadata="} {
					if !strings.Contains(challenge, part) {
						t.Errorf("challenge %q lacks %s", challenge, part)
					}
				}
				if len(e.gateway.calls()) != before {
					t.Error("the call reached the gateway")
				}
			})
		}
	}
}

func TestUnreachableIssuerIsNotABadToken(t *testing.T) {
	e := newEndpoint(t, nil)
	e.issuer.Down(true)
	e.Server.cfg.Unavailable = func(error) bool { return true }
	a := e.call(eras[0], "abc", "query", "{}")
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("got %s", a)
	}
}

func TestRotatedKeysGoOnWorkingAndRemovedOnesDoNot(t *testing.T) {
	e := newEndpoint(t, nil)
	old := e.token("ann")
	if a := e.call(eras[0], old, "query", "{}"); a.status != 200 {
		t.Fatal(a)
	}
	if err := e.issuer.Rotate("RS256", true); err != nil {
		t.Fatal(err)
	}
	if a := e.call(eras[0], e.token("bob"), "query", "{}"); a.status != 200 {
		t.Errorf("a token of the new key: %s", a)
	}
}

// A browser page must not be able to use a person's local gateway, nor to reach it through a rebound name.
func TestOriginAndHost(t *testing.T) {
	e := newEndpoint(t, func(c *Config) { c.AllowedOrigins = []string{"https://console.test"} })
	tests := []struct {
		name         string
		origin, host string
		want         int
	}{
		{"no browser", "", "", 200},
		{"own origin", "https://gateway.test", "", 200},
		{"own origin with its port", "https://gateway.test:443", "", 200},
		{"an allowed one", "https://console.test", "", 200},
		{"foreign", "https://evil.test", "", 403},
		{"own host over plain http", "http://gateway.test", "", 403},
		{"null", "null", "", 403},
		{"own host as a prefix", "https://gateway.test.evil.test", "", 403},
		{"loopback page of another port", "http://127.0.0.1:9", "", 403},
		{"a rebound name", "", "evil.test", 403},
		{"the public name", "", "gateway.test", 200},
		{"loopback on loopback", "", "localhost:7400", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := eras[0].headers("tools/list", "")
			if tt.origin != "" {
				h.Set("Origin", tt.origin)
			}
			if tt.host != "" {
				h.Set("Host", tt.host)
			}
			if a := e.send(request{token: e.token("ann"), header: h, body: eras[0].body("1", "tools/list", "")}); a.status != tt.want {
				t.Errorf("status %d, want %d: %s", a.status, tt.want, a)
			}
		})
	}
	pre := e.send(request{method: "OPTIONS", header: http.Header{"Origin": {"https://console.test"}}})
	if pre.status != http.StatusNoContent || pre.header.Get("Access-Control-Allow-Origin") != "https://console.test" {
		t.Errorf("preflight: %s %v", pre, pre.header)
	}
}
