package masking

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

// Labelled appends the replacement of a value that comes from a column labelled class, whatever the value looks like:
//
//	redact     [us_ssn]
//	pseudonym  email_ and 20 letters; equal for equal values of the class in the session, so that answers can be joined
//	partial    ****1111 of a card, [a***]@example.com, DE****3000 of an IBAN; the last four of other values of at least
//	           eight characters. What is not of its class, and a class of which a part tells too much, is redacted.
//	null       nothing, ok is false
//
// Any other method redacts. All of them scan clean. The empty value is replaced like any other.
func (m *Mask) Labelled(dst, src []byte, class, method string) (out []byte, ok bool) {
	class = tidy(class)
	m.count(class, WhyColumn, 1)
	switch method {
	case Null:
		return dst, false
	case Pseudonym:
		return m.engine.pseudonym(dst, m.session, class, src), true
	case Partial:
		if out, ok := partial(dst, src, class); ok {
			return out, true
		}
	}
	dst = append(dst, '[')
	dst = append(dst, class...)
	return append(dst, ']'), true
}

// tidy makes a class safe to stand in a replacement.
func tidy(class string) string {
	b := []byte(class)
	for i, c := range b {
		if b[i] = lower(c); !isAlnum(c) {
			b[i] = '_'
		}
	}
	if len(b) == 0 || len(b) > 40 {
		return "value"
	}
	return string(b)
}

// A pseudonym ends in 16 letters of the value's keyed hash, 64 bits, and 4 of a keyed hash of these, by which the gateway
// knows its own pseudonyms when one comes back in a write. Letters only, and no vowels: they contain no number or word that
// a detector could take for something.
const (
	letters     = "bcdfghjklmnpqrst"
	valueChars  = 16
	checkChars  = 4
	pseudonymed = valueChars + checkChars
)

func (e *Engine) pseudonym(dst []byte, session, class string, src []byte) []byte {
	h := hmac.New(sha256.New, e.pseudonyms)
	for _, part := range [][]byte{[]byte(session), []byte(class), canonical(src, class)} {
		var n [8]byte // lengths first, so that no two inputs are the same bytes
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	dst = append(append(dst, class...), '_')
	at := len(dst)
	dst = appendLetters(dst, h.Sum(nil), valueChars)
	return appendLetters(dst, e.check(dst[at:]), checkChars)
}

func (e *Engine) check(value []byte) []byte {
	h := hmac.New(sha256.New, e.checks)
	h.Write(value)
	return h.Sum(nil)
}

func appendLetters(dst, hash []byte, n int) []byte {
	for i := range n {
		dst = append(dst, letters[hash[i/2]>>(4*(i%2))&15])
	}
	return dst
}

// canonical is the form in which two spellings of the same value are equal.
func canonical(src []byte, class string) []byte {
	src = bytes.TrimSpace(src)
	keep := func(class uint16) []byte {
		var out []byte
		for _, c := range src {
			if is(c, class) {
				out = append(out, lower(c))
			}
		}
		if len(out) == 0 {
			return src
		}
		return out
	}
	switch class {
	case Email:
		return bytes.ToLower(src)
	case PaymentCard, USSSN, USITIN:
		return keep(digit)
	case IBAN:
		return keep(digit | alpha)
	}
	return src
}

func partial(dst, src []byte, class string) ([]byte, bool) {
	src = bytes.TrimSpace(src)
	const minKept = 8 // shorter values would be half told
	switch class {
	case USSSN, USITIN, Password, Secret, PrivateKey, JWT, APIKey:
		return dst, false
	case PaymentCard:
		d := canonical(src, class)
		if len(d) < 12 || len(d) > 19 || !luhn(d) {
			return dst, false
		}
		return append(append(dst, "****"...), d[len(d)-4:]...), true
	case Email:
		at := bytes.LastIndexByte(src, '@')
		s := scan{src: src}
		if at < 1 || s.domain(at+1) != len(src) {
			return dst, false
		}
		r, _ := utf8.DecodeRune(src)
		dst = append(append(dst, '['), string(unicode.ToLower(r))...)
		return append(append(dst, "***]"...), src[at:]...), true
	case IBAN:
		if len(src) < 15 || !is(src[0], alpha) || !is(src[1], alpha) {
			return dst, false
		}
		if end, ok := ibanAt(src, 0); !ok || end != len(src) {
			return dst, false
		}
		b := bytes.ToUpper(canonical(src, class))
		return append(append(append(dst, b[:2]...), "****"...), b[len(b)-4:]...), true
	}
	runes := []rune(string(src))
	significant := 0
	for _, r := range runes {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			significant++
		}
	}
	if significant < minKept {
		return dst, false
	}
	return append(append(dst, "****"...), string(runes[len(runes)-4:])...), true
}

// Placeholder reports whether value, a literal or a parameter of a write, contains a replacement this installation made,
// in this session or another: writing it would destroy what it stands for.
func (e *Engine) Placeholder(value []byte) bool {
	for _, p := range placeholders {
		if bytes.Contains(value, []byte(p)) {
			return true
		}
	}
	for i := 0; i+1+pseudonymed <= len(value); i++ {
		if value[i] != '_' {
			continue
		}
		v := value[i+1 : i+1+pseudonymed]
		if len(bytes.Trim(v, letters)) == 0 && bytes.Equal(appendLetters(nil, e.check(v[:valueChars]), checkChars), v[valueChars:]) {
			return true
		}
	}
	return false
}
