package sqlparse

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"sallyport/tools"
)

// Serve is the child process: it takes statements from in and answers on out until in ends. The program calls it from its
// main goroutine as the hidden command that Config.Argv names, and does nothing else in that process: Serve gives up what
// a parser does not need, and may replace the process by a fresh run of the same program to get the stack it needs.
//
// A crash is expected here. Nothing is printed about it, since a dump would hold the statement.
func Serve(in io.Reader, out io.Writer) error {
	runtime.LockOSThread() // one thread parses: the one whose stack was sized
	debug.SetTraceback("none")
	debug.SetGCPercent(400)
	if err := confine(); err != nil {
		return fmt.Errorf("confine the parser: %w", err)
	}
	return answerAll(in, out, renewCPU)
}

// answerAll is Serve without the limits.
func answerAll(in io.Reader, out io.Writer, before func() error) error {
	if _, err := analyse("SELECT 1 FROM a WHERE b = 'c'"); err != nil { // the first use of the tree's types takes some 10 ms
		return fmt.Errorf("try the parser: %w", err)
	}
	if err := writeFrame(out, nil); err != nil {
		return fmt.Errorf("say ready: %w", err)
	}
	for {
		sql, err := readFrame(in, maxStatement)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a statement: %w", err)
		}
		if err := before(); err != nil {
			return err
		}
		body, err := json.Marshal(respond(string(sql)))
		if err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		if err := writeFrame(out, body); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
	}
}

func respond(sql string) answer {
	st, err := analyse(sql)
	if err == nil {
		return answer{Statement: st}
	}
	var e *tools.NotUnderstoodError
	if !errors.As(err, &e) {
		return answer{Construct: "this statement"}
	}
	return answer{Construct: e.Construct, Position: e.Position, Suggestion: e.Suggestion}
}
