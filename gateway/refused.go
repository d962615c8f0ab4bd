package gateway

import (
	"context"

	"sallyport/audit"
	"sallyport/identity"
	"sallyport/policy"
)

// Refused records a request that the transport refused before it became a call: a tool that does not exist, arguments with two
// readings, a scope that the token lacks. reason is a word of the transport's. Who could not be authenticated (p is nil) is
// counted and logged only: the log of what callers did is not a place strangers can fill.
func (g *Gateway) Refused(ctx context.Context, p *identity.Principal, tool, reason string) {
	g.metrics.refused.WithLabelValues(reason).Inc()
	if p == nil {
		g.Log.Warn("request refused", "reason", reason)
		return
	}
	call, leave := g.begin(&Request{Principal: p, Tool: tool}, func(error) {})
	defer leave()
	defer call.world.release()
	g.Log.Warn("request refused", "call", call.ID, "subject", p.Subject, "tool", call.toolName(), "reason", reason)
	e := call.entry(audit.KindDenied)
	e.Decision = &audit.Decision{Verdict: string(policy.Deny), Rule: "transport:" + reason, Revision: call.world.Policy.Revision()}
	e.Outcome = &audit.Outcome{Status: "error", Code: string(InvalidArgument), Affected: -1}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := g.append(ctx, call, audit.Record{Entry: e}); err != nil {
		g.Log.Error("a refusal could not be recorded", "call", call.ID, "err", err)
	}
}
