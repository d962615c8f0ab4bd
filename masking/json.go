package masking

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

// JSON appends the JSON document src with what the detectors find replaced. Strings, member names too, stay strings and are
// searched as what they mean, not as they are escaped; numbers in which something is found become null, so that no value
// changes to a type a schema does not expect; everything else stays byte for byte, the spelling of numbers included. The
// name of a member tells what its value is: {"ssn": 123456789}. A src that is not one JSON document is appended as one JSON
// string, masked like Text.
func (m *Mask) JSON(dst, src []byte) []byte {
	if !utf8.Valid(src) {
		src = bytes.ToValidUTF8(src, []byte("\uFFFD")) // JSON is UTF-8; what is not would read differently to others
	}
	if !json.Valid(src) {
		return m.quoted(dst, src)
	}
	w := document{mask: m, src: src, dst: dst}
	w.value("")
	return append(w.dst, w.src[w.at:]...) // what is left is white space
}

// quoted appends text, masked, as a JSON string.
func (m *Mask) quoted(dst, text []byte) []byte {
	return appendQuoted(dst, m.text(nil, text, ""))
}

// document is a walk through a valid JSON document.
type document struct {
	mask  *Mask
	src   []byte
	at    int // next byte of src to be read
	dst   []byte
	plain []byte
	keys  map[string]string // names seen, and what they tell
}

// value copies the next value, which is that of the member key, or of one inside it.
func (w *document) value(key string) {
	w.blanks()
	switch c := w.src[w.at]; c {
	case '{':
		w.byte()
		for w.blanks(); w.src[w.at] != '}'; w.blanks() {
			if w.src[w.at] == ',' {
				w.byte()
				w.blanks()
			}
			name := w.name(w.text(""))
			w.blanks()
			w.byte() // the colon
			w.value(name)
		}
		w.byte()
	case '[':
		w.byte()
		for w.blanks(); w.src[w.at] != ']'; w.blanks() {
			if w.src[w.at] == ',' {
				w.byte()
			}
			w.value(key)
		}
		w.byte()
	case '"':
		w.text(key)
	case 't', 'f', 'n':
		end := run(w.src, w.at, alpha)
		w.dst = append(w.dst, w.src[w.at:end]...)
		w.at = end
	default:
		w.number(key)
	}
}

func (w *document) byte() {
	w.dst = append(w.dst, w.src[w.at])
	w.at++
}

func (w *document) blanks() {
	for w.at < len(w.src) && is(w.src[w.at], blank) {
		w.byte()
	}
}

// text copies the next string, masked, and returns what it was until the next call.
func (w *document) text(key string) []byte {
	start := w.at + 1
	end := start
	escaped := false
	for w.src[end] != '"' {
		if w.src[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	body := w.src[start:end]
	w.at = end + 1
	if !escaped {
		// A replacement needs no escape, so the result of masking needs none either.
		w.dst = append(w.dst, '"')
		w.dst = w.mask.text(w.dst, body, key)
		w.dst = append(w.dst, '"')
		return body
	}
	w.plain = appendUnescaped(w.plain[:0], body)
	masked := w.mask.text(nil, w.plain, key)
	if bytes.Equal(masked, w.plain) {
		w.dst = append(w.dst, w.src[start-1:end+1]...)
	} else {
		w.dst = appendQuoted(w.dst, masked)
	}
	return w.plain
}

// name returns a member's name when it can tell something about its value, else "". Most documents repeat few names.
func (w *document) name(b []byte) string {
	if len(b) > 64 {
		return ""
	}
	if told, ok := w.keys[string(b)]; ok {
		return told
	}
	name, told := string(b), ""
	if tells(name) {
		told = name
	}
	if w.keys == nil {
		w.keys = map[string]string{}
	}
	if len(w.keys) < 1000 { // a document may use values as names
		w.keys[name] = told
	}
	return told
}

// number copies the next number, or null in its place.
func (w *document) number(key string) {
	end := w.at
	for end < len(w.src) && (is(w.src[end], digit) || w.src[end] == '-' || w.src[end] == '+' || w.src[end] == '.' || w.src[end]|0x20 == 'e') {
		end++
	}
	n := w.src[w.at:end]
	w.at = end
	if w.mask.hides(n, key) {
		w.dst = append(w.dst, "null"...)
		return
	}
	w.dst = append(w.dst, n...)
}

// hides reports whether a number, or the integer that it is another spelling of, must not leave.
func (m *Mask) hides(n []byte, key string) bool {
	if len(n) < 4 || len(n) < 9 && key == "" {
		return false
	}
	s := borrow(m.engine.table.Load(), key)
	defer s.release()
	found := s.find(n)
	if !found && bytes.ContainsAny(n, ".eE") {
		if f, err := strconv.ParseFloat(string(n), 64); err == nil && f == math.Trunc(f) && math.Abs(f) >= 1e8 && math.Abs(f) < 1e19 {
			found = s.find(strconv.AppendFloat(nil, f, 'f', 0, 64))
		}
	}
	if found {
		m.count(classNames[s.spans[0].kind], WhyDetected, 1)
	}
	return found
}

// appendUnescaped appends what the body of a valid JSON string means. An unpaired surrogate becomes U+FFFD.
func appendUnescaped(dst, body []byte) []byte {
	for i := 0; i < len(body); i++ {
		c := body[i]
		if c != '\\' {
			dst = append(dst, c)
			continue
		}
		i++
		switch c = body[i]; c {
		case 'u':
			r, _ := hexValue(body, i+1, 4)
			i += 4
			if r >= 0xD800 && r < 0xDC00 && i+2 < len(body) && body[i+1] == '\\' && body[i+2] == 'u' {
				if lo, _ := hexValue(body, i+3, 4); lo >= 0xDC00 && lo < 0xE000 {
					r = 0x10000 + (r-0xD800)<<10 + lo - 0xDC00
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendQuoted appends text as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendQuoted(dst, text []byte) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRune(text[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
	}
	return append(dst, '"')
}
