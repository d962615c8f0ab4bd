package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/approvals"
	"sallyport/audit"
)

// state is what every implementation of the store provides.
type state interface {
	Append(ctx context.Context, recs ...audit.Record) error
	RecoverIntents(ctx context.Context, mk func(intent audit.Entry) audit.Record) (int, error)
	Outcome(ctx context.Context, callID string) (audit.Entry, *audit.Body, error)
	Spent(ctx context.Context, scope, issuer, subject string) ([]audit.Spent, error)
	OpenApproval(ctx context.Context, req approvals.Request, rec audit.Record) (approvals.Request, bool, error)
	ApprovalByKey(ctx context.Context, attachKey string) (approvals.Request, error)
	ApprovalByCall(ctx context.Context, callID string) (approvals.Request, error)
	Approval(ctx context.Context, idOrCode string) (approvals.Request, error)
	Approvals(ctx context.Context, states ...approvals.State) ([]approvals.Request, error)
	CloseApproval(ctx context.Context, id string, from []approvals.State, to approvals.State, rec audit.Record) (approvals.Request, error)
	ConsumeAndIntend(ctx context.Context, use *approvals.Use, intent audit.Record) error
	Watch(id string) (<-chan struct{}, func())
	CastVote(ctx context.Context, id string, v approvals.Vote,
		apply func(approvals.Request, approvals.Vote, time.Time) (approvals.State, error),
		recs func(after approvals.Request) []audit.Record) (approvals.Request, error)
	ExpireApprovals(ctx context.Context, now time.Time, rec func(approvals.Request) audit.Record) ([]approvals.Request, error)
	Entries(ctx context.Context, f audit.Filter, fn func(audit.Entry, *audit.Body) error, openBodies bool) error
	Verify(ctx context.Context) (*audit.Report, error)
	Checkpoint(ctx context.Context) (string, error)
	Writable() error
	Close() error
}

// clock is moved by the test.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func TestSQLiteConforms(t *testing.T) {
	conformance(t, func(t *testing.T, dir string, now func() time.Time) state {
		cfg := config(filepath.Join(dir, "state"))
		cfg.Now = now
		s, err := Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// conformance is what every implementation must pass. open opens the state kept in dir; a second call, after Close, opens the same again.
func conformance(t *testing.T, open func(t *testing.T, dir string, now func() time.Time) state) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, s *suite)
	}{
		{"what was appended is read back", testAppend},
		{"whatever text there is, it verifies", testText},
		{"entries are filtered", testFilter},
		{"a reader sees the log as it was", testSnapshot},
		{"an outcome is found with its body, within the window", testOutcome},
		{"open intents get an outcome once", testRecover},
		{"what records spent is counted with them", testSpent},
		{"a request is read back whole", testRequest},
		{"one open request per key", testAttach},
		{"closing is a compare-and-swap", testCloseApproval},
		{"an approval is used once", testConsumeOnce},
		{"what is not approved is not used", testConsumeRefuses},
		{"votes count people once", testVotes},
		{"concurrent votes are each counted", testConcurrentVotes},
		{"a failed transaction leaves nothing", testFailureLeavesNothing},
		{"time passes", testExpiry},
		{"a change wakes who waits", testWatch},
		{"a cancelled caller is let go", testCancelled},
		{"after close everything refuses", testClosed},
		{"it is all there after reopening", testReopen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &suite{clock: newClock(), dir: t.TempDir()}
			s.open = func() { s.state = open(t, s.dir, s.clock.Now) }
			s.open()
			t.Cleanup(func() { s.state.Close() })
			tt.test(t, s)
			if r, err := s.Verify(ctx); !errors.Is(err, ErrClosed) && (err != nil || len(r.Integrity)+len(r.Authorship) > 0) {
				t.Errorf("the log does not verify: %+v, %v", r, err)
			}
		})
	}
}

type suite struct {
	state
	clock *clock
	dir   string
	open  func() // sets state
	n     int
}

func record(kind audit.Kind, call string) audit.Record {
	return audit.Record{Entry: audit.Entry{Kind: kind, Call: call, Session: "s1", Tool: "query", Target: "db",
		Principal: &audit.Principal{Issuer: "https://idp", Subject: "ann", Agent: "claude"}}}
}

