package masking

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// Each line is a way to carry a value past the detectors. This list only grows.
func TestBypasses(t *testing.T) {
	const email, card, ssn, secret = "ann.smith@example.com", "4111111111111111", "123-45-6789", "Tr0ub4dor&3"
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, text := range map[string]string{
		"card as a float":                        "4111111111111111.0",
		"card after a row number":                "1 4111 1111 1111 1111",
		"card with a narrow no-break space":      "4111\u202f1111\u202f1111\u202f1111",
		"card with a minus sign":                 "4111\u22121111\u22121111\u22121111",
		"card glued to letters":                  "n" + card + "n",
		"card glued with low lines":              "_" + card + "_",
		"cards one after the other":              card + "," + card,
		"card in an array of numbers":            "{1,2," + card + ",3}",
		"sample-looking number":                  "219-09-9999 " + ssn,
		"number in full width":                   "\uff11\uff12\uff13-\uff14\uff15-\uff16\uff17\uff18\uff19",
		"number with dashes of another kind":     "123\u201345\u20136789",
		"number with combining marks":            "1\u033623-45-6789",
		"number with a keycap":                   "1\u20e323-45-6789",
		"number with tag characters":             "123-\U000e0041" + "45-6789",
		"number with a terminal colour":          "123-\x1b[31m45-6789",
		"escaped at sign":                        `ann.smith\u0040example.com`,
		"at sign as a reference":                 "ann.smith&#64;example.com ann.smith&commat;example.com",
		"at sign percent-encoded twice":          "ann.smith%2540example.com",
		"address in upper case":                  strings.ToUpper(email),
		"secret with an escaped byte":            `Tr0ub\x34dor&3`,
		"secret in octal":                        `\124\162\060\165\142\064\144\157\162\046\063`,
		"secret with an entity":                  "Tr0ub4dor&amp;3",
		"secret in part percent-encoded":         "Tr0%75b4dor%263",
		"secret in look-alike letters":           "Тr0ub4dоr&3",
		"secret with a soft hyphen":              "Tr0ub\u00ad4dor&3",
		"secret in base64 of a JSON object":      b64(`{"user":"x","password":"Tr0ub4dor&3"}`),
		"secret in base64 in base64":             b64(b64("x" + secret)),
		"secret in hexadecimal in base64":        b64(hex.EncodeToString([]byte(secret))),
		"secret in base64 after binary":          b64("\x00\xff\x01" + secret + "\x00"),
		"secret in a URL in base64":              b64("https://x.example/?p=Tr0ub4dor%263"),
		"base64 glued to a name":                 "data_" + b64(email),
		"base64 over lines":                      wrapLines(b64(strings.Repeat("padding. ", 9)+email+strings.Repeat(" padding.", 9)), 64),
		"key cut off":                            "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE",
		"token after a low line":                 "x_" + values[JWT],
		"password that looks like a placeholder": "postgres://u:[x]y@host/db",
		"password with an at sign":               "postgres://u:a@b@host/db",
		"two-byte start":                         "x" + secret,
	} {
		m := newEngine(t, secret).For("s")
		got := m.String(text)
		for _, leak := range []string{email, card, ssn, secret, "6789", "1111", "smith", "Tr0", "dor", "MHc", "[x]y", "a@b", values[JWT], b64(email)} {
			if strings.Contains(strings.ToLower(got), strings.ToLower(leak)) {
				t.Errorf("%s: %q leaves %q", name, leak, got)
			}
		}
		if !strings.Contains(got, "[") {
			t.Errorf("%s: %q came through as %q", name, text, got)
		}
	}
}

func wrapLines(s string, n int) string {
	var b strings.Builder
	for ; len(s) > n; s = s[n:] {
		b.WriteString(s[:n] + "\n")
	}
	return b.String() + s
}

// Time must be linear: each of these once took the square of its length in something like this scanner. A quarter of a megabyte of each
// must come back; the test's own time limit is the judge.
func TestHostileTextsTakeLinearTime(t *testing.T) {
	m := newEngine(t, "Tr0ub4dor&3").For("s")
	for _, unit := range []string{"@", "a@", "a.", "://:", "eyJ", "-eyJ.", "xoxb-", "AKIA", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "1", "1 ", "1-", "123-45-678 ",
		"DE89", "password=", "password ", "token: ", `\u0040`, "%2525", "&amp;", "\u200b", "é", "QUFB", "4141", "Tr0ub", "\x1b[", "1.", "ssn 123456788", "1234:AA", `"`, "\\"} {
		m.String(strings.Repeat(unit, 1<<18/len(unit)))
	}
}
