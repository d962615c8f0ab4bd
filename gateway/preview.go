package gateway

import (
	"context"
	"slices"

	"sallyport/approvals"
	"sallyport/policy"
	"sallyport/tools"
)

// Before people are asked about a change, what it would hit is counted, for them to see and to be held to. Two rules:
//
//   - Only what was understood completely is counted, and only once policy wants people to be asked: nobody has agreed to anything yet.
//   - A number of rows is an answer about data. The agent gets none that it could not have by itself: unless its scopes let it read all
//     the tables involved with a plain SELECT, and none of them has labels here, policy decides without the numbers, so that neither the
//     verdict nor the score nor a sentence tells them. Approvers see them all the same.

// Previewer is a Tool that can count what a change would hit.
type Previewer interface {
	// Preview says what the inspected change would hit now, without doing it; nil where there is nothing to count. It never fails: what
	// could not be counted says so. Values of the sample pass through m.
	Preview(ctx context.Context, p *tools.Plan, f *tools.Facts, m tools.Mask) *tools.Impact
}

// preview counts what the call would hit, when people would be asked about it, and decides again with what it found. A call that belongs
// to an open request keeps what was counted for that: people are not shown another number meanwhile, and nothing is counted twice.
func (g *Gateway) preview(ctx context.Context, call *Call, tool Tool) error {
	if call.Decision.Verdict != policy.Ask || call.Facts.Effect == tools.Read {
		return nil
	}
	pv, ok := tool.(Previewer)
	if !ok {
		return nil
	}
	if old, err := g.Store.ApprovalByKey(ctx, call.attachKey()); err == nil && old.Answers(g.Now(), g.Replay) {
		call.Impact = old.Impact
	} else {
		// The sample's mask is its own: what it replaced must not be counted in what the agent is told.
		call.Impact = impactOf(pv.Preview(ctx, call.Plan, call.Facts, call.world.Masking.For(call.Session.ID)))
	}
	if call.Impact == nil {
		return nil
	}
	call.at("preview")
	return g.decide(ctx, call)
}

// rows are the numbers policy may decide on; nil when nothing was counted, or when the agent could not count it itself.
func (g *Gateway) rows(ctx context.Context, call *Call) (*policy.Rows, error) {
	call.mayCount = false
	i := call.Impact
	if i == nil || call.Facts.Effect != tools.Write {
		return nil, nil
	}
	may, err := call.couldCount(ctx)
	if call.mayCount = may; err != nil || !may {
		return nil, err
	}
	n, ok := bound(i.Rows)
	if !ok {
		return nil, nil
	}
	r := &policy.Rows{Exact: n, Source: "shadow"}
	for _, c := range i.Cascades {
		if n, ok := bound(c.Rows); ok && c.Object != i.Object {
			r.Cascade = append(r.Cascade, policy.Cascade{Table: c.Object, Rows: n})
		} else if ok {
			r.Exact += n // it refers to itself
		}
	}
	if i.Of.Is == approvals.Exact || i.Of.Is == approvals.Estimate {
		r.Table = i.Of.N
	}
	return r, nil
}

// couldCount reports whether the agent could have the same numbers by a plain SELECT: policy would let it read every object of the call,
// without people, and no labelled column is among what the call touches.
func (c *Call) couldCount(ctx context.Context) (bool, error) {
	in := c.policyInput()
	in.Plan.Effect, in.Plan.Kinds, in.Plan.Bounded, in.Plan.Reversible = string(tools.Read), []string{"select"}, true, true
	in.Approval = nil
	in.Plan.Objects = slices.Clone(in.Plan.Objects)
	for i := range in.Plan.Objects {
		if len(in.Plan.Objects[i].Labels) > 0 {
			return false, nil
		}
		in.Plan.Objects[i].Access = string(tools.Read)
	}
	d, err := c.world.Policy.Decide(ctx, in)
	return err == nil && d.Verdict == policy.Allow, err
}

// bound is the number that must not be exceeded; ok is false when nobody knows one.
func bound(c approvals.Count) (n int64, ok bool) {
	return c.N, c.Is == approvals.Exact || c.Is == approvals.AtMost
}

// within is what the execution is held to: what people saw, or what policy allowed the call on.
func (c *Call) within() *tools.Bound {
	i := c.Impact
	if i == nil {
		return nil
	}
	n, ok := bound(i.Rows)
	if !ok {
		return nil // the card said so
	}
	b := &tools.Bound{Rows: n}
	for _, x := range i.Cascades {
		if n, ok := bound(x.Rows); ok {
			b.Cascades = append(b.Cascades, tools.Cascade{Object: x.Object, Action: x.Action, Level: x.Level, Rows: tools.Count{N: n, Is: tools.Exact}})
		}
	}
	return b
}

// impactOf translates what a tool counted into what people are asked about.
func impactOf(t *tools.Impact) *approvals.Impact {
	if t == nil {
		return nil
	}
	count := func(c tools.Count) approvals.Count { return approvals.Count{N: c.N, Is: string(c.Is)} }
	i := &approvals.Impact{Object: t.Object, Rows: count(t.Rows), Of: count(t.Of), Unstable: t.Unstable, Unknown: t.Unknown}
	for _, c := range t.Cascades {
		i.Cascades = append(i.Cascades, approvals.Cascade{Object: c.Object, Action: c.Action, Level: c.Level, Rows: count(c.Rows)})
	}
	for _, x := range t.Involved {
		i.Involved = append(i.Involved, approvals.Involved(x))
	}
	if s := t.Sample; s != nil {
		i.Sample = &approvals.Sample{Columns: s.Columns, Before: s.Before, After: s.After}
	}
	return i
}

// outgrown closes the approval of a call that would have done more than people agreed to, or other than they saw. It was used up in the
// attempt, and nothing was changed: the next identical call is a new question.
func (g *Gateway) outgrown(ctx context.Context, call *Call, err error) {
	grown, _ := as[*tools.OutgrownError](err)
	conflict, _ := as[*tools.ConflictError](err)
	if call.Approval == nil || grown == nil && conflict == nil {
		return
	}
	if err := g.stale(context.WithoutCancel(ctx), call, *call.Approval); err != nil {
		if _, ok := as[*closedError](err); !ok {
			g.Log.Error("an approval that was not enough could not be closed; the identical call is answered as before for a while", "call", call.ID, "err", err)
		}
	}
}

// quiet leaves the numbers out of an error that the agent could not have counted.
func (c *Call) quiet(err error) error {
	if grown, ok := as[*tools.OutgrownError](err); ok && !c.mayCount {
		return &tools.OutgrownError{Object: grown.Object}
	}
	return err
}
