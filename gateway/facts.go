package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/policy"
	"sallyport/tools"
)

// The functions here translate a Call into the contract of each reader: policy author, approver, auditor, tool. They are
// the only translation, and pure.

func (c *Call) target() string {
	if c.Plan == nil {
		return ""
	}
	return c.Plan.Target
}

// knownTarget is the target's name when it is one of ours; any other name is the agent's own text.
func (c *Call) knownTarget() string {
	if _, ok := c.world.Targets[c.target()]; ok {
		return c.target()
	}
	return ""
}

// toolName is the tool's name when it is one of ours.
func (c *Call) toolName() string {
	if _, ok := ownTools[c.Tool]; ok {
		return c.Tool
	}
	if _, ok := c.world.Tools[c.Tool]; ok {
		return c.Tool
	}
	return ""
}

func (c *Call) requester() approvals.Identity {
	return approvals.Identity{Issuer: c.Principal.Issuer, Subject: c.Principal.Subject}
}

func (c *Call) policyPrincipal() policy.Principal {
	p := c.Principal
	return policy.Principal{Issuer: p.Issuer, Subject: p.Subject, Groups: p.Groups, Agent: p.Agent, Client: p.Client, Claims: policy.Claims(p.Claims)}
}

func (c *Call) policyInput() policy.Input {
	t := c.world.Targets[c.Plan.Target]
	in := PolicyInput(policy.Call{ID: c.ID, Tool: c.Tool, Time: c.decided}, c.policyPrincipal(),
		policy.Target{Name: c.Plan.Target, Kind: t.Kind, Environment: t.Environment, Labels: t.Labels}, c.Facts)
	if c.Approval != nil && c.Approval.State == approvals.Approved {
		in.Approval = &policy.Approval{State: string(c.Approval.State), Votes: c.Approval.Yes()}
	}
	return in
}

// PolicyInput is what policy decides on about a call with these facts, before anybody was asked. It is pure.
func PolicyInput(call policy.Call, who policy.Principal, target policy.Target, f *tools.Facts) policy.Input {
	in := policy.Input{
		Version: 1, Call: call, Principal: who, Target: target,
		Plan: policy.Plan{
			Understood: f.Understood(), Effect: string(f.Effect), Kinds: f.Kinds, Functions: f.Functions,
			Bounded: f.Bounded, Reversible: reversible(f),
		},
	}
	for _, u := range f.Unknown {
		in.Plan.Unknown = append(in.Plan.Unknown, u.Construct)
	}
	for _, o := range f.Objects {
		in.Plan.Objects = append(in.Plan.Objects, policy.Object{Type: o.Type, Name: o.Name, Columns: o.Columns, Access: string(o.Access), Labels: o.Labels})
	}
	return in
}

// reversible: what a transaction changed can be put back from what was there. Schema and rights often cannot, and of what TRUNCATE
// removes nothing is left to look at.
func reversible(f *tools.Facts) bool {
	return f.Effect == tools.Read || f.Effect == tools.Write && !slices.Contains(f.Kinds, "truncate")
}

func (c *Call) obligations() tools.Obligations {
	l := c.Decision.Limits
	within := c.within()
	if l.AffectedRows == 0 && (within != nil || c.Approval != nil) {
		// What was counted holds. Where nobody could count, people said yes knowing that nobody knows how many rows it changes.
		l.AffectedRows = math.MaxInt32
	}
	if s := c.spending; s != nil && s.rows >= 0 { // what is left of a budget
		l.Rows, l.AffectedRows = int(min(orElse(l.Rows, mostRows), s.rows)), int(min(orElse(l.AffectedRows, mostChanged), s.rows))
	}
	approval := ""
	if c.Approval != nil {
		approval = c.Approval.ID
	}
	return tools.Obligations{
		CallID:  c.ID,
		Session: c.Session.ID,
		Caller:  c.Principal.Issuer + "#" + c.Principal.Subject,
		Changes: c.Facts.Effect != tools.Read,
		Within:  within,
		Limits:  tools.Limits{Rows: l.Rows, Bytes: l.Bytes, Time: time.Duration(l.TimeMS) * time.Millisecond, AffectedRows: l.AffectedRows},

		Agent: c.Principal.Agent, Approval: approval, Token: c.Principal.Token,
	}
}

