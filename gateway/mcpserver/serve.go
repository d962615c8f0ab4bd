package mcpserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"sallyport/identity"
)

// Why a request was refused before it became a call, besides what Config.ErrorReason says of a token.
const (
	RefusedOrigin         = "origin"
	RefusedNoToken        = "no-token"
	RefusedMalformedToken = "malformed-token"
	RefusedUnavailable    = "identity-provider"
	RefusedMethod         = "http-method"
	RefusedMedia          = "media-type"
	RefusedBody           = "body"
	RefusedTooMany        = "too-many-in-flight"
	RefusedBusy           = "busy"
	RefusedShutdown       = "shutting-down"
	RefusedMessage        = "message"   // not one JSON-RPC message with one reading
	RefusedHeaders        = "headers"   // they contradict the body
	RefusedScope          = "scope"     // the token lacks an OAuth scope
	RefusedTool           = "tool"      // no such tool
	RefusedArguments      = "arguments" // of a tool: not an object, or a key in another letter case
	RefusedTask           = "task"      // about a task: none of this caller, or the client does not take tasks
)

const (
	methodCall      = string(mcp.MethodToolsCall)
	methodCancelled = string(mcp.MethodNotificationCancelled)
	methodListen    = string(mcp.MethodSubscriptionsListen)

	bodyWithin = 30 * time.Second // to read a body
)

func (s *Server) refused(ctx context.Context, p *identity.Principal, tool, reason string) {
	s.cfg.OnRefused(ctx, p, tool, reason)
}

// ServeHTTP takes one request through the checks, in the order in which they cost and in which they trust: who may speak at
// all, before what is said is read.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")

	origin, ok := s.sameSite(r)
	if !ok {
		s.refused(ctx, nil, "", RefusedOrigin)
		fail(w, http.StatusForbidden, nil, http.StatusForbidden, "this Origin or Host is not allowed here")
		return
	}
	if origin != "" {
		crossOrigin(w.Header(), origin)
		if r.Method == http.MethodOptions {
			preflight(w)
			return
		}
	}
	p := s.authenticate(w, r)
	if p == nil {
		return
	}
	if r.Method == http.MethodDelete && s.cfg.EndSession != nil {
		s.endSession(w, r, p)
		return
	}
	if status, reason, message := s.httpShape(r); status != 0 {
		w.Header().Set("Allow", http.MethodPost)
		s.refused(ctx, p, "", reason)
		fail(w, status, nil, status, message)
		return
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fl, why := s.flights.start(callerOf(p), cancel)
	if fl == nil {
		s.refused(ctx, p, "", why)
		s.turnAway(w, why)
		return
	}
	defer s.flights.end(fl)

	body, err := s.readBody(w, r)
	if err != nil {
		status := http.StatusBadRequest
		if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
			status = http.StatusRequestEntityTooLarge
		}
		w.Header().Set("Connection", "close")
		s.refused(ctx, p, "", RefusedBody)
		fail(w, status, nil, status, "the body is too large or incomplete")
		return
	}
	m, err := parse(body)
	if err != nil {
		s.refused(ctx, p, m.name, RefusedMessage)
		fail(w, http.StatusBadRequest, m.id, codeOf(err), err.Error())
		return
	}
	modern, problem := s.era(r.Header, &m)
	if problem != nil {
		s.refused(ctx, p, m.name, RefusedHeaders)
		problem.write(w, http.StatusBadRequest, m.id)
		return
	}
	if !s.permitted(ctx, w, p, &m) {
		return
	}
	if m.id == nil {
		if !modern && m.method == methodCancelled && m.cancels != "" {
			s.flights.cancel(p, m.cancels)
		}
		w.WriteHeader(http.StatusAccepted) // every other notification tells us nothing we act on
		return
	}
	if m.method == methodListen { // nothing here ever changes while the server runs
		status := http.StatusOK
		if modern {
			status = http.StatusNotFound
		}
		fail(w, status, m.id, mcp.METHOD_NOT_FOUND, "there is nothing to subscribe to")
		return
	}
	if !modern {
		s.flights.name(fl, p.Agent, m.idKey)
	}
	if modern && taskMethods[m.method] {
		s.answerTask(ctx, w, s.newCall(ctx, p, &m, r.Header))
		return
	}
	c := s.newCall(ctx, p, &m, r.Header)
	c.tasks = modern && m.tasks
	s.answer(ctx, w, r, c, modern)
}

