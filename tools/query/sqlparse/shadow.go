package sqlparse

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Shadow reads what an INSERT, UPDATE or DELETE would change, without changing it: SELECTs made from the statement's own tree, with its
// FROM, USING, WHERE and WITH. They use the same parameters, or fewer of them.
//
// The texts come out of the child that read a stranger's statement. Before one of them is sent to a server it has to be parsed and
// inspected like any other read.
type Shadow struct {
	// Hits selects, for UPDATE and DELETE, tableoid and ctid of each row that would be hit, each once; for INSERT ... SELECT the rows to
	// add. Empty when the rows can be told without looking, or not at all.
	Hits string `json:"hits,omitempty"`
	// Sample is, for UPDATE, Hits with the new value of each assigned column behind them (a row may come more than once). Empty when some
	// column is not assigned a plain expression.
	Sample string `json:"sample,omitempty"`
	// Added is the number of rows of INSERT ... VALUES.
	Added int64 `json:"added,omitempty"`
	// AtMost is true when a conflict may leave some of the rows out.
	AtMost bool `json:"at_most,omitempty"`
	// Unordered says that which rows are hit is left to the server: LIMIT without ORDER BY, TABLESAMPLE.
	Unordered bool `json:"unordered,omitempty"`
}

// grammar is the version of the trees made here, which is that of the trees the parser makes.
const grammar = 170007

// The names of the first two columns of Hits and Sample.
const (
	ShadowTable = "sallyport_table"
	ShadowRow   = "sallyport_row"
)

// shadow makes the shadow of a statement that was walked; nil for those that have none.
func shadow(st *Statement, node *pg.Node) *Shadow {
	if len(st.Unclear)+len(st.Refused) > 0 {
		return nil
	}
	var s *Shadow
	switch n := node.GetNode().(type) {
	case *pg.Node_UpdateStmt:
		u := n.UpdateStmt
		rows := rowsOf(u.GetRelation(), u.GetFromClause(), u.GetWhereClause(), u.GetWithClause())
		s = &Shadow{Hits: selectText(hits(rows, u.GetRelation(), len(u.GetFromClause()) > 0))}
		if values, ok := newValues(u.GetTargetList()); ok {
			sample := hits(rows, u.GetRelation(), false)
			sample.TargetList = append(sample.TargetList, values...)
			s.Sample = selectText(sample)
		}
	case *pg.Node_DeleteStmt:
		d := n.DeleteStmt
		rows := rowsOf(d.GetRelation(), d.GetUsingClause(), d.GetWhereClause(), d.GetWithClause())
		s = &Shadow{Hits: selectText(hits(rows, d.GetRelation(), len(d.GetUsingClause()) > 0))}
	case *pg.Node_InsertStmt:
		s = insertShadow(n.InsertStmt)
	}
	if s == nil || s.Hits == "" && s.Added == 0 {
		return nil
	}
	s.Unordered = unordered(node.ProtoReflect(), 0)
	return s
}

// rowsOf is SELECT FROM the changed table and what it is joined with.
func rowsOf(t *pg.RangeVar, joined []*pg.Node, where *pg.Node, with *pg.WithClause) *pg.SelectStmt {
	from := append([]*pg.Node{{Node: &pg.Node_RangeVar{RangeVar: t}}}, joined...)
	return &pg.SelectStmt{FromClause: from, WhereClause: where, WithClause: with, LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE}
}

// hits is rows with the two columns that name one row of t. A join may find a row more than once; it is changed once.
func hits(rows *pg.SelectStmt, t *pg.RangeVar, distinct bool) *pg.SelectStmt {
	name := t.GetAlias().GetAliasname()
	if name == "" {
		name = t.GetRelname()
	}
	column := func(of, as string) *pg.Node {
		ref := pg.MakeColumnRefNode([]*pg.Node{pg.MakeStrNode(name), pg.MakeStrNode(of)}, -1)
		return pg.MakeResTargetNodeWithNameAndVal(as, ref, -1)
	}
	out := &pg.SelectStmt{FromClause: rows.FromClause, WhereClause: rows.WhereClause, WithClause: rows.WithClause, LimitOption: rows.LimitOption, Op: rows.Op,
		TargetList: []*pg.Node{column("tableoid", ShadowTable), column("ctid", ShadowRow)}}
	if distinct {
		out.DistinctClause = []*pg.Node{{}} // an empty node is DISTINCT without ON
	}
	return out
}

