// Package tools answers: what would this call do? And then does it.
//
// A tool turns the arguments of a call into a [Plan] (parsing only, nothing is touched), asks its target what it
// understood ([Facts], nothing is executed), and runs what was decided ([Result]). This package holds the words the
// tools share; each tool has its own package below it and owns the client library of its kind of target.
//
// Facts are stated here and judged elsewhere: a tool never decides whether a call may run, and never masks.
package tools

import (
	"context"
	"encoding/json"
	"time"
)

// Args is the arguments object of a call: the exact bytes the agent sent. The transport has already refused anything
// that is not one JSON object without duplicate or case-variant keys.
type Args = json.RawMessage

// Effect is what a call does to its target, at most one per call: the strongest.
type Effect string

const (
	Read    Effect = "read"
	Write   Effect = "write"
	Define  Effect = "define" // schema, configuration, packages
	Admin   Effect = "admin"  // roles, privileges, server, security
	Unknown Effect = "unknown"
)

// Plan is what a call's arguments say by themselves. It is made without touching anything.
type Plan struct {
	Tool   string
	Target string // the target's name in sallyport.yaml, as the agent wrote it; it may not exist
	Reason string // the agent's claim; shown to people, never a fact
	Parsed any    // the tool's own parsed form; read only by the tool that made it
}

// Facts are what is known about a call before it runs. All of it comes from a parser or from the target's catalog,
// none of it from the agent's words, except Text.
type Facts struct {
	Effect      Effect
	Kinds       []string // what the statement is made of: "select", "insert", "update", "delete", "explain", "show"
	Objects     []Object
	Functions   []string  // as called, sorted
	Bounded     bool      // a write that has a WHERE or a LIMIT; true for reads
	Unknown     []Unclear // what was not understood; empty means understood completely
	Summary     string    // one line in our own words, without literals: "updates public.orders (status)"
	Fingerprint string    // the statement with literals removed; "" when not understood
	Text        string    // exact text for the approver and the sealed record: statement and parameters
	Values      []string  // of a change: the text values it would send (parameters, literals, strings of a body), to find placeholders in
	Revision    string    // changes when the target's definition in the configuration does
	Mode        string    // how it was understood, where there is more than one way: ModeServer, ModeTree; "" otherwise
	Inspected   any       // the tool's own findings, needed again by Run
}

// Modes of understanding a statement.
const (
	ModeServer = "server" // the target said which objects the names mean, and each was judged
	ModeTree   = "tree"   // the parser and the target's catalog, by names: what a name may mean besides is not understood
)

// Understood reports whether nothing in the call was left unclassified.
func (f *Facts) Understood() bool { return len(f.Unknown) == 0 && f.Effect != Unknown }

// Object is one thing a call touches.
type Object struct {
	Type    string   `json:"type"`              // "table", "view", "catalog"; "command", "path"; "operation", "request"
	Name    string   `json:"name"`              // "public.orders": qualified as the target resolved it
	Columns []string `json:"columns,omitempty"` // those named; nil when all or not known
	Access  Effect   `json:"access"`
	Labels  []string `json:"labels,omitempty"` // sensitivity labels of what is read: column classes, "credential", "data-copy"
	Literal bool     `json:"-"`                // Name holds text of the call itself (a path, a request): for policy and approvers, not for the audit envelope
}

// Unclear is one construct that was not understood, and where it stands.
type Unclear struct {
	Construct string // in the field's words: "function log_it", "SELECT ... FOR UPDATE"
	Position  int    // 1-based character position in the statement; 0 when unknown
}

// Limits bound one call. Zero means: the tool's built-in maximum, never "no limit".
type Limits struct {
	Rows         int           // rows returned
	Bytes        int           // bytes of the result, as JSON
	ValueBytes   int           // bytes of one value
	Time         time.Duration // from sending the statement to its last row
	AffectedRows int           // rows a write may change without having been approved for more
}

// Obligations are what the decision asks of the execution.
type Obligations struct {
	Session string // of the caller; what a target holds for one is given up when it ends
	CallID  string // carried to the target where it has a place for it (application_name)
	Caller  string // who calls, issuer and subject, where a target's connections are shared; all calls with "" are one caller's
	Limits  Limits
	Changes bool // false: the target is told that nothing may change
	// Within is what a change was counted to hit and is held to: it is undone, with an *OutgrownError, when it would hit more; with a
	// *ConflictError when that cannot be told because somebody else changes the same rows. nil: only Limits hold.
	Within *Bound
	// Agent is who acts for the caller, and Approval the id of the request that people said yes to; "" when there is none. A target is told,
	// where it has a place for it.
	Agent, Approval string
	// Token returns the caller's own bearer token, which was verified for this call; nil when the call came without one. It goes to an issuer
	// that exchanges it, and nowhere else: it is never kept, logged or recorded.
	Token func() string
}

// Result is what a target answered, unmasked and possibly still being read. It lives in one local variable of the
// pipeline and is never stored.
type Result interface {
	// Render reads the result to its end and returns the envelope's data object with every value from the target
	// passed through m. On error nothing of it may be released. Render ends the call on the target (commits, closes
	// the cursor); it is called at most once.
	Render(ctx context.Context, m Mask) (*Rendered, error)
	// Close ends the result without reading it, cancelling what still runs. Safe after Render, and twice.
	Close()
}

// Mask is what each value passes before it may leave; *masking.Mask is the implementation. The append form follows
// strconv.AppendInt: it returns dst extended by the masked src.
type Mask interface {
	// Text appends src with everything the content detectors find replaced.
	Text(dst, src []byte) []byte
	// JSON appends the JSON document src with detected content replaced by structure: strings stay strings, other
	// types stay or become null. A src that is not JSON is appended as one JSON string, masked like Text.
	JSON(dst, src []byte) []byte
	// Labelled appends the replacement of a value that comes from a labelled column, as plain text, whatever it looks
	// like. ok is false when the method's replacement is null.
	Labelled(dst, src []byte, class, method string) (out []byte, ok bool)
}

// Rendered is a masked result, ready to be recorded and then released.
type Rendered struct {
	Data      json.RawMessage // the envelope's data object
	Rows      int64           // rows returned
	Affected  int64           // rows changed; -1 when it does not apply
	Truncated *Truncated
	Columns   []MaskedColumn // labelled columns that were masked
	Code      string         // what the target called success: command tag, exit code, HTTP status
}

// Truncated says which limit cut a result. It is absent when nothing was cut.
type Truncated struct {
	By       string `json:"by"` // rows, bytes or time
	Returned int64  `json:"returned"`
	Hint     string `json:"hint"`
}

// MaskedColumn tells the agent that a column's values are replaced, and why.
type MaskedColumn struct {
	Name   string `json:"name"`
	Class  string `json:"class"`
	Method string `json:"method"`
	Why    string `json:"why"` // "column label"
}

// Executed is the one field an agent must never have to guess.
type Executed string

const (
	ExecutedNo      Executed = "no"
	ExecutedYes     Executed = "yes"
	ExecutedUnknown Executed = "unknown"
)
