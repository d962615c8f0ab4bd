package query

import (
	"slices"
	"strings"

	"sallyport/tools"
	"sallyport/tools/query/sqlparse"
)

// objects are the relations with the columns that are named, each relation and access once.
func (in *inspection) objects() []tools.Object {
	var out []tools.Object
	var rels []*resolved
	for _, list := range [][]resolved{in.rels, in.cascade} {
		for i := range list {
			rels = append(rels, &list[i])
		}
	}
	for _, r := range rels {
		o := tools.Object{Type: "table", Name: r.qualified(), Access: tools.Read, Columns: in.columnsOf(r), Labels: in.objectLabels(r)}
		switch {
		case r.system():
			o.Type = "catalog"
		case r.kind == 'v' || r.kind == 'm':
			o.Type = "view"
		}
		if r.Written {
			o.Access = tools.Write
		}
		at := slices.IndexFunc(out, func(x tools.Object) bool { return x.Name == o.Name && x.Access == o.Access })
		if at < 0 {
			out = append(out, o)
			continue
		}
		out[at].Labels = merge(out[at].Labels, o.Labels)
		if out[at].Columns != nil && o.Columns != nil {
			out[at].Columns = merge(out[at].Columns, o.Columns)
		} else {
			out[at].Columns = nil
		}
	}
	slices.SortFunc(out, func(a, b tools.Object) int {
		return strings.Compare(a.Name+" "+string(a.Access), b.Name+" "+string(b.Access))
	})
	return out
}

func merge(a, b []string) []string {
	a = append(slices.Clone(a), b...)
	slices.Sort(a)
	return slices.Compact(a)
}

// columnsOf are the relation's columns that the statement names; nil when it reaches all of them.
func (in *inspection) columnsOf(r *resolved) []string {
	var out []string
	if r.ColumnAliases || len(in.st.NaturalJoins) > 0 {
		return nil
	}
	for _, ref := range in.st.Columns {
		if in.wholeRow(ref, r) || in.calledWithRow(ref, r) {
			return nil
		}
		if ref.Star {
			if rels := in.qualifier(ref); len(ref.Names) == 0 || len(rels) == 0 || slices.Contains(rels, r) {
				return nil
			}
			continue
		}
		name := ref.Names[len(ref.Names)-1]
		if len(ref.Names) > 1 {
			if rels := in.qualifier(ref); len(rels) > 0 && !slices.Contains(rels, r) {
				continue
			}
		}
		if r.column(name) != nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// objectLabels are the classes of the labelled columns a call reads, and what a catalog holds.
func (in *inspection) objectLabels(r *resolved) []string {
	var out []string
	named := in.columnsOf(r)
	for _, col := range r.columns {
		if l, ok := in.cat.labels[r.oid][col.num]; ok && (named == nil || slices.Contains(named, col.name)) {
			out = append(out, l.Class)
		}
	}
	for _, col := range systemColumnsWithValues[r.qualified()] {
		if named == nil || slices.Contains(named, col) {
			out = append(out, labelDataCopy)
		}
	}
	return merge(out, in.cat.systemLabels(r.relation, 0))
}

// systemLabels are the labels of the system catalogs that a relation is or, as a view, shows.
func (c *catalog) systemLabels(r *relation, depth int) []string {
	if r.system() {
		label := systemRelations[r.qualified()]
		if label == "" && depth > 0 && systemColumnsWithValues[r.qualified()] != nil {
			label = labelDataCopy // which of its columns the view shows is not recorded for system catalogs
		}
		if label == "" {
			return nil
		}
		return []string{label}
	}
	if r.view == nil || depth > 50 {
		return nil
	}
	var out []string
	for _, dep := range r.view.relations {
		if below := c.relations[dep.relation]; below != nil {
			out = merge(out, c.systemLabels(below, depth+1))
		}
	}
	return out
}

// summary says in one line what the statement does, without anything of its text but names of the catalog.
func summary(st *sqlparse.Statement, objects []tools.Object) string {
	verbs := map[string]string{"insert": "inserts into ", "update": "updates ", "delete": "deletes from "}
	var parts []string
	for _, access := range []tools.Effect{tools.Write, tools.Read} {
		var names []string
		for _, o := range objects {
			if o.Access != access {
				continue
			}
			name := o.Name
			if n := len(o.Columns); n > 0 && n <= 8 {
				name += " (" + strings.Join(o.Columns, ", ") + ")"
			}
			names = append(names, name)
		}
		if len(names) == 0 {
			continue
		}
		verb := "reads "
		if access == tools.Write {
			verb = verbs[st.Kind]
		}
		parts = append(parts, verb+strings.Join(names, ", "))
	}
	switch {
	case st.Kind == "show":
		return "shows the setting " + st.Setting
	case len(parts) == 0:
		return "computes without reading a table"
	case st.Kind == "explain":
		return "explains a statement that " + strings.Join(parts, "; ")
	}
	return strings.Join(parts, "; ")
}
