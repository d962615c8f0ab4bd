package mcpserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth bounds nesting: a message needs four levels, a JSON document inside arguments a few more.
const maxDepth = 64

// The ways a body can have more than one reading, or none. They name no value.
var (
	errNotObject  = errors.New("not one JSON object (batches are not accepted)")
	errSyntax     = errors.New("not valid JSON")
	errUTF8       = errors.New("not valid UTF-8, or a lone surrogate escape")
	errDepth      = errors.New("nested too deeply")
	errDuplicate  = errors.New("a key occurs twice in one object, exactly or in another letter case")
	errTrailing   = errors.New("something follows the JSON object")
	errProtoCase  = errors.New("a protocol key is written in another letter case")
	errNoMethod   = errors.New("method is missing or not a string")
	errNotVersion = errors.New(`jsonrpc is not "2.0"`)
	errBadID      = errors.New("id is not a string or an integer")
	errBadParams  = errors.New("params is not an object")
	errAnswer     = errors.New("an answer, but nothing was asked")
)

// checkStrict reports why body is not one JSON object with exactly one reading: parsers differ in which of two equal keys
// wins, whether "SQL" is "sql" and what a lone surrogate is, and an attacker would let policy read one thing and the
// target another. What it accepts every correct parser reads alike.
func checkStrict(body []byte) error {
	if !utf8.Valid(body) {
		return errUTF8
	}
	s := scanner{b: body}
	s.space()
	if s.peek() != '{' {
		return errNotObject
	}
	if err := s.value(0); err != nil {
		return err
	}
	s.space()
	if s.i != len(body) {
		return errTrailing
	}
	return nil
}

// scanner walks JSON text once.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) value(depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	switch c := s.peek(); {
	case c == '{':
		return s.object(depth)
	case c == '[':
		return s.array(depth)
	case c == '"':
		_, err := s.str()
		return err
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return errSyntax
}

func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.b[s.i:], []byte(w)) {
		return errSyntax
	}
	s.i += len(w)
	return nil
}

func (s *scanner) array(depth int) error {
	s.i++
	s.space()
	if s.peek() == ']' {
		s.i++
		return nil
	}
	for {
		s.space()
		if err := s.value(depth + 1); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			s.i++
			return nil
		default:
			return errSyntax
		}
	}
}

func (s *scanner) object(depth int) error {
	s.i++
	s.space()
	if s.peek() == '}' {
		s.i++
		return nil
	}
	var seen keys
	for {
		s.space()
		raw, err := s.str()
		if err != nil {
			return err
		}
		if !seen.add(decodeKey(raw)) {
			return errDuplicate
		}
		s.space()
		if s.peek() != ':' {
			return errSyntax
		}
		s.i++
		s.space()
		if err := s.value(depth + 1); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.i++
		case '}':
			s.i++
			return nil
		default:
			return errSyntax
		}
	}
}

// str passes a string and returns it raw, quotes included.
func (s *scanner) str() ([]byte, error) {
	if s.peek() != '"' {
		return nil, errSyntax
	}
	start := s.i
	for s.i++; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[start:s.i], nil
		case c < 0x20:
			return nil, errSyntax
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		}
	}
	return nil, errSyntax
}

// escape passes an escape; on return i is at its last byte.
func (s *scanner) escape() error {
	s.i++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
	default:
		return errSyntax
	}
	hi, ok := s.hex()
	switch {
	case !ok:
		return errSyntax
	case 0xDC00 <= hi && hi <= 0xDFFF:
		return errUTF8
	case hi < 0xD800 || hi > 0xDBFF:
		return nil
	}
	if s.i+2 >= len(s.b) || s.b[s.i+1] != '\\' || s.b[s.i+2] != 'u' {
		return errUTF8
	}
	s.i += 2
	if lo, ok := s.hex(); !ok || lo < 0xDC00 || lo > 0xDFFF {
		return errUTF8
	}
	return nil
}

// hex reads the four digits after the 'u' at i.
func (s *scanner) hex() (v rune, ok bool) {
	if s.i+4 >= len(s.b) {
		return 0, false
	}
	for _, c := range s.b[s.i+1 : s.i+5] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	s.i += 4
	return v, true
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.i++
	}
	switch c := s.peek(); {
	case c == '0':
		s.i++
	case '1' <= c && c <= '9':
		s.digits()
	default:
		return errSyntax
	}
	if s.peek() == '.' {
		s.i++
		if !s.digits() {
			return errSyntax
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.i++
		if c := s.peek(); c == '+' || c == '-' {
			s.i++
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.i
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.i++
	}
	return s.i > start
}

// keys are the folded keys of one object. Few are compared in turn, many are hashed: a body of a hundred thousand keys
// must not cost their square.
type keys struct {
	few  [16]string
	n    int
	many map[string]bool
}

func (k *keys) add(key string) bool {
	f := fold(key)
	if k.many != nil {
		if k.many[f] {
			return false
		}
		k.many[f] = true
		return true
	}
	for _, have := range k.few[:k.n] {
		if have == f {
			return false
		}
	}
	if k.n < len(k.few) {
		k.few[k.n] = f
		k.n++
		return true
	}
	k.many = map[string]bool{f: true}
	for _, have := range k.few {
		k.many[have] = true
	}
	return true
}

// fold maps keys that encoding/json takes for the same field to the same text. That is more than letter case: U+017F is
// an s, U+212A a k.
func fold(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf {
			return strings.Map(foldRune, s)
		}
	}
	return s
}

func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least < utf8.RuneSelf { // the orbit of an ASCII letter: by its lower-case form
		return foldRune(least)
	}
	return least
}

// decodeKey decodes a checked raw string.
func decodeKey(raw []byte) string {
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			if json.Unmarshal(raw, &s) != nil { // cannot happen: raw was checked
				return string(raw)
			}
			return s
		}
	}
	return string(inner)
}

// members calls f for each member of obj, an object that passed checkStrict: the decoded key and where its value stands
// in obj. It stops at f's first error.
func members(obj []byte, f func(key string, from, to int) error) error {
	s := scanner{b: obj}
	s.space()
	if s.peek() != '{' {
		return errNotObject
	}
	s.i++
	for s.space(); s.peek() == '"'; s.space() {
		raw, err := s.str()
		if err != nil {
			return err
		}
		s.space()
		s.i++ // ':'
		s.space()
		from := s.i
		if err := s.skip(); err != nil {
			return err
		}
		if err := f(decodeKey(raw), from, s.i); err != nil {
			return err
		}
		s.space()
		if s.peek() == ',' {
			s.i++
		}
	}
	return nil
}

// skip passes a checked value without looking into it.
func (s *scanner) skip() error {
	for depth := 0; s.i < len(s.b); {
		switch s.b[s.i] {
		case '"':
			if _, err := s.str(); err != nil {
				return err
			}
		case '{', '[':
			depth++
			s.i++
			continue
		case '}', ']':
			if depth == 0 {
				return nil
			}
			depth--
			s.i++
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return nil
			}
			s.i++
			continue
		default:
			s.i++
			continue
		}
		if depth == 0 {
			return nil
		}
	}
	return nil
}
