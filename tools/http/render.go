package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"sallyport/tools"
)

// shownHeaders are the headers of an answer that an agent gets: those it can act on. All are masked; everything else,
// cookies and challenges among it, stays here.
var shownHeaders = []string{"Content-Type", "Content-Language", "Content-Range", "Location", "Link", "Retry-After", "Allow", "Accept-Patch", "Etag", "Last-Modified",
	"Deprecation", "Sunset", "X-Request-Id", "X-Total-Count", "X-Next-Page", "Ratelimit-Limit", "Ratelimit-Remaining", "Ratelimit-Reset", "X-Ratelimit-Limit",
	"X-Ratelimit-Remaining", "X-Ratelimit-Reset"}

// maxShownHeader bounds one header's value.
const maxShownHeader = 4096

// Render reads the answer and returns {"status", "headers", "body"?, "body_note"?, "note"?}. body is the parsed JSON when
// the answer is JSON, a string when it is text, and absent (with body_note saying why) when it is neither, too large to
// be shown whole, or did not arrive completely.
func (x *exchange) Render(ctx context.Context, m tools.Mask) (*tools.Rendered, error) {
	defer x.Close()
	stop := context.AfterFunc(ctx, x.cancel)
	defer stop()
	c := x.api.readBody(x.resp, x.limits.Bytes)
	if c.late && !x.changes { // a read has nothing to report; for a change the status alone is worth having
		return nil, x.failed(errors.New("the answer ended early"), true)
	}
	out := &tools.Rendered{Affected: -1, Code: strconv.Itoa(x.resp.StatusCode), Truncated: x.truncated(c)}
	data := make([]byte, 0, len(c.text)+len(c.text)/8+512)
	data = append(data, `{"status":`+out.Code+`,"headers":`...)
	data = append(data, marshal(x.headers(m))...)
	if c.text != nil {
		data = append(data, `,"body":`...)
		data = x.appendBody(data, c, m)
	} else if c.why != "" {
		data = append(data, `,"body_note":`...)
		data = append(data, marshal(string(m.Text(nil, []byte(c.note()))))...) // it quotes the target's media type
	}
	if note := x.note(); note != "" {
		data = append(data, `,"note":`...)
		data = append(data, marshal(note)...)
	}
	out.Data = append(data, '}')
	return out, nil
}

// appendBody masks the body on its way into the result: JSON by its structure, text as one string.
func (x *exchange) appendBody(dst []byte, c *content, m tools.Mask) []byte {
	text := x.scrubbed(c.text)
	if isJSON(c.media) && !c.cut {
		return m.JSON(dst, text) // one string, if it is not JSON after all
	}
	return append(dst, marshal(string(m.Text(nil, withoutHidden(text))))...)
}

// scrubbed removes the request's own signature: masking knows credentials, and a signature is made per request.
func (x *exchange) scrubbed(b []byte) []byte {
	if x.scrub == "" {
		return b
	}
	return bytes.ReplaceAll(b, []byte(x.scrub), []byte("[signature]"))
}

// withoutHidden drops what people would not see, before masking looks: a secret with a zero-width space inside is still
// one to whoever strips it later.
func withoutHidden(b []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\r' || r != '\n' && r != '\t' && unreadable(r) && r != utf8.RuneError {
			return -1
		}
		return r
	}, b)
}

// headers are the masked ones an agent gets, by lower-case name.
func (x *exchange) headers(m tools.Mask) map[string]string {
	out := map[string]string{}
	for _, name := range shownHeaders {
		v := strings.Join(x.resp.Header.Values(name), ", ")
		if v == "" {
			continue
		}
		if name == "Location" {
			v = x.location(v)
		}
		v = strings.ToValidUTF8(v, "\uFFFD")
		if len(v) > maxShownHeader { // half a value may be half a secret
			v = fmt.Sprintf("(%d bytes, not shown)", len(v))
		}
		out[strings.ToLower(name)] = string(m.Text(nil, withoutHidden(x.scrubbed([]byte(v)))))
	}
	return out
}

// location is a redirect as an agent may see it. On the target itself it is relative to the base URL, ready for a next
// call. Elsewhere it loses its query: signed links are credentials.
func (x *exchange) location(v string) string {
	base := x.api.base
	request, err := url.Parse(base.Scheme + "://" + base.Host + x.resp.Request.URL.Opaque)
	if err != nil {
		return "(not a URL)"
	}
	u, err := url.Parse(v)
	if err != nil {
		return "(not a URL)"
	}
	u = request.ResolveReference(u)
	u.User, u.Fragment = nil, ""
	if u.Scheme == base.Scheme && strings.EqualFold(u.Host, base.Host) {
		if path := u.EscapedPath(); path == x.api.prefix || strings.HasPrefix(path, x.api.prefix+"/") {
			u = &url.URL{Opaque: strings.TrimPrefix(path, x.api.prefix), RawQuery: u.RawQuery}
			return x.withoutCredential(u).RequestURI()
		}
	}
	if u.RawQuery != "" {
		u.RawQuery = "(left out)"
	}
	return u.String()
}

// withoutCredential drops the injected query parameter when a redirect repeats it.
func (x *exchange) withoutCredential(u *url.URL) *url.URL {
	var kept []string
	for _, part := range strings.Split(u.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if n, err := url.QueryUnescape(name); err == nil && part != "" && !x.api.queryNames[foldName(n)] {
			kept = append(kept, part)
		}
	}
	u.RawQuery = strings.Join(kept, "&")
	return u
}

// note is what the gateway has to say about a status, in its own words.
func (x *exchange) note() string {
	switch s := x.resp.StatusCode; {
	case s == http.StatusUnauthorized && x.api.cred.empty():
		return "the API wants a credential, and none is configured for this target; an administrator can change that"
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		return "the API refused the gateway's credential for this; an administrator can change that, another wording cannot"
	case s >= 300 && s < 400 && x.resp.Header.Get("Location") != "":
		return "redirects are not followed; a location that starts with / is a path on this target and can be called"
	}
	return ""
}

func (x *exchange) truncated(c *content) *tools.Truncated {
	switch {
	case c.cut:
		return &tools.Truncated{By: "bytes", Returned: int64(len(c.text)), Hint: fmt.Sprintf("the answer is larger than %d bytes; ask for less: a page, a filter, fewer fields", x.limits.Bytes)}
	case c.late:
		return &tools.Truncated{By: "time", Hint: "the status arrived, the body did not completely; read the resource again"}
	}
	return nil
}

// note describes a body that is not shown.
func (c *content) note() string {
	media := c.media
	if media == "" || len(media) > 80 { // not cut: half of a secret is not recognised as one
		media = "a body of unknown type"
	}
	size := fmt.Sprintf("%d bytes", c.decoded)
	if c.cut {
		size = "more than " + size
	}
	return printable(media, 80) + ", " + size + ", " + c.why
}

// marshal encodes our own small values, which always encode, without escapes for HTML.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return []byte("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
