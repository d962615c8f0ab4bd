package gateway

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/policy"
	"sallyport/tools"
)

const bounded = "update t where id = 1"

// Invariant 6, in the order of a good day: asked, held, approved, run once, recorded in full.
func TestAnApprovedWriteRunsOnce(t *testing.T) {
	r := newRig(t)
	r.tool.result = "done"
	var told []string
	answered := make(chan *Envelope, 1)
	go func() {
		answered <- r.raw(t.Context(), &Request{Principal: who("ann", "support"), Tool: "query_write", Args: []byte(`{"target":"db","sql":"` + bounded + `","reason":"ticket 7"}`),
			Hold: time.Minute, Progress: func(m string) { told = append(told, m) }})
	}()
	eventually(t, "a request", func() bool { return strings.Contains(r.kinds(), "request") })
	req := r.pending()
	if req.Claim != "ticket 7" || req.Text != bounded || req.Risk < 40 || len(req.Reasons) == 0 || req.Requester.Subject != "ann" || req.Agent != "agent-of-ann" {
		t.Errorf("the card: %+v", req)
	}
	if r.tool.runs() != 0 {
		t.Fatal("it ran before anybody said yes")
	}
	if err := r.vote("dan", true, "dba"); err != nil {
		t.Fatal(err)
	}
	env := <-answered
	if env.Status != statusOK || env.CallID != req.CallID || !strings.Contains(string(env.Data), "done") {
		t.Errorf("%s", marshal(env))
	}
	if got := r.kinds(); got != "request vote approval intent outcome" {
		t.Errorf("the log has %q", got)
	}
	if len(told) == 0 || !strings.Contains(told[0], req.Code) || !strings.Contains(told[0], "dba") {
		t.Errorf("told %q", told)
	}
	// The identical call within the window gets the same answer, and does not run again.
	again := r.call(who("ann", "support"), "query_write", write(bounded), 0)
	if !again.Replayed && again.Status == statusOK {
		t.Errorf("%s", marshal(again))
	}
}

func TestManyCallersOneExecution(t *testing.T) {
	r := newRig(t)
	const callers = 20
	var all sync.WaitGroup
	var mu sync.Mutex
	ids, replays := map[string]bool{}, 0
	for range callers {
		all.Go(func() {
			env := r.call(who("ann", "support"), "query_write", write(bounded), time.Minute)
			mu.Lock()
			defer mu.Unlock()
			if env.Status != statusOK {
				t.Errorf("%s", marshal(env))
			}
			ids[env.CallID] = true
			if env.Replayed {
				replays++
			}
		})
	}
	eventually(t, "a request", func() bool { return strings.Contains(r.kinds(), "request") })
	if err := r.vote("dan", true, "dba"); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if n := r.tool.runs(); n != 1 || len(ids) != 1 || replays != callers-1 {
		t.Errorf("%d executions, %d call ids, %d replays", n, len(ids), replays)
	}
}

func TestWaitingSurvivesARestart(t *testing.T) {
	r := newRig(t)
	first := r.call(who("ann", "support"), "query_write", write(bounded), 0)
	if first.Status != statusPending || first.Error != nil || first.Executed != tools.ExecutedNo || first.Next.Tool != "get_call" || first.Approval.Code == "" {
		t.Fatalf("%s", marshal(first))
	}
	r.stop()
	r.start()
	again := r.call(who("ann", "support"), "query_write", write(bounded), 0)
	if again.CallID != first.CallID || again.Approval.Code != first.Approval.Code {
		t.Fatalf("people would be asked twice: %s", marshal(again))
	}
	if err := r.vote("dan", true, "dba"); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.start()
	if r.tool.runs() != 0 {
		t.Fatal("it ran with no caller attached")
	}
	done := r.call(who("ann", "support"), "get_call", map[string]any{"call_id": first.CallID, "wait_seconds": 5}, 0)
	if done.Status != statusOK || done.CallID != first.CallID || r.tool.runs() != 1 {
		t.Errorf("%s, %d runs", marshal(done), r.tool.runs())
	}
	r.stop()
	r.start()
	lost := r.call(who("ann", "support"), "query_write", write(bounded), 0)
	if !lost.Replayed || string(lost.Data) != string(done.Data) || r.tool.runs() != 1 {
		t.Errorf("%s, %d runs", marshal(lost), r.tool.runs())
	}
	r.clock.add(time.Hour) // past the replay window it is a new call
	if later := r.call(who("ann", "support"), "query_write", write(bounded), 0); later.Status != statusPending || later.CallID == first.CallID {
		t.Errorf("%s", marshal(later))
	}
}

