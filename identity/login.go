package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// WebClient is the gateway as a client of an issuer, for people who log in from a browser.
type WebClient struct {
	ID     string                                    // client_id; also the aud of its ID tokens
	Secret func(ctx context.Context) (string, error) // client_secret, read when it is needed; nil for a public client
	Scopes []string                                  // beside openid; nil means profile and email
}

// Login is one login that was begun. It is secret and belongs to the browser that began it: whoever shows it with the issuer's answer has
// come back from that login.
type Login struct {
	Issuer   string `json:"iss"`
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // PKCE, RFC 7636
	Fresh    bool   `json:"fresh"`    // the person has to prove himself again, whatever session the issuer has
}

// ErrLogin is a login that did not come to its end: refused by the person or the issuer, or not the one that was begun.
var ErrLogin = errors.New("the login did not succeed")

// LoginIssuers are the issuers whose people can log in from a browser, in the order of the configuration.
func (v *Verifier) LoginIssuers() []string {
	var urls []string
	for _, i := range v.order {
		if i.Web != nil {
			urls = append(urls, i.URL)
		}
	}
	return urls
}

// BeginLogin says where to send a browser so that its person logs in, and what has to be kept until it comes back to redirect. Errors:
// [ErrUnavailable], and [ErrIssuer] for one nobody can log in at. OpenID Connect Core §3.1.2.1.
func (v *Verifier) BeginLogin(issuerURL, redirect string, fresh bool) (to string, l Login, err error) {
	i := v.issuers[issuerURL]
	if i == nil || i.Web == nil {
		return "", l, ErrIssuer
	}
	client, err := i.loginClient(redirect, "")
	if err != nil {
		return "", l, err
	}
	l = Login{Issuer: issuerURL, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Fresh: fresh}
	maxAge := v.apiMaxAge // naming one also makes auth_time part of the answer
	options := []oauth2.AuthCodeOption{oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier)}
	if fresh {
		maxAge = 0
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	options = append(options, oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(maxAge/time.Second))))
	return client.AuthCodeURL(l.State, options...), l, nil
}

// FinishLogin exchanges the code that a browser came back with for who its person is. state and iss are the answer's own ("" when it has
// no iss, RFC 9207). Errors: [ErrLogin], [ErrUnavailable] and those of tokens.
func (v *Verifier) FinishLogin(ctx context.Context, l Login, redirect, state, iss, code string) (*Principal, error) {
	i := v.issuers[l.Issuer]
	switch {
	case i == nil || i.Web == nil:
		return nil, ErrIssuer
	case l.State == "" || code == "" || subtle.ConstantTimeCompare([]byte(state), []byte(l.State)) != 1:
		return nil, fmt.Errorf("it is not the one this browser began: %w", ErrLogin)
	case iss != "" && iss != l.Issuer:
		return nil, fmt.Errorf("another issuer answered: %w", ErrLogin)
	}
	secret := ""
	if i.Web.Secret != nil {
		var err error
		if secret, err = i.Web.Secret(ctx); err != nil {
			return nil, fmt.Errorf("%s: the client secret could not be read: %w", i.name, ErrUnavailable)
		}
	}
	client, err := i.loginClient(redirect, secret)
	if err != nil {
		return nil, err
	}
	token, err := client.Exchange(context.WithValue(ctx, oauth2.HTTPClient, i.client), code, oauth2.VerifierOption(l.Verifier))
	if err != nil {
		i.log.Warn("a login could not be finished", "issuer", i.name, "url", i.URL, "error", err)
		return nil, fmt.Errorf("%s did not take the code: %w", i.name, ErrLogin)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" || len(raw) > maxToken {
		return nil, fmt.Errorf("%s sent no ID token: %w", i.name, ErrLogin)
	}
	return v.finish(ctx, l, raw)
}

// finish verifies the ID token at the end of a login.
func (v *Verifier) finish(ctx context.Context, l Login, raw string) (*Principal, error) {
	d, err := v.verify(ctx, raw, web)
	if err != nil {
		return nil, err
	}
	t, err := parse(raw)
	if err != nil {
		return nil, err
	}
	nonce, err := t.claims.text("nonce")
	if err != nil || subtle.ConstantTimeCompare([]byte(nonce), []byte(l.Nonce)) != 1 || d.principal.Issuer != l.Issuer {
		return nil, fmt.Errorf("the ID token is of another login: %w", ErrLogin)
	}
	if l.Fresh && d.principal.AuthTime.Before(v.now().Add(-FreshFor)) {
		return nil, fmt.Errorf("the issuer did not ask again who it is: %w", ErrNotInteractive)
	}
	return d.principal, nil
}

// FreshFor is how long after a person proved himself that counts as fresh.
const FreshFor = 5 * time.Minute

// loginClient is the gateway as an OAuth client of i.
func (i *issuer) loginClient(redirect, secret string) (*oauth2.Config, error) {
	endpoint := i.login.Load()
	if endpoint == nil {
		return nil, i.unavailable()
	}
	if endpoint.AuthURL == "" {
		return nil, fmt.Errorf("%s names no usable place to log in at: %w", i.name, ErrUnavailable)
	}
	scopes := i.Web.Scopes
	if scopes == nil {
		scopes = []string{"profile", "email"}
	}
	to := *endpoint
	if secret == "" {
		to.AuthStyle = oauth2.AuthStyleInParams // a public client only says its name
	}
	return &oauth2.Config{ClientID: i.Web.ID, ClientSecret: secret, Endpoint: to, RedirectURL: redirect, Scopes: append([]string{oidc.ScopeOpenID}, scopes...)}, nil
}
