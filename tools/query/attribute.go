package query

import (
	"slices"
	"strings"

	"sallyport/tools/query/sqlparse"
)

// This file decides whether x.f is a column. PostgreSQL takes it for the call f(x), with the whole row as the argument, when x has
// no column f; where f is a type, for a conversion to it. By its names alone such a call is never understood, not even of a
// built-in function: c.to_json is every column of c. What (x).f is can be told by nobody but the server.

// columns checks each reference that has a qualifier, and each attribute of a value.
func (in *inspection) columns() error {
	for _, a := range in.st.Attributes {
		in.attribute("(...)", a.What, a.Position)
	}
	for _, ref := range in.st.Columns {
		if ref.Star || len(ref.Names) < 2 {
			continue // a column, or a row: never a call
		}
		name := ref.Names[len(ref.Names)-1]
		switch {
		case in.isColumn(ref):
		case in.callable(name):
			in.attribute("", name, ref.Position)
		case !in.named(name):
			return in.cat.undefinedColumn(ref, in.qualifier(ref))
		}
		// What is left names a column of a sub-query or CTE, or nothing: no function could be meant.
	}
	return nil
}

// attribute notes a use of x.name that may be a call. A conversion to a type that runs code is not asked about: the server would
// convert a literal while it parses.
func (in *inspection) attribute(x, name string, position int) {
	what := "attribute notation " + x + "." + name + ", which may call a function"
	if in.cat.converts(name) {
		in.unclear(what, position)
		return
	}
	in.doubt(what, position)
}

// converts reports whether a type of this name, in any schema, runs code when a value of it is made.
func (c *catalog) converts(name string) bool {
	return name == "xml" || slices.ContainsFunc(c.typeNames[name], func(t *pgType) bool { return c.typeRuns(t, isCast) != "" })
}

// calledWithRow reports whether a reference may be a call with the whole row of r: x.f where r is x and has no column f.
func (in *inspection) calledWithRow(ref sqlparse.ColumnRef, r *resolved) bool {
	if ref.Star || len(ref.Names) < 2 {
		return false
	}
	name := ref.Names[len(ref.Names)-1]
	return !r.has(name) && in.callable(name) && slices.Contains(in.qualifier(ref), r) && !in.isColumn(ref)
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