func TestWhoMayNotAnswer(t *testing.T) {
	r := newRig(t)
	r.call(who("ann", "support", "dba"), "query_write", write(bounded), 0)
	for name, v := range map[string]approvals.Voter{
		"the requester":           voter("ann", "dba"),
		"the agent":               voter("agent-of-ann", "dba"),
		"the client":              voter("cli", "dba"),
		"somebody of other group": voter("eve", "support"),
		"an administrator":        voter("root", "root"),
	} {
		req := r.pending()
		if _, err := r.Vote(t.Context(), req.Code, Answer{Voter: v, Digest: req.Digest, Yes: true}); err == nil {
			t.Errorf("%s said yes", name)
		}
	}
	req := r.pending()
	if _, err := r.Vote(t.Context(), req.ID, Answer{Voter: voter("dan", "dba"), Digest: strings.Repeat("0", 64), Yes: true}); !errors.Is(err, approvals.ErrDigest) {
		t.Errorf("a vote for another digest: %v", err)
	}
	if r.tool.runs() != 0 || r.pending().State != approvals.Pending {
		t.Error("something counted")
	}
}

func TestTwoOfTwo(t *testing.T) {
	r := newRig(t)
	r.Replace(r.newWorld(func(c *policy.Config) { c.Scopes[0].Approval.Count = 2 }))
	r.call(who("ann", "support"), "query_write", write(bounded), 0)
	if err := r.vote("dan", true, "dba", "sre"); err != nil {
		t.Fatal(err)
	}
	if err := r.vote("dan", true, "dba"); !errors.Is(err, approvals.ErrVoted) {
		t.Errorf("one human, twice: %v", err)
	}
	if env := r.call(who("ann", "support"), "query_write", write(bounded), 0); env.Status != statusPending || env.Approval.Given != 1 {
		t.Errorf("%s", marshal(env))
	}
	if err := r.vote("eva", true, "dba"); err != nil {
		t.Fatal(err)
	}
	if env := r.call(who("ann", "support"), "query_write", write(bounded), 0); env.Status != statusOK {
		t.Errorf("%s", marshal(env))
	}
}

func TestNoIsFinalAndTellsWhy(t *testing.T) {
	r := newRig(t)
	r.call(who("ann", "support"), "query_write", write(bounded), 0)
	if err := r.vote("dan", false, "dba"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		env := r.call(who("ann", "support"), "query_write", write(bounded), 0)
		if env.code() != ApprovalDenied || !strings.Contains(env.Error.Message, "because") || env.Error.Retryable || env.Executed != tools.ExecutedNo {
			t.Errorf("%s", marshal(env))
		}
	}
	if r.tool.runs() != 0 {
		t.Error("it ran")
	}
}

func TestAnApprovalExpires(t *testing.T) {
	t.Run("before the yes", func(t *testing.T) {
		r := newRig(t)
		first := r.call(who("ann", "support"), "query_write", write(bounded), 0)
		r.clock.add(11 * time.Minute)
		if err := r.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if env := r.call(who("ann", "support"), "get_call", map[string]any{"call_id": first.CallID}, 0); env.code() != ApprovalExpired {
			t.Errorf("%s", marshal(env))
		}
	})
	t.Run("after the yes, unused", func(t *testing.T) {
		r := newRig(t)
		first := r.call(who("ann", "support"), "query_write", write(bounded), 0)
		if err := r.vote("dan", true, "dba"); err != nil {
			t.Fatal(err)
		}
		r.clock.add(11 * time.Minute)
		if env := r.call(who("ann", "support"), "get_call", map[string]any{"call_id": first.CallID}, 0); env.code() != ApprovalExpired {
			t.Errorf("%s", marshal(env))
		}
		if r.tool.runs() != 0 {
			t.Error("it ran")
		}
	})
}

