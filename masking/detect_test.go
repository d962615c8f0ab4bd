package masking

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

func newEngine(t testing.TB, secrets ...string) *Engine {
	t.Helper()
	e, err := New(Config{Key: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	held := map[string][]byte{}
	for _, s := range secrets {
		held[s] = []byte(s)
	}
	e.SetSecrets(held)
	return e
}

// aJWT is the example of RFC 7519 section 3.1.
const aJWT = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// detections are texts and what must be left of them, by detector.
var detections = map[string][][2]string{
	Email: {
		{"ann@example.com", "[email]"},
		{"write to ann.o'neil+spam@mail.example.co.uk, please.", "write to [email], please."},
		{"<ann@example.com>;bob@example.org", "<[email]>;[email]"},
		{`{"to":"ann@example.com"}`, `{"to":"[email]"}`},
		{"mailto:ann@example.com?subject=x", "mailto:[email]?subject=x"},
		{"_ann@example.com_", "[email]_"},
		{"ann@example.com.", "[email]."},
		{`"ann lee"@example.com`, "[email]"},
		{"jürgen@müller.example", "[email]"},
		{"ann@xn--mller-kva.example", "[email]"},
		{"ann@[192.0.2.1]", "[email]"},
		{"user=ann@example.com,x", "[email],x"},
		{"email:ann@example.com|tel", "email:[email]|tel"},
	},
	PaymentCard: {
		{"4111111111111111", "[payment_card]"},
		{"4111 1111 1111 1111", "[payment_card]"},
		{"4111-1111-1111-1111", "[payment_card]"},
		{"4111.1111.1111.1111", "[payment_card]"},
		{"3782 822463 10005", "[payment_card]"},
		{"378282246310005", "[payment_card]"},
		{"30569309025904", "[payment_card]"},
		{"2223003122003222", "[payment_card]"},
		{"6011111111111117,5555555555554444", "[payment_card],[payment_card]"},
		{"id 2024 4111 1111 1111 1111 12/29", "id 2024 [payment_card] 12/29"},
		{"pan4111111111111111x", "pan[payment_card]x"},
		{"{4111111111111111,17}", "{[payment_card],17}"},
		{"4111111111111111.00", "[payment_card].00"},
		{"a_4111111111111111_b", "a_[payment_card]_b"},
		{"6445644564456445", "[payment_card]"},
		{"card: 501800000009", "card: [payment_card]"},
	},
	USSSN: {
		{"123-45-6789", "[us_ssn]"},
		{"078-05-1120", "[us_ssn]"},
		{"x,123-45-6789,y", "x,[us_ssn],y"},
		{"123 45 6789", "[us_ssn]"},
		{"ssn 123.45.6789 ok", "ssn [us_ssn] ok"},
		{"SSN: 123456789", "SSN: [us_ssn]"},
		{`"social_security":123456789`, `"social_security":[us_ssn]`},
		{"_123-45-6789_", "_[us_ssn]_"},
		{"ssn-123-45-6789", "ssn-[us_ssn]"},
		{"2024-01-02 123-45-6789", "2024-01-02 [us_ssn]"},
	},
	USITIN: {
		{"912-70-1234", "[us_itin]"},
		{"itin 912501234", "itin [us_itin]"},
	},
	IBAN: {
		{"DE89370400440532013000", "[iban]"},
		{"DE89 3704 0044 0532 0130 00", "[iban]"},
		{"to GB29 NWBK 6016 1331 9268 19.", "to [iban]."},
		{"GB29NWBK60161331926819", "[iban]"},
		{"gb29nwbk60161331926819", "[iban]"},
		{"NO9386011117947", "[iban]"},
		{"x;FR1420041010050500013M02606;y", "x;[iban];y"},
		{"MT84MALT011000012345MTLCAST001S", "[iban]"},
	},
	JWT: {
		{aJWT, "[jwt]"},
		{"token " + aJWT + ", ok", "token [jwt], ok"},
		{aJWT[:strings.LastIndex(aJWT, ".")], "[jwt]"},
		{`{"t":"` + aJWT + `"}`, `{"t":"[jwt]"}`},
	},
	PrivateKey: {
		{"-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----\n", "[private_key]\n"},
		{"a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----\nb", "a\n[private_key]\nb"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ", "[private_key]"},
		{"x: MIIEvQabc\nMIIEvQabd==\n-----END EC PRIVATE KEY-----", "x:[private_key]"},
		{`k="-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----\n"`, `k="[private_key]\n"`},
		{"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ\n-----END PGP PRIVATE KEY BLOCK-----", "[private_key]"},
		{"PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: 0aff\nx", "[private_key]\nx"},
	},
	APIKey: {
		{"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[api_key]"},
		{"{ghp_16C7e42F292c6912E7710c838347Ae178B4a,1}", "{[api_key],1}"},
		{"AKIAIOSFODNN7EXAMPLE", "[api_key]"},
		{"a AKIAIOSFODNN7EXAMPLE|b", "a [api_key]|b"},
		{"xoxb-123456789012-abcdefABCDEF", "[api_key]"},
		{"https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "https://[api_key]"},
		{"sk_live_4eC39HqLyjWDarjtT1zdp7dc", "[api_key]"},
		{"110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-", "[api_key]"},
		{"glpat-abcdefghij0123456789", "[api_key]"},
	},
	Password: {
		{"postgres://app:hunter2@db:5432/x", "postgres://app:[password]@db:5432/x"},
		{"postgres://app:p@ss@db.example.com/x", "postgres://app:[password]@db.example.com/x"},
		{"redis://:hunter2@cache:6379", "redis://:[password]@cache:6379"},
		{"PASSWORD=hunter2", "PASSWORD=[password]"},
		{`{"db_password": "correct horse"}`, `{"db_password": "[password]"}`},
		{"password: hunter2\nuser: x", "password: [password]\nuser: x"},
		{"ALTER ROLE x PASSWORD 'correct horse'", "ALTER ROLE x PASSWORD '[password]'"},
		{"host=db password='a b' user=x", "host=db password='a b' user=x"},
		{"api_key=\"0123456789abcdef\"", "api_key=\"[password]\""},
		{"Authorization: Bearer abcdefghijklmnop1234", "Authorization: Bearer [password]"},
		{"curl --password hunter22", "curl --password [password]"},
		{"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = [password]"},
		{"client_secret=abc123def456", "client_secret=[password]"},
	},
	IPv4: {
		{"client 8.8.8.8 said", "client [ipv4] said"},
		{"remote_addr=93.184.216.34:443", "remote_addr=[ipv4]:443"},
	},
}

func TestDetect(t *testing.T) {
	for class, cases := range detections {
		for _, c := range cases {
			m := newEngine(t).For("s")
			if got := m.String(c[0]); got != c[1] {
				t.Errorf("%s: %q\n got  %q\n want %q", class, c[0], got, c[1])
			}
		}
	}
}

// lookalikes are texts that only resemble something, and must come through unchanged.
var lookalikes = []string{
	"", "a", "plain words and nothing else", "2024-01-15 12:30:45.123456+00", "2024-01-15T12:30:45.123456789Z", "1700000000", "1700000000123",
	"1700000000123456", "1700000000123456789", "550e8400-e29b-41d4-a716-446655440000", "00000000-0000-0000-0000-501800000009",
	"da39a3ee5e6b4b0d3255bfef95601890afd80709", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"1.2.33.4", "v10.20.30.40", "go1.26.8", "123456789", "order 987654321", "123-456-7890", "(555) 123-4567", "+49 30 123456", "+4915112345678",
	"0.4111111111111111", "3.14159265358979", "52.520008,13.404954", "4111111111111112", "4111 1111 1111 1112", "1234 5678 9012 3456",
	"000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "123-45-67890", "DE89370400440532013001", "XX89370400440532013000",
	"eyJhIjoxfQ.eyJiIjoyfQ.abc", "user@host", "icon@2x.png", "@angular/core@12.3.4", "git@github.com:o/r.git", "a @ b", "@app.route", "eyJhbGciOiJIUzI1NiJ9", "eyJ", "they say",
	"https://example.com:8080/a@b", "https://user@host/", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "ghp_", "AKIA", "the AKIA prefix", "sk-ant",
	"password is required", "password: string", "the token is invalid", "password=$PGPASSWORD", "password: <your password>", "a secret: nobody knows", "reset your password",
	"password_changed_at: 2024-01-15", "max_tokens=409600000000", "token_type=bearer", "file:/run/secrets/orders", "10.0.0.1", "192.168.1.10", "host 127.0.0.1", "client 10.20.30.40",
	"978-3-16-148410-0", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "/usr/local/lib/python3.11/site-packages/numpy", "h1:2yDYPZ1xnsMNqk3JQOYDxVV5M6xoPSRvLOYM6Ty6uCk=", "grüße aus münchen", "日本語のテキスト", "50% off & more",
	"C:\\temp\\new", "^\\d{3}-\\d{2}$", "LIKE 'a%'", "\x1b[31mred\x1b[0m", "total 1234 5678 12 34", "4123,5123,5123,5123", "7 123 45 6789 0",
}

func TestLookalikesComeThrough(t *testing.T) {
	m := newEngine(t).For("s")
	for _, text := range lookalikes {
		if got := m.String(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	if r := m.Report(); len(r) != 0 {
		t.Errorf("report %v", r)
	}
}

// values stand for their class in tests of what surrounds or spells them.
var values = map[string]string{
	Email: "ann.smith@example.com", PaymentCard: "4111111111111111", USSSN: "123-45-6789", IBAN: "DE89370400440532013000", JWT: aJWT,
	APIKey: "ghp_16C7e42F292c6912E7710c838347Ae178B4a", Secret: "Tr0ub4dor&3", PrivateKey: "-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----",
}

// renderings are other ways to write a text, all of which a reader, or the next program, understands.
var renderings = map[string]func(string) string{
	"full width": func(s string) string {
		return strings.Map(func(r rune) rune {
			if r > ' ' && r < 0x7f {
				return r + 0xFEE0
			}
			return r
		}, s)
	},
	"zero width":    func(s string) string { return strings.Join(strings.Split(s, ""), "\u200b") },
	"soft hyphen":   func(s string) string { return s[:len(s)/2] + "\u00ad" + s[len(s)/2:] },
	"no-break":      func(s string) string { return strings.ReplaceAll(s, "-", "\u2011") },
	"colour":        func(s string) string { return s[:3] + "\x1b[1;31m" + s[3:] + "\x1b[0m" },
	"percent":       func(s string) string { return spellBytes(s, "%", "") },
	"percent twice": func(s string) string { return spellBytes(spellBytes(s, "%", ""), "%", "") },
	"json":          func(s string) string { return spellBytes(s, `\u00`, "") },
	"json twice":    func(s string) string { return strings.ReplaceAll(spellBytes(s, `\u00`, ""), `\`, `\\`) },
	"c":             func(s string) string { return spellBytes(s, `\x`, "") },
	"html":          func(s string) string { return spellBytes(s, "&#x", ";") },
	"hex":           func(s string) string { return hex.EncodeToString([]byte(s)) },
	"bytea":         func(s string) string { return `\x` + hex.EncodeToString([]byte(s)) },
	"HEX":           func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"base64":        func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 1":      func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x " + s + " y")) },
	"base64 2":      func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("x=" + s)) },
	"base64 twice": func(s string) string {
		return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(s))))
	},
	"arabic digits": func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' && len(s) < 20 {
				return r - '0' + 0x660
			}
			return r
		}, s)
	},
	"mathematical": func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r - '0' + 0x1D7D8
			}
			return r
		}, s)
	},
}

func spellBytes(s, before, after string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteString(before + hex.EncodeToString([]byte{c}) + after)
	}
	return b.String()
}

func TestRenderings(t *testing.T) {
	m := newEngine(t, values[Secret]).For("s")
	for name, render := range renderings {
		for class, value := range values {
			for _, around := range [][2]string{{"", ""}, {"see ", ", ok"}, {`"`, `"`}, {"\n", "\n"}, {"(", ")"}} {
				text := around[0] + render(value) + around[1]
				if got := m.String(text); !strings.Contains(got, "["+class+"]") && !strings.Contains(got, "[password]") {
					t.Errorf("%s in %s: %q became %q", class, name, text, got)
				} else if len(got) > len(around[0])+len(around[1])+len(class)+14 {
					t.Errorf("%s in %s: something is left of %q: %q", class, name, text, got)
				}
			}
		}
	}
}
