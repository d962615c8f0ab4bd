package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// enter notes what the message itself says and returns the rule for its fields. ok is false where the walk stops: the
// construct is unclear, or refused as a whole.
//
// This is the list of what is understood. A message type that is not here is unclear, also when a later grammar adds it.
func (w *walk) enter(m protoreflect.Message, in around) (rule fieldRule, ok bool) {
	if len(m.GetUnknown()) > 0 {
		w.unclear("a field of "+string(m.Descriptor().Name())+" that is not known", in)
		return nil, false
	}
	switch n := m.Interface().(type) {
	case *pg.Node: // a wrapper for one of the others
		return func(_ protoreflect.Name, _ int, f *around) { depth := f.depth; *f = in; f.depth = depth }, true
	case *pg.List:
		return func(_ protoreflect.Name, _ int, f *around) { f.from, f.hidden = in.from, in.hidden }, true

	case *pg.SelectStmt:
		return w.selectStmt(n, in), true
	case *pg.InsertStmt:
		return w.insertStmt(n, in), true
	case *pg.UpdateStmt:
		return w.updateStmt(n, in), true
	case *pg.DeleteStmt:
		return w.deleteStmt(n, in), true
	case *pg.OnConflictClause:
		if n.GetAction() == pg.OnConflictAction_ONCONFLICT_UPDATE {
			w.wrote("UPDATE in ON CONFLICT", in)
		}
		w.alias("excluded")
		return fields(assigned("target_list"), where("where_clause", "in ON CONFLICT"), where("infer", "in ON CONFLICT")), true
	case *pg.InferClause:
		return where("", "in ON CONFLICT"), true
	case *pg.IndexElem:
		if n.GetName() != "" {
			w.column(ColumnRef{Names: []string{n.GetName()}, Place: PlaceOther, Where: "in ON CONFLICT", Position: in.pos})
		}
		if len(n.GetOpclass()) > 0 {
			w.unclear("an operator class", in)
		}
		return nil, true
	case *pg.WithClause:
		return w.withClause(n, in), true
	case *pg.CommonTableExpr:
		w.alias(n.GetCtename())
		w.aliases(n.GetAliascolnames())
		w.ranged(n.GetCtename(), w.queryShape(n.GetCtequery().GetSelectStmt(), in.scope, 0).renamed(n.GetAliascolnames()))
		return func(field protoreflect.Name, _ int, f *around) {
			f.where = "in a WITH clause"
			f.with = field == "ctequery"
		}, true
	case *pg.CTESearchClause:
		w.alias(n.GetSearchSeqColumn())
		return nil, true
	case *pg.CTECycleClause:
		w.alias(n.GetCycleMarkColumn())
		w.alias(n.GetCyclePathColumn())
		w.operator(Call{Name: "<>", Args: 2, Position: in.pos})
		return nil, true

	case *pg.RangeVar:
		w.rangeVar(n, in)
		return nil, true
	case *pg.RangeSubselect:
		w.tableAlias(n.GetAlias())
		w.ranged(n.GetAlias().GetAliasname(), w.queryShape(n.GetSubquery().GetSelectStmt(), in.scope, 0).renamed(n.GetAlias().GetColnames()))
		return where("", "in a sub-query"), true
	case *pg.RangeFunction:
		w.tableAlias(n.GetAlias())
		w.functionAliases(n, in)
		return where("", "in a function in FROM"), true
	case *pg.RangeTableSample:
		w.named(n.GetMethod(), len(n.GetArgs()), &w.st.Functions, in)
		return func(field protoreflect.Name, _ int, f *around) {
			if field == "relation" {
				f.from, f.hidden = in.from, in.hidden
				return
			}
			f.where = "in TABLESAMPLE"
		}, true
	case *pg.JoinExpr:
		return w.joinExpr(n, in), true
	case *pg.ColumnDef: // only as FROM f() AS t(a int, b text)
		if n.GetRawDefault() != nil || n.GetCookedDefault() != nil || n.GetIdentitySequence() != nil || len(n.GetConstraints()) > 0 || len(n.GetFdwoptions()) > 0 {
			w.unclear("a column definition with constraints", in)
			return nil, false
		}
		w.alias(n.GetColname())
		return nil, true

	case *pg.ResTarget:
		return w.resTarget(n, in), true
	case *pg.ColumnRef:
		w.columnRef(n, in)
		return nil, true
	case *pg.A_Indirection:
		return w.indirection(n, in), true
	case *pg.CurrentOfExpr:
		w.unclear("WHERE CURRENT OF", in)
		return nil, false
	case *pg.ParamRef:
		if n.GetNumber() < 1 {
			w.unclear("a parameter without a number", in)
		}
		w.st.Params = max(w.st.Params, int(n.GetNumber()))
		return nil, true

	case *pg.FuncCall:
		return w.funcCall(n, in), true
	case *pg.A_Expr:
		w.expression(n, in)
		return w.inside("inside an expression", in), true
	case *pg.SubLink:
		w.subLink(n, in)
		return func(field protoreflect.Name, _ int, f *around) {
			if field == "subselect" {
				f.where = "in a sub-query"
			}
		}, true
	case *pg.TypeCast:
		return w.inside("inside a cast", in), true
	case *pg.TypeName:
		w.typeName(n, in)
		return nil, true
	case *pg.CaseExpr:
		if n.GetArg() != nil { // CASE a WHEN b: a = b
			w.operator(Call{Name: "=", Args: 2, Position: in.pos})
		}
		return w.inside("inside CASE", in), true
	case *pg.SQLValueFunction:
		w.syntax(strings.TrimSuffix(strings.ToLower(strings.TrimPrefix(n.GetOp().String(), "SVFOP_")), "_n"), 0, 0, in)
		return nil, true
	case *pg.GroupingFunc:
		w.syntax("grouping", len(n.GetArgs()), 0, in)
		return w.inside("inside GROUPING", in), true
	case *pg.SortBy:
		if len(n.GetUseOp()) > 0 {
			w.named(n.GetUseOp(), 2, &w.st.Operators, in)
		}
		return nil, true
	case *pg.WindowDef:
		w.alias(n.GetName())
		return where("", "in a window"), true
	case *pg.LockingClause:
		w.refuse(lockWords[n.GetStrength()], "write", in)
		return nil, false
	case *pg.IntoClause:
		w.advise("SELECT INTO", effectDefine, "write CREATE TABLE ... AS SELECT", in)
		return nil, false

	case *pg.CaseWhen, *pg.CoalesceExpr, *pg.MinMaxExpr, *pg.BoolExpr, *pg.BooleanTest, *pg.NullTest, *pg.RowExpr, *pg.A_ArrayExpr,
		*pg.CollateClause, *pg.NamedArgExpr, *pg.MultiAssignRef:
		return w.inside("inside an expression", in), true
	case *pg.GroupingSet:
		return nil, true
	case *pg.A_Indices:
		return where("", "inside a subscript"), true
	case *pg.A_Const:
		if text, ok := n.GetVal().(*pg.A_Const_Sval); ok {
			w.st.Literals = append(w.st.Literals, text.Sval.GetSval())
		}
		return nil, true
	case *pg.A_Star, *pg.SetToDefault, *pg.Alias, *pg.String, *pg.Integer, *pg.Float, *pg.Boolean, *pg.BitString:
		return nil, true
	}
	if rule, ok := w.json(m, in); ok {
		return rule, true
	}
	if refusal, ok := statements[m.Descriptor().Name()]; ok && in.with {
		w.refuse(refusal.what+" in a WITH clause", refusal.effect, in)
		return nil, false
	}
	w.unclear(construct(m), in)
	return nil, false
}

