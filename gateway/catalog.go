package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sallyport/policy"
	"sallyport/tools"
)

// closeOwn records and answers a call of one of the gateway's own tools: data, or why not. Like every call it is recorded
// before its answer is released.
func (g *Gateway) closeOwn(ctx context.Context, call *Call, data any, err error) *answer {
	var a *answer
	var out *tools.Rendered
	if err != nil {
		a = failedReply(call, failure(err))
	} else {
		out = &tools.Rendered{Data: call.mask.JSON(nil, marshal(data)), Affected: -1}
		a = resultReply(call, out, nil)
	}
	if err := g.record(ctx, call, out, a); err != nil {
		return failedReply(call, failure(unavailable("audit", err)))
	}
	return a
}

// targetInfo is one line of list_targets.
type targetInfo struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`
	Environment string   `json:"environment"`
	Tools       []string `json:"tools"`
	Allow       []string `json:"allow"` // effects some scope of yours covers; a call may still be asked or denied
	MayAsk      bool     `json:"may_ask"`
	Limits      any      `json:"limits,omitempty"`
	Budgets     any      `json:"budgets,omitempty"` // what is left of those of your scopes
}

// statedLimits are those a scope states; for the others the tool's own maximum holds.
func statedLimits(l policy.Limits) map[string]int {
	all := map[string]int{"rows": l.Rows, "bytes": l.Bytes, "seconds": l.TimeMS / 1000, "affected_rows": l.AffectedRows}
	maps.DeleteFunc(all, func(_ string, n int) bool { return n == 0 })
	return all
}

// listTargets names what this caller can reach, and nothing else.
func (g *Gateway) listTargets(ctx context.Context, call *Call) *answer {
	var args struct {
		Kind string `json:"kind"`
		Text string `json:"text"`
	}
	if err := decodeArgs(call.Args, &args); err != nil {
		return g.closeOwn(ctx, call, nil, err)
	}
	list := []targetInfo{}
	for _, v := range call.world.Policy.Targets(call.policyPrincipal()) {
		t := call.world.Targets[v.Name]
		if args.Kind != "" && args.Kind != v.Kind || !strings.Contains(v.Name+" "+v.Environment+" "+strings.Join(t.Labels, " "), args.Text) {
			continue
		}
		info := targetInfo{Name: v.Name, Kind: v.Kind, Environment: v.Environment, Tools: t.Tools, Allow: v.Allow, MayAsk: v.MayAsk, Limits: statedLimits(v.Limits)}
		var budgets []budgetInfo
		for _, scope := range v.Budgeted {
			left, err := g.budgetsLeft(ctx, call, scope)
			if err != nil {
				return g.closeOwn(ctx, call, nil, err)
			}
			budgets = append(budgets, left...)
		}
		if len(budgets) > 0 {
			info.Budgets = budgets
		}
		list = append(list, info)
	}
	return g.closeOwn(ctx, call, map[string]any{"targets": list}, nil)
}

// describeTarget shows the catalog of one target in depth: what the gateway's login may read of it, with labelled columns marked.
func (g *Gateway) describeTarget(ctx context.Context, call *Call) *answer {
	var args struct {
		Target string `json:"target"`
		Path   string `json:"path"`
		Detail string `json:"detail"`
	}
	if err := decodeArgs(call.Args, &args); err != nil {
		return g.closeOwn(ctx, call, nil, err)
	}
	call.Plan = &tools.Plan{Tool: call.Tool, Target: args.Target}
	if !call.world.Policy.Visible(call.policyPrincipal(), args.Target) {
		return g.closeOwn(ctx, call, nil, tools.ErrNoSuchTarget)
	}
	data, err := call.world.Describe.Describe(ctx, args.Target, args.Path, args.Detail)
	return g.closeOwn(ctx, call, data, err)
}

// accessInfo is the answer of explain_access.
type accessInfo struct {
	Verdict   policy.Verdict      `json:"verdict"`
	Scope     string              `json:"scope,omitempty"`
	Rule      string              `json:"rule"`
	Score     int                 `json:"score"`
	Reasons   []policy.Reason     `json:"reasons"`
	Effect    tools.Effect        `json:"effect,omitempty"`
	Mode      string              `json:"mode,omitempty"` // how a statement was understood: server or tree
	Summary   string              `json:"summary,omitempty"`
	Objects   []tools.Object      `json:"objects,omitempty"`
	Approval  *policy.Requirement `json:"approval,omitempty"`
	Budgets   []budgetInfo        `json:"budgets,omitempty"` // what is left of those of the scope
	WouldFail *Failure            `json:"would_fail,omitempty"`
	Instead   []Alternative       `json:"alternatives,omitempty"` // what to do instead, the best first
}

// explainAccess says what would happen to a call: it is planned, inspected and decided like any other, and ends there. It
// runs nothing and asks nobody.
func (g *Gateway) explainAccess(ctx context.Context, call *Call) *answer {
	var args struct {
		Tool      string          `json:"tool"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if err := decodeArgs(call.Args, &args); err != nil {
		return g.closeOwn(ctx, call, nil, err)
	}
	if args.Tool == "" || len(args.Arguments) == 0 {
		field := "tool"
		if args.Tool != "" {
			field = "arguments"
		}
		return g.closeOwn(ctx, call, nil, &tools.ArgError{Field: field, Problem: "is missing",
			Fix: `send the call that you want explained: {"tool": "query", "arguments": {"target": "a name from list_targets", "sql": "select 1"}}`})
	}
	tool, ok := call.world.Tools[args.Tool]
	if !ok {
		return g.closeOwn(ctx, call, nil, &tools.ArgError{Field: "tool", Problem: "is not a tool that can be explained",
			Fix: "use one of " + strings.Join(slices.Sorted(maps.Keys(call.world.Tools)), ", ")})
	}
	would := *call // what is explained is not this call: its plan and decision stay out of this call's own record
	would.Request = &Request{Principal: call.Principal, Tool: args.Tool, Args: args.Arguments}
	info, err := g.wouldBe(ctx, &would, tool)
	if info == nil {
		return g.closeOwn(ctx, call, nil, err)
	}
	return g.closeOwn(ctx, call, info, nil)
}

