package identity

import "time"

// Lock keeps somebody out until it expires or is lifted, whatever his tokens say: a person, an agent, a client, or the combination of
// them that it names. Times are UTC.
type Lock struct {
	ID      string    `json:"id"`
	Issuer  string    `json:"iss,omitempty"` // "" is every issuer
	Subject string    `json:"sub,omitempty"`
	Agent   string    `json:"agent,omitempty"`
	Client  string    `json:"client,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	By      string    `json:"by"` // issuer#subject of the operator
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: until it is lifted
}

// Names reports whether l names anybody. One that does not would lock out everybody, and covers nobody.
func (l *Lock) Names() bool { return l.Subject != "" || l.Agent != "" || l.Client != "" }

// Covers reports whether p is locked out at a time: everything that l names is p's. An agent is also met in the chain of those who act.
func (l *Lock) Covers(p *Principal, now time.Time) bool {
	if !l.Names() || !l.Expires.IsZero() && !now.Before(l.Expires) {
		return false
	}
	for _, c := range []struct{ named, is string }{{l.Issuer, p.Issuer}, {l.Subject, p.Subject}, {l.Client, p.Client}} {
		if c.named != "" && c.named != c.is {
			return false
		}
	}
	if l.Agent == "" || l.Agent == p.Agent {
		return true
	}
	for _, actor := range p.Chain {
		if l.Agent == actor {
			return true
		}
	}
	return false
}