// construct is a message type in words.
func construct(m protoreflect.Message) string {
	switch m.Interface().(type) {
	case *pg.XmlExpr, *pg.XmlSerialize:
		return "an XML function" // they run far past every time limit of the server
	case *pg.RangeTableFunc, *pg.RangeTableFuncCol:
		return "XMLTABLE"
	case *pg.MergeSupportFunc:
		return "MERGE_ACTION"
	}
	return "a " + string(m.Descriptor().Name())
}

var lockWords = map[pg.LockClauseStrength]string{
	pg.LockClauseStrength_LCS_FORKEYSHARE:    "FOR KEY SHARE",
	pg.LockClauseStrength_LCS_FORSHARE:       "FOR SHARE",
	pg.LockClauseStrength_LCS_FORNOKEYUPDATE: "FOR NO KEY UPDATE",
	pg.LockClauseStrength_LCS_FORUPDATE:      "FOR UPDATE",
}

// where sets the words for one field, or for all when field is "".
func where(field protoreflect.Name, words string) fieldRule {
	return func(at protoreflect.Name, _ int, f *around) {
		if field == "" || field == at {
			f.where = words
		}
	}
}

// assigned makes the items of a field those that are written.
func assigned(field protoreflect.Name) fieldRule {
	return func(at protoreflect.Name, _ int, f *around) {
		if field == at {
			f.item, f.where = itemAssigned, "in SET"
		}
	}
}

func fields(rules ...fieldRule) fieldRule {
	return func(at protoreflect.Name, i int, f *around) {
		for _, r := range rules {
			r(at, i, f)
		}
	}
}

// inside keeps the words of the clause where there are some, since "in WHERE" helps more than "inside an expression".
func (w *walk) inside(words string, in around) fieldRule {
	if in.where != "" && in.where != selectList {
		return nil
	}
	return where("", words)
}
