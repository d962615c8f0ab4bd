package httpapi

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"sallyport/tools"
)

// Auth is the credential of a target. At most one of Bearer, Basic, OAuth2 and SigV4, because all of them are the
// Authorization header; Header and Query may be set beside them. The zero value sends none.
type Auth struct {
	Bearer Secret
	Basic  *Basic
	OAuth2 *OAuth2
	SigV4  *SigV4
	// Exchange takes the caller's own token to the API's issuer; it is one of those of which there is at most one.
	Exchange *Exchange

	Header *Named // a header of its own, such as X-Api-Key
	Query  *Named // a query parameter, such as api_key
}

// Basic is RFC 7617.
type Basic struct {
	User     string
	Password Secret
}

// Named is a credential under a name of its own.
type Named struct {
	Name  string
	Value Secret
}

// credential puts a target's secrets into requests. Safe for concurrent use.
type credential struct {
	Auth
	target string
	known  func(name string, secret []byte)
	now    func() time.Time
	tokens *tokens // nil without OAuth2

	delegated *delegated // nil without Exchange

	mu   sync.Mutex
	told map[string]string // what masking was told last, by name; guarded by mu
}

func newCredential(cfg Config, t Target) (*credential, error) {
	c := &credential{Auth: t.Auth, target: t.Name, known: cfg.Known, now: cfg.Now, told: map[string]string{}}
	authorization := 0
	for _, set := range []bool{t.Auth.Bearer != nil, t.Auth.Basic != nil, t.Auth.OAuth2 != nil, t.Auth.SigV4 != nil, t.Auth.Exchange != nil} {
		if set {
			authorization++
		}
	}
	switch a := t.Auth; {
	case authorization > 1:
		return nil, errors.New("auth: bearer, basic, oauth2, exchange and sigv4 exclude each other")
	case a.Basic != nil && (a.Basic.Password == nil || strings.ContainsAny(a.Basic.User, ":\r\n")):
		return nil, errors.New("auth.basic: needs a password, and a user without a colon")
	case a.Header != nil && (a.Header.Value == nil || !isToken(a.Header.Name) || framing(a.Header.Name)):
		return nil, errors.New("auth.header: needs a value and the name of a header that does not frame the message")
	case a.Header != nil && authorization > 0 && sameHeader(a.Header.Name, "Authorization"):
		return nil, errors.New("auth.header: Authorization is already set by another part of auth")
	case a.Query != nil && (a.Query.Value == nil || a.Query.Name == "" || strings.ContainsFunc(a.Query.Name, unreadable)):
		return nil, errors.New("auth.query: needs a name and a value")
	case a.SigV4 != nil && (a.SigV4.Region == "" || a.SigV4.Service == "" || a.SigV4.AccessKey == nil || a.SigV4.SecretKey == nil):
		return nil, errors.New("auth.sigv4: needs region, service, access key and secret key")
	case !c.empty() && cfg.Known == nil:
		return nil, errors.New("a target with a credential needs Config.Known, so that its echo can be masked")
	}
	if t.Auth.OAuth2 != nil {
		var err error
		if c.tokens, err = newTokens(cfg, t, c); err != nil {
			return nil, fmt.Errorf("auth.oauth2: %w", err)
		}
	}
	if t.Auth.Exchange != nil {
		var err error
		if c.delegated, err = newDelegated(cfg, t, c); err != nil {
			return nil, fmt.Errorf("auth.exchange: %w", err)
		}
	}
	return c, nil
}

// empty reports whether no credential is configured.
func (c *credential) empty() bool {
	return c.Bearer == nil && c.Basic == nil && c.OAuth2 == nil && c.Exchange == nil && c.SigV4 == nil && c.Header == nil && c.Query == nil
}

// framing reports whether a header is the transport's own.
func framing(name string) bool {
	switch strings.ToLower(name) {
	case "host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect", "accept-encoding":
		return true
	}
	return false
}

// headerNames are the headers the credential occupies.
func (c *credential) headerNames() []string {
	names := []string{"Authorization"}
	if c.Header != nil {
		names = append(names, c.Header.Name)
	}
	return names
}

func (c *credential) queryNames() []string {
	if c.Query != nil {
		return []string{c.Query.Name}
	}
	return nil
}

// apply adds the credential to req, whose every other byte is final. Masking knows each value before it is set.
func (c *credential) apply(ctx context.Context, req *http.Request, body []byte, ob tools.Obligations) error {
	if c.Header != nil {
		v, err := c.value(ctx, "header", c.Header.Value)
		if err != nil {
			return err
		}
		if scheme, rest, ok := strings.Cut(v, " "); ok && isToken(scheme) {
			c.tell("header.value", rest) // "Token abc": an echo may show the second word alone
		}
		req.Header[http.CanonicalHeaderKey(c.Header.Name)] = []string{v}
	}
	if c.Query != nil {
		v, err := c.value(ctx, "query", c.Query.Value)
		if err != nil {
			return err
		}
		if req.URL.RawQuery != "" {
			req.URL.RawQuery += "&"
		}
		req.URL.RawQuery += queryEscape(c.Query.Name) + "=" + queryEscape(v)
	}
	switch {
	case c.Bearer != nil:
		v, err := c.value(ctx, "bearer", c.Bearer)
		if err != nil {
			return err
		}
		req.Header["Authorization"] = []string{"Bearer " + v}
	case c.Basic != nil:
		v, err := c.value(ctx, "basic", c.Basic.Password)
		if err != nil {
			return err
		}
		pair := c.Basic.User + ":" + v
		c.tell("basic.pair", pair)
		c.tell("basic.encoded", base64.StdEncoding.EncodeToString([]byte(pair)))
		req.Header["Authorization"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
	case c.tokens != nil:
		v, err := c.tokens.get(ctx)
		if err != nil {
			return err
		}
		req.Header["Authorization"] = []string{"Bearer " + v}
	case c.delegated != nil:
		v, err := c.delegated.get(ctx, ob)
		if err != nil {
			return err
		}
		req.Header["Authorization"] = []string{"Bearer " + v}
	case c.SigV4 != nil:
		return c.signV4(ctx, req, body)
	}
	return nil
}

// value resolves one secret, late, and tells masking before anybody can echo it.
func (c *credential) value(ctx context.Context, part string, s Secret) (string, error) {
	v, err := s(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", &tools.UnreachableError{Problem: "its credential could not be read", Err: fmt.Errorf("auth.%s: %w", part, err)}
	case v == "" || !fieldValue(v):
		return "", &tools.UnreachableError{Problem: "its credential is not usable", Err: fmt.Errorf("auth.%s: is empty, or holds spaces at an end or characters that no header can carry", part)}
	}
	c.tell(part, v)
	return v, nil
}

// tell lets masking know a value, once per change. The value before it stays known: a slow answer may still echo it, and
// two calls that see a rotation in different order must not make masking forget either.
func (c *credential) tell(part, v string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.told[part]
	if before == v {
		return
	}
	c.told[part] = v
	name := "targets." + c.target + ".auth." + part
	c.known(name, []byte(v))
	if before != "" {
		c.known(name+".previous", []byte(before))
	}
}

// refused tells the credential that the target answered 401: a cached token may have been revoked.
func (c *credential) refused(session string) {
	if c.delegated != nil {
		c.delegated.refused(session)
	}
	if c.tokens != nil {
		c.tokens.forget()
	}
}

func (c *credential) close() {
	if c.delegated != nil {
		c.delegated.close()
	}
	if c.tokens != nil {
		c.tokens.wire.close()
	}
}

// queryEscape is percent-encoding that every server reads alike: a space is %20, not +.
func queryEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
