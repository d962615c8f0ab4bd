package slack

import "unicode/utf16"

// size is the length of text as Slack counts it at most: UTF-16 units.
func size(text string) int { return len(utf16.Encode([]rune(text))) }

// cut shortens text to at most n units, and says whether it had to.
func cut(text string, n int) (string, bool) {
	if size(text) <= n {
		return text, false
	}
	used := 0
	for i, r := range text {
		if used += utf16.RuneLen(r); used > n-1 {
			return text[:i] + "…", true
		}
	}
	return text, false
}
