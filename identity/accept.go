package identity

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// leeway is for nbf, iat and auth_time of an issuer whose clock runs ahead; exp has none.
const leeway = time.Minute

// accept decides on the claims of a token whose signature was verified, and reads the principal from them. until is when
// this decision ends: exp, or earlier on the API surface, where a login grows old.
func (v *Verifier) accept(c object, iss *issuer, s Surface, now time.Time) (p *Principal, until time.Time, err error) {
	lifetime := iss.MaxLifetime
	if s == web { // used at once and never again
		lifetime = maxIDTokenLifetime
	}
	exp, err := checkTimes(c, lifetime, now)
	if err != nil {
		return nil, until, err
	}
	if err := v.checkAudience(c, iss, s); err != nil {
		return nil, until, err
	}
	check := checkAccessToken
	if s == web {
		check = checkIDToken
	}
	if err := check(c); err != nil {
		return nil, until, err
	}
	if _, ok := c["act"]; ok && s != MCP { // whatever its value
		return nil, until, ErrDelegated
	}
	if p, err = readPrincipal(c, iss.GroupsClaim, iss.Claims); err != nil {
		return nil, until, err
	}
	p.Issuer, p.Expires, until = iss.URL, exp, exp
	if s != MCP {
		login := p.AuthTime.Add(v.apiMaxAge)
		if p.AuthTime.IsZero() || !now.Before(login) || p.AuthTime.After(now.Add(leeway)) {
			return nil, until, ErrNotInteractive
		}
		if login.Before(until) {
			until = login
		}
	}
	return p, until, nil
}

// maxIDTokenLifetime: some issuers let ID tokens live for a day.
const maxIDTokenLifetime = 25 * time.Hour

// audience is what a token for s has to be for; "" means nobody of this issuer has one.
func (i *issuer) audience(s Surface) string {
	switch {
	case s == MCP:
		return i.Audience
	case s == API:
		return i.APIAudience
	case i.Web != nil:
		return i.Web.ID
	}
	return ""
}

func checkTimes(c object, maxLifetime time.Duration, now time.Time) (exp time.Time, err error) {
	exp, ok, err := c.date("exp")
	if err != nil || !ok {
		return exp, fmt.Errorf("exp: %w", ErrClaims)
	}
	iat, ok, err := c.date("iat")
	if err != nil || !ok { // without it the lifetime is unknown, so it is too long
		return exp, fmt.Errorf("iat: %w", ErrClaims)
	}
	nbf, _, err := c.date("nbf")
	if err != nil {
		return exp, fmt.Errorf("nbf: %w", ErrClaims)
	}
	switch {
	case !now.Before(exp): // "on or after", RFC 7519 §4.1.4
		return exp, ErrExpired
	case nbf.After(now.Add(leeway)), iat.After(now.Add(leeway)):
		return exp, ErrNotYetValid
	case exp.Sub(iat) > maxLifetime:
		return exp, ErrLifetime
	}
	return exp, nil
}

// checkAudience wants our audience, as an exact string, and not the other surface's as well: a token opens one door.
func (v *Verifier) checkAudience(c object, iss *issuer, s Surface) error {
	aud, err := c.texts("aud")
	if err != nil {
		return fmt.Errorf("aud: %w", ErrAudience)
	}
	want, other := iss.audience(s), v.apiAudiences
	if s != MCP {
		other = v.mcpAudiences
	}
	if want == "" || !slices.Contains(aud, want) {
		return ErrAudience
	}
	for _, a := range aud {
		if slices.Contains(other, a) {
			return fmt.Errorf("it carries the audiences of agents and of people at once: %w", ErrAudience)
		}
	}
	return nil
}

// checkAccessToken refuses the other tokens an issuer signs with the same keys, and those that need a proof we do not check.
func checkAccessToken(c object) error {
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash"} { // OpenID Connect Core §2, §3.3.2.11; FAPI 1.0
		if _, ok := c[name]; ok {
			return fmt.Errorf("%s marks an ID token: %w", name, ErrClaims)
		}
	}
	for name, want := range map[string]string{"typ": "bearer", "token_use": "access"} { // Keycloak; Amazon Cognito
		got, err := c.text(name)
		if _, ok := c[name]; err != nil || ok && strings.ToLower(got) != want {
			return fmt.Errorf("%s does not name an access token: %w", name, ErrClaims)
		}
	}
	if _, ok := c["events"]; ok { // security event and logout tokens, RFC 8417
		return fmt.Errorf("events marks a security event: %w", ErrClaims)
	}
	if _, ok := c["cnf"]; ok { // RFC 7800: only its key's holder may use it, and we ask for no proof
		return fmt.Errorf("cnf binds the token to a key, which is not supported: %w", ErrClaims)
	}
	return nil
}

// checkIDToken refuses what is no ID token for a single client. Its nonce is compared where it is known. OpenID Connect Core §2, §3.1.3.7.
func checkIDToken(c object) error {
	if aud, err := c.texts("aud"); err != nil || len(aud) != 1 {
		return fmt.Errorf("an ID token for several clients: %w", ErrAudience)
	}
	for name, want := range map[string]string{"typ": "id", "token_use": "id"} { // Keycloak; Amazon Cognito
		got, err := c.text(name)
		if _, ok := c[name]; err != nil || ok && strings.ToLower(got) != want {
			return fmt.Errorf("%s does not name an ID token: %w", name, ErrClaims)
		}
	}
	if _, ok := c["events"]; ok {
		return fmt.Errorf("events marks a security event: %w", ErrClaims)
	}
	return nil
}
