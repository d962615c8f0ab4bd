package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// This file holds the rules of expressions.

func (w *walk) columnRef(n *pg.ColumnRef, in around) {
	names, star := columnNames(n)
	c := ColumnRef{Names: names, Star: star, Place: PlaceOther, Where: in.where, Position: in.pos}
	if len(names) > 3 || star && len(names) > 2 {
		w.unclear("a column with a database name", in)
	}
	if in.output {
		c.Place, c.Where = PlaceOutput, selectList
	}
	if c.Where == "" {
		c.Where = "inside an expression"
	}
	w.column(c)
}

func columnNames(n *pg.ColumnRef) (names []string, star bool) {
	for _, f := range n.GetFields() {
		if f.GetAStar() != nil {
			star = true
			continue
		}
		names = append(names, f.GetString_().GetSval())
	}
	return names, star
}

// indirection: (x).name is a column of a composite value, or a call of the function name with x; see Statement.Attributes.
// (x).* and x[1] are not calls.
func (w *walk) indirection(n *pg.A_Indirection, in around) fieldRule {
	for _, i := range n.GetIndirection() {
		switch {
		case i.GetString_() != nil:
			w.count()
			w.st.Attributes = append(w.st.Attributes, Mention{What: i.GetString_().GetSval(), Position: in.pos})
		case i.GetAStar() == nil && i.GetAIndices() == nil:
			w.unclear("an indirection", in)
		}
	}
	return w.inside("inside an expression", in)
}

func (w *walk) funcCall(n *pg.FuncCall, in around) fieldRule {
	args := len(n.GetArgs())
	if n.GetAggWithinGroup() {
		args += len(n.GetAggOrder())
	}
	w.named(n.GetFuncname(), args, &w.st.Functions, in)
	names := strings.Join(sval(n.GetFuncname()), ".")
	if names == "pg_catalog.system_user" && n.GetFuncformat() == pg.CoercionForm_COERCE_SQL_SYNTAX {
		// Servers older than 16 do not know SYSTEM_USER: there it is a column.
		w.column(ColumnRef{Names: []string{"system_user"}, Place: PlaceOther, Where: "as SYSTEM_USER", Position: in.pos})
	}
	words := "inside function " + shorten(strings.TrimPrefix(names, "pg_catalog."))
	return func(field protoreflect.Name, _ int, f *around) {
		if field != "over" {
			f.where = words
		}
	}
}

// expression notes the operators of an A_Expr. Most kinds carry the operator's name; BETWEEN is two comparisons.
func (w *walk) expression(n *pg.A_Expr, in around) {
	args := 2
	if n.GetLexpr() == nil {
		args = 1
	}
	list := func(names ...string) {
		for _, name := range names {
			w.operator(Call{Name: name, Args: args, Position: in.pos})
		}
	}
	switch n.GetKind() {
	case pg.A_Expr_Kind_AEXPR_OP, pg.A_Expr_Kind_AEXPR_OP_ANY, pg.A_Expr_Kind_AEXPR_OP_ALL, pg.A_Expr_Kind_AEXPR_DISTINCT,
		pg.A_Expr_Kind_AEXPR_NOT_DISTINCT, pg.A_Expr_Kind_AEXPR_NULLIF, pg.A_Expr_Kind_AEXPR_IN, pg.A_Expr_Kind_AEXPR_LIKE,
		pg.A_Expr_Kind_AEXPR_ILIKE, pg.A_Expr_Kind_AEXPR_SIMILAR:
		w.named(n.GetName(), args, &w.st.Operators, in)
	case pg.A_Expr_Kind_AEXPR_BETWEEN:
		list(">=", "<=")
	case pg.A_Expr_Kind_AEXPR_NOT_BETWEEN:
		list("<", ">")
	case pg.A_Expr_Kind_AEXPR_BETWEEN_SYM, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
		list(">=", "<=", "<", ">")
	default:
		w.unclear("an expression of a kind that is not known", in)
	}
}

func (w *walk) subLink(n *pg.SubLink, in around) {
	switch n.GetSubLinkType() {
	case pg.SubLinkType_EXISTS_SUBLINK, pg.SubLinkType_EXPR_SUBLINK, pg.SubLinkType_ARRAY_SUBLINK:
	case pg.SubLinkType_ANY_SUBLINK, pg.SubLinkType_ALL_SUBLINK:
		if len(n.GetOperName()) == 0 { // x IN (SELECT ...)
			w.operator(Call{Name: "=", Args: 2, Position: in.pos})
			return
		}
		w.named(n.GetOperName(), 2, &w.st.Operators, in)
	default:
		w.unclear("a sub-query of a kind that is not known", in)
	}
}

func (w *walk) typeName(n *pg.TypeName, in around) {
	if n.GetSetof() || n.GetPctType() || n.GetTypeOid() != 0 {
		w.unclear("a type that is not just a name", in)
	}
	for _, mod := range n.GetTypmods() {
		if mod.GetAConst() == nil {
			w.unclear("a type modifier that is not a constant", in)
		}
	}
	w.named(n.GetNames(), len(n.GetTypmods()), &w.st.Types, in)
}

// named notes the use of a name of one or two parts.
func (w *walk) named(names []*pg.Node, args int, list *[]Call, in around) {
	parts := sval(names)
	c := Call{Args: args, Position: in.pos}
	switch len(parts) {
	case 1:
		c.Name = parts[0]
	case 2:
		c.Schema, c.Name = parts[0], parts[1]
	default:
		w.unclear("a name of "+strings.Join(parts, "."), in)
		return
	}
	w.count()
	*list = append(*list, c)
}

// syntax notes a construct of the grammar itself; see Call.Syntax.
func (w *walk) syntax(name string, args, since int, in around) {
	w.function(Call{Name: name, Args: args, Position: in.pos, Syntax: true, Since: since})
}

func sval(nodes []*pg.Node) []string {
	out := make([]string, 0, len(nodes))
	for _, n := range nodes {
		out = append(out, n.GetString_().GetSval())
	}
	return out
}

// shorten cuts a name for use in a sentence.
func shorten(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "..."
	}
	return s
}
