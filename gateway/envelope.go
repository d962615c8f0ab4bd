package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"sallyport/approvals"
	"sallyport/masking"
	"sallyport/tools"
)

// The statuses of the result envelope.
const (
	statusOK      = "ok"
	statusPending = "approval_pending"
	statusDenied  = "denied"
	statusFailed  = "failed"
	statusLimited = "limited"
	statusUnknown = "unknown_outcome"
)

// Envelope is what every tool returns, the same for all (structuredContent).
type Envelope struct {
	Status    string           `json:"status"`
	CallID    string           `json:"call_id"`
	Executed  tools.Executed   `json:"executed"`
	Data      json.RawMessage  `json:"data,omitempty"`
	Truncated *tools.Truncated `json:"truncated,omitempty"`
	Masking   *MaskingNote     `json:"masking,omitempty"`
	Approval  *PendingNote     `json:"approval,omitempty"`
	Error     *Failure         `json:"error,omitempty"`
	Replayed  bool             `json:"replayed,omitempty"` // the recorded answer of an earlier identical call
	Next      *Next            `json:"next,omitempty"`
}

// MaskingNote tells the agent what is not as it is in the target, and how sure that is.
type MaskingNote struct {
	Columns   []tools.MaskedColumn `json:"columns,omitempty"`
	Counts    map[string]int64     `json:"counts,omitempty"` // replaced values by class
	Assurance string               `json:"assurance"`
	Note      string               `json:"note"`
}

// PendingNote is what an agent can tell its user while people are asked.
type PendingNote struct {
	Code    string   `json:"code"`
	From    []string `json:"from"`
	Needed  int      `json:"needed"`
	Given   int      `json:"given"`
	Created string   `json:"created"`
	Expires string   `json:"expires"`
}

// Next is the enumerated act that makes sense now, with its arguments ready to use.
type Next struct {
	Act       string         `json:"act"` // get_call, use_tool, fix_and_retry, ask_user, wait, stop
	Tool      string         `json:"tool,omitempty"`
	Arguments map[string]any `json:"arguments,omitempty"`
}

func useTool(name string) *Next { return &Next{Act: "use_tool", Tool: name} }

// resultReply builds what the agent gets from what the pipeline returned: exactly one of rendered and err.
func resultReply(call *Call, rendered *tools.Rendered, err error) *answer {
	env := Envelope{Status: statusOK, CallID: call.ID, Executed: tools.ExecutedYes}
	if err != nil {
		return failedReply(call, failure(err))
	}
	env.Data, env.Truncated = rendered.Data, rendered.Truncated
	if rendered.Truncated != nil {
		env.Status = statusLimited
	}
	env.Masking = maskingNote(call.mask.Report(), rendered.Columns)
	return env.reply("", "")
}

func failedReply(call *Call, f Failure) *answer {
	if f.Code == NotUnderstood && f.Suggestion == "" || f.Reason == "guard:not-understood" {
		f.Suggestion = simpler[call.Tool]
	}
	f.Message, f.Suggestion = plain(call.mask.String(f.Message)), plain(call.mask.String(f.Suggestion))
	for i, c := range f.Candidates { // names of the target's: data that stands among our own words
		f.Candidates[i] = plain(call.mask.String(c))
	}
	env := Envelope{Status: statusFailed, CallID: call.ID, Executed: tools.ExecutedNo, Error: &f, Next: f.next}
	if call.reached && f.executed != "" {
		env.Executed = f.executed
	}
	switch {
	case f.statusOther != "":
		env.Status = f.statusOther
	case f.Code == Denied || f.Code == ApprovalDenied || f.Code == NotUnderstood || f.Code == WriteNotAllowedHere:
		env.Status = statusDenied
	}
	if env.Executed == tools.ExecutedUnknown {
		env.Status = statusUnknown
	}
	if env.Next == nil {
		env.Next = nextOf(f)
	}
	if n := env.Next; n.Act == "use_tool" && n.Arguments == nil && toolsAlike[n.Tool] == call.Tool && call.Tool != "" {
		env.Next = &Next{Act: n.Act, Tool: n.Tool, Arguments: call.arguments(nil)} // the same call, ready for the other tool
	}
	r := env.reply(f.Code, f.Reason)
	r.targetsOwn = f.targetsOwn
	return r
}

// toolsAlike take the same arguments.
var toolsAlike = map[string]string{"query": "query_write", "query_write": "query"}

// simpler is what helps when a call of a tool was not understood.
var simpler = map[string]string{
	"query":       "write it more simply: plain tables, built-in functions, one statement",
	"query_write": "write it more simply: plain tables, built-in functions, one statement",
	"exec":        "use a command and options that describe_target lists, spelled in full, with absolute paths",
	"http":        "use an operation that describe_target lists, with parameters that fit it",
}

func nextOf(f Failure) *Next {
	switch {
	case f.WhoCanFix == "agent" && f.Code != ApprovalDenied:
		return &Next{Act: "fix_and_retry"}
	case f.WhoCanFix == "user":
		return &Next{Act: "ask_user"}
	case f.Retryable:
		return &Next{Act: "wait"}
	default:
		return &Next{Act: "stop"}
	}
}

