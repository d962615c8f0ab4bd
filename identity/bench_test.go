package identity_test

import (
	"maps"
	"testing"
	"time"

	"sallyport/identity"
	"sallyport/identity/devissuer"
)

// benchToken is of the size that identity providers send: about 700 bytes.
func benchToken(c *clock, iss *devissuer.Issuer, more devissuer.Claims) string {
	claims := devissuer.Claims{
		"sub": "3f1f7c1e-8c0a-4c1b-9f5e-0c8f4c1d2e3b", "aud": mcpAudience, "azp": "claude-code", "scope": "query exec http",
		"groups": []string{"support-agents", "sre", "platform-engineering"}, "email": "maria@example.com", "name": "Maria Example",
		"jti": "5c2a1b9e-77aa-4f0c-8a43-7b0d9e5f1c2d", "auth_time": c.at(-time.Hour), "act": map[string]string{"sub": "agent-7"},
	}
	maps.Copy(claims, more)
	return iss.Mint(claims)
}

func BenchmarkVerifyCached(b *testing.B) {
	c, iss, v := setup(b)
	raw := benchToken(c, iss, nil)
	ctx := b.Context()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(ctx, raw, identity.MCP); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyCachedParallel(b *testing.B) {
	c, iss, v := setup(b)
	raw := benchToken(c, iss, nil)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := v.Verify(ctx, raw, identity.MCP); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkVerifyFirst is a token's first call: a wrong signature costs the same.
func BenchmarkVerifyFirst(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			c := newClock()
			iss := newIssuer(b, c, alg)
			v := newVerifier(b, configFor(c, iss))
			tokens := make([]string, 64)
			for n := range tokens {
				tokens[n] = benchToken(c, iss, devissuer.Claims{"aud": apiAudience, "auth_time": nil, "act": nil})
			}
			ctx := b.Context()
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				// The last check refuses them, so nothing is remembered.
				v.Verify(ctx, tokens[n%len(tokens)], identity.API)
				n++
			}
		})
	}
}
