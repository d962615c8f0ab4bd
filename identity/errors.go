package identity

import "errors"

// The ways a token is refused. Callers test with [errors.Is]; what Verify returns wraps one of these with a fixed
// sentence, and never contains the token, a claim or anything else the caller sent.
var (
	ErrMissing        error = &refusal{"token-missing", "no bearer token: send one in the Authorization header"}
	ErrMalformed      error = &refusal{"token-malformed", "the bearer token is not a well-formed signed JWT"}
	ErrAlgorithm      error = &refusal{"token-algorithm", "the token is not signed with RS256, ES256 or EdDSA"}
	ErrIssuer         error = &refusal{"token-issuer", "the token comes from an issuer that is not configured"}
	ErrSignature      error = &refusal{"token-signature", "the token's signature does not verify with the issuer's keys"}
	ErrExpired        error = &refusal{"token-expired", "the token has expired: obtain a new one"}
	ErrNotYetValid    error = &refusal{"token-not-yet-valid", "the token is not valid yet: compare the clocks of the issuer and the gateway"}
	ErrLifetime       error = &refusal{"token-lifetime", "the token is valid for longer than max_token_lifetime allows"}
	ErrAudience       error = &refusal{"token-audience", "the token was issued for something else"}
	ErrClaims         error = &refusal{"token-claims", "the token's claims are missing, ambiguous or not those of an access token"}
	ErrDelegated      error = &refusal{"token-delegated", "a token that acts for somebody else cannot be used here"}
	ErrNotInteractive error = &refusal{"token-not-interactive", "the token does not prove a recent interactive login: log in again"}

	// ErrUnavailable means that nothing can be said about the token: the issuer's discovery document or keys could not
	// be read. The same token may be good later.
	ErrUnavailable error = &refusal{"issuer-unavailable", "the token's issuer cannot be reached to check it: retry later"}
)

type refusal struct{ slug, text string }

func (r *refusal) Error() string { return r.text }

// Reason is the stable slug of an error from this package, for records and metrics: "token-expired",
// "issuer-unavailable" and so on. It is "" for nil and "internal" for any other error.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	var r *refusal
	if errors.As(err, &r) {
		return r.slug
	}
	return "internal"
}
