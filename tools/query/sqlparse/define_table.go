package sqlparse

import (
	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// This file holds the rules of CREATE TABLE and of what a table is made of.

func (w *walk) createTable(n *pg.CreateStmt, in around) {
	w.is("create_table", effectDefine)
	w.only(n, "CREATE TABLE", in, "relation", "table_elts", "oncommit", "if_not_exists", "partspec")
	if n.GetOncommit() != pg.OnCommitAction_ONCOMMIT_NOOP {
		w.unclear("ON COMMIT", in)
	}
	w.target(n.GetRelation(), "table", true, n.GetIfNotExists(), in)
	var columns []string
	for _, e := range n.GetTableElts() {
		if c := e.GetColumnDef(); c != nil {
			columns = append(columns, c.GetColname())
		}
	}
	// A condition may name the columns with the table's name in front.
	w.names(columns)
	w.ranged(n.GetRelation().GetRelname(), shape{columns: columns})
	for _, e := range n.GetTableElts() {
		switch {
		case e.GetColumnDef() != nil:
			w.columnDef(e.GetColumnDef(), in)
		case e.GetConstraint() != nil:
			w.constraint(e.GetConstraint(), true, in)
		case e.GetTableLikeClause() != nil:
			w.advise("LIKE in CREATE TABLE", effectDefine, "write the columns out", in)
		default:
			w.unclear("an element of CREATE TABLE that is not known", in)
		}
	}
	if p := n.GetPartspec(); p != nil {
		w.only(p, "PARTITION BY", in, "strategy", "part_params")
		for _, e := range p.GetPartParams() {
			el := e.GetPartitionElem()
			if el == nil {
				w.unclear("a partition key that is not known", in)
				continue
			}
			w.only(el, "a partition key", in, "name", "expr")
			w.within(el.GetExpr(), "in a partition key", in)
		}
	}
}

func (w *walk) names(list []string) {
	for _, n := range list {
		w.alias(n)
	}
}

// serialTypes are no types: the grammar's way to ask for a sequence of its own.
var serialTypes = map[string]string{"serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8", "smallserial": "int2", "serial2": "int2"}

// columnDef is a column of a table that is made, or that is added to one.
func (w *walk) columnDef(n *pg.ColumnDef, in around) {
	if at := w.location(n.ProtoReflect()); at > 0 {
		in.pos = at
	}
	w.only(n, "a column", in, "colname", "type_name", "constraints", "is_local", "coll_clause")
	if t := n.GetTypeName(); t == nil {
		w.unclear("a column without a type", in)
	} else if names := sval(t.GetNames()); len(names) == 1 && serialTypes[names[0]] != "" {
		w.only(t, "a serial column", in, "names", "typemod")
	} else {
		w.within(t, "in a column's type", in)
	}
	w.within(n.GetCollClause(), "in COLLATE", in)
	for _, c := range n.GetConstraints() {
		if c.GetConstraint() == nil {
			w.unclear("a constraint that is not known", in)
			continue
		}
		w.constraint(c.GetConstraint(), true, in)
	}
}

// constraint is one of a table or a column. fresh says that the columns it names are new ones.
func (w *walk) constraint(n *pg.Constraint, fresh bool, in around) {
	if at := w.location(n.ProtoReflect()); at > 0 {
		in.pos = at
	}
	own := func(nodes []*pg.Node, words string) {
		for _, k := range nodes {
			if k.GetString_() == nil {
				w.unclear("a column of a constraint that is no name", in)
			} else if !fresh {
				w.uses(k.GetString_().GetSval(), words, in)
			}
		}
	}
	switch n.GetContype() {
	case pg.ConstrType_CONSTR_NULL, pg.ConstrType_CONSTR_NOTNULL, pg.ConstrType_CONSTR_ATTR_DEFERRABLE, pg.ConstrType_CONSTR_ATTR_NOT_DEFERRABLE,
		pg.ConstrType_CONSTR_ATTR_DEFERRED, pg.ConstrType_CONSTR_ATTR_IMMEDIATE:
		w.only(n, "a constraint", in, "contype", "conname", "initially_valid")
	case pg.ConstrType_CONSTR_DEFAULT:
		w.only(n, "DEFAULT", in, "contype", "conname", "raw_expr")
		w.within(n.GetRawExpr(), "in DEFAULT", in)
	case pg.ConstrType_CONSTR_CHECK:
		w.only(n, "CHECK", in, "contype", "conname", "raw_expr", "initially_valid", "skip_validation", "is_no_inherit")
		w.within(n.GetRawExpr(), "in CHECK", in)
	case pg.ConstrType_CONSTR_GENERATED:
		w.only(n, "GENERATED", in, "contype", "conname", "raw_expr", "generated_when")
		w.within(n.GetRawExpr(), "in a generated column", in)
	case pg.ConstrType_CONSTR_IDENTITY:
		w.only(n, "GENERATED AS IDENTITY", in, "contype", "conname", "generated_when", "options")
		w.sequenceOptions(n.GetOptions(), in)
	case pg.ConstrType_CONSTR_PRIMARY, pg.ConstrType_CONSTR_UNIQUE:
		w.only(n, "a key", in, "contype", "conname", "keys", "including", "nulls_not_distinct", "deferrable", "initdeferred", "initially_valid")
		own(n.GetKeys(), "in a key")
		own(n.GetIncluding(), "in a key")
	case pg.ConstrType_CONSTR_FOREIGN:
		w.only(n, "a foreign key", in, "contype", "conname", "pktable", "fk_attrs", "pk_attrs", "fk_matchtype", "fk_upd_action", "fk_del_action",
			"fk_del_set_cols", "deferrable", "initdeferred", "initially_valid", "skip_validation")
		own(n.GetFkAttrs(), "in a foreign key")
		own(n.GetFkDelSetCols(), "in a foreign key")
		// The table referred to gets triggers of the server's own, and its keys can be asked for: it counts as changed.
		w.target(n.GetPktable(), "table", false, false, in)
		if len(n.GetPkAttrs()) == 0 {
			w.moves("a foreign key to its primary key", in)
		}
		for _, k := range n.GetPkAttrs() {
			w.uses(k.GetString_().GetSval(), "in a foreign key", in)
		}
	default:
		w.unclear("a constraint of a kind that is not known", in)
	}
}

// alterTable takes several changes. What could part a column from its label, or tell its values, is noted as such.
func (w *walk) alterTable(n *pg.AlterTableStmt, in around) {
	switch n.GetObjtype() {
	case pg.ObjectType_OBJECT_TABLE:
	default:
		w.advise("ALTER "+object(n.GetObjtype()), effectDefine, "only tables are altered through the gateway", in)
		return
	}
	w.is("alter_table", effectDefine)
	w.only(n, "ALTER TABLE", in, "relation", "cmds", "objtype", "missing_ok")
	w.target(n.GetRelation(), "table", false, n.GetMissingOk(), in)
	if !n.GetRelation().GetInh() {
		w.moves("ALTER TABLE ONLY", in)
	}
	for _, c := range n.GetCmds() {
		if c.GetAlterTableCmd() == nil {
			w.unclear("a form of ALTER TABLE that is not known", in)
			continue
		}
		w.alterTableCmd(c.GetAlterTableCmd(), in)
	}
}

func (w *walk) alterTableCmd(n *pg.AlterTableCmd, in around) {
	fields := func(more ...protoreflect.Name) {
		w.only(n, "ALTER TABLE", in, append(more, "subtype", "behavior", "recurse")...)
		w.cascades(n.GetBehavior())
	}
	switch n.GetSubtype() {
	case pg.AlterTableType_AT_AddColumn:
		fields("def", "missing_ok")
		w.also("add_column")
		if c := n.GetDef().GetColumnDef(); c != nil {
			w.names([]string{c.GetColname()})
			w.columnDef(c, in)
			return
		}
		w.unclear("a column that is not known", in)
	case pg.AlterTableType_AT_DropColumn:
		fields("name", "missing_ok")
		w.also("drop_column", "drop")
		w.uses(n.GetName(), "in DROP COLUMN", in)
		w.moves("DROP COLUMN", in) // with it go keys that give other tables' columns their label
	case pg.AlterTableType_AT_ColumnDefault:
		fields("name", "def")
		w.uses(n.GetName(), "in SET DEFAULT", in)
		w.within(n.GetDef(), "in DEFAULT", in)
	case pg.AlterTableType_AT_DropNotNull, pg.AlterTableType_AT_SetNotNull:
		fields("name")
		w.uses(n.GetName(), "in SET NOT NULL", in)
	case pg.AlterTableType_AT_SetStatistics:
		fields("name", "def")
		w.uses(n.GetName(), "in SET STATISTICS", in)
		if n.GetDef().GetInteger() == nil {
			w.unclear("SET STATISTICS without a number", in)
		}
	case pg.AlterTableType_AT_AlterColumnType:
		fields("name", "def")
		w.also("alter_type")
		w.uses(n.GetName(), "in ALTER COLUMN", in)
		w.moves("ALTER COLUMN TYPE", in)
		c := n.GetDef().GetColumnDef()
		if c == nil {
			w.unclear("a column that is not known", in)
			return
		}
		w.only(c, "ALTER COLUMN", in, "type_name", "raw_default", "coll_clause")
		w.within(c.GetTypeName(), "in a column's type", in)
		w.within(c.GetRawDefault(), "in USING", in)
		w.within(c.GetCollClause(), "in COLLATE", in)
	case pg.AlterTableType_AT_AddConstraint:
		fields("def")
		w.also("add_constraint")
		if c := n.GetDef().GetConstraint(); c != nil {
			w.constraint(c, false, in)
			return
		}
		w.unclear("a constraint that is not known", in)
	case pg.AlterTableType_AT_ValidateConstraint:
		fields("name")
		w.also("validate_constraint")
		w.moves("VALIDATE CONSTRAINT", in) // whether it holds says something about the values
	case pg.AlterTableType_AT_DropConstraint:
		fields("name", "missing_ok")
		w.also("drop_constraint")
		w.moves("DROP CONSTRAINT", in)
	case pg.AlterTableType_AT_EnableRowSecurity, pg.AlterTableType_AT_DisableRowSecurity, pg.AlterTableType_AT_ForceRowSecurity,
		pg.AlterTableType_AT_NoForceRowSecurity:
		fields()
		w.administers("row_security")
	case pg.AlterTableType_AT_ChangeOwner:
		fields("newowner")
		w.administers("alter_owner")
		w.role(n.GetNewowner(), in)
	default:
		w.advise("this form of ALTER TABLE", effectDefine,
			"taken are ADD and DROP COLUMN, SET and DROP DEFAULT, SET and DROP NOT NULL, ALTER COLUMN TYPE, constraints, row security and OWNER TO", in)
	}
}

// also notes a further kind.
func (w *walk) also(kinds ...string) { w.def.Also = append(w.def.Also, kinds...) }

// administers makes the statement one about rights, whatever else it does.
func (w *walk) administers(kind string) {
	w.def.Effect = effectAdmin
	w.also(kind)
}

func (w *walk) cascades(b pg.DropBehavior) {
	if b == pg.DropBehavior_DROP_CASCADE {
		w.def.Cascade = true
	}
}
