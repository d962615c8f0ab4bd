package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrNotFound is returned for an entry that is not in the log.
var ErrNotFound = errors.New("no such audit entry")

// Encode is the canonical form of an envelope: the bytes that are stored, hashed and exported. Field order is the struct's,
// times are UTC milliseconds, nothing is escaped that JSON does not require. Bytes that are not UTF-8 become U+FFFD. The year of Time must be
// one of 0 to 9999.
func (e *Entry) Encode() []byte {
	b := e.encode()
	if bytes.Contains(b, []byte(`\ufffd`)) {
		// The encoder escapes what was not UTF-8, and only that; the same text read back is not escaped. Spell it like that at once.
		var again Entry
		if err := json.Unmarshal(b, &again); err == nil {
			b = again.encode()
		}
	}
	return b
}

func (e *Entry) encode() []byte {
	c := *e
	c.Time = c.Time.UTC().Truncate(time.Millisecond)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&c); err != nil {
		panic(fmt.Sprintf("audit: an envelope of strings and numbers does not encode: %v", err)) // cannot happen: no floats, no cycles
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Decode reads an envelope as Encode writes it. Anything that does not encode to the same bytes again is an error.
func Decode(envelope []byte) (Entry, error) {
	var e Entry
	dec := json.NewDecoder(bytes.NewReader(envelope))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return e, fmt.Errorf("audit: envelope: %w", err)
	}
	if !bytes.Equal(e.Encode(), envelope) {
		return e, errors.New("audit: envelope is not in canonical form")
	}
	return e, nil
}

// LeafHash is the RFC 6962 leaf hash of an envelope.
func LeafHash(envelope []byte) tlog.Hash { return tlog.RecordHash(envelope) }

// Filter chooses entries; zero fields choose all.
type Filter struct {
	Text         string // words, each of which stands somewhere in the envelope (case-insensitive)
	Kind         Kind
	Target       string
	Tool         string
	Subject      string
	Call         string
	Since, Until time.Time
	Limit        int // the newest that many
}

// Match reports whether an entry is chosen, Limit aside.
func (f *Filter) Match(e *Entry, envelope []byte) bool {
	switch {
	case f.Kind != "" && e.Kind != f.Kind,
		f.Target != "" && e.Target != f.Target,
		f.Tool != "" && e.Tool != f.Tool,
		f.Call != "" && e.Call != f.Call,
		f.Subject != "" && (e.Principal == nil || e.Principal.Subject != f.Subject),
		!f.Since.IsZero() && e.Time.Before(f.Since),
		!f.Until.IsZero() && !e.Time.Before(f.Until):
		return false
	}
	if f.Text == "" {
		return true
	}
	text := strings.ToLower(string(envelope))
	for _, word := range strings.Fields(strings.ToLower(f.Text)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// ExportLine is one entry as a JSON line, the line break included; b, when not nil, is its opened body.
func ExportLine(e Entry, b *Body) []byte {
	line := e.Encode()
	if b != nil {
		type body struct {
			Text   string          `json:"text,omitempty"`
			Claim  string          `json:"claim,omitempty"`
			Result json.RawMessage `json:"result,omitempty"`
			Input  json.RawMessage `json:"input,omitempty"`
		}
		open := body{Text: b.Text, Claim: b.Claim}
		if json.Valid(b.Result) {
			open.Result = b.Result
		}
		if json.Valid(b.Input) {
			open.Input = b.Input
		}
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if enc.Encode(open) == nil {
			line = append(line[:len(line)-1], `,"body":`...)
			line = append(line, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
			line = append(line, '}')
		}
	}
	return append(line, '\n')
}
