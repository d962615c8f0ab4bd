package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/policy"
)

// approve makes sure that people were asked about exactly this call, and waits for them as long as the caller can be held.
//
// It returns the request in state approved; or a pendingError when the wait passed (the request stays, nobody is asked
// twice); or why there is no yes. A call that was approved and ran within the replay window is a replayError: an agent that lost
// the answer gets the same answer, never a second execution. When ctx ends the caller detaches and the request stays.
func (g *Gateway) approve(ctx context.Context, call *Call) (*approvals.Request, error) {
	req, err := g.openOrAttach(ctx, call)
	if err != nil {
		return nil, err
	}
	call.ID = req.CallID // one call, one id, however often it is repeated
	hold := time.NewTimer(call.Hold)
	defer hold.Stop()
	for told := -1; ; {
		changed, stop := g.Store.Watch(req.ID) // before reading, so that no change falls between
		req, err = g.Store.Approval(ctx, req.ID)
		if err != nil {
			stop()
			return nil, err
		}
		if done, err := settled(req, g.Now()); done {
			stop()
			return &req, err
		}
		if yes := req.Yes(); yes != told && call.Progress != nil {
			told = yes
			call.Progress(waitingFor(req))
		}
		expiry := time.NewTimer(req.Expires.Sub(g.Now()))
		select {
		case <-changed:
		case <-expiry.C:
		case <-hold.C:
			err = &pendingError{req}
		case <-g.draining:
			err = &pendingError{req}
		case <-ctx.Done():
			err = ctx.Err()
		}
		expiry.Stop()
		stop()
		if err != nil {
			return nil, err
		}
	}
}

// settled says whether req needs no more waiting, and if it is not a yes, why not.
func settled(req approvals.Request, now time.Time) (bool, error) {
	switch req.State {
	case approvals.Approved, approvals.Pending:
		if !now.Before(req.Expires) {
			return true, &closedError{req, approvals.Expired}
		}
		return req.State == approvals.Approved, nil
	case approvals.Consumed:
		return true, &replayError{req.CallID}
	default:
		return true, &closedError{req, req.State}
	}
}

// openOrAttach finds the request of an identical call, or makes one durable.
func (g *Gateway) openOrAttach(ctx context.Context, call *Call) (approvals.Request, error) {
	now := g.Now()
	if call.Decision.Approval == nil {
		return approvals.Request{}, unavailable("policy", errors.New("asks but names no approvers"))
	}
	old, err := g.Store.ApprovalByKey(ctx, call.attachKey())
	switch {
	case err == nil && old.Answers(now, g.Replay):
		return attach(call, old)
	case err != nil && !errors.Is(err, approvals.ErrNotFound):
		return old, unavailable("approvals", err)
	}
	g.asking.Lock()
	defer g.asking.Unlock()
	if err := g.floodCheck(ctx, call); err != nil {
		return old, err
	}
	req := call.approvalRequest(now)
	rec := audit.Record{Entry: call.entry(audit.KindRequest), Body: call.body(nil)}
	rec.Entry.Approval = approvalRef(req)
	got, created, err := g.Store.OpenApproval(ctx, req, rec)
	if err != nil {
		return got, unavailable("approvals", err)
	}
	if created {
		g.Log.Info("approval requested", "call", got.CallID, "approval", got.ID, "code", got.Code, "target", got.Target, "risk", got.Risk)
	}
	return attach(call, got) // somebody else's identical call may have been asked, answered and run meanwhile
}

// attach makes call one with the request of an identical call: it waits for it, or has its answer already.
func attach(call *Call, req approvals.Request) (approvals.Request, error) {
	switch req.State {
	case approvals.Consumed:
		return req, &replayError{req.CallID}
	case approvals.Denied:
		call.ID = req.CallID
		return req, &closedError{req, approvals.Denied} // a person said no a moment ago; asking again at once is pressing him
	}
	return req, nil
}

// floodCheck refuses an agent that piles up questions: tired people say yes.
func (g *Gateway) floodCheck(ctx context.Context, call *Call) error {
	open, err := g.Store.Approvals(ctx, approvals.Pending)
	if err != nil {
		return unavailable("approvals", err)
	}
	mine := 0
	for _, r := range open {
		if r.Requester == call.requester() && r.Open(g.Now()) {
			mine++
		}
	}
	if mine >= g.MaxPending {
		return &budgetError{What: fmt.Sprintf("%d requests of yours wait for people; %d may", mine, g.MaxPending),
			Fix: "wait for an answer, or withdraw one with cancel_call"}
	}
	return nil
}

