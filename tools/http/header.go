package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sallyport/tools"
)

// Bounds of the request headers an agent may send.
const (
	maxHeaders     = 32
	maxHeaderValue = 4096
)

// defaultHeaders are the request headers an agent may set on every target: they negotiate, and change nothing.
// Content-Type is accepted where a body is.
var defaultHeaders = []string{"Accept", "Accept-Language", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Content-Type"}

// neverNames are request headers that nobody can allow: they name another host, carry credentials, frame the message
// (RFC 9110 section 7.6.1, RFC 9112 section 6), say who the client is, or replace method or path behind the gateway.
var neverNames = map[string]bool{
	"host": true, "authorization": true, "cookie": true, "cookie2": true, "set-cookie": true, "authentication": true, "www-authenticate": true,
	"connection": true, "keep-alive": true, "te": true, "trailer": true, "trailers": true, "transfer-encoding": true, "upgrade": true,
	"content-length": true, "content-encoding": true, "content-transfer-encoding": true, "accept-encoding": true, "expect": true, "http2-settings": true, "date": true,
	"forwarded": true, "via": true, "x-real-ip": true, "x-client-ip": true, "client-ip": true, "true-client-ip": true, "x-cluster-client-ip": true,
	"cf-connecting-ip": true, "fastly-client-ip": true, "x-remote-ip": true, "x-remote-addr": true, "remote-addr": true, "x-originating-ip": true,
	"x-host": true, "x-http-host-override": true, "x-remote-user": true, "remote-user": true, "x-authenticated-user": true, "x-user": true, "x-user-id": true,
	"x-method": true, "x-method-override": true, "x-override-method": true, "x-url": true, "x-uri": true, "x-path": true, "max-forwards": true,
	"x-csrf-token": true, "x-xsrf-token": true,
}

// neverPrefixes are families of the same.
var neverPrefixes = []string{
	"proxy-", "x-forwarded", "x-forward-", "x-http-", "x-original-", "x-originating-", "x-rewrite-", "x-auth-", "x-amz-", "x-goog-", "x-ms-client-principal",
	"x-envoy-", "x-middleware-", "x-accel-", "x-sendfile", "cf-", "x-azure-", "x-nginx-", "sec-", "x-request-uri", "x-replaced-",
}

// neverHeader reports whether no agent may ever set name; underscores count as dashes, because CGI-like servers fold them.
func neverHeader(name string) bool {
	n := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return neverNames[n] || slices.ContainsFunc(neverPrefixes, func(p string) bool { return strings.HasPrefix(n, p) })
}

// headerList is the set of canonical names an agent may set on a target.
func headerList(extra, occupied []string) (map[string]bool, error) {
	set := map[string]bool{}
	for _, n := range defaultHeaders {
		set[n] = true
	}
	for _, n := range extra {
		switch {
		case !isToken(n):
			return nil, fmt.Errorf("headers: %q is not a header name", n)
		case neverHeader(n):
			return nil, fmt.Errorf("headers: %s cannot be allowed: it names the host, the sender or the framing, or overrides the method", n)
		}
		set[http.CanonicalHeaderKey(n)] = true
	}
	for _, c := range occupied {
		for _, n := range extra {
			if sameHeader(n, c) {
				return nil, fmt.Errorf("headers: %s is set by the gateway and cannot be set by agents", n)
			}
		}
		delete(set, http.CanonicalHeaderKey(c)) // an everyday header that the operator fixed
	}
	return set, nil
}

// checkFixed refuses headers the operator cannot fix: the transport's own, and that of the credential.
func checkFixed(fixed map[string]string, credentials []string) error {
	for n, v := range fixed {
		switch {
		case !isToken(n) || !fieldValue(v):
			return fmt.Errorf("headers: %q is not a header, or its value holds more than visible ASCII", n)
		case framing(n) || slices.ContainsFunc(credentials, func(c string) bool { return sameHeader(n, c) }):
			return fmt.Errorf("headers: %s is set by the gateway itself; remove it", n)
		}
	}
	return nil
}

func sameHeader(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, "_", "-"), strings.ReplaceAll(b, "_", "-"))
}

// header is one request header as it will be sent.
type header struct{ name, value string }

// parseHeaders checks what no target can allow. Which of the rest a target allows is known only when it is looked at.
func parseHeaders(in map[string]string) ([]header, error) {
	if len(in) > maxHeaders {
		return nil, &tools.ArgError{Field: "headers", Problem: fmt.Sprintf("holds more than %d headers", maxHeaders), Fix: "send fewer"}
	}
	var out []header
	for name, value := range in {
		field := "headers." + printable(name, 60)
		switch {
		case !isToken(name):
			return nil, &tools.ArgError{Field: "headers", Problem: "holds a name that is not a header name", Fix: "use letters, digits and dashes"}
		case neverHeader(name):
			return nil, &tools.ArgError{Field: field, Problem: "cannot be set by an agent", Fix: "leave it out; the gateway sets credentials, host and framing itself"}
		case len(value) > maxHeaderValue || !fieldValue(value):
			return nil, &tools.ArgError{Field: field, Problem: fmt.Sprintf("is not a header value of at most %d visible ASCII characters", maxHeaderValue), Fix: "leave out control characters"}
		}
		out = append(out, header{http.CanonicalHeaderKey(name), value})
	}
	slices.SortFunc(out, func(a, b header) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(out); i++ {
		if out[i].name == out[i-1].name {
			return nil, &tools.ArgError{Field: "headers." + out[i].name, Problem: "is given twice in different letter case", Fix: "send it once"}
		}
	}
	return out, nil
}

// fieldValue accepts visible ASCII with inner spaces and tabs: a value with one reading everywhere.
func fieldValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c != '\t' && (c < 0x20 || c > 0x7E) {
			return false
		}
	}
	return v == strings.TrimSpace(v)
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
