package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// This file holds the rules of statements and of what stands in FROM.

const selectList = "in the SELECT list"

func (w *walk) selectStmt(n *pg.SelectStmt, in around) fieldRule {
	plain := in.outer && n.GetOp() == pg.SetOperation_SETOP_NONE
	if in.outer {
		w.st.Output = output(n)
	}
	w.byOutputName(n, in)
	body := in.scope.body(n.GetWithClause())
	return func(field protoreflect.Name, _ int, f *around) {
		f.scope = body
		switch field {
		case "with_clause":
			f.scope = in.scope
		case "target_list":
			f.item, f.output = itemSelected, plain
			if f.where == "" {
				f.where = selectList
			}
		case "from_clause":
			f.from = plain
		case "larg", "rarg":
			f.where = "in " + setOperation(n)
		case "values_lists":
			f.where = "in VALUES"
		default:
			if words, ok := clauseWords[field]; ok {
				f.where = words
			}
		}
	}
}

var clauseWords = map[protoreflect.Name]string{
	"distinct_clause": "in DISTINCT",
	"where_clause":    "in WHERE",
	"group_clause":    "in GROUP BY",
	"having_clause":   "in HAVING",
	"window_clause":   "in a window",
	"sort_clause":     "in ORDER BY",
	"limit_offset":    "in OFFSET",
	"limit_count":     "in LIMIT",
}

func setOperation(n *pg.SelectStmt) string {
	return strings.TrimPrefix(n.GetOp().String(), "SETOP_")
}

// output says whether the result of the outermost query is a projection.
func output(n *pg.SelectStmt) Output {
	switch {
	case n.GetOp() != pg.SetOperation_SETOP_NONE:
		return Output{Why: setOperation(n)}
	case len(n.GetValuesLists()) > 0:
		return Output{Why: "VALUES"}
	case len(n.GetDistinctClause()) > 0:
		return Output{Why: "DISTINCT"}
	case len(n.GetGroupClause()) > 0:
		return Output{Why: "GROUP BY"}
	case n.GetHavingClause() != nil:
		return Output{Why: "HAVING"}
	}
	for _, s := range n.GetSortClause() {
		if s.GetSortBy().GetNode().GetAConst() != nil {
			return Output{Why: "ORDER BY a column number"}
		}
	}
	return Output{Plain: true}
}

// byOutputName makes the hidden reference of SELECT ssn AS x ... ORDER BY x visible: there x is the output's name, and
// what is sorted, grouped or made distinct by is ssn.
func (w *walk) byOutputName(n *pg.SelectStmt, in around) {
	by := func(item *pg.Node, words string) {
		ref := item.GetColumnRef()
		if ref == nil || len(ref.GetFields()) != 1 {
			return
		}
		name := ref.GetFields()[0].GetString_().GetSval()
		for _, t := range n.GetTargetList() {
			source := t.GetResTarget().GetVal().GetColumnRef()
			if t.GetResTarget().GetName() != name || source == nil {
				continue
			}
			names, star := columnNames(source)
			w.column(ColumnRef{Names: names, Star: star, Place: PlaceOther, Where: words, Position: w.chars.at(int(ref.GetLocation()))})
		}
	}
	for _, s := range n.GetSortClause() {
		by(s.GetSortBy().GetNode(), "in ORDER BY")
	}
	for _, g := range n.GetGroupClause() {
		by(g, "in GROUP BY")
	}
	for _, d := range n.GetDistinctClause() {
		by(d, "in DISTINCT")
	}
}

// wrote notes a construct that changes data.
func (w *walk) wrote(what string, in around) {
	w.count()
	if in.with {
		what += " in a WITH clause"
	}
	w.st.Writes = append(w.st.Writes, Mention{What: what, Effect: "write", Position: in.pos})
}

func (w *walk) insertStmt(n *pg.InsertStmt, in around) fieldRule {
	w.wrote("INSERT", in)
	if n.GetOnConflictClause() != nil {
		w.ranged("excluded", tableOnly(n.GetRelation()))
	}
	if in.outer {
		w.st.Output = Output{Plain: true}
	}
	return w.write(n.GetWithClause(), in, func(field protoreflect.Name, f *around) {
		switch field {
		case "cols":
			f.item, f.where = itemAssigned, "in the column list"
		case "select_stmt":
			f.where = "in the rows to insert"
		}
	})
}

func (w *walk) updateStmt(n *pg.UpdateStmt, in around) fieldRule {
	w.wrote("UPDATE", in)
	w.bounded(n.GetWhereClause())
	if in.outer {
		w.st.Output = Output{Plain: true}
	}
	return w.write(n.GetWithClause(), in, func(field protoreflect.Name, f *around) {
		if field == "target_list" {
			f.item, f.where = itemAssigned, "in SET"
		}
	})
}

func (w *walk) deleteStmt(n *pg.DeleteStmt, in around) fieldRule {
	w.wrote("DELETE", in)
	w.bounded(n.GetWhereClause())
	if in.outer {
		w.st.Output = Output{Plain: true}
	}
	return w.write(n.GetWithClause(), in, func(protoreflect.Name, *around) {})
}

