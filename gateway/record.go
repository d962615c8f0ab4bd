package gateway

import (
	"context"
	"time"

	"sallyport/audit"
	"sallyport/tools"
)

// recordTimeout bounds the writing of a record after the caller is gone.
const recordTimeout = 10 * time.Second

// record makes the end of the call durable: for a read its only durable write. It is kind denied when the gateway itself
// refused and nothing reached the target, else an outcome. The session's opening is recorded with its first call.
func (g *Gateway) record(ctx context.Context, call *Call, rendered *tools.Rendered, a *answer) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	kind := audit.KindOutcome
	if !call.reached && a.IsError {
		kind = audit.KindDenied
	}
	e := call.entry(kind)
	e.Outcome = &audit.Outcome{Status: "ok", Code: string(a.code), Target: a.targetsOwn, Affected: -1, Bytes: int64(len(a.Structured)),
		ElapsedUS: g.Now().Sub(call.Started).Microseconds()}
	switch {
	case a.executed == tools.ExecutedUnknown:
		e.Outcome.Status = "unknown"
	case a.IsError:
		e.Outcome.Status = "error"
	}
	if rendered != nil {
		e.Outcome.Rows, e.Outcome.Affected, e.Outcome.Truncated = rendered.Rows, rendered.Affected, rendered.Truncated != nil
		if rendered.Code != "" {
			e.Outcome.Target = rendered.Code
		}
	}
	for _, c := range call.mask.Report() {
		e.Masks = append(e.Masks, audit.Mask{Class: c.Class, Count: c.N, Why: c.Why})
	}
	err := g.append(ctx, call, audit.Record{Entry: e, Body: call.body(a.Structured), Spent: call.spent(a)})
	call.at("record")
	return err
}

// append writes recs, before them the opening of the call's session when this is its first call.
func (g *Gateway) append(ctx context.Context, call *Call, recs ...audit.Record) error {
	opened := g.sessions.claimOpening(call.Session.ID)
	if opened {
		recs = append([]audit.Record{call.Session.record("session opened")}, recs...)
	}
	if err := g.Store.Append(ctx, recs...); err != nil {
		if opened {
			g.sessions.giveBack(call.Session.ID)
		}
		return err
	}
	return nil
}

// recoveredOutcome is the outcome of an intent that an earlier run of the gateway left without one.
func recoveredOutcome(intent audit.Entry) audit.Record {
	e := intent
	e.ID, e.Seq, e.Time, e.Body = "", 0, time.Time{}, nil
	e.Kind = audit.KindOutcome
	e.Detail = "the gateway stopped between intent and outcome"
	e.Outcome = &audit.Outcome{Status: "unknown", Code: string(OutcomeUnknown), Affected: -1}
	return audit.Record{Entry: e}
}
