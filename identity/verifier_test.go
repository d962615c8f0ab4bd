package identity_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/identity"
	"sallyport/identity/devissuer"
)

const (
	mcpAudience = "https://gateway.example/mcp"
	apiAudience = "https://gateway.example/api"
)

// clock is the time that both the issuer and the gateway see.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.ns.Add(int64(d)) }

// at is a NumericDate that far from now.
func (c *clock) at(d time.Duration) int64 { return c.Now().Add(d).Unix() }

func newIssuer(t testing.TB, c *clock, alg string) *devissuer.Issuer {
	t.Helper()
	iss, err := devissuer.Start(t.Context(), devissuer.Options{Alg: alg, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { iss.Close() })
	return iss
}

func configFor(c *clock, issuers ...*devissuer.Issuer) identity.Config {
	cfg := identity.Config{Now: c.Now}
	for _, i := range issuers {
		cfg.Issuers = append(cfg.Issuers, identity.Issuer{URL: i.URL(), Audience: mcpAudience, APIAudience: apiAudience})
	}
	return cfg
}

func newVerifier(t testing.TB, cfg identity.Config) *identity.Verifier {
	t.Helper()
	v, err := identity.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// setup is one issuer and a verifier that believes it.
func setup(t testing.TB) (*clock, *devissuer.Issuer, *identity.Verifier) {
	t.Helper()
	c := newClock()
	iss := newIssuer(t, c, "")
	return c, iss, newVerifier(t, configFor(c, iss))
}

// refused fails the test unless err is want, says nothing about the token, and has the reason's slug.
func refused(t *testing.T, p *identity.Principal, err, want error) {
	t.Helper()
	if p != nil || !errors.Is(err, want) {
		t.Fatalf("got (%v, %v), want refusal %q", p, err, identity.Reason(want))
	}
	if identity.Reason(err) != identity.Reason(want) {
		t.Errorf("reason %q, want %q", identity.Reason(err), identity.Reason(want))
	}
}

func TestVerifiedTokenNamesHumanAgentAndClient(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			c := newClock()
			iss := newIssuer(t, c, alg)
			v := newVerifier(t, configFor(c, iss))
			raw := iss.Mint(devissuer.Claims{
				"sub": "maria", "aud": mcpAudience, "groups": []string{"sre", "dba", "sre"}, "azp": "claude-code",
				"scope": "query exec", "email": "maria@example.com", "name": "Maria", "auth_time": c.at(-time.Minute),
				"act": map[string]any{"sub": "agent-7", "act": map[string]any{"sub": "orchestrator"}},
				"exp": c.at(time.Minute),
			})
			got, err := v.Verify(t.Context(), raw, identity.MCP)
			if err != nil {
				t.Fatal(err)
			}
			want := &identity.Principal{
				Issuer: iss.URL(), Subject: "maria", Groups: []string{"dba", "sre"}, Agent: "agent-7", Client: "claude-code",
				Chain: []string{"agent-7", "orchestrator"}, Scopes: []string{"exec", "query"}, Email: "maria@example.com", Name: "Maria",
				Delegated: true, AuthTime: c.Now().Add(-time.Minute), Expires: c.Now().Add(time.Minute),
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// list is n groups.
func list(n int) []string {
	l := make([]string, n)
	for i := range l {
		l[i] = "g" + strings.Repeat("x", 100)
	}
	return l
}

// tokenCase is one change to an otherwise good token.
type tokenCase struct {
	name    string
	surface identity.Surface // zero: MCP
	header  devissuer.Header
	claims  func(c *clock) devissuer.Claims
	want    error // nil: accepted
}

func fixed(claims devissuer.Claims) func(*clock) devissuer.Claims {
	return func(*clock) devissuer.Claims { return claims }
}

var tokenCases = []tokenCase{
	{name: "good"},
	{name: "at+jwt", header: devissuer.Header{"typ": "at+jwt"}},
	{name: "application/at+jwt", header: devissuer.Header{"typ": "application/at+JWT"}},
	{name: "no typ", header: devissuer.Header{"typ": nil}},
	{name: "no kid", header: devissuer.Header{"kid": nil}},
	{name: "key locations are ignored", header: devissuer.Header{"jku": "http://127.0.0.1:1/keys", "x5u": "file:///etc/passwd"}},

	{name: "alg none", header: devissuer.Header{"alg": "none"}, want: identity.ErrAlgorithm},
	{name: "alg None", header: devissuer.Header{"alg": "None"}, want: identity.ErrAlgorithm},
	{name: "alg HS256", header: devissuer.Header{"alg": "HS256"}, want: identity.ErrAlgorithm},
	{name: "alg PS256", header: devissuer.Header{"alg": "PS256"}, want: identity.ErrAlgorithm},
	{name: "alg missing", header: devissuer.Header{"alg": nil}}, // go-jose puts the real one back
	{name: "alg not a string", header: devissuer.Header{"alg": []string{"ES256"}}, want: identity.ErrAlgorithm},
	{name: "alg of another key type", header: devissuer.Header{"alg": "RS256"}, want: identity.ErrAlgorithm},
	{name: "typ of a logout token", header: devissuer.Header{"typ": "logout+jwt"}, want: identity.ErrClaims},
	{name: "typ of a DPoP proof", header: devissuer.Header{"typ": "dpop+jwt"}, want: identity.ErrClaims},
	{name: "typ not a string", header: devissuer.Header{"typ": 1}, want: identity.ErrMalformed},
	{name: "crit", header: devissuer.Header{"crit": []string{"exp"}, "exp": 1}, want: identity.ErrMalformed},
	{name: "unencoded payload", header: devissuer.Header{"b64": true}, want: identity.ErrMalformed},
	{name: "kid of nobody", header: devissuer.Header{"kid": "other"}, want: identity.ErrSignature},
	{name: "kid climbs", header: devissuer.Header{"kid": "../../../../dev/null"}, want: identity.ErrSignature},
	{name: "kid is a URL", header: devissuer.Header{"kid": "http://127.0.0.1:1/k"}, want: identity.ErrSignature},
	{name: "kid is SQL", header: devissuer.Header{"kid": "x' UNION SELECT 'k"}, want: identity.ErrSignature},
	{name: "kid with NUL", header: devissuer.Header{"kid": "dev-1\x00"}, want: identity.ErrSignature},
	{name: "kid in another case", header: devissuer.Header{"kid": "DEV-1"}, want: identity.ErrSignature},
	{name: "kid not a string", header: devissuer.Header{"kid": 1}, want: identity.ErrMalformed},
	{name: "kid too long", header: devissuer.Header{"kid": strings.Repeat("k", 300)}, want: identity.ErrMalformed},

	{name: "another issuer", claims: fixed(devissuer.Claims{"iss": "https://login.example.com"}), want: identity.ErrIssuer},
	{name: "no issuer", claims: fixed(devissuer.Claims{"iss": nil}), want: identity.ErrIssuer},
	{name: "issuer not a string", claims: fixed(devissuer.Claims{"iss": []string{"x"}}), want: identity.ErrIssuer},

	{name: "aud list", claims: fixed(devissuer.Claims{"aud": []string{"https://login.example.com/userinfo", mcpAudience}})},
	{name: "another audience", claims: fixed(devissuer.Claims{"aud": "https://other.example/mcp"}), want: identity.ErrAudience},
	{name: "no audience", claims: fixed(devissuer.Claims{"aud": nil}), want: identity.ErrAudience},
	{name: "empty audience list", claims: fixed(devissuer.Claims{"aud": []string{}}), want: identity.ErrAudience},
	{name: "audience with a slash more", claims: fixed(devissuer.Claims{"aud": mcpAudience + "/"}), want: identity.ErrAudience},
	{name: "audience as prefix", claims: fixed(devissuer.Claims{"aud": mcpAudience + ".evil.example"}), want: identity.ErrAudience},
	{name: "audience in another case", claims: fixed(devissuer.Claims{"aud": strings.ToUpper(mcpAudience)}), want: identity.ErrAudience},
	{name: "audiences in one string", claims: fixed(devissuer.Claims{"aud": mcpAudience + " other"}), want: identity.ErrAudience},
	{name: "audience an object", claims: fixed(devissuer.Claims{"aud": map[string]any{mcpAudience: true}}), want: identity.ErrAudience},
	{name: "audience list with null", claims: fixed(devissuer.Claims{"aud": []any{mcpAudience, nil}}), want: identity.ErrAudience},
	{name: "both audiences at MCP", claims: fixed(devissuer.Claims{"aud": []string{mcpAudience, apiAudience}}), want: identity.ErrAudience},
	{name: "API audience at MCP", claims: fixed(devissuer.Claims{"aud": apiAudience}), want: identity.ErrAudience},

	{name: "expires now", claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"exp": c.at(0)} }, want: identity.ErrExpired},
	{name: "expired", claims: func(c *clock) devissuer.Claims {
		return devissuer.Claims{"iat": c.at(-time.Hour), "exp": c.at(-time.Second)}
	}, want: identity.ErrExpired},
	{name: "expires in a second", claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"exp": c.at(time.Second)} }},
	{name: "no exp", claims: fixed(devissuer.Claims{"exp": nil}), want: identity.ErrClaims},
	{name: "exp a string", claims: fixed(devissuer.Claims{"exp": "99999999999"}), want: identity.ErrClaims},
	{name: "exp null", claims: fixed(devissuer.Claims{"exp": json.RawMessage("null")}), want: identity.ErrClaims},
	{name: "exp beyond time", claims: fixed(devissuer.Claims{"exp": json.RawMessage("1e300")}), want: identity.ErrClaims},
	{name: "exp beyond numbers", claims: fixed(devissuer.Claims{"exp": json.RawMessage("1e999")}), want: identity.ErrClaims},
	{name: "exp negative", claims: fixed(devissuer.Claims{"exp": -1}), want: identity.ErrClaims},
	{name: "no iat", claims: fixed(devissuer.Claims{"iat": nil}), want: identity.ErrClaims},
	{name: "iat within the leeway", claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"iat": c.at(59 * time.Second)} }},
	{name: "iat in the future", claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"iat": c.at(61 * time.Second)} }, want: identity.ErrNotYetValid},
	{name: "nbf within the leeway", claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"nbf": c.at(59 * time.Second)} }},
	{name: "nbf in the future", claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"nbf": c.at(61 * time.Second)} }, want: identity.ErrNotYetValid},
	{name: "nbf far in the future", claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"nbf": c.at(time.Hour)} }, want: identity.ErrNotYetValid},
	{name: "nbf a string", claims: fixed(devissuer.Claims{"nbf": "now"}), want: identity.ErrClaims},
	{name: "lifetime of an hour", claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"exp": c.at(time.Hour)} }},
	{name: "lifetime of an hour and a second", claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"exp": c.at(time.Hour + time.Second)} }, want: identity.ErrLifetime},
	{name: "long lifetime, nearly over", claims: func(c *clock) devissuer.Claims {
		return devissuer.Claims{"iat": c.at(-24 * time.Hour), "exp": c.at(time.Minute)}
	}, want: identity.ErrLifetime},

	{name: "no sub", claims: fixed(devissuer.Claims{"sub": nil}), want: identity.ErrClaims},
	{name: "empty sub", claims: fixed(devissuer.Claims{"sub": ""}), want: identity.ErrClaims},
	{name: "sub a number", claims: fixed(devissuer.Claims{"sub": 7}), want: identity.ErrClaims},
	{name: "sub too long", claims: fixed(devissuer.Claims{"sub": strings.Repeat("a", 256)}), want: identity.ErrClaims},
	{name: "sub with a line end", claims: fixed(devissuer.Claims{"sub": "maria\nadmin"}), want: identity.ErrClaims},
	{name: "sub with a right-to-left override", claims: fixed(devissuer.Claims{"sub": "maria\u202enimda"}), want: identity.ErrClaims},
	{name: "sub with a zero-width space", claims: fixed(devissuer.Claims{"sub": "maria\u200b"}), want: identity.ErrClaims},
	{name: "sub with a space at the end", claims: fixed(devissuer.Claims{"sub": "maria "}), want: identity.ErrClaims},
	{name: "sub with a lone surrogate", claims: fixed(devissuer.Claims{"sub": json.RawMessage(`"maria\ud800"`)}), want: identity.ErrClaims},
	{name: "sub in other letters", claims: fixed(devissuer.Claims{"sub": "мария|42"})},

	{name: "groups a string", claims: fixed(devissuer.Claims{"groups": "dba"})},
	{name: "groups empty", claims: fixed(devissuer.Claims{"groups": []string{}})},
	{name: "groups null", claims: fixed(devissuer.Claims{"groups": json.RawMessage("null")}), want: identity.ErrClaims},
	{name: "groups an object", claims: fixed(devissuer.Claims{"groups": map[string]bool{"dba": true}}), want: identity.ErrClaims},
	{name: "groups a number", claims: fixed(devissuer.Claims{"groups": 1}), want: identity.ErrClaims},
	{name: "groups with a number", claims: fixed(devissuer.Claims{"groups": []any{"dba", 1}}), want: identity.ErrClaims},
	{name: "groups with null", claims: fixed(devissuer.Claims{"groups": []any{"dba", nil}}), want: identity.ErrClaims},
	{name: "groups nested", claims: fixed(devissuer.Claims{"groups": []any{[]string{"dba"}}}), want: identity.ErrClaims},
	{name: "empty group", claims: fixed(devissuer.Claims{"groups": []string{""}}), want: identity.ErrClaims},
	{name: "group with a control character", claims: fixed(devissuer.Claims{"groups": []string{"dba\x00"}}), want: identity.ErrClaims},
	{name: "groups kept elsewhere", claims: fixed(devissuer.Claims{
		"_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.example/groups"}},
	}), want: identity.ErrClaims},
	{name: "other claims kept elsewhere", claims: fixed(devissuer.Claims{
		"_claim_names": map[string]string{"address": "src1"}, "_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.example/a"}},
	})},
	{name: "hasgroups", claims: fixed(devissuer.Claims{"hasgroups": true}), want: identity.ErrClaims},
	{name: "more than 16 KiB", claims: fixed(devissuer.Claims{"groups": list(200)}), want: identity.ErrMalformed},

	{name: "ID token by nonce", claims: fixed(devissuer.Claims{"nonce": "n"}), want: identity.ErrClaims},
	{name: "ID token by at_hash", claims: fixed(devissuer.Claims{"at_hash": "h"}), want: identity.ErrClaims},
	{name: "ID token by c_hash", claims: fixed(devissuer.Claims{"c_hash": "h"}), want: identity.ErrClaims},
	{name: "ID token by Keycloak's typ", claims: fixed(devissuer.Claims{"typ": "ID"}), want: identity.ErrClaims},
	{name: "refresh token by Keycloak's typ", claims: fixed(devissuer.Claims{"typ": "Refresh"}), want: identity.ErrClaims},
	{name: "access token by Keycloak's typ", claims: fixed(devissuer.Claims{"typ": "Bearer"})},
	{name: "ID token by Cognito's token_use", claims: fixed(devissuer.Claims{"token_use": "id"}), want: identity.ErrClaims},
	{name: "access token by Cognito's token_use", claims: fixed(devissuer.Claims{"token_use": "access"})},
	{name: "ID token of a client", claims: fixed(devissuer.Claims{"aud": "claude-code", "azp": "claude-code"}), want: identity.ErrAudience},
	{name: "logout token", claims: fixed(devissuer.Claims{"events": map[string]any{}}), want: identity.ErrClaims},
	{name: "bound to a key", claims: fixed(devissuer.Claims{"cnf": map[string]string{"jkt": "x"}}), want: identity.ErrClaims},

	{name: "azp and client_id agree", claims: fixed(devissuer.Claims{"azp": "c", "client_id": "c"})},
	{name: "azp and client_id differ", claims: fixed(devissuer.Claims{"azp": "c", "client_id": "d"}), want: identity.ErrClaims},
	{name: "azp empty", claims: fixed(devissuer.Claims{"azp": ""}), want: identity.ErrClaims},
	{name: "azp with a control character", claims: fixed(devissuer.Claims{"azp": "c\t"}), want: identity.ErrClaims},
	{name: "client_id null", claims: fixed(devissuer.Claims{"client_id": json.RawMessage("null")}), want: identity.ErrClaims},
	{name: "act a string", claims: fixed(devissuer.Claims{"act": "agent"}), want: identity.ErrClaims},
	{name: "act null", claims: fixed(devissuer.Claims{"act": json.RawMessage("null")}), want: identity.ErrClaims},
	{name: "act without sub", claims: fixed(devissuer.Claims{"act": map[string]string{"client_id": "x"}}), want: identity.ErrClaims},
	{name: "inner act without sub", claims: fixed(devissuer.Claims{"act": map[string]any{"sub": "a", "act": map[string]any{}}}), want: identity.ErrClaims},
	{name: "agent with a control character", claims: fixed(devissuer.Claims{"act": map[string]any{"sub": "a\x1b[2J"}}), want: identity.ErrClaims},
	{name: "too many actors", claims: fixed(devissuer.Claims{"act": actors(9)}), want: identity.ErrClaims},
	{name: "eight actors", claims: fixed(devissuer.Claims{"act": actors(8)})},
	{name: "scope a number", claims: fixed(devissuer.Claims{"scope": 1}), want: identity.ErrClaims},
	{name: "scope and scp differ", claims: fixed(devissuer.Claims{"scope": "a", "scp": []string{"a", "b"}}), want: identity.ErrClaims},
	{name: "scope and scp agree", claims: fixed(devissuer.Claims{"scope": "b a", "scp": []string{"a", "b"}})},
	{name: "scope with a control character", claims: fixed(devissuer.Claims{"scope": "a\x00"}), want: identity.ErrClaims},
	{name: "auth_time a string", claims: fixed(devissuer.Claims{"auth_time": "today"}), want: identity.ErrClaims},

	{name: "person", surface: identity.API},
	{name: "MCP audience at the API", surface: identity.API, claims: fixed(devissuer.Claims{"aud": mcpAudience}), want: identity.ErrAudience},
	{name: "both audiences at the API", surface: identity.API, claims: fixed(devissuer.Claims{"aud": []string{apiAudience, mcpAudience}}), want: identity.ErrAudience},
	{name: "delegated at the API", surface: identity.API, claims: fixed(devissuer.Claims{"act": map[string]string{"sub": "agent"}}), want: identity.ErrDelegated},
	{name: "act null at the API", surface: identity.API, claims: fixed(devissuer.Claims{"act": json.RawMessage("null")}), want: identity.ErrDelegated},
	{name: "no login at the API", surface: identity.API, claims: fixed(devissuer.Claims{"auth_time": nil}), want: identity.ErrNotInteractive},
	{name: "login at the epoch", surface: identity.API, claims: fixed(devissuer.Claims{"auth_time": 0}), want: identity.ErrNotInteractive},
	{name: "login 12 hours ago", surface: identity.API, claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"auth_time": c.at(-12 * time.Hour)} }, want: identity.ErrNotInteractive},
	{name: "login nearly 12 hours ago", surface: identity.API, claims: func(c *clock) devissuer.Claims {
		return devissuer.Claims{"auth_time": c.at(-12*time.Hour + time.Second)}
	}},
	{name: "login in the future", surface: identity.API, claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"auth_time": c.at(2 * time.Minute)} }, want: identity.ErrNotInteractive},
	{name: "expired at the API", surface: identity.API, claims: func(c *clock) devissuer.Claims { return devissuer.Claims{"exp": c.at(0)} }, want: identity.ErrExpired},
	{name: "no surface", surface: 3, want: identity.ErrAudience},
}

