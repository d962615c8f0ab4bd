package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a file: where, and what to do about it.
type Problem struct {
	File   string // as it was given to Load or Parse
	Line   int    // from 1
	Column int    // from 1, in characters
	Path   string // of the key: scopes.support.allow[1]; "" when the text is not YAML at all
	Text   string // what is wrong and the way out; never a secret
}

// String is file:line:column: path: text.
func (p Problem) String() string {
	if p.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.File, p.Line, p.Column, p.Path, p.Text)
}

// Problems is everything that is wrong in a file, in its order. It is the error of [Load] and [Parse] for a file that was read.
type Problems []Problem

// Error has one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// place is where something stands in the file.
type place struct{ line, column int }

// report collects problems and warnings, at most one of each per path: what follows from a first mistake is noise.
type report struct {
	file     string
	places   map[string]place
	problems Problems
	warnings Problems
	seen     map[string]bool
}

func newReport(file string) *report {
	return &report{file: file, places: map[string]place{"": {1, 1}}, seen: map[string]bool{}}
}

// problem adds one at the place of path, or of the nearest key above it.
func (r *report) problem(path, format string, args ...any) {
	r.problemAt(r.place(path), path, format, args...)
}

// emptiness adds a problem that says a mapping lacks something, unless a key below it was reported: then it is no wonder.
func (r *report) emptiness(path, format string, args ...any) {
	for p := range r.seen {
		if strings.HasPrefix(p, path+".") || strings.HasPrefix(p, path+"[") {
			return
		}
	}
	r.problem(path, format, args...)
}

func (r *report) problemAt(at place, path, format string, args ...any) {
	if r.seen[path] {
		return
	}
	r.seen[path] = true
	r.problems = append(r.problems, Problem{r.file, at.line, at.column, path, fmt.Sprintf(format, args...)})
}

func (r *report) warn(path, format string, args ...any) {
	at := r.place(path)
	r.warnings = append(r.warnings, Problem{r.file, at.line, at.column, path, fmt.Sprintf(format, args...)})
}

func (r *report) place(path string) place {
	for {
		if at, ok := r.places[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// nearest returns the known word that a typing mistake away from word, or "".
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
