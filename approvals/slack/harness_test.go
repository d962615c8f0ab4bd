package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/approvals/slack/slackfake"
	"sallyport/audit"
	"sallyport/store"
)

// office is a workspace, a store and a bridge between them; only the counting of a vote is the test's own: the rules of approvals and
// the store's transaction, as in the gateway.
type office struct {
	t       *testing.T
	ws      *slackfake.Workspace
	store   *brittle
	dir     string
	channel slackfake.Channel
	route   Route
	now     func() time.Time

	mu     sync.Mutex
	events map[string]int
	n      int

	stop func()
}

// brittle is a store whose inbox can be made to fail.
type brittle struct {
	*store.Store
	mu   sync.Mutex
	down bool
}

func (b *brittle) KeepInteraction(ctx context.Context, payload []byte) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return false, errors.New("disk full")
	}
	return b.Store.KeepInteraction(ctx, payload)
}

func (b *brittle) setDown(down bool) { b.mu.Lock(); defer b.mu.Unlock(); b.down = down }

func newOffice(t *testing.T, cfg slackfake.Config) *office {
	t.Helper()
	o := &office{t: t, ws: slackfake.Start(t, cfg), dir: filepath.Join(t.TempDir(), "state"), events: map[string]int{}, now: time.Now, stop: func() {}}
	o.channel = o.ws.AddChannel(slackfake.Channel{Name: "approvals", Members: []string{o.ws.BotUser()}})
	o.route = Route{Channel: o.channel.ID, Preview: PreviewFull}
	o.open()
	t.Cleanup(func() { o.stop(); o.store.Close() })
	return o
}

func (o *office) open() {
	o.t.Helper()
	s, err := store.Open(context.Background(), store.Config{Dir: o.dir, Origin: "test", Now: func() time.Time { return o.now() },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), ReplayWindow: time.Minute})
	if err != nil {
		o.t.Fatal(err)
	}
	o.store = &brittle{Store: s}
}

