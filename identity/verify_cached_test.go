package identity_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"sallyport/identity"
	"sallyport/identity/devissuer"
)

func TestCachedTokenIsAcceptedUntilExactlyItsExpiry(t *testing.T) {
	c, iss, v := setup(t)
	raw := iss.Mint(devissuer.Claims{"aud": mcpAudience, "exp": c.at(10 * time.Second)})
	first, err := v.Verify(t.Context(), raw, identity.MCP)
	if err != nil {
		t.Fatal(err)
	}
	c.Advance(10*time.Second - time.Nanosecond)
	again, err := v.Verify(t.Context(), raw, identity.MCP)
	if err != nil || again != first {
		t.Fatalf("got (%p, %v), want the cached %p", again, err, first)
	}
	c.Advance(time.Nanosecond)
	refusedAs(t, v, raw, identity.ErrExpired)
}

func TestCachedLoginGrowsOldOnTheAPI(t *testing.T) {
	c, iss, v := setup(t)
	raw := iss.Mint(devissuer.Claims{"aud": apiAudience, "auth_time": c.at(-12*time.Hour + time.Minute), "exp": c.at(time.Hour)})
	if _, err := v.Verify(t.Context(), raw, identity.API); err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Minute)
	p, err := v.Verify(t.Context(), raw, identity.API)
	refused(t, p, err, identity.ErrNotInteractive)
}

func TestTokenCachedAtOneSurfaceDoesNotOpenTheOther(t *testing.T) {
	c, iss, v := setup(t)
	person := iss.Mint(devissuer.Claims{"aud": apiAudience, "auth_time": c.at(0)})
	agent := mcpToken(iss)
	for range 2 {
		if _, err := v.Verify(t.Context(), person, identity.API); err != nil {
			t.Fatal(err)
		}
		accepted(t, v, agent)
		refusedAs(t, v, person, identity.ErrAudience)
		p, err := v.Verify(t.Context(), agent, identity.API)
		refused(t, p, err, identity.ErrAudience)
	}
}

func TestRefusedTokenIsNotRememberedAsRefused(t *testing.T) {
	c, iss, v := setup(t)
	raw := iss.Mint(devissuer.Claims{"aud": mcpAudience, "nbf": c.at(2 * time.Minute)})
	refusedAs(t, v, raw, identity.ErrNotYetValid)
	c.Advance(time.Minute)
	accepted(t, v, raw)
}

func TestClockSetBackDoesNotReviveAToken(t *testing.T) {
	c, iss, v := setup(t)
	raw := iss.Mint(devissuer.Claims{"aud": mcpAudience, "iat": c.at(0), "exp": c.at(time.Minute)})
	accepted(t, v, raw)
	c.Advance(-time.Hour) // before it was issued
	p, err := v.Verify(t.Context(), raw, identity.MCP)
	refused(t, p, err, identity.ErrNotYetValid)
}

func TestManyCallersAtOnce(t *testing.T) {
	c, iss, v := setup(t)
	var callers sync.WaitGroup
	for n := range 8 {
		callers.Go(func() {
			for range 20 {
				raw := mcpToken(iss)
				if n == 0 {
					if err := iss.Rotate("", true); err != nil {
						t.Error(err)
					}
					c.Advance(time.Second)
				}
				_, err := v.Verify(t.Context(), raw, identity.MCP)
				if err != nil && !errors.Is(err, identity.ErrSignature) { // a key younger than the last fetch
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
}
