package policy

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"sync"
	"time"
)

// DecisionLog writes a line of JSON for each decision, in the shape of OPA's decision logs
// (https://www.openpolicyagent.org/docs/management-decision-logs), for tools that read those. The audit log is the record; this is a copy
// that may be incomplete, and it holds what policy sees: facts about calls and who made them, never the text of a statement. The claims of
// tokens are left out and named in erased. Safe for concurrent use.
type DecisionLog struct {
	mu     sync.Mutex
	w      io.Writer
	labels map[string]string
	failed func(error)
}

// NewDecisionLog writes to w, each line with one Write. labels stand in every line. failed is told of lines that could not be written; the
// calls go on.
func NewDecisionLog(w io.Writer, labels map[string]string, failed func(error)) *DecisionLog {
	return &DecisionLog{w: w, labels: labels, failed: failed}
}

// logged is one line: OPA's names, of those that apply.
type logged struct {
	Labels      map[string]string         `json:"labels"`
	DecisionID  string                    `json:"decision_id"`
	Revision    string                    `json:"revision"`
	Bundles     map[string]map[string]any `json:"bundles"`
	Path        string                    `json:"path"`
	Input       *Input                    `json:"input"`
	Result      *Decision                 `json:"result,omitempty"`
	Error       *loggedError              `json:"error,omitempty"`
	Erased      []string                  `json:"erased,omitempty"`
	RequestedBy string                    `json:"requested_by"`
	Timestamp   time.Time                 `json:"timestamp"`
	Metrics     map[string]int64          `json:"metrics"` // nanoseconds
}

type loggedError struct {
	Message string `json:"message"`
}

// Record writes one decision: what it was made on, what came out or why nothing did, and how long it took. A nil log does nothing.
func (l *DecisionLog) Record(e *Engine, in Input, d Decision, err error, took time.Duration) {
	if l == nil {
		return
	}
	line := logged{Labels: l.labels, DecisionID: rand.Text(), Revision: e.Revision(), Bundles: map[string]map[string]any{"sallyport": {"revision": e.Revision()}},
		Path: "sallyport/decision", Input: &in, RequestedBy: in.Principal.Issuer + "#" + in.Principal.Subject, Timestamp: in.Call.Time,
		Metrics: map[string]int64{"timer_server_handler_ns": took.Nanoseconds()}}
	if in.Principal.Claims != nil {
		in.Principal.Claims = nil // in is ours: a copy
		line.Erased = []string{"/input/principal/claims"}
	}
	if err != nil {
		line.Error = &loggedError{err.Error()}
	} else {
		line.Result = &d
	}
	b, err := json.Marshal(line)
	if err == nil {
		l.mu.Lock()
		_, err = l.w.Write(append(b, '\n'))
		l.mu.Unlock()
	}
	if err != nil {
		l.failed(err)
	}
}
