package identity_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sallyport/identity"
	"sallyport/identity/devissuer"
)

// Every trick with a token that this package knows of. It only grows.

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// good are the claims of a token that is accepted when an issuer signs it, as JSON.
func good(c *clock, iss *devissuer.Issuer) string {
	return fmt.Sprintf(`{"iss":%q,"sub":"maria","aud":%q,"iat":%d,"exp":%d}`, iss.URL(), mcpAudience, c.at(0), c.at(time.Minute))
}

func TestTokenWithoutSignatureIsRefused(t *testing.T) {
	c, iss, v := setup(t)
	for _, alg := range []string{`"none"`, `"None"`, `"NONE"`, `"nOnE"`, `""`, `null`, `" none"`, `["none"]`, `0`} {
		for _, header := range []string{`{"alg":` + alg + `}`, `{"typ":"JWT","kid":"dev-1","alg":` + alg + `}`} {
			for _, sig := range []string{"", b64("x"), b64(strings.Repeat("\x00", 64))} {
				refusedAs(t, v, b64(header)+"."+b64(good(c, iss))+"."+sig, identity.ErrAlgorithm)
			}
		}
	}
	refusedAs(t, v, b64(`{"typ":"JWT"}`)+"."+b64(good(c, iss))+".", identity.ErrAlgorithm)
	refusedAs(t, v, b64(`{"alg":"ES256","kid":"dev-1"}`)+"."+b64(good(c, iss))+".", identity.ErrMalformed)
}

// CVE-2015-9235: the public key, which everybody has, taken for a shared secret.
func TestPublicKeyIsNoSharedSecret(t *testing.T) {
	c := newClock()
	iss := newIssuer(t, c, "RS256")
	v := newVerifier(t, configFor(c, iss))
	der, err := x509.MarshalPKIXPublicKey(iss.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(iss.PublicKey().(*rsa.PublicKey))
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwk, err := json.Marshal(jose.JSONWebKey{Key: iss.PublicKey(), KeyID: "dev-1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{block, bytes.TrimSpace(block), der, pkcs1, jwk, {}} {
		for alg, want := range map[string]error{"HS256": identity.ErrAlgorithm, "RS256": identity.ErrSignature, "ES256": identity.ErrAlgorithm} {
			input := b64(`{"alg":"`+alg+`","kid":"dev-1"}`) + "." + b64(good(c, iss))
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			refusedAs(t, v, input+"."+b64(string(mac.Sum(nil))), want)
		}
	}
}

// CVE-2018-0114: a key that the token brings along.
func TestKeyInTheTokenIsNotUsed(t *testing.T) {
	var fetched atomic.Int32
	attacker := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Add(1) }))
	defer attacker.Close()
	c, iss, v := setup(t)
	other := newIssuer(t, c, "")
	jwk := jose.JSONWebKey{Key: other.PublicKey(), KeyID: "dev-1", Algorithm: "ES256", Use: "sig"}
	claims := devissuer.Claims{"iss": iss.URL(), "aud": mcpAudience}
	refusedAs(t, v, other.MintWith(devissuer.Header{"jwk": jwk}, claims), identity.ErrMalformed)
	for _, name := range []string{"jku", "x5u", "x5c", "x5t", "jkus"} {
		for _, val := range []any{attacker.URL + "/keys", []string{attacker.URL}} {
			p, err := v.Verify(t.Context(), other.MintWith(devissuer.Header{name: val}, claims), identity.MCP)
			if p != nil || err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	}
	if fetched.Load() != 0 {
		t.Error("the gateway followed an address in a token")
	}
}