func pendingReply(call *Call, req approvals.Request) *answer {
	env := Envelope{
		Status: statusPending, CallID: req.CallID, Executed: tools.ExecutedNo,
		Approval: &PendingNote{Code: req.Code, From: req.From, Needed: max(req.Count, 1), Given: req.Yes(),
			Created: req.Created.Format(time.RFC3339), Expires: req.Expires.Format(time.RFC3339)},
		Next: &Next{Act: "get_call", Tool: "get_call", Arguments: map[string]any{"call_id": req.CallID, "wait_seconds": 30}},
	}
	a := env.reply("", "")
	a.Waiting = &Waiting{CallID: req.CallID, Message: waitingFor(req), Expires: req.Expires}
	return a
}

func maskingNote(counts []masking.Count, columns []tools.MaskedColumn) *MaskingNote {
	if len(counts) == 0 && len(columns) == 0 {
		return nil
	}
	n := &MaskingNote{Columns: columns, Assurance: "content scan only", Note: "placeholders are not values; do not write them back"}
	if len(columns) > 0 {
		n.Assurance = "labelled columns by origin, other content by scan"
	}
	for _, c := range counts {
		if n.Counts == nil {
			n.Counts = map[string]int64{}
		}
		n.Counts[c.Class] += c.N
	}
	return n
}

// answer is a Reply with what the log, the metrics and the record need of it.
type answer struct {
	Reply
	status     string
	executed   tools.Executed
	code       Code
	reason     string
	targetsOwn string
}

// inText bounds how much data the text mirror repeats: clients that read only text get small results whole.
const inText = 32 << 10

func (e *Envelope) reply(code Code, reason string) *answer {
	return &answer{
		Reply:  Reply{Structured: e.encode(), Text: e.text(), IsError: e.Status != statusOK && e.Status != statusLimited, Reason: failureReason(e), Unavailable: code == Unavailable},
		status: e.Status, executed: e.Executed, code: code, reason: reason,
	}
}

func failureReason(e *Envelope) string {
	if e.Error == nil {
		return ""
	}
	return e.Error.Reason
}

// encode writes the envelope with Data copied as it is: encoding/json would parse and compact it once more.
func (e *Envelope) encode() json.RawMessage {
	data, rest := e.Data, *e
	rest.Data = nil
	b := marshal(rest)
	if data == nil {
		return b
	}
	at := bytes.Index(b, []byte(`"executed":"`)) + len(`"executed":"`) + len(e.Executed) + 1 // call ids hold no quotes
	out := make([]byte, 0, len(b)+len(data)+len(`,"data":`))
	out = append(append(out, b[:at]...), `,"data":`...)
	return append(append(out, data...), b[at:]...)
}

// text is the mirror for clients that show or feed only text: the important part first.
func (e *Envelope) text() string {
	var b strings.Builder
	b.WriteString(e.Status)
	if e.Status == statusPending {
		fmt.Fprintf(&b, ": nothing has run yet. Request %s waits for %d of %d approvals from %s until %s. Do not try another way; repeat the identical call or get_call %s, or tell the user if you cannot wait.",
			e.Approval.Code, e.Approval.Needed-e.Approval.Given, e.Approval.Needed, strings.Join(e.Approval.From, " or "), e.Approval.Expires, e.CallID)
		return b.String()
	}
	if f := e.Error; f != nil {
		fmt.Fprintf(&b, " (%s): %s.", f.Code, strings.TrimSuffix(f.Message, "."))
		if f.Suggestion != "" {
			fmt.Fprintf(&b, " %s.", strings.TrimSuffix(f.Suggestion, "."))
		}
		if len(f.Candidates) > 0 {
			fmt.Fprintf(&b, " Did you mean: %s?", strings.Join(f.Candidates, ", "))
		}
		fmt.Fprintf(&b, " executed: %s. call_id: %s", e.Executed, e.CallID)
		return b.String()
	}
	if t := e.Truncated; t != nil {
		fmt.Fprintf(&b, ": cut by %s after %d; %s", t.By, t.Returned, t.Hint)
	}
	if m := e.Masking; m != nil {
		b.WriteString("; masked:")
		for _, c := range m.Columns {
			fmt.Fprintf(&b, " %s (%s)", plain(c.Name), c.Class)
		}
		for _, k := range sortedKeys(m.Counts) {
			fmt.Fprintf(&b, " %s x%d", k, m.Counts[k])
		}
	}
	if e.Replayed {
		b.WriteString("; this is the recorded answer of the earlier identical call, it was not executed again")
	}
	b.WriteByte('\n')
	if len(e.Data) <= inText {
		b.Write(e.Data)
	} else {
		fmt.Fprintf(&b, "(%d bytes of data in structuredContent)", len(e.Data))
	}
	return b.String()
}

// plain is text on one line without control, format and other invisible characters: it stands among our own words.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s)
}

// marshal is json.Marshal without HTML escapes; the values are ours and always marshal.
func marshal(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return json.RawMessage(`{"status":"failed","executed":"unknown","error":{"code":"internal","message":"the result could not be encoded","retryable":false,"who_can_fix":"admin"}}`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
