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

// Temporary credentials, from the same suite (post-sts-header-before): the token is signed like any other header.
func TestSigV4SessionToken(t *testing.T) {
	s := signable{method: "POST", path: "/", headers: map[string]string{"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z", "x-amz-security-token": suiteToken}}
	got, err := s.authorization("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service", time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC))
	if err != nil || !strings.HasSuffix(got, "Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead") {
		t.Errorf("%s, %v", got, err)
	}
}

// The examples of the Amazon S3 API Reference, "Signature Calculations for the Authorization Header".
func TestSigV4ExamplesOfS3(t *testing.T) {
	at := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	for _, v := range []struct{ name, method, path, query, body, more, signature string }{
		{"get object", "GET", "/test.txt", "", "", "range: bytes=0-9", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"put object", "PUT", "/test$file.text", "", "Welcome to Amazon S3.", "date: Fri, 24 May 2013 00:00:00 GMT|x-amz-storage-class: REDUCED_REDUNDANCY",
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"get lifecycle", "GET", "/", "lifecycle", "", "", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"list objects", "GET", "/", "max-keys=2&prefix=J", "", "", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	} {
		s := signable{method: v.method, path: v.path, query: v.query, body: []byte(v.body), s3: true, headers: map[string]string{
			"host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z", "x-amz-content-sha256": hexHash([]byte(v.body))}}
		for _, h := range strings.Split(v.more, "|") {
			if name, value, ok := strings.Cut(h, ": "); ok {
				s.headers[name] = value
			}
		}
		got, err := s.authorization("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3", at)
		if err != nil || !strings.HasSuffix(got, "Signature="+v.signature) {
			t.Errorf("%s: %s, %v", v.name, got, err)
		}
	}
}

const suiteToken = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/" +
	"kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+" +
	"scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

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
