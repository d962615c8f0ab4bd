package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxToken = 16 << 10 // bytes of the compact serialization
	maxDepth = 16       // nesting of JSON in header and claims
	maxKeyID = 256      // bytes
)

// unverified is a token taken apart. Nothing in it is proven: it serves to find the issuer and the key, and to refuse
// what no honest issuer sends, before any of it reaches a library that might read it differently.
type unverified struct {
	alg, kid string
	payload  []byte
	claims   object
}

// object is a JSON object with its exact keys; values are valid JSON.
type object map[string]json.RawMessage

// parse reads the JWS compact serialization only (RFC 7515 §7.1), in its one canonical spelling. Errors: [ErrMalformed],
// [ErrAlgorithm], [ErrClaims].
func parse(raw string) (*unverified, error) {
	parts := strings.Split(raw, ".")
	if len(raw) > maxToken || len(parts) != 3 {
		return nil, ErrMalformed
	}
	header, err := segment(parts[0])
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	fields, err := parseObject(header)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	t := &unverified{}
	if err := t.readHeader(fields); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if t.payload, err = segment(parts[1]); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	if t.claims, err = parseObject(t.payload); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	if _, err := segment(parts[2]); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return t, nil
}

func (t *unverified) readHeader(h object) error {
	var err error
	if t.alg, err = h.text("alg"); err != nil || t.alg == "" {
		return ErrAlgorithm
	}
	// The closed list comes first: "none" and HS256 (a public key used as a shared secret) end here, whatever else
	// the header says.
	if !allowed(t.alg) {
		return ErrAlgorithm
	}
	if t.kid, err = h.text("kid"); err != nil || len(t.kid) > maxKeyID {
		return fmt.Errorf("kid: %w", ErrMalformed)
	}
	typ, err := h.text("typ")
	if err != nil {
		return fmt.Errorf("typ: %w", ErrMalformed)
	}
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "", "jwt", "at+jwt": // RFC 9068 §4; many issuers write JWT or nothing
	default:
		return fmt.Errorf("typ is neither JWT nor at+jwt: %w", ErrClaims)
	}
	// crit and b64 change what is signed, jwk brings its own key: an issuer of access tokens needs none of them. Pointers to keys (jku, x5u)
	// and names of keys are never followed, only compared.
	for _, name := range []string{"crit", "b64", "jwk"} {
		if _, ok := h[name]; ok {
			return fmt.Errorf("%s is not supported: %w", name, ErrMalformed)
		}
	}
	return nil
}

// segment decodes one part. Strict, because a second spelling of the same bytes would be a second token for whoever counts
// or revokes by its text.
func segment(s string) ([]byte, error) {
	if s == "" || strings.ContainsAny(s, "\r\n") { // encoding/base64 skips line ends
		return nil, ErrMalformed
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, ErrMalformed // err would quote the input's position only, but says nothing useful either
	}
	return b, nil
}

var errDuplicate = errors.New("duplicate key")

// parseObject reads one JSON object in which every key is there once. At the top, keys that differ only in case count as
// the same: encoding/json, and so go-oidc, would take either for the claim.
func parseObject(b []byte) (object, error) {
	if !utf8.Valid(b) || !json.Valid(b) {
		return nil, ErrMalformed
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := distinct(dec, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrMalformed)
	}
	var o object
	if err := json.Unmarshal(b, &o); err != nil || o == nil {
		return nil, ErrMalformed
	}
	return o, nil
}

// distinct consumes one value and fails on an object with a duplicate key, at any depth.
func distinct(dec *json.Decoder, depth int) error {
	tok, err := dec.Token()
	if err != nil {
		return errors.New("not JSON")
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return errors.New("nested too deeply")
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			tok, err := dec.Token()
			key, ok := tok.(string)
			if err != nil || !ok {
				return errors.New("not JSON")
			}
			if depth == 0 {
				key = strings.Map(fold, key)
			}
			if seen[key] {
				return errDuplicate
			}
			seen[key] = true
		}
		if err := distinct(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token() // the closing one
	return err
}

// fold maps the runes that encoding/json takes for the same to one of them: also U+017F for s and U+212A for k, which
// lower-casing does not.
func fold(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

var errShape = errors.New("wrong type")

// text is the string called name; "" when there is none. A value of another type, null included, is an error.
func (o object) text(name string) (string, error) {
	raw, ok := o[name]
	if !ok {
		return "", nil
	}
	if raw[0] != '"' {
		return "", errShape
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", errShape
	}
	return s, nil
}

// texts is the list of strings called name, or the single string as a list of one; nil when there is none.
func (o object) texts(name string) ([]string, error) {
	raw, ok := o[name]
	if !ok {
		return nil, nil
	}
	if raw[0] == '"' {
		s, err := o.text(name)
		return []string{s}, err
	}
	if raw[0] != '[' {
		return nil, errShape
	}
	var items []*string // pointers, because null decodes into a string as ""
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, errShape
	}
	list := make([]string, len(items))
	for i, item := range items {
		if item == nil {
			return nil, errShape
		}
		list[i] = *item
	}
	return list, nil
}
