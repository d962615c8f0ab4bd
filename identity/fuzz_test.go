package identity

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzParse: what parse accepts has one spelling, and says to encoding/json (which go-oidc reads claims with) what it says
// to us.
func FuzzParse(f *testing.F) {
	enc := base64.RawURLEncoding.EncodeToString
	for _, header := range []string{
		`{"alg":"ES256","kid":"k","typ":"JWT"}`, `{"alg":"none"}`, `{"alg":"ES256","ALG":"none"}`, `{"alg":"HS256"}`, `{"alg":"RS256","crit":["exp"]}`, `[]`,
	} {
		for _, claims := range []string{
			`{"iss":"https://a","sub":"s","aud":["x"],"exp":1,"iat":1}`, `{"sub":"a","sub":"b"}`, `{"sub":"a","SUB":"b"}`, `{"\u0073ub":"a","sub":"b"}`,
			`{"ſub":"a"}`, `{"act":{"sub":"a","act":{"sub":"b","sub":"c"}}}`, `{"x":[[[[{"a":1}]]]]}`, `null`, `{}{}`, "{\"sub\":\"\xff\"}",
		} {
			f.Add(enc([]byte(header)) + "." + enc([]byte(claims)) + "." + enc([]byte("signature")))
		}
	}
	f.Add("..")
	f.Add("a.b.c.d")
	f.Fuzz(func(t *testing.T, raw string) {
		tok, err := parse(raw)
		if err != nil {
			if Reason(err) == "internal" {
				t.Fatalf("an error without a reason: %v", err)
			}
			return
		}
		if !allowed(tok.alg) {
			t.Fatalf("accepted alg %q", tok.alg)
		}
		if parts := strings.Split(raw, "."); base64.RawURLEncoding.EncodeToString(tok.payload) != parts[1] {
			t.Fatal("accepted a second spelling of the claims")
		}
		var other struct {
			Iss, Sub *string
		}
		if json.Unmarshal(tok.payload, &other) != nil {
			return // go-oidc would refuse it
		}
		for name, theirs := range map[string]*string{"iss": other.Iss, "sub": other.Sub} {
			if _, ours := tok.claims[name]; !ours {
				continue // refused: we want the exact key
			}
			s, err := tok.claims.text(name)
			if err == nil && (theirs == nil || s != *theirs) {
				t.Fatalf("%s is %q to us and something else to encoding/json", name, s)
			}
		}
	})
}

// FuzzClaims: whatever an issuer signs, an accepted principal is one that rules, records and approvers can rely on.
func FuzzClaims(f *testing.F) {
	const mcp, api = "https://gateway.example/mcp", "https://gateway.example/api"
	now := time.Unix(1_800_000_000, 0)
	for _, seed := range []string{
		`{"sub":"maria","aud":"https://gateway.example/mcp","iat":1800000000,"exp":1800000060,"groups":["a","b","a"],"azp":"c"}`,
		`{"sub":"maria","aud":["https://gateway.example/api"],"iat":1800000000,"exp":1800000060.5,"auth_time":1799999999,"groups":"a"}`,
		`{"sub":"s","aud":"https://gateway.example/mcp","iat":1.8e9,"exp":1800003600,"act":{"sub":"a","act":{"sub":"b"}},"scope":"x y","scp":["y","x"]}`,
		`{"sub":"s\u202e","aud":["https://gateway.example/mcp","https://gateway.example/api"],"iat":0,"exp":1e300}`,
		`{"sub":"s","aud":"https://gateway.example/mcp","iat":1800000000,"exp":1800000060,"_claim_names":{"groups":"s"},"cnf":{},"nonce":"n"}`,
	} {
		f.Add(seed)
	}
	v := &Verifier{apiMaxAge: 12 * time.Hour, mcpAudiences: []string{mcp}, apiAudiences: []string{api}}
	iss := &issuer{Issuer: Issuer{URL: "https://login.example.com", Audience: mcp, APIAudience: api, GroupsClaim: "groups", MaxLifetime: time.Hour}}
	f.Fuzz(func(t *testing.T, payload string) {
		claims, err := parseObject([]byte(payload))
		if err != nil {
			return
		}
		for _, s := range []Surface{MCP, API} {
			p, until, err := v.accept(claims, iss, s, now)
			if err != nil {
				if Reason(err) == "internal" {
					t.Fatalf("an error without a reason: %v", err)
				}
				continue
			}
			if !clean(p.Subject) || !allClean(p.Groups) || !allClean(p.Chain) || !allClean(p.Scopes) || p.Client != "" && !clean(p.Client) || p.Agent != "" && !clean(p.Agent) {
				t.Fatalf("a name that is not clean: %+v", p)
			}
			if !p.Expires.After(now) || p.Expires.After(now.Add(time.Hour+leeway)) || until.After(p.Expires) || !until.After(now) {
				t.Fatalf("valid from %v until %v, exp %v", now, until, p.Expires)
			}
			if _, act := claims["act"]; act != p.Delegated || act && (len(p.Chain) == 0 || p.Agent != p.Chain[0]) || act && s == API {
				t.Fatalf("act was lost: %+v", p)
			}
			aud, _ := claims.texts("aud")
			has := func(a string) bool { return strings.Contains(strings.Join(aud, " ")+" ", a+" ") }
			if s == MCP && (!has(mcp) || has(api)) || s == API && (!has(api) || has(mcp) || p.AuthTime.IsZero()) {
				t.Fatalf("wrong door %d for %q", s, aud)
			}
		}
	})
}
