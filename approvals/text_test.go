package approvals

import (
	"strings"
	"testing"
)

func TestWhatCannotBeSeenIsWrittenOut(t *testing.T) {
	for name, tt := range map[string]struct {
		in, want string
		hidden   bool
	}{
		"plain":                    {"UPDATE t SET a = 'é' -- 漢字", "UPDATE t SET a = 'é' -- 漢字", false},
		"line breaks and tabs":     {"a\n\tb", "a\n\tb", false},
		"carriage return":          {"safe\rDROP", `safe\u{d}DROP`, true},
		"escape sequence":          {"\x1b[2K", `\u{1b}[2K`, true},
		"right-to-left override":   {"a\u202eb", `a\u{202e}b`, true},
		"isolates":                 {"\u2066x\u2069", `\u{2066}x\u{2069}`, true},
		"marks of direction":       {"\u200e\u200f\u061c", `\u{200e}\u{200f}\u{61c}`, true},
		"zero width":               {"DR\u200bOP\u2060\ufeff", `DR\u{200b}OP\u{2060}\u{feff}`, true},
		"tags":                     {"x\U000e0041", `x\u{e0041}`, true},
		"soft hyphen":              {"a\u00adb", `a\u{ad}b`, true},
		"variation selector":       {"a\ufe0f", `a\u{fe0f}`, true},
		"blank letters":            {"a\u3164\u115f\u2800b", `a\u{3164}\u{115f}\u{2800}b`, true},
		"spaces that are none":     {"a\u00a0b\u3000c", `a\u{a0}b\u{3000}c`, true},
		"line separators":          {"a\u2028b\u2029", `a\u{2028}b\u{2029}`, true},
		"not UTF-8":                {"a\xffb", `a\u{fffd}b`, true},
		"private use":              {"\ue000", `\u{e000}`, true},
		"a tower of accents":       {"a\u0301\u0301\u0301\u0301", "a\u0301\u0301" + `\u{301}\u{301}`, true},
		"a gap that pushes away":   {"a" + strings.Repeat(" ", 300) + "; DROP", `a \u{20}x300 ; DROP`, true},
		"an indentation that does": {strings.Repeat(" ", 12) + "a", strings.Repeat(" ", 12) + "a", false},
	} {
		if got := Reveal(tt.in); got.Text != tt.want || got.Hidden != tt.hidden {
			t.Errorf("%s: %q hidden %v, want %q %v", name, got.Text, got.Hidden, tt.want, tt.hidden)
		}
	}
}

func TestWordsOfTwoAlphabetsAreFound(t *testing.T) {
	got := Reveal("SELECT * FROM \u0440ublic.orders JOIN orders, \u03bfrders, привет_мир WHERE naïve").Mixed
	if len(got) != 2 || got[0] != `\u{440}ublic` || got[1] != `\u{3bf}rders` {
		t.Errorf("%q", got)
	}
}
