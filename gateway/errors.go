package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/approvals"
	"sallyport/policy"
	"sallyport/tools"
)

// Code is what an agent acts on; the set is closed (docs: errors).
type Code string

const (
	InvalidArgument     Code = "invalid_argument"
	Unauthenticated     Code = "unauthenticated"
	Denied              Code = "denied"
	WriteNotAllowedHere Code = "write_not_allowed_here"
	NotUnderstood       Code = "not_understood"
	ApprovalDenied      Code = "approval_denied"
	ApprovalExpired     Code = "approval_expired"
	ApprovalStale       Code = "approval_stale"
	BudgetExceeded      Code = "budget_exceeded"
	ResultTooLarge      Code = "result_too_large"
	TargetNotFound      Code = "target_not_found"
	TargetUnreachable   Code = "target_unreachable"
	TargetErr           Code = "target_error"
	Timeout             Code = "timeout"
	OutcomeUnknown      Code = "outcome_unknown"
	MaskedValueInWrite  Code = "masked_value_in_write"
	Unavailable         Code = "unavailable"
	Internal            Code = "internal"
)

// Failure is an error as the agent sees it.
type Failure struct {
	Code        Code     `json:"code"`
	Message     string   `json:"message"`
	Retryable   bool     `json:"retryable"`
	RetryAfter  int      `json:"retry_after_seconds,omitempty"`
	WhoCanFix   string   `json:"who_can_fix"` // agent, user or admin
	Reason      string   `json:"reason,omitempty"`
	Suggestion  string   `json:"suggestion,omitempty"`
	Candidates  []string `json:"candidates,omitempty"`
	SQLState    string   `json:"sqlstate,omitempty"`
	Position    int      `json:"position,omitempty"`
	executed    tools.Executed
	next        *Next
	targetsOwn  string // the target's own code, for the record
	statusOther string // envelope status, when it is not "failed"
}

// The errors of the pipeline itself.
type (
	// deniedError is a denial, and what the caller could do instead.
	deniedError struct {
		policy.Decision
		instead []Alternative
	}
	pendingError struct{ approvals.Request }
	replayError  struct{ callID string }
	budgetError  struct {
		What, Fix  string
		retryAfter int  // seconds; 0: not known
		withheld   bool // it ran, and its result stays here
	}
	unavailableError struct {
		part string
		err  error
	}
	// closedError is a request that will not become an execution, and why.
	closedError struct {
		approvals.Request
		state approvals.State
	}
)

func (e *deniedError) Error() string      { return "denied by " + e.Rule }
func (e *pendingError) Error() string     { return "approval pending" }
func (e *replayError) Error() string      { return "already executed" }
func (e *budgetError) Error() string      { return e.What }
func (e *closedError) Error() string      { return "approval " + string(e.state) }
func (e *unavailableError) Error() string { return e.part + " unavailable: " + e.err.Error() }
func (e *unavailableError) Unwrap() error { return e.err }

var (
	errPanic     = errors.New("panic")
	errCancelled = errors.New("cancelled by cancel_call")
	errNoCall    = errors.New("no such call")

	errMaskedValue = errors.New("the change holds a placeholder of a masked value")
)

func unavailable(part string, err error) error { return &unavailableError{part, err} }

func asPending(err error) (*pendingError, bool) { return as[*pendingError](err) }
func asReplay(err error) (*replayError, bool)   { return as[*replayError](err) }

func as[E error](err error) (E, bool) {
	var e E
	ok := errors.As(err, &e)
	return e, ok
}

