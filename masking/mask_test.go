package masking

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNewRefusesWhatItCannotKeep(t *testing.T) {
	for _, cfg := range []Config{{Off: []string{"e-mail"}}, {Off: []string{Secret}}, {Key: []byte("short")}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New(%v) worked", cfg)
		}
	}
}

func TestOffSwitchesOneClassOff(t *testing.T) {
	e, err := New(Config{Off: []string{Email, IPv4}})
	if err != nil {
		t.Fatal(err)
	}
	e.SetSecrets(map[string][]byte{"x": []byte("kitchen@sink.example")})
	m := e.For("s")
	if got := m.String("ann@example.com 123-45-6789 kitchen@sink.example"); got != "ann@example.com [us_ssn] [secret]" {
		t.Errorf("got %q", got)
	}
}

func TestRevision(t *testing.T) {
	a, b := newEngine(t), newEngine(t, "some secret")
	if a.Revision() != b.Revision() || len(a.Revision()) != 16 {
		t.Errorf("revisions %q and %q", a.Revision(), b.Revision())
	}
	c, err := New(Config{Off: []string{Email}})
	if err != nil || c.Revision() == a.Revision() {
		t.Errorf("revision %q with and without a detector; %v", c.Revision(), err)
	}
}

func TestReportCountsByClassAndReason(t *testing.T) {
	m := newEngine(t).For("s")
	m.String("ann@example.com, bob@example.com, 123-45-6789")
	m.Labelled(nil, []byte("x"), "salary", Null)
	m.Labelled(nil, []byte("ann@example.com"), Email, Pseudonym)
	want := []Count{{Email, 1, WhyColumn}, {Email, 2, WhyDetected}, {"salary", 1, WhyColumn}, {USSSN, 1, WhyDetected}}
	if diff := cmp.Diff(want, m.Report()); diff != "" {
		t.Error(diff)
	}
}

func TestTextAppends(t *testing.T) {
	m := newEngine(t).For("s")
	for _, src := range []string{"plain", "123-45-6789", "see ann@example.com"} {
		if got := string(m.Text([]byte("before "), []byte(src))); got != "before "+m.String(src) {
			t.Errorf("%q", got)
		}
	}
}

func TestJSON(t *testing.T) {
	for _, c := range [][2]string{
		{`{"a":1.50e3,"b":[true,null,"x"]}`, `{"a":1.50e3,"b":[true,null,"x"]}`},
		{" {\"a\" :\t[ ] , \"b\":{ } }\n", " {\"a\" :\t[ ] , \"b\":{ } }\n"},
		{`"ann@example.com"`, `"[email]"`},
		{`"ann\u0040example.com \u00fc"`, `"[email] ü"`},
		{`"untouched \u00fc \/"`, `"untouched \u00fc \/"`},
		{`{"ann@example.com":{"n":4111111111111111}}`, `{"[email]":{"n":null}}`},
		{`[4111111111111111, 4.111111111111111e15, 4111111111111111.0, 4111111111111112]`, `[null, null, null, 4111111111111112]`},
		{`{"ssn":123456789,"id":123456789}`, `{"ssn":null,"id":123456789}`},
		{`{"customerSSN":["123456789"]}`, `{"customerSSN":["[us_ssn]"]}`},
		{`{"password":"correct horse","password_changed_at":"2024-01-02"}`, `{"password":"[password]","password_changed_at":"2024-01-02"}`},
		{`{"nextToken":"abc","token":"3fd9a1c2b7e84d50"}`, `{"nextToken":"abc","token":"[password]"}`},
		{`{"k":"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"}`, `{"k":"[private_key]\n"}`},
		{`{"inner":"{\"mail\":\"ann@example.com\"}"}`, `{"inner":"{\"mail\":\"[email]\"}"}`},
		{`not json ann@example.com "x"`, `"not json [email] \"x\""`},
		{`{"a":1} {"b":2}`, `"{\"a\":1} {\"b\":2}"`},
		{"", `""`},
		{"a\x00\xff", `"a\u0000` + "\ufffd" + `"`},
	} {
		m := newEngine(t).For("s")
		if got := string(m.JSON(nil, []byte(c[0]))); got != c[1] {
			t.Errorf("%s\n got  %s\n want %s", c[0], got, c[1])
		} else if !json.Valid([]byte(got)) {
			t.Errorf("%s is not JSON", got)
		}
	}
}

func TestLabelled(t *testing.T) {
	m := newEngine(t).For("s")
	for _, c := range []struct{ value, class, method, want string }{
		{"123-45-6789", USSSN, Redact, "[us_ssn]"},
		{"anything", USSSN, "blur", "[us_ssn]"},
		{"", "salary", Redact, "[salary]"},
		{"x", "No such] class", Redact, "[no_such__class]"},
		{"x", "", Redact, "[value]"},
		{"4111 1111 1111 1111", PaymentCard, Partial, "****1111"},
		{"4111 1111 1111 1112", PaymentCard, Partial, "[payment_card]"},
		{"Ann.Smith@example.com", Email, Partial, "[a***]@example.com"},
		{"my SSN is 123-45-6789", Email, Partial, "[email]"},
		{"DE89 3704 0044 0532 0130 00", IBAN, Partial, "DE****3000"},
		{"123-45-6789", USSSN, Partial, "[us_ssn]"},
		{"+49 30 1234567", "phone", Partial, "****4567"},
		{"1234567", "phone", Partial, "[phone]"},
	} {
		got, ok := m.Labelled([]byte("> "), []byte(c.value), c.class, c.method)
		if string(got) != "> "+c.want || !ok {
			t.Errorf("%q as %s by %s: %q, %t; want %q", c.value, c.class, c.method, got, ok, c.want)
		}
		if again := m.String(string(got)); again != string(got) {
			t.Errorf("%q does not scan clean: %q", got, again)
		}
	}
	if out, ok := m.Labelled([]byte("> "), []byte("x"), Email, Null); ok || string(out) != "> " {
		t.Errorf("null: %q, %t", out, ok)
	}
}

