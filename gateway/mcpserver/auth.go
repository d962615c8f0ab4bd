package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sallyport/identity"
)

// wellKnown is where RFC 9728 puts the metadata of a resource; its path is appended (§3.1).
const wellKnown = "/.well-known/oauth-protected-resource"

// resource is the RFC 9728 metadata of this endpoint. It is the same for everybody and needs no token.
type resource struct {
	document []byte
	path     string // of the resource
	url      string // of the metadata, as challenges name it
}

func newResource(u *url.URL, cfg *Config) resource {
	doc := map[string]any{
		"resource": cfg.ResourceURL, "resource_name": "Sallyport", "authorization_servers": cfg.AuthorizationServers,
		"bearer_methods_supported": []string{"header"},
	}
	if all := scopes(cfg.ReadScope, cfg.WriteScope); len(all) > 0 {
		doc["scopes_supported"] = all
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // strings always marshal
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	return resource{document: b, path: path, url: u.Scheme + "://" + u.Host + wellKnown + path}
}

func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*") // public by definition, and clients in browsers need it
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "max-age=300")
	_, _ = w.Write(s.metadata.document)
}

var (
	errNoToken    = errors.New("no bearer token")
	errBadRequest = errors.New("malformed authorization")
)

// inQuery are parameters a token may be put into by mistake, where logs and proxies would keep it (RFC 6750 §2.3).
var inQuery = []string{"access_token", "token", "id_token", "bearer", "authorization"}

// bearerToken takes the token from the Authorization header, and from nowhere else.
func bearerToken(r *http.Request) (string, error) {
	if r.URL.RawQuery != "" {
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return "", errBadRequest
		}
		for name := range q {
			if slices.Contains(inQuery, strings.ToLower(name)) {
				return "", errBadRequest
			}
		}
	}
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", errNoToken
	}
	if len(values) > 1 {
		return "", errBadRequest
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errNoToken
	}
	token = strings.TrimLeft(token, " ")
	if token == "" || strings.TrimLeft(strings.TrimRight(token, "="), tokenChars) != "" {
		return "", errBadRequest
	}
	return token, nil
}

// tokenChars are the characters of RFC 6750's b64token, without its trailing "=".
const tokenChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/"

// authenticate returns the principal of r, or has answered.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) *identity.Principal {
	token, err := bearerToken(r)
	switch {
	case errors.Is(err, errNoToken):
		s.refused(r.Context(), nil, "", RefusedNoToken)
		s.challenge(w, http.StatusUnauthorized, "", "", s.cfg.ReadScope)
		return nil
	case err != nil:
		s.refused(r.Context(), nil, "", RefusedMalformedToken)
		s.challenge(w, http.StatusBadRequest, "invalid_request", "send one token, in the Authorization header only", s.cfg.ReadScope)
		return nil
	}
	p, err := s.cfg.Verify(r.Context(), token)
	switch {
	case err != nil && s.cfg.Unavailable(err):
		w.Header().Set("Retry-After", "5")
		s.refused(r.Context(), nil, "", RefusedUnavailable)
		fail(w, http.StatusServiceUnavailable, nil, http.StatusServiceUnavailable, "the identity provider cannot be reached, so nobody can be admitted")
		return nil
	case err != nil || p == nil:
		reason := word(s.cfg.ErrorReason(err))
		s.refused(r.Context(), nil, "", reason)
		s.challenge(w, http.StatusUnauthorized, "invalid_token", reason, s.cfg.ReadScope)
		return nil
	}
	mine := *p // the verifier's own is shared and outlives the request
	mine.Token = func() string { return token }
	return &mine
}

// permitted checks the OAuth scopes of p for a call, or has answered with the challenge a client steps up by: all scopes
// that are needed at once.
func (s *Server) permitted(ctx context.Context, w http.ResponseWriter, p *identity.Principal, m *message) bool {
	var missing bool
	need := scopes(s.cfg.ReadScope)
	if t, ok := s.tools[m.name]; ok && m.method == methodCall && t.destructive {
		need = scopes(s.cfg.ReadScope, s.cfg.WriteScope)
	}
	for _, n := range need {
		implied := n == s.cfg.ReadScope && s.cfg.WriteScope != "" && slices.Contains(p.Scopes, s.cfg.WriteScope)
		missing = missing || !implied && !slices.Contains(p.Scopes, n)
	}
	if missing {
		s.refused(ctx, p, m.name, RefusedScope)
		s.challenge(w, http.StatusForbidden, "insufficient_scope", "", strings.Join(need, " "))
	}
	return !missing
}

func scopes(names ...string) []string {
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" })
}

// challenge answers with a WWW-Authenticate header (RFC 6750 §3, RFC 9728 §5.1). Its values are ours or checked: none
// needs escaping.
func (s *Server) challenge(w http.ResponseWriter, status int, code, description, scope string) {
	parts := []string{`resource_metadata="` + s.metadata.url + `"`}
	if code != "" {
		parts = append(parts, `error="`+code+`"`)
	}
	if description != "" {
		parts = append(parts, `error_description="`+description+`"`)
	}
	if scope != "" {
		parts = append(parts, `scope="`+scope+`"`)
	}
	w.Header().Set("WWW-Authenticate", "Bearer "+strings.Join(parts, ", "))
	message := map[int]string{
		http.StatusUnauthorized: "a valid bearer token is required", http.StatusForbidden: "the token lacks a scope",
		http.StatusBadRequest: "malformed authorization",
	}[status]
	fail(w, status, nil, status, message)
}

// word keeps a reason from outside within what a header and a record may hold.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, s)
	if s == "" || len(s) > 64 {
		return "invalid-token"
	}
	return s
}
