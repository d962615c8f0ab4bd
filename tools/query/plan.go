package query

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/tools"
	"sallyport/tools/query/sqlparse"
)

// call is a planned call: Plan.Parsed of both tools.
type call struct {
	sql    string
	params []param
	st     *sqlparse.Statement
}

// lead is what stands before the statement's first token: blanks and comments.
func (c *call) lead() string {
	at := len(c.sql) - len(strings.TrimLeft(c.sql, " \t\r\n;"))
	if !strings.HasPrefix(c.sql[at:], c.st.Text) {
		at = max(0, strings.Index(c.sql, c.st.Text))
	}
	return c.sql[:at]
}

// values are the texts that the call would send.
func (c *call) values() []string {
	all := slices.Clone(c.st.Literals)
	for _, p := range c.params {
		all = append(all, tools.Strings(p.raw)...)
	}
	return all
}

// param is the value of one $n. Its type is the server's to say; objects and arrays are written for it once it has.
type param struct {
	raw  json.RawMessage
	text []byte // nil: SQL null, or an object or array
	kind byte   // of the JSON value: n null, b boolean, 0 number, s string, o object, a array
}

const maxParams = 1000

// Plan parses the arguments and the statement. Errors are *tools.ArgError, *tools.NotUnderstoodError and
// *tools.WrongToolError.
func (t *Tool) Plan(ctx context.Context, args tools.Args) (*tools.Plan, error) {
	var a struct {
		Target *string           `json:"target"`
		SQL    *string           `json:"sql"`
		Params []json.RawMessage `json:"params"`
		Reason string            `json:"reason"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	if a.Target == nil || *a.Target == "" {
		return nil, &tools.ArgError{Field: "target", Problem: "is missing", Fix: "send the name of a target; list_targets names those you can use"}
	}
	if a.SQL == nil || strings.TrimSpace(*a.SQL) == "" {
		return nil, &tools.ArgError{Field: "sql", Problem: "is missing", Fix: "send one SQL statement"}
	}
	c := &call{sql: *a.SQL}
	for i, raw := range a.Params {
		p, err := newParam(raw)
		if err != nil {
			return nil, &tools.ArgError{Field: fmt.Sprintf("params[%d]", i), Problem: err.Error(), Fix: "send a JSON string, number, boolean, null, object or array"}
		}
		c.params = append(c.params, p)
	}
	var err error
	if c.st, err = t.db.cfg.Parser.Parse(ctx, c.sql); errors.Is(err, sqlparse.ErrUnavailable) {
		return nil, &tools.UnreachableError{Problem: "the gateway's SQL parser is not ready; try again", Err: err}
	} else if err != nil {
		return nil, err
	}
	if err := t.fits(c.st); err != nil {
		return nil, err
	}
	if len(c.params) != c.st.Params || c.st.Params > maxParams {
		return nil, &tools.ArgError{Field: "params", Problem: fmt.Sprintf("holds %d values, the statement uses %d", len(c.params), c.st.Params),
			Fix: "send one value for each of $1, $2, ... (params[0] is $1)"}
	}
	return &tools.Plan{Tool: t.name, Target: *a.Target, Reason: a.Reason, Parsed: c}, nil
}

// decode reads the arguments object strictly.
func decode(args tools.Args, into any) error {
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil && dec.More() {
		err = errors.New("more than one value")
	}
	if err == nil {
		return nil
	}
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		want := map[string]string{"string": "a string", "slice": "an array"}[typ.Type.Kind().String()]
		return &tools.ArgError{Field: typ.Field, Problem: "is a " + typ.Value, Fix: "send " + want}
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &tools.ArgError{Field: strings.Trim(name, `"`), Problem: "is not a parameter of this tool", Fix: "send target, sql, params, reason"}
	}
	return &tools.ArgError{Field: "arguments", Problem: "is not one JSON object", Fix: "send {\"target\": ..., \"sql\": ...}"}
}

