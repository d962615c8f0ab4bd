package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/identity"
	"sallyport/masking"
	"sallyport/policy"
	"sallyport/store"
	"sallyport/tools"
)

// rig is a gateway with the real store, policy and masking around a tool that only pretends to have a target.
type rig struct {
	*Gateway
	t     *testing.T
	dir   string
	store *store.Store
	tool  *fakeTool
	clock *clock
	wrap  func(Store) Store // what the gateway sees of the store
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), tool: &fakeTool{}, clock: &clock{now: time.Now().UTC().Truncate(time.Millisecond)}, wrap: func(s Store) Store { return s }}
	r.dir += "/state"
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

// start opens the state directory and a gateway over it; stop and start are a restart.
func (r *rig) start() {
	r.t.Helper()
	st, err := store.Open(r.t.Context(), store.Config{Dir: r.dir, Origin: "test", Now: r.clock.Now, Log: slog.New(slog.DiscardHandler), ReplayWindow: 10 * time.Minute})
	if err != nil {
		r.t.Fatal(err)
	}
	r.store = st
	r.Gateway, err = New(r.t.Context(), Config{Store: r.wrap(st), Log: slog.New(slog.DiscardHandler), Now: r.clock.Now,
		SessionIdle: time.Hour, SessionMax: 12 * time.Hour, Replay: 10 * time.Minute, MaxPending: 3}, r.newWorld(nil))
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) stop() {
	if r.store == nil {
		return
	}
	if err := r.Gateway.Close(context.Background()); err != nil {
		r.t.Error(err)
	}
	if err := r.store.Close(); err != nil {
		r.t.Error(err)
	}
	r.store = nil
}

