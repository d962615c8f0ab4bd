package identity_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/identity"
	"sallyport/identity/devissuer"
)

// A principal carries the claims its issuer's configuration names and no others, and of those only what can be compared as a whole.
func TestFurtherClaims(t *testing.T) {
	c := newClock()
	iss := newIssuer(t, c, "")
	cfg := configFor(c, iss)
	cfg.Issuers[0].Claims = []string{"department", "tier", "level", "employee", "manager", "nothing", "mixed", "odd", "many", "absent"}
	v := newVerifier(t, cfg)
	p, err := v.Verify(t.Context(), iss.Mint(devissuer.Claims{
		"sub": "maria", "aud": mcpAudience, "department": "finance", "tier": []string{"gold", "silver"}, "level": 3, "employee": true,
		"manager": map[string]any{"name": "finance"}, "nothing": nil, "mixed": []any{"gold", 1}, "odd": "fin\u200bance", "many": strings.Split(strings.Repeat("x,", 300)+"x", ","),
		"salary": 70000,
	}), identity.MCP)
	if err != nil {
		t.Fatal(err)
	}
	want := identity.Claims{
		"department": json.RawMessage(`"finance"`), "tier": json.RawMessage(`["gold","silver"]`), "level": json.RawMessage("3"), "employee": json.RawMessage("true"),
	}
	if d := cmp.Diff(want, p.Claims); d != "" {
		t.Error(d)
	}
}

func TestNoFurtherClaimsByDefault(t *testing.T) {
	_, iss, v := setup(t)
	p, err := v.Verify(t.Context(), iss.Mint(devissuer.Claims{"sub": "maria", "aud": mcpAudience, "department": "finance"}), identity.MCP)
	if err != nil || p.Claims != nil {
		t.Errorf("%v, %v", p, err)
	}
}
