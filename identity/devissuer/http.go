package devissuer

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Client may ask the token endpoint for tokens about itself, with the client-credentials grant (RFC 6749 §4.4), and let people log in
// where it has redirect URIs.
type Client struct {
	Secret    string   // "" means a public client, which gets no tokens about itself
	Redirects []string // exact URIs people may come back to from /authorize
	Subject   string   // sub of its tokens; the client id when ""
	Groups    []string // groups claim
	Scopes    []string // scope claim
	Audiences []string // what it may ask for as resource (RFC 8707) or audience; the first is the default
}

// Handler serves the issuer. Requests for another Host than the issuer's own are refused, so that no web page can reach it by
// giving a name of its own to 127.0.0.1.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", i.discovery)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, i.jwks()) })
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("GET /authorize", i.authorize)
	own, _ := url.Parse(i.url)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		down := i.down
		if r.URL.Path == "/keys" {
			i.fetches++
		}
		i.mu.Unlock()
		switch {
		case down:
			http.Error(w, "down", http.StatusServiceUnavailable)
		case own == nil || r.Host != own.Host:
			http.Error(w, "wrong host", http.StatusForbidden)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// discovery has the fields that OpenID Connect Discovery §3 and MCP clients require.
func (i *Issuer) discovery(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"issuer":                                i.url,
		"jwks_uri":                              i.url + "/keys",
		"authorization_endpoint":                i.url + "/authorize",
		"token_endpoint":                        i.url + "/token",
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 []string{"client_credentials", "authorization_code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "EdDSA"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":      []string{"S256"},
		"claims_supported":                      []string{"sub", "groups", "scope", "client_id"},
	})
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_request")
		return
	}
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749 §2.3.1: form-encoded before it was base64-encoded
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	i.mu.Lock()
	c, ok := i.clients[id]
	i.mu.Unlock()
	code := r.PostForm.Get("grant_type") == "authorization_code"
	if ok && code && c.Secret == "" && secret == "" {
		i.exchange(w, r, id)
		return
	}
	if !ok || c.Secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="devissuer"`)
		oauthError(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	if code {
		i.exchange(w, r, id)
		return
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	audience := r.PostForm.Get("resource")
	if audience == "" {
		audience = r.PostForm.Get("audience")
	}
	if audience == "" && len(c.Audiences) > 0 {
		audience = c.Audiences[0]
	}
	if !slices.Contains(c.Audiences, audience) {
		oauthError(w, http.StatusBadRequest, "invalid_target")
		return
	}
	claims := Claims{"sub": id, "client_id": id, "aud": audience}
	if c.Subject != "" {
		claims["sub"] = c.Subject
	}
	if len(c.Groups) > 0 {
		claims["groups"] = c.Groups
	}
	if len(c.Scopes) > 0 {
		claims["scope"] = strings.Join(c.Scopes, " ")
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, http.StatusOK, map[string]any{
		"access_token": i.MintWith(Header{"typ": "at+jwt"}, claims),
		"token_type":   "Bearer",
		"expires_in":   int(i.lifetime.Seconds()),
	})
}

func oauthError(w http.ResponseWriter, status int, code string) {
	reply(w, status, map[string]string{"error": code})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
