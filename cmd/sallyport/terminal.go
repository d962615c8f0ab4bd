package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// style colours text when a terminal is there and NO_COLOR is not set (no-color.org).
type style struct{ on bool }

func styleOf(w io.Writer) style {
	f, ok := w.(*os.File)
	return style{on: ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (s style) paint(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(t string) string   { return s.paint("1", t) }
func (s style) dim(t string) string    { return s.paint("2", t) }
func (s style) red(t string) string    { return s.paint("31", t) }
func (s style) green(t string) string  { return s.paint("32", t) }
func (s style) yellow(t string) string { return s.paint("33", t) }
func (s style) cyan(t string) string   { return s.paint("36", t) }

// verdict colours a word by what it means for the call.
func (s style) verdict(word string) string {
	switch word {
	case "ok", "allow", "approved", "yes", "consumed":
		return s.green(word)
	case "ask", "pending", "approval_pending", "limited", "request":
		return s.yellow(word)
	case "denied", "deny", "failed", "error", "unknown", "no", "expired", "stale":
		return s.red(word)
	}
	return word
}

// table prints rows under a header with aligned columns. Cells hold text of ours or text already made visible.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the table; paint may colour a cell after it is padded.
func (t *table) print(w io.Writer, s style, paint func(column int, cell string) string) {
	width := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	line := func(row []string, f func(int, string) string) {
		var b strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i == len(row)-1 {
				pad = ""
			}
			b.WriteString(f(i, c) + pad)
			if i < len(row)-1 {
				b.WriteString("  ")
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
	line(t.header, func(_ int, c string) string { return s.dim(c) })
	for _, row := range t.rows {
		line(row, paint)
	}
}

// visible makes text that came from an agent or a target safe to print on a terminal: control characters, bidi controls and
// invisible characters are written as escapes. Line breaks stay when multiline is true.
func visible(text string, multiline bool) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' && multiline, r == '\t':
			b.WriteRune(r)
		case r < 0x20, r >= 0x7f && r < 0xa0, r == 0xad, r == utf8.RuneError,
			r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0x61c, r == 0xfeff,
			r >= 0xe0000 && r <= 0xe007f, r >= 0xfe00 && r <= 0xfe0f:
			fmt.Fprintf(&b, "\\u{%x}", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
