package query

import (
	"slices"
	"strings"

	"sallyport/tools/query/sqlparse"
)

// This file decides whether x.f is a column. PostgreSQL takes it for the call f(x), with the whole row as the argument, when x has
// no column f; where f is a type, for a conversion to it. Such calls are never understood, not even of built-in functions:
// c.to_json is every column of c.

// columns checks each reference that has a qualifier.
func (in *inspection) columns() error {
	for _, ref := range in.st.Columns {
		if ref.Star || len(ref.Names) < 2 {
			continue // a column, or a row: never a call
		}
		name := ref.Names[len(ref.Names)-1]
		switch {
		case in.isColumn(ref):
		case in.callable(name):
			in.unclear("attribute notation ."+name+", which may call a function", ref.Position)
		case !in.named(name):
			return in.cat.undefinedColumn(ref, in.qualifier(ref))
		}
		// What is left names a column of a sub-query or CTE, or nothing: no function could be meant.
	}
	return nil
}

// isColumn reports whether a reference with a qualifier is certain to be a column: whatever has the qualifier's name, anywhere in
// the statement, has a column of this name.
func (in *inspection) isColumn(ref sqlparse.ColumnRef) bool {
	name := ref.Names[len(ref.Names)-1]
	if len(ref.Names) == 2 {
		return in.nameHas(ref.Names[0], name, nil)
	}
	rels := in.qualifier(ref)
	return len(rels) > 0 && !slices.ContainsFunc(rels, func(r *resolved) bool { return !r.has(name) })
}

// nameHas reports whether there is something called name and each such thing has the column. above are the names that are being
// looked at: a recursive CTE is not known by itself.
func (in *inspection) nameHas(name, column string, above []string) bool {
	if strings.HasPrefix(name, "*") || slices.Contains(above, name) {
		return false // the server's own names for what has none start with *
	}
	above = append(above, name)
	found := false
	for i := range in.rels {
		// One whose columns have other names here is among the ranges.
		if r := &in.rels[i]; r.alias() == name && !r.ColumnAliases {
			if !r.has(column) {
				return false
			}
			found = true
		}
	}
	for i := range in.st.Ranges {
		if r := &in.st.Ranges[i]; r.Name == name {
			if !in.rangeHas(r, column, above) {
				return false
			}
			found = true
		}
	}
	return found
}

func (in *inspection) rangeHas(r *sqlparse.Range, column string, above []string) bool {
	return slices.Contains(r.Columns, column) ||
		slices.ContainsFunc(r.Tables, func(t sqlparse.TableName) bool {
			rel := in.cat.relation(t.Schema, t.Name)
			return rel != nil && rel.column(column) != nil
		}) ||
		slices.ContainsFunc(r.Ranges, func(other string) bool { return in.nameHas(other, column, above) })
}

// callable reports whether x.name could be a call or a conversion of x, should x have no such column.
func (in *inspection) callable(name string) bool {
	return slices.ContainsFunc(in.cat.functions[name], func(f *function) bool { return len(f.args) > 0 && in.cat.inPath(f.schema) }) ||
		in.cat.typeNamed("", name) != nil
}

// named reports whether the statement, or one of its relations, has a column of this name.
func (in *inspection) named(name string) bool {
	if slices.Contains(in.st.Aliases, name) {
		return true
	}
	for i := range in.rels {
		if in.rels[i].has(name) {
			return true
		}
	}
	// What a function in FROM calls its columns is its own affair: jsonb_each(...) AS e gives e.key and e.value.
	return len(in.st.Functions) > 0
}
