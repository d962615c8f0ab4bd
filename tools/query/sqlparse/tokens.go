package sqlparse

import (
	"fmt"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// The lexer of the same grammar gives the extent of the statement and its fingerprint. Nothing is decided on tokens.

// trim is the tokens of the one statement: comments gone, and the semicolons around it.
func trim(all []*pg.ScanToken) []*pg.ScanToken {
	var out []*pg.ScanToken
	for _, t := range all {
		if t.GetToken() != pg.Token_SQL_COMMENT && t.GetToken() != pg.Token_C_COMMENT {
			out = append(out, t)
		}
	}
	for len(out) > 0 && out[0].GetToken() == pg.Token_ASCII_59 {
		out = out[1:]
	}
	for len(out) > 0 && out[len(out)-1].GetToken() == pg.Token_ASCII_59 {
		out = out[:len(out)-1]
	}
	return out
}

// paramTokens finds the parameters among the tokens of the statement.
func paramTokens(sql string, tokens []*pg.ScanToken) []ParamToken {
	var out []ParamToken
	for _, t := range tokens {
		if t.GetToken() != pg.Token_PARAM {
			continue
		}
		n, err := strconv.Atoi(sql[t.GetStart()+1 : t.GetEnd()])
		if err != nil {
			n = 0 // no parameter has this number; whoever puts types in their places finds none
		}
		out = append(out, ParamToken{Number: n, Start: int(t.GetStart() - tokens[0].GetStart()), End: int(t.GetEnd() - tokens[0].GetStart())})
	}
	return out
}

// fingerprint writes the tokens in one canonical spelling: a literal is $n, counted on from the highest parameter that
// the statement has itself, and words that are not quoted are in lower case.
func fingerprint(sql string, tokens []*pg.ScanToken, params int) string {
	var b strings.Builder
	var last *pg.ScanToken
	for _, t := range tokens {
		text := sql[t.GetStart():t.GetEnd()]
		switch t.GetToken() {
		case pg.Token_ICONST, pg.Token_FCONST, pg.Token_SCONST, pg.Token_USCONST, pg.Token_BCONST, pg.Token_XCONST:
			params++
			text = fmt.Sprintf("$%d", params)
		default:
			if !strings.Contains(text, `"`) {
				text = strings.Map(lower, text)
			}
		}
		if last != nil && spaced(last, t) {
			b.WriteByte(' ')
		}
		b.WriteString(text)
		last = t
	}
	return b.String()
}

// lower folds what PostgreSQL folds in UTF-8: ASCII only.
func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// spaced says whether a blank stands between two tokens: everywhere but around dots, inside parentheses, before commas and
// between a function's name and its arguments.
func spaced(a, b *pg.ScanToken) bool {
	switch a.GetToken() {
	case pg.Token_ASCII_40, pg.Token_ASCII_46, pg.Token_ASCII_91, pg.Token_TYPECAST: // ( . [ ::
		return false
	case pg.Token_IDENT:
		if b.GetToken() == pg.Token_ASCII_40 {
			return false
		}
	}
	switch b.GetToken() {
	case pg.Token_ASCII_41, pg.Token_ASCII_44, pg.Token_ASCII_46, pg.Token_ASCII_91, pg.Token_ASCII_93, pg.Token_TYPECAST: // ) , . [ ] ::
		return false
	}
	return true
}