// newWorld is the configuration of every test: production target db for support and root, target hidden for root alone.
func (r *rig) newWorld(change func(*policy.Config)) *World {
	r.t.Helper()
	cfg := policy.Config{
		EvalTimeout: 10 * time.Second,
		Targets:     []policy.TargetInfo{{Name: "db", Kind: "postgres", Environment: "production"}, {Name: "hidden", Kind: "postgres", Environment: "production"}},
		Scopes: []policy.Scope{
			{Name: "support", Who: policy.Who{Groups: []string{"support"}}, Targets: []string{"db"}, Allow: []string{"read", "write"}, Risk: policy.DefaultThresholds,
				Limits: policy.Limits{Rows: 10}, Approval: &policy.Requirement{From: []string{"dba"}, Count: 1, WithinS: 600, Assurance: "chat"}},
			{Name: "root", Who: policy.Who{Groups: []string{"root"}}, Targets: []string{"db", "hidden"}, Allow: []string{"read", "write", "define", "admin"},
				Risk: policy.Thresholds{Ask: 100, Deny: 101}, Approval: &policy.Requirement{From: []string{"dba"}, Count: 1, WithinS: 600, Assurance: "chat"}},
		},
	}
	cfg.Scopes[1].Risk = policy.Thresholds{Ask: 99, Deny: 100}
	if change != nil {
		change(&cfg)
	}
	pol, err := policy.New(r.t.Context(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	mask, err := masking.New(masking.Config{Key: r.store.MaskingKey()})
	if err != nil {
		r.t.Fatal(err)
	}
	names := []string{"query", "query_write"}
	return &World{
		Tools:    map[string]Tool{"query": r.tool, "query_write": r.tool},
		Targets:  map[string]Target{"db": {Kind: "postgres", Environment: "production", Revision: "1", Tools: names}, "hidden": {Kind: "postgres", Environment: "production", Revision: "1", Tools: names}},
		Policy:   pol,
		Masking:  mask,
		Describe: r.tool,
	}
}

// fakeTool understands a statement by its first word, and counts what it is made to do.
type fakeTool struct {
	mu        sync.Mutex
	inspected int
	ran       []string       // statements
	rows      int64          // that a run returns; 0 is one
	limits    tools.Limits   // of the last run
	result    string         // what a run answers, as JSON string content
	objects   []tools.Object // what every call touches; nil: public.orders
	onRun     func(ctx context.Context) error
	onInspect func() error

	endedSessions []string
	endErr        error
	slowEnd       time.Duration
}

type fakeArgs struct{ Target, SQL, Reason string }

func (f *fakeTool) Plan(_ context.Context, args tools.Args) (*tools.Plan, error) {
	var a fakeArgs
	if err := json.Unmarshal(args, &a); err != nil {
		return nil, &tools.ArgError{Field: "arguments", Problem: "is not an object"}
	}
	return &tools.Plan{Tool: "query", Target: a.Target, Reason: a.Reason, Parsed: a.SQL}, nil
}

func (f *fakeTool) Inspect(_ context.Context, p *tools.Plan) (*tools.Facts, error) {
	f.mu.Lock()
	f.inspected++
	onInspect := f.onInspect
	f.mu.Unlock()
	if onInspect != nil {
		if err := onInspect(); err != nil {
			return nil, err
		}
	}
	sql := p.Parsed.(string)
	verb, _, _ := strings.Cut(sql, " ")
	facts := &tools.Facts{Effect: tools.Read, Kinds: []string{verb}, Bounded: true, Summary: verb + "s public.orders", Fingerprint: verb + " $1", Text: sql, Values: strings.Fields(sql), Revision: "1",
		Objects: []tools.Object{{Type: "table", Name: "public.orders", Access: tools.Read}}}
	if f.objects != nil {
		facts.Objects = slices.Clone(f.objects)
	}
	switch verb {
	case "select":
	case "update":
		facts.Effect, facts.Objects[0].Access, facts.Bounded = tools.Write, tools.Write, strings.Contains(sql, "where")
	case "drop":
		facts.Effect, facts.Objects[0].Access = tools.Define, tools.Write
	default:
		facts.Effect, facts.Unknown = tools.Unknown, []tools.Unclear{{Construct: "this"}}
	}
	return facts, nil
}

func (f *fakeTool) Run(ctx context.Context, p *tools.Plan, _ *tools.Facts, ob tools.Obligations) (tools.Result, error) {
	f.mu.Lock()
	f.limits = ob.Limits
	rows := max(f.rows, 1)
	f.ran = append(f.ran, p.Parsed.(string))
	onRun, result := f.onRun, f.result
	f.mu.Unlock()
	if onRun != nil {
		if err := onRun(ctx); err != nil {
			return nil, err
		}
	}
	return &fakeResult{result, rows}, nil
}

func (f *fakeTool) Describe(context.Context, string, string, string) (any, error) {
	return map[string]string{"schema": "public"}, nil
}

func (f *fakeTool) runs() int { f.mu.Lock(); defer f.mu.Unlock(); return len(f.ran) }

type fakeResult struct {
	text string
	rows int64
}

func (r *fakeResult) Render(_ context.Context, m tools.Mask) (*tools.Rendered, error) {
	data := append([]byte(`{"columns":[{"name":"v","type":"text"}],"rows":[["`), m.Text(nil, []byte(r.text))...)
	return &tools.Rendered{Data: append(data, `"]]}`...), Rows: r.rows, Affected: -1, Code: "SELECT 1"}, nil
}

func (r *fakeResult) Close() {}

// who makes a principal; client and agent are the same for all of a subject's calls.
func who(subject string, groups ...string) *identity.Principal {
	return &identity.Principal{Issuer: "https://idp.test", Subject: subject, Groups: groups, Client: "cli", Agent: "agent-of-" + subject}
}

func voter(subject string, groups ...string) approvals.Voter {
	return approvals.Voter{Identity: approvals.Identity{Issuer: "https://idp.test", Subject: subject}, Name: subject, Groups: groups, Assurance: approvals.Chat}
}

// call makes one call and returns its envelope.
func (r *rig) call(p *identity.Principal, tool string, args map[string]any, hold time.Duration) *Envelope {
	r.t.Helper()
	return r.callCtx(r.t.Context(), p, tool, args, hold)
}

func (r *rig) callCtx(ctx context.Context, p *identity.Principal, tool string, args map[string]any, hold time.Duration) *Envelope {
	r.t.Helper()
	b, err := json.Marshal(args)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.raw(ctx, &Request{Principal: p, Tool: tool, Args: b, Hold: hold})
}

func (r *rig) raw(ctx context.Context, req *Request) *Envelope {
	r.t.Helper()
	reply := r.Do(ctx, req)
	var env Envelope
	if err := json.Unmarshal(reply.Structured, &env); err != nil {
		r.t.Fatalf("not an envelope: %s: %v", reply.Structured, err)
	}
	if reply.IsError != (env.Status != statusOK && env.Status != statusLimited) {
		r.t.Errorf("IsError is %v with status %s", reply.IsError, env.Status)
	}
	if env.Executed == "" || reply.Text == "" {
		r.t.Errorf("an answer without executed or text: %s", reply.Structured)
	}
	return &env
}

func read(sql string) map[string]any { return map[string]any{"target": "db", "sql": sql} }
func write(sql string) map[string]any {
	return map[string]any{"target": "db", "sql": sql, "reason": "ticket 7"}
}

// pending is the one open request.
func (r *rig) pending() approvals.Request {
	r.t.Helper()
	all, err := r.store.Approvals(r.t.Context(), approvals.Pending)
	if err != nil || len(all) != 1 {
		r.t.Fatalf("open requests: %v, %v; want one", all, err)
	}
	return all[0]
}

func (r *rig) vote(subject string, yes bool, groups ...string) error {
	req := r.pending()
	_, err := r.Vote(r.t.Context(), req.ID, Answer{Voter: voter(subject, groups...), Digest: req.Digest, Yes: yes, Reason: "because", Via: "cli"})
	return err
}

// entries of the log, oldest first.
func (r *rig) entries() []audit.Entry {
	r.t.Helper()
	var all []audit.Entry
	if err := r.store.Entries(r.t.Context(), audit.Filter{}, func(e audit.Entry, _ *audit.Body) error { all = append(all, e); return nil }, false); err != nil {
		r.t.Fatal(err)
	}
	return all
}

// kinds of the entries about calls, oldest first.
func (r *rig) kinds() string {
	var out []string
	for _, e := range r.entries() {
		if e.Kind != audit.KindSession {
			out = append(out, string(e.Kind))
		}
	}
	return strings.Join(out, " ")
}

func (e *Envelope) code() Code {
	if e.Error == nil {
		return ""
	}
	return e.Error.Code
}

// brokenStore fails where it is told to.
type brokenStore struct {
	Store
	mu                            sync.Mutex
	append, intend, closed, locks bool
}

func (b *brokenStore) PutLock(ctx context.Context, l identity.Lock, rec audit.Record) error {
	b.mu.Lock()
	broken := b.locks
	b.mu.Unlock()
	if broken {
		return errDisk
	}
	return b.Store.PutLock(ctx, l, rec)
}

var errDisk = errors.New("no space left on device")

func (b *brokenStore) set(change func()) { b.mu.Lock(); defer b.mu.Unlock(); change() }

func (b *brokenStore) Append(ctx context.Context, recs ...audit.Record) error {
	b.mu.Lock()
	broken := b.append
	b.mu.Unlock()
	if broken {
		return errDisk
	}
	return b.Store.Append(ctx, recs...)
}

func (b *brokenStore) ConsumeAndIntend(ctx context.Context, use *approvals.Use, rec audit.Record) error {
	b.mu.Lock()
	broken := b.intend
	b.mu.Unlock()
	if broken {
		return errDisk
	}
	return b.Store.ConsumeAndIntend(ctx, use, rec)
}

func (b *brokenStore) Writable() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errDisk
	}
	return b.Store.Writable()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("did not happen: " + what)
}