// What people said yes to is bound to the policy, target and masking of that moment, and to what the call does.
func TestAnApprovalGoesStale(t *testing.T) {
	change := map[string]func(r *rig){
		"policy": func(r *rig) {
			r.Replace(r.newWorld(func(c *policy.Config) { c.Scopes[0].Limits.Rows = 9 }))
		},
		"facts": func(r *rig) {
			inner := r.tool
			r.World().Tools["query_write"] = &otherFacts{inner}
		},
	}
	for name, do := range change {
		t.Run(name+" after the yes", func(t *testing.T) {
			r := newRig(t)
			first := r.call(who("ann", "support"), "query_write", write(bounded), 0)
			if err := r.vote("dan", true, "dba"); err != nil {
				t.Fatal(err)
			}
			do(r)
			env := r.call(who("ann", "support"), "get_call", map[string]any{"call_id": first.CallID, "wait_seconds": 1}, 0)
			if env.code() != ApprovalStale || env.Executed != tools.ExecutedNo {
				t.Errorf("%s", marshal(env))
			}
			if r.tool.runs() != 0 {
				t.Error("it ran")
			}
		})
	}
	t.Run("policy before the yes", func(t *testing.T) {
		r := newRig(t)
		r.call(who("ann", "support"), "query_write", write(bounded), 0)
		change["policy"](r)
		if err := r.vote("dan", true, "dba"); !errors.Is(err, approvals.ErrStale) {
			t.Errorf("vote: %v", err)
		}
	})
	t.Run("a deny since the yes", func(t *testing.T) {
		r := newRig(t)
		first := r.call(who("ann", "support"), "query_write", write(bounded), 0)
		if err := r.vote("dan", true, "dba"); err != nil {
			t.Fatal(err)
		}
		r.Replace(r.newWorld(func(c *policy.Config) { c.Scopes[0].Allow = []string{"read"} }))
		env := r.call(who("ann", "support"), "get_call", map[string]any{"call_id": first.CallID, "wait_seconds": 1}, 0)
		if env.Executed != tools.ExecutedNo || env.Status == statusOK || r.tool.runs() != 0 {
			t.Errorf("%s", marshal(env))
		}
	})
}

// otherFacts sees more in a statement than was seen when people were asked.
type otherFacts struct{ *fakeTool }

func (o *otherFacts) Inspect(ctx context.Context, p *tools.Plan) (*tools.Facts, error) {
	f, err := o.fakeTool.Inspect(ctx, p)
	if f != nil {
		f.Objects = append(f.Objects, tools.Object{Type: "table", Name: "public.customers", Access: tools.Write})
	}
	return f, err
}

func TestAnotherCallIsAnotherRequest(t *testing.T) {
	r := newRig(t)
	first := r.call(who("ann", "support"), "query_write", write(bounded), 0)
	for name, env := range map[string]*Envelope{
		"another statement": r.call(who("ann", "support"), "query_write", write(bounded+" "), 0),
		"another person":    r.call(who("bob", "support"), "query_write", write(bounded), 0),
	} {
		if env.Status != statusPending || env.CallID == first.CallID {
			t.Errorf("%s: %s", name, marshal(env))
		}
	}
}

func TestACallIDIsANameNotAPermission(t *testing.T) {
	r := newRig(t)
	first := r.call(who("ann", "support"), "query_write", write(bounded), 0)
	stranger := who("eve", "support")
	otherClient := who("ann", "support")
	otherClient.Client = "another"
	for _, p := range []*struct {
		name string
		env  *Envelope
	}{
		{"get", r.call(stranger, "get_call", map[string]any{"call_id": first.CallID}, 0)},
		{"cancel", r.call(stranger, "cancel_call", map[string]any{"call_id": first.CallID}, 0)},
		{"get by another client", r.call(otherClient, "get_call", map[string]any{"call_id": first.CallID}, 0)},
		{"get of none", r.call(stranger, "get_call", map[string]any{"call_id": "none"}, 0)},
	} {
		if p.env.code() != InvalidArgument || p.env.Error.Reason != "no-such-call" {
			t.Errorf("%s: %s", p.name, marshal(p.env))
		}
	}
	if r.pending().State != approvals.Pending {
		t.Error("a stranger withdrew it")
	}
	own := r.call(who("ann", "support"), "cancel_call", map[string]any{"call_id": first.CallID}, 0)
	if own.Status != statusOK || !strings.Contains(string(own.Data), "cancelled") {
		t.Errorf("%s", marshal(own))
	}
	if env := r.call(who("ann", "support"), "get_call", map[string]any{"call_id": first.CallID}, 0); env.code() != ApprovalDenied {
		t.Errorf("%s", marshal(env))
	}
}

func TestCancelCallEndsWhatRuns(t *testing.T) {
	r := newRig(t)
	started := make(chan struct{})
	r.tool.onRun = func(ctx context.Context) error { close(started); <-ctx.Done(); return context.Cause(ctx) }
	answered := make(chan *Envelope, 1)
	go func() { answered <- r.call(who("root", "root"), "query_write", write(bounded), 0) }()
	<-started
	var id string
	for _, e := range r.entries() {
		if e.Kind == "intent" {
			id = e.Call
		}
	}
	if env := r.call(who("eve", "root"), "cancel_call", map[string]any{"call_id": id}, 0); env.Status == statusOK {
		t.Errorf("a stranger cancelled it: %s", marshal(env))
	}
	r.call(who("root", "root"), "cancel_call", map[string]any{"call_id": id}, 0)
	if env := <-answered; env.code() != Timeout || env.Error.Reason != "cancelled" {
		t.Errorf("%s", marshal(env))
	}
}

