package slackfake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// apiError is what ok:false carries, always with HTTP 200 except for rate limits.
type apiError struct {
	code     string
	messages []string // "[ERROR] ..." with a JSON pointer, as in response_metadata
	needed   string
	provided string
	retry    time.Duration // makes it 429
}

func (e *apiError) Error() string { return e.code + ": " + strings.Join(e.messages, "; ") }

func fail(code string) *apiError { return &apiError{code: code} }

// failAt is the answer to an argument of the wrong shape.
func failAt(code string, problems ...string) *apiError {
	return &apiError{code: code, messages: problems}
}

// Call is one request to the Web API, as a test reads it back. Args are the decoded ones, JSON text already parsed.
type Call struct {
	Method string
	Args   map[string]any
	Token  TokenKind
	Error  string // code, empty when it was ok
	Time   time.Time
	JSON   bool // sent as JSON rather than as a form
}

// Calls to a method so far, or all for "".
func (w *Workspace) Calls(method string) []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Call
	for _, c := range w.calls {
		if method == "" || c.Method == method {
			out = append(out, c)
		}
	}
	return out
}

// serveAPI answers one method.
func (w *Workspace) serveAPI(rw http.ResponseWriter, r *http.Request) {
	name := r.PathValue("method")
	w.mu.Lock()
	fault := w.takeFault(name)
	w.mu.Unlock()
	if fault != nil && fault.apply(rw) {
		return
	}
	call := Call{Method: name, Time: w.now()}
	out, warning, err := w.answer(r, name, &call)
	if err != nil {
		call.Error = err.code
	}
	// Recorded and told before the answer leaves: who has seen the answer also finds the call.
	w.mu.Lock()
	w.calls = append(w.calls, call)
	w.touch()
	w.mu.Unlock()
	writeAnswer(rw, out, warning, err)
}

