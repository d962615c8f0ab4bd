package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeys    = 100  // of one issuer; a token without kid is tried against each
	minRSABits = 2048 // RFC 7518 §3.3
)

// algorithms is the closed list of what may sign a token: asymmetric only.
var algorithms = []jose.SignatureAlgorithm{oidc.RS256, oidc.ES256, oidc.EdDSA}

func allowed(alg string) bool { return slices.Contains(algorithms, jose.SignatureAlgorithm(alg)) }

// keySet is what an issuer published at one time. Read-only after parseKeys.
type keySet struct {
	keys []signingKey
}

type signingKey struct {
	id    string
	alg   string // the one algorithm this key may be used with, decided by its type and never by a token
	key   crypto.PublicKey
	print string // RFC 7638 thumbprint, to see whether the set changed
}

// errUnknownKey: none of the keys is the one the token names. A newer set may have it.
var errUnknownKey = errors.New("the issuer's keys do not include the token's")

// parseKeys reads a JWK set (RFC 7517 §5). Keys for other uses and of other types are left out; private and
// symmetric ones too, so nothing that an outsider might know can ever verify a token.
func parseKeys(body []byte) (*keySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &raw); err != nil || raw.Keys == nil {
		return nil, errors.New("the answer is not a JWK set")
	}
	if len(raw.Keys) > maxKeys {
		return nil, fmt.Errorf("the JWK set has more than %d keys", maxKeys)
	}
	set := &keySet{}
	for _, r := range raw.Keys {
		var jwk jose.JSONWebKey
		if json.Unmarshal(r, &jwk) != nil || jwk.Use != "" && jwk.Use != "sig" {
			continue
		}
		alg := algorithmOf(jwk.Key)
		if alg == "" || jwk.Algorithm != "" && jwk.Algorithm != alg {
			continue
		}
		thumb, err := jwk.Thumbprint(crypto.SHA256)
		if err != nil {
			continue
		}
		set.keys = append(set.keys, signingKey{id: jwk.KeyID, alg: alg, key: jwk.Key, print: hex.EncodeToString(thumb)})
	}
	return set, nil
}

func algorithmOf(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			return oidc.RS256
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return oidc.ES256
		}
	case ed25519.PublicKey:
		return oidc.EdDSA
	}
	return ""
}

// verify returns the payload that one of the keys signed. Errors: [errUnknownKey], [ErrAlgorithm], [ErrSignature],
// [ErrMalformed].
func (s *keySet) verify(raw string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, ErrMalformed
	}
	kid, alg := jws.Signatures[0].Header.KeyID, jws.Signatures[0].Header.Algorithm
	err = errUnknownKey
	for _, k := range s.keys {
		switch {
		case kid != "" && kid != k.id:
			continue
		case k.alg != alg:
			if kid != "" && err == errUnknownKey {
				err = ErrAlgorithm // the named key exists, for another algorithm
			}
			continue
		}
		if payload, verr := jws.Verify(k.key); verr == nil {
			return payload, nil
		}
		if kid != "" {
			err = ErrSignature // the named key says no; asking the issuer again would not help
		}
	}
	return nil, err
}

func (s *keySet) equal(o *keySet) bool {
	return o != nil && slices.EqualFunc(s.keys, o.keys, func(a, b signingKey) bool {
		return a.id == b.id && a.alg == b.alg && a.print == b.print
	})
}