// failure is the one place where an error becomes what the agent sees. What it does not know becomes internal, with the
// call id and nothing else.
func failure(err error) Failure {
	var (
		arg     *tools.ArgError
		unclear *tools.NotUnderstoodError
		wrong   *tools.WrongToolError
		label   *tools.LabelledError
		target  *tools.TargetError
		down    *tools.UnreachableError
		slow    *tools.TimeoutError
		large   *tools.TooLargeError
		rows    *tools.AffectedError
		grown   *tools.OutgrownError
		race    *tools.ConflictError
		lost    *tools.OutcomeUnknownError
		denied  *deniedError
		closed  *closedError
		locked  *lockedError
		budget  *budgetError
		unav    *unavailableError
	)
	switch {
	case errors.As(err, &locked):
		f := Failure{Code: Denied, Message: "an operator has locked you out of this gateway", WhoCanFix: "admin", Reason: "locked", Suggestion: "tell the user; no call will work", executed: tools.ExecutedNo}
		if !locked.Expires.IsZero() {
			f.Message += " until " + locked.Expires.UTC().Format(time.RFC3339)
		}
		return f
	case errors.Is(err, errSessionEnded):
		f := Failure{Code: Timeout, Message: "the session ended while the call ran; it was cancelled on the target", WhoCanFix: "user", Reason: "session-ended", executed: tools.ExecutedNo}
		if errors.As(err, &lost) || errors.As(err, &slow) && slow.Executed != tools.ExecutedNo {
			f.Code, f.executed, f.statusOther = OutcomeUnknown, tools.ExecutedUnknown, statusUnknown
			f.Suggestion = "look whether the change is there before sending it again"
		}
		return f
	case errors.As(err, &arg):
		what := &tools.ArgError{Field: arg.Field, Problem: arg.Problem} // the fix is the suggestion; saying it twice costs tokens
		return Failure{Code: InvalidArgument, Message: what.Error(), WhoCanFix: "agent", Reason: "argument", Suggestion: arg.Fix}
	case errors.Is(err, errNoCall):
		return Failure{Code: InvalidArgument, Message: "call_id: no such call of yours", WhoCanFix: "agent", Reason: ReasonNoSuchCall,
			Suggestion: "use the call_id of an earlier result; results are kept for a short time only"}
	case errors.Is(err, tools.ErrNoSuchTarget):
		return Failure{Code: TargetNotFound, Message: "no target of this name is available to you", WhoCanFix: "agent", Reason: "no-such-target",
			Suggestion: "list_targets names those you can use", next: useTool("list_targets")}
	case errors.Is(err, errMaskedValue):
		return Failure{Code: MaskedValueInWrite, Message: "a value of this change is a placeholder that stands for a masked value; written, it would replace the real one", WhoCanFix: "agent",
			Reason: "placeholder", Suggestion: "leave the masked column out of the change; its value cannot be read here", next: &Next{Act: "stop"}}
	case errors.As(err, &wrong):
		if wrong.Use == "query_write" {
			return Failure{Code: WriteNotAllowedHere, Message: wrong.Error(), WhoCanFix: "agent", Reason: "wrong-tool", Position: wrong.Position, next: useTool(wrong.Use)}
		}
		f := Failure{Code: NotUnderstood, Message: wrong.Error(), WhoCanFix: "agent", Reason: "unsupported", Position: wrong.Position, Suggestion: wrong.Suggestion}
		if wrong.Use != "" {
			f.Code, f.Reason, f.next = InvalidArgument, "wrong-tool", useTool(wrong.Use)
		}
		return f
	case errors.As(err, &unclear):
		return Failure{Code: NotUnderstood, Message: unclear.Error(), WhoCanFix: "agent", Reason: "not-understood", Suggestion: unclear.Suggestion, Position: unclear.Position}
	case errors.As(err, &label):
		return Failure{Code: Denied, Message: label.Error(), WhoCanFix: "agent", Reason: "labelled-column", Position: label.Position,
			Suggestion: "select the column plainly, or leave it out; conditions, sorting and expressions on it are refused"}
	case errors.As(err, &denied):
		return deniedFailure(denied.Decision, denied.instead)
	case errors.As(err, &closed):
		return closedFailure(closed)
	case errors.As(err, &budget):
		return budgetFailure(budget)
	case errors.As(err, &rows):
		return Failure{Code: BudgetExceeded, Message: rows.Error(), WhoCanFix: "agent", Reason: "affected-rows", Suggestion: "narrow the WHERE clause",
			executed: tools.ExecutedNo}
	case errors.As(err, &grown):
		return Failure{Code: ApprovalStale, Message: grown.Error(), Retryable: true, WhoCanFix: "agent", Reason: "impact", Suggestion: "send the call again; it is counted anew, and people are asked anew",
			executed: tools.ExecutedNo}
	case errors.As(err, &race):
		return Failure{Code: TargetErr, Message: race.Error(), Retryable: true, WhoCanFix: "agent", Reason: "conflict", Suggestion: "send the call again; where people had agreed, they are asked anew",
			SQLState: "40001", executed: tools.ExecutedNo, targetsOwn: "40001"}
	case errors.As(err, &large):
		return Failure{Code: ResultTooLarge, Message: large.Error(), WhoCanFix: "agent", Reason: "value-size", Suggestion: "select less of it: fewer columns, substr(), or an aggregate"}
	case errors.As(err, &lost):
		return Failure{Code: OutcomeUnknown, Message: lost.Error(), WhoCanFix: "user", Reason: "connection-lost", Suggestion: lost.Check,
			executed: tools.ExecutedUnknown, statusOther: statusUnknown}
	case errors.Is(err, errCancelled), errors.Is(err, context.Canceled):
		return Failure{Code: Timeout, Message: "the call was cancelled", WhoCanFix: "agent", Reason: ReasonCancelled, executed: tools.ExecutedNo}
	case errors.As(err, &slow):
		return Failure{Code: Timeout, Message: slow.Error() + "; it was cancelled on the target", WhoCanFix: "agent", Reason: "time-limit",
			Suggestion: "ask for less: a narrower WHERE, an indexed condition, fewer rows", executed: slow.Executed}
	case errors.As(err, &target):
		return Failure{Code: TargetErr, Message: target.Message, WhoCanFix: "agent", Reason: "target", Suggestion: target.Hint, Candidates: target.Candidates,
			SQLState: target.Code, Position: target.Position, executed: target.Executed, targetsOwn: target.Code}
	case errors.As(err, &down):
		return Failure{Code: TargetUnreachable, Message: down.Error(), Retryable: true, WhoCanFix: "admin", Reason: "unreachable",
			Suggestion: "tell the user: the gateway cannot reach or log in to this target"}
	case errors.As(err, &unav):
		return Failure{Code: Unavailable, Message: "the gateway refuses calls because a part of it is unavailable: " + unav.part, Retryable: true, WhoCanFix: "admin", Reason: unav.part}
	case errors.Is(err, context.DeadlineExceeded):
		return Failure{Code: Timeout, Message: "the time limit was reached", WhoCanFix: "agent", Reason: "time-limit", executed: tools.ExecutedNo}
	default:
		return Failure{Code: Internal, Message: "something unexpected happened inside the gateway; report the call id", WhoCanFix: "admin", Reason: "internal", executed: tools.ExecutedUnknown}
	}
}

