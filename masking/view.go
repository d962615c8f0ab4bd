package masking

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A view is what a text reads once what is spelled in other characters is spelled plainly: escapes decoded, widths and
// digits of other scripts made ASCII, invisible characters and terminal colours left out. pos[i] is where in the original
// text byte i comes from; pos has one more element, the length of the original.
type view struct {
	text []byte
	pos  []int32
}

// maxLayers is how many times decoding is applied to its own result.
const maxLayers = 3

// decoded searches what src reads when decoded, layer by layer, and notes the spans where they stand in src.
func (s *scan) decoded(src []byte) {
	if len(src) > 1<<31-1 {
		s.add(0, len(src), kindSecret) // offsets would overflow; nothing that long is released anyway
		return
	}
	from := view{text: src}
	for layer := 0; layer < maxLayers && s.encoded; layer++ {
		s.spare.decode(from)
		s.view, s.spare = s.spare, s.view
		if bytes.Equal(s.view.text, from.text) {
			return
		}
		s.encoded = false
		first := len(s.spans)
		s.pass(s.view.text)
		for i := first; i < len(s.spans); i++ {
			p := &s.spans[i]
			last := s.view.pos[p.end-1]
			for p.end < len(s.view.text) && s.view.pos[p.end] == last {
				p.end++ // one character of src can read as several
			}
			p.start, p.end = int(s.view.pos[p.start]), int(s.view.pos[p.end])
		}
		from = s.view
	}
}

// viewOf is the last layer's reading of text.
func viewOf(text []byte) []byte {
	v := view{text: text}
	for range maxLayers {
		var next view
		next.decode(view{text: v.text})
		v = next
	}
	return v.text
}

// decode makes v the view of from, one layer further.
func (v *view) decode(from view) {
	src := from.text
	v.text, v.pos = v.text[:0], v.pos[:0]
	origin := func(i int) int32 {
		if from.pos == nil {
			return int32(i)
		}
		return from.pos[i]
	}
	var buf [64]byte
	for i := 0; i < len(src); {
		out, n := buf[:0], 1
		if !is(src[i], mayEncode) {
			out = append(out, src[i])
		} else if src[i] < utf8.RuneSelf {
			out, n = decodeEscape(out, src[i:])
		} else {
			out, n = fold(out, src[i:])
		}
		for _, b := range out {
			v.text = append(v.text, b)
			v.pos = append(v.pos, origin(i))
		}
		i += n
	}
	v.pos = append(v.pos, origin(len(src)))
}

// spells reports whether the byte at i begins another character's spelling. Letters of the world's scripts that stand for
// themselves do not, so that ordinary text in any language is not decoded for nothing.
func spells(src []byte, i int) bool {
	if !is(src[i], mayEncode) {
		return false
	}
	var buf [64]byte
	if src[i] < utf8.RuneSelf {
		out, n := decodeEscape(buf[:0], src[i:])
		return n != 1 || len(out) != 1
	}
	if !utf8.RuneStart(src[i]) {
		return i == 0 || src[i-1] < utf8.RuneSelf // not UTF-8
	}
	r, n := utf8.DecodeRune(src[i:])
	if plainRune(r) {
		// Look-alikes matter where scripts are mixed within a word.
		return lookAlike[r] != 0 && (i > 0 && isAlnum(src[i-1]) || i+n < len(src) && isAlnum(src[i+n]))
	}
	return true
}

// plainRune reports whether r is a letter that compatibility normalisation leaves alone; not all are listed.
func plainRune(r rune) bool {
	return 0xC0 <= r && r <= 0x131 || 0x391 <= r && r <= 0x3C9 || 0x400 <= r && r <= 0x481 || 0x4E00 <= r && r <= 0x9FFF ||
		0x3041 <= r && r <= 0x3096 || 0x30A1 <= r && r <= 0x30FA || 0xAC00 <= r && r <= 0xD7A3
}

// lookAlike are the letters of other scripts that are drawn like a Latin one.
var lookAlike = func() map[rune]byte {
	m := map[rune]byte{}
	from, to := []rune("АВЕКМНОРСТХаеорсухіјѕԁАΑΒΕΖΗΙΚΜΝΟΡΤΥΧο"), "ABEKMHOPCTXaeopcyxijsdAABEZHIKMNOPTYXo"
	for i, r := range from {
		m[r] = to[i]
	}
	return m
}()

// fold appends the plain form of the first rune of src, and returns its length.
func fold(out, src []byte) ([]byte, int) {
	r, n := utf8.DecodeRune(src)
	switch {
	case r == utf8.RuneError && n <= 1:
		return append(out, src[0]), 1
	case lookAlike[r] != 0:
		return append(out, lookAlike[r]), n
	case plainRune(r):
		return append(out, src[:n]...), n
	case invisible(r):
		return out, n
	case unicode.Is(unicode.Pd, r) || r == 0x2212 || r == 0x2043:
		return append(out, '-'), n
	case unicode.Is(unicode.Zs, r):
		return append(out, ' '), n
	case unicode.Is(unicode.Nd, r):
		zero := r // the ten digits of a script follow each other
		for unicode.Is(unicode.Nd, zero-1) && r-zero < 9 && digitValue(r) < 0 {
			zero--
		}
		if d := digitValue(r); d >= 0 {
			return append(out, byte('0'+d)), n
		}
		return append(out, byte('0'+(r-zero)%10)), n
	}
	if d := norm.NFKD.Properties(src).Decomposition(); d != nil {
		return append(out, d...), n
	}
	return append(out, src[:n]...), n
}