func withBody(r audit.Record, text, result string) audit.Record {
	r.Body = &audit.Body{Text: text, Claim: "because of " + text, Result: []byte(result)}
	return r
}

func outcome(call, result string) audit.Record {
	r := withBody(record(audit.KindOutcome, call), "SELECT 1", result)
	r.Entry.Outcome = &audit.Outcome{Status: "ok", Affected: -1}
	return r
}

// request makes a new request for the call; calls with one name are identical.
func (s *suite) request(call string, count int) approvals.Request {
	s.n++
	r := approvals.Request{
		ID: fmt.Sprintf("req-%d", s.n), Code: approvals.NewCode(), CallID: call, AttachKey: "key of " + call, State: approvals.Pending,
		Tool: "query_write", Target: "db", Environment: "production", Requester: ann, Agent: "claude", Client: "cli", Chain: []string{"claude"},
		Summary: "update 1 row", Text: "UPDATE t SET a = 'planted'", Claim: "the user asked", Risk: 55, Reasons: []string{"writes in production"},
		Impact: &approvals.Impact{Object: "public.t", Rows: approvals.Count{N: 1, Is: approvals.Exact}},
		From:   []string{"dba"}, Count: count, Assurance: "chat", Created: s.clock.Now(), Expires: s.clock.Now().Add(time.Hour),
		Args: []byte(`{"sql":"UPDATE"}`), Revision: approvals.Revisions{Policy: "p", Target: "t", Masking: "m", Facts: "f"},
	}
	r.Sign()
	return r
}

func (s *suite) asked(t *testing.T, call string, count int) approvals.Request {
	t.Helper()
	r, created, err := s.OpenApproval(ctx, s.request(call, count), record(audit.KindRequest, call))
	if err != nil || !created {
		t.Fatalf("OpenApproval = %v, %v", created, err)
	}
	return r
}

func (s *suite) vote(r approvals.Request, who string, yes bool) (approvals.Request, error) {
	v := approvals.Vote{By: approvals.Identity{Issuer: "https://idp", Subject: who}, Name: "Name of " + who, Yes: yes, Reason: "fine", Via: "cli", Digest: r.Digest, Time: s.clock.Now()}
	return s.CastVote(ctx, r.ID, v, approvals.Apply, func(after approvals.Request) []audit.Record {
		return []audit.Record{withBody(record(audit.KindVote, after.CallID), "fine", "")}
	})
}

func (s *suite) approved(t *testing.T, call string) approvals.Request {
	t.Helper()
	r, err := s.vote(s.asked(t, call, 1), "bob", true)
	if err != nil || r.State != approvals.Approved {
		t.Fatalf("vote = %s, %v", r.State, err)
	}
	return r
}

