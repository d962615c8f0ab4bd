package sqlparse

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// This file says which columns the things in FROM that are no tables are known to have. x.f is a column when x has a column f,
// and the call f(x) when it has not, so every name that stands before a dot needs an answer. A column that is left out here
// makes a statement unclear; one that is listed and does not exist would let a call pass. So only what is certain is listed.

// maxRangeDepth bounds how far sub-queries in sub-queries are looked into for the columns of a star.
const maxRangeDepth = 8

// shape is the columns of a query or of an item in FROM.
type shape struct {
	columns []string // in order; "" where the name is not known
	open    bool     // positions are not known: there is a star before the end
	tables  []TableName
	ranges  []string
}

func (s *shape) add(other shape) {
	s.columns = append(s.columns, other.columns...)
	s.tables = append(s.tables, other.tables...)
	s.ranges = append(s.ranges, other.ranges...)
	s.open = true
}

// renamed is the shape behind a list of column aliases, which rename the first columns.
func (s shape) renamed(names []*pg.Node) shape {
	if len(names) == 0 {
		return s
	}
	out := shape{columns: sval(names)}
	if !s.open && len(s.columns) > len(names) {
		out.columns = append(out.columns, s.columns[len(names):]...)
	}
	return out
}

// ranged notes something that columns are qualified with.
func (w *walk) ranged(name string, s shape) {
	if name == "" {
		return // no reference can name it
	}
	w.count()
	r := Range{Name: name, Tables: slices.Clone(s.tables), Ranges: slices.Clone(s.ranges)}
	for _, c := range s.columns {
		if c != "" {
			w.count()
			r.Columns = append(r.Columns, c)
		}
	}
	slices.Sort(r.Columns)
	r.Columns = slices.Compact(r.Columns)
	w.st.Ranges = append(w.st.Ranges, r)
}

// querySource is one item of FROM: its name, and what it has.
type querySource struct {
	name string
	shape
}

// queryShape is what a query returns.
func (w *walk) queryShape(n *pg.SelectStmt, sc *scope, depth int) shape {
	for n != nil && n.GetOp() != pg.SetOperation_SETOP_NONE { // the first arm names the columns
		sc = sc.body(n.GetWithClause())
		n = n.GetLarg()
	}
	sc = sc.body(n.GetWithClause())
	var out shape
	var sources []querySource
	for i, t := range n.GetTargetList() {
		w.count()
		item := t.GetResTarget()
		names, star := columnNames(item.GetVal().GetColumnRef())
		if !star {
			out.columns = append(out.columns, outputName(item))
			continue
		}
		if depth >= maxRangeDepth {
			out.open = true
			continue
		}
		if sources == nil {
			for _, from := range n.GetFromClause() {
				sources = append(sources, w.sources(from, sc, depth+1)...)
			}
		}
		if len(names) > 1 || slices.ContainsFunc(n.GetTargetList()[:i], func(t *pg.Node) bool { return sameStar(t, names) }) {
			out.open = true
			continue
		}
		out.open = true
		for _, s := range sources {
			if len(names) == 0 || s.name == names[0] {
				w.count()
				out.add(s.shape)
			}
		}
	}
	return out
}

func sameStar(t *pg.Node, names []string) bool {
	other, star := columnNames(t.GetResTarget().GetVal().GetColumnRef())
	return star && slices.Equal(other, names)
}

