package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// This file holds the rules of definitions that are made from a query, and of indexes.

func (w *walk) createView(n *pg.ViewStmt, in around) {
	w.is("create_view", effectDefine)
	w.def.Stores = true
	w.only(n, "CREATE VIEW", in, "view", "aliases", "query", "replace", "options", "with_check_option")
	w.target(n.GetView(), "view", true, n.GetReplace(), in)
	for _, o := range n.GetOptions() {
		switch d := o.GetDefElem(); strings.ToLower(d.GetDefname()) {
		case "security_barrier", "security_invoker", "check_option":
		default:
			w.unclear("an option of CREATE VIEW that is not known", in)
		}
	}
	w.query(n.GetQuery(), in)
}

// query walks the query of a view or table, which must be a SELECT.
func (w *walk) query(n *pg.Node, in around) {
	if n.GetSelectStmt() == nil {
		w.unclear("a definition by something that is no query", in)
		return
	}
	w.within(n, "in a query whose rows are kept", in)
	if len(w.st.Writes) > 0 {
		w.unclear("a definition by a query that changes data", in)
	}
}

func (w *walk) createTableAs(n *pg.CreateTableAsStmt, in around) {
	typ, words := "table", "CREATE TABLE AS"
	w.is("create_table_as", effectDefine)
	if n.GetObjtype() == pg.ObjectType_OBJECT_MATVIEW {
		w.is("create_materialized_view", effectDefine)
		typ, words = "materialized view", "CREATE MATERIALIZED VIEW"
	}
	w.def.Stores = true
	w.only(n, words, in, "query", "into", "objtype", "if_not_exists")
	into := n.GetInto()
	w.only(into, words, in, "rel", "col_names", "on_commit", "skip_data")
	if into.GetOnCommit() != pg.OnCommitAction_ONCOMMIT_NOOP {
		w.unclear("ON COMMIT", in)
	}
	w.target(into.GetRel(), typ, true, n.GetIfNotExists(), in)
	if n.GetQuery().GetExecuteStmt() != nil {
		w.advise(words+" EXECUTE", effectDefine, "write the query itself", in)
		return
	}
	w.query(n.GetQuery(), in)
}

func (w *walk) refresh(n *pg.RefreshMatViewStmt, in around) {
	w.is("refresh_materialized_view", effectDefine)
	w.only(n, "REFRESH MATERIALIZED VIEW", in, "relation", "concurrent", "skip_data")
	w.target(n.GetRelation(), "materialized view", false, false, in)
}

func (w *walk) createIndex(n *pg.IndexStmt, in around) {
	w.is("create_index", effectDefine)
	if n.GetConcurrent() {
		w.advise("CREATE INDEX CONCURRENTLY", effectDefine,
			"it cannot run in a transaction, and the gateway undoes in one what fails; leave CONCURRENTLY out where writers may wait, or have an operator run it", in)
		return
	}
	w.only(n, "CREATE INDEX", in, "idxname", "relation", "access_method", "index_params", "index_including_params", "options", "where_clause", "unique",
		"nulls_not_distinct", "if_not_exists")
	switch n.GetAccessMethod() {
	case "btree", "hash", "gin", "gist", "brin", "spgist":
	default:
		w.unclear("an access method that is not built in", in)
	}
	for _, o := range n.GetOptions() {
		if strings.ToLower(o.GetDefElem().GetDefname()) != "fillfactor" {
			w.unclear("an option of CREATE INDEX that is not known", in)
		}
	}
	r := n.GetRelation()
	w.target(r, "table", false, false, in)
	if n.GetIdxname() != "" {
		// An index is made in its table's schema.
		w.targets(Target{Type: "index", Schema: r.GetSchemaname(), Name: n.GetIdxname(), Table: r.GetRelname(), New: true, Lax: n.GetIfNotExists(), Position: in.pos})
	}
	for _, list := range [][]*pg.Node{n.GetIndexParams(), n.GetIndexIncludingParams()} {
		for _, e := range list {
			el := e.GetIndexElem()
			if el == nil {
				w.unclear("a part of an index that is not known", in)
				continue
			}
			w.only(el, "an index", in, "name", "expr", "collation", "ordering", "nulls_ordering", "opclass")
			if len(el.GetOpclass()) > 0 {
				w.operatorClass(el.GetOpclass(), in)
			}
			if el.GetName() != "" {
				w.uses(el.GetName(), "in an index", in)
			}
			w.within(el.GetExpr(), "in an index", in)
		}
	}
	w.within(n.GetWhereClause(), "in an index", in)
}

// operatorClasses are those of the server and of well-known extensions that people name. Another one may run any function.
var operatorClasses = map[string]bool{
	"text_pattern_ops": true, "varchar_pattern_ops": true, "bpchar_pattern_ops": true, "jsonb_path_ops": true, "jsonb_ops": true, "text_ops": true, "array_ops": true,
	"inet_ops": true, "tsvector_ops": true, "range_ops": true,
}

func (w *walk) operatorClass(names []*pg.Node, in around) {
	schema, name := w.qualified(names, in)
	if schema != "" && schema != "pg_catalog" || !operatorClasses[name] {
		w.unclear("operator class "+shorten(name), in)
	}
}
