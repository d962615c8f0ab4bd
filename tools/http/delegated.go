package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"sallyport/tools"
)

// Exchange obtains a token for each session by exchanging the caller's own (RFC 8693): the API sees the person, and the agent that acts for
// him where the issuer keeps the act claim. The tokens of a session are revoked at its end (RFC 7009) where RevokeURL is set.
type Exchange struct {
	TokenURL     string
	RevokeURL    string // "" for an issuer that cannot revoke: a token then ends by itself
	ClientID     string // who the gateway is at the issuer
	ClientSecret Secret
	Audience     string
	Scopes       []string
	// AllowedNetworks are the addresses of the issuer; empty means what it means for a [Target].
	AllowedNetworks []netip.Prefix
}

const (
	maxDelegated  = 4 // tokens of one session: a caller's token is renewed now and then, and each is exchanged by itself
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessToken   = "urn:ietf:params:oauth:token-type:access_token"
)

// delegated obtains and keeps the exchanged tokens of a target's sessions.
type delegated struct {
	cfg    Exchange
	cred   *credential
	tokens *tokens // the client at the token endpoint; its own cache is not used
	revoke *wire   // nil without a revocation endpoint
	record tools.RecordCredential

	// turn holds one value; who takes it owns the fields below. A channel, because waiting must end with the call.
	turn chan struct{}
	held []*lease
}

// lease is one exchanged token.
type lease struct {
	session string
	subject [32]byte // digest of the token it was exchanged for: another one may carry other rights
	token   string
	slot    int // of masking
	since   time.Time
	until   time.Time // when it is not used any more
	over    time.Time // when it has ended by itself
	call    string
}

// name is what the log has for a token.
func (l *lease) name() string {
	sum := sha256.Sum256([]byte(l.token))
	return "access token sha256:" + hex.EncodeToString(sum[:6])
}

func newDelegated(cfg Config, t Target, c *credential) (*delegated, error) {
	x := *t.Auth.Exchange
	if cfg.Record == nil {
		return nil, errors.New("needs Config.Record, so that each token is recorded")
	}
	params := url.Values{"grant_type": {grantExchange}, "subject_token_type": {accessToken}, "requested_token_type": {accessToken}}
	if x.Audience != "" {
		params.Set("audience", x.Audience)
	}
	client := OAuth2{TokenURL: x.TokenURL, ClientID: x.ClientID, ClientSecret: x.ClientSecret, Scopes: x.Scopes, Params: params, AllowedNetworks: x.AllowedNetworks}
	inner := t
	inner.Auth.OAuth2 = &client
	d := &delegated{cfg: x, cred: c, record: cfg.Record, turn: make(chan struct{}, 1)}
	var err error
	if d.tokens, err = newTokens(cfg, inner, c); err != nil {
		return nil, err
	}
	if x.RevokeURL != "" {
		base, _, err := parseBase(x.RevokeURL)
		if err != nil {
			return nil, fmt.Errorf("revoke_url: %w", err)
		}
		if d.revoke, err = newWire(cfg, Target{CA: t.CA, AllowedNetworks: x.AllowedNetworks}, base); err != nil {
			return nil, err
		}
	}
	d.turn <- struct{}{}
	return d, nil
}

// get returns the session's token for the caller's own, exchanging it when there is none that is good for a while.
func (d *delegated) get(ctx context.Context, ob tools.Obligations) (string, error) {
	if ob.Token == nil || ob.Session == "" {
		return "", &tools.UnreachableError{Problem: "it wants the caller's own token, and the call came without one"}
	}
	if err := d.take(ctx); err != nil {
		return "", err
	}
	defer d.give()
	subject := sha256.Sum256([]byte(ob.Token()))
	now := d.cred.now()
	for _, l := range d.held {
		if l.session == ob.Session && l.subject == subject && now.Before(l.until) {
			return l.token, nil
		}
	}
	d.forgetOld(ctx, ob.Session, now)
	tok, err := d.tokens.request(ctx, url.Values{"subject_token": {ob.Token()}})
	if err != nil {
		return "", err
	}
	issued, _ := tok.Extra("issued_token_type").(string)
	if !fieldValue(tok.AccessToken) || !strings.EqualFold(tok.Type(), "Bearer") || issued != accessToken && issued != "urn:ietf:params:oauth:token-type:jwt" {
		return "", &tools.UnreachableError{Problem: "its token endpoint answered the exchange with something else than a bearer token"}
	}
	l := &lease{session: ob.Session, subject: subject, token: tok.AccessToken, slot: d.slot(), since: now, until: now.Add(tokenMaxAge), over: now.Add(tokenMaxAge), call: ob.CallID}
	if !tok.Expiry.IsZero() {
		l.over = now.Add(time.Until(tok.Expiry)) // the library's clock is the system's
		l.until = l.over.Add(-tokenEarly)
	}
	d.cred.tell(fmt.Sprintf("exchange.%d", l.slot), l.token)
	d.held = append(d.held, l) // from here on it is revoked with the session, also when it cannot be recorded
	if err := d.record(ctx, d.entry(l, "issued", l.over)); err != nil {
		l.until = time.Time{} // never used
		return "", &tools.UnreachableError{Problem: "its token could not be recorded", Err: err}
	}
	return l.token, nil
}

