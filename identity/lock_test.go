package identity_test

import (
	"testing"
	"time"

	"sallyport/identity"
)

func TestWhoIsLockedOut(t *testing.T) {
	now := time.Now()
	p := &identity.Principal{Issuer: "https://idp", Subject: "maria", Agent: "claude", Client: "desktop", Chain: []string{"claude", "planner"}}
	for name, tt := range map[string]struct {
		lock identity.Lock
		want bool
	}{
		"the person":                    {identity.Lock{Subject: "maria"}, true},
		"the agent":                     {identity.Lock{Agent: "claude"}, true},
		"an agent behind the agent":     {identity.Lock{Agent: "planner"}, true},
		"the client":                    {identity.Lock{Client: "desktop"}, true},
		"the person through this agent": {identity.Lock{Subject: "maria", Agent: "claude"}, true},
		"the person through another":    {identity.Lock{Subject: "maria", Agent: "codex"}, false},
		"another person":                {identity.Lock{Subject: "mario"}, false},
		"of another issuer":             {identity.Lock{Issuer: "https://other", Subject: "maria"}, false},
		"of this issuer":                {identity.Lock{Issuer: "https://idp", Subject: "maria"}, true},
		"an issuer alone":               {identity.Lock{Issuer: "https://idp"}, false},
		"nobody":                        {identity.Lock{}, false},
		"expired":                       {identity.Lock{Subject: "maria", Expires: now}, false},
		"for a while":                   {identity.Lock{Subject: "maria", Expires: now.Add(time.Minute)}, true},
	} {
		if got := tt.lock.Covers(p, now); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
