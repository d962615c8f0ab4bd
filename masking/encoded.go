package masking

import "unicode/utf8"

// Text in base64 or hexadecimal is undone, searched, and hidden as a whole when there is something in it.

const (
	minRun     = 12 // shorter stretches encode less than the shortest thing looked for
	minDecoded = 6  // a@b.io
	maxDepth   = 3
)

const encodedByte = base64std | base64url

// nextRun returns where the first stretch of at least minRun encoded bytes from i on begins, or -1. It looks at one byte in
// minRun and walks back from there, so that text made of words costs little.
func nextRun(src []byte, i int) int {
	for p := i + minRun - 1; p < len(src); {
		q := p
		for q >= i && byteClass[src[q]]&encodedByte != 0 {
			if q--; p-q == minRun {
				for q >= i && byteClass[src[q]]&encodedByte != 0 {
					q--
				}
				return q + 1
			}
		}
		i = q + 1
		p = q + minRun
	}
	return -1
}

// runs looks into every long stretch of encoded bytes.
func (s *scan) runs(src []byte) {
	if s.depth >= maxDepth {
		return
	}
	for i := nextRun(src, 0); i >= 0; {
		end := s.open(src, i)
		i = nextRun(src, end)
	}
}

// open decodes the stretch that begins at i and searches the result. It returns where the stretch ends.
func (s *scan) open(src []byte, i int) int {
	end := wrapped(src, i)
	body := src[i:end]
	for end < len(src) && src[end] == '=' && end-i-len(body) < 2 {
		end++
	}
	if s.opens(body) {
		s.add(i, end, s.inside)
	}
	return end
}

// opens reports whether body decodes to something to hide, and leaves its kind in s.inside. The encoded part may begin
// after something else: \x, 0x, or a name and a joining character.
func (s *scan) opens(body []byte) bool {
	for skip := range min(4, len(body)) {
		if s.holds(appendBase64(s.plain[:0], body[skip:])) {
			return true
		}
		if skip <= 2 && s.holds(appendHex(s.plain[:0], body[skip:])) {
			return true
		}
	}
	tries := 0
	for k := 3; k < len(body)-minRun && k < 64 && tries < 4; k++ {
		if isAlnum(body[k]) {
			continue
		}
		tries++
		if s.holds(appendBase64(s.plain[:0], body[k+1:])) || s.holds(appendHex(s.plain[:0], body[k+1:])) {
			return true
		}
	}
	return false
}

// holds searches what was decoded. Other bytes than text decode to text for a few bytes only.
func (s *scan) holds(plain []byte) bool {
	s.plain = plain
	for len(plain) > 0 && plain[len(plain)-1] >= utf8.RuneSelf && !utf8.Valid(plain) {
		plain = plain[:len(plain)-1] // a character that was cut, or the first byte of what is no text
	}
	if len(plain) < minDecoded || s.t.next(plain, 0) >= len(plain) && nextRun(plain, 0) < 0 || !utf8.Valid(plain) {
		return false
	}
	inner := borrow(s.t, "")
	defer inner.release()
	inner.depth = s.depth + 1
	if !inner.find(plain) {
		return false
	}
	s.inside = inner.spans[0].kind
	return true
}

// wrapped returns the end of the stretch at i, continued over line ends when its lines are as long as encoders make them.
func wrapped(src []byte, i int) int {
	end := run(src, i, encodedByte)
	for line := end - i; line >= 60 && end < len(src); {
		next := end
		for next < len(src) && (src[next] == '\n' || src[next] == '\r') {
			next++
		}
		stop := run(src, next, encodedByte)
		if next == end || stop == next {
			break
		}
		line, end = stop-next, stop
	}
	return end
}

var base64Value = func() (v [256]int8) {
	for i := range v {
		v[i] = -1
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		v[c] = int8(i)
	}
	v['-'], v['_'] = 62, 63
	return v
}()

// appendBase64 decodes as much of src as gives text: it stops at the first byte that is none, which in what is not base64
// is nearly always among the first three.
func appendBase64(dst, src []byte) []byte {
	var acc uint32
	bits := 0
	for _, c := range src {
		v := base64Value[c]
		if v < 0 {
			continue // a line end
		}
		acc = acc<<6 | uint32(v)
		if bits += 6; bits >= 8 {
			bits -= 8
			b := byte(acc >> bits)
			if !printable(b) {
				return dst
			}
			dst = append(dst, b)
		}
	}
	return dst
}

// appendHex is the same for hexadecimal.
func appendHex(dst, src []byte) []byte {
	for i := 0; i+2 <= len(src); i += 2 {
		if src[i] == '\n' || src[i] == '\r' {
			i--
			continue
		}
		v, ok := hexValue(src, i, 2)
		if !ok || !printable(byte(v)) {
			return dst
		}
		dst = append(dst, byte(v))
	}
	return dst
}

func printable(b byte) bool {
	return b >= 0x20 && b < 0x7f || b >= 0xC2 && b < 0xF5 || b >= 0x80 && b < 0xC0 || b == '\n' || b == '\t' || b == '\r'
}