// digitValue is for the blocks of digits that stand next to other digits: the mathematical ones.
func digitValue(r rune) int {
	if 0x1D7CE <= r && r <= 0x1D7FF {
		return int(r-0x1D7CE) % 10
	}
	return -1
}

// invisible reports whether r is drawn as nothing or upon its neighbour, so that a reader, or the next program, may skip it.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me) || r == 0x115F || r == 0x1160 || r == 0x3164 || r == 0xFFA0 || 0x80 <= r && r < 0xA0
}

var entities = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'", "nbsp": " ", "commat": "@", "period": ".", "colon": ":",
	"sol": "/", "equals": "=", "plus": "+", "dash": "-", "hyphen": "-", "lowbar": "_", "shy": "", "zwnj": "", "zwj": "", "num": "#", "percnt": "%"}

// decodeEscape appends what the escape at the start of src stands for, and returns its length; one byte for itself when it
// is none.
func decodeEscape(out, src []byte) ([]byte, int) {
	switch src[0] {
	case '%':
		if r, ok := hexValue(src, 1, 2); ok {
			return append(out, byte(r)), 3
		}
	case '\\':
		return backslash(out, src)
	case '&':
		end := bytes.IndexByte(src[:min(len(src), 12)], ';')
		if end < 2 {
			break
		}
		if src[1] == '#' {
			if r, ok := number(src[2:end]); ok {
				return utf8.AppendRune(out, r), end + 1
			}
		} else if text, ok := entities[string(src[1:end])]; ok {
			return append(out, text...), end + 1
		}
	case 0x1b: // ECMA-48 control sequence: parameters, intermediates, final
		if len(src) > 1 && src[1] == '[' {
			i := 2
			for i < len(src) && 0x20 <= src[i] && src[i] < 0x40 {
				i++
			}
			return out, min(i+1, len(src))
		}
	}
	return append(out, src[0]), 1
}

// backslash decodes the escapes of JSON, C, JavaScript and PostgreSQL's bytea.
func backslash(out, src []byte) ([]byte, int) {
	if len(src) < 2 {
		return append(out, src[0]), 1
	}
	switch c := src[1]; c {
	case 'u':
		if r, ok := hexValue(src, 2, 4); ok {
			if lo, ok := hexValue(src, 8, 4); ok && 0xD800 <= r && r < 0xDC00 && 0xDC00 <= lo && lo < 0xE000 && src[6] == '\\' && src[7] == 'u' {
				return utf8.AppendRune(out, 0x10000+(r-0xD800)<<10+lo-0xDC00), 12
			}
			return utf8.AppendRune(out, r), 6
		}
		if end := bytes.IndexByte(src[:min(len(src), 12)], '}'); end > 3 && src[2] == '{' {
			if r, ok := hexValue(src, 3, end-3); ok {
				return utf8.AppendRune(out, r), end + 1
			}
		}
	case 'U':
		if r, ok := hexValue(src, 2, 8); ok {
			return utf8.AppendRune(out, r), 10
		}
	case 'x':
		if r, ok := hexValue(src, 2, 2); ok {
			return append(out, byte(r)), 4
		}
	case 'n', 'r', 't', 'f', 'v':
		return append(out, ' '), 2
	case '"', '\'', '\\', '/':
		return append(out, c), 2
	}
	if len(src) >= 4 && src[1] <= '3' && isOctal(src[1]) && isOctal(src[2]) && isOctal(src[3]) {
		return append(out, (src[1]-'0')<<6|(src[2]-'0')<<3|(src[3]-'0')), 4
	}
	return append(out, src[0]), 1
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }

// hexValue reads n hexadecimal digits at i.
func hexValue(src []byte, i, n int) (rune, bool) {
	if i+n > len(src) || n < 1 || n > 8 {
		return 0, false
	}
	var v uint32
	for _, c := range src[i : i+n] {
		if !is(c, hexDigit) {
			return 0, false
		}
		if d := c - '0'; d < 10 {
			v = v<<4 | uint32(d)
		} else {
			v = v<<4 | uint32(lower(c)-'a'+10)
		}
	}
	return rune(v & 0x7fffffff), true
}

// number reads the number of an HTML character reference.
func number(b []byte) (rune, bool) {
	if len(b) > 1 && lower(b[0]) == 'x' {
		return hexValue(b, 1, len(b)-1)
	}
	v := rune(0)
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		v = v*10 + rune(c-'0')
	}
	return v, len(b) > 0 && len(b) <= 7
}
