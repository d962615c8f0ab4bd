// Package approvals answers: did enough of the right humans say yes to exactly this call?
//
// A [Request] is durable before anybody is told about it. It is for one exact call, used once, expires, and is decided by
// distinct eligible humans: never the requester, never anybody in the chain that acts for him, administrators included.
// This package holds the rules, as pure functions over values; the store applies them inside its transactions.
package approvals

import (
	"errors"
	"time"
)

// State of a request. Only these moves exist: pending to approved, denied, expired or cancelled; approved to consumed,
// expired, stale or cancelled; and consumed to stale, when the execution would have done more than was agreed and was undone.
type State string

const (
	Pending   State = "pending"
	Approved  State = "approved"
	Denied    State = "denied"
	Expired   State = "expired"
	Cancelled State = "cancelled"
	Stale     State = "stale" // policy, target or masking changed between the yes and the execution
	Consumed  State = "consumed"
)

// Request is one question to humans. Times are UTC.
type Request struct {
	ID     string `json:"id"`   // UUIDv7
	Code   string `json:"code"` // random, shown to people: "K7QM-2X9D"; never derived from Digest
	CallID string `json:"call"`
	// AttachKey is the hex SHA-256 of (issuer, subject, client, tool, target, exact arguments): a repeated call attaches by it.
	AttachKey string `json:"-"`
	// Digest is what humans sign: AttachKey, the revisions of policy, target and masking, and the Impact, with a nonce. Votes carry it.
	Digest string `json:"digest"`
	State  State  `json:"state"`

	Tool        string   `json:"tool"`
	Target      string   `json:"target"`
	Environment string   `json:"environment"`
	Scope       string   `json:"scope"` // that asks
	Requester   Identity `json:"requester"`
	Agent       string   `json:"agent"`
	Client      string   `json:"client"`
	Chain       []string `json:"-"` // actors of the requester's token; never eligible

	Summary string   `json:"summary"` // one line from facts
	Text    string   `json:"text"`    // the exact call
	Claim   string   `json:"reason"`  // the agent's reason: its claim
	Risk    int      `json:"risk"`
	Reasons []string `json:"reasons"` // sentences
	Impact  *Impact  `json:"impact,omitempty"`

	From      []string `json:"from"` // groups, one of which a voter needs
	Count     int      `json:"count"`
	Assurance string   `json:"assurance"`

	Votes    []Vote    `json:"votes"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	Decided  time.Time `json:"decided,omitzero"`
	Args     []byte    `json:"-"` // exact arguments, to run the call when a caller attaches by get_call; sealed at rest
	Revision Revisions `json:"-"`
}

// Revisions are what a yes was given under. A difference at execution makes the approval stale.
type Revisions struct {
	Policy  string
	Target  string
	Masking string
	Facts   string // a hash of what the call was understood to do
}

// Use names the approval an execution uses up: both must match.
type Use struct{ ID, Digest string }

// Identity is a human or service by issuer and subject; two are the same only when both agree.
type Identity struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
}

// Vote is one human's answer.
type Vote struct {
	By     Identity  `json:"by"`
	Name   string    `json:"name,omitempty"` // display only
	Yes    bool      `json:"yes"`
	Reason string    `json:"reason,omitempty"`
	Via    string    `json:"via"` // cli, slack, web
	Digest string    `json:"digest"`
	Time   time.Time `json:"time"`
}

var (
	ErrNotFound    = errors.New("no such approval request")
	ErrNotEligible = errors.New("not eligible to answer this request")
	ErrAssurance   = errors.New("the request asks for a surer proof of who answers")
	ErrSelf        = errors.New("a requester cannot answer his own request")
	ErrClosed      = errors.New("the request is no longer open")
	ErrDigest      = errors.New("the request is not the one that was shown")
	ErrVoted       = errors.New("already answered by this person")
	ErrNotApproved = errors.New("the request is not approved")
	ErrStale       = errors.New("what was approved has changed")
)
