package approvals

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Revealed is text of strangers, made safe to read: what cannot be seen, or changes how the rest is seen, is written as \u{hex}.
type Revealed struct {
	Text   string
	Hidden bool     // something was written as an escape
	Mixed  []string // words with letters of more than one alphabet, those that are not Latin as escapes
}

// longRun is from how many spaces on a run is written as a number: wide gaps push text out of view.
const longRun = 16

// Reveal makes text visible, for people who decide on it. Line breaks and tabs stay; a carriage return does not, because it can overprint.
func Reveal(text string) Revealed {
	r := Revealed{Mixed: mixedWords(text)}
	r.Text, r.Hidden = escape(text)
	return r
}

func escape(text string) (visible string, hidden bool) {
	var b strings.Builder
	runes := []rune(text) // bytes that are not UTF-8 become U+FFFD, which is escaped
	marks := 0
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		if n := runOf(runes[i:], ' '); n >= longRun {
			fmt.Fprintf(&b, " \\u{20}x%d ", n)
			hidden = true
			i += n - 1
			continue
		}
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		if r == '\n' || r == '\t' || legible(r) && marks <= 2 {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, "\\u{%x}", r)
		hidden = true
	}
	return b.String(), hidden
}

// Line is text on one line, made visible.
func Line(text string) string {
	text, _ = escape(text)
	return oneLine.Replace(text)
}

var oneLine = strings.NewReplacer("\n", `\u{a}`, "\t", `\u{9}`)

func runOf(runes []rune, of rune) (n int) {
	for n < len(runes) && runes[n] == of {
		n++
	}
	return n
}

// legible reports whether a character is seen as itself. Letters, marks, digits, punctuation, symbols and the space are, except
// those that Unicode lists as ignorable, that choose how the one before looks, enclose it, or are blank letters.
func legible(r rune) bool {
	switch {
	case r < 0x7f:
		return r >= ' '
	case r == unicode.ReplacementChar, r == 0x2800, !unicode.IsPrint(r):
		return false
	case unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Me):
		return false
	}
	return true
}

// alphabets whose letters look like one another's.
var alphabets = map[string]*unicode.RangeTable{
	"Latin": unicode.Latin, "Cyrillic": unicode.Cyrillic, "Greek": unicode.Greek, "Armenian": unicode.Armenian,
	"Cherokee": unicode.Cherokee, "Coptic": unicode.Coptic, "Lisu": unicode.Lisu,
}

// mixedWords finds words in which letters of two alphabets stand together, each once, at most five.
func mixedWords(text string) (found []string) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, w := range words {
		in := map[string]bool{}
		var b strings.Builder
		for _, r := range w {
			if r < 0x80 {
				in["Latin"] = in["Latin"] || unicode.IsLetter(r)
				b.WriteRune(r)
				continue
			}
			for name, table := range alphabets {
				in[name] = in[name] || unicode.Is(table, r)
			}
			if unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) {
				fmt.Fprintf(&b, "\\u{%x}", r)
			} else {
				b.WriteRune(r)
			}
		}
		maps.DeleteFunc(in, func(_ string, is bool) bool { return !is })
		if len(in) > 1 && len(found) < 5 && !slices.Contains(found, b.String()) {
			found = append(found, b.String())
		}
	}
	return found
}
