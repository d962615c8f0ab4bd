package gateway

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/identity"
	"sallyport/tools"
)

// EndSession of the fake tool.
func (f *fakeTool) EndSession(_ context.Context, session string) error {
	f.mu.Lock()
	f.endedSessions = append(f.endedSessions, session)
	slow, err := f.slowEnd, f.endErr
	f.mu.Unlock()
	time.Sleep(slow)
	return err
}

func (f *fakeTool) ended() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.endedSessions...)
}

// running makes a call that runs until it is cancelled, and returns where its answer will be.
func (r *rig) runningCall(p *identity.Principal) <-chan *Envelope {
	r.t.Helper()
	started := make(chan struct{})
	var once sync.Once
	r.tool.mu.Lock()
	r.tool.onRun = func(ctx context.Context) error {
		once.Do(func() { close(started) })
		<-ctx.Done()
		return ctx.Err()
	}
	r.tool.mu.Unlock()
	answered := make(chan *Envelope, 1)
	go func() { answered <- r.call(p, "query", read("select 1"), 0) }()
	<-started
	return answered
}

func (r *rig) sessionRecords() (details []string) {
	for _, e := range r.entries() {
		if e.Kind == "session" {
			details = append(details, e.Detail)
		}
	}
	return details
}

// Invariant 8: the end of a session cancels what runs, gives up what targets hold, and is recorded when all of it is gone.
func TestEndingASessionEndsAllOfIt(t *testing.T) {
	r := newRig(t)
	answered := r.runningCall(who("ann", "support"))
	open := r.Sessions()
	if len(open) != 1 || open[0].Running != 1 || open[0].Subject != "ann" || open[0].State != "open" {
		t.Fatalf("%+v", open)
	}
	if err := r.EndSession(t.Context(), open[0].ID, "ended by operator paul"); err != nil {
		t.Fatal(err)
	}
	env := <-answered
	if env.Error == nil || env.Error.Reason != "session-ended" || env.Executed != tools.ExecutedNo {
		t.Errorf("%s", marshal(env))
	}
	if ended := r.tool.ended(); len(ended) != 1 || ended[0] != open[0].ID {
		t.Errorf("targets were told of %q", ended)
	}
	if got := r.sessionRecords(); len(got) != 2 || !strings.HasPrefix(got[1], "session ended: ended by operator paul; everything was gone after ") {
		t.Errorf("%q", got)
	}
	if err := r.EndSession(t.Context(), open[0].ID, "again"); !errors.Is(err, ErrNoSession) {
		t.Errorf("%v", err)
	}
	r.tool.mu.Lock()
	r.tool.onRun = nil
	r.tool.mu.Unlock()
	if env := r.call(who("ann", "support"), "query", read("select 1"), 0); env.Status != statusOK || r.Sessions()[0].ID == open[0].ID {
		t.Errorf("the next call begins a new session: %s", marshal(env))
	}
}

// A target that does not give up what it holds keeps its session ending, and it is tried again; nothing says meanwhile that it is gone.
func TestWhatCannotBeGivenUpIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.call(who("ann", "support"), "query", read("select 1"), 0)
	id := r.Sessions()[0].ID
	r.tool.endErr = errors.New("unreachable")
	if err := r.EndSession(t.Context(), id, "test"); err == nil {
		t.Fatal("no error")
	}
	if s := r.Sessions(); len(s) != 1 || s[0].State != "ending" || len(r.sessionRecords()) != 1 {
		t.Errorf("%+v %q", s, r.sessionRecords())
	}
	if env := r.call(who("ann", "support"), "query", read("select 1"), 0); env.Status != statusOK {
		t.Errorf("%s", marshal(env))
	}
	if len(r.Sessions()) != 2 {
		t.Error("a call joined a session that is ending")
	}
	r.tool.mu.Lock()
	r.tool.endErr = nil
	r.tool.mu.Unlock()
	if err := r.Sweep(t.Context()); err != nil || len(r.Sessions()) != 1 || len(r.sessionRecords()) != 3 {
		t.Errorf("%v %+v %q", err, r.Sessions(), r.sessionRecords())
	}
}

func TestWhenSessionsEndByThemselves(t *testing.T) {
	for name, tt := range map[string]struct {
		expires, after time.Duration
		running        bool
		want           string // "" it stays
	}{
		"idle":                       {after: time.Hour, want: whyIdle},
		"not yet":                    {after: 59 * time.Minute},
		"a call that runs is a call": {after: time.Hour, running: true},
		"however busy":               {after: 12 * time.Hour, running: true, want: whyAge},
		"its token expired":          {expires: 10 * time.Minute, after: 10 * time.Minute, want: whyToken},
		"in the middle of a call":    {expires: 10 * time.Minute, after: 10 * time.Minute, running: true, want: whyToken},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := who("ann", "support")
			if tt.expires > 0 {
				p.Expires = r.clock.Now().Add(tt.expires)
			}
			var answered <-chan *Envelope
			if tt.running {
				answered = r.runningCall(p)
			} else {
				r.call(p, "query", read("select 1"), 0)
			}
			r.clock.add(tt.after)
			if err := r.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if open := len(r.Sessions()); open != map[bool]int{true: 1, false: 0}[tt.want == ""] {
				t.Fatalf("%d open", open)
			}
			if tt.want != "" {
				if got := r.tool.ended(); len(got) != 1 {
					t.Errorf("targets were told of %q", got)
				}
			} else if tt.running {
				r.EndSession(t.Context(), r.Sessions()[0].ID, "test is over")
			}
			if answered != nil {
				<-answered
			}
		})
	}
}

