// Package gateway answers: what happens to one call, in which order?
//
// The order is the security property, so it stands in one function, [Gateway.run]; read that first. Everything here is
// independent of the protocol (gateway/mcpserver) and of the way people answer (gateway/adminapi).
//
// Promises: a durable intent precedes every change; a durable outcome precedes every release; what is not understood does
// not run; whatever fails, fails closed and says which part.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/policy"
	"sallyport/tools"
)

// Tool is one kind of target behind one tool name. Implementations are safe for concurrent use.
type Tool interface {
	// Plan parses the arguments; it touches nothing.
	Plan(ctx context.Context, args tools.Args) (*tools.Plan, error)
	// Inspect asks the target what it understood; nothing of the call is executed.
	Inspect(ctx context.Context, p *tools.Plan) (*tools.Facts, error)
	// Run executes p as it was inspected, within ob. When ctx ends, what runs on the target is ended before Run or the
	// Result's Render returns.
	Run(ctx context.Context, p *tools.Plan, f *tools.Facts, ob tools.Obligations) (tools.Result, error)
}

// Config is what New needs. Every field is required.
type Config struct {
	Store Store
	Log   *slog.Logger
	Now   func() time.Time
	// SessionIdle and SessionMax end a session: without a call for this long, and however busy after this long.
	SessionIdle, SessionMax time.Duration
	// Replay is how long a finished approved call answers an identical call with the same result instead of running again.
	Replay time.Duration
	// MaxPending bounds the open approval requests of one requester.
	MaxPending int
}

// Gateway takes calls through the stages. Safe for concurrent use.
type Gateway struct {
	Config
	world    atomic.Pointer[World]
	sessions *sessions
	locks    locks
	metrics  *Metrics

	draining  chan struct{} // closed by Drain
	drainOnce sync.Once

	held held // what running calls may use of budgets

	asking sync.Mutex // held from counting a caller's open requests to opening one more

	mu      sync.Mutex
	flights map[string]*flight // calls being executed after an approval, by call id; guarded by mu
}

// New checks its configuration and recovers what an earlier run left open: an intent without an outcome becomes an
// outcome of status unknown before the first call is taken.
func New(ctx context.Context, cfg Config, w *World) (*Gateway, error) {
	g := &Gateway{Config: cfg, metrics: newMetrics(), flights: map[string]*flight{}, draining: make(chan struct{}), held: held{by: map[account]audit.Amounts{}}}
	g.sessions = newSessions(cfg.Now, cfg.SessionIdle, cfg.SessionMax)
	g.world.Store(w)
	var err error
	if g.locks.all, err = cfg.Store.Locks(ctx); err != nil {
		return nil, err
	}
	n, err := cfg.Store.RecoverIntents(ctx, recoveredOutcome)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		cfg.Log.Warn("calls without an outcome were found and marked unknown", "count", n)
	}
	return g, nil
}

// Call is one call on its way through the stages. It belongs to one goroutine. Results are never stored on it.
type Call struct {
	*Request
	ID      string
	Session session
	Started time.Time

	world    *World
	Plan     *tools.Plan
	Facts    *tools.Facts
	decided  time.Time    // the clock policy sees
	input    policy.Input // what Decision was made on
	Decision policy.Decision
	Impact   *approvals.Impact // what it would hit; nil when that was not looked at
	mayCount bool              // the agent could count the same rows itself
	Approval *approvals.Request
	mask     Mask

	standsFor *approvals.Request // the open request that get_call asked about; nil otherwise

	spending *spending // of the scope's budgets; nil without any

	reached bool // Run was called: from here on "nothing happened" is the tool's to say
	took    stageTimes
}

// Do takes one call from arguments to a recorded reply. It never fails: whatever happens is a Reply.
func (g *Gateway) Do(ctx context.Context, req *Request) *Reply {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	call, leave := g.begin(req, cancel)
	defer leave()
	defer call.world.release()
	g.metrics.inFlight.Inc()
	defer g.metrics.inFlight.Dec()

	a := g.answer(ctx, call)
	elapsed := g.Now().Sub(call.Started)
	g.metrics.observe(call, a, elapsed)
	g.Log.Info("call", "call", call.ID, "session", call.Session.ID, "tool", call.toolName(), "target", call.knownTarget(),
		"subject", call.Principal.Subject, "status", a.status, "code", a.code, "reason", a.reason, "elapsed", elapsed)
	return &a.Reply
}

