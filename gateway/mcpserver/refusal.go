package mcpserver

import (
	"encoding/json"
	"fmt"

	"sallyport/gateway"
)

// envelope is the gateway's result envelope, as far as a call that never got there needs it.
type envelope struct {
	Status   string  `json:"status"`
	CallID   string  `json:"call_id"`
	Executed string  `json:"executed"`
	Error    failure `json:"error"`
	Next     struct {
		Act string `json:"act"`
	} `json:"next"`
}

type failure struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
	WhoCanFix string `json:"who_can_fix"`
	Reason    string `json:"reason"`
}

// refusal is the answer to arguments with more than one reading: an error the model can repair.
func refusal(problem string) *gateway.Reply {
	e := envelope{Status: "failed", Executed: "no", Error: failure{Code: "invalid_argument", Message: problem, WhoCanFix: "agent", Reason: "argument"}}
	e.Next.Act = "fix_and_retry"
	return e.reply()
}

// internal is the answer of a call that broke off. It may have reached the target. id finds it in the log.
func internal(id string) *gateway.Reply {
	e := envelope{Status: "unknown_outcome", CallID: id, Executed: "unknown",
		Error: failure{Code: "internal", Message: "something unexpected happened inside the gateway; report the call id", WhoCanFix: "admin", Reason: "internal"}}
	e.Next.Act = "stop"
	return e.reply()
}

func (e *envelope) reply() *gateway.Reply {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings always marshal
	}
	text := fmt.Sprintf("%s (%s): %s. executed: %s", e.Status, e.Error.Code, e.Error.Message, e.Executed)
	if e.CallID != "" {
		text += ". call_id: " + e.CallID
	}
	return &gateway.Reply{Structured: b, Text: text, IsError: true}
}

// typeName is what may be said of a panic: its text may hold a value.
func typeName(p any) string {
	if p == nil {
		return "no reply"
	}
	return fmt.Sprintf("%T", p)
}
