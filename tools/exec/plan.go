package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

// Bounds of what an agent may send. Over any of them the call is refused, never cut.
const (
	maxWords   = 256
	maxText    = 32 << 10 // bytes of all words; the kernel's bound for one argument is 128 KiB, and quoting may double it
	maxStdin   = 256 << 10
	maxReason  = 500 // characters
	maxCommand = 64  // commands in one line of text
)

// parsed is the tool's form of a call: one argument vector, or a line of several.
type parsed struct {
	Line  []shparse.Item // one item without operator in argv mode
	Text  bool           // command mode
	Cwd   string         // "" when not given
	Stdin *string        // nil when not given
}

// args is the schema of the tool.
type args struct {
	Target  *string  `json:"target"`
	Argv    []string `json:"argv"`
	Command *string  `json:"command"`
	Stdin   *string  `json:"stdin"`
	Cwd     *string  `json:"cwd"`
	Reason  *string  `json:"reason"`
}

// Plan parses the arguments. It touches nothing, and does not yet know the target.
func (t *Tool) Plan(_ context.Context, raw tools.Args) (*tools.Plan, error) {
	a, err := decode(raw)
	if err != nil {
		return nil, err
	}
	p := &tools.Plan{Tool: "exec", Target: *a.Target}
	if a.Reason != nil {
		if p.Reason = *a.Reason; utf8.RuneCountInString(p.Reason) > maxReason {
			return nil, &tools.ArgError{Field: "reason", Problem: fmt.Sprintf("is longer than %d characters", maxReason)}
		}
	}
	mine := &parsed{Text: a.Command != nil, Stdin: a.Stdin}
	if mine.Cwd, err = checkCwd(a.Cwd); err != nil {
		return nil, err
	}
	if a.Stdin != nil && len(*a.Stdin) > maxStdin {
		return nil, &tools.ArgError{Field: "stdin", Problem: fmt.Sprintf("is larger than %d bytes", maxStdin)}
	}
	if a.Stdin != nil && strings.ContainsRune(*a.Stdin, 0) {
		return nil, &tools.ArgError{Field: "stdin", Problem: "holds a NUL character", Fix: "send text"}
	}
	if mine.Text {
		mine.Line, err = parseText(*a.Command)
	} else {
		mine.Line, err = vector(a.Argv)
	}
	if err != nil {
		return nil, err
	}
	p.Parsed = mine
	return p, nil
}

func decode(raw tools.Args) (*args, error) {
	var a args
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(&a)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			err = nil
		} else {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) && typ.Field != "" {
			return nil, &tools.ArgError{Field: typ.Field, Problem: "is a " + typ.Value, Fix: "argv is a list of strings, everything else a string"}
		}
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return nil, &tools.ArgError{Field: strings.Trim(name, `"`), Problem: "is not a parameter of this tool", Fix: "see the tool's schema"}
		}
		return nil, &tools.ArgError{Field: "arguments", Problem: "is not a JSON object this tool understands", Fix: "see the tool's schema"}
	}
	switch {
	case a.Target == nil || *a.Target == "":
		return nil, &tools.ArgError{Field: "target", Problem: "is missing", Fix: "list_targets names those you can use"}
	case a.Argv != nil && a.Command != nil:
		return nil, &tools.ArgError{Field: "command", Problem: "stands beside argv", Fix: "send argv or command, not both"}
	case a.Command == nil && len(a.Argv) == 0:
		return nil, &tools.ArgError{Field: "argv", Problem: "is missing or empty", Fix: `send the program and its arguments: ["systemctl", "status", "nginx"]`}
	}
	return &a, nil
}

func checkCwd(cwd *string) (string, error) {
	if cwd == nil {
		return "", nil
	}
	if err := checkWord("cwd", *cwd); err != nil {
		return "", err
	}
	if !path.IsAbs(*cwd) || path.Clean(*cwd) != *cwd {
		return "", &tools.ArgError{Field: "cwd", Problem: "is not a clean absolute path", Fix: "start at / and leave out . and .. and a slash at the end"}
	}
	return *cwd, nil
}

// vector checks an argument vector. What the words mean is not asked here.
func vector(argv []string) ([]shparse.Item, error) {
	if len(argv) > maxWords {
		return nil, &tools.ArgError{Field: "argv", Problem: fmt.Sprintf("has more than %d words", maxWords)}
	}
	size := 0
	words := make([]shparse.Word, len(argv))
	for i, w := range argv {
		if err := checkWord(fmt.Sprintf("argv[%d]", i), w); err != nil {
			return nil, err
		}
		size += len(w)
		words[i] = shparse.Word{Text: w}
	}
	if size > maxText {
		return nil, &tools.ArgError{Field: "argv", Problem: fmt.Sprintf("is larger than %d bytes", maxText)}
	}
	if argv[0] == "" {
		return nil, &tools.ArgError{Field: "argv[0]", Problem: "is empty", Fix: "name the program"}
	}
	return []shparse.Item{{Words: words}}, nil
}

// checkWord refuses what no honest argument holds and what a terminal or a log would show as something else.
func checkWord(field, w string) error {
	for _, r := range w {
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\t' && r != '\n' {
			return &tools.ArgError{Field: field, Problem: fmt.Sprintf("holds the control character %U or invalid UTF-8", r), Fix: "leave it out"}
		}
	}
	return nil
}

func parseText(text string) ([]shparse.Item, error) {
	if len(text) > maxText {
		return nil, &tools.ArgError{Field: "command", Problem: fmt.Sprintf("is larger than %d bytes", maxText)}
	}
	line, err := shparse.Parse(text)
	var unclear *shparse.Error
	switch {
	case errors.As(err, &unclear):
		return nil, &tools.NotUnderstoodError{Unclear: tools.Unclear{Construct: unclear.Construct, Position: unclear.Position},
			Suggestion: "use argv, or literal words joined by | && || ; only; quote with single quotes"}
	case err != nil:
		return nil, err
	case len(line) > maxCommand:
		return nil, &tools.NotUnderstoodError{Unclear: tools.Unclear{Construct: fmt.Sprintf("more than %d commands in one call", maxCommand)}}
	}
	return line, nil
}
