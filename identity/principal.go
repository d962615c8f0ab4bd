// Package identity answers: who is calling?
//
// It turns a bearer token into a [Principal], or refuses it. Tokens are OIDC/JWT access tokens of configured issuers
// (RFC 9068 in spirit, as issued in practice), verified with go-oidc. The human, the agent that acts for him and the
// OAuth client are three facts and stay three fields.
//
// There are two doors, MCP for agents and the API for people, each with its own audience; a token that carries both
// audiences opens neither. What cannot be read in one way only is refused: duplicate or case-variant keys, second spellings,
// groups kept elsewhere, client names that disagree. So are ID, refresh and logout tokens, and tokens bound to a key (DPoP, mTLS),
// whose proof is not checked here.
//
// It does not revoke: a token is good until it expires, which max_token_lifetime keeps near. A signing key that its issuer
// removed stops working, for remembered tokens too, when the keys are next read: within five minutes, or within a day
// while the issuer cannot be reached. An issuer that is down at the start is retried; meanwhile its tokens are refused.
package identity

import "time"

// Principal is a verified caller. Read-only after Verify; safe to share.
type Principal struct {
	Issuer  string   // iss
	Subject string   // sub: the human or service on whose behalf the call is made
	Groups  []string // sorted, without duplicates; from the issuer's configured claim
	Agent   string   // who acts: act.sub, else azp, else client_id; "" when the token names none
	Client  string   // azp or client_id: the OAuth client
	Chain   []string // every actor of nested act claims (RFC 8693 §4.1), outermost first
	Scopes  []string // OAuth scopes, sorted
	Claims  Claims   // the further claims that the issuer's configuration names; nil when the token has none of them
	Email   string   // display only
	Name    string   // display only

	Delegated bool      // the token has an act claim
	AuthTime  time.Time // last interactive login; zero when the token does not say
	Expires   time.Time

	// Token returns the token itself, where a surface passes it on for an exchange; nil otherwise. Verify does not set it: what it returns is
	// kept for the token's life. A function, so that nothing that prints or encodes a Principal has it.
	Token func() string `json:"-"`
}

// InGroup reports whether p has one of groups.
func (p *Principal) InGroup(groups ...string) bool {
	for _, g := range groups {
		for _, have := range p.Groups {
			if g == have {
				return true
			}
		}
	}
	return false
}