// begin makes a call of req. cancel ends it when its session ends; leave has to be called when it is over.
func (g *Gateway) begin(req *Request, cancel context.CancelCauseFunc) (_ *Call, leave func()) {
	call := &Call{Request: req, ID: newID(), Started: g.Now(), world: g.acquire()}
	call.Session, leave = g.sessions.join(call, cancel)
	call.mask = call.world.Masking.For(call.Session.ID)
	call.took.last = time.Now()
	return call, leave
}

// answer runs the call and records how it ended. The record is made with a context that outlives the caller: an agent
// that hangs up does not erase what happened. A result whose record could not be made is withheld.
func (g *Gateway) answer(ctx context.Context, call *Call) *answer {
	if err := g.Store.Writable(); err != nil {
		return failedReply(call, failure(unavailable("audit", err))) // nothing can be recorded, so nothing runs
	}
	if l := g.locks.covering(call.Principal, call.Started); l != nil {
		return g.closeOwn(ctx, call, nil, &lockedError{*l})
	}
	if own, ok := ownTools[call.Tool]; ok {
		return own(g, ctx, call)
	}
	return g.governed(ctx, call)
}

// governed takes a call through the pipeline and records how it ended.
func (g *Gateway) governed(ctx context.Context, call *Call) *answer {
	defer g.released(call) // when it is recorded, or was a repetition
	rendered, err := g.recovered(call, func() (*tools.Rendered, error) { return g.run(ctx, call) })
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errSessionEnded) {
		err = errors.Join(cause, err) // whatever the tool makes of being cancelled: this is why
	}
	if pending, ok := asPending(err); ok {
		return pendingReply(call, pending.Request) // recorded when the request was opened
	}
	if again, ok := asReplay(err); ok {
		return g.replay(ctx, call, again.callID)
	}
	if down, ok := as[*tools.UnreachableError](err); ok { // the operator is told what the agent is not
		g.Log.Warn("target unreachable", "call", call.ID, "target", call.knownTarget(), "problem", down.Problem, "err", down.Err)
	}
	if err != nil {
		rendered = nil // a result that goes past a budget
	}
	reply := resultReply(call, rendered, err)
	if call.Approval != nil && call.reached {
		defer g.land(call.ID)
	}
	recordErr := g.record(ctx, call, rendered, reply)
	g.outgrown(ctx, call, err)
	if err := recordErr; err != nil {
		g.Log.Error("the outcome could not be recorded; the result is withheld", "call", call.ID, "err", err)
		return failedReply(call, failure(withheld(call, err)))
	}
	return reply
}

