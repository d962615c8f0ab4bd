// Package web answers: how does a person without Slack answer a request, or prove once more who he is?
//
// It is a few server-rendered pages behind a login at the identity provider (authorization code with PKCE, state and nonce): the open
// requests, one request with everything to decide on, yes and no. There is no script on them. Who may see and answer what is decided by
// the same rules as for every other way in; a vote carries the digest of the request that the page showed.
//
// Promises: a page of somebody else can neither send a vote (same-site cookies, the Origin header, a sealed token in each form) nor show
// ours in a frame; text of agents is text, with what cannot be seen made visible; nothing is kept in this process, so that every replica can answer
// every request of a browser. A login lasts eight hours, and so do the groups it named.
package web

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sallyport/approvals"
	"sallyport/identity"
)

// Logins logs people in; *identity.Verifier is the implementation.
type Logins interface {
	LoginIssuers() []string
	BeginLogin(issuer, redirect string, fresh bool) (to string, l identity.Login, err error)
	FinishLogin(ctx context.Context, l identity.Login, redirect, state, iss, code string) (*identity.Principal, error)
}

// Requests are the requests for approval. Errors: approvals.ErrNotFound.
type Requests interface {
	Approval(ctx context.Context, idOrCode string) (approvals.Request, error)
	Approvals(ctx context.Context, states ...approvals.State) ([]approvals.Request, error)
}

// Config of the pages. Every field is required.
type Config struct {
	PublicURL string // of the gateway, without a path
	Logins    Logins
	Requests  Requests
	// Vote counts an answer, or says why not with one of approvals' errors.
	Vote func(ctx context.Context, id string, v approvals.Voter, digest string, yes bool, reason string) (approvals.Request, error)
	// Sees reports whether a person may see a request; Answers whether he may answer any.
	Sees    func(*identity.Principal, approvals.Request) bool
	Answers func(*identity.Principal) bool
	// Secret seals cookies and forms. 32 bytes, the same for every replica.
	Secret []byte
	Now    func() time.Time
	Log    *slog.Logger
}

// Server serves the pages below /approvals. Safe for concurrent use.
type Server struct {
	Config
	mux    *http.ServeMux
	origin string // what a browser says our pages come from
	secure bool   // cookies for TLS only
	cookie sealer
	form   sealer
}

//go:embed pages
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"clock": clock, "cell": cell}).ParseFS(files, "pages/*.html"))

// Path is where the pages are; they set cookies for it.
const Path = "/approvals"

// New prepares the pages.
func New(cfg Config) (*Server, error) {
	u, err := url.Parse(cfg.PublicURL)
	if err != nil || u.Host == "" {
		return nil, errors.New("web: the public URL is not scheme://host")
	}
	s := &Server{Config: cfg, mux: http.NewServeMux(), origin: u.Scheme + "://" + u.Host, secure: u.Scheme == "https"}
	for label, to := range map[string]*sealer{"cookie": &s.cookie, "form": &s.form} {
		key, err := hkdf.Key(sha256.New, cfg.Secret, nil, "sallyport approvals page "+label, 32)
		if err != nil {
			return nil, err
		}
		if *to, err = newSealer(key); err != nil {
			return nil, err
		}
	}
	s.mux.HandleFunc("GET "+Path, s.person(s.list))
	s.mux.HandleFunc("GET "+Path+"/{code}", s.person(s.show))
	s.mux.HandleFunc("POST "+Path+"/{code}", s.person(s.answer))
	s.mux.HandleFunc("GET "+Path+"/login", s.login)
	s.mux.HandleFunc("GET "+Path+"/callback", s.callback)
	s.mux.HandleFunc("POST "+Path+"/logout", s.logout)
	s.mux.HandleFunc("GET "+Path+"/style.css", s.style)
	return s, nil
}

// ServeHTTP adds what protects every page: nothing is loaded from elsewhere, framed, sniffed, cached or told to other sites.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if s.secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if r.Method == http.MethodPost && r.Header.Get("Origin") != s.origin {
		s.fail(w, http.StatusForbidden, "This form was not sent by our own page.", "")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	s.mux.ServeHTTP(w, r)
}

// person lets logged-in people through, and sends the others to log in first.
func (s *Server) person(h func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who := s.session(r)
		switch {
		case who != nil:
			h(w, r, who)
		case r.Method == http.MethodGet:
			http.Redirect(w, r, Path+"/login?"+url.Values{"to": {r.URL.Path}}.Encode(), http.StatusSeeOther)
		default: // what was typed is not carried over: the request may have changed by the time he is back
			s.fail(w, http.StatusUnauthorized, "You are no longer logged in. Nothing was counted.", r.URL.Path)
		}
	}
}

func (s *Server) style(w http.ResponseWriter, _ *http.Request) {
	b, _ := files.ReadFile("pages/style.css") // embedded: it is there
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Write(b) // a browser that is gone cannot be told
}

// render writes a page. Everything in data goes through html/template's escaping.
func (s *Server) render(w http.ResponseWriter, status int, page string, data any) {
	var b strings.Builder
	if err := pages.ExecuteTemplate(&b, page, data); err != nil {
		s.Log.Error("approvals page", "page", page, "err", err)
		http.Error(w, "something unexpected happened inside the gateway", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write([]byte(b.String()))
}

// fail is the page that says what went wrong, in our own words; to is where to go on, "" for the list.
func (s *Server) fail(w http.ResponseWriter, status int, message, to string) {
	if to == "" {
		to = Path
	}
	s.render(w, status, "problem.html", map[string]any{"Message": message, "To": to})
}

// clock is a time as people read it. Zero is "".
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// cell is one value of a sample.
func cell(v *string) string {
	if v == nil {
		return "null"
	}
	return approvals.Reveal(*v).Text
}
