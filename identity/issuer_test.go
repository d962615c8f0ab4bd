package identity_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/identity"
	"sallyport/identity/devissuer"
)

// inMemory is the network between gateway and issuer inside a synctest bubble. While hung, nothing comes back.
type inMemory struct {
	mu      sync.Mutex
	handler http.Handler // guarded by mu
	hung    bool         // guarded by mu
}

func (m *inMemory) serve(h http.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handler = h
}

func (m *inMemory) hang(hung bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hung = hung
}

func (m *inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	m.mu.Lock()
	hung, handler := m.hung, m.handler
	m.mu.Unlock()
	if hung {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	in := req.Clone(req.Context())
	in.Host = req.URL.Host
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, in)
	return w.Result(), nil
}

const issuerURL = "https://login.example.com"

// offline is an issuer, the network to it and a configuration that believes it, all on the bubble's clock.
func offline(t *testing.T, url string) (*devissuer.Issuer, *inMemory, identity.Issuer) {
	t.Helper()
	iss, err := devissuer.New(url, devissuer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	net := &inMemory{handler: iss.Handler()}
	return iss, net, identity.Issuer{URL: url, Audience: mcpAudience, APIAudience: apiAudience, HTTPClient: &http.Client{Transport: net}}
}

func start(t *testing.T, issuers ...identity.Issuer) *identity.Verifier {
	t.Helper()
	v, err := identity.New(t.Context(), identity.Config{Issuers: issuers})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func accepted(t *testing.T, v *identity.Verifier, raw string) {
	t.Helper()
	if _, err := v.Verify(t.Context(), raw, identity.MCP); err != nil {
		t.Fatalf("refused: %v", err)
	}
}

func refusedAs(t *testing.T, v *identity.Verifier, raw string, want error) {
	t.Helper()
	p, err := v.Verify(t.Context(), raw, identity.MCP)
	refused(t, p, err, want)
}

func mcpToken(iss *devissuer.Issuer) string {
	return iss.Mint(devissuer.Claims{"sub": "maria", "aud": mcpAudience})
}

func rotate(t *testing.T, iss *devissuer.Issuer, alg string, keep bool) {
	t.Helper()
	if err := iss.Rotate(alg, keep); err != nil {
		t.Fatal(err)
	}
}

func TestRotatedKeysWorkWithoutRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, _, cfg := offline(t, issuerURL)
		v := start(t, cfg)
		defer v.Close()
		first := mcpToken(iss)
		accepted(t, v, first)
		for _, alg := range []string{"RS256", "EdDSA", "ES256"} {
			time.Sleep(10 * time.Second) // one fetch for an unknown key in this time
			rotate(t, iss, alg, true)
			accepted(t, v, mcpToken(iss))
			accepted(t, v, first)
		}
		if got := iss.Fetches(); got != 4 {
			t.Errorf("%d fetches, want the first and one per rotation", got)
		}
	})
}

func TestRemovedKeyStopsWorkingAlsoFromTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, _, cfg := offline(t, issuerURL)
		v := start(t, cfg)
		defer v.Close()
		raw := mcpToken(iss)
		accepted(t, v, raw)
		rotate(t, iss, "", false)
		accepted(t, v, raw) // known limit: until the keys are read again
		time.Sleep(5*time.Minute + time.Second)
		refusedAs(t, v, raw, identity.ErrSignature)

		// A token with the new key makes the removal known at once.
		raw = mcpToken(iss)
		accepted(t, v, raw)
		time.Sleep(10 * time.Second)
		rotate(t, iss, "", false)
		accepted(t, v, mcpToken(iss))
		refusedAs(t, v, raw, identity.ErrSignature)
	})
}

func TestKnownKeysSurviveAnOutageForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, _, cfg := offline(t, issuerURL)
		v := start(t, cfg)
		defer v.Close()
		iss.Down(true)
		cached := iss.Mint(devissuer.Claims{"aud": mcpAudience, "exp": time.Now().Add(time.Hour).Unix()})
		accepted(t, v, cached)
		time.Sleep(23 * time.Hour)
		accepted(t, v, mcpToken(iss))
		if err := v.Ready(); err != nil {
			t.Errorf("not ready while keys are known: %v", err)
		}

		rotate(t, iss, "", true)
		refusedAs(t, v, mcpToken(iss), identity.ErrUnavailable) // not known to be bad

		cached = iss.Mint(devissuer.Claims{"aud": mcpAudience})
		time.Sleep(61 * time.Minute)
		refusedAs(t, v, mcpToken(iss), identity.ErrUnavailable)
		if err := v.Ready(); err == nil || !strings.Contains(err.Error(), "identity.issuers[0]") || strings.Contains(err.Error(), "example") {
			t.Errorf("Ready() = %v, want the issuer's place and not its name", err)
		}
		iss.Down(false)
		time.Sleep(61 * time.Second) // the longest back-off
		accepted(t, v, mcpToken(iss))
		refusedAs(t, v, cached, identity.ErrExpired)
	})
}

func TestCachedTokenEndsWithTheKeysThatAreTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, _, cfg := offline(t, issuerURL)
		v := start(t, cfg)
		defer v.Close()
		iss.Down(true)
		time.Sleep(24*time.Hour - time.Minute)
		raw := mcpToken(iss)
		accepted(t, v, raw)
		time.Sleep(2 * time.Minute)
		refusedAs(t, v, raw, identity.ErrUnavailable)
	})
}

func TestGatewayStartsBeforeItsIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, _, cfg := offline(t, issuerURL)
		iss.Down(true)
		v := start(t, cfg)
		defer v.Close()
		raw := mcpToken(iss)
		refusedAs(t, v, raw, identity.ErrUnavailable)
		if err := v.Ready(); !errors.Is(err, identity.ErrUnavailable) || !strings.Contains(err.Error(), "discovery document") {
			t.Errorf("Ready() = %v, want the part that failed", err)
		}
		iss.Down(false)
		time.Sleep(10 * time.Second) // nobody calls: the retry is the verifier's own
		if err := v.Ready(); err != nil {
			t.Error(err)
		}
		accepted(t, v, raw)
	})
}

func TestKeysThatMovedAreFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, net, cfg := offline(t, issuerURL)
		v := start(t, cfg)
		defer v.Close()
		dev := iss.Handler()
		moved := http.NewServeMux()
		moved.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuerURL, issuerURL+"/new/keys")
		})
		moved.HandleFunc("/new/keys", func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = "/keys"
			dev.ServeHTTP(w, r)
		})
		net.serve(moved)
		rotate(t, iss, "", true)
		time.Sleep(6 * time.Minute)
		accepted(t, v, mcpToken(iss))
	})
}

func TestTokenOfALateIssuerNeedsNoBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, _, cfg := offline(t, issuerURL)
		iss.Down(true)
		v := start(t, cfg)
		defer v.Close()
		time.Sleep(time.Hour)
		iss.Down(false)
		accepted(t, v, mcpToken(iss))
	})
}

func TestOneIssuerDownLeavesTheOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, cfgA := offline(t, "https://a.example.com")
		b, net, cfgB := offline(t, "https://b.example.com")
		net.hang(true)
		v := start(t, cfgA, cfgB)
		defer v.Close()
		accepted(t, v, mcpToken(a))
		refusedAs(t, v, mcpToken(b), identity.ErrUnavailable)
		if err := v.Ready(); err != nil {
			t.Errorf("one issuer down must not take the gateway away from the others: %v", err)
		}
		net.hang(false)
		time.Sleep(2 * time.Minute)
		accepted(t, v, mcpToken(b))
	})
}