// bridge is the real one; change alters its configuration.
func (o *office) bridge(change func(*Config)) *Bridge {
	o.t.Helper()
	st := o.store
	cfg := Config{
		URL: o.ws.URL(), BotToken: o.ws.BotToken(), AppToken: o.ws.AppToken(), MaxGroupAge: 8 * time.Hour, Store: st,
		Vote: func(ctx context.Context, id string, a Answer) (approvals.Request, error) {
			r, err := st.Approval(ctx, id)
			if err != nil {
				return r, err
			}
			if err := approvals.Eligible(r, a.Voter); err != nil && (a.Yes || !errors.Is(err, approvals.ErrAssurance)) {
				return r, err
			}
			v := approvals.Vote{By: a.Voter.Identity, Name: a.Voter.Name, Yes: a.Yes, Reason: a.Reason, Via: "slack", Digest: a.Digest, Time: o.now()}
			return st.CastVote(ctx, id, v, approvals.Apply, noRecords)
		},
		Route: func(approvals.Request) Route { return o.route },
		Outcome: func(ctx context.Context, call string) (string, error) {
			e, _, err := st.Outcome(ctx, call)
			if err != nil {
				return "", err
			}
			return e.Outcome.Status, nil
		},
		Observe: func(e string) { o.mu.Lock(); defer o.mu.Unlock(); o.events[e]++ },
		Log:     slog.New(slog.NewTextHandler(o.t.Output(), nil)), Now: func() time.Time { return o.now() }, Gap: time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	b, err := New(cfg)
	if err != nil {
		o.t.Fatal(err)
	}
	return b
}

// start runs a bridge until the test, or stop, ends it.
func (o *office) start() { o.run(o.bridge(nil)) }

func (o *office) run(b *Bridge) {
	o.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { b.Run(ctx); close(done) }()
	before := o.stop
	o.stop = sync.OnceFunc(func() { cancel(); <-done; before() })
	if b.AppToken != "" {
		o.must(o.ws.WaitConnections(o.ctx(), 1))
	}
}

// restart ends everything and begins again with what is on disk.
func (o *office) restart() {
	o.t.Helper()
	o.stop()
	o.stop = func() {}
	o.must(o.ws.WaitConnections(o.ctx(), 0))
	o.must(o.store.Close())
	o.open()
	o.start()
}

func (o *office) ctx() context.Context { return o.t.Context() }

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// request opens a request.
func (o *office) request(change func(*approvals.Request)) approvals.Request {
	o.t.Helper()
	o.n++
	r := asked()
	r.ID, r.CallID, r.Code, r.AttachKey = fmt.Sprintf("r%d", o.n), fmt.Sprintf("c%d", o.n), approvals.NewCode(), fmt.Sprintf("k%d", o.n)
	r.Created, r.Expires = o.now(), o.now().Add(time.Hour)
	if change != nil {
		change(&r)
	}
	r.Sign()
	r, _, err := o.store.OpenApproval(context.Background(), r, audit.Record{Entry: audit.Entry{Kind: audit.KindRequest, Call: r.CallID}})
	o.must(err)
	return r
}

func (o *office) get(r approvals.Request) approvals.Request {
	o.t.Helper()
	got, err := o.store.Approval(context.Background(), r.ID)
	o.must(err)
	return got
}

// card waits for the card of a request to say something.
func (o *office) card(r approvals.Request, says string) slackfake.Message {
	o.t.Helper()
	m, err := o.ws.WaitMessage(o.ctx(), o.channel.ID, func(m slackfake.Message) bool {
		return m.ThreadTS == "" && m.Ephemeral == "" && !m.Deleted && strings.Contains(m.Text, r.Code) && strings.Contains(m.VisibleText(), says)
	})
	o.must(err)
	return m
}

// person is a member of the workspace who is linked, with groups.
func (o *office) person(name string, groups ...string) slackfake.User {
	o.t.Helper()
	u := o.ws.AddUser(slackfake.User{Name: name})
	o.ws.Join(o.channel.ID, u.ID)
	o.link(u, name, groups...)
	return u
}

func (o *office) link(u slackfake.User, subject string, groups ...string) {
	o.t.Helper()
	a := approvals.Account{Team: u.TeamID, User: u.ID, Name: u.Name}
	o.must(o.store.StartPairing(context.Background(), "hash of "+u.ID, a, time.Minute))
	l := approvals.Link{Account: a, Identity: approvals.Identity{Issuer: "https://idp", Subject: subject}, Person: subject, Groups: groups}
	o.must(o.store.CompletePairing(context.Background(), "hash of "+u.ID, l, audit.Record{Entry: audit.Entry{Kind: audit.KindConfig}}, "linked"))
}

// click presses a button and waits for the acknowledgement.
func (o *office) click(u slackfake.User, m slackfake.Message, action string) {
	o.t.Helper()
	d, err := o.ws.Click(u.ID, m, action)
	o.must(err)
	out, err := d.Wait(o.ctx())
	o.must(err)
	if !out.Acked || len(out.Problems) > 0 {
		o.t.Fatalf("%s by %s: %+v", action, u.Name, out)
	}
}

// told waits for the n-th message only u sees to say something.
func (o *office) told(u slackfake.User, n int, says string) {
	o.t.Helper()
	m, err := o.ws.WaitEphemeral(o.ctx(), u.ID, n)
	o.must(err)
	if !strings.Contains(m.VisibleText(), says) {
		o.t.Errorf("%s is told %q, want %q", u.Name, m.VisibleText(), says)
	}
}

// thread are the notes under a card.
func (o *office) thread(m slackfake.Message) (notes []string) {
	for _, reply := range o.ws.Messages(o.channel.ID) {
		if reply.ThreadTS == m.TS {
			notes = append(notes, reply.VisibleText())
		}
	}
	return notes
}

// waitThread waits until the thread has a note that says something.
func (o *office) waitThread(m slackfake.Message, says string) {
	o.t.Helper()
	_, err := o.ws.WaitMessage(o.ctx(), o.channel.ID, func(r slackfake.Message) bool { return r.ThreadTS == m.TS && strings.Contains(r.VisibleText(), says) })
	o.must(err)
}

// quiet waits until everything that was received is dealt with.
func (o *office) quiet() {
	o.t.Helper()
	for range 3000 {
		_, ok, err := o.store.ClaimInteraction(context.Background(), time.Nanosecond)
		o.must(err)
		if !ok {
			time.Sleep(20 * time.Millisecond)
			if _, ok, _ = o.store.ClaimInteraction(context.Background(), time.Nanosecond); !ok {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	o.t.Fatal("the inbox never becomes empty")
}

func (o *office) count(event string) int { o.mu.Lock(); defer o.mu.Unlock(); return o.events[event] }

// execute uses an approval up and records an outcome, as the gateway does.
func (o *office) execute(r approvals.Request) {
	o.t.Helper()
	ref := &audit.Approval{ID: r.ID}
	o.must(o.store.ConsumeAndIntend(context.Background(), &approvals.Use{ID: r.ID, Digest: r.Digest}, audit.Record{Entry: audit.Entry{Kind: audit.KindIntent, Call: r.CallID, Approval: ref}}))
	o.must(o.store.Append(context.Background(), audit.Record{Entry: audit.Entry{Kind: audit.KindOutcome, Call: r.CallID, Approval: ref, Outcome: &audit.Outcome{Status: "ok"}}}))
}

// overHTTP serves the bridge's handler; the workspace has to know its address before it starts.
func overHTTP(t *testing.T) (address string, set func(http.Handler)) {
	t.Helper()
	var mu sync.Mutex
	var h http.Handler = http.NotFoundHandler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now := h
		mu.Unlock()
		now.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/slack", func(to http.Handler) { mu.Lock(); defer mu.Unlock(); h = to }
}

func has(notes []string, says string) bool {
	return slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, says) })
}

func noRecords(approvals.Request) []audit.Record { return nil }
