package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	fetchTimeout = 10 * time.Second // one request to an issuer, its body included
	maxDocument  = 1 << 20          // bytes of a discovery document or JWK set
	maxRedirects = 3
)

// issuerClient is base, or a client of our own, that cannot be led elsewhere or kept busy: bounded time, bounded size,
// redirects within the same scheme and host only.
func issuerClient(base *http.Client) *http.Client {
	c := &http.Client{}
	if base != nil {
		*c = *base
	}
	if c.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives = true // a request every few minutes: no idle connection to look after
		c.Transport = t
	}
	c.Transport = bounded{c.Transport}
	if c.Timeout <= 0 || c.Timeout > fetchTimeout {
		c.Timeout = fetchTimeout
	}
	c.Jar = nil
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		first := via[0].URL
		if len(via) > maxRedirects || req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
			return errors.New("redirected elsewhere, which is refused")
		}
		return nil
	}
	return c
}

// bounded reads the whole answer before it hands it over, so that size and time are limited in one place, and turns a
// failure into an error without the body: go-oidc would quote it.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	resp.Body.Close()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case len(body) > maxDocument:
		return nil, errors.New("the answer is larger than 1 MiB")
	case resp.StatusCode/100 == 3: // redirects are the client's business
		body = nil
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("answered with status %d", resp.StatusCode)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// discover finds where the issuer publishes its keys, and where people log in. OpenID Connect Discovery §4; the document must name the
// issuer exactly as configured.
func discover(ctx context.Context, client *http.Client, issuerURL string) (jwksURI string, login oauth2.Endpoint, err error) {
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, client), issuerURL)
	if err != nil {
		return "", login, err
	}
	var doc struct {
		JWKSURI string   `json:"jwks_uri"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := p.Claims(&doc); err != nil {
		return "", login, errors.New("jwks_uri is missing")
	}
	if !secureText(doc.JWKSURI) {
		return "", login, errors.New("jwks_uri is not an https URL (http is accepted on loopback only)")
	}
	if e := p.Endpoint(); secureText(e.AuthURL) && secureText(e.TokenURL) {
		login = e
		login.AuthStyle = oauth2.AuthStyleInHeader // the default of OpenID Connect; trying both would use up the code
		if slices.Contains(doc.Methods, "client_secret_post") && !slices.Contains(doc.Methods, "client_secret_basic") {
			login.AuthStyle = oauth2.AuthStyleInParams
		}
	}
	return doc.JWKSURI, login, nil
}

// fetchKeys reads the issuer's JWK set.
func fetchKeys(ctx context.Context, client *http.Client, jwksURI string) (*keySet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, jwksURI, nil)
	if err != nil {
		return nil, errors.New("jwks_uri is not a URL")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered with status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return parseKeys(body)
}

func secureText(address string) bool {
	u, err := url.Parse(address)
	return err == nil && secure(u)
}

// secure reports whether nobody on the way can change what u answers: TLS, or loopback.
func secure(u *url.URL) bool {
	if u.Host == "" || u.User != nil {
		return false
	}
	switch u.Scheme {
	case "https":
		return true
	case "http":
		ip := net.ParseIP(u.Hostname())
		return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	}
	return false
}