// slot is the lowest number no token has: masking knows each until another takes its place, since a slow answer may still echo it.
func (d *delegated) slot() int {
	for n := 0; ; n++ {
		if !slices.ContainsFunc(d.held, func(l *lease) bool { return l.slot == n }) {
			return n
		}
	}
}

// forgetOld drops what has ended of a session, and the oldest where there is no room.
func (d *delegated) forgetOld(ctx context.Context, session string, now time.Time) {
	var mine []*lease
	for _, l := range d.held {
		if l.session == session {
			mine = append(mine, l)
		}
	}
	for i, l := range mine {
		if !now.Before(l.until) || len(mine)-i >= maxDelegated {
			_ = d.surrender(ctx, l, now) // at the session's end it is tried again
		}
	}
}

// end revokes what a session holds. What could not be revoked is kept, for the next time, as long as it is good.
func (d *delegated) end(ctx context.Context, session string) error {
	return d.endAll(ctx, func(l *lease) bool { return l.session == session })
}

func (d *delegated) endAll(ctx context.Context, which func(*lease) bool) error {
	if err := d.take(ctx); err != nil {
		return err
	}
	defer d.give()
	var problems []error
	for _, l := range slices.Clone(d.held) {
		if which(l) {
			problems = append(problems, d.surrender(ctx, l, d.cred.now()))
		}
	}
	return errors.Join(problems...)
}

// surrender gives up one token.
func (d *delegated) surrender(ctx context.Context, l *lease, now time.Time) error {
	event := "revoked"
	switch {
	case d.revoke == nil:
		event = "forgotten" // it ends by itself
	case !now.Before(l.over):
		event = "expired"
	default:
		if err := d.post(ctx, l.token); err != nil {
			return err
		}
	}
	if err := d.record(ctx, d.entry(l, event, time.Time{})); err != nil {
		return err
	}
	d.held = slices.DeleteFunc(d.held, func(other *lease) bool { return other == l })
	return nil
}

func (d *delegated) entry(l *lease, event string, until time.Time) tools.Credential {
	return tools.Credential{Session: l.session, Call: l.call, Tool: "http", Target: d.cred.target, Mode: "exchange", Event: event, ID: l.name(), Until: until}
}

// post asks the issuer to revoke a token (RFC 7009 section 2.1).
func (d *delegated) post(ctx context.Context, token string) error {
	secret, err := d.cred.value(ctx, "exchange.client_secret", d.cfg.ClientSecret)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.cfg.RevokeURL, strings.NewReader(form))
	if err != nil {
		return errors.New("the revocation cannot be asked for; check revoke_url")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(d.cfg.ClientID), url.QueryEscape(secret))
	resp, err := d.revoke.transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("target %s: a token could not be revoked: the issuer does not answer", d.cred.target)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent { // 200 also for a token that is unknown or over
		return fmt.Errorf("target %s: a token could not be revoked: the issuer answers %d", d.cred.target, resp.StatusCode)
	}
	return nil
}

// refused drops the session's tokens from use after the API answered 401. They are revoked with the session.
func (d *delegated) refused(session string) {
	select {
	case <-d.turn:
		defer d.give()
		for _, l := range d.held {
			if now := d.cred.now(); l.session == session && now.Sub(l.since) >= tokenMinAge {
				l.until = now
			}
		}
	default: // somebody is asking for a new one right now
	}
}

func (d *delegated) take(ctx context.Context) error {
	select {
	case <-d.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *delegated) give() { d.turn <- struct{}{} }

// close revokes what is left: a reload or a stop ends what was held under this configuration.
func (d *delegated) close() {
	ctx, cancel := context.WithTimeout(context.Background(), tokenTimeout)
	defer cancel()
	_ = d.endAll(ctx, func(*lease) bool { return true })
	d.tokens.wire.close()
	if d.revoke != nil {
		d.revoke.close()
	}
}

// EndSession revokes the tokens that targets hold for a session. What could not be revoked is an error, and stays to be tried again.
func (t *Tool) EndSession(ctx context.Context, session string) error {
	var problems []error
	for _, one := range t.apis.targets {
		if d := one.cred.delegated; d != nil {
			problems = append(problems, d.end(ctx, session))
		}
	}
	return errors.Join(problems...)
}