func TestHungIssuerNeitherHoldsTheGatewayNorItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, net, cfg := offline(t, issuerURL)
		net.hang(true)
		begin := time.Now()
		v := start(t, cfg)
		if waited := time.Since(begin); waited != 5*time.Second {
			t.Errorf("New took %v of the bubble's time", waited)
		}
		begin = time.Now()
		refusedAs(t, v, mcpToken(iss), identity.ErrUnavailable)
		if waited := time.Since(begin); waited > 6*time.Second {
			t.Errorf("Verify took %v of the bubble's time", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin = time.Now()
		p, err := v.Verify(ctx, mcpToken(iss), identity.MCP)
		refused(t, p, err, identity.ErrUnavailable)
		if waited := time.Since(begin); waited > time.Second {
			t.Errorf("the caller's context was not honoured: %v", waited)
		}
		begin = time.Now()
		v.Close()
		v.Close()
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("Close took %v of the bubble's time", waited)
		}
		refusedAs(t, v, mcpToken(iss), identity.ErrUnavailable) // and does not block
	})
}

func TestKnownKeysWorkWhileTheIssuerHangsAndTheCallerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, net, cfg := offline(t, issuerURL)
		v := start(t, cfg)
		defer v.Close()
		net.hang(true)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := v.Verify(ctx, mcpToken(iss), identity.MCP); err != nil {
			t.Errorf("a known key needs no waiting: %v", err)
		}
		rotate(t, iss, "", true)
		raw := mcpToken(iss)
		p, err := v.Verify(ctx, raw, identity.MCP)
		refused(t, p, err, identity.ErrUnavailable)
		// The caller who left did not take the fetch along: it ends by itself, and the next one succeeds.
		net.hang(false)
		time.Sleep(20 * time.Second)
		accepted(t, v, raw)
	})
}

func TestFloodOfUnknownKeysFetchesOncePerTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, _, cfg := offline(t, issuerURL)
		v := start(t, cfg)
		defer v.Close()
		before := iss.Fetches()
		for second := range 60 {
			var callers sync.WaitGroup
			for n := range 20 {
				callers.Go(func() {
					raw := iss.MintWith(devissuer.Header{"kid": fmt.Sprintf("k-%d-%d", second, n)}, devissuer.Claims{"aud": mcpAudience})
					if _, err := v.Verify(t.Context(), raw, identity.MCP); !errors.Is(err, identity.ErrSignature) {
						t.Errorf("got %v", err)
					}
				})
			}
			callers.Wait()
			time.Sleep(time.Second)
		}
		if got := iss.Fetches() - before; got > 6 {
			t.Errorf("1200 tokens with unknown keys in a minute caused %d fetches, want at most 6", got)
		}
		// The flood may delay a new key, for ten seconds at most.
		rotate(t, iss, "", true)
		time.Sleep(10 * time.Second)
		accepted(t, v, mcpToken(iss))
	})
}

func TestForgedSignatureOfAKnownKeyFetchesNothing(t *testing.T) {
	c, iss, v := setup(t)
	other := newIssuer(t, c, "") // its key has the same name
	before := iss.Fetches()
	for range 5 {
		refusedAs(t, v, other.Mint(devissuer.Claims{"iss": iss.URL(), "aud": mcpAudience}), identity.ErrSignature)
	}
	if got := iss.Fetches() - before; got != 0 {
		t.Errorf("%d fetches", got)
	}
}

func TestEachIssuerHasItsOwnKeysAndAudience(t *testing.T) {
	c := newClock()
	a, b := newIssuer(t, c, ""), newIssuer(t, c, "")
	cfg := configFor(c, a, b)
	cfg.Issuers[1].Audience, cfg.Issuers[1].APIAudience, cfg.Issuers[1].GroupsClaim = "https://b.example/mcp", "https://b.example/api", "roles"
	v := newVerifier(t, cfg)

	accepted(t, v, a.Mint(devissuer.Claims{"aud": mcpAudience}))
	raw := b.Mint(devissuer.Claims{"aud": "https://b.example/mcp", "roles": []string{"dba"}, "groups": []string{"ignored"}})
	p, err := v.Verify(t.Context(), raw, identity.MCP)
	if err != nil || !slices.Equal(p.Groups, []string{"dba"}) {
		t.Errorf("got %v, %v", p, err)
	}
	refusedAs(t, v, b.Mint(devissuer.Claims{"aud": mcpAudience}), identity.ErrAudience)
	refusedAs(t, v, b.Mint(devissuer.Claims{"iss": a.URL(), "aud": mcpAudience}), identity.ErrSignature)
	// Neither does an agent's audience of one issuer reach the API through the other.
	p, err = v.Verify(t.Context(), a.Mint(devissuer.Claims{"aud": []string{apiAudience, "https://b.example/mcp"}, "auth_time": c.at(0)}), identity.API)
	refused(t, p, err, identity.ErrAudience)
}

