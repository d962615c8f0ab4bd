package masking

import (
	"encoding/binary"
	"strings"
)

// A table says where in a text something may begin. The scanner looks at every second pair of adjacent bytes, so that
// clean text costs one look-up per two bytes: any single byte of interest stands in one of the pairs looked at, and so
// does, whether it begins at an even or an odd offset, one chosen pair of every literal of three or more bytes. Of the
// pairs a literal offers, the rarest in ordinary text is chosen. Read-only once built.
type table struct {
	pair    [1 << 16]uint8 // bucket of the pair b0 | b1<<8; 0: nothing can be here
	buckets []bucket       // at most 256
	off     [kinds]bool
	// numeric: a literal is filed under a pair of digits and their separators, so that numbers cannot be skipped.
	numeric bool
}

// bucket is what a pair may belong to. Pairs may share one, so whoever is called looks again.
type bucket struct {
	flags  flags
	places []place
}

type flags uint8

const (
	flagDigits flags = 1 << iota // two digits, or one and a dot
	flagAt                       // an @
	flagView                     // a byte that may spell another
)

// literal is a fixed text that makes a look at its surroundings worthwhile.
type literal struct {
	text string // at least three bytes
	fold bool   // ASCII case does not matter; text is lower case
	do   action
	arg  int // of the action: which rule
}

// place is a literal seen at a pair that lies off bytes after its start.
type place struct {
	*literal
	off int
}

func newTable(off [kinds]bool, secrets []literal) *table {
	t := &table{off: off}
	var flag [1 << 16]flags
	for p := range flag {
		c, d := byte(p), byte(p>>8)
		if isDigit(c) && (isDigit(d) || d == '.') || c == '.' && isDigit(d) {
			flag[p] |= flagDigits
		}
		if c == '@' || d == '@' {
			flag[p] |= flagAt
		}
		if byteClass[c]&mayEncode != 0 || byteClass[d]&mayEncode != 0 {
			flag[p] |= flagView
		}
	}
	places := map[uint16][]place{}
	for i := range literals {
		enter(places, &literals[i])
	}
	for i := range secrets {
		enter(places, &secrets[i])
	}
	t.buckets = make([]bucket, 8, 256) // the first eight: pairs with flags alone
	for p := range flag {
		t.buckets[flag[p]].flags = flag[p]
		t.pair[p] = uint8(flag[p])
	}
	next := len(t.buckets)
	for p := range flag { // in a fixed order, though nothing depends on it
		list := places[uint16(p)]
		if len(list) == 0 {
			continue
		}
		if next == 256 {
			next = 8
		}
		if next == len(t.buckets) {
			t.buckets = append(t.buckets, bucket{})
		}
		t.numeric = t.numeric || inNumber(byte(p)) && inNumber(byte(p>>8))
		b := &t.buckets[next]
		b.flags |= flag[p]
		b.places = append(b.places, list...)
		t.pair[p] = uint8(next)
		next++
	}
	return t
}

// enter files l under one pair for even and one for odd starts, in all spellings of the pair's case.
func enter(places map[uint16][]place, l *literal) {
	for parity := range 2 {
		best := -1
		for o := parity; o+2 <= len(l.text); o += 2 {
			if best < 0 || commonness(l.text[o:]) < commonness(l.text[best:]) {
				best = o
			}
		}
		for _, c := range cases(l.text[best], l.fold) {
			for _, d := range cases(l.text[best+1], l.fold) {
				p := uint16(c) | uint16(d)<<8
				places[p] = append(places[p], place{literal: l, off: best})
			}
		}
	}
}

func cases(c byte, fold bool) []byte {
	if fold && 'a' <= c && c <= 'z' {
		return []byte{c, c - 32}
	}
	return []byte{c}
}

// inNumber reports whether c may stand inside a region of numbers.
func inNumber(c byte) bool { return isDigit(c) || separates(c) }

// commonness of the pair that begins text in prose, JSON and logs, roughly. Pairs inside numbers are the last choice.
func commonness(text string) int {
	c := 1
	if inNumber(text[0]) && inNumber(text[1]) {
		c = 1000
	}
	for _, b := range []byte(text[:2]) {
		switch {
		case b == ' ':
			c *= 12
		case strings.IndexByte("etaoinsr", b) >= 0:
			c *= 10
		case 'a' <= b && b <= 'z', isDigit(b):
			c *= 6
		case strings.IndexByte("\",-.:/=", b) >= 0:
			c *= 5
		case isUpper(b), b == '_':
			c *= 2
		}
	}
	return c
}

// next returns the first offset from i on, in steps of two, whose pair is in the table, or len(src) or more.
func (t *table) next(src []byte, i int) int {
	for ; i+8 <= len(src); i += 8 {
		w := binary.LittleEndian.Uint64(src[i:])
		if t.pair[uint16(w)]|t.pair[uint16(w>>16)]|t.pair[uint16(w>>32)]|t.pair[uint16(w>>48)] == 0 {
			continue
		}
		switch {
		case t.pair[uint16(w)] != 0:
			return i
		case t.pair[uint16(w>>16)] != 0:
			return i + 2
		case t.pair[uint16(w>>32)] != 0:
			return i + 4
		}
		return i + 6
	}
	for ; i < len(src); i += 2 {
		if t.pair[pairAt(src, i)] != 0 {
			return i
		}
	}
	return i
}

// pairAt is the pair at i; after the last byte stands a NUL.
func pairAt(src []byte, i int) uint16 {
	if i+1 < len(src) {
		return uint16(src[i]) | uint16(src[i+1])<<8
	}
	return uint16(src[i])
}