func (s *suite) all(t *testing.T, f audit.Filter) (entries []audit.Entry, bodies []*audit.Body) {
	t.Helper()
	err := s.Entries(ctx, f, func(e audit.Entry, b *audit.Body) error {
		entries, bodies = append(entries, e), append(bodies, b)
		return nil
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	return entries, bodies
}

func (s *suite) count(t *testing.T, kind audit.Kind) int {
	t.Helper()
	entries, _ := s.all(t, audit.Filter{Kind: kind})
	return len(entries)
}

func testAppend(t *testing.T, s *suite) {
	preset := withBody(record(audit.KindDenied, "c1"), "DROP TABLE t", `{"a":1}`)
	preset.Entry.ID, preset.Entry.Seq, preset.Entry.Time, preset.Entry.Body = "mine", 99, time.Unix(1, 0), &audit.BodyRef{Commit: "x"}
	if err := s.Append(ctx, preset, record(audit.KindSession, "")); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(ctx); err != nil {
		t.Error("nothing to append:", err)
	}
	entries, bodies := s.all(t, audit.Filter{})
	if len(entries) != 2 {
		t.Fatalf("%d entries", len(entries))
	}
	for i, e := range entries {
		if e.V != 1 || e.Seq != int64(i) || len(e.ID) != 36 || e.ID == "mine" || !e.Time.Equal(s.clock.Now()) {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	if diff := cmp.Diff(preset.Body, bodies[0]); diff != "" {
		t.Error(diff)
	}
	if bodies[1] != nil || entries[1].Body != nil {
		t.Error("an entry without a body has one")
	}
}

func testText(t *testing.T, s *suite) {
	for i, text := range []string{"ä", "\xff\xfe", "a\x00b", "\x00", "<&>\u2028", "'; DROP TABLE entries; --", strings.Repeat("x", 1<<20)} {
		r := withBody(record(audit.KindOutcome, fmt.Sprint("c", i)), text, text)
		r.Entry.Target, r.Entry.Tool, r.Entry.Detail, r.Entry.Objects = text, text, text, []string{text}
		r.Entry.Principal = &audit.Principal{Subject: text}
		if err := s.Append(ctx, r); err != nil {
			t.Fatalf("%.20q: %v", text, err)
		}
		if entries, bodies := s.all(t, audit.Filter{Call: fmt.Sprint("c", i)}); len(entries) != 1 || bodies[0].Text != text {
			t.Errorf("%.20q: %d entries", text, len(entries))
		}
		if i != 1 { // not UTF-8: what is searched for is not what was recorded
			if entries, _ := s.all(t, audit.Filter{Subject: text, Target: text}); len(entries) != 1 {
				t.Errorf("%.20q: %d entries of that subject", text, len(entries))
			}
		}
	}
}

func testFilter(t *testing.T, s *suite) {
	start := s.clock.Now()
	for i := range 600 { // more than two pages
		r := record(audit.KindOutcome, fmt.Sprint("c", i))
		if i%100 == 7 {
			r.Entry.Target, r.Entry.Detail = "other", "a Rare word"
		}
		if err := s.Append(ctx, r); err != nil {
			t.Fatal(err)
		}
		s.clock.advance(time.Second)
	}
	for _, tt := range []struct {
		name  string
		f     audit.Filter
		n     int
		first int64
	}{
		{"all", audit.Filter{}, 600, 0},
		{"newest", audit.Filter{Limit: 3}, 3, 597},
		{"more than there are", audit.Filter{Limit: 1000}, 600, 0},
		{"newest that match", audit.Filter{Target: "other", Limit: 2}, 2, 407},
		{"text, any case, all words", audit.Filter{Text: "rare WORD"}, 6, 7},
		{"newest with text", audit.Filter{Text: "rare", Limit: 1}, 1, 507},
		{"text is not a pattern", audit.Filter{Text: "r%re"}, 0, 0},
		{"call", audit.Filter{Call: "c300"}, 1, 300},
		{"subject", audit.Filter{Subject: "ann", Limit: 1}, 1, 599},
		{"another subject", audit.Filter{Subject: "bob"}, 0, 0},
		{"kind", audit.Filter{Kind: audit.KindIntent}, 0, 0},
		{"since is included", audit.Filter{Since: start.Add(590 * time.Second)}, 10, 590},
		{"until is not", audit.Filter{Until: start.Add(10 * time.Second)}, 10, 0},
		{"within a millisecond", audit.Filter{Since: start.Add(590*time.Second + 1)}, 9, 591},
	} {
		entries, _ := s.all(t, tt.f)
		if len(entries) != tt.n || tt.n > 0 && entries[0].Seq != tt.first {
			t.Errorf("%s: %d entries, the first %+v; want %d from %d", tt.name, len(entries), entries[:min(1, len(entries))], tt.n, tt.first)
		}
		if !slices.IsSortedFunc(entries, func(a, b audit.Entry) int { return int(a.Seq - b.Seq) }) {
			t.Errorf("%s: out of order", tt.name)
		}
	}
}

func testSnapshot(t *testing.T, s *suite) {
	if err := s.Append(ctx, record(audit.KindConfig, ""), record(audit.KindConfig, "")); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := s.Entries(ctx, audit.Filter{}, func(audit.Entry, *audit.Body) error {
		seen++
		return s.Append(ctx, record(audit.KindRead, "")) // while it is read
	}, false)
	if err != nil || seen != 2 {
		t.Errorf("saw %d entries, %v; want the 2 there were", seen, err)
	}
	boom := errors.New("boom")
	if err := s.Entries(ctx, audit.Filter{}, func(audit.Entry, *audit.Body) error { return boom }, false); !errors.Is(err, boom) {
		t.Errorf("the reader's error became %v", err)
	}
}

func testOutcome(t *testing.T, s *suite) {
	if _, _, err := s.Outcome(ctx, "c1"); !errors.Is(err, audit.ErrNotFound) {
		t.Errorf("unknown call: %v", err)
	}
	if err := s.Append(ctx, record(audit.KindDenied, "c0"), record(audit.KindConfig, "")); err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"c0", ""} {
		if _, _, err := s.Outcome(ctx, call); !errors.Is(err, audit.ErrNotFound) {
			t.Errorf("call %q has no outcome: %v", call, err)
		}
	}
	if err := s.Append(ctx, outcome("c1", `{"rows":1}`)); err != nil {
		t.Fatal(err)
	}
	e, b, err := s.Outcome(ctx, "c1")
	if err != nil || e.Outcome.Status != "ok" || b == nil || string(b.Result) != `{"rows":1}` {
		t.Fatalf("Outcome = %+v, %+v, %v", e, b, err)
	}
	s.clock.advance(time.Hour + time.Second)
	if e, b, err := s.Outcome(ctx, "c1"); err != nil || b != nil || e.Call != "c1" {
		t.Errorf("after the window: %+v, %v", b, err)
	}
}

func unknown(intent audit.Entry) audit.Record {
	r := record(audit.KindOutcome, intent.Call)
	r.Entry.Outcome = &audit.Outcome{Status: "unknown"}
	return r
}

func testRecover(t *testing.T, s *suite) {
	for _, call := range []string{"c1", "c2", "c3"} {
		if err := s.ConsumeAndIntend(ctx, nil, record(audit.KindIntent, call)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ConsumeAndIntend(ctx, nil, record(audit.KindIntent, "c1")); err == nil {
		t.Error("a call that is being executed got a second intent")
	}
	if err := s.Append(ctx, outcome("c2", "{}")); err != nil {
		t.Fatal(err)
	}
	if n, err := s.RecoverIntents(ctx, unknown); n != 0 || err != nil {
		t.Errorf("calls of this run were recovered: %d, %v", n, err)
	}
	r, err := s.Verify(ctx)
	if err != nil || !r.OK() || !slices.Equal(r.OpenIntents, []string{"c1", "c3"}) {
		t.Errorf("running calls: %+v, %v", r, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.open()
	if r, err := s.Verify(ctx); err != nil || len(r.Completeness) != 2 {
		t.Errorf("intents of an earlier run are not reported: %+v, %v", r, err)
	}
	bad := func(intent audit.Entry) audit.Record { return record(audit.KindDenied, intent.Call) }
	if _, err := s.RecoverIntents(ctx, bad); err == nil {
		t.Error("recovered with something that is no outcome")
	}
	if n, err := s.RecoverIntents(ctx, unknown); n != 2 || err != nil {
		t.Errorf("recovered %d, %v; want 2", n, err)
	}
	if n, err := s.RecoverIntents(ctx, unknown); n != 0 || err != nil {
		t.Errorf("recovered again: %d, %v", n, err)
	}
	if e, _, err := s.Outcome(ctx, "c3"); err != nil || e.Outcome.Status != "unknown" {
		t.Errorf("outcome of c3: %+v, %v", e, err)
	}
	if r, err := s.Verify(ctx); err != nil || !r.OK() || len(r.OpenIntents) != 0 {
		t.Errorf("after recovery: %+v, %v", r, err)
	}
}

func testRequest(t *testing.T, s *suite) {
	want := s.request("c1", 2)
	if _, _, err := s.OpenApproval(ctx, want, record(audit.KindRequest, "c1")); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() (approvals.Request, error){
		"by key":  func() (approvals.Request, error) { return s.ApprovalByKey(ctx, want.AttachKey) },
		"by call": func() (approvals.Request, error) { return s.ApprovalByCall(ctx, "c1") },
		"by id":   func() (approvals.Request, error) { return s.Approval(ctx, want.ID) },
		"by code": func() (approvals.Request, error) { return s.Approval(ctx, want.Code) },
		"by code, as people": func() (approvals.Request, error) {
			return s.Approval(ctx, strings.ToLower(strings.ReplaceAll(want.Code, "-", "")))
		},
		"in the list": func() (approvals.Request, error) {
			list, err := s.Approvals(ctx, approvals.Pending)
			if err != nil || len(list) != 1 {
				return approvals.Request{}, fmt.Errorf("%d, %w", len(list), err)
			}
			return list[0], nil
		},
	} {
		got, err := read()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	for name, read := range map[string]func() (approvals.Request, error){
		"by key":  func() (approvals.Request, error) { return s.ApprovalByKey(ctx, "x") },
		"by call": func() (approvals.Request, error) { return s.ApprovalByCall(ctx, "x") },
		"by id":   func() (approvals.Request, error) { return s.Approval(ctx, "x") },
		"by none": func() (approvals.Request, error) { return s.Approval(ctx, "") },
	} {
		if _, err := read(); !errors.Is(err, approvals.ErrNotFound) {
			t.Errorf("%s, unknown: %v", name, err)
		}
	}
	if list, err := s.Approvals(ctx, approvals.Denied, approvals.Consumed); err != nil || len(list) != 0 {
		t.Errorf("other states: %v, %v", list, err)
	}
	for name, spoil := range map[string]func(*approvals.Request){
		"no digest": func(r *approvals.Request) { r.Digest = "" }, "no key": func(r *approvals.Request) { r.AttachKey = "" },
		"approved from the start": func(r *approvals.Request) { r.State = approvals.Approved },
		"votes from the start":    func(r *approvals.Request) { r.Votes = []approvals.Vote{{Yes: true}} },
	} {
		r := s.request("c2", 1)
		spoil(&r)
		if _, _, err := s.OpenApproval(ctx, r, record(audit.KindRequest, "c2")); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func testAttach(t *testing.T, s *suite) {
	var ids sync.Map
	var created atomic.Int32
	reqs := make([]approvals.Request, 16)
	for i := range reqs {
		reqs[i] = s.request("c1", 1)
	}
	var wg sync.WaitGroup
	for _, r := range reqs {
		wg.Go(func() {
			got, mine, err := s.OpenApproval(ctx, r, record(audit.KindRequest, "c1"))
			if err != nil {
				t.Error(err)
			}
			if mine {
				created.Add(1)
			}
			ids.Store(got.ID, true)
		})
	}
	wg.Wait()
	n := 0
	ids.Range(func(any, any) bool { n++; return true })
	if created.Load() != 1 || n != 1 || s.count(t, audit.KindRequest) != 1 {
		t.Errorf("%d created, %d ids, %d entries; want one", created.Load(), n, s.count(t, audit.KindRequest))
	}
	s.clock.advance(2 * time.Hour) // the first is over, though nobody closed it yet
	second := s.asked(t, "c1", 1)
	if got, err := s.ApprovalByKey(ctx, second.AttachKey); err != nil || got.ID != second.ID {
		t.Errorf("the newest for the key is %s, %v; want %s", got.ID, err, second.ID)
	}
}

func testCloseApproval(t *testing.T, s *suite) {
	r := s.asked(t, "c1", 1)
	open := []approvals.State{approvals.Pending, approvals.Approved}
	if got, err := s.CloseApproval(ctx, r.ID, []approvals.State{approvals.Approved}, approvals.Stale, record(audit.KindApproval, "c1")); !errors.Is(err, approvals.ErrClosed) || got.State != approvals.Pending {
		t.Errorf("from another state: %s, %v", got.State, err)
	}
	s.clock.advance(time.Minute)
	got, err := s.CloseApproval(ctx, r.ID, open, approvals.Cancelled, record(audit.KindApproval, "c1"))
	if err != nil || got.State != approvals.Cancelled || !got.Decided.Equal(s.clock.Now()) {
		t.Errorf("%s %s, %v", got.State, got.Decided, err)
	}
	if got, err := s.CloseApproval(ctx, r.ID, open, approvals.Stale, record(audit.KindApproval, "c1")); !errors.Is(err, approvals.ErrClosed) || got.State != approvals.Cancelled {
		t.Errorf("twice: %s, %v", got.State, err)
	}
	if _, err := s.CloseApproval(ctx, "x", open, approvals.Stale, record(audit.KindApproval, "c1")); !errors.Is(err, approvals.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	for _, to := range []approvals.State{approvals.Pending, approvals.Approved, approvals.Consumed} {
		if _, err := s.CloseApproval(ctx, r.ID, open, to, record(audit.KindApproval, "c1")); err == nil {
			t.Errorf("closed to %s", to)
		}
	}
	if _, err := s.CloseApproval(ctx, r.ID, []approvals.State{approvals.Cancelled}, approvals.Stale, record(audit.KindApproval, "c1")); err == nil {
		t.Error("moved a closed request")
	}
	if n := s.count(t, audit.KindApproval); n != 1 {
		t.Errorf("%d entries for one close", n)
	}
}

func testConsumeOnce(t *testing.T, s *suite) {
	r := s.approved(t, "c1")
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			switch err := s.ConsumeAndIntend(ctx, &approvals.Use{ID: r.ID, Digest: r.Digest}, record(audit.KindIntent, "c1")); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, approvals.ErrNotApproved) && !errors.Is(err, approvals.ErrClosed):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 99 || s.count(t, audit.KindIntent) != 1 {
		t.Errorf("%d won, %d lost, %d intents; want 1, 99, 1", won.Load(), lost.Load(), s.count(t, audit.KindIntent))
	}
	if got, err := s.Approval(ctx, r.ID); err != nil || got.State != approvals.Consumed {
		t.Errorf("state %s, %v", got.State, err)
	}
}

func testConsumeRefuses(t *testing.T, s *suite) {
	intent := func(call string) audit.Record { return record(audit.KindIntent, call) }
	pending := s.asked(t, "c1", 1)
	denied, err := s.vote(s.asked(t, "c2", 1), "bob", false)
	if err != nil {
		t.Fatal(err)
	}
	stale := s.approved(t, "c3")
	if _, err := s.CloseApproval(ctx, stale.ID, []approvals.State{approvals.Approved}, approvals.Stale, record(audit.KindApproval, "c3")); err != nil {
		t.Fatal(err)
	}
	good := s.approved(t, "c4")
	for name, tt := range map[string]struct {
		use  approvals.Use
		want error
	}{
		"pending":          {approvals.Use{ID: pending.ID, Digest: pending.Digest}, approvals.ErrNotApproved},
		"denied":           {approvals.Use{ID: denied.ID, Digest: denied.Digest}, approvals.ErrClosed},
		"stale":            {approvals.Use{ID: stale.ID, Digest: stale.Digest}, approvals.ErrStale},
		"another digest":   {approvals.Use{ID: good.ID, Digest: pending.Digest}, approvals.ErrStale},
		"no digest":        {approvals.Use{ID: good.ID}, approvals.ErrStale},
		"no such approval": {approvals.Use{ID: "x", Digest: good.Digest}, approvals.ErrNotApproved},
	} {
		if err := s.ConsumeAndIntend(ctx, &tt.use, intent("c9")); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	for name, bad := range map[string]audit.Record{"no call": intent(""), "not an intent": record(audit.KindOutcome, "c4")} {
		if err := s.ConsumeAndIntend(ctx, &approvals.Use{ID: good.ID, Digest: good.Digest}, bad); err == nil {
			t.Errorf("%s: consumed", name)
		}
	}
	s.clock.advance(time.Hour) // exactly the expiry
	if err := s.ConsumeAndIntend(ctx, &approvals.Use{ID: good.ID, Digest: good.Digest}, intent("c4")); !errors.Is(err, approvals.ErrNotApproved) || !errors.Is(err, approvals.ErrClosed) {
		t.Errorf("expired: %v", err)
	}
	if n := s.count(t, audit.KindIntent); n != 0 {
		t.Errorf("%d intents", n)
	}
}

func testVotes(t *testing.T, s *suite) {
	r := s.asked(t, "c1", 2)
	if got, err := s.vote(r, "bob", true); err != nil || got.State != approvals.Pending || len(got.Votes) != 1 {
		t.Fatalf("first: %s, %v", got.State, err)
	}
	if got, err := s.vote(r, "bob", true); !errors.Is(err, approvals.ErrVoted) || len(got.Votes) != 1 {
		t.Errorf("same person: %+v, %v", got, err)
	}
	always := func(approvals.Request, approvals.Vote, time.Time) (approvals.State, error) {
		return approvals.Approved, nil
	}
	_, err := s.CastVote(ctx, r.ID, approvals.Vote{By: approvals.Identity{Issuer: "https://idp", Subject: "bob"}, Yes: true}, always, nil)
	if !errors.Is(err, approvals.ErrVoted) {
		t.Errorf("a rule that forgets: %v", err)
	}
	other := r
	other.Digest = "another"
	if _, err := s.vote(other, "cat", true); !errors.Is(err, approvals.ErrDigest) {
		t.Errorf("another digest: %v", err)
	}
	s.clock.advance(time.Minute)
	got, err := s.vote(r, "cat", true)
	if err != nil || got.State != approvals.Approved || !got.Decided.Equal(s.clock.Now()) || got.Yes() != 2 {
		t.Errorf("second: %+v, %v", got, err)
	}
	if _, err := s.vote(r, "dan", true); !errors.Is(err, approvals.ErrClosed) {
		t.Errorf("late: %v", err)
	}
	read, err := s.Approval(ctx, r.ID)
	if diff := cmp.Diff(got, read); err != nil || diff != "" {
		t.Errorf("read back: %v %s", err, diff)
	}
	if n := s.count(t, audit.KindVote); n != 2 {
		t.Errorf("%d vote entries, want 2", n)
	}
	missing := r
	missing.ID = "x"
	if _, err := s.vote(missing, "eve", true); !errors.Is(err, approvals.ErrNotFound) {
		t.Errorf("unknown request: %v", err)
	}
}

func testConcurrentVotes(t *testing.T, s *suite) {
	r := s.asked(t, "c1", 5)
	var approved, counted atomic.Int32
	var wg sync.WaitGroup
	for i := range 40 { // 20 people, each twice at once
		wg.Go(func() {
			got, err := s.vote(r, fmt.Sprint("person", i/2), true)
			switch {
			case err == nil:
				counted.Add(1)
				if got.State == approvals.Approved {
					approved.Add(1)
				}
			case !errors.Is(err, approvals.ErrVoted) && !errors.Is(err, approvals.ErrClosed):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := s.Approval(ctx, r.ID)
	if err != nil || counted.Load() != 5 || approved.Load() != 1 || got.Yes() != 5 || len(got.Votes) != 5 {
		t.Errorf("%d counted, %d approved it, %d stored, %v; want 5, 1, 5", counted.Load(), approved.Load(), len(got.Votes), err)
	}
}

func testFailureLeavesNothing(t *testing.T, s *suite) {
	r := s.asked(t, "c1", 1)
	size := func() int { e, _ := s.all(t, audit.Filter{}); return len(e) }
	before := size()
	again := s.request("c2", 1)
	again.ID = r.ID // a mistake the table's own rules find, after the transaction began to write
	var wg sync.WaitGroup
	for i := range 20 { // among others that share its commit
		wg.Go(func() {
			if err := s.Append(ctx, record(audit.KindConfig, fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	if _, _, err := s.OpenApproval(ctx, again, record(audit.KindRequest, "c2")); err == nil {
		t.Error("two requests with one id")
	}
	wg.Wait()
	v := approvals.Vote{By: approvals.Identity{Subject: "bob"}, Yes: true, Digest: r.Digest}
	if _, err := s.CastVote(ctx, r.ID, v, approvals.Apply, func(approvals.Request) []audit.Record { panic("boom") }); err == nil {
		t.Error("a panic in a transaction is a success")
	}
	if got := size(); got != before+20 {
		t.Errorf("%d entries, want %d", got, before+20)
	}
	if got, err := s.Approval(ctx, r.ID); err != nil || got.State != approvals.Pending || len(got.Votes) != 0 {
		t.Errorf("the request after it: %+v, %v", got, err)
	}
	if err := s.Writable(); err != nil {
		t.Errorf("a transaction's own mistake made the state unwritable: %v", err)
	}
}

func testExpiry(t *testing.T, s *suite) {
	rec := func(r approvals.Request) audit.Record {
		return record(audit.KindApproval, r.CallID+" "+string(r.State))
	}
	pending, approved := s.asked(t, "c1", 1), s.approved(t, "c2")
	cancelled := s.asked(t, "c3", 1)
	if _, err := s.CloseApproval(ctx, cancelled.ID, []approvals.State{approvals.Pending}, approvals.Cancelled, record(audit.KindApproval, "c3")); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ExpireApprovals(ctx, s.clock.Now(), rec); err != nil || len(got) != 0 {
		t.Errorf("too early: %v, %v", got, err)
	}
	s.clock.advance(time.Hour)
	got, err := s.ExpireApprovals(ctx, s.clock.Now(), rec)
	if err != nil || len(got) != 2 || got[0].ID != pending.ID || got[1].ID != approved.ID || got[0].State != approvals.Expired {
		t.Errorf("expired %+v, %v", got, err)
	}
	if entries, _ := s.all(t, audit.Filter{Call: "c2 expired"}); len(entries) != 1 {
		t.Error("no entry of an expiry")
	}
	if got, err := s.ExpireApprovals(ctx, s.clock.Now(), rec); err != nil || len(got) != 0 {
		t.Errorf("twice: %v, %v", got, err)
	}
}

func testWatch(t *testing.T, s *suite) {
	r := s.asked(t, "c1", 2)
	wait := func(what string, changed <-chan struct{}) {
		t.Helper()
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			t.Errorf("%s wakes nobody", what)
		}
	}
	quiet, stop := s.Watch("another")
	defer stop()
	first, stop1 := s.Watch(r.ID)
	second, stop2 := s.Watch(r.ID)
	stop1()
	stop1()
	if _, err := s.vote(r, "bob", true); err != nil {
		t.Fatal(err)
	}
	wait("a vote", second)
	<-first // shared with the other, and harmless after stop
	stop2()
	third, stop3 := s.Watch(r.ID)
	defer stop3()
	if _, err := s.CloseApproval(ctx, r.ID, []approvals.State{approvals.Pending}, approvals.Cancelled, record(audit.KindApproval, "c1")); err != nil {
		t.Fatal(err)
	}
	wait("a close", third)
	select {
	case <-quiet:
		t.Error("a change of one request woke another's")
	default:
	}
}

func testCancelled(t *testing.T, s *suite) {
	gone, cancel := context.WithCancel(ctx)
	cancel()
	// Either it was not written and says so, or it was written and says so.
	err := s.Append(gone, record(audit.KindConfig, ""))
	if n := s.count(t, audit.KindConfig); (err == nil) != (n == 1) || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Append = %v with %d entries", err, n)
	}
	if err := s.Entries(gone, audit.Filter{}, func(audit.Entry, *audit.Body) error { return nil }, false); err == nil {
		t.Error("read for a caller that is gone")
	}
}

func testClosed(t *testing.T, s *suite) {
	r := s.asked(t, "c1", 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error("closing twice:", err)
	}
	for name, use := range map[string]func() error{
		"Append":   func() error { return s.Append(ctx, record(audit.KindConfig, "")) },
		"Writable": s.Writable,
		"vote":     func() error { _, err := s.vote(r, "bob", true); return err },
		"Approval": func() error { _, err := s.Approval(ctx, r.ID); return err },
		"Outcome":  func() error { _, _, err := s.Outcome(ctx, "c1"); return err },
		"Entries": func() error {
			return s.Entries(ctx, audit.Filter{}, func(audit.Entry, *audit.Body) error { return nil }, false)
		},
		"Checkpoint": func() error { _, err := s.Checkpoint(ctx); return err },
		"Verify":     func() error { _, err := s.Verify(ctx); return err },
	} {
		if err := use(); !errors.Is(err, ErrClosed) {
			t.Errorf("%s = %v, want ErrClosed", name, err)
		}
	}
}

func testReopen(t *testing.T, s *suite) {
	r := s.approved(t, "c1")
	if err := s.Append(ctx, outcome("c0", `{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	entries, bodies := s.all(t, audit.Filter{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.open()
	again, bodiesAgain := s.all(t, audit.Filter{})
	if diff := cmp.Diff(entries, again); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(bodies, bodiesAgain); diff != "" {
		t.Error(diff)
	}
	if got, err := s.Approval(ctx, r.ID); err != nil || cmp.Diff(r, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(r, got))
	}
	report, err := s.Verify(ctx)
	if err != nil || !report.OK() || report.ProvenSize != int64(len(entries)) {
		t.Errorf("closing did not sign the log: %+v, %v", report, err)
	}
	if err := s.Append(ctx, outcome("c9", "{}")); err != nil {
		t.Fatal(err)
	}
	if n := s.count(t, ""); n != len(entries)+1 {
		t.Errorf("%d entries after one more", n)
	}
}
