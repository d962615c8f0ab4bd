package identity_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sallyport/identity"
	"sallyport/identity/devissuer"
)

const redirect = "https://gateway.test/approvals/callback"

// people is an issuer where bob can log in, and a verifier that lets him.
func people(t *testing.T, change func(*identity.Config), claims devissuer.Claims) (*devissuer.Issuer, *identity.Verifier) {
	t.Helper()
	all := devissuer.Claims{"groups": []string{"dba"}, "name": "Bob"}
	for k, v := range claims {
		all[k] = v
	}
	iss, err := devissuer.Start(t.Context(), devissuer.Options{People: map[string]devissuer.Claims{"bob": all},
		Clients: map[string]devissuer.Client{"pages": {Secret: "s3cret", Redirects: []string{redirect}}, "other": {Redirects: []string{redirect}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { iss.Close() })
	cfg := identity.Config{Issuers: []identity.Issuer{{URL: iss.URL(), Audience: "https://gateway.test/mcp", APIAudience: "https://gateway.test/api",
		Web: &identity.WebClient{ID: "pages", Secret: func(context.Context) (string, error) { return "s3cret", nil }}}}}
	if change != nil {
		change(&cfg)
	}
	v, err := identity.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return iss, v
}

// visit follows the browser to the issuer as bob, and returns what it comes back with.
func visit(t *testing.T, to string) url.Values {
	t.Helper()
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Get(to + "&login_hint=bob")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(back.String(), redirect) {
		t.Fatalf("sent to %q: %v", resp.Header.Get("Location"), err)
	}
	return back.Query()
}

func TestALoginSaysWhoItIs(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		iss, v := people(t, nil, nil)
		to, l, err := v.BeginLogin(iss.URL(), redirect, fresh)
		if err != nil {
			t.Fatal(err)
		}
		back := visit(t, to)
		p, err := v.FinishLogin(t.Context(), l, redirect, back.Get("state"), back.Get("iss"), back.Get("code"))
		if err != nil || p.Subject != "bob" || !p.InGroup("dba") || p.Issuer != iss.URL() || p.AuthTime.IsZero() {
			t.Errorf("%+v %v", p, err)
		}
		if _, err := v.FinishLogin(t.Context(), l, redirect, back.Get("state"), back.Get("iss"), back.Get("code")); !errors.Is(err, identity.ErrLogin) {
			t.Errorf("a code worked twice: %v", err)
		}
	}
}

// The answer of another login, of another browser or of another issuer is worth nothing.
func TestLoginsThatAreNotTheOneThatWasBegun(t *testing.T) {
	for name, tt := range map[string]struct {
		claims devissuer.Claims
		fresh  bool
		change func(*identity.Login, url.Values)
		want   error
	}{
		"another state":                 {change: func(_ *identity.Login, back url.Values) { back.Set("state", "x") }, want: identity.ErrLogin},
		"no state anywhere":             {change: func(l *identity.Login, back url.Values) { l.State = ""; back.Set("state", "") }, want: identity.ErrLogin},
		"another issuer":                {change: func(_ *identity.Login, back url.Values) { back.Set("iss", "https://evil.test") }, want: identity.ErrLogin},
		"a code of somebody else's":     {change: func(l *identity.Login, _ url.Values) { l.Verifier = strings.Repeat("x", 43) }, want: identity.ErrLogin},
		"no code":                       {change: func(_ *identity.Login, back url.Values) { back.Del("code") }, want: identity.ErrLogin},
		"an issuer nobody knows":        {change: func(l *identity.Login, _ url.Values) { l.Issuer = "https://evil.test" }, want: identity.ErrIssuer},
		"another nonce":                 {claims: devissuer.Claims{"nonce": "other"}, want: identity.ErrLogin},
		"no nonce":                      {claims: devissuer.Claims{"nonce": nil}, want: identity.ErrLogin},
		"for another client":            {claims: devissuer.Claims{"aud": "other"}, want: identity.ErrAudience},
		"for several clients":           {claims: devissuer.Claims{"aud": []string{"pages", "other"}}, want: identity.ErrAudience},
		"acting for somebody":           {claims: devissuer.Claims{"act": map[string]any{"sub": "agent"}}, want: identity.ErrDelegated},
		"no login at all":               {claims: devissuer.Claims{"auth_time": nil}, want: identity.ErrNotInteractive},
		"a login of yesterday":          {claims: devissuer.Claims{"auth_time": time.Now().Add(-24 * time.Hour).Unix()}, want: identity.ErrNotInteractive},
		"fresh, but nobody asked again": {claims: devissuer.Claims{"auth_time": time.Now().Add(-time.Hour).Unix()}, fresh: true, want: identity.ErrNotInteractive},
		"expired":                       {claims: devissuer.Claims{"exp": time.Now().Add(-time.Minute).Unix()}, want: identity.ErrExpired},
		"an access token":               {claims: devissuer.Claims{"typ": "Bearer"}, want: identity.ErrClaims},
	} {
		t.Run(name, func(t *testing.T) {
			iss, v := people(t, nil, tt.claims)
			to, l, err := v.BeginLogin(iss.URL(), redirect, tt.fresh)
			if err != nil {
				t.Fatal(err)
			}
			back := visit(t, to)
			if tt.change != nil {
				tt.change(&l, back)
			}
			if p, err := v.FinishLogin(t.Context(), l, redirect, back.Get("state"), back.Get("iss"), back.Get("code")); !errors.Is(err, tt.want) || p != nil {
				t.Errorf("%+v %v, want %v", p, err, tt.want)
			}
		})
	}
}

func TestAnIDTokenOpensNoOtherDoor(t *testing.T) {
	iss, v := people(t, nil, nil)
	token := iss.Mint(devissuer.Claims{"sub": "bob", "aud": "pages", "nonce": "n", "auth_time": time.Now().Unix()})
	for _, s := range []identity.Surface{identity.MCP, identity.API, 3} {
		if p, err := v.Verify(t.Context(), token, s); err == nil {
			t.Errorf("surface %d: %+v", s, p)
		}
	}
}

func TestWhereNobodyCanLogIn(t *testing.T) {
	iss, v := people(t, func(c *identity.Config) { c.Issuers[0].Web = nil }, nil)
	if _, _, err := v.BeginLogin(iss.URL(), redirect, false); !errors.Is(err, identity.ErrIssuer) || len(v.LoginIssuers()) != 0 {
		t.Errorf("%v %v", err, v.LoginIssuers())
	}
	for _, id := range []string{"", "https://gateway.test/mcp", "https://gateway.test/api"} {
		cfg := identity.Config{Issuers: []identity.Issuer{{URL: iss.URL(), Audience: "https://gateway.test/mcp", APIAudience: "https://gateway.test/api", Web: &identity.WebClient{ID: id}}}}
		if v, err := identity.New(t.Context(), cfg); err == nil {
			v.Close()
			t.Errorf("client id %q was taken", id)
		}
	}
	iss, v = people(t, nil, nil)
	iss.Down(true)
	_, l, err := v.BeginLogin(iss.URL(), redirect, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.FinishLogin(t.Context(), l, redirect, l.State, "", "code"); !errors.Is(err, identity.ErrLogin) {
		t.Errorf("%v", err)
	}
}
