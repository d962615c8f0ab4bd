package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// transcript is what a command printed, as it was recorded: after masking, with its timing.
type transcript struct {
	command string
	started string // RFC 3339
	Data    struct {
		ExitCode *int              `json:"exit_code"`
		Signal   string            `json:"signal"`
		Stdout   string            `json:"stdout"`
		Stderr   string            `json:"stderr"`
		Timing   []json.RawMessage `json:"timing"` // [seconds since the start, "o" or "e", bytes]; absent: all at once
	} `json:"data"`
}

// chunk is one piece of output and when it came.
type chunk struct {
	at   float64 // seconds since the start
	text string
}

func newAuditReplay(flags *adminFlags) *cobra.Command {
	var asciicast string
	var speed float64
	cmd := &cobra.Command{
		Use: "replay CALL", Short: "Play what a command printed, as the agent saw it, or write it as an asciicast", Args: exactArgs("a call id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if speed <= 0 {
				return usageError("--speed: %v is not more than 0", speed)
			}
			c, err := flags.client()
			if err != nil {
				return err
			}
			t, err := c.transcript(cmd, args[0])
			if err != nil {
				return err
			}
			switch asciicast {
			case "":
				return t.play(cmd, speed)
			case "-":
				return t.asciicast(cmd.OutOrStdout())
			}
			f, err := os.OpenFile(asciicast, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
			if err != nil {
				return usageError("--asciicast: %w", err)
			}
			return errors.Join(t.asciicast(f), f.Close())
		},
	}
	cmd.Flags().StringVar(&asciicast, "asciicast", "", "write an asciicast (version 2) to this file instead, - for standard output")
	cmd.Flags().Float64Var(&speed, "speed", 1, "play that many times faster")
	return cmd
}

// transcript reads the recorded outcome of a call of exec.
func (c *adminClient) transcript(cmd *cobra.Command, call string) (*transcript, error) {
	var t *transcript
	f := auditFilter{call: call, kind: "outcome"}
	err := c.lines(cmd, f.query("", true), func(_ []byte, l auditLine) error {
		var body struct {
			Text   string          `json:"text"`
			Result json.RawMessage `json:"result"`
		}
		var found transcript
		if json.Unmarshal(l.Body, &body) == nil && json.Unmarshal(body.Result, &found) == nil && found.Data.ExitCode != nil {
			found.command, found.started = body.Text, l.Time
			t = &found
		}
		return nil
	})
	if err == nil && t == nil {
		err = usageError("call %s has no recorded output of a command; sallyport audit show %s prints what there is", call, call)
	}
	return t, err
}

// oneLine is a command as people write it, from the record's form of one word a line ("[0] /usr/bin/df").
func oneLine(command string) string {
	var words []string
	for line := range strings.Lines(command) {
		line = strings.TrimSpace(line)
		if number, word, ok := strings.Cut(line, "] "); ok && strings.HasPrefix(number, "[") {
			line = word
		}
		words = append(words, line)
	}
	return strings.Join(words, " ")
}

// chunks are the output in the order in which it came.
func (t *transcript) chunks() []chunk {
	if len(t.Data.Timing) == 0 {
		return []chunk{{0, t.Data.Stdout + t.Data.Stderr}}
	}
	var out []chunk
	rest := map[string]string{"o": t.Data.Stdout, "e": t.Data.Stderr}
	at := 0.0
	for _, raw := range t.Data.Timing {
		var when float64
		var stream string
		var n int
		if json.Unmarshal(raw, &[]any{&when, &stream, &n}) != nil || n < 0 || when < at {
			continue
		}
		at = when
		n = min(n, len(rest[stream]))
		out = append(out, chunk{at, rest[stream][:n]})
		rest[stream] = rest[stream][n:]
	}
	return append(out, chunk{at, rest["o"] + rest["e"]}) // what was cut on the way into the record is not lost here
}

// play prints the output with the pauses it had, to a terminal; elsewhere at once.
func (t *transcript) play(cmd *cobra.Command, speed float64) error {
	out := cmd.OutOrStdout()
	s := styleOf(out)
	fmt.Fprintf(out, "%s\n", s.dim("$ "+visible(oneLine(t.command), false)))
	last := 0.0
	for _, c := range t.chunks() {
		if s.on {
			select {
			case <-time.After(time.Duration((c.at - last) / speed * float64(time.Second))):
			case <-cmd.Context().Done():
				return cmd.Context().Err()
			}
		}
		last = c.at
		fmt.Fprint(out, visible(c.text, true))
	}
	end := fmt.Sprintf("exit code %d", *t.Data.ExitCode)
	if t.Data.Signal != "" {
		end = "ended by " + t.Data.Signal
	}
	_, err := fmt.Fprintf(out, "%s\n", s.dim(end))
	return err
}

// asciicast writes the recording in the form of asciinema's players (asciicast v2: a header, then an event a line).
func (t *transcript) asciicast(w io.Writer) error {
	started, err := time.Parse(time.RFC3339, t.started)
	if err != nil {
		return fmt.Errorf("the entry's time: %w", err)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	header := map[string]any{"version": 2, "width": 120, "height": 40, "timestamp": started.Unix(), "title": clipText(visible(oneLine(t.command), false), 200)}
	errs := []error{enc.Encode(header)}
	for _, c := range t.chunks() {
		if c.text != "" {
			errs = append(errs, enc.Encode([]any{c.at, "o", terminal(visible(c.text, true))}))
		}
	}
	return errors.Join(errs...)
}

// terminal is text with the line ends a terminal needs.
func terminal(text string) string {
	var b []byte
	for i := range len(text) {
		if text[i] == '\n' && (i == 0 || text[i-1] != '\r') {
			b = append(b, '\r')
		}
		b = append(b, text[i])
	}
	return string(b)
}
