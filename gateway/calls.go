package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/tools"
)

// ownTools are the tools that speak about calls and targets; the pipeline's order does not apply to them, its record does.
var ownTools map[string]func(*Gateway, context.Context, *Call) *answer

func init() { // a map of functions that refer to the map: cannot be a plain initializer
	ownTools = map[string]func(*Gateway, context.Context, *Call) *answer{
		"list_targets":    (*Gateway).listTargets,
		"describe_target": (*Gateway).describeTarget,
		"explain_access":  (*Gateway).explainAccess,
		"get_call":        (*Gateway).getCall,
		"cancel_call":     (*Gateway).cancelCall,
	}
}

// owner is who a call belongs to. A call id is a name, not a permission: every use checks the owner.
type owner struct{ issuer, subject, client string }

func (c *Call) owner() owner {
	return owner{c.Principal.Issuer, c.Principal.Subject, c.Principal.Client}
}

func ownerOf(req approvals.Request) owner {
	return owner{req.Requester.Issuer, req.Requester.Subject, req.Client}
}

// maxWait bounds get_call's wait_seconds.
const maxWait = 55 * time.Second

// getCall tells how an earlier call of the same caller stands. A call that people have approved runs now, because a
// caller is attached; one that is waiting is waited for.
func (g *Gateway) getCall(ctx context.Context, call *Call) *answer {
	var args struct {
		CallID      string `json:"call_id"`
		WaitSeconds int    `json:"wait_seconds"`
	}
	if err := decodeArgs(call.Args, &args); err != nil {
		return g.closeOwn(ctx, call, nil, err)
	}
	wait := min(time.Duration(max(args.WaitSeconds, 0))*time.Second, maxWait)
	req, err := g.Store.ApprovalByCall(ctx, args.CallID)
	switch {
	case errors.Is(err, approvals.ErrNotFound):
		return g.earlier(ctx, call, args.CallID, wait)
	case err != nil:
		return g.closeOwn(ctx, call, nil, unavailable("approvals", err))
	case ownerOf(req) != call.owner():
		return g.closeOwn(ctx, call, nil, errNoCall)
	}
	if _, closed := settledError(req, g.Now()); closed != nil {
		call.ID = req.CallID
		return g.closeOwn(ctx, call, nil, closed)
	}
	if req.State == approvals.Consumed {
		return g.replayWithin(ctx, call, req.CallID, wait)
	}
	if call.ReadOnly && req.Tool != "query" {
		return pendingReply(call, req) // looking is not running: that takes a token that may change things
	}
	// The call goes through the whole pipeline, as if the agent had repeated it byte for byte. Whatever is decided now, it
	// stands for this request: it runs by using the request up, or not at all.
	again := *call
	again.standsFor = &req
	again.Request = &Request{Principal: call.Principal, Tool: req.Tool, Args: req.Args, ClientName: call.ClientName, Hold: wait, Progress: call.Progress}
	again.ID = req.CallID
	a := g.governed(ctx, &again)
	call.world = again.world // the pipeline may have moved to a newer one; it is released once, by Do
	if a.Waiting == nil && a.executed == tools.ExecutedNo && passing[a.code] {
		// Nothing was used up, so that the same request can still lead to an execution.
		if req, err := g.Store.Approval(ctx, req.ID); err == nil && req.Open(g.Now()) {
			a.Waiting = &Waiting{CallID: req.CallID, Message: "approved; it could not run yet (" + string(a.code) + ")", Expires: req.Expires}
		}
	}
	return a
}

// passing are failures that may be gone when the call is tried again.
var passing = map[Code]bool{Unavailable: true, TargetUnreachable: true, BudgetExceeded: true}

// settledError is settled without the replay of consumed requests.
func settledError(req approvals.Request, now time.Time) (bool, *closedError) {
	_, err := settled(req, now)
	closed, ok := as[*closedError](err)
	if !ok {
		return false, nil
	}
	return true, closed
}

// earlier answers for a call that never needed approval: running, or recorded.
func (g *Gateway) earlier(ctx context.Context, call *Call, id string, wait time.Duration) *answer {
	if f := g.flying(id); f != nil && f.owner != call.owner() {
		return g.closeOwn(ctx, call, nil, errNoCall)
	}
	e, _, err := g.Store.Outcome(ctx, id)
	if err == nil && !belongs(e, call) {
		err = audit.ErrNotFound
	}
	if errors.Is(err, audit.ErrNotFound) && g.flying(id) == nil {
		return g.closeOwn(ctx, call, nil, errNoCall)
	}
	return g.replayWithin(ctx, call, id, wait)
}

