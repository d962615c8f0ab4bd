package httpapi

import (
	"strings"
	"testing"
	"time"
)

// The published test suite of AWS Signature Version 4 ("aws-sig-v4-test-suite"): region us-east-1, service "service".
func TestSigV4TestSuite(t *testing.T) {
	const access, key = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	for _, v := range []struct {
		name, method, path, query, contentType, body, signed, signature string
	}{
		{"get-vanilla", "GET", "/", "", "", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", "", "", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"get-vanilla-query-unreserved", "GET", "/", unreserved + "=" + unreserved, "", "", "host;x-amz-date", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
		{"get-vanilla-utf8-query", "GET", "/", "ሴ=bar", "", "", "host;x-amz-date", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
		{"get-unreserved", "GET", "/" + unreserved, "", "", "", "host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{"get-utf8", "GET", "/ሴ", "", "", "", "host;x-amz-date", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
		{"post-vanilla", "POST", "/", "", "", "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"post-vanilla-query", "POST", "/", "Param1=value1", "", "", "host;x-amz-date", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
		{"post-x-www-form-urlencoded", "POST", "/", "", formMedia, "Param1=value1", "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
	} {
		t.Run(v.name, func(t *testing.T) {
			s := signable{method: v.method, path: v.path, query: v.query, body: []byte(v.body), headers: map[string]string{"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}}
			if v.contentType != "" {
				s.headers["content-type"] = v.contentType
			}
			got, err := s.authorization(access, key, "us-east-1", "service", at)
			if err != nil {
				t.Fatal(err)
			}
			want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + v.signed + ", Signature=" + v.signature
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

const unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// S3 signs the path encoded once; other services sign what was sent, encoded again.
func TestSigV4PathEncoding(t *testing.T) {
	for _, v := range []struct {
		s3   bool
		want string
	}{{true, "/bucket/a%20b%21"}, {false, "/bucket/a%2520b%21"}} {
		s := signable{path: "/bucket/a%20b!", s3: v.s3}
		if got, err := s.canonicalPath(); err != nil || got != v.want {
			t.Errorf("s3 %v: %q, %v, want %q", v.s3, got, err, v.want)
		}
	}
}

// A session token is signed, and the signature itself is not shown when a target echoes it.
func TestSigV4RequestIsSignedAndItsEchoScrubbed(t *testing.T) {
	up := newUpstream(t, echo)
	w := newWorld(t, Target{BaseURL: up.URL, Auth: Auth{SigV4: &SigV4{Region: "eu-central-1", Service: "execute-api",
		AccessKey: secret("AKIDEXAMPLE"), SecretKey: secret("s3cr3t-key-of-sigv4"), SessionToken: secret("session-token-of-sigv4")}}})
	a := w.must(t, get("/v1/x?b=2&a=1"))
	h := up.last(t).header
	auth := h.Get("Authorization")
	if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(auth, "SignedHeaders=host;x-amz-date;x-amz-security-token,") {
		t.Errorf("authorization %q", auth)
	}
	_, sig, _ := strings.Cut(auth, "Signature=")
	if body := string(a.Body); strings.Contains(body, sig) || strings.Contains(body, "session-token-of-sigv4") || !strings.Contains(body, "[signature]") {
		t.Errorf("echo: %s", body)
	}
	if _, _, err := w.facts(get("/v1/x?q=a+b").json()); err == nil {
		t.Error("a plus in a signed query is ambiguous and was accepted")
	}
}