func TestAPIWithoutAnAudienceIsClosed(t *testing.T) {
	c := newClock()
	iss := newIssuer(t, c, "")
	cfg := configFor(c, iss)
	cfg.Issuers[0].APIAudience = ""
	v := newVerifier(t, cfg)
	for _, aud := range []any{"", []string{""}, []string{}, apiAudience, nil} {
		p, err := v.Verify(t.Context(), iss.Mint(devissuer.Claims{"aud": aud, "auth_time": c.at(0)}), identity.API)
		refused(t, p, err, identity.ErrAudience)
	}
}

func TestConfigurationIsRefusedWithTheWayOut(t *testing.T) {
	good := identity.Issuer{URL: "https://login.example.com", Audience: mcpAudience, APIAudience: apiAudience}
	with := func(change func(*identity.Issuer)) []identity.Issuer {
		i := good
		change(&i)
		return []identity.Issuer{i}
	}
	for name, tt := range map[string]struct {
		issuers []identity.Issuer
		want    string
	}{
		"none":               {nil, "no issuers"},
		"plain http":         {with(func(i *identity.Issuer) { i.URL = "http://login.example.com" }), "https"},
		"loopback lookalike": {with(func(i *identity.Issuer) { i.URL = "http://127.0.0.1.example.com" }), "https"},
		"password in it":     {with(func(i *identity.Issuer) { i.URL = "https://u:p@login.example.com" }), "https"},
		"with a query":       {with(func(i *identity.Issuer) { i.URL += "?x=1" }), "query"},
		"not a URL":          {with(func(i *identity.Issuer) { i.URL = "login" }), "https"},
		"no audience":        {with(func(i *identity.Issuer) { i.Audience = "" }), "audience is missing"},
		"one for both":       {with(func(i *identity.Issuer) { i.APIAudience = mcpAudience }), "admin API"},
		"negative lifetime":  {with(func(i *identity.Issuer) { i.MaxLifetime = -1 }), "negative"},
		"twice":              {[]identity.Issuer{good, good}, "already"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := identity.New(t.Context(), identity.Config{Issuers: tt.issuers})
			if v != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "example") {
				t.Errorf("quotes the configuration: %v", err)
			}
		})
	}
}

// Tokens of every fate pass; the operator's log, at its most talkative, has none of them.
func TestLogNeverHasAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, _, cfg := offline(t, issuerURL)
		iss.Down(true)
		var log bytes.Buffer // read after Close: the issuers' goroutines are the ones that write
		v, err := identity.New(t.Context(), identity.Config{
			Issuers: []identity.Issuer{cfg}, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err != nil {
			t.Fatal(err)
		}
		var tokens []string
		try := func(raw string) {
			tokens = append(tokens, raw)
			v.Verify(t.Context(), raw, identity.MCP)
		}
		try(mcpToken(iss))
		iss.Down(false)
		time.Sleep(time.Minute)
		try(mcpToken(iss))
		try(iss.MintWith(devissuer.Header{"kid": "canary-kid"}, devissuer.Claims{"sub": "canary-sub", "aud": "canary-aud"}))
		try(iss.Mint(devissuer.Claims{"sub": "canary-sub", "aud": mcpAudience, "groups": 1}))
		v.Close()
		if !strings.Contains(log.String(), "issuer unavailable") || !strings.Contains(log.String(), "issuer keys read") {
			t.Errorf("the log does not tell the operator what happened:\n%s", log.String())
		}
		for _, raw := range tokens {
			for _, secret := range append(strings.Split(raw, "."), "canary") {
				if strings.Contains(log.String(), secret) {
					t.Errorf("the log has %q", secret)
				}
			}
		}
	})
}
