package gateway

import (
	"encoding/json"
	"time"

	"sallyport/identity"
)

// Request is one tool call as a transport hands it over: the bearer token verified, the arguments known to be one strict
// JSON object (no duplicate or case-variant keys), nothing else checked.
type Request struct {
	Principal *identity.Principal
	Tool      string
	Args      json.RawMessage

	// ClientName is what the client calls itself. It tunes waiting and is recorded; it is never security.
	ClientName string
	// ReadOnly says that the token may not change anything: nothing is executed for it by get_call.
	ReadOnly bool
	// Hold is how long this client can be kept waiting inline for humans. Zero: answer at once.
	Hold time.Duration
	// Progress is called, from one goroutine at a time, with a short sentence in our own words while the call waits. Nil is fine.
	Progress func(message string)
}

// Reply is what goes back to the agent, whatever happened. It is ready to be written: masked, recorded, final.
type Reply struct {
	Structured json.RawMessage // the result envelope, one JSON object
	Text       string          // its short mirror, the important part first
	IsError    bool
	// Reason is the short fixed word of a failure, one of the Reason constants or another; "" when there is none.
	Reason string
	// Unavailable: a part of the gateway failed. It says nothing of the call; asking again may help.
	Unavailable bool
	// Waiting is set when the call is not over: people were asked, it runs for an earlier request, or it could not run yet. get_call
	// attaches to it.
	Waiting *Waiting
}

// Why a call is over that did not run to its end, in Reply.Reason: what a transport has words of its own for.
const (
	ReasonNoSuchCall = "no-such-call" // get_call, cancel_call: never there, not this caller's, or no longer kept
	ReasonWithdrawn  = "withdrawn"    // cancel_call, before it ran
	ReasonCancelled  = "cancelled"    // cancel_call, while it ran
)

// Waiting is how a call that is not over stands.
type Waiting struct {
	CallID  string
	Message string    // one sentence in our own words
	Expires time.Time // when the question to people is over; zero once it was answered
}
