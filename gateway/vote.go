package gateway

import (
	"context"
	"errors"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/identity"
)

// VoteStore is what a vote needs of the durable state.
type VoteStore interface {
	CastVote(ctx context.Context, id string, v approvals.Vote,
		apply func(approvals.Request, approvals.Vote, time.Time) (approvals.State, error),
		recs func(after approvals.Request) []audit.Record) (approvals.Request, error)
	ExpireApprovals(ctx context.Context, now time.Time, rec func(approvals.Request) audit.Record) ([]approvals.Request, error)
}

// Answer is one human's answer to a request, as a way in (CLI, Slack, page) hands it over: the person verified.
type Answer struct {
	Voter  approvals.Voter
	Digest string // of the request that was shown
	Yes    bool
	Reason string
	Via    string
}

// Vote counts an answer, whichever way it came. Vote, new state and entries are one transaction. It returns the request
// after the vote, or one of approvals' errors.
func (g *Gateway) Vote(ctx context.Context, idOrCode string, a Answer) (approvals.Request, error) {
	req, err := g.Store.Approval(ctx, idOrCode)
	if err != nil {
		return req, err
	}
	if g.locks.covering(&identity.Principal{Issuer: a.Voter.Issuer, Subject: a.Voter.Subject}, g.Now()) != nil {
		return req, approvals.ErrNotEligible // whoever is kept out has no say either
	}
	// Stopping something needs no more proof than seeing it; letting it happen does.
	if err := approvals.Eligible(req, a.Voter); err != nil && (a.Yes || !errors.Is(err, approvals.ErrAssurance)) {
		return req, err
	}
	if w := g.world.Load(); a.Yes && !w.unchanged(req) {
		return g.outdated(ctx, req)
	}
	vote := approvals.Vote{By: a.Voter.Identity, Name: a.Voter.Name, Yes: a.Yes, Reason: clip(a.Reason, 500), Via: a.Via, Digest: a.Digest, Time: g.Now().UTC()}
	return g.Store.CastVote(ctx, req.ID, vote, approvals.Apply, func(after approvals.Request) []audit.Record {
		e := requestEntry(audit.KindVote, after)
		e.Approval.By, e.Approval.Via = vote.By.Issuer+"#"+vote.By.Subject, vote.Via
		e.Detail = "no"
		if vote.Yes {
			e.Detail = "yes"
		}
		recs := []audit.Record{{Entry: e, Body: &audit.Body{Text: vote.Reason}}}
		if after.State != approvals.Pending {
			recs = append(recs, audit.Record{Entry: requestEntry(audit.KindApproval, after)})
		}
		return recs
	})
}

// unchanged reports whether a yes to req would be given under the configuration it was asked under.
func (w *World) unchanged(req approvals.Request) bool {
	t, ok := w.Targets[req.Target]
	return ok && req.Revision.Policy == w.Policy.Revision() && req.Revision.Masking == w.Masking.Revision() && req.Revision.Target == t.Revision
}

// outdated closes a request that was asked under a configuration that is no longer in force.
func (g *Gateway) outdated(ctx context.Context, req approvals.Request) (approvals.Request, error) {
	req.State = approvals.Stale
	rec := audit.Record{Entry: requestEntry(audit.KindApproval, req)}
	got, err := g.Store.CloseApproval(ctx, req.ID, []approvals.State{approvals.Pending, approvals.Approved}, approvals.Stale, rec)
	if err != nil {
		return got, err
	}
	return got, approvals.ErrStale
}

// Expire closes the requests whose time has passed. The server calls it every few seconds; nothing depends on it being
// prompt, because every use checks the time itself.
func (g *Gateway) Expire(ctx context.Context) error {
	_, err := g.Store.ExpireApprovals(ctx, g.Now(), func(r approvals.Request) audit.Record {
		r.State = approvals.Expired
		return audit.Record{Entry: requestEntry(audit.KindApproval, r)}
	})
	return err
}

// requestEntry is the envelope of what happened to a request outside its call.
func requestEntry(kind audit.Kind, r approvals.Request) audit.Entry {
	return audit.Entry{
		Kind: kind, Call: r.CallID, Tool: r.Tool, Target: r.Target, Approval: approvalRef(r),
		Principal: &audit.Principal{Issuer: r.Requester.Issuer, Subject: r.Requester.Subject, Agent: r.Agent, Client: r.Client},
	}
}
