package sqlparse

import (
	"cmp"
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Definition is what a statement that defines or administers says: one of the forms that are known completely. Read-only
// after Parse.
//
// The statements here are not walked like queries. The rule of each names the fields it reads, and any other field that is
// set makes the statement unclear (see only): an option that a rule did not think of is never passed on. Expressions and queries
// inside are walked like everywhere else.
type Definition struct {
	Kind   string `json:"kind"`   // "create_table", "drop_index"; policy rates it by this word
	Effect string `json:"effect"` // define, admin; write for TRUNCATE
	// Targets are what is made, changed or dropped.
	Targets []Target `json:"targets"`
	// Also are further kinds that the statement has: "drop" for every statement that drops something with what it holds.
	Also []string `json:"also,omitempty"`
	// Moves names what could part a labelled column from its label, or tell its values: RENAME COLUMN, DETACH PARTITION. Such a
	// statement cannot be for a table with labelled columns. Empty where labels are sure to stay.
	Moves []Mention `json:"moves,omitempty"`
	// Columns are the existing columns that are changed or that something is made from.
	Columns []ColumnRef `json:"columns,omitempty"`
	// Stores is true where rows of a query are kept (CREATE TABLE AS) or shown under another name (a view).
	Stores bool `json:"stores,omitempty"`
	// Cascade is true for CASCADE, with its position unknown to the grammar.
	Cascade bool `json:"cascade,omitempty"`
}

// Target is one object of a Definition, as the statement names it.
type Target struct {
	// Type is table, view, materialized view, index, sequence, schema, type, domain, policy, role. A table that is altered may
	// turn out to be a view: PostgreSQL takes ALTER TABLE for both.
	Type   string `json:"type"`
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
	Table  string `json:"table,omitempty"` // of a policy: the table's name, in Schema; of a schema "*": every table in it
	New    bool   `json:"new,omitempty"`   // is made by the statement
	Lax    bool   `json:"lax,omitempty"`   // IF EXISTS, IF NOT EXISTS, OR REPLACE

	Position int `json:"position"`
}

const (
	effectDefine = "define"
	effectAdmin  = "admin"
	effectWrite  = "write"
)

// defines states what a definition says. handled is false for statements that are none, or of no known form.
func (w *walk) defines(m protoreflect.Message, in around) (handled bool) {
	in.outer = false // what a query inside gives is not what the agent gets
	d := &Definition{}
	w.def = d
	switch n := m.Interface().(type) {
	case *pg.CreateStmt:
		w.createTable(n, in)
	case *pg.AlterTableStmt:
		w.alterTable(n, in)
	case *pg.IndexStmt:
		w.createIndex(n, in)
	case *pg.ViewStmt:
		w.createView(n, in)
	case *pg.CreateTableAsStmt:
		w.createTableAs(n, in)
	case *pg.RefreshMatViewStmt:
		w.refresh(n, in)
	case *pg.DropStmt:
		w.drop(n, in)
	case *pg.TruncateStmt:
		w.truncate(n, in)
	case *pg.CommentStmt:
		w.comment(n, in)
	case *pg.CreateSchemaStmt:
		w.createSchema(n, in)
	case *pg.CreateSeqStmt:
		w.createSequence(n, in)
	case *pg.AlterSeqStmt:
		w.alterSequence(n, in)
	case *pg.CreateEnumStmt:
		w.createEnum(n, in)
	case *pg.AlterEnumStmt:
		w.alterEnum(n, in)
	case *pg.RenameStmt:
		w.rename(n, in)
	case *pg.AlterObjectSchemaStmt:
		w.setSchema(n, in)
	case *pg.VacuumStmt:
		w.analyze(n, in)
	case *pg.GrantStmt:
		w.grant(n, in)
	case *pg.GrantRoleStmt:
		w.grantRole(n, in)
	case *pg.AlterOwnerStmt:
		w.alterOwner(n, in)
	case *pg.CreatePolicyStmt:
		w.createPolicy(n, in)
	case *pg.AlterPolicyStmt:
		w.alterPolicy(n, in)
	case *pg.CreateRoleStmt:
		w.createRole(n, in)
	case *pg.AlterRoleStmt:
		w.alterRole(n, in)
	case *pg.DropRoleStmt:
		w.dropRole(n, in)
	default:
		w.def = nil
		return false
	}
	w.st.Kind = cmp.Or(d.Kind, string(m.Descriptor().Name()))
	if w.st.Params > 0 {
		w.unclear("a parameter in a statement that defines; write the value into it", in)
	}
	if d.Kind == "" || d.Effect == "" || len(d.Targets) == 0 {
		if len(w.st.Unclear)+len(w.st.Refused) == 0 {
			w.unclear("a form of "+statementWords(m), in)
		}
		return true
	}
	w.st.Define = d
	return true
}

// is sets what the statement is.
func (w *walk) is(kind, effect string) { w.def.Kind, w.def.Effect = kind, effect }

func statementWords(m protoreflect.Message) string {
	if r, ok := statements[m.Descriptor().Name()]; ok {
		return r.what
	}
	return construct(m)
}

// only makes the statement unclear when a field is set that is not named. It reports whether there is none.
func (w *walk) only(m protoreflect.ProtoMessage, words string, in around, names ...protoreflect.Name) bool {
	r := m.ProtoReflect()
	if len(r.GetUnknown()) > 0 {
		w.unclear("a field of "+string(r.Descriptor().Name())+" that is not known", in)
		return false
	}
	known := map[protoreflect.Name]bool{"location": true}
	for _, n := range names {
		known[n] = true
	}
	ok := true
	for i := range r.Descriptor().Fields().Len() {
		if fd := r.Descriptor().Fields().Get(i); r.Has(fd) && !known[fd.Name()] {
			w.unclear(fmt.Sprintf("an option of %s that is not known: %s", words, strings.ReplaceAll(string(fd.Name()), "_", " ")), in)
			ok = false
		}
	}
	return ok
}

// target notes what a RangeVar names.
func (w *walk) target(n *pg.RangeVar, typ string, isNew, lax bool, in around) {
	w.only(n, "a name", in, "schemaname", "relname", "inh", "relpersistence")
	switch n.GetRelpersistence() {
	case "p", "u":
	default:
		w.advise("a temporary table", effectDefine, "each call has a session of its own; use a WITH clause instead", in)
	}
	if at := w.location(n.ProtoReflect()); at > 0 {
		in.pos = at
	}
	w.targets(Target{Type: typ, Schema: n.GetSchemaname(), Name: n.GetRelname(), New: isNew, Lax: lax, Position: in.pos})
}

func (w *walk) targets(t Target) {
	w.count()
	w.def.Targets = append(w.def.Targets, t)
}

// qualified is a name of one or two parts.
func (w *walk) qualified(n []*pg.Node, in around) (schema, name string) {
	parts := make([]string, 0, len(n))
	for _, p := range n {
		if p.GetString_() == nil {
			w.unclear("a name that is not just a name", in)
			return "", ""
		}
		parts = append(parts, p.GetString_().GetSval())
	}
	switch len(parts) {
	case 1:
		return "", parts[0]
	case 2:
		return parts[0], parts[1]
	}
	w.unclear("a name of "+strings.Join(parts, "."), in)
	return "", ""
}

// within walks an expression or a query of a definition.
func (w *walk) within(n protoreflect.ProtoMessage, words string, in around) {
	if n == nil || !n.ProtoReflect().IsValid() {
		return
	}
	w.message(n.ProtoReflect(), around{where: words, pos: in.pos, depth: in.depth})
}

// uses notes an existing column that is changed, or that something is made from.
func (w *walk) uses(name, words string, in around) {
	w.count()
	w.def.Columns = append(w.def.Columns, ColumnRef{Names: []string{name}, Place: PlaceOther, Where: words, Position: in.pos})
}

// moves notes that labels may not stay with their columns.
func (w *walk) moves(words string, in around) {
	w.count()
	w.def.Moves = append(w.def.Moves, Mention{What: words, Effect: w.def.Effect, Position: in.pos})
}

// advise refuses a construct that is understood, and says what to do instead.
func (w *walk) advise(what, effect, advice string, in around) {
	w.count()
	w.st.Refused = append(w.st.Refused, Mention{What: what, Effect: effect, Position: in.pos, Advice: advice})
}
