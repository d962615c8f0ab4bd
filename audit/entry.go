// Package audit answers: what happened, provably?
//
// The log is a sequence of entries whose hashes form a Merkle tree (RFC 6962, through golang.org/x/mod/sumdb/tlog). An entry has two
// parts: an envelope without literals, which is hashed, exported and kept long, and a sealed body (the exact statement and
// the masked transcript), which is encrypted with a key per session and can be shredded early. Signed checkpoints (C2SP, note)
// fix the tree's size and root.
//
// The functions here are pure: over bytes and stored hashes. The store calls them inside the transaction that changes
// state, so there is no action without its entry.
package audit

import "time"

// Kind of an entry.
type Kind string

const (
	KindRequest    Kind = "request" // asked: waiting for humans
	KindDenied     Kind = "denied"
	KindApproval   Kind = "approval" // a request changed state
	KindVote       Kind = "vote"
	KindIntent     Kind = "intent"
	KindOutcome    Kind = "outcome"
	KindSession    Kind = "session"
	KindCredential Kind = "credential"
	KindConfig     Kind = "config" // start, stop, reload
	KindCheckpoint Kind = "checkpoint"
	KindRead       Kind = "read" // the log itself was read
)

// Kinds are all of them.
var Kinds = []Kind{KindRequest, KindDenied, KindApproval, KindVote, KindIntent, KindOutcome, KindSession, KindCredential, KindConfig, KindCheckpoint, KindRead}

// Entry is the envelope: no argument, literal, row, e-mail address or agent-written text is in it. Seq and Body are
// filled in by the store. The JSON form is canonical: fixed field order, no insignificant space; it is what is hashed.
type Entry struct {
	V         int        `json:"v"`    // 1
	Seq       int64      `json:"seq"`  // from 0, without gaps
	ID        string     `json:"id"`   // UUIDv7
	Time      time.Time  `json:"time"` // UTC, milliseconds
	Kind      Kind       `json:"kind"`
	Call      string     `json:"call,omitempty"`
	Session   string     `json:"session,omitempty"`
	Principal *Principal `json:"principal,omitempty"`
	Tool      string     `json:"tool,omitempty"`
	Target    string     `json:"target,omitempty"`
	Statement string     `json:"statement,omitempty"` // fingerprint, literals removed
	Objects   []string   `json:"objects,omitempty"`   // "read public.orders"
	Decision  *Decision  `json:"decision,omitempty"`
	Approval  *Approval  `json:"approval,omitempty"`
	Masks     []Mask     `json:"masks,omitempty"`
	Outcome   *Outcome   `json:"outcome,omitempty"`
	Detail    string     `json:"detail,omitempty"` // our own words: "started", "config reloaded"
	Body      *BodyRef   `json:"body_ref,omitempty"`
}

type Principal struct {
	Issuer  string   `json:"iss"`
	Subject string   `json:"sub"`
	Groups  []string `json:"groups,omitempty"`
	Agent   string   `json:"agent,omitempty"`
	Client  string   `json:"client,omitempty"`
}

type Decision struct {
	Verdict  string   `json:"verdict"`
	Scope    string   `json:"scope,omitempty"`
	Rule     string   `json:"rule"`
	Score    int      `json:"score"`
	Reasons  []string `json:"reasons,omitempty"` // ids
	Revision string   `json:"revision"`
}

type Approval struct {
	ID     string `json:"id"`
	Code   string `json:"code,omitempty"`
	State  string `json:"state"`
	Digest string `json:"digest,omitempty"`
	By     string `json:"by,omitempty"` // iss#sub of the voter
	Via    string `json:"via,omitempty"`
}

// Mask counts what was replaced, by class.
type Mask struct {
	Class string `json:"class"`
	Count int64  `json:"count"`
	Why   string `json:"why"` // column, detected
}

// Outcome of a call. Status is ok, error or unknown.
type Outcome struct {
	Status    string `json:"status"`
	Code      string `json:"code,omitempty"`   // our error code
	Target    string `json:"target,omitempty"` // SQLSTATE, exit status, command tag
	Rows      int64  `json:"rows"`
	Affected  int64  `json:"affected"`
	Bytes     int64  `json:"bytes"`
	ElapsedUS int64  `json:"elapsed_us"`
	Truncated bool   `json:"truncated,omitempty"`
}

// BodyRef binds a sealed body to its envelope. Commit is SHA-256 over a random salt kept inside the body and the
// plaintext, so after shredding it says nothing.
type BodyRef struct {
	Commit string `json:"commit"` // hex
	SHA256 string `json:"sha256"` // hex, of the ciphertext
}

// Body is what is sealed: the exact call, what policy knew of it, and what the agent saw of its result, after masking.
type Body struct {
	Text   string `json:"text,omitempty"`   // exact statement and parameters, or the reason of a vote
	Claim  string `json:"claim,omitempty"`  // the agent's reason
	Result []byte `json:"result,omitempty"` // the envelope as released, masked
	Input  []byte `json:"input,omitempty"`  // what policy decided on, as JSON (policy.Input); nil when nothing was decided
}

// Record is an entry about to be appended, with its body still open; nil Body means none.
type Record struct {
	Entry Entry
	Body  *Body
	Spent []Spent // of budgets; nil for most
}
