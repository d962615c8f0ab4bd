package sqlparse

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"sallyport/tools"
)

// check refuses, on bytes, what must not reach a C parser: a text that PostgreSQL would not take, or that the parser, the
// server and a person would see differently. The parser's C string ends at a NUL while the record keeps the whole text.
func check(sql string, maxBytes int) error {
	refuse := func(problem, fix string) error { return &tools.ArgError{Field: "sql", Problem: problem, Fix: fix} }
	if len(sql) > maxBytes {
		return refuse(fmt.Sprintf("is %d bytes long, the limit is %d", len(sql), maxBytes), "send less, or bind values with params")
	}
	if strings.TrimSpace(sql) == "" {
		return refuse("is empty", "send one SQL statement")
	}
	if !utf8.ValidString(sql) {
		return refuse("is not valid UTF-8", "encode it as UTF-8")
	}
	position := 0
	for _, r := range sql {
		position++
		if unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' {
			return refuse(fmt.Sprintf("has the control character U+%04X at position %d", r, position), "bind such values with params")
		}
	}
	return nil
}