func TestOnlyTheCanonicalCompactFormIsAToken(t *testing.T) {
	_, iss, v := setup(t)
	raw := mcpToken(iss)
	accepted(t, v, raw)
	p := strings.Split(raw, ".")
	last := raw[len(raw)-1]
	flattened := fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, p[1], p[0], p[2])
	for name, forged := range map[string]string{
		"flattened JSON":         flattened,
		"general JSON":           fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p[1], p[0], p[2]),
		"JSON after a space":     " " + flattened,
		"space before":           " " + raw,
		"space after":            raw + " ",
		"line end after":         raw + "\n",
		"line end within":        p[0] + ".\n" + p[1] + "." + p[2],
		"CR in the signature":    p[0] + "." + p[1] + "." + p[2][:10] + "\r" + p[2][10:],
		"NUL after":              raw + "\x00",
		"padding":                raw + "==",
		"standard alphabet":      p[0] + "." + p[1] + "." + strings.NewReplacer("-", "+", "_", "/").Replace(p[2]) + "+",
		"detached payload":       p[0] + ".." + p[2],
		"without signature":      p[0] + "." + p[1] + ".",
		"two parts":              p[0] + "." + p[1],
		"four parts":             raw + "." + p[2],
		"five parts, like a JWE": raw + "." + p[2] + "." + p[2],
		"dot before":             "." + raw,
		"dot after":              raw + ".",
		"quoted":                 `"` + raw + `"`,
		"with its scheme":        "Bearer " + raw,
		"twice":                  raw + "," + raw,
		"percent-encoded":        strings.Replace(raw, ".", "%2e", 1),
		"dots":                   "..",
		// 64 bytes leave four unused bits in the last character: another spelling of the same signature.
		"unused bits set": raw[:len(raw)-1] + string(rune(last+1)),
	} {
		t.Run(name, func(t *testing.T) { refusedAs(t, v, forged, identity.ErrMalformed) })
	}
	refusedAs(t, v, "", identity.ErrMissing)
}