func belongs(e audit.Entry, call *Call) bool {
	p := e.Principal
	return p != nil && owner{p.Issuer, p.Subject, p.Client} == call.owner()
}

// replayWithin is replay with a bound on waiting for a call that is being executed.
func (g *Gateway) replayWithin(ctx context.Context, call *Call, id string, wait time.Duration) *answer {
	ctx, cancel := context.WithTimeout(ctx, wait+time.Second)
	defer cancel()
	return g.replay(ctx, call, id)
}

// replay answers with the recorded outcome of an execution: the same answer, never a second execution. An execution that
// still runs is waited for.
func (g *Gateway) replay(ctx context.Context, call *Call, id string) *answer {
	call.ID = id
	if f := g.flying(id); f != nil {
		select {
		case <-f.done:
		case <-ctx.Done():
			env := Envelope{Status: statusPending, CallID: id, Executed: tools.ExecutedUnknown, Approval: &PendingNote{},
				Next: &Next{Act: "get_call", Tool: "get_call", Arguments: map[string]any{"call_id": id, "wait_seconds": 30}}}
			a := env.reply("", "")
			a.Text = "approval_pending: the call was approved and is being executed now; ask again with get_call " + id
			a.Waiting = &Waiting{CallID: id, Message: "approved; it is being executed now"}
			return a
		}
	}
	e, body, err := g.Store.Outcome(ctx, id)
	switch {
	case errors.Is(err, audit.ErrNotFound):
		return failedReply(call, failure(&tools.OutcomeUnknownError{Check: "look whether the change is there before sending it again"}))
	case err != nil:
		return failedReply(call, failure(unavailable("audit", err)))
	case !belongs(e, call), e.Target != "" && !call.world.Policy.Visible(call.policyPrincipal(), e.Target):
		return failedReply(call, failure(errNoCall)) // the second: what may no longer be seen is not shown again either
	}
	var env Envelope
	if body == nil || g.Now().Sub(e.Time) > g.Replay || json.Unmarshal(body.Result, &env) != nil {
		if e.Outcome != nil && e.Outcome.Status == "unknown" {
			call.reached = true
			return failedReply(call, failure(&tools.OutcomeUnknownError{Check: "look whether the change is there before sending it again"}))
		}
		return failedReply(call, failure(errNoCall))
	}
	env.Replayed = true
	a := env.reply("", "replayed")
	if env.Error != nil {
		a.code = env.Error.Code
	}
	return a
}

// cancelCall withdraws a call of the same caller: one that waits is closed, one that runs is cancelled on its target.
func (g *Gateway) cancelCall(ctx context.Context, call *Call) *answer {
	var args struct {
		CallID string `json:"call_id"`
	}
	if err := decodeArgs(call.Args, &args); err != nil {
		return g.closeOwn(ctx, call, nil, err)
	}
	outcome := map[string]string{"call_id": args.CallID}
	if f := g.flying(args.CallID); f != nil && f.owner == call.owner() {
		f.cancel(errCancelled)
		outcome["state"] = "cancelling"
		return g.closeOwn(ctx, call, outcome, nil)
	}
	req, err := g.Store.ApprovalByCall(ctx, args.CallID)
	if errors.Is(err, approvals.ErrNotFound) || err == nil && ownerOf(req) != call.owner() {
		return g.closeOwn(ctx, call, nil, errNoCall)
	}
	if err != nil {
		return g.closeOwn(ctx, call, nil, unavailable("approvals", err))
	}
	req.State = approvals.Cancelled
	rec := audit.Record{Entry: call.entry(audit.KindApproval)}
	rec.Entry.Call, rec.Entry.Approval = req.CallID, approvalRef(req)
	got, err := g.Store.CloseApproval(ctx, req.ID, []approvals.State{approvals.Pending, approvals.Approved}, approvals.Cancelled, rec)
	if err != nil && !errors.Is(err, approvals.ErrClosed) {
		return g.closeOwn(ctx, call, nil, unavailable("approvals", err))
	}
	outcome["state"] = string(got.State) // idempotent: a call that is over stays as it is
	return g.closeOwn(ctx, call, outcome, nil)
}
