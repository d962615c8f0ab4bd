package sqlparse

import (
	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// json holds the rules of SQL/JSON. These names became grammar in PostgreSQL 16 and 17; an older server takes most of
// them for calls of functions that anybody may have made, hence Call.Since.
func (w *walk) json(m protoreflect.Message, in around) (rule fieldRule, ok bool) {
	switch n := m.Interface().(type) {
	case *pg.JsonObjectConstructor:
		w.syntax("json_object", len(n.GetExprs()), 16, in)
	case *pg.JsonArrayConstructor:
		w.syntax("json_array", len(n.GetExprs()), 16, in)
	case *pg.JsonArrayQueryConstructor:
		w.syntax("json_array", 1, 16, in)
		return where("query", "in a sub-query"), true
	case *pg.JsonObjectAgg:
		w.syntax("json_objectagg", 2, 16, in)
	case *pg.JsonArrayAgg:
		w.syntax("json_arrayagg", 1, 16, in)
	case *pg.JsonParseExpr:
		w.syntax("json", 1, 17, in)
	case *pg.JsonScalarExpr:
		w.syntax("json_scalar", 1, 17, in)
	case *pg.JsonSerializeExpr:
		w.syntax("json_serialize", 1, 17, in)
	case *pg.JsonFuncExpr:
		switch n.GetOp() {
		case pg.JsonExprOp_JSON_EXISTS_OP:
			w.syntax("json_exists", 2, 17, in)
		case pg.JsonExprOp_JSON_QUERY_OP:
			w.syntax("json_query", 2, 17, in)
		case pg.JsonExprOp_JSON_VALUE_OP:
			w.syntax("json_value", 2, 17, in)
		default:
			w.unclear("a JSON function that is not known", in)
		}
	case *pg.JsonTable:
		w.syntax("json_table", 2, 17, in)
		w.tableAlias(n.GetAlias())
		name := n.GetAlias().GetAliasname()
		if name == "" {
			name = "json_table"
		}
		w.ranged(name, jsonTableShape(n))
	case *pg.JsonTableColumn:
		w.alias(n.GetName())
	case *pg.JsonTablePathSpec:
		w.alias(n.GetName())
	case *pg.JsonAggConstructor, *pg.JsonArgument, *pg.JsonBehavior, *pg.JsonFormat, *pg.JsonIsPredicate, *pg.JsonKeyValue,
		*pg.JsonOutput, *pg.JsonReturning, *pg.JsonValueExpr:
	default:
		return nil, false
	}
	return where("", "inside a JSON function"), true
}
