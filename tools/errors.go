package tools

import (
	"errors"
	"fmt"
	"strings"
)

// The errors below are what tools return; the gateway maps each to one code of the agent's closed set. Their texts are
// written for the agent: they name the place and the fix, and hold no value that came from a target, no host, no user.

// ErrNoSuchTarget is returned by Inspect and Run for a target of another kind or none at all.
var ErrNoSuchTarget = errors.New("no such target")

// ArgError is a call whose arguments do not fit the tool's schema.
type ArgError struct {
	Field   string // path of the field: "params[2]"; "" for the whole object
	Problem string // what is wrong with it
	Fix     string // what to send instead; may be empty
}

func (e *ArgError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("%s: %s; %s", e.Field, e.Problem, e.Fix), "; ")
}

// NotUnderstoodError is a call that cannot be classified completely. It is never executed.
type NotUnderstoodError struct {
	Unclear
	Suggestion string
}

func (e *NotUnderstoodError) Error() string {
	if e.Position > 0 {
		return fmt.Sprintf("not understood: %s at position %d", e.Construct, e.Position)
	}
	return "not understood: " + e.Construct
}

// WrongToolError is a call that another tool would take: a write sent to query.
type WrongToolError struct {
	Use       string // the tool to use instead; "" when there is none yet
	Construct string // what made it so: "DELETE in a WITH clause"
	Position  int
	// Suggestion is what to do instead where Use is "".
	Suggestion string
}

func (e *WrongToolError) Error() string {
	if e.Use == "" {
		return e.Construct + " is not supported"
	}
	return fmt.Sprintf("%s is not possible here; use %s", e.Construct, e.Use)
}

// LabelledError is a reference to a labelled column other than plainly selecting it: the answer could tell its value.
type LabelledError struct {
	Column   string // "customers.ssn"
	Class    string
	Position int
	Where    string // "in WHERE", "inside a function"
}

func (e *LabelledError) Error() string {
	return fmt.Sprintf("%s is labelled %s and may only be selected as a plain column (it comes back masked); it stands %s", e.Column, e.Class, e.Where)
}

// TargetError is an answer of the target that is an error of the call: a SQLSTATE, an exit status, an HTTP status.
// Message is rebuilt by the tool from Code and names that exist in the catalog, so no value of a row is in it.
type TargetError struct {
	Code       string
	Message    string
	Position   int
	Hint       string
	Candidates []string // near-miss names
	Executed   Executed
}

func (e *TargetError) Error() string { return fmt.Sprintf("target error %s: %s", e.Code, e.Message) }

// UnreachableError is a target that could not be reached or logged in to. Problem names no host, user or credential.
type UnreachableError struct {
	Problem string
	Err     error // for the operator's log; never shown to the agent
}

func (e *UnreachableError) Error() string { return "target unreachable: " + e.Problem }
func (e *UnreachableError) Unwrap() error { return e.Err }

// TimeoutError is a call that ran into its time limit and was cancelled on the target.
type TimeoutError struct {
	Limit    string
	Executed Executed
}

func (e *TimeoutError) Error() string { return "time limit of " + e.Limit + " reached" }

// TooLargeError is a single value, or a result that must be whole, above its limit.
type TooLargeError struct {
	What  string // "the value in row 3, column \"body\""
	Bytes int    // its size; 0 when not known
	Limit int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s is larger than %d bytes", e.What, e.Limit)
}

// AffectedError is a write that would have changed more rows than it may. It was rolled back.
type AffectedError struct{ Rows, Limit int64 }

func (e *AffectedError) Error() string {
	return fmt.Sprintf("the statement would change %d rows, the limit is %d; it was rolled back", e.Rows, e.Limit)
}

// OutcomeUnknownError is a change whose end was not seen: the connection was lost around COMMIT.
type OutcomeUnknownError struct {
	Check string // how to find out
	Err   error
}

func (e *OutcomeUnknownError) Error() string { return "it is not known whether the change happened" }
func (e *OutcomeUnknownError) Unwrap() error { return e.Err }

// OutgrownError is a change that would have hit more rows than it was agreed to hit. Nothing was changed.
type OutgrownError struct {
	Object      string // "public.orders"
	Agreed, Now int64  // rows; both 0: the numbers are not to be told
}

func (e *OutgrownError) Error() string {
	if e.Agreed == 0 && e.Now == 0 {
		return "more rows of " + e.Object + " would change than was agreed to; nothing was changed"
	}
	return fmt.Sprintf("agreed to change %d rows of %s, it would now change %d; nothing was changed", e.Agreed, e.Object, e.Now)
}

// ConflictError is a change that was held to what had been counted and met another transaction on the same rows. Nothing was changed.
type ConflictError struct{ Err error }

func (e *ConflictError) Error() string {
	return "another transaction changed the same rows meanwhile; nothing was changed"
}
func (e *ConflictError) Unwrap() error { return e.Err }
