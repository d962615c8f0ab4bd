package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxJSONDepth bounds nesting of a body the agent sends.
const maxJSONDepth = 64

// The ways a document has no reading, or more than one.
var (
	errNotUTF8   = errors.New("is not UTF-8, or holds half of a surrogate pair")
	errNotJSON   = errors.New("is not one JSON value")
	errTwoKeys   = errors.New("holds a key twice in one object, exactly or in another letter case; parsers differ in which one wins")
	errTooNested = errors.New("is nested too deeply")
)

// strictJSON reports why b is not one JSON value that every correct parser reads alike. What policy looked at is then
// what the target sees.
func strictJSON(b []byte) error {
	if !utf8.Valid(b) || loneSurrogate(b) {
		return errNotUTF8
	}
	if !json.Valid(b) {
		return errNotJSON
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber() // no opinion on the size of numbers
	return strictValue(dec, 0)
}

// strictValue consumes one value.
func strictValue(dec *json.Decoder, depth int) error {
	if depth > maxJSONDepth {
		return errTooNested
	}
	tok, err := dec.Token()
	if err != nil {
		return errNotJSON
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	keys := map[string]bool{}
	for dec.More() {
		if open == '{' {
			key, err := dec.Token()
			if err != nil {
				return errNotJSON
			}
			k := foldKey(key.(string)) // json.Valid: a member starts with a string
			if keys[k] {
				return errTwoKeys
			}
			keys[k] = true
		}
		if err := strictValue(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return errNotJSON
	}
	return nil
}

// foldKey maps keys that some decoder takes for the same field to one text. Go's own folds more than ASCII: U+017F is an
// s to it and U+212A a k.
func foldKey(k string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return unicode.ToLower(r)
		}
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return unicode.ToLower(least)
	}, k)
}

// loneSurrogate finds a \uD800-\uDFFF escape that is not one half of a pair: parsers replace, keep or refuse it.
func loneSurrogate(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		hi, ok := escapeAt(b, i)
		switch {
		case !ok:
			i++ // the escaped character, maybe a backslash
		case 0xD800 <= hi && hi < 0xDC00:
			if lo, ok := escapeAt(b, i+6); !ok || lo < 0xDC00 || lo > 0xDFFF {
				return true
			}
			i += 11
		case 0xDC00 <= hi && hi <= 0xDFFF:
			return true
		default:
			i += 5
		}
	}
	return false
}

// escapeAt reads \uHHHH at i.
func escapeAt(b []byte, i int) (r rune, ok bool) {
	if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
		return 0, false
	}
	for _, c := range b[i+2 : i+6] {
		if !isHex(c) {
			return 0, false
		}
		r = r<<4 | rune(unhex(c))
	}
	return r, true
}

// decodeNumbers decodes strict JSON with numbers kept as written.
func decodeNumbers(b []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}