// newValues are the assigned expressions under their columns' names.
func newValues(assigned []*pg.Node) (out []*pg.Node, ok bool) {
	for _, n := range assigned {
		t := n.GetResTarget()
		if len(t.GetIndirection()) > 0 || t.GetVal().GetMultiAssignRef() != nil || t.GetVal().GetSetToDefault() != nil {
			return nil, false
		}
		out = append(out, pg.MakeResTargetNodeWithNameAndVal(t.GetName(), t.GetVal(), -1))
	}
	return out, true
}

func insertShadow(n *pg.InsertStmt) *Shadow {
	s := &Shadow{}
	if c := n.GetOnConflictClause(); c != nil {
		s.AtMost = c.GetAction() != pg.OnConflictAction_ONCONFLICT_UPDATE || c.GetWhereClause() != nil
	}
	q := n.GetSelectStmt().GetSelectStmt()
	switch values := q.GetValuesLists(); {
	case q == nil: // DEFAULT VALUES
		s.Added = 1
	case len(values) == 1 && callsFunction(values[0].ProtoReflect(), 0):
		// One row of VALUES is a SELECT list: a function there may return many rows.
		list := &pg.SelectStmt{WithClause: q.GetWithClause(), LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE}
		for _, v := range values[0].GetList().GetItems() {
			if v.GetSetToDefault() == nil {
				list.TargetList = append(list.TargetList, pg.MakeResTargetNodeWithVal(v, -1))
			}
		}
		s.Hits = withText(list, n.GetWithClause())
	case len(values) > 0 && q.GetLimitCount() == nil && q.GetLimitOffset() == nil:
		s.Added = int64(len(values))
	default:
		s.Hits = withText(q, n.GetWithClause())
	}
	return s
}

// withText is the query with the WITH clause of its statement.
func withText(q *pg.SelectStmt, with *pg.WithClause) string {
	if with == nil {
		return selectText(q)
	}
	if q.GetWithClause() != nil {
		return "" // two WITH clauses, one inside the other
	}
	c := &pg.SelectStmt{DistinctClause: q.DistinctClause, TargetList: q.TargetList, FromClause: q.FromClause, WhereClause: q.WhereClause, GroupClause: q.GroupClause,
		GroupDistinct: q.GroupDistinct, HavingClause: q.HavingClause, WindowClause: q.WindowClause, ValuesLists: q.ValuesLists, SortClause: q.SortClause,
		LimitOffset: q.LimitOffset, LimitCount: q.LimitCount, LimitOption: q.LimitOption, Op: q.Op, All: q.All, Larg: q.Larg, Rarg: q.Rarg, WithClause: with}
	return selectText(c)
}

// selectText writes the query as SQL, and keeps it only when it reads back as a SELECT that changes nothing.
func selectText(q *pg.SelectStmt) string {
	text, err := pg.Deparse(&pg.ParseResult{Version: grammar, Stmts: []*pg.RawStmt{{Stmt: &pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: q}}}}})
	if err != nil || len(text) > maxStatement {
		return ""
	}
	st, err := analyse(text)
	if err != nil || st.Kind != "select" || len(st.Writes)+len(st.Refused)+len(st.Unclear) > 0 {
		return ""
	}
	return st.Text
}

func unordered(m protoreflect.Message, depth int) bool {
	return anyMessage(m, depth, func(m protoreflect.Message) bool {
		switch n := m.Interface().(type) {
		case *pg.SelectStmt:
			return (n.GetLimitCount() != nil || n.GetLimitOffset() != nil) && len(n.GetSortClause()) == 0
		case *pg.RangeTableSample:
			return true
		}
		return false
	})
}

func callsFunction(m protoreflect.Message, depth int) bool {
	return anyMessage(m, depth, func(m protoreflect.Message) bool {
		_, ok := m.Interface().(*pg.FuncCall)
		return ok
	})
}

// anyMessage reports whether some message of a tree is one that is looked for. What is too deep counts as found.
func anyMessage(m protoreflect.Message, depth int, is func(protoreflect.Message) bool) (found bool) {
	if depth > maxDepth || is(m) {
		return true
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Kind() != protoreflect.MessageKind || fd.IsMap():
		case fd.IsList():
			found = slices.ContainsFunc(messages(v.List()), func(x protoreflect.Message) bool { return anyMessage(x, depth+1, is) })
		default:
			found = anyMessage(v.Message(), depth+1, is)
		}
		return !found
	})
	return found
}

func messages(l protoreflect.List) []protoreflect.Message {
	out := make([]protoreflect.Message, l.Len())
	for i := range out {
		out[i] = l.Get(i).Message()
	}
	return out
}
