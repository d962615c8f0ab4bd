package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// This file holds the rules of statements about whole objects: DROP, RENAME, COMMENT, TRUNCATE, sequences, schemas, enums.

// objectTypes are the kinds of objects that are dropped, renamed or commented on, in the words of Target.Type.
var objectTypes = map[pg.ObjectType]string{
	pg.ObjectType_OBJECT_TABLE: "table", pg.ObjectType_OBJECT_VIEW: "view", pg.ObjectType_OBJECT_MATVIEW: "materialized view",
	pg.ObjectType_OBJECT_INDEX: "index", pg.ObjectType_OBJECT_SEQUENCE: "sequence", pg.ObjectType_OBJECT_SCHEMA: "schema",
	pg.ObjectType_OBJECT_TYPE: "type", pg.ObjectType_OBJECT_DOMAIN: "domain", pg.ObjectType_OBJECT_POLICY: "policy",
}

// kindOf is the word for policy: "drop" and "materialized view" give drop_materialized_view.
func kindOf(verb, typ string) string { return verb + "_" + strings.ReplaceAll(typ, " ", "_") }

// runsCode are kinds of objects that are code, or run some.
var runsCode = map[pg.ObjectType]bool{
	pg.ObjectType_OBJECT_FUNCTION: true, pg.ObjectType_OBJECT_PROCEDURE: true, pg.ObjectType_OBJECT_ROUTINE: true, pg.ObjectType_OBJECT_AGGREGATE: true,
	pg.ObjectType_OBJECT_TRIGGER: true, pg.ObjectType_OBJECT_RULE: true, pg.ObjectType_OBJECT_EXTENSION: true, pg.ObjectType_OBJECT_EVENT_TRIGGER: true,
	pg.ObjectType_OBJECT_LANGUAGE: true, pg.ObjectType_OBJECT_FDW: true, pg.ObjectType_OBJECT_FOREIGN_SERVER: true, pg.ObjectType_OBJECT_OPERATOR: true,
}

func (w *walk) drop(n *pg.DropStmt, in around) {
	typ := objectTypes[n.GetRemoveType()]
	if typ == "" {
		advice := "the gateway drops tables, views, indexes, sequences, schemas, types, domains and policies"
		if runsCode[n.GetRemoveType()] {
			advice = "what runs code is changed by an operator"
		}
		w.advise("DROP "+object(n.GetRemoveType()), effectDefine, advice, in)
		return
	}
	w.is(kindOf("drop", typ), effectDefine)
	if typ == "policy" {
		w.def.Effect = effectAdmin
	}
	if typ != "index" && typ != "view" && typ != "materialized view" && typ != "policy" { // those hold nothing that is nowhere else
		w.also("drop")
	}
	if n.GetConcurrent() {
		w.advise("DROP INDEX CONCURRENTLY", effectDefine, "it cannot run in a transaction; leave CONCURRENTLY out, or have an operator run it", in)
		return
	}
	w.only(n, "DROP", in, "objects", "remove_type", "behavior", "missing_ok")
	w.cascades(n.GetBehavior())
	w.moves("DROP", in) // with a table go the keys that give other tables' columns their label
	for _, o := range n.GetObjects() {
		w.object(typ, o, n.GetMissingOk(), in)
	}
}

// object is one of a list: a name, a list of names, or a type.
func (w *walk) object(typ string, o *pg.Node, lax bool, in around) {
	t := Target{Type: typ, Lax: lax, Position: in.pos}
	switch {
	case o.GetString_() != nil && typ == "schema":
		t.Name = o.GetString_().GetSval()
	case o.GetTypeName() != nil:
		n := o.GetTypeName()
		w.only(n, "a type's name", in, "names", "typemod")
		t.Schema, t.Name = w.qualified(n.GetNames(), in)
		t.Position = max(t.Position, w.location(n.ProtoReflect()))
	case o.GetList() != nil && typ == "policy":
		items := o.GetList().GetItems()
		if len(items) < 2 {
			w.unclear("a name that is not known", in)
			return
		}
		t.Schema, t.Table = w.qualified(items[:len(items)-1], in)
		t.Name = items[len(items)-1].GetString_().GetSval()
	case o.GetList() != nil:
		t.Schema, t.Name = w.qualified(o.GetList().GetItems(), in)
	default:
		w.unclear("a name that is not known", in)
		return
	}
	if t.Name == "" {
		w.unclear("an empty name", in)
		return
	}
	w.targets(t)
}

func (w *walk) truncate(n *pg.TruncateStmt, in around) {
	w.is("truncate", effectWrite)
	w.st.Bounded = false
	w.only(n, "TRUNCATE", in, "relations", "restart_seqs", "behavior")
	w.cascades(n.GetBehavior())
	for _, r := range n.GetRelations() {
		if r.GetRangeVar() == nil {
			w.unclear("a table that is not known", in)
			continue
		}
		w.target(r.GetRangeVar(), "table", false, false, in)
	}
}

func (w *walk) comment(n *pg.CommentStmt, in around) {
	w.is("comment", effectDefine)
	w.only(n, "COMMENT", in, "objtype", "object", "comment")
	if n.GetObjtype() == pg.ObjectType_OBJECT_COLUMN {
		names := n.GetObject().GetList().GetItems()
		if len(names) < 2 || len(names) > 3 {
			w.unclear("COMMENT on a column that is not known", in)
			return
		}
		t := Target{Type: "table", Position: in.pos}
		t.Schema, t.Name = w.qualified(names[:len(names)-1], in)
		w.targets(t)
		return
	}
	typ := objectTypes[n.GetObjtype()]
	if typ == "" || typ == "policy" {
		w.advise("COMMENT ON "+object(n.GetObjtype()), effectDefine, "comments are taken on tables, columns, views, indexes, sequences, schemas and types", in)
		return
	}
	w.object(typ, n.GetObject(), false, in)
}

