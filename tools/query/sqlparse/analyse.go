package sqlparse

import (
	"errors"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"github.com/pganalyze/pg_query_go/v6/parser"
	"google.golang.org/protobuf/reflect/protoreflect"

	"sallyport/tools"
)

// analyse parses sql and states its facts. It runs in the child only: the C parser can end the process. Every error is a
// *tools.NotUnderstoodError.
func analyse(sql string) (st *Statement, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case errTooMuch:
			st, err = nil, notUnderstood(p.what, 0, "split it into smaller statements")
		default:
			panic(p) // the child dies, and its parent says "not understood"
		}
	}()
	chars := newPositions(sql)
	tree, err := pg.Parse(sql)
	if err != nil {
		return nil, syntaxError(err)
	}
	switch n := len(tree.GetStmts()); {
	case n == 0:
		return nil, notUnderstood("an empty statement", 0, "send one SQL statement")
	case n > 1:
		second := tree.GetStmts()[1]
		return nil, notUnderstood("more than one statement", chars.at(begin(sql, second)), "send one statement per call")
	}
	scan, err := pg.Scan(sql)
	if err != nil {
		return nil, syntaxError(err)
	}
	tokens := trim(scan.GetTokens())
	if len(tokens) == 0 {
		return nil, notUnderstood("an empty statement", 0, "send one SQL statement")
	}
	first, last := tokens[0], tokens[len(tokens)-1]
	w := &walk{chars: chars, fields: map[protoreflect.Name][]protoreflect.FieldDescriptor{}, st: &Statement{Bounded: true, Text: sql[first.GetStart():last.GetEnd()]}}
	w.statement(tree.GetStmts()[0], around{outer: true, pos: chars.at(int(first.GetStart()))})
	w.finish()
	w.st.ParamTokens = paramTokens(sql, tokens)
	w.st.Fingerprint = fingerprint(sql, tokens, w.st.Params)
	w.st.Shadow = shadow(w.st, tree.GetStmts()[0].GetStmt())
	return w.st, nil
}

// statement starts the walk at the top-level node.
func (w *walk) statement(raw *pg.RawStmt, in around) {
	node := raw.GetStmt().ProtoReflect()
	fd := node.WhichOneof(node.Descriptor().Oneofs().Get(0))
	if fd == nil {
		w.unclear("a statement without a node", in)
		return
	}
	w.st.Output = Output{Why: "no rows"}
	m := node.Get(fd).Message()
	switch n := m.Interface().(type) {
	case *pg.SelectStmt:
		w.st.Kind = "select"
	case *pg.InsertStmt:
		w.st.Kind = "insert"
	case *pg.UpdateStmt:
		w.st.Kind = "update"
	case *pg.DeleteStmt:
		w.st.Kind = "delete"
	case *pg.ExplainStmt:
		w.explain(n, in)
		return
	case *pg.VariableShowStmt:
		w.st.Kind, w.st.Setting, w.st.Output = "show", strings.ToLower(n.GetName()), Output{Why: "SHOW"}
		return
	default:
		if !w.defines(m, in) {
			w.utility(m, in)
		}
		return
	}
	w.message(m, in)
}

func begin(sql string, raw *pg.RawStmt) int {
	at := int(raw.GetStmtLocation())
	for at < len(sql) && strings.IndexByte(" \t\r\n", sql[at]) >= 0 {
		at++
	}
	return at
}

// syntaxError passes on what the grammar says; it is about the agent's own text.
func syntaxError(err error) error {
	var e *parser.Error
	if !errors.As(err, &e) {
		return notUnderstood("a statement nested this deeply", 0, "write it more simply")
	}
	return notUnderstood(shorten(e.Message), e.Cursorpos, "check the statement against PostgreSQL's grammar")
}

func notUnderstood(construct string, position int, suggestion string) error {
	return &tools.NotUnderstoodError{Unclear: tools.Unclear{Construct: construct, Position: position}, Suggestion: suggestion}
}
