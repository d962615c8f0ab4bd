package masking

// hintReach is how far before a value, in bytes on the same line, a word still tells what it is.
const hintReach = 48

// hinted reports whether one of words, whole, stands shortly before p or is part of the JSON member's name.
func (s *scan) hinted(p int, words []string) bool {
	from := max(0, p-hintReach)
	before := s.src[from:p]
	for i := len(before) - 1; i >= 0; i-- {
		if before[i] == '\n' {
			before = before[i+1:]
			break
		}
	}
	return names(before, words) || s.key != "" && names([]byte(s.key), words)
}

// names reports whether text holds one of words, in any case, with no letter beside it. Words in text may be joined by
// anything but letters, or by a change of case: cardNumber, card_number and CARD-NUMBER all hold "card".
func names(text []byte, words []string) bool {
	for i := 0; i < len(text); i++ {
		if i > 0 && is(text[i-1], alpha) && !(isUpper(text[i]) && !isUpper(text[i-1])) {
			continue
		}
		for _, w := range words {
			if !hasFold(text, i, w) {
				continue
			}
			e := i + len(w)
			if e == len(text) || !is(text[e], alpha) || isUpper(text[e]) && !isUpper(text[e-1]) {
				return true
			}
		}
	}
	return false
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// tells reports whether the name of a JSON member says something that a detector wants to know of its value.
func tells(name string) bool {
	b := []byte(name)
	if names(b, ssnWords) || names(b, cardWords) || names(b, ipWords) {
		return true
	}
	for i := range assigned {
		if assigned[i].named(b) {
			return true
		}
	}
	return false
}