func budgetFailure(e *budgetError) Failure {
	f := Failure{Code: BudgetExceeded, Message: e.What, Retryable: true, WhoCanFix: "agent", Reason: "budget", Suggestion: e.Fix, RetryAfter: e.retryAfter}
	if e.withheld {
		f.Reason, f.executed = "budget-result", tools.ExecutedYes
	} else if e.retryAfter > 0 {
		f.next = &Next{Act: "wait", Arguments: map[string]any{"seconds": e.retryAfter}}
	}
	return f
}

// deniedFailure says why first and then what to do. Rules that another wording would not change are not offered one.
func deniedFailure(d policy.Decision, instead []Alternative) Failure {
	f := Failure{Code: Denied, WhoCanFix: "user", Reason: d.Rule, Message: "policy denies this call: " + strings.Join(causes(d.Reasons), "; "),
		Suggestion: "rewording will not help; explain_access shows what would be allowed"}
	for _, r := range d.Reasons {
		if r.ID == "guard:not-understood" || d.Rule == "guard:not-understood" {
			f.Code, f.WhoCanFix, f.Message = NotUnderstood, "agent", "what is not understood does not run: "+strings.Join(causes(d.Reasons), "; ")
			return f
		}
	}
	if len(instead) > 0 {
		first := instead[0]
		f.Suggestion, f.WhoCanFix, f.next = first.Why, first.fix, &first.Next
	}
	return f
}

// causes are the sentences behind a verdict, and, where the score decided, the two heaviest of its points. explain_access has the others.
func causes(reasons []policy.Reason) []string {
	var out, points []string
	for _, r := range reasons {
		if r.Points == 0 {
			out = append(out, r.Text)
		} else {
			points = append(points, r.Text)
		}
	}
	if len(out) == 0 || slices.ContainsFunc(reasons, func(r policy.Reason) bool { return r.ID == "threshold" || r.ID == "score" }) {
		out = append(out, points[:min(len(points), 2)]...)
	}
	return out
}

func closedFailure(e *closedError) Failure {
	switch e.state {
	case approvals.Denied:
		f := Failure{Code: ApprovalDenied, Message: "an approver said no", WhoCanFix: "user", Reason: "approval-denied", Suggestion: "do not retry; tell the user"}
		for _, v := range e.Votes {
			if !v.Yes && v.Reason != "" {
				f.Message = fmt.Sprintf("an approver said no; his words, as data: %q", clip(v.Reason, 300))
			}
		}
		return f
	case approvals.Stale:
		return Failure{Code: ApprovalStale, Message: "what was approved has changed since (policy, target, masking, or what the statement would touch); nothing was changed", Retryable: true,
			WhoCanFix: "agent", Reason: "changed", Suggestion: "send the call again; people will be asked again"}
	case approvals.Cancelled:
		return Failure{Code: ApprovalDenied, Message: "the call was withdrawn with cancel_call; nothing ran", WhoCanFix: "agent", Reason: ReasonWithdrawn}
	default:
		return Failure{Code: ApprovalExpired, Message: "nobody answered in time; nothing ran", Retryable: true, WhoCanFix: "user", Reason: "expired",
			Suggestion: "ask the user whether to send it again"}
	}
}

// withheld is the failure of a call that ran and could not be recorded: its result stays here.
func withheld(call *Call, err error) error {
	if call.reached && call.Facts.Effect != tools.Read {
		return &tools.OutcomeUnknownError{Check: "read the rows the statement would have changed", Err: err}
	}
	return unavailable("audit", err)
}

func panicType(p any) string { return fmt.Sprintf("%T", p) }

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
