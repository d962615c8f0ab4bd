package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Problem is one thing that is wrong in a module: where, and what to do about it.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // from 1
	Text   string `json:"text"`
}

// String is file:line:column: text.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
}

// Problems is everything that is wrong in the operator's Rego.
type Problems []Problem

// Error has one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps *Problems) add(at *ast.Location, format string, args ...any) {
	p := Problem{Line: 1, Column: 1, Text: fmt.Sprintf(format, args...)}
	if at != nil {
		p.File, p.Line, p.Column = at.File, max(at.Row, 1), max(at.Col, 1)
	}
	*ps = append(*ps, p)
}

// err is nil when there is nothing wrong.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ps)
}

// fromOPA takes over what OPA's parser or compiler found.
func (ps *Problems) fromOPA(err error) {
	var list ast.Errors
	var one *ast.Error
	if !errors.As(err, &list) {
		if !errors.As(err, &one) {
			ps.add(nil, "%s", err)
			return
		}
		list = ast.Errors{one}
	}
	for _, e := range list {
		ps.add(e.Location, "%s", explained(e))
	}
}

// explained is e in a sentence, with the way out where it is known.
func explained(e *ast.Error) string {
	if d, ok := e.Details.(*ast.RefErrInvalidDetail); ok && len(d.OneOf) > 0 && d.Ref.HasPrefix(ast.InputRootRef) {
		var known []string
		for _, v := range d.OneOf {
			if s, ok := v.(ast.String); ok {
				known = append(known, string(s))
			}
		}
		have, _ := d.Ref[d.Pos].Value.(ast.String)
		return unknownFact(d.Ref, string(have), known)
	}
	if name, ok := strings.CutPrefix(e.Message, "undefined function "); ok && slices.Contains(allBuiltins(), name) {
		return fmt.Sprintf("%s is not available here: rules depend on their input and on nothing else", name)
	}
	return e.Message
}

func unknownFact(ref ast.Ref, word string, known []string) string {
	return unknownWord(fmt.Sprintf("%s: the input has no %s", ref, word), word, known)
}

func allBuiltins() []string {
	var names []string
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		names = append(names, b.Name)
	}
	return names
}

// unknownWord ends what with the nearest of the known words, or all of them.
func unknownWord(what, word string, known []string) string {
	if n := nearest(word, known); n != "" {
		return what + "; did you mean " + n + "?"
	}
	return what + "; known are " + strings.Join(known, ", ")
}

// nearest returns the known word that is a typing mistake away from word, or "".
func nearest(word string, known []string) string {
	best, bound := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < bound {
			best, bound = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions and substitutions between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
