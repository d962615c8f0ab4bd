package masking

// Classes of bytes, looked up instead of compared.
const (
	digit     uint16 = 1 << iota
	alpha            // ASCII letter
	base64url        // letter, digit, - and _
	base64std        // letter, digit, + and /
	hexDigit
	atext     // may stand in the local part of an address, unquoted, without the dot
	hostByte  // may stand in a host name
	mayEncode // begins a spelling of something else: \ % & ESC and everything not ASCII
	blank     // space, tab, line ends
	highByte  // not ASCII
)

var byteClass = func() (c [256]uint16) {
	for i := range 256 {
		b := byte(i)
		letter := 'a' <= b|0x20 && b|0x20 <= 'z'
		number := '0' <= b && b <= '9'
		if number {
			c[i] |= digit
		}
		if letter {
			c[i] |= alpha
		}
		if letter || number {
			c[i] |= base64url | base64std | atext | hostByte
		}
		if number || 'a' <= b|0x20 && b|0x20 <= 'f' {
			c[i] |= hexDigit
		}
		if b >= 0x80 {
			c[i] |= atext | hostByte | mayEncode | highByte
		}
	}
	set := func(class uint16, bytes string) {
		for _, b := range []byte(bytes) {
			c[b] |= class
		}
	}
	set(base64url, "-_")
	set(base64std, "+/")
	set(atext, "!#$%&'*+-/=?^_`{|}~")
	set(hostByte, "-")
	set(mayEncode, "\\%&\x1b")
	set(blank, " \t\r\n")
	return c
}()

func isDigit(c byte) bool { return c-'0' < 10 }

func is(c byte, class uint16) bool { return byteClass[c]&class != 0 }

func isAlnum(c byte) bool { return is(c, digit|alpha) }

// run returns the end of the longest stretch of src from i on whose bytes are all of class.
func run(src []byte, i int, class uint16) int {
	for i < len(src) && byteClass[src[i]]&class != 0 {
		i++
	}
	return i
}

// runBack returns the start of the longest stretch of src before end, of at most limit bytes, whose bytes are all of class.
func runBack(src []byte, end, limit int, class uint16) int {
	i := end
	for i > 0 && end-i < limit && byteClass[src[i-1]]&class != 0 {
		i--
	}
	return i
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 32
	}
	return c
}

// hasFold reports whether text, lower case, stands in src at i.
func hasFold(src []byte, i int, text string) bool {
	if i < 0 || i+len(text) > len(src) {
		return false
	}
	for j := range len(text) {
		if lower(src[i+j]) != text[j] {
			return false
		}
	}
	return true
}