func (w *walk) createSchema(n *pg.CreateSchemaStmt, in around) {
	w.is("create_schema", effectDefine)
	w.only(n, "CREATE SCHEMA", in, "schemaname", "if_not_exists")
	w.targets(Target{Type: "schema", Name: n.GetSchemaname(), New: true, Lax: n.GetIfNotExists(), Position: in.pos})
}

func (w *walk) createSequence(n *pg.CreateSeqStmt, in around) {
	w.is("create_sequence", effectDefine)
	w.only(n, "CREATE SEQUENCE", in, "sequence", "options", "if_not_exists")
	w.target(n.GetSequence(), "sequence", true, n.GetIfNotExists(), in)
	w.sequenceOptions(n.GetOptions(), in)
}

func (w *walk) alterSequence(n *pg.AlterSeqStmt, in around) {
	w.is("alter_sequence", effectDefine)
	w.only(n, "ALTER SEQUENCE", in, "sequence", "options", "missing_ok")
	w.target(n.GetSequence(), "sequence", false, n.GetMissingOk(), in)
	w.sequenceOptions(n.GetOptions(), in)
}

func (w *walk) sequenceOptions(options []*pg.Node, in around) {
	for _, o := range options {
		d := o.GetDefElem()
		switch d.GetDefname() {
		case "increment", "minvalue", "maxvalue", "start", "restart", "cache", "cycle", "as":
		default:
			w.unclear("an option of a sequence that is not known", in)
		}
		if a := d.GetArg(); a != nil && a.GetInteger() == nil && a.GetFloat() == nil && a.GetBoolean() == nil && a.GetTypeName() == nil {
			w.unclear("an option of a sequence that is no number", in)
		}
		w.within(d.GetArg().GetTypeName(), "in a sequence's type", in)
	}
}

func (w *walk) createEnum(n *pg.CreateEnumStmt, in around) {
	w.is("create_type", effectDefine)
	w.only(n, "CREATE TYPE", in, "type_name", "vals")
	t := Target{Type: "type", New: true, Position: in.pos}
	t.Schema, t.Name = w.qualified(n.GetTypeName(), in)
	w.targets(t)
}

func (w *walk) alterEnum(n *pg.AlterEnumStmt, in around) {
	w.is("alter_type", effectDefine)
	w.only(n, "ALTER TYPE", in, "type_name", "old_val", "new_val", "new_val_neighbor", "new_val_is_after", "skip_if_new_val_exists")
	if n.GetOldVal() != "" {
		w.moves("ALTER TYPE ... RENAME VALUE", in)
	}
	t := Target{Type: "type", Position: in.pos}
	t.Schema, t.Name = w.qualified(n.GetTypeName(), in)
	w.targets(t)
}

func (w *walk) rename(n *pg.RenameStmt, in around) {
	w.is("rename", effectDefine)
	w.only(n, "RENAME", in, "rename_type", "relation_type", "relation", "object", "subname", "newname", "behavior", "missing_ok")
	w.cascades(n.GetBehavior())
	w.moves("RENAME", in)
	switch typ := objectTypes[n.GetRenameType()]; {
	case n.GetRenameType() == pg.ObjectType_OBJECT_COLUMN && n.GetRelationType() == pg.ObjectType_OBJECT_TABLE,
		n.GetRenameType() == pg.ObjectType_OBJECT_TABCONSTRAINT:
		w.target(n.GetRelation(), "table", false, n.GetMissingOk(), in)
	case n.GetRelation() != nil && (typ == "table" || typ == "view" || typ == "materialized view" || typ == "index" || typ == "sequence"):
		w.target(n.GetRelation(), typ, false, n.GetMissingOk(), in)
		w.targets(Target{Type: typ, Schema: n.GetRelation().GetSchemaname(), Name: n.GetNewname(), New: true, Position: in.pos})
	default:
		w.advise("RENAME of a "+strings.ToLower(object(n.GetRenameType())), effectDefine,
			"tables, their columns and constraints, views, indexes and sequences are renamed through the gateway", in)
	}
}

func (w *walk) setSchema(n *pg.AlterObjectSchemaStmt, in around) {
	w.is("set_schema", effectDefine)
	w.only(n, "SET SCHEMA", in, "object_type", "relation", "newschema", "missing_ok")
	w.moves("SET SCHEMA", in)
	typ := objectTypes[n.GetObjectType()]
	if n.GetRelation() == nil || typ == "" {
		w.advise("ALTER "+object(n.GetObjectType())+" SET SCHEMA", effectDefine, "have an operator do it", in)
		return
	}
	w.target(n.GetRelation(), typ, false, n.GetMissingOk(), in)
	w.targets(Target{Type: typ, Schema: n.GetNewschema(), Name: n.GetRelation().GetRelname(), New: true, Position: in.pos})
}

func (w *walk) analyze(n *pg.VacuumStmt, in around) {
	if n.GetIsVacuumcmd() {
		w.advise("VACUUM", effectDefine, "it cannot run in a transaction; autovacuum does it, or an operator", in)
		return
	}
	w.is("analyze", effectDefine)
	w.only(n, "ANALYZE", in, "rels")
	if len(n.GetRels()) == 0 {
		w.advise("ANALYZE of everything", effectDefine, "name the tables", in)
	}
	for _, r := range n.GetRels() {
		v := r.GetVacuumRelation()
		if v == nil {
			w.unclear("a table that is not known", in)
			continue
		}
		w.only(v, "ANALYZE", in, "relation", "va_cols")
		w.target(v.GetRelation(), "table", false, false, in)
	}
}
