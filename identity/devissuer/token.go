package devissuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/go-jose/go-jose/v4"
)

// Claims of a token, by name; any JSON value. A nil value leaves out a claim that Mint would have added.
type Claims map[string]any

// Header fields of a token that replace or join alg, kid and typ. A nil value leaves the field out.
type Header map[string]any

type key struct {
	id     string
	alg    jose.SignatureAlgorithm
	signer crypto.Signer
}

// Rotate makes a new key of alg (RS256, ES256, EdDSA; "" keeps the algorithm) that signs from now on. The older keys stay in the
// JWK set when keep, and are gone otherwise.
func (i *Issuer) Rotate(alg string, keep bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if alg == "" {
		alg = string(i.keys[len(i.keys)-1].alg)
	}
	k := key{id: fmt.Sprintf("dev-%d", i.made+1), alg: jose.SignatureAlgorithm(alg)}
	var err error
	switch k.alg {
	case jose.RS256:
		k.signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.ES256:
		k.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, k.signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		return fmt.Errorf("devissuer: alg is not one of RS256, ES256, EdDSA")
	}
	if err != nil {
		return fmt.Errorf("devissuer: make key: %w", err)
	}
	i.made++
	if !keep {
		i.keys = nil
	}
	i.keys = append(i.keys, k)
	return nil
}

// PublicKey is the current key's public half: *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey.
func (i *Issuer) PublicKey() crypto.PublicKey {
	return i.current().signer.Public()
}

func (i *Issuer) current() key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

// Mint signs c with the current key, as a JWT access token. iss, iat, exp and sub ("dev") are added where c does not have
// them; there is no default audience. It panics on claims that are not JSON.
func (i *Issuer) Mint(c Claims) string { return i.MintWith(nil, c) }

// MintWith is Mint with other header fields than the honest ones, to make tokens that must be refused.
func (i *Issuer) MintWith(h Header, c Claims) string {
	now := i.now()
	all := Claims{"iss": i.url, "sub": "dev", "iat": now.Unix(), "exp": now.Add(i.lifetime).Unix()}
	maps.Copy(all, c)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	if err != nil {
		panic("devissuer: claims are not JSON: " + err.Error())
	}
	return i.Sign(h, payload)
}

// Sign signs payload as it is, JSON or not, with the current key.
func (i *Issuer) Sign(h Header, payload []byte) string {
	k := i.current()
	header := Header{"alg": k.alg, "kid": k.id, "typ": "JWT"}
	maps.Copy(header, h)
	opts := &jose.SignerOptions{}
	for name, v := range header {
		if v != nil {
			opts.WithHeader(jose.HeaderKey(name), v) // alg too: go-jose writes what it is told and signs with the key's own
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.alg, Key: k.signer}, opts)
	if err != nil {
		panic("devissuer: " + err.Error())
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		panic("devissuer: sign: " + err.Error())
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		panic("devissuer: serialize: " + err.Error())
	}
	return raw
}

func (i *Issuer) jwks() jose.JSONWebKeySet {
	i.mu.Lock()
	defer i.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, k := range i.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.signer.Public(), KeyID: k.id, Algorithm: string(k.alg), Use: "sig"})
	}
	return set
}
