package httpapi

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxTarget bounds path and query as sent; servers commonly refuse more than 8 KiB of request line.
const maxTarget = 8000

// requestPath is the agent's path and query, understood. What is sent is raw and rawQuery, unchanged; what is decided on
// is segments and query, decoded once.
type requestPath struct {
	raw      string   // "/v1/files/caf%C3%A9"
	segments []string // "v1", "files", "café"; the last one is "" after a trailing slash
	hasQuery bool     // a '?' was there, maybe with nothing behind it
	rawQuery string
	query    []pair
}

type pair struct{ name, value string }

// decoded is the path with every segment decoded. No segment holds a slash, so it has one reading.
func (p *requestPath) decoded() string { return "/" + strings.Join(p.segments, "/") }

// parsePath reads "/path?query" or says what in it two servers could read in two ways. It refuses rather than normalises:
// what one server takes for a dot segment, another takes for a name.
func parsePath(s string) (*requestPath, error) {
	if len(s) > maxTarget {
		return nil, fmt.Errorf("is longer than %d bytes", maxTarget)
	}
	if !strings.HasPrefix(s, "/") {
		return nil, errors.New("must start with one / and be relative to the target's base URL; a URL or host is never accepted")
	}
	if i := strings.IndexFunc(s, notInTarget); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		return nil, fmt.Errorf("holds %q at byte %d, which must be percent-encoded or left out", r, i+1)
	}
	p := &requestPath{}
	p.raw, p.rawQuery, p.hasQuery = strings.Cut(s, "?")
	parts := strings.Split(p.raw[1:], "/")
	for i, part := range parts {
		seg, err := decodeSegment(part)
		switch {
		case err != nil:
			return nil, fmt.Errorf("segment %d: %w", i+1, err)
		case seg == "" && i < len(parts)-1:
			return nil, fmt.Errorf("segment %d: is empty (//)", i+1)
		}
		p.segments = append(p.segments, seg)
	}
	var err error
	if p.query, err = parseQuery(p.rawQuery); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return p, nil
}

// notInTarget are the bytes that RFC 3986 does not allow raw, and the backslash that some servers take for a slash.
func notInTarget(r rune) bool {
	return r <= 0x20 || r >= 0x7F || strings.ContainsRune("\\#<>\"^`{|}", r)
}

// decodeSegment decodes one path segment once and refuses every result that somebody behind us might decode or fold
// again into something else.
func decodeSegment(raw string) (string, error) {
	s, err := unescape(raw, false)
	if err != nil {
		return "", err
	}
	folded := norm.NFKC.String(s)
	switch {
	case strings.ContainsAny(s, `/\;`) || strings.ContainsAny(folded, `/\;`):
		return "", errors.New("holds a slash, backslash or semicolon, raw, encoded or as a look-alike")
	case hasEscape(s) || hasEscape(folded):
		return "", errors.New("is percent-encoded twice")
	case strings.ContainsFunc(s, unreadable):
		return "", errors.New("holds a control or invisible character")
	case isDots(folded):
		return "", errors.New("is a dot segment")
	}
	return s, nil
}

// isDots reports whether s is only dots, with or without spaces around: "." and "..", and what servers that trim take
// for them.
func isDots(s string) bool {
	t := strings.TrimFunc(s, unicode.IsSpace)
	return strings.HasPrefix(t, ".") && strings.Trim(t, ". ") == ""
}

// unreadable are characters that people do not see or that end a line somewhere.
func unreadable(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) || r == utf8.RuneError
}

// parseQuery decodes a query string strictly; "" has no pairs.
func parseQuery(raw string) ([]pair, error) {
	if raw == "" {
		return nil, nil
	}
	if strings.Contains(raw, ";") {
		return nil, errors.New("holds a raw ;, which some servers take for &; write %3B")
	}
	var out []pair
	for i, part := range strings.Split(raw, "&") {
		rawName, rawValue, _ := strings.Cut(part, "=")
		name, err := unescape(rawName, true)
		if err != nil {
			return nil, fmt.Errorf("parameter %d: name %w", i+1, err)
		}
		value, err := unescape(rawValue, true)
		if err != nil {
			return nil, fmt.Errorf("parameter %d: value %w", i+1, err)
		}
		if err := checkParameter(name, value); err != nil {
			return nil, fmt.Errorf("parameter %d: %w", i+1, err)
		}
		out = append(out, pair{name, value})
	}
	return out, nil
}

func checkParameter(name, value string) error {
	switch {
	case name == "":
		return errors.New("has no name")
	case hasEscape(name):
		return errors.New("name is percent-encoded twice")
	case strings.ContainsFunc(name, unreadable):
		return errors.New("name holds a control or invisible character")
	case strings.ContainsFunc(value, unicode.IsControl):
		return errors.New("value holds a control character")
	case overrideParameters[foldName(name)]:
		return fmt.Errorf("%q changes the method behind the gateway's back; send the method itself", name)
	}
	return nil
}

// overrideParameters are names by which frameworks let a parameter replace the request's method or path.
var overrideParameters = map[string]bool{
	"_method": true, "__method": true, "_httpmethod": true, "httpmethod": true, "$httpmethod": true, "method_override": true, "_method_override": true,
	"x_http_method": true, "x_http_method_override": true, "x_method_override": true, "http_method_override": true,
}

// foldName maps parameter names that servers take for the same one to the same text: letter case, look-alikes, the
// brackets of lists, and the characters that PHP turns into underscores.
func foldName(name string) string {
	s := strings.ToLower(norm.NFKC.String(name))
	s = strings.TrimSpace(s)
	if i := strings.IndexByte(s, '['); i > 0 && strings.IndexByte(s[i:], ']') > 0 {
		s = s[:i]
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.', ' ', '-', '[':
			return '_'
		}
		return r
	}, s)
}

// unescape decodes %HH once; every % must start one, and the result must be UTF-8. plus turns '+' into a space, as in
// form encoding.
func unescape(s string, plus bool) (string, error) {
	if !strings.ContainsAny(s, "%+") {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", errors.New("holds a % that is not followed by two hexadecimal digits")
			}
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		case c == '+' && plus:
			out = append(out, ' ')
		default:
			out = append(out, c)
		}
	}
	if !utf8.Valid(out) {
		return "", errors.New("is not UTF-8 when decoded")
	}
	return string(out), nil
}

// hasEscape reports whether decoding s again would change it.
func hasEscape(s string) bool {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '%' && (isHex(s[i+1]) && isHex(s[i+2]) || (s[i+1]|0x20 == 'u' && isHex(s[i+2]))) {
			return true
		}
	}
	return false
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