// refresh moves the call to the newest configuration after people were asked.
func (g *Gateway) refresh(call *Call) (Tool, error) {
	old := call.world
	call.world = g.acquire()
	old.release()
	call.mask = call.world.Masking.For(call.Session.ID)
	tool, ok := call.world.Tools[call.Tool]
	if !ok || !call.world.Policy.Visible(call.policyPrincipal(), call.Plan.Target) {
		return nil, &deniedError{Decision: policy.Decision{Verdict: policy.Deny, Rule: "no-scope"}}
	}
	return tool, nil
}

// stillApproved compares what people said yes to with what would run now. A deny added meanwhile wins by itself: the call
// was decided again. A difference makes the approval stale, for good.
func (g *Gateway) stillApproved(ctx context.Context, call *Call) error {
	req := call.Approval
	if call.Decision.Verdict == policy.Deny || req.Revision == call.revisions() && answers(req, call.Decision.Approval) {
		return nil
	}
	return g.stale(ctx, call, *req)
}

// answers: a yes to req is one to what is needed now. Rules on the time of day may want other people than when they were asked.
func answers(req *approvals.Request, need *policy.Requirement) bool {
	return need == nil || slices.Equal(req.From, need.From) && req.Count >= need.Count && req.Assurance == need.Assurance
}

// stale closes a request for good whose call is no longer what people were asked about.
func (g *Gateway) stale(ctx context.Context, call *Call, req approvals.Request) error {
	req.State = approvals.Stale
	rec := audit.Record{Entry: call.entry(audit.KindApproval)}
	rec.Entry.Approval = approvalRef(req)
	if _, err := g.Store.CloseApproval(ctx, req.ID, []approvals.State{approvals.Pending, approvals.Approved, approvals.Consumed}, approvals.Stale, rec); err != nil && !errors.Is(err, approvals.ErrClosed) {
		return unavailable("approvals", err)
	}
	return &closedError{req, approvals.Stale}
}

// intend makes the intent durable, using up the approval in the same transaction, and registers the execution so that an
// identical call waits for it and cancel_call ends it. done unregisters.
func (g *Gateway) intend(ctx context.Context, call *Call) (context.Context, func(), error) {
	var use *approvals.Use
	if call.Approval != nil {
		use = &approvals.Use{ID: call.Approval.ID, Digest: call.Approval.Digest}
		call.Approval.State = approvals.Consumed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	f := &flight{done: make(chan struct{}), cancel: cancel, owner: call.owner()}
	g.mu.Lock()
	if _, running := g.flights[call.ID]; running {
		g.mu.Unlock()
		cancel(nil)
		return ctx, nil, &replayError{call.ID}
	}
	g.flights[call.ID] = f
	g.mu.Unlock()

	if err := g.Store.ConsumeAndIntend(ctx, use, call.intent()); err != nil {
		g.land(call.ID)
		cancel(nil)
		if call.Approval != nil {
			call.Approval.State = approvals.Approved // nothing was used up: the record must not say so
		}
		switch {
		case errors.Is(err, approvals.ErrClosed): // denied, withdrawn or expired since it was read
			return ctx, nil, g.closedSince(ctx, call)
		case errors.Is(err, approvals.ErrNotApproved):
			return ctx, nil, &replayError{call.ID} // somebody else's identical call was faster
		case errors.Is(err, approvals.ErrStale):
			return ctx, nil, &closedError{*call.Approval, approvals.Stale}
		}
		return ctx, nil, unavailable("audit", err)
	}
	g.counted(call)
	if call.Approval == nil {
		return ctx, func() { g.land(call.ID); cancel(nil) }, nil
	}
	return ctx, func() { cancel(nil) }, nil // lands after its outcome is recorded, see answer
}

// intent is the record that precedes an execution. It counts what the call may use: if nothing more is ever heard of it, it used that.
func (c *Call) intent() audit.Record {
	rec := audit.Record{Entry: c.entry(audit.KindIntent), Body: c.body(nil)}
	if c.spending != nil {
		rec.Spent = c.spending.counting(c.spending.held)
	}
	return rec
}

// closedSince says how a request ended that was approved a moment ago.
func (g *Gateway) closedSince(ctx context.Context, call *Call) error {
	req, err := g.Store.Approval(ctx, call.Approval.ID)
	if err != nil {
		return unavailable("approvals", err)
	}
	if _, err := settled(req, g.Now()); err != nil {
		return err
	}
	return &closedError{req, approvals.Expired}
}

// flight is a call that is being executed.
type flight struct {
	done   chan struct{} // closed when the outcome is recorded
	cancel context.CancelCauseFunc
	owner  owner
}

func (g *Gateway) land(callID string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f, ok := g.flights[callID]; ok {
		delete(g.flights, callID)
		close(f.done)
	}
}

func (g *Gateway) flying(callID string) *flight {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.flights[callID]
}

func waitingFor(req approvals.Request) string {
	return fmt.Sprintf("waiting for approval %s from %s (%d of %d)", req.Code, strings.Join(req.From, " or "), req.Yes(), max(req.Count, 1))
}