// revisions are what a yes is given under.
func (c *Call) revisions() approvals.Revisions {
	facts := struct {
		Effect    tools.Effect
		Kinds     []string
		Objects   []tools.Object
		Functions []string
		Unknown   []tools.Unclear
	}{c.Facts.Effect, c.Facts.Kinds, c.Facts.Objects, c.Facts.Functions, c.Facts.Unknown}
	b, _ := json.Marshal(facts) // strings and numbers only: cannot fail
	sum := sha256.Sum256(b)
	return approvals.Revisions{
		Policy: c.world.Policy.Revision(), Target: c.Facts.Revision, Masking: c.world.Masking.Revision(),
		Facts: hex.EncodeToString(sum[:16]),
	}
}

func (c *Call) approvalRequest(now time.Time) approvals.Request {
	need := c.Decision.Approval
	req := approvals.Request{
		ID: newID(), Code: approvals.NewCode(), CallID: c.ID, State: approvals.Pending,
		AttachKey: c.attachKey(),
		Tool:      c.Tool, Target: c.Plan.Target, Environment: c.world.Targets[c.Plan.Target].Environment, Scope: c.Decision.Scope,
		Requester: c.requester(), Agent: c.Principal.Agent, Client: c.Principal.Client, Chain: c.Principal.Chain,
		Summary: c.Facts.Summary, Text: c.Facts.Text, Claim: c.Plan.Reason, Risk: c.Decision.Score, Reasons: sentences(c.Decision.Reasons),
		Impact: c.Impact,
		From:   need.From, Count: need.Count, Assurance: need.Assurance,
		Created: now, Expires: now.Add(time.Duration(need.WithinS) * time.Second),
		Args: slices.Clone(c.Args), Revision: c.revisions(),
	}
	req.Sign()
	return req
}

func (c *Call) attachKey() string {
	return approvals.AttachKey(c.requester(), c.Principal.Client, c.Tool, c.Plan.Target, c.Args)
}

// entry is the envelope of one of the call's records: no literal, no agent-written text.
func (c *Call) entry(kind audit.Kind) audit.Entry {
	p := c.Principal
	e := audit.Entry{
		Kind: kind, Call: c.ID, Session: c.Session.ID, Tool: c.toolName(), Target: c.knownTarget(),
		Principal: &audit.Principal{Issuer: p.Issuer, Subject: p.Subject, Groups: p.Groups, Agent: p.Agent, Client: p.Client},
	}
	if c.Facts != nil {
		e.Statement = c.Facts.Fingerprint
		for _, o := range c.Facts.Objects {
			if !o.Literal {
				e.Objects = append(e.Objects, string(o.Access)+" "+o.Name)
			}
		}
	}
	if d := c.Decision; d.Verdict != "" {
		e.Decision = &audit.Decision{Verdict: string(d.Verdict), Scope: d.Scope, Rule: d.Rule, Score: d.Score, Revision: d.Revision}
		for _, r := range d.Reasons {
			e.Decision.Reasons = append(e.Decision.Reasons, r.ID)
		}
	}
	if a := c.Approval; a != nil {
		e.Approval = approvalRef(*a)
	}
	return e
}

// body is the sealed part: the exact call, what was known when it was decided, and what the agent got.
func (c *Call) body(result []byte) *audit.Body {
	b := &audit.Body{Result: result}
	if c.Plan != nil {
		b.Claim = c.Plan.Reason
	}
	if c.Facts != nil {
		b.Text = c.Facts.Text
	} else {
		b.Text = string(c.Args)
	}
	if c.Decision.Verdict != "" {
		b.Input, _ = json.Marshal(c.input) // strings, numbers and a clock's time: cannot fail
	}
	return b
}

func approvalRef(a approvals.Request) *audit.Approval {
	return &audit.Approval{ID: a.ID, Code: a.Code, State: string(a.State), Digest: a.Digest}
}

func sentences(reasons []policy.Reason) []string {
	out := make([]string, 0, len(reasons))
	for _, r := range reasons {
		out = append(out, r.Text)
	}
	return out
}
