package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sallyport/gateway"
)

// answerData is the data of any tool's answer.
type answerData struct {
	Columns []struct {
		Name string `json:"name"`
	} `json:"columns"`
	Rows     [][]json.RawMessage `json:"rows"`
	Affected *int64              `json:"affected"`
	ExitCode *int                `json:"exit_code"`
	Stdout   string              `json:"stdout"`
	Stderr   string              `json:"stderr"`
	Status   *int                `json:"status"`
	Body     json.RawMessage     `json:"body"`
}

// printAnswer prints an answer: what the target said on standard output, what is to be said of it on standard error. It returns the
// error whose code the program exits with.
func printAnswer(out, errs io.Writer, env *gateway.Envelope, asJSON bool) error {
	var d answerData
	if env.Data != nil {
		if err := json.Unmarshal(env.Data, &d); err != nil {
			return fmt.Errorf("the gateway's answer is not understood: %w", err)
		}
	}
	if asJSON {
		if err := printJSON(out, env); err != nil {
			return err
		}
	} else if env.Data != nil {
		printData(out, errs, &d)
		remarks(errs, env)
	}
	return answerError(env, &d)
}

func printData(out, errs io.Writer, d *answerData) {
	switch {
	case d.ExitCode != nil:
		io.WriteString(out, visible(d.Stdout, true))
		io.WriteString(errs, visible(d.Stderr, true))
	case d.Status != nil:
		io.WriteString(out, visible(bodyText(d.Body), true))
	case len(d.Columns) > 0:
		t := &table{}
		for _, c := range d.Columns {
			t.header = append(t.header, visible(c.Name, false))
		}
		for _, row := range d.Rows {
			cells := make([]string, len(row))
			for i, v := range row {
				cells[i] = visible(plainValue(v), false)
			}
			t.add(cells...)
		}
		t.print(out, styleOf(out), func(_ int, cell string) string { return cell })
	}
	if d.Affected != nil {
		fmt.Fprintf(errs, "%d rows changed\n", *d.Affected)
	}
}

// plainValue is a JSON value as a cell: strings without quotes.
func plainValue(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil && len(v) > 0 && v[0] == '"' {
		return s
	}
	return string(v)
}

func bodyText(body json.RawMessage) string {
	var s string
	if len(body) == 0 || string(body) == "null" {
		return ""
	}
	if json.Unmarshal(body, &s) == nil {
		return s
	}
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") != nil {
		return string(body)
	}
	return b.String() + "\n"
}

// remarks say what is not as it is on the target.
func remarks(errs io.Writer, env *gateway.Envelope) {
	s := styleOf(errs)
	if t := env.Truncated; t != nil {
		fmt.Fprintln(errs, s.yellow(fmt.Sprintf("cut by %s after %d; %s", t.By, t.Returned, t.Hint)))
	}
	if m := env.Masking; m != nil {
		var masked []string
		for _, c := range m.Columns {
			masked = append(masked, visible(c.Name, false)+" ("+c.Class+")")
		}
		for _, class := range slices.Sorted(maps.Keys(m.Counts)) {
			masked = append(masked, fmt.Sprintf("%s x%d", class, m.Counts[class]))
		}
		fmt.Fprintln(errs, s.dim("masked: "+strings.Join(masked, ", ")))
	}
}

// answerError is what an answer means for the exit code; nil for a success.
func answerError(env *gateway.Envelope, d *answerData) error {
	f := env.Error
	switch {
	case f != nil:
		e := &cliError{code: exitFailed, err: fmt.Errorf("%s (%s)", visible(strings.TrimSuffix(f.Message, "."), false), f.Code)}
		switch f.Code {
		case gateway.Denied, gateway.ApprovalDenied, gateway.NotUnderstood, gateway.WriteNotAllowedHere, gateway.TargetNotFound:
			e.code = exitDenied
		case gateway.ApprovalExpired:
			e.code = exitPending
		case gateway.InvalidArgument:
			e.code = exitUsage
		}
		if f.Suggestion != "" {
			e.hints = append(e.hints, visible(f.Suggestion, false))
		}
		if len(f.Candidates) > 0 {
			e.hints = append(e.hints, "did you mean "+visible(strings.Join(f.Candidates, ", "), false)+"?")
		}
		e.hints = append(e.hints, fmt.Sprintf("call %s; executed: %s", env.CallID, env.Executed))
		return e
	case env.Status == "approval_pending":
		return &cliError{code: exitPending, err: fmt.Errorf("people have not answered yet; nothing has run (call %s)", env.CallID)}
	case d.ExitCode != nil && *d.ExitCode != 0:
		return fmt.Errorf("the command exited with %d", *d.ExitCode)
	case d.Status != nil && *d.Status >= 400:
		return fmt.Errorf("the API answered with status %d", *d.Status)
	case env.Status != "ok" && env.Status != "limited":
		return errors.New("the call ended as " + visible(env.Status, false))
	}
	return nil
}