// Tired people say yes.
func TestAFloodOfQuestionsIsRefused(t *testing.T) {
	r := newRig(t)
	for i := range 3 {
		if env := r.call(who("ann", "support"), "query_write", write(bounded+strings.Repeat(" ", i)), 0); env.Status != statusPending {
			t.Fatalf("%s", marshal(env))
		}
	}
	if env := r.call(who("ann", "support"), "query_write", write(bounded+"!!!!"), 0); env.code() != BudgetExceeded {
		t.Errorf("%s", marshal(env))
	}
	if env := r.call(who("bob", "support"), "query_write", write(bounded), 0); env.Status != statusPending {
		t.Errorf("somebody else: %s", marshal(env))
	}
}

// The caller hangs up while people are asked: the request stays, and the next identical call attaches.
func TestHangingUpDetaches(t *testing.T) {
	r := newRig(t)
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		r.callCtx(ctx, who("ann", "support"), "query_write", write(bounded), time.Minute)
		close(done)
	}()
	eventually(t, "a request", func() bool { return strings.Contains(r.kinds(), "request") })
	hangUp()
	<-done
	if r.pending().State != approvals.Pending {
		t.Error("the request is gone")
	}
	if err := r.vote("dan", true, "dba"); err != nil {
		t.Fatal(err)
	}
	if env := r.call(who("ann", "support"), "query_write", write(bounded), 0); env.Status != statusOK || r.tool.runs() != 1 {
		t.Errorf("%s", marshal(env))
	}
}

// get_call says of itself that it only reads; however often it is called, a request is executed once at most.
func TestLookingAtARequestNeverRunsItTwice(t *testing.T) {
	for name, yes := range map[string]bool{"pending": false, "approved": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			first := r.call(who("ann", "support"), "query_write", write(bounded), 0)
			if yes {
				if err := r.vote("dan", true, "dba"); err != nil {
					t.Fatal(err)
				}
			}
			r.Replace(r.newWorld(func(c *policy.Config) { c.Scopes[0].Risk = policy.Thresholds{Ask: 90, Deny: 95} })) // it is allowed now
			for range 3 {
				if env := r.call(who("ann", "support"), "get_call", map[string]any{"call_id": first.CallID}, 0); env.code() != ApprovalStale || env.Executed != tools.ExecutedNo {
					t.Errorf("%s", marshal(env))
				}
			}
			if n := r.tool.runs(); n != 0 {
				t.Errorf("%d executions", n)
			}
			if env := r.call(who("ann", "support"), "query_write", write(bounded), 0); env.Status != statusOK || env.CallID == first.CallID {
				t.Errorf("the call itself, sent again: %s", marshal(env))
			}
		})
	}
}

func TestATokenThatMayOnlyReadRunsNothing(t *testing.T) {
	r := newRig(t)
	first := r.call(who("ann", "support"), "query_write", write(bounded), 0)
	if err := r.vote("dan", true, "dba"); err != nil {
		t.Fatal(err)
	}
	look := &Request{Principal: who("ann", "support"), Tool: "get_call", Args: []byte(`{"call_id":"` + first.CallID + `"}`), ReadOnly: true}
	if env := r.raw(t.Context(), look); env.Status != statusPending || r.tool.runs() != 0 {
		t.Errorf("%s, %d runs", marshal(env), r.tool.runs())
	}
	look.ReadOnly = false
	if env := r.raw(t.Context(), look); env.Status != statusOK || r.tool.runs() != 1 {
		t.Errorf("%s, %d runs", marshal(env), r.tool.runs())
	}
}

func TestAFloodAllAtOnceIsRefusedToo(t *testing.T) {
	r := newRig(t)
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() { r.call(who("ann", "support"), "query_write", write(bounded+strings.Repeat(" ", i)), 0) })
	}
	all.Wait()
	if open, err := r.store.Approvals(t.Context(), approvals.Pending); err != nil || len(open) != 3 {
		t.Errorf("%d open requests with a limit of 3, %v", len(open), err)
	}
}

// A stop does not wait for people, and does not tell an agent that its call failed.
func TestDrainEndsEveryWaitAsPending(t *testing.T) {
	r := newRig(t)
	answered := make(chan *Envelope, 1)
	go func() { answered <- r.call(who("ann", "support"), "query_write", write(bounded), time.Hour) }()
	eventually(t, "a request", func() bool { return strings.Contains(r.kinds(), "request") })
	r.Drain()
	r.Drain()
	if env := <-answered; env.Status != statusPending || env.Next.Tool != "get_call" {
		t.Errorf("%s", marshal(env))
	}
	if r.pending().State != approvals.Pending {
		t.Error("the request is gone")
	}
}
