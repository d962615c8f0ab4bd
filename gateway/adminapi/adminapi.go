// Package adminapi answers: what may people do with a running gateway, and as whom?
//
// It is the HTTP API under /api/ that the command line uses: approvers answer requests, auditors read the log. It is not MCP
// and nothing of it is reachable over MCP: it has its own token audience, refuses tokens that act for somebody (RFC 8693 act)
// and tokens without a recent interactive login, and every route needs a role. A route added here without a role is
// refused by construction: see Server.route.
package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/gateway"
	"sallyport/identity"
)

// Roles are the groups that may use the API, from the configuration. An empty role is nobody's.
type Roles struct {
	Approver []string // answers requests whose scope names one of his groups
	Operator []string // sees requests and the state of the gateway
	Auditor  []string // reads the log, bodies included
}

// Log is what the API reads of the audit log.
type Log interface {
	Entries(ctx context.Context, f audit.Filter, fn func(audit.Entry, *audit.Body) error, openBodies bool) error
	Append(ctx context.Context, recs ...audit.Record) error
	Verify(ctx context.Context) (*audit.Report, error)
	Checkpoint(ctx context.Context) (string, error)
}

// Config of the API. Every field is required.
type Config struct {
	Gateway *gateway.Gateway
	Log     Log
	Links   Links
	// Verify checks a token for the API's own audience.
	Verify func(ctx context.Context, token string) (*identity.Principal, error)
	Roles  func() Roles // of the configuration in force
	Slog   *slog.Logger
}

// Server serves the API. Safe for concurrent use.
type Server struct {
	Config
	mux *http.ServeMux
}

// person is a verified caller and what he may do.
type person struct {
	*identity.Principal
	roles                       Roles
	approver, operator, auditor bool
}

type role func(p *person) bool

func approver(p *person) bool { return p.approver }
func auditor(p *person) bool  { return p.auditor }
func operator(p *person) bool { return p.operator }

func operatorOrAuditor(p *person) bool { return p.operator || p.auditor }

func anyone(p *person) bool { return p.approver || p.operator || p.auditor }

// New builds the API's routes.
func New(cfg Config) *Server {
	s := &Server{Config: cfg, mux: http.NewServeMux()}
	s.route("GET /api/approvals", anyone, s.listApprovals)
	s.route("GET /api/approvals/{id}", anyone, s.showApproval)
	s.route("POST /api/approvals/{id}/votes", approver, s.vote)
	s.route("POST /api/links", approver, s.pair)
	s.route("POST /api/links/refresh", approver, s.refreshLinks)
	s.route("DELETE /api/links", approver, s.removeLinks)
	s.route("GET /api/audit/entries", auditor, s.entries)
	s.route("GET /api/audit/verify", auditor, s.verify)
	s.route("POST /api/audit/checkpoints", auditor, s.checkpoint)
	s.route("GET /api/sessions", operatorOrAuditor, s.listSessions)
	s.route("POST /api/sessions/{id}/end", operator, s.endSession)
	s.route("GET /api/locks", operatorOrAuditor, s.listLocks)
	s.route("POST /api/locks", operator, s.lock)
	s.route("DELETE /api/locks/{id}", operator, s.unlock)
	return s
}