// sources are the items of FROM that a star expands.
func (w *walk) sources(n *pg.Node, sc *scope, depth int) []querySource {
	w.count()
	if depth > maxRangeDepth {
		return nil
	}
	switch {
	case n.GetRangeVar() != nil:
		v := n.GetRangeVar()
		name := v.GetAlias().GetAliasname()
		if name == "" {
			name = v.GetRelname()
		}
		return []querySource{{name, w.tableShape(v, sc)}}
	case n.GetRangeTableSample() != nil:
		return w.sources(n.GetRangeTableSample().GetRelation(), sc, depth)
	case n.GetRangeSubselect() != nil:
		s := n.GetRangeSubselect()
		return []querySource{{s.GetAlias().GetAliasname(), w.queryShape(s.GetSubquery().GetSelectStmt(), sc, depth).renamed(s.GetAlias().GetColnames())}}
	case n.GetRangeFunction() != nil:
		return []querySource{{n.GetRangeFunction().GetAlias().GetAliasname(), functionShape(n.GetRangeFunction())}}
	case n.GetJsonTable() != nil:
		return []querySource{{n.GetJsonTable().GetAlias().GetAliasname(), jsonTableShape(n.GetJsonTable())}}
	case n.GetJoinExpr() != nil:
		j := n.GetJoinExpr()
		if j.GetAlias() != nil {
			return []querySource{{j.GetAlias().GetAliasname(), w.joinShape(j, sc, depth+1)}}
		}
		return append(w.sources(j.GetLarg(), sc, depth), w.sources(j.GetRarg(), sc, depth)...)
	}
	return nil
}

// tableShape is a table, or a CTE by its name.
func (w *walk) tableShape(v *pg.RangeVar, sc *scope) shape {
	if v.GetSchemaname() == "" && sc.has(v.GetRelname()) {
		return shape{open: true, ranges: []string{v.GetRelname()}}.renamed(v.GetAlias().GetColnames())
	}
	return tableOnly(v)
}

// tableOnly is tableShape where the name cannot mean a CTE.
func tableOnly(v *pg.RangeVar) shape {
	return shape{open: true, tables: []TableName{{v.GetSchemaname(), v.GetRelname()}}}.renamed(v.GetAlias().GetColnames())
}

// joinShape is what a join with an alias shows: all columns of both sides.
func (w *walk) joinShape(n *pg.JoinExpr, sc *scope, depth int) shape {
	out := shape{open: true}
	for _, side := range []*pg.Node{n.GetLarg(), n.GetRarg()} {
		for _, s := range w.sources(side, sc, depth) {
			out.add(s.shape)
		}
	}
	return out.renamed(n.GetAlias().GetColnames())
}

// functionShape: only the names that the statement itself gives. Without them the function's type decides.
func functionShape(n *pg.RangeFunction) shape {
	s := shape{columns: sval(n.GetAlias().GetColnames()), open: true}
	for _, def := range n.GetColdeflist() {
		s.columns = append(s.columns, def.GetColumnDef().GetColname())
	}
	if len(n.GetAlias().GetColnames()) > 0 {
		s.columns = sval(n.GetAlias().GetColnames())
	}
	return s
}

func jsonTableShape(n *pg.JsonTable) shape {
	s := shape{open: true}
	if names := n.GetAlias().GetColnames(); len(names) > 0 {
		s.columns = sval(names)
		return s
	}
	for todo := slices.Clone(n.GetColumns()); len(todo) > 0; todo = todo[1:] {
		c := todo[0].GetJsonTableColumn()
		s.columns = append(s.columns, c.GetName())
		todo = append(todo, c.GetColumns()...)
	}
	return s
}

// outputName is the name that PostgreSQL gives an item of a SELECT list, for the kinds of items where it is certain; see
// FigureColname in its parse_target.c.
func outputName(item *pg.ResTarget) string {
	if item.GetName() != "" {
		return item.GetName()
	}
	v := item.GetVal()
	typed := ""
	for range maxRangeDepth {
		switch {
		case v.GetColumnRef() != nil:
			names, _ := columnNames(v.GetColumnRef())
			return names[len(names)-1]
		case v.GetFuncCall() != nil:
			names := sval(v.GetFuncCall().GetFuncname())
			return names[len(names)-1]
		case v.GetTypeCast() != nil:
			if names := sval(v.GetTypeCast().GetTypeName().GetNames()); typed == "" && len(names) > 0 {
				typed = names[len(names)-1]
			}
			v = v.GetTypeCast().GetArg()
		case v.GetAConst() != nil || v.GetParamRef() != nil:
			return typed
		default:
			return ""
		}
	}
	return ""
}
