package masking

import (
	"bytes"
	"strings"
)

// assignment is a name whose value is a secret, wherever it is assigned: password=x, "api_key": "x", PASSWORD 'x',
// --token x, Authorization: Bearer x.
type assignment struct {
	name   string // lower case
	min    int    // bytes of the value, at least
	strict bool   // the value must also look random: the word is used for other things too
	after  bool   // the value follows after a blank alone
}

var assigned = []assignment{
	{name: "password", min: 4}, {name: "passwd", min: 4}, {name: "pwd=", min: 4}, {name: "passphrase", min: 4}, {name: "pgpass", min: 4},
	{name: "secret", min: 8, strict: true}, {name: "api_key", min: 8}, {name: "apikey", min: 8}, {name: "api-key", min: 8},
	{name: "access_key", min: 8, strict: true}, {name: "accesskey", min: 8, strict: true}, {name: "private_key", min: 8}, {name: "token", min: 12, strict: true},
	{name: "set-cookie:", min: 8, after: true}, {name: "authorization", min: 8},
	{name: "bearer ", min: 16, strict: true, after: true}, {name: "basic ", min: 12, strict: true, after: true},
}

// notValues are what stands after such a name without being a secret.
var notValues = []string{"null", "none", "nil", "true", "false", "undefined", "required", "optional", "string", "text", "varchar", "character", "bytes", "bool", "boolean", "int", "integer", "unknown", "redacted", "encrypted", "hidden", "empty", "default", "bearer", "basic", "file", "env"}

// assign looks for the value of the name that stands in src[i:end].
func (s *scan) assign(a *assignment, i, end int) {
	src := s.src
	j := end
	if !a.after && src[end-1] != '=' {
		j = run(src, end, base64url) // the rest of the name: password_production, secretKey
		if j-end > 40 || a.describes(src[end:j]) {
			return
		}
	}
	if j < len(src) && (src[j] == '"' || src[j] == '\'' || src[j] == '`' || src[j] == ']') {
		j++ // the quote after a name in JSON
	}
	gap := j
	j = skipBlanks(src, j)
	sign := a.after || src[end-1] == '='
	for j < len(src) && j-gap < 8 && (src[j] == '=' || src[j] == ':' || src[j] == '>') {
		j, sign = j+1, true
	}
	spaced := j < len(src) && src[j] == ' '
	j = skipBlanks(src, j)
	if j >= len(src) {
		return
	}
	start, stop, quoted := s.value(src, j)
	if !quoted && stop-start <= 7 && (bytes.EqualFold(src[start:stop], []byte("bearer")) || bytes.EqualFold(src[start:stop], []byte("basic")) || bytes.EqualFold(src[start:stop], []byte("token"))) {
		start, stop, quoted = s.value(src, skipBlanks(src, stop)) // the scheme of an Authorization header
	}
	if !sign && !(quoted && j > gap) && !(j > gap && i > 1 && src[i-1] == '-' && src[i-2] == '-') {
		return // prose, unless it is PASSWORD 'x' or --password x
	}
	v := src[start:stop]
	if len(v) < a.min || notSecret(v) {
		return
	}
	if (a.strict || spaced && !quoted) && !looksRandom(v) {
		return
	}
	s.add(start, stop, kindPassword)
}

// named treats the whole text as the value of the JSON member s.key.
func (s *scan) named(src []byte) {
	for i := range assigned {
		a := &assigned[i]
		if len(src) < a.min || notSecret(src) || a.strict && !looksRandom(src) {
			continue
		}
		if a.named([]byte(s.key)) {
			s.add(0, len(src), kindPassword)
			return
		}
	}
}

// named reports whether key names such a value.
func (a *assignment) named(key []byte) bool {
	name := strings.TrimRight(a.name, "=:")
	for k := 0; !a.after && k+len(name) <= len(key); k++ {
		if hasFold(key, k, name) && !a.describes(key[k+len(name):]) {
			return true
		}
	}
	return false
}

// aboutSecrets are the last words of names that tell something about a secret and do not hold it: password_changed_at.
var aboutSecrets = []string{"at", "on", "age", "count", "length", "len", "min", "max", "policy", "expires", "expiry", "changed", "updated", "reset",
	"required", "hint", "url", "uri", "id", "ids", "type", "enabled", "disabled", "file", "path", "ref", "endpoint", "name", "limit", "ttl", "method", "usage"}

// describes reports whether what follows the word in a name makes it one of those; so does the plural of a word that is used
// for other things too: max_tokens.
func (a *assignment) describes(rest []byte) bool {
	return a.strict && len(rest) > 0 && rest[0] == 's' || len(rest) > 1 && names(rest, aboutSecrets)
}

func skipBlanks(src []byte, i int) int {
	for i < len(src) && (src[i] == ' ' || src[i] == '\t') {
		i++
	}
	return i
}

// value returns the extent of the value at i: what stands between quotes, or a word.
func (s *scan) value(src []byte, i int) (start, end int, quoted bool) {
	if i >= len(src) {
		return i, i, false
	}
	if q := src[i]; q == '"' || q == '\'' || q == '`' {
		for end = i + 1; end < len(src) && src[end] != q && src[end] != '\n'; end++ {
			if src[end] == '\\' && end+1 < len(src) {
				end++
			}
		}
		return i + 1, min(end, len(src)), true
	}
	if i < s.wordStart || i > s.wordEnd {
		s.wordStart, s.wordEnd = i, i
		for s.wordEnd < len(src) && !is(src[s.wordEnd], blank) && strings.IndexByte(`,;"'&})<`, src[s.wordEnd]) < 0 {
			s.wordEnd++
		}
	}
	return i, s.wordEnd, false // the end of a word is the same from wherever in it one looks
}

// notSecret reports whether v stands for a value instead of being one: a placeholder, a reference, a type.
func notSecret(v []byte) bool {
	switch v[0] {
	case '$', '<', '{', '%', '?':
		return true
	case '[':
		return v[len(v)-1] == ']'
	}
	for _, n := range notValues {
		if len(v) >= len(n) && hasFold(v, 0, n) && (len(v) == len(n) || v[len(n)] == ':' || v[len(n)] == '(' || v[len(n)] == '.') {
			return true
		}
	}
	return len(bytes.Trim(v, "*.xX-_#")) == 0
}

// looksRandom reports whether v mixes what words do not mix: letters with digits, or case inside a word.
func looksRandom(v []byte) bool {
	var digits, letters, inner, other int
	v = v[:min(len(v), 256)]
	for i, c := range v {
		switch {
		case isDigit(c):
			digits++
		case is(c, alpha):
			letters++
			if i > 0 && isUpper(c) && !isUpper(v[i-1]) && is(v[i-1], alpha) {
				inner++
			}
		case !is(c, blank):
			other++
		}
	}
	return len(v) > 0 && bytes.IndexByte(v, ' ') < 0 && (digits > 0 && letters > 0 || inner > 1 || digits >= 12 || other > 1 && letters > 0 && digits > 0 || other > 2 && letters > 0)
}
