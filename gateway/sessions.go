package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/audit"
	"sallyport/identity"
)

// A session is the gateway's own: (issuer, subject, client, agent), from its first call until it idles, reaches its maximum age, has no
// token left that is good, or somebody ends it. Nothing of it is bound to a connection or to a protocol's session id. What a target
// holds for a session (a role, a connection, a token) is a lease that ends with it, see [SessionEnder].
type session struct {
	ID        string
	principal audit.Principal
	started   time.Time
}

// SessionEnder is a Tool whose targets hold something for a session. EndSession gives it up and returns when it is gone; it is called once the
// session's calls have ended, and may be called for a session it holds nothing for.
type SessionEnder interface {
	EndSession(ctx context.Context, session string) error
}

type sessionKey struct{ issuer, subject, client, agent string }

// lease is an open session. sessions.mu guards it.
type lease struct {
	session
	key     sessionKey
	chain   []string                          // who else acts: see identity.Principal
	turn    chan struct{}                     // holds one token while somebody sees to its end
	seen    time.Time                         // its last call began or ended
	expires time.Time                         // the last of its tokens; zero when a token does not say
	calls   map[*Call]context.CancelCauseFunc // running now
	quiet   chan struct{}                     // closed when the session is ending and no call runs; nil while it is open
	opened  bool                              // its opening is recorded
	why     string                            // it ends; "" while it is open
	targets map[string]struct{}               // it called
	count   int                               // calls so far
}

// sessions is safe for concurrent use; mu guards everything below it.
type sessions struct {
	now       func() time.Time
	idle, max time.Duration

	mu     sync.Mutex
	open   map[sessionKey]*lease
	byID   map[string]*lease // open and ending
	ending map[string]*lease // by id: no call joins them any more, their end is not recorded yet
}

// Why a session ended, in its record.
const (
	whyIdle    = "idle"
	whyAge     = "at its maximum age"
	whyToken   = "its token expired"
	whyStopped = "gateway stopped"
)

var errSessionEnded = errors.New("the session ended")

func newSessions(now func() time.Time, idle, max time.Duration) *sessions {
	return &sessions{now: now, idle: idle, max: max, open: map[sessionKey]*lease{}, byID: map[string]*lease{}, ending: map[string]*lease{}}
}

// join makes call one of its caller's session, which begins with it when there is none. cancel ends the call when the session ends first.
// leave has to be called when the call is over.
func (s *sessions) join(call *Call, cancel context.CancelCauseFunc) (_ session, leave func()) {
	now, p := s.now(), call.Principal
	key := sessionKey{p.Issuer, p.Subject, p.Client, p.Agent}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.open[key]
	if l != nil {
		if p.Expires.After(l.expires) {
			l.expires = p.Expires
		}
		if why := s.over(l, now); why != "" {
			s.end(l, why)
			l = nil
		}
	}
	if l == nil {
		l = &lease{key: key, expires: p.Expires, calls: map[*Call]context.CancelCauseFunc{}, turn: make(chan struct{}, 1), session: session{
			ID: newID(), started: now,
			principal: audit.Principal{Issuer: p.Issuer, Subject: p.Subject, Groups: p.Groups, Agent: p.Agent, Client: p.Client},
		}}
		s.open[key], s.byID[l.ID] = l, l
	}
	for _, actor := range p.Chain {
		if !slices.Contains(l.chain, actor) {
			l.chain = append(l.chain, actor)
		}
	}
	l.seen, l.calls[call] = now, cancel
	l.count++
	return l.session, func() { s.leave(l, call) }
}

func (s *sessions) leave(l *lease, call *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(l.calls, call)
	l.seen = s.now()
	if target := call.knownTarget(); target != "" {
		if l.targets == nil {
			l.targets = map[string]struct{}{}
		}
		l.targets[target] = struct{}{}
	}
	if l.quiet != nil && len(l.calls) == 0 {
		close(l.quiet)
		l.quiet = nil
	}
}

// over says why l has to end now; "" for not yet. A call that runs keeps a session from idling, and from nothing else.
func (s *sessions) over(l *lease, now time.Time) string {
	switch {
	case now.Sub(l.started) >= s.max:
		return whyAge
	case !l.expires.IsZero() && !now.Before(l.expires):
		return whyToken
	case len(l.calls) == 0 && now.Sub(l.seen) >= s.idle:
		return whyIdle
	}
	return ""
}

// end closes l to further calls and cancels those that run. The caller holds mu.
func (s *sessions) end(l *lease, why string) {
	delete(s.open, l.key)
	l.why = why
	s.ending[l.ID] = l
	for _, cancel := range l.calls {
		cancel(fmt.Errorf("%w: %s", errSessionEnded, why))
	}
}

// sweep closes the sessions whose time has come and returns those whose end has to be seen to.
func (s *sessions) sweep() []*lease {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.open {
		if why := s.over(l, now); why != "" {
			s.end(l, why)
		}
	}
	return s.endings()
}

// close closes the sessions that match, and returns those whose end has to be seen to.
func (s *sessions) close(why string, match func(*lease) bool) (n int, _ []*lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.open {
		if match(l) {
			s.end(l, why)
			n++
		}
	}
	return n, s.endings()
}

func (s *sessions) endings() []*lease {
	var all []*lease
	for _, l := range s.ending {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *lease) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// whenQuiet is closed when none of the session's calls runs any more.
func (s *sessions) whenQuiet(l *lease) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(l.calls) == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if l.quiet == nil {
		l.quiet = make(chan struct{})
	}
	return l.quiet
}

func (s *sessions) isGone(l *lease) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending[l.ID] == nil
}

