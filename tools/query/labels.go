package query

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// labelled is one column that is masked, and the name it is labelled by.
type labelled struct {
	Label
	column string // "customers.ssn"
}

// spreadLabels finds the labelled columns and everything the same values are in: parents and children of the table,
// generated columns, foreign keys in both directions. Views over them are tainted: the server says a view's column comes
// from the view, so its values cannot be told apart from others.
func (c *catalog) spreadLabels(labels map[string]Label, fks []foreignKey, generated []generatedColumn) {
	c.labels, c.taints = map[uint32]map[int16]labelled{}, map[uint32]labelled{}
	for _, r := range c.relations {
		for _, col := range r.columns {
			for _, key := range []string{r.schema.name + "." + r.name + "." + col.name, r.name + "." + col.name} {
				if l, ok := labels[key]; ok {
					c.label(r.oid, col.num, labelled{l, r.name + "." + col.name})
					break
				}
			}
		}
	}
	all := c.allRelations()
	for changed := true; changed; {
		changed = false
		for _, r := range all {
			for _, own := range r.columns {
				l, ok := c.labels[r.oid][own.num]
				if !ok {
					continue
				}
				for _, other := range slices.Concat(r.parents, r.children) {
					if col := other.column(own.name); col != nil {
						changed = c.label(other.oid, col.num, l) || changed
					}
				}
			}
		}
		for _, g := range generated {
			if l, ok := c.labels[g.table][g.from]; ok {
				changed = c.label(g.table, g.to, l) || changed
			}
		}
		for _, fk := range fks {
			for i := range min(len(fk.columns), len(fk.targetColumn)) {
				if l, ok := c.labels[fk.target][fk.targetColumn[i]]; ok {
					changed = c.label(fk.table, fk.columns[i], l) || changed
				}
				if l, ok := c.labels[fk.table][fk.columns[i]]; ok {
					changed = c.label(fk.target, fk.targetColumn[i], l) || changed
				}
			}
		}
	}
	c.spreadCopies()
	c.spreadTaints()
}

// spreadCopies labels the catalogs' copies of rows, where any column is labelled: which table they come from cannot be told.
func (c *catalog) spreadCopies() {
	if len(c.labels) == 0 {
		return
	}
	for name, columns := range valueColumns {
		schemaName, relName, _ := strings.Cut(name, ".")
		s := c.byName[schemaName]
		if s == nil || s.relations[relName] == nil {
			continue
		}
		r := s.relations[relName]
		for _, n := range columns {
			if col := r.column(n); col != nil {
				c.label(r.oid, col.num, labelled{Label{Class: labelDataCopy, Method: "redact"}, relName + "." + n})
			}
		}
	}
}

// label reports whether the column had no label before.
func (c *catalog) label(rel uint32, num int16, l labelled) bool {
	if c.relations[rel] == nil || !slices.ContainsFunc(c.relations[rel].columns, func(col column) bool { return col.num == num }) {
		return false
	}
	if c.labels[rel] == nil {
		c.labels[rel] = map[int16]labelled{}
	}
	if _, ok := c.labels[rel][num]; ok {
		return false
	}
	c.labels[rel][num] = l
	return true
}

func (c *catalog) spreadTaints() {
	for changed := true; changed; {
		changed = false
		for _, r := range c.allRelations() {
			if _, ok := c.taints[r.oid]; ok || r.view == nil {
				continue
			}
			if l, ok := c.shows(r.view); ok {
				c.taints[r.oid], changed = l, true
			}
		}
	}
}

// shows finds a labelled column among what a view's query reads. A whole row is every column of it; PostgreSQL does not
// record which table's row, so it counts for all of them.
func (c *catalog) shows(v *viewQuery) (labelled, bool) {
	for _, dep := range v.relations {
		if l, ok := c.taints[dep.relation]; ok {
			return l, true
		}
		cols := c.labels[dep.relation]
		if l, ok := cols[dep.column]; ok {
			return l, true
		}
		// Which columns of a catalog a view uses is not recorded.
		if below := c.relations[dep.relation]; below != nil && (v.wholeRow || below.system()) {
			if l, ok := c.anyLabel(below); ok {
				return l, true
			}
		}
	}
	return labelled{}, false
}

// labelOf is the label of a relation's column by name.
func (c *catalog) labelOf(r *relation, name string) (labelled, bool) {
	if len(c.labels[r.oid]) == 0 {
		return labelled{}, false
	}
	if col := r.column(name); col != nil {
		l, ok := c.labels[r.oid][col.num]
		return l, ok
	}
	return labelled{}, false
}

// anyLabel is the relation's first labelled column, in column order.
func (c *catalog) anyLabel(r *relation) (labelled, bool) {
	for _, col := range r.columns {
		if l, ok := c.labels[r.oid][col.num]; ok {
			return l, true
		}
	}
	return labelled{}, false
}

// unmatchedLabels are labels of the configuration that name no column the login can see: a typing mistake, or a column
// that was renamed and now leaves unmasked.
func (c *catalog) unmatchedLabels(labels map[string]Label) []string {
	var out []string
	all := c.allRelations()
	for key := range labels {
		parts := strings.Split(key, ".")
		if !slices.ContainsFunc(all, func(r *relation) bool {
			return r.name == parts[max(0, len(parts)-2)] && r.column(parts[len(parts)-1]) != nil && (len(parts) < 3 || r.schema.name == parts[0])
		}) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// allRelations are in a fixed order: facts must not differ from one snapshot to the next.
func (c *catalog) allRelations() []*relation {
	return slices.SortedFunc(maps.Values(c.relations), func(a, b *relation) int { return cmp.Compare(a.oid, b.oid) })
}