func writeAnswer(rw http.ResponseWriter, out map[string]any, warning string, err *apiError) {
	status := http.StatusOK
	body := map[string]any{"ok": err == nil}
	for k, v := range out {
		body[k] = v
	}
	metadata := map[string]any{}
	if meta, ok := out["response_metadata"].(map[string]any); ok {
		metadata = meta
	}
	if warning != "" {
		body["warning"] = warning
		metadata["warnings"] = []string{warning}
	}
	if err != nil {
		body["error"] = err.code
		if len(err.messages) > 0 {
			var lines []string
			for _, m := range err.messages {
				lines = append(lines, "[ERROR] "+m)
			}
			metadata["messages"] = lines
			if err.code == "invalid_blocks" {
				body["errors"] = err.messages
			}
		}
		if err.needed != "" {
			body["needed"], body["provided"] = err.needed, err.provided
		}
		if err.retry > 0 {
			status = http.StatusTooManyRequests
			rw.Header().Set("Retry-After", strconv.Itoa(int((err.retry+time.Second-1)/time.Second)))
		}
	}
	if len(metadata) > 0 {
		body["response_metadata"] = metadata
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	json.NewEncoder(rw).Encode(body)
}

// answer reads, authenticates and runs one call.
func (w *Workspace) answer(r *http.Request, name string, call *Call) (map[string]any, string, *apiError) {
	m, ok := methods[name]
	if !ok {
		return nil, "", fail("unknown_method")
	}
	raw, warning, err := readArgs(r, m, call)
	if err != nil {
		return nil, warning, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	tok, err := w.authenticate(r, raw, m, call)
	if err != nil {
		return nil, warning, err
	}
	delete(raw, "token")
	a, err := m.parse(raw)
	call.Args = a
	if err != nil {
		return nil, warning, err
	}
	out, err := m.run(w, tok, a)
	if err == nil {
		w.touch()
	}
	return out, warning, err
}

// readArgs takes a form or JSON, whichever the method accepts, and the query string of a GET.
func readArgs(r *http.Request, m *method, call *Call) (map[string]any, string, *apiError) {
	out := map[string]any{}
	form := func(values url.Values) *apiError {
		for k, v := range values {
			if len(v) != 1 {
				return failAt("invalid_arguments", "argument given twice: "+k)
			}
			out[k] = v[0]
		}
		return nil
	}
	if err := form(r.URL.Query()); err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil || len(body) == 0 && r.Header.Get("Content-Type") == "" {
		return out, "", nil
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, "", fail("invalid_post_type")
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, "", fail("invalid_form_data")
		}
		if ae := form(values); ae != nil {
			return nil, "", ae
		}
		if params["charset"] != "" {
			return out, "superfluous_charset", nil
		}
		return out, "", nil
	case "application/json":
		warning := ""
		if params["charset"] == "" {
			warning = "missing_charset"
		}
		call.JSON = true
		if !m.json { // Slack does not read JSON for methods that only read; the arguments are then missing
			return out, warning, nil
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var object map[string]any
		if len(bytes.TrimSpace(body)) == 0 {
			return out, warning, nil
		}
		if err := d.Decode(&object); err != nil {
			return nil, warning, fail("invalid_json")
		}
		if _, ok := object["token"]; ok {
			return nil, warning, failAt("invalid_arguments", "a token is not accepted in JSON, only as a bearer token")
		}
		for k, v := range object {
			if v != nil {
				out[k] = v
			}
		}
		return out, warning, nil
	}
	return nil, "", fail("invalid_post_type")
}

// authenticate finds the token, its kind and its scopes. mu is held.
func (w *Workspace) authenticate(r *http.Request, raw map[string]any, m *method, call *Call) (*token, *apiError) {
	text, _ := raw["token"].(string)
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if text != "" && text != bearer {
			return nil, fail("invalid_auth")
		}
		text = bearer
	}
	if text == "" {
		return nil, fail("not_authed")
	}
	tok := w.tokens[text]
	if tok == nil {
		return nil, fail("invalid_auth")
	}
	call.Token = tok.kind
	switch {
	case tok.revoked:
		return nil, fail("token_revoked")
	case m.token != "" && tok.kind != m.token:
		return nil, fail("not_allowed_token_type")
	case m.scope != "" && !slices.Contains(tok.scopes, m.scope):
		return nil, missingScope(tok, m.scope)
	}
	return tok, nil
}

func missingScope(tok *token, needed string) *apiError {
	return &apiError{code: "missing_scope", needed: needed, provided: strings.Join(tok.scopes, ",")}
}

// fault is a failure a test ordered.
type fault struct {
	method string
	status int
	retry  time.Duration
	cut    bool
}

// FailNext makes the next call of method ("" for any) fail with an HTTP status and no JSON, as in an outage of Slack.
func (w *Workspace) FailNext(method string, status int) {
	w.addFault(&fault{method: method, status: status})
}

// RateLimitNext makes the next call of method fail with 429 and this Retry-After.
func (w *Workspace) RateLimitNext(method string, retry time.Duration) {
	w.addFault(&fault{method: method, retry: retry})
}

// CutNext drops the connection of the next call of method before anything is answered; the call is not carried out.
func (w *Workspace) CutNext(method string) { w.addFault(&fault{method: method, cut: true}) }

// SetDown makes every Web API call fail with 503 until it is called with false. Sockets stay as they are.
func (w *Workspace) SetDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

func (w *Workspace) addFault(f *fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, f)
}

// takeFault needs mu.
func (w *Workspace) takeFault(method string) *fault {
	if w.down {
		return &fault{status: http.StatusServiceUnavailable}
	}
	for i, f := range w.faults {
		if f.method == "" || f.method == method {
			w.faults = slices.Delete(w.faults, i, i+1)
			return f
		}
	}
	return nil
}

func (f *fault) apply(rw http.ResponseWriter) bool {
	switch {
	case f.cut:
		panic(http.ErrAbortHandler)
	case f.retry > 0:
		writeAnswer(rw, nil, "", &apiError{code: "ratelimited", retry: f.retry})
	default:
		http.Error(rw, fmt.Sprintf("upstream error %d", f.status), f.status)
	}
	return true
}