func newParam(raw json.RawMessage) (param, error) {
	raw = bytes.TrimSpace(raw)
	p := param{raw: raw}
	switch raw[0] {
	case 'n':
		p.kind = 'n'
	case 't', 'f':
		p.kind, p.text = 'b', raw
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return p, errors.New("is not a JSON string")
		}
		if strings.IndexByte(s, 0) >= 0 {
			return p, errors.New("holds a NUL character, which PostgreSQL cannot store")
		}
		p.kind, p.text = 's', []byte(s)
	case '{':
		p.kind = 'o'
	case '[':
		p.kind = 'a'
	default:
		p.kind, p.text = '0', raw
	}
	return p, nil
}

// fits says whether the statement is one for this tool.
func (t *Tool) fits(st *sqlparse.Statement) error {
	if len(st.Unclear) > 0 {
		return notUnderstood(st.Unclear[0], "write it without this construct: plain tables and columns, built-in functions, one statement")
	}
	if len(st.Refused) > 0 {
		return refused(st.Refused[0])
	}
	if st.Define != nil && t.name == toolRead {
		return &tools.WrongToolError{Use: toolWrite, Construct: statementWords(st.Define.Kind), Position: 1}
	}
	if st.Define != nil {
		return nil
	}
	switch st.Kind {
	case "select", "explain", "show":
		if t.name == toolWrite && len(st.Writes) == 0 {
			return &tools.WrongToolError{Use: toolRead, Construct: "a statement that only reads"}
		}
		if len(st.Writes) > 0 && t.name == toolRead {
			return &tools.WrongToolError{Use: toolWrite, Construct: st.Writes[0].What, Position: st.Writes[0].Position}
		}
		if len(st.Writes) > 0 {
			return notUnderstood(st.Writes[0], "make INSERT, UPDATE or DELETE the statement itself, and use RETURNING for what it changed")
		}
	case "insert", "update", "delete":
		if t.name == toolRead {
			return &tools.WrongToolError{Use: toolWrite, Construct: strings.ToUpper(st.Kind), Position: 1}
		}
		written := 0
		for _, r := range st.Relations {
			if r.Written {
				written++
			}
		}
		if written != 1 {
			return notUnderstood(st.Writes[len(st.Writes)-1], "change one table with one statement")
		}
	default:
		return notUnderstood(sqlparse.Mention{What: st.Kind}, "send SELECT, INSERT, UPDATE or DELETE")
	}
	if st.Kind == "show" && !harmlessSettings[st.Setting] {
		return &tools.NotUnderstoodError{Unclear: tools.Unclear{Construct: "SHOW of this setting", Position: 1},
			Suggestion: "settings that may hold paths, addresses or secrets are not shown; timezone, server_version and search_path are"}
	}
	return nil
}

func notUnderstood(m sqlparse.Mention, suggestion string) error {
	return &tools.NotUnderstoodError{Unclear: tools.Unclear{Construct: m.What, Position: m.Position}, Suggestion: suggestion}
}

// refused is for what is understood and belongs to neither tool.
func refused(m sqlparse.Mention) error {
	if m.Effect != "" {
		return &tools.WrongToolError{Construct: m.What, Position: m.Position, Suggestion: m.Advice}
	}
	return notUnderstood(m, "each call is one statement in a transaction and a session that the gateway makes; leave this out")
}

// statementWords are a kind in SQL's words: "create_table" is CREATE TABLE.
func statementWords(kind string) string { return strings.ToUpper(strings.ReplaceAll(kind, "_", " ")) }

// text is the exact call for people and the record: the statement, and each parameter on a line of its own.
func (c *call) text() string {
	if len(c.params) == 0 {
		return c.sql
	}
	var b strings.Builder
	b.WriteString(c.sql)
	for i, p := range c.params {
		fmt.Fprintf(&b, "\n$%d = %s", i+1, p.raw)
	}
	return b.String()
}
