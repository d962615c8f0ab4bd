package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sallyport/tools"
)

func TestBodyLimitIsTheTargets(t *testing.T) {
	up := newUpstream(t, nil)
	w := newWorld(t, Target{BaseURL: up.URL, Limits: Limits{RequestBytes: 10}})
	if a := w.must(t, args{"method": "POST", "path": "/x", "body": "0123456789"}); a.Status != 200 || up.last(t).body != "0123456789" {
		t.Errorf("%+v", a)
	}
	_, err := w.call(t.Context(), args{"method": "POST", "path": "/x", "body": "0123456789a"}.json(), tools.Limits{})
	var arg *tools.ArgError
	if !errors.As(err, &arg) || arg.Field != "body" || len(up.requests()) != 1 {
		t.Errorf("%v, %d requests", err, len(up.requests()))
	}
}

// A body is sent as the bytes the agent wrote, spaces and number spellings included.
func TestBodyIsSentByteForByte(t *testing.T) {
	up := newUpstream(t, nil)
	w := newWorld(t, Target{BaseURL: up.URL, Fixed: map[string]string{"X-Tenant": "t1", "Accept": "application/json"}})
	for _, c := range []struct{ body, sent, contentType string }{
		{`{ "b" : 1.50,  "a":[1e3, "\u00e9é"] }`, `{ "b" : 1.50,  "a":[1e3, "\u00e9é"] }`, "application/json"},
		{`[]`, `[]`, "application/json"},
		{`"line\none"`, "line\none", "text/plain; charset=utf-8"},
		{`""`, "", ""},
		{`null`, "", ""},
		{`false`, "false", "application/json"},
	} {
		raw := tools.Args(`{"target":"api","method":"POST","path":"/x","body":   ` + c.body + `  }`)
		first(t)(w.call(t.Context(), raw, tools.Limits{}))
		got := up.last(t)
		if got.body != c.sent || got.header.Get("Content-Type") != c.contentType {
			t.Errorf("%s: sent %q as %q", c.body, got.body, got.header.Get("Content-Type"))
		}
		if got.header.Get("X-Tenant") != "t1" || got.header.Get("Accept") != "application/json" {
			t.Errorf("fixed headers: %v", got.header)
		}
	}
	if _, _, err := w.facts(args{"method": "GET", "path": "/x", "headers": map[string]string{"accept": "*/*"}}.json()); err == nil {
		t.Error("an agent may replace a fixed header")
	}
}

func TestWhatIsShownOfABody(t *testing.T) {
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		contentType, body, _ := strings.Cut(r.URL.Query().Get("answer"), "|")
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "NUL", "\x00\xff"))
	})
	w := newWorld(t, Target{BaseURL: up.URL})
	for _, c := range []struct{ answer, body, note string }{
		{"application/json|{\"a\":1}", `{"a":1}`, ""},
		{"application/vnd.api+json|[1]", `[1]`, ""},
		{"application/json|not json", `"not json"`, ""},
		{"text/plain|{\"a\":1}", `"{\"a\":1}"`, ""},
		{"text/csv; charset=utf-8|a,b", `"a,b"`, ""},
		{"|plain", `"plain"`, ""},
		{"text/plain|a\u200bb\u202ec", `"abc"`, ""},
		{"image/png|NUL", ``, "image/png, 2 bytes, not of a type that is shown"},
		{"application/octet-stream|hello", ``, "application/octet-stream, 5 bytes, not of a type that is shown"},
		{"text/plain|NUL", ``, "text/plain, 2 bytes, not text in a known charset"},
		{"text/plain; charset=klingon|x", ``, "text/plain, 1 bytes, not text in a known charset"},
		{"application/json|", ``, ""},
		{"application/json|[\"" + strings.Repeat("x", 300) + "\"]", ``, "application/json, more than 200 bytes, larger than the limit"},
		{"text/plain|" + strings.Repeat("x", 300), ``, "text/plain, more than 200 bytes, larger than the limit"},
	} {
		r := first(t)(w.call(t.Context(), get("/x?answer="+queryEscape(strings.ReplaceAll(c.answer, "\x00", ""))).json(), tools.Limits{Bytes: 200}))
		a := data(t, r)
		if string(a.Body) != c.body || a.BodyNote != c.note || (r.Truncated != nil) != strings.Contains(c.note, "more than") {
			t.Errorf("%.40s: body %s, note %q, truncated %v", c.answer, a.Body, a.BodyNote, r.Truncated)
		}
	}
}

// Every status is an answer: the agent needs the body of an error.
func TestErrorStatusIsAResult(t *testing.T) {
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprint(w, `{"title":"no"}`)
	})
	w := newWorld(t, Target{BaseURL: up.URL})
	for _, status := range []int{201, 400, 401, 403, 404, 409, 422, 429, 500, 503} {
		r := first(t)(w.call(t.Context(), args{"method": "POST", "path": fmt.Sprint("/", status)}.json(), tools.Limits{}))
		a := data(t, r)
		if r.Code != fmt.Sprint(status) || a.Status != status || string(a.Body) != `{"title":"no"}` || (a.Note != "") != (status == 401 || status == 403) {
			t.Errorf("%d: %s %+v", status, r.Code, a)
		}
	}
}

// A broken pipe between two changes must not make the transport send one twice.
func TestChangesAreNeverRepeated(t *testing.T) {
	var served int
	up := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		if served++; served%2 == 0 { // read the request, do the work, drop the connection
			c, _, _ := w.(http.Hijacker).Hijack()
			c.Close()
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	w := newWorld(t, Target{BaseURL: up.URL})
	documented := newWorld(t, Target{BaseURL: up.URL, OpenAPI: []byte(billing)})
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET"} {
		a, w := args{"method": method, "path": "/v1/invoices/7/remind"}, w
		if method == "GET" { // one that writes, says its document
			w = documented
		}
		first(t)(w.call(t.Context(), a.json(), tools.Limits{}))
		before := len(up.requests())
		_, err := w.call(t.Context(), a.json(), tools.Limits{}) // on the connection kept from the first call
		var unknown *tools.OutcomeUnknownError
		if !errors.As(err, &unknown) {
			t.Errorf("%s: %v", method, err)
		}
		if last := up.last(t); last.coding != nil || last.header.Get("Content-Length") > "0" {
			t.Errorf("%s was sent with a body: %+v", method, last)
		}
		if n := len(up.requests()) - before; n != 1 {
			t.Errorf("%s arrived %d times", method, n)
		}
	}
}
