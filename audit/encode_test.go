package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// full has every field set.
func full() Entry {
	return Entry{
		V: 1, Seq: 7, ID: "0199c0de-0000-7000-8000-000000000000", Time: time.Date(2026, 11, 1, 12, 0, 0, 123_000_000, time.UTC), Kind: KindOutcome,
		Call: "c1", Session: "s1", Principal: &Principal{Issuer: "https://idp", Subject: "ann", Groups: []string{"dev"}, Agent: "claude", Client: "cli"},
		Tool: "query", Target: "db", Statement: "SELECT $1 < 2 & 3", Objects: []string{"read public.orders"},
		Decision: &Decision{Verdict: "ask", Scope: "support", Rule: "scope", Score: 41, Reasons: []string{"r1"}, Revision: "abc"},
		Approval: &Approval{ID: "a1", Code: "K7QM-2X9D", State: "consumed", Digest: "d", By: "https://idp#bob", Via: "cli"},
		Masks:    []Mask{{Class: "email", Count: 3, Why: "column"}},
		Outcome:  &Outcome{Status: "ok", Code: "", Target: "SELECT 1", Rows: 1, Affected: -1, Bytes: 12, ElapsedUS: 99, Truncated: true},
		Detail:   "d", Body: &BodyRef{Commit: "aa", SHA256: "bb"},
	}
}

// TestTheEnvelopeIsStable: the bytes are what is hashed, so a change of this text makes every existing log fail to verify.
func TestTheEnvelopeIsStable(t *testing.T) {
	e := full()
	const want = `{"v":1,"seq":7,"id":"0199c0de-0000-7000-8000-000000000000","time":"2026-11-01T12:00:00.123Z","kind":"outcome","call":"c1","session":"s1",` +
		`"principal":{"iss":"https://idp","sub":"ann","groups":["dev"],"agent":"claude","client":"cli"},"tool":"query","target":"db",` +
		`"statement":"SELECT $1 < 2 & 3","objects":["read public.orders"],` +
		`"decision":{"verdict":"ask","scope":"support","rule":"scope","score":41,"reasons":["r1"],"revision":"abc"},` +
		`"approval":{"id":"a1","code":"K7QM-2X9D","state":"consumed","digest":"d","by":"https://idp#bob","via":"cli"},` +
		`"masks":[{"class":"email","count":3,"why":"column"}],` +
		`"outcome":{"status":"ok","target":"SELECT 1","rows":1,"affected":-1,"bytes":12,"elapsed_us":99,"truncated":true},` +
		`"detail":"d","body_ref":{"commit":"aa","sha256":"bb"}}`
	if got := string(e.Encode()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back, err := Decode([]byte(want))
	if diff := cmp.Diff(e, back); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestEncodeCutsTimeToMilliseconds(t *testing.T) {
	e := full()
	e.Time = e.Time.Add(456_789).In(time.FixedZone("", 3600))
	if back, err := Decode(e.Encode()); err != nil || !back.Time.Equal(full().Time) || back.Time.Location() != time.UTC {
		t.Errorf("%v, %v", back.Time, err)
	}
}

// TestDecodeRefuses: one entry has one spelling, so nothing can be hidden in another.
func TestDecodeRefuses(t *testing.T) {
	e := full()
	good := string(e.Encode())
	for name, bad := range map[string]string{
		"nothing":            "",
		"no object":          "null",
		"empty object":       "{}",
		"space":              strings.Replace(good, ",", ", ", 1),
		"line break":         good + "\n",
		"trailing bytes":     good + "{}",
		"an unknown field":   strings.Replace(good, `"detail"`, `"note":"x","detail"`, 1),
		"a repeated field":   strings.Replace(good, `"detail"`, `"seq":8,"detail"`, 1),
		"another case":       strings.Replace(good, `"kind"`, `"Kind"`, 1),
		"another order":      strings.Replace(good, `"v":1,"seq":7`, `"seq":7,"v":1`, 1),
		"an escape too much": strings.Replace(good, `"ann"`, `"\u0061nn"`, 1),
		"no UTF-8":           strings.Replace(good, `"ann"`, "\"ann\xff\"", 1),
		"an empty list":      strings.Replace(good, `["dev"]`, `[]`, 1),
		"a time zone":        strings.Replace(good, "12:00:00.123Z", "13:00:00.123+01:00", 1),
		"microseconds":       strings.Replace(good, "00.123Z", "00.123456Z", 1),
		"a fraction":         strings.Replace(good, `"seq":7`, `"seq":7.0`, 1),
	} {
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s: decoded %s", name, bad)
		}
	}
}

// TestWhatCallersPutInRoundTrips: an envelope that does not decode again could be appended and never be verified.
func TestWhatCallersPutInRoundTrips(t *testing.T) {
	for _, text := range []string{"", "ä", "\xff\xfe", "a\x00b", "<&>\u2028\u2029", `"\`, "\ufffd", "\U0010ffff", "\xed\xa0\x80"} {
		e := full()
		e.Target, e.Detail, e.Objects = text, text, []string{text}
		e.Principal = &Principal{Subject: text, Groups: []string{}}
		if _, err := Decode(e.Encode()); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	e := full()
	f.Add(e.Encode())
	f.Add([]byte(`{"v":1,"seq":0,"id":"","time":"2026-11-01T12:00:00Z","kind":"config"}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err == nil && !bytes.Equal(e.Encode(), b) {
			t.Errorf("two spellings of one entry: %q and %q", b, e.Encode())
		}
	})
}

