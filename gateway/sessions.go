package gateway

import (
	"sync"
	"time"

	"sallyport/audit"
	"sallyport/identity"
)

// A session is the gateway's own: (issuer, subject, client, agent), from its first call until it idles or reaches its
// maximum age. Nothing of it is bound to a connection or to a protocol's session id.
type session struct {
	ID        string
	principal audit.Principal
	started   time.Time
	seen      time.Time
}

type sessionKey struct{ issuer, subject, client, agent string }

// sessions is safe for concurrent use; mu guards everything below it.
type sessions struct {
	now       func() time.Time
	idle, max time.Duration

	mu       sync.Mutex
	open     map[sessionKey]*session
	unopened map[string]bool // ids whose opening is not recorded yet
	over     []session       // ended, the end not recorded yet
	swept    time.Time
}

func newSessions(now func() time.Time, idle, max time.Duration) *sessions {
	return &sessions{now: now, idle: idle, max: max, open: map[sessionKey]*session{}, unopened: map[string]bool{}}
}

// of finds the caller's session or begins one.
func (s *sessions) of(p *identity.Principal) session {
	now := s.now()
	key := sessionKey{p.Issuer, p.Subject, p.Client, p.Agent}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.swept) > s.idle/4 {
		s.sweep(now)
	}
	if have, ok := s.open[key]; ok && !s.ended(have, now) {
		have.seen = now
		return *have
	} else if ok {
		s.end(key, have)
	}
	made := &session{
		ID: newID(), started: now, seen: now,
		principal: audit.Principal{Issuer: p.Issuer, Subject: p.Subject, Groups: p.Groups, Agent: p.Agent, Client: p.Client},
	}
	s.open[key] = made
	s.unopened[made.ID] = true
	return *made
}

func (s *sessions) ended(have *session, now time.Time) bool {
	return now.Sub(have.seen) >= s.idle || now.Sub(have.started) >= s.max
}

func (s *sessions) sweep(now time.Time) {
	s.swept = now
	for key, have := range s.open {
		if s.ended(have, now) {
			s.end(key, have)
		}
	}
}

func (s *sessions) end(key sessionKey, have *session) {
	delete(s.open, key)
	if !s.unopened[have.ID] { // one that was never recorded has no end either
		s.over = append(s.over, *have)
	}
	delete(s.unopened, have.ID)
}

// claimOpening reports, once per session, that its opening has to be recorded now.
func (s *sessions) claimOpening(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unopened[id] {
		return false
	}
	delete(s.unopened, id)
	return true
}

func (s *sessions) takeEnded() []session {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := s.over
	s.over = nil
	return over
}

// giveBack undoes claimOpening and takeEnded when their records could not be written.
func (s *sessions) giveBack(id string, opening bool, over []session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if opening {
		s.unopened[id] = true
	}
	s.over = append(s.over, over...)
}

// endAll ends every session and returns those whose end has to be recorded.
func (s *sessions) endAll() []session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, have := range s.open {
		s.end(key, have)
	}
	over := s.over
	s.over = nil
	return over
}

func (s session) opened() audit.Record { return s.record("session opened") }

func (s session) ended(why string) audit.Record { return s.record("session ended: " + why) }

func (s session) record(detail string) audit.Record {
	return audit.Record{Entry: audit.Entry{Kind: audit.KindSession, Session: s.ID, Principal: &s.principal, Detail: detail}}
}