// Two parsers that read the same bytes differently let one check what the other does not use.
func TestAmbiguousJSONIsRefusedThoughSigned(t *testing.T) {
	c, iss, v := setup(t)
	claims := good(c, iss)
	and := func(more string) string { return strings.TrimSuffix(claims, "}") + "," + more + "}" }
	if _, err := v.Verify(t.Context(), iss.Sign(nil, []byte(claims)), identity.MCP); err != nil {
		t.Fatalf("the unchanged claims are refused: %v", err)
	}
	for name, payload := range map[string]string{
		"two subs":                      and(`"sub":"admin"`),
		"the same sub twice":            and(`"sub":"maria"`),
		"two audiences":                 and(`"aud":"other"`),
		"two issuers":                   and(`"iss":"https://login.example.com"`),
		"two expiries":                  and(`"exp":9999999999`),
		"escaped duplicate":             and(`"\u0073ub":"admin"`),
		"duplicate in another case":     and(`"SUB":"admin"`),
		"duplicate with the long s":     and(`"ſub":"admin"`),
		"duplicate with the Kelvin":     and(`"k":1,"\u212a":2`),
		"duplicate within act":          and(`"act":{"sub":"a","sub":"b"}`),
		"duplicate in a list":           and(`"x":[{"a":1,"a":2}]`),
		"duplicate unknown claim":       and(`"x":1,"x":1`),
		"trailing object":               claims + claims,
		"trailing text":                 claims + "x",
		"byte order mark":               "\ufeff" + claims,
		"comment":                       claims[:1] + "/**/" + claims[1:],
		"trailing comma":                strings.TrimSuffix(claims, "}") + ",}",
		"single quotes":                 strings.ReplaceAll(claims, `"`, `'`),
		"invalid UTF-8":                 strings.Replace(claims, "maria", "mar\xff\xfeia", 1),
		"overlong UTF-8":                strings.Replace(claims, "maria", "mar\xc0\xafia", 1),
		"raw control character":         strings.Replace(claims, "maria", "mar\x01ia", 1),
		"NUL after":                     claims + "\x00",
		"list":                          "[" + claims + "]",
		"string":                        `"` + strings.ReplaceAll(claims, `"`, `\"`) + `"`,
		"null":                          "null",
		"number":                        "1",
		"nothing but a space":           " ",
		"nested beyond reason":          and(`"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)),
		"seventeen levels":              and(`"x":` + strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17)),
		"not a number":                  and(`"nbf":NaN`),
		"hexadecimal":                   and(`"nbf":0x1`),
		"UTF-16":                        "\xff\xfe{\x00}\x00",
		"another expiry in upper case":  and(`"EXP":9999999999`),
		"another audience, mixed case":  and(`"aUd":"other"`),
		"duplicate with capital groups": and(`"groups":["a"],"Groups":["dba"]`),
	} {
		t.Run(name, func(t *testing.T) {
			refusedAs(t, v, iss.Sign(nil, []byte(payload)), identity.ErrMalformed)
		})
	}
}

// encoding/json, and so go-oidc, takes "AUD" for aud. A claim that is only there in another spelling is not there.
func TestClaimsInAnotherSpellingDoNotCount(t *testing.T) {
	c, iss, v := setup(t)
	for from, tt := range map[string]struct {
		to   string
		want error
	}{
		`"iss"`: {`"ISS"`, identity.ErrIssuer},
		`"sub"`: {`"ſub"`, identity.ErrClaims},
		`"aud"`: {`"Aud"`, identity.ErrAudience},
		`"exp"`: {`"EXP"`, identity.ErrClaims},
		`"iat"`: {`"Iat"`, identity.ErrClaims},
	} {
		refusedAs(t, v, iss.Sign(nil, []byte(strings.Replace(good(c, iss), from, tt.to, 1))), tt.want)
	}
}

func TestAmbiguousHeaderIsRefused(t *testing.T) {
	c, iss, v := setup(t)
	sign := func(header string) string { // the signature is never reached
		return b64(header) + "." + b64(good(c, iss)) + "." + b64(strings.Repeat("x", 64))
	}
	for _, header := range []string{
		`{"alg":"ES256","alg":"none"}`, `{"alg":"none","alg":"ES256"}`, `{"alg":"ES256","ALG":"none"}`, `{"alg":"ES256","kid":"dev-1","kid":"dev-2"}`,
		`{"alg":"ES256","\u0061lg":"none"}`, `[]`, `null`, `{}{}`, `{"alg":"ES256"`, ``, `{"alg":"ES256","x":"` + "\xff" + `"}`,
	} {
		refusedAs(t, v, sign(header), identity.ErrMalformed)
	}
	refusedAs(t, v, sign(`{"ALG":"ES256"}`), identity.ErrAlgorithm)
	refusedAs(t, v, sign(`{"alg":"ES256","typ":"JWE"}`), identity.ErrClaims)
	refusedAs(t, v, sign(`{"alg":"RSA-OAEP","enc":"A256GCM"}`), identity.ErrAlgorithm)
	refusedAs(t, v, sign(`{"alg":"RS512"}`), identity.ErrAlgorithm)
	refusedAs(t, v, sign(`{"alg":"ES256K"}`), identity.ErrAlgorithm)
}

func TestSignatureBelongsToItsToken(t *testing.T) {
	_, iss, v := setup(t)
	a := strings.Split(iss.Mint(devissuer.Claims{"sub": "maria", "aud": mcpAudience}), ".")
	b := strings.Split(iss.Mint(devissuer.Claims{"sub": "admin", "aud": mcpAudience}), ".")
	accepted(t, v, strings.Join(a, "."))
	accepted(t, v, strings.Join(b, ".")) // both are in the cache now
	sig, err := base64.RawURLEncoding.DecodeString(a[2])
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(sig)
	flipped[5] ^= 1
	for name, s := range map[string]string{
		"of another token":            b[2],
		"of zeros (CVE-2022-21449)":   b64(strings.Repeat("\x00", 64)),
		"of ones":                     b64(strings.Repeat("\xff", 64)),
		"cut short":                   b64(string(sig[:63])),
		"one bit flipped":             b64(string(flipped)),
		"with a byte more":            b64(string(sig) + "x"),
		"in DER":                      b64("\x30\x06\x02\x01\x00\x02\x01\x00"),
		"halves exchanged":            b64(string(sig[32:]) + string(sig[:32])),
		"r and s of the group's size": b64(string(elliptic.P256().Params().N.Bytes()) + string(elliptic.P256().Params().N.Bytes())),
	} {
		t.Run(name, func(t *testing.T) { refusedAs(t, v, a[0]+"."+a[1]+"."+s, identity.ErrSignature) })
	}
	refusedAs(t, v, a[0]+"."+b[1]+"."+a[2], identity.ErrSignature)
}

// keyServer is an issuer whose JWK set is written by the test.
func keyServer(t *testing.T, keys ...any) string {
	t.Helper()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"issuer": s.URL, "jwks_uri": s.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	})
	return s.URL
}

func signWith(t *testing.T, url string, alg jose.SignatureAlgorithm, key any, kid string) string {
	t.Helper()
	opts := (&jose.SignerOptions{}).WithHeader("kid", kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	jws, err := signer.Sign(fmt.Appendf(nil, `{"iss":%q,"sub":"maria","aud":%q,"iat":%d,"exp":%d}`, url, mcpAudience, now, now+60))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A key verifies with the one algorithm of its type, and only when the issuer published it for signatures.
func TestUnsuitablePublishedKeysAreNotUsed(t *testing.T) {
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := func(key crypto.Signer, id, alg, use string) jose.JSONWebKey {
		return jose.JSONWebKey{Key: key.Public(), KeyID: id, Algorithm: alg, Use: use}
	}
	url := keyServer(t,
		public(p256, "good", "", ""),
		public(p256, "encrypts", "", "enc"),
		public(p256, "other-alg", "ES384", "sig"),
		public(p384, "p384", "ES384", "sig"),
		public(rsa2048, "pss", "PS256", "sig"),
		jose.JSONWebKey{Key: p256, KeyID: "private"},
		jose.JSONWebKey{Key: []byte(strings.Repeat("k", 32)), KeyID: "secret", Algorithm: "HS256"},
		map[string]string{"kty": "OKP", "crv": "Ed448", "kid": "ed448", "x": "AA"},
		map[string]string{"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
		"not a key",
	)
	v := newVerifier(t, identity.Config{Issuers: []identity.Issuer{{URL: url, Audience: mcpAudience}}})
	accepted(t, v, signWith(t, url, jose.ES256, p256, "good"))
	for _, kid := range []string{"encrypts", "other-alg", "private", "secret", "ed448", "broken"} {
		refusedAs(t, v, signWith(t, url, jose.ES256, p256, kid), identity.ErrSignature)
	}
	refusedAs(t, v, signWith(t, url, jose.ES384, p384, "p384"), identity.ErrAlgorithm)
	refusedAs(t, v, signWith(t, url, jose.PS256, rsa2048, "pss"), identity.ErrAlgorithm)
	refusedAs(t, v, signWith(t, url, jose.RS256, rsa2048, "pss"), identity.ErrSignature)
	refusedAs(t, v, signWith(t, url, jose.HS256, []byte(strings.Repeat("k", 32)), "secret"), identity.ErrAlgorithm)
}

func TestShortRSAKeysAreNotUsed(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	url := keyServer(t, jose.JSONWebKey{Key: short.Public(), KeyID: "short", Algorithm: "RS256"})
	v := newVerifier(t, identity.Config{Issuers: []identity.Issuer{{URL: url, Audience: mcpAudience}}})
	header, claims := b64(`{"alg":"RS256","kid":"short"}`), b64(fmt.Sprintf(`{"iss":%q,"sub":"maria","aud":%q,"iat":%d,"exp":%d}`, url, mcpAudience, time.Now().Unix(), time.Now().Unix()+60))
	digest := sha256.Sum256([]byte(header + "." + claims))
	sig, err := rsa.SignPKCS1v15(rand.Reader, short, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	refusedAs(t, v, header+"."+claims+"."+b64(string(sig)), identity.ErrSignature)
}

// What answers in the issuer's place must not lead the gateway elsewhere, nor feed it for ever.
func TestIssuerAnswersAreBounded(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		fmt.Fprint(w, `{"keys":[]}`)
	}))
	defer other.Close()
	for name, keys := range map[string]http.HandlerFunc{
		"redirect to another host": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/keys", http.StatusFound) },
		"redirect in a circle":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) },
		"two megabytes": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"keys":[],"x":%q}`, strings.Repeat("x", 2<<20))
		},
		"not JSON":       func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") },
		"no keys member": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "{}") },
		"too many keys": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"keys":[%s{}]}`, strings.Repeat("{},", 100))
		},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			s := httptest.NewServer(mux)
			defer s.Close()
			mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
				json.NewEncoder(w).Encode(map[string]string{"issuer": s.URL, "jwks_uri": s.URL + "/keys"})
			})
			mux.HandleFunc("/keys", keys)
			v := newVerifier(t, identity.Config{Issuers: []identity.Issuer{{URL: s.URL, Audience: mcpAudience}}})
			refused(t, nil, v.Ready(), identity.ErrUnavailable)
		})
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect to another host was followed")
	}
}

func TestDiscoveryMustNameTheIssuerAndSafeKeys(t *testing.T) {
	const url = "https://login.example.com"
	for name, tt := range map[string]struct {
		doc   string
		ready bool
	}{
		"as it should be":       {`{"issuer":"https://login.example.com","jwks_uri":"https://keys.example.net/jwks"}`, true},
		"another issuer":        {`{"issuer":"https://evil.example","jwks_uri":"https://keys.example.net/jwks"}`, false},
		"a slash more":          {`{"issuer":"https://login.example.com/","jwks_uri":"https://keys.example.net/jwks"}`, false},
		"another case":          {`{"issuer":"https://Login.example.com","jwks_uri":"https://keys.example.net/jwks"}`, false},
		"keys over plain http":  {`{"issuer":"https://login.example.com","jwks_uri":"http://login.example.com/jwks"}`, false},
		"keys in a file":        {`{"issuer":"https://login.example.com","jwks_uri":"file:///etc/passwd"}`, false},
		"keys with a password":  {`{"issuer":"https://login.example.com","jwks_uri":"https://u:p@keys.example.net/jwks"}`, false},
		"keys at a bare path":   {`{"issuer":"https://login.example.com","jwks_uri":"/jwks"}`, false},
		"no keys":               {`{"issuer":"https://login.example.com"}`, false},
		"keys of another type":  {`{"issuer":"https://login.example.com","jwks_uri":["https://keys.example.net/jwks"]}`, false},
		"not a JSON object":     {`[]`, false},
		"a page for the people": {`<html>`, false},
	} {
		t.Run(name, func(t *testing.T) {
			iss, err := devissuer.New(url, devissuer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			keys := httptest.NewRecorder()
			iss.Handler().ServeHTTP(keys, httptest.NewRequest(http.MethodGet, url+"/keys", nil))
			mux := http.NewServeMux()
			mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, tt.doc) })
			mux.HandleFunc("/jwks", func(w http.ResponseWriter, r *http.Request) { w.Write(keys.Body.Bytes()) })
			client := &http.Client{Transport: &inMemory{handler: mux}}
			v := newVerifier(t, identity.Config{Issuers: []identity.Issuer{{URL: url, Audience: mcpAudience, HTTPClient: client}}})
			if err := v.Ready(); (err == nil) != tt.ready {
				t.Errorf("Ready() = %v", err)
			}
		})
	}
}
