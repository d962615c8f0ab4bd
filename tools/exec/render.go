package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"sallyport/tools"
)

// data is the envelope's data object of exec.
type data struct {
	ExitCode *int            `json:"exit_code"` // null when a signal ended the command
	Signal   string          `json:"signal,omitempty"`
	Stdout   string          `json:"stdout"`
	Stderr   string          `json:"stderr"`
	Binary   *binary         `json:"stdout_binary,omitempty"` // instead of stdout
	OutCut   bool            `json:"stdout_truncated,omitempty"`
	ErrCut   bool            `json:"stderr_truncated,omitempty"`
	Stopped  bool            `json:"stopped,omitempty"` // the gateway ended it: exit_code and signal are of that
	Timing   json.RawMessage `json:"timing,omitempty"`  // [[seconds, "o" or "e", bytes of that stream], ...]
}

// binary describes output that is not text. It is not released: no detector can look into it.
type binary struct {
	Type  string `json:"type"`
	Bytes int64  `json:"bytes"` // seen; the command may have been stopped
}

// Render waits for the command and returns its output, masked. A command that failed is a result like any other.
func (r *running) Render(ctx context.Context, m tools.Mask) (*tools.Rendered, error) {
	why, err := r.await(ctx)
	r.Close() // and with it the readers: from here on the streams are ours
	if err != nil {
		return nil, err
	}
	if r.status == nil && r.signal == "" {
		lost := errors.New("the channel closed without an exit status")
		if r.changes {
			return nil, &tools.OutcomeUnknownError{Check: "the connection was lost while the command ran; look on the host how far it came", Err: lost}
		}
		return nil, r.host.failed(unreachable(problemLost, lost))
	}
	d := data{ExitCode: r.status, Signal: r.signal, Stopped: why != "", OutCut: r.out.cut(), ErrCut: r.err.cut()}
	raw, masked := map[string][]byte{}, map[string][]byte{}
	if kind, is := r.out.binary(); is {
		d.Binary = &binary{kind, r.out.total}
	} else {
		raw["o"], masked["o"] = r.out.text(m)
	}
	if kind, is := r.err.binary(); is {
		masked["e"] = []byte("[binary: " + kind + "]")
	} else {
		raw["e"], masked["e"] = r.err.text(m)
	}
	d.Stdout, d.Stderr = string(masked["o"]), string(masked["e"])
	d.Timing = r.tape.rendered(raw, masked)
	out := &tools.Rendered{Rows: int64(bytes.Count(masked["o"], []byte("\n"))), Affected: -1, Truncated: truncated(d, why)}
	if out.Code = d.Signal; d.ExitCode != nil {
		out.Code = strconv.Itoa(*d.ExitCode)
	}
	out.Data, err = encode(d)
	return out, err
}

func encode(d data) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(d)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func truncated(d data, why stopReason) *tools.Truncated {
	t := &tools.Truncated{By: "bytes", Returned: int64(len(d.Stdout) + len(d.Stderr))}
	switch {
	case why == "time":
		t.By, t.Hint = "time", "the command was stopped at its time limit; what it had printed until then is here"
	case why == "bytes":
		t.Hint = "the command was stopped at the byte limit; ask for less: head, tail, grep or a narrower path"
	case d.OutCut || d.ErrCut:
		t.Hint = "the command ran to its end; the rest of its output was dropped"
	default:
		return nil
	}
	return t
}