func actors(n int) map[string]any {
	act := map[string]any{"sub": "agent"}
	for range n - 1 {
		act = map[string]any{"sub": "agent", "act": act}
	}
	return act
}

func TestTokens(t *testing.T) {
	for _, tt := range tokenCases {
		t.Run(tt.name, func(t *testing.T) {
			c, iss, v := setup(t)
			claims := devissuer.Claims{"sub": "maria", "aud": mcpAudience, "azp": "claude-code"}
			surface := identity.MCP
			if tt.surface != 0 {
				surface = tt.surface
				claims["aud"], claims["auth_time"] = apiAudience, c.at(-time.Minute)
			}
			if tt.claims != nil {
				for k, val := range tt.claims(c) {
					claims[k] = val
				}
			}
			raw := iss.MintWith(tt.header, claims)
			for range 2 { // the second time from the cache, if it got in
				p, err := v.Verify(t.Context(), raw, surface)
				if tt.want != nil {
					refused(t, p, err, tt.want)
				} else if err != nil {
					t.Fatalf("refused: %v (%s)", err, identity.Reason(err))
				}
			}
		})
	}
}

func TestErrorsNeverQuoteTheToken(t *testing.T) {
	const canary = "Zq7canary"
	for _, tt := range tokenCases {
		if tt.want == nil {
			continue
		}
		c, iss, v := setup(t)
		claims := devissuer.Claims{"sub": canary + "sub", "aud": mcpAudience, "azp": canary, "groups": []string{canary}, "jti": canary}
		if tt.claims != nil {
			for k, val := range tt.claims(c) {
				claims[k] = val
			}
		}
		raw := iss.MintWith(tt.header, claims)
		_, err := v.Verify(t.Context(), raw, max(tt.surface, identity.MCP))
		if err == nil {
			continue
		}
		for _, secret := range append(strings.Split(raw, "."), canary, "evil", "127.0.0.1", "example.com", "dev/null") {
			if secret != "" && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: error quotes %q: %v", tt.name, secret, err)
			}
		}
	}
}
