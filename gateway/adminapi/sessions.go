package adminapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"sallyport/identity"
)

func (s *Server) listSessions(w http.ResponseWriter, _ *http.Request, _ *person) error {
	writeJSON(w, http.StatusOK, s.Gateway.Sessions())
	return nil
}

// endSession answers when everything the session held is gone.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request, p *person) error {
	began := s.Gateway.Now()
	if err := s.Gateway.EndSession(r.Context(), r.PathValue("id"), "ended by operator "+p.Subject); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"id": r.PathValue("id"), "state": "ended", "took_ms": s.Gateway.Now().Sub(began).Milliseconds()})
	return nil
}

func (s *Server) listLocks(w http.ResponseWriter, _ *http.Request, _ *person) error {
	writeJSON(w, http.StatusOK, s.Gateway.Locks())
	return nil
}

// LockRequest is the body of a lock: who, why and for how long.
type LockRequest struct {
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub,omitempty"`
	Agent   string `json:"agent,omitempty"`
	Client  string `json:"client,omitempty"`
	Reason  string `json:"reason"`
	Seconds int    `json:"seconds,omitempty"` // 0: until it is lifted
}

// LockAnswer is the lock and how many sessions it ended.
type LockAnswer struct {
	identity.Lock
	Ended int `json:"ended"`
	// Pending says that some of them are still being ended.
	Pending bool `json:"pending,omitempty"`
}

func (s *Server) lock(w http.ResponseWriter, r *http.Request, p *person) error {
	var b LockRequest
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil || b.Seconds < 0 {
		return errors.Join(errArgument, errors.New(`send {"sub", "agent" or "client": "...", "reason": "...", "seconds": 3600}`))
	}
	l := identity.Lock{Issuer: b.Issuer, Subject: b.Subject, Agent: b.Agent, Client: b.Client, Reason: b.Reason}
	if !l.Names() {
		return errors.Join(errArgument, errors.New("a lock has to name a subject, an agent or a client"))
	}
	if b.Seconds > 0 {
		l.Expires = s.Gateway.Now().Add(time.Duration(b.Seconds) * time.Second).UTC()
	}
	l, err := s.Gateway.Lock(r.Context(), l, p.Principal)
	if err != nil {
		return err
	}
	n, err := s.Gateway.EndLocked(r.Context(), l)
	if err != nil {
		s.Slog.Error("a lock is in force; sessions are still being ended", "lock", l.ID, "err", err)
	}
	writeJSON(w, http.StatusOK, LockAnswer{l, n, err != nil})
	return nil
}

func (s *Server) unlock(w http.ResponseWriter, r *http.Request, p *person) error {
	if err := s.Gateway.Unlock(r.Context(), r.PathValue("id"), p.Principal); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"id": r.PathValue("id"), "state": "lifted"})
	return nil
}
