package query

import (
	"slices"
	"strings"
)

// nearTables are names like this one among the tables the login may read.
func (c *catalog) nearTables(name string) []string {
	var names []string
	for _, r := range c.relations {
		if r.selectable && r.schema.usage && !r.system() {
			names = append(names, r.name)
		}
	}
	var out []string
	for _, n := range near(name, names) {
		for _, r := range c.relations {
			if r.name == n && r.selectable && r.schema.usage && !r.system() && !slices.Contains(out, r.qualified()) {
				out = append(out, r.qualified())
			}
		}
	}
	return out[:min(len(out), maxCandidates)]
}

const maxCandidates = 5

// near are the names most like the given one, best first.
func near(name string, names []string) []string {
	type scored struct {
		name string
		far  int
	}
	var list []scored
	for _, n := range names {
		far := distance(strings.ToLower(name), strings.ToLower(n))
		if strings.Contains(n, name) || strings.Contains(name, n) {
			far = min(far, 2)
		}
		if far <= max(2, len(name)/3) && !slices.ContainsFunc(list, func(s scored) bool { return s.name == n }) {
			list = append(list, scored{n, far})
		}
	}
	slices.SortFunc(list, func(a, b scored) int {
		if a.far != b.far {
			return a.far - b.far
		}
		return strings.Compare(a.name, b.name)
	})
	var out []string
	for _, s := range list[:min(len(list), maxCandidates)] {
		out = append(out, s.name)
	}
	return out
}

// distance is how many single characters have to change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
