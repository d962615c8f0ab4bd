package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Claims are verified claims of the caller's token by name, each a JSON string, true, false, number, or list of strings. Values of
// another kind match nothing.
type Claims map[string]json.RawMessage

// hasOneOf: the claim is one of wanted, or a list with one of them in it.
func (c Claims) hasOneOf(name string, wanted map[string]bool) bool {
	raw, ok := c[name]
	if !ok {
		return false
	}
	if v := canonicalClaim(raw); v != "" {
		return wanted[v]
	}
	var list []*string // pointers, because null decodes into a string as ""
	if json.Unmarshal(raw, &list) != nil || slices.Contains(list, nil) {
		return false
	}
	return slices.ContainsFunc(list, func(s *string) bool { return wanted[canonicalText(*s)] })
}

// canonicalClaim writes one JSON value the one way it is compared: a string, true, false, or a number. "" is anything else.
func canonicalClaim(raw []byte) string {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return ""
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return ""
	}
	switch v := v.(type) {
	case string:
		return canonicalText(v)
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return canonicalNumber(v)
	}
	return ""
}

// canonicalNumber: 3, 3.0 and 3e0 are one number. What float64 cannot tell from its neighbours matches nothing.
func canonicalNumber(n json.Number) string {
	f, err := n.Float64()
	if err != nil || f >= 1<<53 || f <= -(1<<53) {
		return ""
	}
	return strconv.FormatFloat(f+0, 'f', -1, 64)
}

func canonicalText(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}

// term is what Rego sees: an object, empty when there are none. A value that is not JSON is null.
func (c Claims) term() *ast.Term {
	if len(c) == 0 {
		return ast.InternedEmptyObject
	}
	fields := make([]field, 0, len(c))
	for name, raw := range c {
		v, err := ast.ValueFromReader(bytes.NewReader(raw))
		if err != nil {
			v = ast.Null{}
		}
		fields = append(fields, field{name, ast.NewTerm(v)})
	}
	return object(fields...)
}