// FuzzEncode: whatever text an identity provider or a target puts into a field, the envelope is one that verifies.
func FuzzEncode(f *testing.F) {
	f.Add("ann", "db", int64(1), int64(0))
	f.Add("\xff", "\u2028", int64(-1), int64(1<<62))
	f.Fuzz(func(t *testing.T, subject, target string, rows, at int64) {
		e := full()
		e.Principal.Subject, e.Target, e.Outcome.Rows = subject, target, rows
		e.Time = time.UnixMilli(at % 250_000_000_000_000).UTC() // until year 9892; JSON times end with 9999
		b := e.Encode()
		if bytes.ContainsAny(b, "\n") {
			t.Errorf("an envelope of more than one line: %q", b)
		}
		if _, err := Decode(b); err != nil && e.Time.Year() >= 0 {
			t.Errorf("%v: %q", err, b)
		}
	})
}

func TestFilter(t *testing.T) {
	e := full()
	envelope := e.Encode()
	for _, tt := range []struct {
		name string
		f    Filter
		want bool
	}{
		{"all", Filter{}, true},
		{"kind", Filter{Kind: KindOutcome}, true}, {"another kind", Filter{Kind: KindIntent}, false},
		{"target", Filter{Target: "db"}, true}, {"another target", Filter{Target: "d"}, false},
		{"tool", Filter{Tool: "query"}, true}, {"another tool", Filter{Tool: "exec"}, false},
		{"call", Filter{Call: "c1"}, true}, {"another call", Filter{Call: "c"}, false},
		{"subject", Filter{Subject: "ann"}, true}, {"another subject", Filter{Subject: "bob"}, false},
		{"since that moment", Filter{Since: e.Time}, true}, {"since later", Filter{Since: e.Time.Add(1)}, false},
		{"until later", Filter{Until: e.Time.Add(1)}, true}, {"until that moment", Filter{Until: e.Time}, false},
		{"a word", Filter{Text: "ORDERS"}, true}, {"words in any order", Filter{Text: "email public.orders"}, true},
		{"a word that is missing", Filter{Text: "orders payroll"}, false}, {"space", Filter{Text: " \t"}, true},
	} {
		if got := tt.f.Match(&e, envelope); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	f := Filter{Subject: "ann"}
	if f.Match(&Entry{}, nil) {
		t.Error("an entry without principal has a subject")
	}
}

func TestExportLine(t *testing.T) {
	e := full()
	for name, tt := range map[string]struct {
		body *Body
		want string // of the field body; empty when it must not be there
	}{
		"none":                       {nil, ""},
		"empty":                      {&Body{}, `{}`},
		"with an input":              {&Body{Text: "x", Input: []byte(`{"v":1}`)}, `{"text":"x","input":{"v":1}}`},
		"with a result":              {&Body{Text: "SELECT 1 < 2", Claim: "why", Result: []byte(`{"rows":[]}`)}, `{"text":"SELECT 1 < 2","claim":"why","result":{"rows":[]}}`},
		"a result that is no JSON":   {&Body{Text: "x", Result: []byte("{")}, `{"text":"x"}`},
		"a result with line breaks":  {&Body{Result: []byte("{\n\"a\": 1}\n")}, `{"result":{"a":1}}`},
		"text that is no UTF-8":      {&Body{Text: "\xff"}, `{"text":"\ufffd"}`},
		"text that looks like JSON,": {&Body{Text: `"}],"kind":"denied"`}, `{"text":"\"}],\"kind\":\"denied\""}`},
	} {
		line := ExportLine(e, tt.body)
		if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
			t.Errorf("%s: not one line: %q", name, line)
		}
		var got struct {
			Kind Kind
			Body json.RawMessage
		}
		if err := json.Unmarshal(line, &got); err != nil || got.Kind != KindOutcome || string(got.Body) != tt.want {
			t.Errorf("%s: %s, %v; want %s", name, got.Body, err, tt.want)
		}
	}
}