func TestPseudonyms(t *testing.T) {
	e := newEngine(t)
	name := func(e *Engine, session, class, value string) string {
		out, ok := e.For(session).Labelled(nil, []byte(value), class, Pseudonym)
		if !ok || !e.Placeholder(out) || e.For(session).String(string(out)) != string(out) {
			t.Errorf("pseudonym %q, %t", out, ok)
		}
		return string(out)
	}
	ann := name(e, "s", Email, "ann@example.com")
	if !strings.HasPrefix(ann, "email_") || len(ann) != len("email_")+20 {
		t.Errorf("pseudonym %q", ann)
	}
	if name(e, "s", Email, " ANN@example.com ") != ann || name(newEngine(t), "s", Email, "ann@example.com") != ann {
		t.Error("the same address has two pseudonyms")
	}
	other, err := New(Config{Key: []byte("another key of 16")})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{name(e, "s", Email, "bob@example.com"), name(e, "t", Email, "ann@example.com"), name(other, "s", Email, "ann@example.com")} {
		if p == ann {
			t.Errorf("%q stands for two values", p)
		}
	}
	if strings.TrimPrefix(name(e, "s", "login", "ann@example.com"), "login_") == strings.TrimPrefix(ann, "email_") {
		t.Error("two classes share their pseudonyms")
	}
	if other.Placeholder([]byte(ann)) {
		t.Error("a pseudonym of another installation was taken for an own one")
	}
}

func TestPlaceholder(t *testing.T) {
	e := newEngine(t)
	p, _ := e.For("s").Labelled(nil, []byte("x"), "name", Pseudonym)
	for value, want := range map[string]bool{"to " + string(p) + "!": true, "was [email]": true, "": false, "name_": false, "[1]": false,
		"name_bcdfghjklmnpqrstbcdf": false} {
		if got := e.Placeholder([]byte(value)); got != want {
			t.Errorf("Placeholder(%q) = %t", value, got)
		}
	}
}

func TestSecretsInEverySpelling(t *testing.T) {
	for _, secret := range []string{"Tr0ub4dor&3", "correct horse battery", "hunter2", "a\"b\\c\nd/e", "пароль123", "%41%42%43", "AAAAAAAA", "12345678", "zq9\u200bw8"} {
		m := newEngine(t, secret).For("s")
		quoted, _ := json.Marshal(secret)
		for name, spelled := range map[string]string{
			"as it is": secret, "inside": "x" + secret + "y", "query": url.QueryEscape(secret), "path": url.PathEscape(secret), "json": string(quoted[1 : len(quoted)-1]),
			"percent": spellBytes(secret, "%", ""), "hex": hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
			"basic": base64.StdEncoding.EncodeToString([]byte("user:" + secret)), "basic 1": base64.StdEncoding.EncodeToString([]byte("me:" + secret)),
			"basic 2": base64.URLEncoding.EncodeToString([]byte("me\xff\xff:" + secret + "\xff")), "c": spellBytes(secret, `\x`, ""),
			"html": htmlSpelled(secret),
		} {
			got := m.String("see <" + spelled + ">")
			if !strings.Contains(got, "[") || strings.Contains(got, spelled) {
				t.Errorf("%q %s: %q became %q", secret, name, spelled, got)
			}
		}
	}
}

func htmlSpelled(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, "&#%d;", r)
	}
	return b.String()
}

func TestShortSecretsStandAlone(t *testing.T) {
	m := newEngine(t, "abcd", "xyz").For("s")
	if got := m.String("abcd (abcd) abcde xabcd xyz"); got != "[secret] ([secret]) abcde xabcd xyz" {
		t.Errorf("got %q", got)
	}
}

func TestEachLineOfAKeyIsASecret(t *testing.T) {
	m := newEngine(t, "-----BEGIN X-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQ\n-----END X-----\n").For("s")
	if got := m.String("1 EFAASCBKcwggSjAgEAAoIBAQ\n-----END X-----"); got != "1 [secret]\n-----END X-----" {
		t.Errorf("got %q", got)
	}
}

func TestManySecrets(t *testing.T) {
	var list []string
	for i := range 500 {
		list = append(list, "s"+hex.EncodeToString([]byte{byte(i), byte(i >> 8), 7, byte(i * 31), byte(i * 17)}))
	}
	m := newEngine(t, list...).For("s")
	for _, s := range list {
		if got := m.String("x " + s + " y"); got != "x [secret] y" {
			t.Fatalf("%q became %q", s, got)
		}
	}
}

// Replacing the secrets while texts are scanned is what a reload and a rotated password do.
func TestConcurrentUse(t *testing.T) {
	e := newEngine(t)
	m := e.For("s")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if got := m.String("to ann@example.com"); got != "to [email]" {
					t.Errorf("got %q", got)
				}
				m.Report()
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			e.SetSecrets(map[string][]byte{"a": []byte("some secret")})
		}
	})
	wg.Wait()
}
