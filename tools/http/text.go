package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// foldedPath is the path with what looks like a value replaced. Without a document nobody knows which segments are
// parameters, so only plain lower-case words and versions are kept.
func foldedPath(p *requestPath) string {
	var b strings.Builder
	for _, s := range p.segments {
		b.WriteByte('/')
		if s == "" || isWord(s) {
			b.WriteString(s)
		} else {
			b.WriteString("{}")
		}
	}
	return b.String()
}

func isWord(s string) bool {
	if len(s) > 32 {
		return false
	}
	if s[0] == 'v' && len(s) > 1 && strings.Trim(s[1:], "0123456789") == "" {
		return true
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-_") == ""
}

// queryNames are the names of the parameters, sorted: part of the shape, without values.
func queryNames(query []pair) string {
	var names []string
	for _, q := range query {
		if !isWord(strings.ToLower(q.name)) {
			q.name = "{}"
		}
		names = append(names, q.name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), "&")
}

// exactText is the request for an approver: everything the agent chose, with nothing hidden in it.
func exactText(r *request, contentType string) string {
	var b strings.Builder
	b.WriteString(r.method + " " + r.path.raw)
	if r.path.hasQuery {
		b.WriteString("?" + r.path.rawQuery)
	}
	for _, h := range r.headers {
		b.WriteString("\n" + h.name + ": " + h.value)
	}
	if r.body == nil {
		return b.String()
	}
	if _, given := r.header("Content-Type"); !given {
		b.WriteString("\nContent-Type: " + contentType)
	}
	body := r.body
	var pretty bytes.Buffer
	if isJSON(mediaOf(contentType)) && json.Indent(&pretty, body, "", "  ") == nil {
		body = pretty.Bytes()
	}
	b.WriteString("\n\n" + visible(string(body)))
	return b.String()
}

// visible writes characters that people do not see as escapes.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\u{%04x}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool {
	return r != '\n' && r != '\t' && (unreadable(r) || !unicode.IsPrint(r) && !unicode.IsSpace(r))
}
