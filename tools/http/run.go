package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"sallyport/tools"
)

// Tool is the tool named http; its methods are those of the gateway's Tool.
type Tool struct{ apis *APIs }

// Tool returns the tool over all targets.
func (a *APIs) Tool() *Tool { return &Tool{a} }

// Plan parses the arguments {target, method, path, headers?, body?, reason?}; it touches nothing. Errors: *tools.ArgError.
func (t *Tool) Plan(ctx context.Context, args tools.Args) (*tools.Plan, error) {
	return plan(ctx, args)
}

// Inspect states what the request would do, from the OpenAPI document, the GraphQL document or the JSON-RPC method in its
// body. Nothing is sent. Errors: tools.ErrNoSuchTarget, *tools.ArgError, *tools.NotUnderstoodError, *tools.WrongToolError.
func (t *Tool) Inspect(ctx context.Context, p *tools.Plan) (*tools.Facts, error) {
	return t.apis.inspect(ctx, p)
}

// Run sends the request as it was inspected. Any answer of the API is a result, whatever its status: the agent needs the
// body of a 422. Errors: *tools.UnreachableError (nothing was sent, or a read's answer was not seen), *tools.TimeoutError,
// *tools.OutcomeUnknownError (a change was sent and its answer not seen). When ctx ends, the connection is closed before
// Run or Render returns; HTTP cannot promise that the API stopped working.
func (t *Tool) Run(ctx context.Context, p *tools.Plan, f *tools.Facts, ob tools.Obligations) (tools.Result, error) {
	in, ok := f.Inspected.(*inspected)
	if !ok || in.req != p.Parsed {
		return nil, errors.New("run http: the facts are not those of the plan")
	}
	if in.changes && !ob.Changes {
		return nil, errors.New("run http: the call changes, its obligations do not")
	}
	limits := in.api.Limits.within(ob.Limits)
	ctx, cancel := context.WithTimeout(ctx, limits.Time)
	x := &exchange{ob: ob, ctx: ctx, cancel: cancel, api: in.api, limits: limits, changes: in.changes}
	if err := x.send(in); err != nil {
		cancel()
		return nil, err
	}
	return x, nil
}

// within is the smaller of the target's limits and what the decision asks for; zero there asks for nothing.
func (l Limits) within(ob tools.Limits) tools.Limits {
	if ob.Time <= 0 {
		ob.Time = l.Time
	}
	if ob.Bytes <= 0 {
		ob.Bytes = l.ResponseBytes
	}
	ob.Time, ob.Bytes = min(l.Time, ob.Time), min(l.ResponseBytes, ob.Bytes)
	return ob
}

// exchange is one request and its answer; it is the tools.Result.
type exchange struct {
	ctx     context.Context // Run's, with the time limit: it covers sending and reading
	cancel  context.CancelFunc
	api     *api
	ob      tools.Obligations
	limits  tools.Limits
	changes bool
	resp    *http.Response
	scrub   string // the request's own signature, which masking cannot know
}

// newRequest builds what will be sent but for the credential. URL.Opaque carries the path as it is: Go would encode it
// anew from a decoded form.
func (in *inspected) newRequest() *http.Request {
	a, r := in.api, in.req
	u := &url.URL{Scheme: a.base.Scheme, Host: a.base.Host, Opaque: a.prefix + r.path.raw, RawQuery: r.path.rawQuery, ForceQuery: r.path.hasQuery}
	req := &http.Request{Method: r.method, URL: u, Host: a.base.Host, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	req.Header["User-Agent"] = []string{"sallyport"}
	for n, v := range a.Fixed {
		req.Header[http.CanonicalHeaderKey(n)] = []string{v}
	}
	for _, h := range r.headers { // none of them is fixed
		req.Header[h.name] = []string{h.value}
	}
	req.Header["Accept-Encoding"] = []string{"gzip"}
	if r.body != nil {
		req.Header["Content-Type"] = []string{in.contentType}
		req.ContentLength = int64(len(r.body))
		req.Body = &body{bytes.NewReader(r.body)}
	} else if in.changes && (r.method == "GET" || r.method == "HEAD" || r.method == "OPTIONS") {
		req.Body = &body{bytes.NewReader(nil)} // found empty and left out when it is written
	}
	return req
}

// body is one that cannot be read again. The transport repeats requests on its own when a kept connection breaks, for the
// methods that are safe by name and where a body is absent or can be rewound; a change must not be sent twice.
type body struct{ *bytes.Reader }

func (*body) Close() error { return nil }

// send sends the request and reads the answer's head.
func (x *exchange) send(in *inspected) error {
	req := in.newRequest()
	if err := x.api.cred.apply(x.ctx, req, in.req.body, x.ob); err != nil {
		return x.failed(err, false)
	}
	if _, sig, ok := strings.Cut(req.Header.Get("Authorization"), ", Signature="); ok {
		x.scrub = sig
	}
	// From the moment a connection is there, bytes of the request may have reached the target. The transport calls this
	// from its own goroutines.
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	resp, err := x.api.wire.transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(x.ctx, trace)))
	switch {
	case err != nil:
		return x.failed(err, connected.Load())
	case resp.StatusCode == http.StatusSwitchingProtocols:
		resp.Body.Close() // the connection: what follows is not HTTP
		return x.failed(errors.New("answered 101 Switching Protocols, which nobody asked for"), true)
	case resp.StatusCode == http.StatusUnauthorized:
		x.api.cred.refused(x.ob.Session)
	}
	x.resp = resp
	return nil
}

// failed is the error of a call without an answer. sent says that bytes of the request may have reached the target.
func (x *exchange) failed(err error, sent bool) error {
	// What the library's errors say may hold addresses and parts of the answer; it goes to the operator.
	if sent && x.changes {
		return &tools.OutcomeUnknownError{Check: "read the resource the request would have changed before you send it again", Err: err}
	}
	switch {
	case errors.Is(x.ctx.Err(), context.DeadlineExceeded):
		return &tools.TimeoutError{Limit: x.limits.Time.String(), Executed: tools.ExecutedNo}
	case x.ctx.Err() != nil:
		return x.ctx.Err()
	}
	var down *tools.UnreachableError
	if errors.As(err, &down) {
		return err
	}
	return &tools.UnreachableError{Problem: problem(err, sent), Err: fmt.Errorf("target %s: %w", x.api.Name, err)}
}

// Close ends the exchange without reading what is left. Safe after Render, and twice.
func (x *exchange) Close() {
	x.cancel()
	if x.resp != nil {
		x.resp.Body.Close()
	}
}
