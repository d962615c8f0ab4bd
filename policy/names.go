package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// This file compares names of objects with the operator's patterns, by look-up and never by searching: for a name, all patterns
// that would match it are spelled out (a two-part name has five), and a pattern matches when it is among them.
//
// A name has parts: public.orders, or public."odd.name" where a part holds a dot. In a list that allows, "*" stands for exactly one
// part. In a list that denies everything doubtful counts as a match: "*" stands for one or more parts, a pattern of one part is
// that name in every schema, and a name with more parts than maxParts is hit by every pattern with a "*" in it.

// maxParts bounds what is spelled out; databases have three. A longer name is allowed only by itself or "*".
const maxParts = 4

// columnParts is how many parts a pattern has, at least, that names a column: schema, table, column.
const columnParts = 3

// someColumn stands for a column nobody named: of an object that is touched as a whole it may be any.
const someColumn = "\x00column"

func namesColumn(pattern string) bool { return len(nameParts(pattern)) >= columnParts }

// opaque stands, among the forms of a name with too many parts, for every pattern with a "*".
const opaque = "?"

// patterns holds the operator's patterns in their canonical spelling.
type patterns map[string]bool

func newPatterns(list []string) patterns {
	p := make(patterns, len(list))
	for _, s := range list {
		p[spell(patternParts(s))] = true
	}
	return p
}

func newDenyPatterns(list []string) patterns {
	p := newPatterns(list)
	for _, s := range list {
		parts := patternParts(s)
		if slices.Contains(parts, star) {
			p[opaque] = true
		}
		if len(parts) >= columnParts {
			p[spell(append(slices.Clone(parts[:len(parts)-1]), someColumn))] = true
		}
	}
	return p
}

func (p patterns) any(forms []string) bool {
	return slices.ContainsFunc(forms, func(f string) bool { return p[f] })
}

func checkPattern(s string) error {
	if strings.TrimSpace(s) != s || s == "" {
		return fmt.Errorf("%q is empty or padded with spaces", s)
	}
	if strings.Contains(s, `"*"`) || strings.Contains(s, "\x00") {
		return fmt.Errorf("%q: a name that is a star cannot be written here; use schema.*", s)
	}
	for _, part := range patternParts(s) {
		if part == "" {
			return fmt.Errorf("%q has an empty part; write schema.name, schema.* or *", s)
		}
		if part != star && strings.Contains(part, "*") && !strings.Contains(s, `"`) {
			return fmt.Errorf(`%q: "*" stands for a whole part of a name; write schema.* or *`, s)
		}
		if strings.ContainsAny(part, "?[]{}") && !strings.Contains(s, `"`) {
			return errors.New(s + ": only * is special; put a name with such characters in double quotes")
		}
	}
	return nil
}

// ExactPattern is the pattern of ObjectsAllow that covers the object of this name and no other; ok is false when none can be written.
func ExactPattern(name string) (pattern string, ok bool) {
	if checkPattern(name) != nil || slices.Contains(patternParts(name), star) {
		return "", false
	}
	return name, true
}

// star marks a wildcard among parts; a name's own part "*" stays as it is.
const star = "\x00*"

func patternParts(s string) []string {
	parts := nameParts(s)
	for i, p := range parts {
		if p == "*" {
			parts[i] = star
		}
	}
	return parts
}

// nameParts splits at dots outside of double quotes and takes the quotes off. A name that is not quoted the way PostgreSQL does
// it is split at every dot.
func nameParts(s string) []string {
	if !strings.Contains(s, `"`) {
		return strings.Split(s, ".")
	}
	var parts []string
	rest := s
	for {
		part, after, ok := onePart(rest)
		if !ok {
			return strings.Split(s, ".")
		}
		if parts = append(parts, part); after == "" {
			return parts
		}
		if after[0] != '.' {
			return strings.Split(s, ".")
		}
		rest = after[1:]
	}
}

func onePart(s string) (part, after string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, '.')
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], !strings.Contains(s[:end], `"`)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		return b.String(), s[i+1:], true
	}
	return "", "", false
}

// spell writes parts so that different parts never have the same spelling.
func spell(parts []string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('.')
		}
		switch {
		case p == star:
			b.WriteByte('*')
		case p == "" || strings.ContainsAny(p, `."*?`+"\x00"):
			b.WriteString(`"` + strings.ReplaceAll(p, `"`, `""`) + `"`)
		default:
			b.WriteString(p)
		}
	}
	return b.String()
}

// allowForms spells every pattern that covers name.
func allowForms(name string) []string {
	parts := nameParts(name)
	forms := []string{"*"}
	if len(parts) > maxParts {
		return append(forms, spell(parts))
	}
	each := make([]string, len(parts))
	for mask := range 1 << len(parts) {
		for i, p := range parts {
			if each[i] = p; mask&(1<<i) != 0 {
				each[i] = star
			}
		}
		forms = appendNew(forms, spell(each))
	}
	return forms
}

// denyForms spells every pattern that hits name.
func denyForms(name string) []string {
	parts := nameParts(name)
	forms := []string{"*", spell(parts[len(parts)-1:])}
	if len(parts) > maxParts {
		return append(forms, spell(parts), opaque)
	}
	pattern := make([]string, 0, maxParts)
	var extend func(rest []string)
	extend = func(rest []string) {
		if len(rest) == 0 {
			forms = appendNew(forms, spell(pattern))
			return
		}
		n := len(pattern)
		pattern = append(pattern[:n], rest[0])
		extend(rest[1:])
		for i := 1; i <= len(rest); i++ {
			pattern = append(pattern[:n], star)
			extend(rest[i:])
		}
		pattern = pattern[:n]
	}
	extend(parts)
	return forms
}

// allowColumnForms spells every pattern of a column that covers it.
func allowColumnForms(object, column string) []string {
	return slices.DeleteFunc(allowForms(spell(append(nameParts(object), column))), func(f string) bool { return !namesColumn(f) })
}

// denyColumnForms spells every pattern of a column that hits one of the object's. An object that is touched as a whole is hit by the
// patterns of all its columns.
func denyColumnForms(o *Object) (forms []string) {
	columns := o.Columns
	if len(columns) == 0 {
		columns = []string{someColumn}
	}
	for _, column := range columns {
		parts := append(nameParts(o.Name), column)
		if len(parts) > maxParts {
			forms = append(forms, opaque)
		}
		for _, f := range denyForms(spell(parts)) {
			if namesColumn(f) {
				forms = appendNew(forms, f)
			}
		}
	}
	return forms
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
