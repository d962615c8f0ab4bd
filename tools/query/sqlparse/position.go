package sqlparse

import "unicode/utf8"

// positions turns byte offsets into 1-based character positions.
type positions struct {
	chars []int32 // of each byte offset; nil when the text is ASCII
	size  int
}

func newPositions(sql string) positions {
	p := positions{size: len(sql)}
	if utf8.RuneCountInString(sql) == len(sql) {
		return p
	}
	p.chars = make([]int32, len(sql)+1)
	n := int32(0)
	for i := range len(sql) {
		if utf8.RuneStart(sql[i]) {
			n++
		}
		p.chars[i] = n
	}
	p.chars[len(sql)] = n + 1
	return p
}

// at is 0 for an offset that is outside the text; -1 is the parser's "none".
func (p positions) at(offset int) int {
	if offset < 0 || offset > p.size {
		return 0
	}
	if p.chars == nil {
		return offset + 1
	}
	return int(p.chars[offset])
}
