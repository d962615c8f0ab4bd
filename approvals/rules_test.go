package approvals

import (
	"errors"
	"testing"
	"time"
)

var (
	ann = Identity{Issuer: "https://idp", Subject: "ann"}
	bob = Identity{Issuer: "https://idp", Subject: "bob"}
	cat = Identity{Issuer: "https://idp", Subject: "cat"}
	now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
)

func request(count int, votes ...Vote) Request {
	return Request{
		State: Pending, Digest: "d", Requester: ann, Agent: "claude", Client: "cli", Chain: []string{"claude", "proxy"},
		From: []string{"dba", "sre"}, Count: count, Assurance: "chat", Expires: now.Add(time.Minute), Votes: votes,
	}
}

func TestWhoMayAnswer(t *testing.T) {
	tests := []struct {
		name  string
		voter Voter
		want  error
	}{
		{"a member of the group", Voter{Identity: bob, Groups: []string{"dba"}}, nil},
		{"a member of both groups", Voter{Identity: bob, Groups: []string{"sre", "dba"}}, nil},
		{"the requester", Voter{Identity: ann, Groups: []string{"dba"}}, ErrSelf},
		{"an administrator outside the groups", Voter{Identity: bob, Groups: []string{"admins"}}, ErrNotEligible},
		{"nobody's groups", Voter{Identity: bob}, ErrNotEligible},
		{"the agent itself", Voter{Identity: Identity{"https://idp", "claude"}, Groups: []string{"dba"}}, ErrSelf},
		{"an actor of the chain, at another issuer", Voter{Identity: Identity{"https://other", "proxy"}, Groups: []string{"dba"}}, ErrSelf},
		{"the client", Voter{Identity: Identity{"https://idp", "cli"}, Groups: []string{"dba"}}, ErrSelf},
		{"a delegated token", Voter{Identity: bob, Groups: []string{"dba"}, Delegated: true}, ErrNotEligible},
		{"the requester's name at another issuer is another person", Voter{Identity: Identity{"https://other", "ann"}, Groups: []string{"dba"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.voter.Assurance = Chat
			if got := Eligible(request(1), tt.voter); !errors.Is(got, tt.want) {
				t.Errorf("Eligible = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestHowSureItIsWhoAnswers(t *testing.T) {
	for _, tt := range []struct {
		need string
		have Assurance
		want error
	}{
		{"chat", Chat, nil}, {"chat", Web, nil}, {"chat", WebFresh, nil},
		{"web", Chat, ErrAssurance}, {"web", Web, nil}, {"web", WebFresh, nil},
		{"web_fresh", Chat, ErrAssurance}, {"web_fresh", Web, ErrAssurance}, {"web_fresh", WebFresh, nil},
		{"chat", "", ErrAssurance}, {"", WebFresh, ErrAssurance}, {"blood", WebFresh, ErrAssurance}, {"chat", "blood", ErrAssurance},
	} {
		req := request(1)
		req.Assurance = tt.need
		if got := Eligible(req, Voter{Identity: bob, Groups: []string{"dba"}, Assurance: tt.have}); !errors.Is(got, tt.want) {
			t.Errorf("%q where %q is asked for: %v, want %v", tt.have, tt.need, got, tt.want)
		}
	}
}

func TestVotes(t *testing.T) {
	yes := func(by Identity) Vote { return Vote{By: by, Yes: true, Digest: "d"} }
	tests := []struct {
		name string
		req  Request
		vote Vote
		at   time.Time
		want State
		err  error
	}{
		{"one of one", request(1), yes(bob), now, Approved, nil},
		{"one of two", request(2), yes(bob), now, Pending, nil},
		{"two of two", request(2, yes(bob)), yes(cat), now, Approved, nil},
		{"the same person twice", request(2, yes(bob)), yes(bob), now, Pending, ErrVoted},
		{"more than needed still approves", request(1, yes(bob), yes(ann)), yes(cat), now, Approved, nil},
		{"one no closes", request(2, yes(bob)), Vote{By: cat, Digest: "d"}, now, Denied, nil},
		{"another digest", request(1), Vote{By: bob, Yes: true, Digest: "x"}, now, Pending, ErrDigest},
		{"no digest", request(1), Vote{By: bob, Yes: true}, now, Pending, ErrDigest},
		{"at expiry", request(1), yes(bob), now.Add(time.Minute), Pending, ErrClosed},
		{"a count of zero still needs one", request(0), yes(bob), now, Approved, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Apply(tt.req, tt.vote, tt.at)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Apply = %v, %v; want %v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestAVoteAfterTheEndDoesNotCount(t *testing.T) {
	for _, s := range []State{Approved, Denied, Expired, Cancelled, Stale, Consumed} {
		req := request(1)
		req.State = s
		if got, err := Apply(req, Vote{By: bob, Yes: true, Digest: "d"}, now); got != s || !errors.Is(err, ErrClosed) {
			t.Errorf("%s: Apply = %v, %v; want it unchanged and ErrClosed", s, got, err)
		}
	}
}

func TestAnIdenticalCallBelongsToARequest(t *testing.T) {
	tests := []struct {
		state   State
		decided time.Duration // before now
		expires time.Duration // after now
		want    bool
	}{
		{Pending, 0, time.Minute, true},
		{Approved, 0, time.Minute, true},
		{Pending, 0, 0, false},
		{Approved, 0, -time.Second, false},
		{Consumed, time.Second, -time.Minute, true},
		{Consumed, time.Minute, time.Minute, false},
		{Denied, time.Second, time.Minute, true},
		{Denied, time.Minute, time.Minute, false},
		{Expired, time.Second, time.Minute, false},
		{Cancelled, time.Second, time.Minute, false},
		{Stale, time.Second, time.Minute, false},
	}
	for _, tt := range tests {
		r := Request{State: tt.state, Decided: now.Add(-tt.decided), Expires: now.Add(tt.expires)}
		if got := r.Answers(now, time.Minute); got != tt.want {
			t.Errorf("%s, decided %s ago, expires in %s: %v", tt.state, tt.decided, tt.expires, got)
		}
	}
}

func TestAttachKeySeparatesItsFields(t *testing.T) {
	base := AttachKey(ann, "cli", "query_write", "db", []byte(`{"a":1}`))
	for name, other := range map[string]string{
		"another person":     AttachKey(bob, "cli", "query_write", "db", []byte(`{"a":1}`)),
		"another client":     AttachKey(ann, "web", "query_write", "db", []byte(`{"a":1}`)),
		"another argument":   AttachKey(ann, "cli", "query_write", "db", []byte(`{"a": 1}`)),
		"fields moved along": AttachKey(ann, "cliquery_write", "", "db", []byte(`{"a":1}`)),
	} {
		if other == base {
			t.Errorf("%s has the same key", name)
		}
	}
}

func TestNoTwoRequestsShareADigestOrCode(t *testing.T) {
	a, b := request(1), request(1)
	a.Sign()
	b.Sign()
	if a.Digest == b.Digest {
		t.Error("two requests for the same call have one digest")
	}
	if one, other := NewCode(), NewCode(); one == other {
		t.Error("two codes are equal")
	}
}