// endSession answers a client that leaves: what the gateway keeps for this very caller ends now, calls that run included. Nothing in the
// request names a session, so that nobody can end another's.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request, p *identity.Principal) {
	if err := s.cfg.EndSession(r.Context(), p, r.URL.Query().Get("idle") != ""); err != nil {
		s.cfg.Log.Error("a session could not be ended at once; it is tried again", "subject", p.Subject, "err", err)
		fail(w, http.StatusServiceUnavailable, nil, http.StatusServiceUnavailable, "the session is closed; what it holds is still being given up")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// httpShape checks what HTTP says of the message before the message is read; status 0 is fine.
func (s *Server) httpShape(r *http.Request) (status int, reason, message string) {
	if r.Method != http.MethodPost { // no streams to open and no sessions to delete, in either era
		return http.StatusMethodNotAllowed, RefusedMethod, "only POST is served here"
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") || r.Header.Get("Content-Encoding") != "" {
		return http.StatusUnsupportedMediaType, RefusedMedia, "Content-Type must be application/json, not encoded"
	}
	if !accepts(r.Header, "application/json") || !accepts(r.Header, "text/event-stream") {
		return http.StatusNotAcceptable, RefusedMedia, "Accept must list application/json and text/event-stream"
	}
	if r.ContentLength > s.cfg.MaxBody {
		return http.StatusRequestEntityTooLarge, RefusedBody, "the body is too large"
	}
	return 0, "", ""
}

// accepts reports whether the client takes media. No Accept header takes everything.
func accepts(h http.Header, media string) bool {
	values := h["Accept"]
	if len(values) == 0 {
		return true
	}
	family, _, _ := strings.Cut(media, "/")
	for v := range strings.SplitSeq(strings.Join(values, ","), ",") {
		v, params, _ := strings.Cut(v, ";")
		if v = strings.ToLower(strings.TrimSpace(v)); v == media || v == "*/*" || v == family+"/*" {
			q := strings.ReplaceAll(params, " ", "")
			return !slices.Contains([]string{"q=0", "q=0.0", "q=0.00", "q=0.000"}, q)
		}
	}
	return false
}

func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	c := http.NewResponseController(w)
	if c.SetReadDeadline(time.Now().Add(bodyWithin)) == nil {
		defer func() { _ = c.SetReadDeadline(time.Time{}) }() // hanging up is noticed by a read without a deadline
	}
	var b bytes.Buffer
	if r.ContentLength > 0 {
		b.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, s.cfg.MaxBody))
	if err == nil && r.ContentLength > 0 && int64(b.Len()) != r.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

func (s *Server) turnAway(w http.ResponseWriter, why string) {
	status, message := http.StatusServiceUnavailable, "the gateway answers as many requests as it can"
	switch why {
	case RefusedTooMany:
		status, message = http.StatusTooManyRequests, "too many of your requests are being answered"
	case RefusedShutdown:
		message = "the gateway is shutting down"
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Retry-After", "1")
	fail(w, status, nil, status, message)
}

// codeOf is the JSON-RPC code of a parse error.
func codeOf(err error) int {
	switch {
	case errors.Is(err, errSyntax), errors.Is(err, errUTF8), errors.Is(err, errTrailing):
		return mcp.PARSE_ERROR
	case errors.Is(err, errBadParams):
		return mcp.INVALID_PARAMS
	}
	return mcp.INVALID_REQUEST
}
