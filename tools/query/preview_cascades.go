package query

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/tools"
	"sallyport/tools/query/sqlparse"
)

// countCascades counts the rows that change through foreign keys, of all levels in one statement and so under one snapshot.
func (v *preview) countCascades() error {
	fx := v.in.cat.effects(v.table, v.call.st)
	sql, counted := v.cascadeCounts(fx)
	if sql == "" {
		return nil
	}
	n, err := v.numbers(sql)
	if err != nil || len(n) != len(counted) {
		return errNotPlain
	}
	for i, step := range fx.steps {
		if at := slices.Index(counted, step); at >= 0 {
			v.impact.Cascades[i].Rows = tools.Count{N: n[at], Is: precisionOf(step)}
		}
	}
	return nil
}

// precisionOf: policies hide rows from who counts and not from the key. A key's new value may be its old one, and then nothing follows.
func precisionOf(n *node) tools.Precision {
	hidden := slices.ContainsFunc(append([]*relation{n.table}, n.table.descendants()...), func(t *relation) bool { return t.rowSec })
	switch {
	case hidden:
		return tools.AtLeast
	case n.action != "delete" && slices.ContainsFunc(n.from, func(e edge) bool { return e.parent.keys != nil }):
		return tools.AtMost
	}
	return tools.Exact
}

// cascadeCounts writes the statement: a CTE of (table, row) for each node, in an order in which each is behind what leads to it, and the
// counts of the steps named in counted. Steps that cannot be read are left out, with all behind them. Empty when there is nothing to count.
func (v *preview) cascadeCounts(fx *effects) (sql string, counted []*node) {
	if len(fx.steps) == 0 || fx.tangled || v.hits == "" {
		return "", nil
	}
	root := fx.nodes[0]
	names := map[*node]string{}
	var ctes, counts []string
	for n := nextNode(fx.nodes, names); n != nil; n = nextNode(fx.nodes, names) {
		cte, ok := v.cascadeRows(n, n == root, names)
		switch {
		case !ok:
			names[n] = unreadable
			continue
		case n == root && !n.loops:
			names[n] = rowsHit
		default:
			names[n] = v.cteName(n)
		}
		ctes = append(ctes, cte...)
	}
	for _, step := range fx.steps {
		switch name := names[step]; {
		case step.table == root.table && step.action == root.action && names[root] != unreadable:
			counts = append(counts, "(SELECT pg_catalog.count(*) FROM "+names[root]+") - (SELECT pg_catalog.count(*) FROM "+rowsHit+")")
		case name == "" || name == unreadable:
			continue
		default:
			counts = append(counts, "(SELECT pg_catalog.count(*) FROM "+name+")")
		}
		counted = append(counted, step)
	}
	if len(counts) == 0 {
		return "", nil
	}
	return "WITH RECURSIVE " + strings.Join(ctes, ", ") + " SELECT " + strings.Join(counts, ", "), counted
}

const unreadable = "-"

// nextNode is a node without a name whose parents have theirs.
func nextNode(nodes []*node, names map[*node]string) *node {
	for _, n := range nodes {
		if names[n] == "" && !slices.ContainsFunc(n.from, func(e edge) bool { return e.parent != n && names[e.parent] == "" }) {
			return n
		}
	}
	return nil
}

// rowsHit is the name of the statement's own rows among the CTEs. No relation of the statement may be called like one of ours.
const (
	ourPrefix = "sallyport_"
	rowsHit   = ourPrefix + "hits"
)

// cascadeRows is the CTE of a node's rows, as (o, c). ok is false where the login may not read what it takes.
func (v *preview) cascadeRows(n *node, root bool, names map[*node]string) (ctes []string, ok bool) {
	var base, again []string
	if root {
		ctes = append(ctes, fmt.Sprintf("%s(o, c) AS MATERIALIZED (SELECT %s, %s FROM (%s) AS sallyport_rows)", rowsHit, sqlparse.ShadowTable, sqlparse.ShadowRow, v.hits))
		base = append(base, "SELECT o, c FROM "+rowsHit)
	}
	if !n.table.selectable {
		return nil, false
	}
	rows := quoted(n.table)
	if n.table.kind == 'r' && !root {
		rows = "ONLY " + rows // a key of a table is not one of the tables that inherit from it
	}
	for _, e := range n.from {
		match, ok := v.in.cat.matches(e)
		if !ok || names[e.parent] == unreadable || !e.parent.table.selectable {
			return nil, false
		}
		if e.parent == n {
			again = append(again, "("+match+")")
			continue
		}
		base = append(base, fmt.Sprintf("SELECT x.tableoid, x.ctid FROM %s AS x WHERE EXISTS (SELECT FROM %s AS p JOIN %s AS h ON %s WHERE %s)",
			rows, quoted(e.parent.table), names[e.parent], sameRow, match))
	}
	query := strings.Join(base, " UNION ")
	if len(again) > 0 {
		if v.in.cat.version < 140000 {
			return nil, false // rows' places can be told apart by hashing since then, which the recursion takes
		}
		query = fmt.Sprintf("(%s) UNION SELECT x.tableoid, x.ctid FROM %s AS h JOIN %s AS p ON %s JOIN %s AS x ON %s", query, v.cteName(n), quoted(n.table), sameRow, rows,
			strings.Join(again, " OR "))
	} else if root {
		return ctes, true
	}
	return append(ctes, fmt.Sprintf("%s(o, c) AS (%s)", v.cteName(n), query)), true
}

const sameRow = "p.tableoid OPERATOR(pg_catalog.=) h.o AND p.ctid OPERATOR(pg_catalog.=) h.c"

// cteName: nodes are told apart by table and action.
func (v *preview) cteName(n *node) string {
	return fmt.Sprintf("%s%d_%s", ourPrefix, n.table.oid, strings.ReplaceAll(n.action, " ", "_"))
}

// matches is the condition that row x refers to row p by the key of e, with the operators that the constraint itself uses.
func (c *catalog) matches(e edge) (sql string, ok bool) {
	var parts []string
	for i := range e.columns {
		if i >= len(e.target) || i >= len(e.equals) {
			return "", false
		}
		key, ref, op := e.holder.numbered(e.target[i]), e.table.numbered(e.columns[i]), c.operatorByOID[e.equals[i]]
		if key == nil || ref == nil || op == nil {
			return "", false
		}
		if f := c.functionByOID[op.function]; f == nil || f.volatile || !f.builtin() && !f.trusted() {
			return "", false
		}
		parts = append(parts, fmt.Sprintf("p.%s OPERATOR(%s.%s) x.%s", quoteIdent(key.name), quoteIdent(op.schema.name), op.name, quoteIdent(ref.name)))
	}
	parent := e.parent.table
	switch {
	case e.holder == parent && (parent.kind == 'p' || len(parent.children) == 0):
	case e.holder.kind == 'p':
		var ids []string
		for _, t := range e.holder.descendants() {
			ids = append(ids, fmt.Sprint(t.oid))
		}
		if len(ids) == 0 {
			return "false", true
		}
		parts = append(parts, "p.tableoid IN ("+strings.Join(ids, ", ")+")")
	default:
		parts = append(parts, fmt.Sprintf("p.tableoid OPERATOR(pg_catalog.=) %d", e.holder.oid))
	}
	return strings.Join(parts, " AND "), true
}
