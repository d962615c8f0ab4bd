package httpapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"sallyport/tools"
)

// OAuth2 is the client credentials grant (RFC 6749 section 4.4). The token is kept until shortly before it expires, or
// the target answers 401.
type OAuth2 struct {
	TokenURL     string
	ClientID     string
	ClientSecret Secret
	Scopes       []string
	Params       url.Values // further parameters of the token request, such as audience
	InBody       bool       // send client id and secret in the body; default: HTTP basic, as the RFC prefers
	// AllowedNetworks are the addresses of the token endpoint; empty means what it means for a [Target].
	AllowedNetworks []netip.Prefix
}

const (
	tokenTimeout = 15 * time.Second
	tokenEarly   = 30 * time.Second // a token this close to its end is not used any more
	tokenMaxAge  = 10 * time.Minute // for servers that do not say how long a token lives
	tokenMinAge  = 20 * time.Second // a token this new is kept whatever the API says, or every 401 would cost a new one
)

// tokens obtains and keeps a target's access token.
type tokens struct {
	cfg  OAuth2
	cred *credential
	wire *wire

	// turn holds one value; who takes it owns the fields below. A channel, because waiting must end with the call.
	turn  chan struct{}
	token string
	since time.Time
	until time.Time
}

func newTokens(cfg Config, t Target, c *credential) (*tokens, error) {
	o := *t.Auth.OAuth2
	base, _, err := parseBase(o.TokenURL)
	if err != nil {
		return nil, fmt.Errorf("token_url: %w", err)
	}
	if o.ClientID == "" || o.ClientSecret == nil {
		return nil, errors.New("needs a client id and a client secret")
	}
	w, err := newWire(cfg, Target{CA: t.CA, AllowedNetworks: o.AllowedNetworks}, base)
	if err != nil {
		return nil, err
	}
	k := &tokens{cfg: o, cred: c, wire: w, turn: make(chan struct{}, 1)}
	k.turn <- struct{}{}
	return k, nil
}

// get returns a token that is good for a while. Of several calls that need a new one, one fetches it.
func (k *tokens) get(ctx context.Context) (string, error) {
	select {
	case <-k.turn:
		defer func() { k.turn <- struct{}{} }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if k.token != "" && k.cred.now().Before(k.until) {
		return k.token, nil
	}
	tok, err := k.fetch(ctx)
	if err != nil {
		return "", err
	}
	if !fieldValue(tok.AccessToken) {
		return "", &tools.UnreachableError{Problem: "its token endpoint returned a token that no header can carry"}
	}
	k.cred.tell("token", tok.AccessToken)
	now := k.cred.now()
	k.token, k.since, k.until = tok.AccessToken, now, now.Add(tokenMaxAge)
	if !tok.Expiry.IsZero() {
		k.until = tok.Expiry.Add(-tokenEarly)
	}
	return k.token, nil
}

func (k *tokens) fetch(ctx context.Context) (*oauth2.Token, error) { return k.request(ctx, nil) }

// request asks for a token; further are parameters of this request only.
func (k *tokens) request(ctx context.Context, further url.Values) (*oauth2.Token, error) {
	secret, err := k.cred.value(ctx, "oauth2", k.cfg.ClientSecret)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	client := &http.Client{Transport: k.wire.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	style := oauth2.AuthStyleInHeader
	if k.cfg.InBody {
		style = oauth2.AuthStyleInParams
	}
	params := maps.Clone(k.cfg.Params)
	maps.Copy(params, further)
	cc := clientcredentials.Config{ClientID: k.cfg.ClientID, ClientSecret: secret, TokenURL: k.cfg.TokenURL, Scopes: k.cfg.Scopes, EndpointParams: params, AuthStyle: style}
	tok, err := cc.Token(context.WithValue(limited, oauth2.HTTPClient, client))
	switch {
	case err == nil:
		return tok, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, &tools.UnreachableError{Problem: "no access token could be obtained for it", Err: tokenError(err)}
}

// tokenError is what an operator may read of a failed token request. The library's own text holds the answer's body, and
// an answer may repeat the client's secret.
func tokenError(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return fmt.Errorf("token request: %T", errors.Unwrap(err))
	}
	code := "no error code of RFC 6749"
	switch refused.ErrorCode {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		code = refused.ErrorCode
	}
	return fmt.Errorf("token request: status %d, %s", refused.Response.StatusCode, code)
}

// forget drops the token, so that the next call asks for a new one.
func (k *tokens) forget() {
	select {
	case <-k.turn:
		if k.cred.now().Sub(k.since) >= tokenMinAge {
			k.until = time.Time{}
		}
		k.turn <- struct{}{}
	default: // somebody is asking for a new one right now
	}
}