func (s *sessions) gone(l *lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ending, l.ID)
	delete(s.byID, l.ID)
}

// claimOpening reports, once per session, that its opening has to be recorded now.
func (s *sessions) claimOpening(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.byID[id]
	if l == nil || l.opened {
		return false
	}
	l.opened = true
	return true
}

// giveBack undoes claimOpening when the record could not be written.
func (s *sessions) giveBack(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.byID[id]; l != nil {
		l.opened = false
	}
}

// Session is an open session as an operator sees it.
type Session struct {
	ID      string    `json:"id"`
	Issuer  string    `json:"iss"`
	Subject string    `json:"sub"`
	Groups  []string  `json:"groups"`
	Agent   string    `json:"agent"`
	Client  string    `json:"client"`
	Started time.Time `json:"started"`
	Seen    time.Time `json:"seen"`
	Ends    time.Time `json:"ends"` // when it ends by itself if nothing more is called
	Running int       `json:"running"`
	Calls   int       `json:"calls"`
	Targets []string  `json:"targets"`
	State   string    `json:"state"` // open, or ending: calls are being cancelled and credentials revoked
}

// Sessions lists what is open, the oldest first.
func (g *Gateway) Sessions() []Session {
	s := g.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Session{}
	for _, l := range s.open {
		out = append(out, s.view(l))
	}
	for _, l := range s.ending {
		out = append(out, s.view(l))
	}
	slices.SortFunc(out, func(a, b Session) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (s *sessions) view(l *lease) Session {
	p := l.principal
	v := Session{ID: l.ID, Issuer: p.Issuer, Subject: p.Subject, Groups: p.Groups, Agent: p.Agent, Client: p.Client, Started: l.started, Seen: l.seen,
		Running: len(l.calls), Calls: l.count, Targets: []string{}, State: "open"}
	for t := range l.targets {
		v.Targets = append(v.Targets, t)
	}
	slices.Sort(v.Targets)
	if l.why != "" {
		v.State = "ending"
		return v
	}
	v.Ends = l.seen.Add(s.idle)
	if end := l.started.Add(s.max); end.Before(v.Ends) {
		v.Ends = end
	}
	if !l.expires.IsZero() && l.expires.Before(v.Ends) {
		v.Ends = l.expires
	}
	return v
}

// Sweep ends the sessions whose time has come. The server calls it about every second.
func (g *Gateway) Sweep(ctx context.Context) error { return g.finish(ctx, g.sessions.sweep()) }

// EndSession ends one session now: its calls are cancelled, what targets hold for it is given up, and the end is recorded. It returns when all of
// that is done. errNoSession when none of this id is open.
func (g *Gateway) EndSession(ctx context.Context, id, why string) error {
	n, endings := g.sessions.close(why, func(l *lease) bool { return l.ID == id })
	if n == 0 && !slices.ContainsFunc(endings, func(l *lease) bool { return l.ID == id }) {
		return ErrNoSession
	}
	return g.finish(ctx, slices.DeleteFunc(endings, func(l *lease) bool { return l.ID != id }))
}

// ErrNoSession is EndSession's answer for a session that is not open.
var ErrNoSession = errors.New("no such session")

// Leave ends the session of a caller whose client leaves; with idle only when none of its calls runs, because another client may be the
// same caller.
func (g *Gateway) Leave(ctx context.Context, p *identity.Principal, idle bool) error {
	const why = "its client left"
	key := sessionKey{p.Issuer, p.Subject, p.Client, p.Agent}
	_, endings := g.sessions.close(why, func(l *lease) bool { return l.key == key && (!idle || len(l.calls) == 0) })
	return g.finish(ctx, slices.DeleteFunc(endings, func(l *lease) bool { return l.key != key }))
}

// endWithin bounds waiting for calls that were cancelled and for targets that give up what they hold.
const endWithin = 20 * time.Second

// finish sees sessions to their end, each by itself: a target that cannot be reached keeps one session ending, and not the others.
func (g *Gateway) finish(ctx context.Context, endings []*lease) error {
	var all sync.WaitGroup
	errs := make([]error, len(endings))
	for i, l := range endings {
		all.Go(func() { errs[i] = g.finishOne(ctx, l) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (g *Gateway) finishOne(ctx context.Context, l *lease) error {
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	began := g.Now()
	select { // one at a time: the sweep and an operator may be at the same session
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return fmt.Errorf("session %s: it is being ended already: %w", l.ID, ctx.Err())
	}
	if g.sessions.isGone(l) {
		return nil
	}
	select {
	case <-g.sessions.whenQuiet(l):
	case <-ctx.Done():
		return fmt.Errorf("session %s: its calls have not ended: %w", l.ID, ctx.Err())
	}
	w := g.acquire()
	defer w.release()
	done := map[SessionEnder]bool{} // one tool may stand behind several names
	for name, tool := range w.Tools {
		ender, ok := tool.(SessionEnder)
		if !ok || done[ender] {
			continue
		}
		done[ender] = true
		if err := ender.EndSession(ctx, l.ID); err != nil {
			return fmt.Errorf("session %s: %s: %w", l.ID, name, err) // it stays ending, and is tried again
		}
	}
	if l.opened {
		rec := l.record(fmt.Sprintf("session ended: %s; everything was gone after %d ms", l.why, g.Now().Sub(began).Milliseconds()))
		if err := g.Store.Append(ctx, rec); err != nil {
			return err
		}
	}
	g.sessions.gone(l)
	return nil
}

func (s session) record(detail string) audit.Record {
	return audit.Record{Entry: audit.Entry{Kind: audit.KindSession, Session: s.ID, Principal: &s.principal, Detail: detail}}
}