// A new token keeps the session that an older one began.
func TestANewTokenKeepsTheSession(t *testing.T) {
	r := newRig(t)
	p := who("ann", "support")
	p.Expires = r.clock.Now().Add(10 * time.Minute)
	r.call(p, "query", read("select 1"), 0)
	r.clock.add(8 * time.Minute)
	later := who("ann", "support")
	later.Expires = r.clock.Now().Add(10 * time.Minute)
	r.call(later, "query", read("select 1"), 0)
	r.call(p, "query", read("select 1"), 0) // the older one is still good, and shortens nothing
	r.clock.add(5 * time.Minute)
	if err := r.Sweep(t.Context()); err != nil || len(r.Sessions()) != 1 || r.Sessions()[0].Calls != 3 {
		t.Errorf("%v %+v", err, r.Sessions())
	}
}

func TestALockKeepsOutAndEndsEverything(t *testing.T) {
	r := newRig(t)
	paul := who("paul", "platform")
	answered := r.runningCall(who("ann", "support"))
	l, err := r.Lock(t.Context(), identity.Lock{Agent: "agent-of-ann", Reason: "it misbehaves"}, paul)
	if err != nil || l.ID == "" {
		t.Fatalf("%+v %v", l, err)
	}
	if n, err := r.EndLocked(t.Context(), l); err != nil || n != 1 {
		t.Fatalf("%d %v", n, err)
	}
	if env := <-answered; env.Error == nil || env.Error.Reason != "session-ended" {
		t.Errorf("%s", marshal(env))
	}
	r.tool.mu.Lock()
	r.tool.onRun = nil
	r.tool.mu.Unlock()
	ran := r.tool.runs()
	locked := func(want bool) {
		t.Helper()
		for _, tool := range []string{"query", "list_targets", "get_call", "explain_access"} {
			env := r.call(who("ann", "support"), tool, map[string]any{}, 0)
			if is := env.Error != nil && env.Error.Reason == "locked"; is != want {
				t.Errorf("%s: locked %v, want %v: %s", tool, is, want, marshal(env))
			}
		}
	}
	locked(true)
	if r.tool.runs() != ran {
		t.Error("it ran")
	}
	if env := r.call(who("bob", "support"), "query", read("select 1"), 0); env.Status != statusOK {
		t.Errorf("another agent: %s", marshal(env))
	}
	r.stop()
	r.start()
	locked(true)
	if err := r.Unlock(t.Context(), l.ID, paul); err != nil {
		t.Fatal(err)
	}
	locked(false)
	if err := r.Unlock(t.Context(), l.ID, paul); !errors.Is(err, ErrNoLock) {
		t.Errorf("%v", err)
	}
	if got := strings.Join(r.sessionRecords(), "|"); !strings.Contains(got, "locked agent agent-of-ann|") || !strings.Contains(got, "|unlocked agent agent-of-ann") {
		t.Errorf("%q", got)
	}
}

// A lock on who acts further back ends what is open through others.
func TestALockOnTheChainEndsItsSessions(t *testing.T) {
	r := newRig(t)
	p := who("ann", "support")
	p.Chain = []string{"agent-of-ann", "planner"}
	r.call(p, "query", read("select 1"), 0)
	r.call(who("bob", "support"), "query", read("select 1"), 0)
	l, err := r.Lock(t.Context(), identity.Lock{Agent: "planner", Reason: "test"}, who("paul", "platform"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.EndLocked(t.Context(), l); err != nil || n != 1 || len(r.Sessions()) != 1 || r.Sessions()[0].Subject != "bob" {
		t.Errorf("%d %v %+v", n, err, r.Sessions())
	}
}

// A lock that is not durable is not in force, and nobody is told that it is.
func TestALockThatCannotBeKept(t *testing.T) {
	r := newRig(t)
	b := r.breakStore()
	b.set(func() { b.locks = true })
	if l, err := r.Lock(t.Context(), identity.Lock{Subject: "ann"}, who("paul", "platform")); err == nil || l.ID != "" || len(r.Locks()) != 0 {
		t.Errorf("%+v %v, in force: %+v", l, err, r.Locks())
	}
}

// The sweep and an operator end the same session: one end, one record.
func TestASessionEndsOnce(t *testing.T) {
	r := newRig(t)
	r.call(who("ann", "support"), "query", read("select 1"), 0)
	id := r.Sessions()[0].ID
	r.tool.mu.Lock()
	r.tool.slowEnd = 50 * time.Millisecond // long enough for the sweeps to find it ending
	r.tool.mu.Unlock()
	var all sync.WaitGroup
	all.Go(func() {
		if err := r.EndSession(t.Context(), id, "test"); err != nil {
			t.Error(err)
		}
	})
	for range 5 {
		all.Go(func() {
			if err := r.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(5 * time.Millisecond)
	}
	all.Wait()
	if got := r.sessionRecords(); len(got) != 2 || len(r.tool.ended()) != 1 {
		t.Errorf("%q, ended %d times", got, len(r.tool.ended()))
	}
}

// Whoever is locked out does not approve either: his account may be somebody else's by now.
func TestWhoIsLockedOutHasNoVote(t *testing.T) {
	r := newRig(t)
	r.call(who("ann", "support"), "query_write", write(bounded), 0)
	if _, err := r.Lock(t.Context(), identity.Lock{Subject: "dan", Reason: "laptop stolen"}, who("paul", "platform")); err != nil {
		t.Fatal(err)
	}
	for _, yes := range []bool{true, false} {
		if err := r.vote("dan", yes, "dba"); !errors.Is(err, approvals.ErrNotEligible) {
			t.Errorf("yes %v: %v", yes, err)
		}
	}
	if err := r.vote("bob", true, "dba"); err != nil {
		t.Error(err)
	}
}
