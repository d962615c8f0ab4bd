package exec

import (
	"bytes"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"sallyport/tools"
)

// slack is how much is read past the byte limit, so that a secret that stands across it is seen whole by the mask.
const slack = 4 << 10

// output is one stream of a command. It holds at most limit+slack bytes.
type output struct {
	limit int
	buf   []byte
	total int64 // bytes seen, those not kept included
}

// take keeps what fits and reports whether the limit was passed.
func (o *output) take(p []byte) (full bool) {
	o.total += int64(len(p))
	o.buf = append(o.buf, p[:min(len(p), o.limit+slack-len(o.buf))]...)
	return o.total > int64(o.limit)
}

func (o *output) cut() bool { return o.total > int64(o.limit) }

// text returns the stream as what the agent may see. Order matters: escape sequences go first, because one inside a
// secret (grep --color) would hide it from the mask; the mask sees the stream as one piece; only then is it cut.
func (o *output) text(m tools.Mask) (clean, masked []byte) {
	clean = cleaned(o.buf)
	masked = m.Text(nil, clean)
	if o.cut() {
		masked = shorten(masked, o.limit)
	}
	return clean, masked
}

// shorten cuts a masked text whose raw form ran past its limit. The end of it was itself cut somewhere inside a word, so
// it ends at a line, or, in a text without lines, well before the cut.
func shorten(b []byte, limit int) []byte {
	b = b[:min(len(b), limit)]
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 && len(b)-i <= slack {
		return b[:i+1]
	}
	b = b[:max(0, len(b)-slack)]
	for len(b) > 0 && !utf8.Valid(b[max(0, len(b)-utf8.UTFMax):]) && !utf8.RuneStart(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return bytes.ToValidUTF8(b, nil)
}

// binary says what kind of data a stream is when it is not text.
func (o *output) binary() (kind string, is bool) {
	sample := o.buf[:min(len(o.buf), 8<<10)]
	odd := 0
	for i := 0; i < len(sample); {
		r, n := utf8.DecodeRune(sample[i:])
		switch {
		case r == utf8.RuneError && n == 1 && len(sample)-i >= utf8.UTFMax:
			odd++
		case r < ' ' && !strings.ContainsRune("\x00\a\b\t\n\v\f\r\x1b", r):
			odd++
		}
		i += n
	}
	// A few stray bytes are a text in another encoding; NUL separates names in honest output (find -print0).
	if zeros := bytes.Count(sample, []byte{0}); zeros > 0 && zeros*4 > len(sample) {
		odd += zeros
	}
	if odd*20 <= len(sample) {
		return "", false
	}
	kind, _, _ = strings.Cut(http.DetectContentType(sample), ";")
	if strings.HasPrefix(kind, "text/") {
		kind = "application/octet-stream"
	}
	return kind, true
}

// cleaned is what a person would read: without terminal sequences and invisible characters, other control characters as
// their visible pictures, always valid UTF-8.
func cleaned(b []byte) []byte {
	if plain(b) {
		return b
	}
	out := make([]byte, 0, len(b)+len(b)/8)
	for i := 0; i < len(b); {
		if n := escape(b[i:]); n > 0 {
			i += n
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		i += n
		switch {
		case r == '\n' || r == '\t':
			out = append(out, byte(r))
		case r == '\r':
			if i < len(b) && b[i] != '\n' {
				out = append(out, '\n') // a progress bar paints over itself: one line for each state
			}
		case r < ' ':
			out = utf8.AppendRune(out, 0x2400+r) // ␀ and its kin
		case r == 0x7f:
			out = utf8.AppendRune(out, 0x2421)
		case unicode.Is(unicode.Cf, r) || unicode.IsControl(r) || unicode.Is(unicode.Variation_Selector, r) || r >= 0xE0000 && r <= 0xE0FFF:
			// invisible, or changes the direction of what stands around it
		default:
			out = utf8.AppendRune(out, r) // RuneError for an invalid byte
		}
	}
	return out
}

// plain: printable ASCII with line ends and tabs needs nothing.
func plain(b []byte) bool {
	for _, c := range b {
		if c >= 0x7f || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// escape returns the length of the terminal sequence (ECMA-48) that b begins with, 0 when it begins with none.
func escape(b []byte) int {
	if len(b) < 2 || b[0] != 0x1b {
		return 0
	}
	switch b[1] {
	case '[': // CSI: parameters, then one final byte
		for i := 2; i < len(b); i++ {
			if b[i] >= 0x40 && b[i] <= 0x7e {
				return i + 1
			}
			if b[i] < 0x20 || b[i] > 0x3f {
				return i // broken off: what follows is text
			}
		}
		return len(b)
	case ']', 'P', 'X', '^', '_': // OSC, DCS, SOS, PM, APC: a string up to BEL or ST
		for i := 2; i < len(b) && i < 4096; i++ {
			if b[i] == 0x07 {
				return i + 1
			}
			if b[i] == 0x1b && i+1 < len(b) && b[i+1] == '\\' {
				return i + 2
			}
		}
		return 2
	default:
		if b[1] >= 0x20 && b[1] <= 0x2f { // three bytes: a character set
			return min(3, len(b))
		}
		return 2
	}
}