// run is the pipeline: one call, one order.
func (g *Gateway) run(ctx context.Context, call *Call) (*tools.Rendered, error) {
	// call.Principal was verified by the transport, where 401 and 403 belong.
	tool, ok := call.world.Tools[call.Tool]
	if !ok {
		return nil, &tools.ArgError{Field: "tool", Problem: "no such tool", Fix: "use one that tools/list names"}
	}
	var err error
	if call.Plan, err = tool.Plan(ctx, call.Args); err != nil { // parses only; touches nothing
		return nil, err
	}
	if call.at("plan"); !call.world.Policy.Visible(call.policyPrincipal(), call.Plan.Target) {
		return nil, tools.ErrNoSuchTarget // the same answer as for one that does not exist
	}
	if err = g.understand(ctx, call, tool); err != nil { // asks the target what it understood; executes nothing; then decides
		return nil, err
	}
	if err = call.worthAsking(); err != nil {
		return nil, err
	}
	if err = g.preview(ctx, call, tool); err != nil { // counts what a change would hit, before people are asked; then decides again
		return nil, err
	}
	if call.Decision.Verdict == policy.Ask {
		// Held inline for a while, then a pendingError: a status, not a failure. After the humans' yes the call is inspected and
		// decided again, under the configuration of that moment, with the approval as an input and never as a bypass.
		if call.Approval, err = g.approve(ctx, call); err != nil {
			return nil, err
		}
		if tool, err = g.refresh(call); err != nil {
			return nil, err
		}
		call.Impact = call.Approval.Impact // what people saw is what it is held to
		if err = g.understand(ctx, call, tool); err != nil {
			return nil, err
		}
		if err = g.stillApproved(ctx, call); err != nil {
			return nil, err
		}
	}
	if call.Decision.Verdict != policy.Allow {
		return nil, &deniedError{call.Decision, g.alternatives(ctx, call)}
	}
	if err = g.budget(ctx, call); err != nil { // takes what the call may use, until its outcome is counted
		return nil, err
	}
	if call.standsFor != nil && call.Approval == nil { // allowed now, asked then: each look at the request would run it once more
		return nil, g.stale(ctx, call, *call.standsFor)
	}
	// From here on the target may change. One transaction uses up the approval and appends the intent: a crash below
	// leaves an intent without an outcome, never an effect without a record.
	if call.Facts.Effect != tools.Read || call.Approval != nil {
		var done func()
		if ctx, done, err = g.intend(ctx, call); err != nil {
			return nil, err
		}
		defer done()
	}
	call.at("intent")
	call.reached = true
	raw, err := tool.Run(ctx, call.Plan, call.Facts, call.obligations())
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	out, err := raw.Render(ctx, call.mask) // every value passes the mask on its way into the buffer
	call.at("run")
	if err = call.quiet(err); err != nil {
		return nil, err
	}
	return out, g.settle(ctx, call, out) // withholds what goes past a budget
}

// worthAsking refuses a change that the agent has to complete or to think over first, before it costs anybody's time.
func (c *Call) worthAsking() error {
	if c.Facts.Effect == tools.Read || c.Decision.Verdict == policy.Deny {
		return nil
	}
	if c.Plan.Reason == "" {
		return &tools.ArgError{Field: "reason", Problem: "is missing", Fix: "say in one sentence why this change is needed; approvers see it"}
	}
	for _, v := range c.Facts.Values {
		if c.world.Masking.Placeholder([]byte(v)) {
			return errMaskedValue // a masked value that was read would be written back, over the real one
		}
	}
	return nil
}

// understand fills in what the call is (facts) and what is decided about it.
func (g *Gateway) understand(ctx context.Context, call *Call, tool Tool) (err error) {
	if call.Facts, err = tool.Inspect(ctx, call.Plan); err != nil {
		return err
	}
	call.at("inspect")
	return g.decide(ctx, call)
}

// decide asks policy about the call, with what is known of it now.
func (g *Gateway) decide(ctx context.Context, call *Call) (err error) {
	call.decided = g.Now().UTC()
	call.input = call.policyInput()
	if call.input.Plan.Rows, err = g.rows(ctx, call); err == nil {
		began := time.Now()
		call.Decision, err = call.world.Policy.Decide(ctx, call.input)
		call.world.Decisions.Record(call.world.Policy, call.input, call.Decision, err, time.Since(began))
	}
	if err != nil {
		g.Log.Error("policy failed; the call is denied", "call", call.ID, "err", err)
		return unavailable("policy", err)
	}
	call.at("decide")
	return nil
}

// recovered turns a panic of a stage into an error of the call. What the panic said goes to the operator's log only.
func (g *Gateway) recovered(call *Call, f func() (*tools.Rendered, error)) (out *tools.Rendered, err error) {
	defer func() {
		if p := recover(); p != nil {
			g.Log.Error("panic in a call", "call", call.ID, "tool", call.Tool, "panic", panicType(p))
			out, err = nil, errPanic
		}
	}()
	return f()
}

// Drain ends every wait for people as if its hold had passed: the requests stay, and the callers are told how to come back. Calls that
// run go on. For a stop that is about to begin.
func (g *Gateway) Drain() { g.drainOnce.Do(func() { close(g.draining) }) }

// Close ends the gateway's sessions and records it. Calls in flight must have ended.
func (g *Gateway) Close(ctx context.Context) error {
	_, endings := g.sessions.close(whyStopped, func(*lease) bool { return true })
	err := g.finish(ctx, endings)
	g.world.Load().retire()
	return err
}