// write is the rule that INSERT, UPDATE and DELETE share.
func (w *walk) write(with *pg.WithClause, in around, own func(protoreflect.Name, *around)) fieldRule {
	body := in.scope.body(with)
	return func(field protoreflect.Name, _ int, f *around) {
		f.scope = body
		switch field {
		case "with_clause":
			f.scope = in.scope
		case "relation":
			f.target, f.from = true, in.outer
		case "from_clause", "using_clause":
			f.from = in.outer
		case "returning_list":
			f.item, f.output = itemSelected, in.outer
			if f.where == "" {
				f.where = "in RETURNING"
			}
		case "where_clause":
			f.where = "in WHERE"
		}
		own(field, f)
	}
}

// bounded notes a write without a condition that names a column.
func (w *walk) bounded(condition *pg.Node) {
	if condition == nil || !namesColumn(condition.ProtoReflect(), 0) {
		w.st.Bounded = false
	}
}

func namesColumn(m protoreflect.Message, depth int) (found bool) {
	if _, ok := m.Interface().(*pg.ColumnRef); ok || depth > maxDepth {
		return ok
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Kind() != protoreflect.MessageKind:
		case fd.IsList():
			for i := 0; i < v.List().Len() && !found; i++ {
				found = namesColumn(v.List().Get(i).Message(), depth+1)
			}
		default:
			found = namesColumn(v.Message(), depth+1)
		}
		return !found
	})
	return found
}

func (w *walk) withClause(n *pg.WithClause, in around) fieldRule {
	return func(_ protoreflect.Name, i int, f *around) {
		reach := i
		if n.GetRecursive() {
			reach = len(n.GetCtes())
		}
		f.scope = in.scope.with(n, reach)
	}
}

func (w *walk) rangeVar(n *pg.RangeVar, in around) {
	if n.GetCatalogname() != "" {
		w.unclear("a relation with a database name", in)
	}
	w.tableAlias(n.GetAlias())
	name := n.GetAlias().GetAliasname()
	if n.GetSchemaname() == "" && !in.target && in.scope.has(n.GetRelname()) {
		w.ranged(name, w.tableShape(n, in.scope)) // without an alias it has the CTE's own name
		return
	}
	w.count()
	if name == "" {
		name = n.GetRelname()
	}
	if in.hidden || len(n.GetAlias().GetColnames()) > 0 {
		w.ranged(name, tableOnly(n))
	}
	w.st.Relations = append(w.st.Relations, Relation{
		Schema: n.GetSchemaname(), Name: n.GetRelname(), Alias: n.GetAlias().GetAliasname(), Written: in.target,
		ColumnAliases: in.hidden || len(n.GetAlias().GetColnames()) > 0, TopLevel: in.from, Position: in.pos,
	})
}

func (w *walk) tableAlias(a *pg.Alias) {
	w.alias(a.GetAliasname())
	w.aliases(a.GetColnames())
}

// functionAliases: FROM f() is also known as f, table and column.
func (w *walk) functionAliases(n *pg.RangeFunction, in around) {
	if n.GetAlias() != nil {
		w.ranged(n.GetAlias().GetAliasname(), functionShape(n))
	}
	for _, f := range n.GetFunctions() {
		for i, item := range f.GetList().GetItems() {
			if names := item.GetFuncCall().GetFuncname(); len(names) > 0 {
				w.alias(names[len(names)-1].GetString_().GetSval())
				if n.GetAlias() == nil {
					w.ranged(names[len(names)-1].GetString_().GetSval(), functionShape(n))
				}
			} else if i == 0 && n.GetAlias() == nil {
				w.unclear("an expression in FROM without an alias", in)
			}
		}
	}
	if n.GetOrdinality() {
		w.alias("ordinality")
	}
}

func (w *walk) joinExpr(n *pg.JoinExpr, in around) fieldRule {
	if n.GetIsNatural() {
		w.count()
		w.st.NaturalJoins = append(w.st.NaturalJoins, Mention{What: "NATURAL JOIN", Position: in.pos})
		w.operator(Call{Name: "=", Args: 2, Position: in.pos})
	}
	for _, u := range n.GetUsingClause() {
		w.column(ColumnRef{Names: []string{u.GetString_().GetSval()}, Place: PlaceOther, Where: "in USING", Position: in.pos})
		w.operator(Call{Name: "=", Args: 2, Position: in.pos})
	}
	w.tableAlias(n.GetAlias())
	w.tableAlias(n.GetJoinUsingAlias())
	if n.GetAlias() != nil {
		w.ranged(n.GetAlias().GetAliasname(), w.joinShape(n, in.scope, 0))
	}
	if n.GetJoinUsingAlias() != nil {
		w.ranged(n.GetJoinUsingAlias().GetAliasname(), shape{columns: sval(n.GetUsingClause())})
	}
	return func(field protoreflect.Name, _ int, f *around) {
		switch field {
		case "larg", "rarg":
			f.from, f.hidden = in.from, in.hidden || n.GetAlias() != nil
		case "quals":
			f.where = "in a join condition"
		}
	}
}

func (w *walk) resTarget(n *pg.ResTarget, in around) fieldRule {
	if in.item == itemAssigned {
		w.column(ColumnRef{Names: []string{n.GetName()}, Place: PlaceAssigned, Where: in.where, Position: in.pos})
	} else {
		w.alias(n.GetName())
	}
	whole := in.output && n.GetVal().GetColumnRef() != nil
	return func(field protoreflect.Name, _ int, f *around) {
		f.output = whole && field == "val"
		if field == "indirection" {
			f.where = "inside a subscript"
		}
	}
}
