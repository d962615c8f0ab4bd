package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"sallyport/tools"
)

// Bounds of a call's own bytes.
const (
	maxBody   = 64 << 20 // whatever a target takes
	maxReason = 2000
)

// methods are what a call may use, compared exactly. TRACE and CONNECT are not for APIs: one echoes credentials, the
// other opens tunnels.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// request is the parsed form of a call, as it will be sent below the base URL.
type request struct {
	method  string
	path    *requestPath
	headers []header
	body    []byte // exact bytes; nil: none
	text    bool   // the body was given as a string and is its text; otherwise it is a strict JSON value
}

func (r *request) header(name string) (string, bool) {
	for _, h := range r.headers {
		if h.name == name {
			return h.value, true
		}
	}
	return "", false
}

// plan parses the arguments of a call: {target, method, path, headers?, body?, reason?}. It knows no target.
func plan(_ context.Context, args tools.Args) (*tools.Plan, error) {
	if err := strictJSON(args); err != nil {
		return nil, &tools.ArgError{Field: "arguments", Problem: err.Error(), Fix: "send one JSON object"}
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(args, &fields); err != nil || fields == nil {
		return nil, &tools.ArgError{Field: "arguments", Problem: "is not a JSON object", Fix: "send target, method and path"}
	}
	p, r := &tools.Plan{Tool: "http"}, &request{}
	var path string
	var headers map[string]string
	var body json.RawMessage
	for name, raw := range fields {
		var err error
		switch name {
		case "target":
			err = decode(name, raw, &p.Target, "a string")
		case "method":
			err = decode(name, raw, &r.method, "a string")
		case "path":
			err = decode(name, raw, &path, "a string")
		case "headers":
			err = decode(name, raw, &headers, "an object of strings")
		case "reason":
			err = decode(name, raw, &p.Reason, "a string")
		case "body":
			body = raw
		default:
			err = &tools.ArgError{Field: printable(name, 60), Problem: "is not a parameter of this tool", Fix: "use target, method, path, headers, body and reason"}
		}
		if err != nil {
			return nil, err
		}
	}
	if err := r.fill(p, path, headers, body); err != nil {
		return nil, err
	}
	p.Parsed = r
	return p, nil
}

// decode reads one argument. null is the same as leaving it out: models fill optional parameters with it.
func decode(name string, raw json.RawMessage, into any, want string) error {
	if json.Unmarshal(raw, into) != nil {
		return &tools.ArgError{Field: name, Problem: "has the wrong type", Fix: "send " + want}
	}
	return nil
}

func (r *request) fill(p *tools.Plan, path string, headers map[string]string, body json.RawMessage) (err error) {
	switch {
	case p.Target == "":
		return &tools.ArgError{Field: "target", Problem: "is missing", Fix: "use a name from list_targets"}
	case len(p.Reason) > maxReason:
		return &tools.ArgError{Field: "reason", Problem: fmt.Sprintf("is longer than %d bytes", maxReason), Fix: "say it in one sentence"}
	case !slices.Contains(methods, r.method):
		return &tools.ArgError{Field: "method", Problem: "is not a method this tool sends", Fix: "use one of " + strings.Join(methods, ", ") + ", in upper case"}
	}
	if r.path, err = parsePath(path); err != nil {
		return &tools.ArgError{Field: "path", Problem: err.Error(), Fix: "write it plainly, relative to the target's base URL: /v1/invoices?limit=10"}
	}
	if r.headers, err = parseHeaders(headers); err != nil {
		return err
	}
	if len(body) == 0 || string(body) == "null" {
		return nil
	}
	if body[0] == '"' {
		var s string
		if json.Unmarshal(body, &s) != nil {
			return &tools.ArgError{Field: "body", Problem: "is not a string", Fix: "send any JSON value, or a string"}
		}
		body, r.text = []byte(s), true
	}
	if len(body) > maxBody {
		return &tools.ArgError{Field: "body", Problem: fmt.Sprintf("is larger than %d bytes", maxBody), Fix: "send less"}
	}
	if len(body) > 0 {
		r.body = body
	}
	return nil
}

// printable is s cut to n characters with everything a person would not see replaced, for our own messages.
func printable(s string, n int) string {
	out := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if r := []rune(out); len(r) > n {
		return string(r[:n]) + "…"
	}
	return out
}