func (g *Gateway) wouldBe(ctx context.Context, call *Call, tool Tool) (*accessInfo, error) {
	var err error
	if call.Plan, err = tool.Plan(ctx, call.Args); err == nil {
		if !call.world.Policy.Visible(call.policyPrincipal(), call.Plan.Target) {
			return nil, tools.ErrNoSuchTarget
		}
		err = g.understand(ctx, call, tool)
	}
	if err != nil {
		f := failure(err)
		if f.Code == Unavailable || f.Code == Internal {
			return nil, err
		}
		return &accessInfo{Verdict: policy.Deny, Rule: f.Reason, Reasons: []policy.Reason{{ID: string(f.Code), Text: f.Message}}, WouldFail: &f,
			Instead: otherTool(call, f)}, nil
	}
	d := call.Decision
	budgets, err := g.budgetsLeft(ctx, call, d.Scope)
	if err != nil {
		return nil, err
	}
	return &accessInfo{Verdict: d.Verdict, Scope: d.Scope, Rule: d.Rule, Score: d.Score, Reasons: d.Reasons, Effect: call.Facts.Effect, Mode: call.Facts.Mode,
		Summary: call.Facts.Summary, Objects: call.Facts.Objects, Approval: d.Approval, Budgets: budgets, Instead: g.alternatives(ctx, call)}, nil
}

// otherTool is the alternative of a call that another tool takes.
func otherTool(call *Call, f Failure) []Alternative {
	if f.next == nil || f.next.Act != "use_tool" || toolsAlike[f.next.Tool] != call.Tool {
		return nil
	}
	return []Alternative{{Next: Next{Act: "use_tool", Tool: f.next.Tool, Arguments: call.arguments(nil)}, Why: f.Message}}
}

// decodeArgs decodes the arguments of an own tool strictly.
func decodeArgs(args tools.Args, into any) error {
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil && err != io.EOF {
		if typ, ok := as[*json.UnmarshalTypeError](err); ok {
			return &tools.ArgError{Field: typ.Field, Problem: fmt.Sprintf("is a %s", typ.Value), Fix: fmt.Sprintf("send a %s", typ.Type)}
		}
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return &tools.ArgError{Field: strings.Trim(name, `"`), Problem: "is not a parameter of this tool", Fix: "see the tool's schema"}
		}
		return &tools.ArgError{Field: "arguments", Problem: "is not a JSON object this tool understands", Fix: "see the tool's schema"}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