// Routes lists the patterns that are served, for the test that tries every one with every wrong token.
func Routes() []string {
	return []string{"GET /api/approvals", "GET /api/approvals/{id}", "POST /api/approvals/{id}/votes", "POST /api/links", "POST /api/links/refresh", "DELETE /api/links", "GET /api/audit/entries",
		"GET /api/audit/verify", "POST /api/audit/checkpoints", "GET /api/sessions", "POST /api/sessions/{id}/end", "GET /api/locks", "POST /api/locks", "DELETE /api/locks/{id}"}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

type handler func(w http.ResponseWriter, r *http.Request, p *person) error

// route is the only way to add one: the token first, then the role, then the handler.
func (s *Server) route(pattern string, allowed role, h handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		p, err := s.who(r)
		if err == nil && !allowed(p) {
			err = errRole
		}
		if err == nil {
			r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
			err = h(w, r, p)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Server) who(r *http.Request) (*person, error) {
	if r.Header.Get("Origin") != "" {
		return nil, errOrigin // the API is for command lines; a browser page has no business here
	}
	token, err := identity.BearerToken(r.Header)
	if err != nil {
		return nil, &tokenError{err}
	}
	principal, err := s.Verify(r.Context(), token)
	if err != nil {
		return nil, &tokenError{err}
	}
	roles := s.Roles()
	return &person{
		Principal: principal, roles: roles,
		approver: principal.InGroup(roles.Approver...),
		operator: principal.InGroup(roles.Operator...),
		auditor:  principal.InGroup(roles.Auditor...),
	}, nil
}

var (
	errRole     = errors.New("your groups give you no role for this")
	errOrigin   = errors.New("requests from web pages are refused")
	errArgument = errors.New("argument")
	errExpired  = errors.New("the request has expired")
)

type tokenError struct{ err error }

func (e *tokenError) Error() string { return e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// Problem is the body of every error.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// fail is the one place where an error becomes a status and a sentence.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, p := http.StatusInternalServerError, Problem{Code: "internal", Message: "something unexpected happened inside the gateway"}
	var token *tokenError
	switch {
	case errors.As(err, &token):
		status, p = http.StatusUnauthorized, Problem{"unauthenticated", token.Error() + " (" + identity.Reason(token.err) + ")", "use your own token for the API audience, from a recent login (SALLYPORT_API_TOKEN or --api-token-file); an agent's token does not work here"}
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	case errors.Is(err, errRole), errors.Is(err, errOrigin):
		status, p = http.StatusForbidden, Problem{"forbidden", err.Error(), "roles are groups: see roles in sallyport.yaml"}
	case errors.Is(err, errArgument):
		status, p = http.StatusBadRequest, Problem{"invalid_argument", strings.TrimPrefix(err.Error(), errArgument.Error()+"\n"), ""}
	case errors.Is(err, gateway.ErrNoSession):
		status, p = http.StatusNotFound, Problem{"not_found", err.Error(), "sallyport sessions list shows those that are open"}
	case errors.Is(err, gateway.ErrNoLock):
		status, p = http.StatusNotFound, Problem{"not_found", err.Error(), "sallyport sessions locks shows those in force"}
	case errors.Is(err, approvals.ErrNotFound):
		status, p = http.StatusNotFound, Problem{"not_found", err.Error(), "sallyport approvals list shows the open ones"}
	case errors.Is(err, approvals.ErrSelf), errors.Is(err, approvals.ErrNotEligible):
		status, p = http.StatusForbidden, Problem{"not_eligible", err.Error(), "somebody else from the groups the request names has to answer"}
	case errors.Is(err, approvals.ErrAssurance):
		status, p = http.StatusForbidden, Problem{"assurance", err.Error(), "log in again and answer within five minutes, here with the new token or on the approvals page"}
	case errors.Is(err, approvals.ErrStale), errors.Is(err, approvals.ErrDigest):
		status, p = http.StatusConflict, Problem{"stale", err.Error(), "show the request again and decide on what it says now"}
	case errors.Is(err, approvals.ErrPairing), errors.Is(err, approvals.ErrNoLink):
		status, p = http.StatusNotFound, Problem{"not_linked", err.Error(), "in Slack, send /sallyport link to get a new code"}
	case errors.Is(err, errExpired):
		status, p = http.StatusConflict, Problem{"expired", err.Error(), "the agent has to send its call again"}
	case errors.Is(err, approvals.ErrClosed), errors.Is(err, approvals.ErrVoted):
		status, p = http.StatusConflict, Problem{"closed", err.Error(), ""}
	default:
		s.Slog.Error("admin API", "path", r.URL.Path, "err", err)
	}
	writeJSON(w, status, map[string]Problem{"error": p})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // a client that is gone cannot be told
}

// sees reports whether p may see req at all: see [Roles.Sees].
func (p *person) sees(req approvals.Request) bool { return p.roles.Sees(p.Principal, req) }

// Sees reports whether a person may see a request at all: those who watch see all, an approver sees what he may be asked.
func (r Roles) Sees(p *identity.Principal, req approvals.Request) bool {
	return p.InGroup(r.Operator...) || p.InGroup(r.Auditor...) || slices.ContainsFunc(req.From, func(g string) bool { return p.InGroup(g) })
}

func (p *person) voter(now time.Time) approvals.Voter {
	v := approvals.Voter{Identity: approvals.Identity{Issuer: p.Issuer, Subject: p.Subject}, Name: p.Name, Groups: p.Groups, Delegated: p.Delegated,
		Assurance: approvals.Web} // the token is of a recent login, or it would not have been taken
	if now.Sub(p.AuthTime) < identity.FreshFor {
		v.Assurance = approvals.WebFresh
	}
	return v
}

// auditRead records that the log was read: what was asked for, by whom.
func (s *Server) auditRead(ctx context.Context, p *person, detail string) error {
	return s.Log.Append(ctx, audit.Record{Entry: audit.Entry{
		Kind: audit.KindRead, Detail: detail,
		Principal: &audit.Principal{Issuer: p.Issuer, Subject: p.Subject, Groups: p.Groups, Client: p.Client},
	}})
}

// timeParam reads a query parameter that is RFC 3339 or a duration back from now ("24h").
func timeParam(r *http.Request, name string) (time.Time, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(v); err == nil && d > 0 {
		return time.Now().Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return t, errors.Join(errArgument, errors.New(name+": write 2026-01-31T00:00:00Z or 24h"))
	}
	return t, nil
}
