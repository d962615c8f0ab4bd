package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// SigV4 signs requests as AWS Signature Version 4 (AWS General Reference, "Create a signed AWS API request").
type SigV4 struct {
	Region       string // "eu-central-1"
	Service      string // "execute-api", "s3"
	AccessKey    Secret
	SecretKey    Secret
	SessionToken Secret // nil: long-lived keys
}

// signV4 signs the request as it stands: method, path, query, host, content type and body.
func (c *credential) signV4(ctx context.Context, req *http.Request, body []byte) error {
	access, err := c.value(ctx, "sigv4.access_key", c.SigV4.AccessKey)
	if err != nil {
		return err
	}
	secret, err := c.value(ctx, "sigv4.secret_key", c.SigV4.SecretKey)
	if err != nil {
		return err
	}
	now := c.now().UTC()
	s := signable{method: req.Method, path: req.URL.Opaque, query: req.URL.RawQuery, body: body, s3: c.SigV4.Service == "s3", headers: map[string]string{
		"host": req.Host, "x-amz-date": now.Format("20060102T150405Z"),
	}}
	if c.SigV4.SessionToken != nil {
		token, err := c.value(ctx, "sigv4.session_token", c.SigV4.SessionToken)
		if err != nil {
			return err
		}
		s.headers["x-amz-security-token"] = token
	}
	if s.s3 {
		s.headers["x-amz-content-sha256"] = hexHash(body)
	}
	for name, v := range s.headers {
		if name != "host" {
			req.Header[http.CanonicalHeaderKey(name)] = []string{v}
		}
	}
	if v := req.Header["Content-Type"]; v != nil {
		s.headers["content-type"] = v[0]
	}
	auth, err := s.authorization(access, secret, c.SigV4.Region, c.SigV4.Service, now)
	if err != nil {
		return err
	}
	req.Header["Authorization"] = []string{auth}
	return nil
}

// signable is what a signature covers. Pure values: the published test vectors run on it.
type signable struct {
	method, path, query string // path and query as sent
	headers             map[string]string
	body                []byte
	s3                  bool // S3 encodes the path once, every other service twice
}

func (s *signable) authorization(access, secret, region, service string, now time.Time) (string, error) {
	canonical, signed, err := s.canonical()
	if err != nil {
		return "", err
	}
	day := now.Format("20060102")
	scope := day + "/" + region + "/" + service + "/aws4_request"
	toSign := "AWS4-HMAC-SHA256\n" + now.Format("20060102T150405Z") + "\n" + scope + "\n" + hexHash([]byte(canonical))
	key := []byte("AWS4" + secret)
	for _, part := range []string{day, region, service, "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", access, scope, signed, key), nil
}

func (s *signable) canonical() (canonical, signed string, err error) {
	names := make([]string, 0, len(s.headers))
	for n := range s.headers {
		names = append(names, n)
	}
	slices.Sort(names)
	var headers strings.Builder
	for _, n := range names {
		headers.WriteString(n + ":" + strings.Join(strings.Fields(s.headers[n]), " ") + "\n")
	}
	path, err := s.canonicalPath()
	if err != nil {
		return "", "", err
	}
	query, err := canonicalQuery(s.query)
	if err != nil {
		return "", "", err
	}
	signed = strings.Join(names, ";")
	return strings.Join([]string{s.method, path, query, headers.String(), signed, hexHash(s.body)}, "\n"), signed, nil
}

func (s *signable) canonicalPath() (string, error) {
	parts := strings.Split(s.path, "/")
	for i, p := range parts {
		if s.s3 {
			var err error
			if p, err = unescape(p, false); err != nil {
				return "", err
			}
		}
		parts[i] = awsEscape(p)
	}
	if p := strings.Join(parts, "/"); p != "" {
		return p, nil
	}
	return "/", nil
}

func canonicalQuery(raw string) (string, error) {
	if raw == "" {
		return "", nil
	}
	var pairs []pair
	for _, part := range strings.Split(raw, "&") {
		n, v, _ := strings.Cut(part, "=")
		name, err := unescape(n, false)
		if err != nil {
			return "", err
		}
		value, err := unescape(v, false)
		if err != nil {
			return "", err
		}
		pairs = append(pairs, pair{awsEscape(name), awsEscape(value)})
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	out := make([]string, len(pairs))
	for i, p := range pairs {
		out[i] = p.name + "=" + p.value
	}
	return strings.Join(out, "&"), nil
}

// awsEscape encodes everything but the unreserved characters of RFC 3986.
func awsEscape(s string) string {
	const upper = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', upper[c>>4], upper[c&15]})
	}
	return b.String()
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
