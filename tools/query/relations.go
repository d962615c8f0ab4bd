package query

import (
	"fmt"
)

// maxBelow bounds how many views and policies are followed below a relation.
const maxBelow = 50

// runs names the code of users behind one dependency of a table or view, "" when it may be treated like built-in.
func (c *catalog) runs(u codeUse, depth int) string {
	switch u.class {
	case "pg_proc":
		if f := c.functionByOID[u.oid]; f != nil {
			if f.trusted() || f.builtin() {
				return ""
			}
			return fmt.Sprintf("function %s.%s in %s", f.schema.name, f.name, u.where)
		}
	case "pg_class": // read by a policy
		below := c.relations[u.oid]
		if below == nil {
			return "a relation that is not known in " + u.where
		}
		if why := c.readable(below, depth+1); why != "" {
			return fmt.Sprintf("%s in %s", why, u.where)
		}
		return ""
	case "pg_operator":
		if o := c.operatorByOID[u.oid]; o != nil {
			if f := c.functionByOID[o.function]; f != nil && (f.trusted() || f.builtin()) {
				return ""
			}
			return fmt.Sprintf("operator %s.%s in %s", o.schema.name, o.name, u.where)
		}
	}
	return "code that is not known in " + u.where
}

// view says what is unclear about a view: its query, and those of the views below it, may use only what a statement may.
func (c *catalog) view(r *relation, depth int) string {
	v := r.view
	if r.kind == 'm' && len(c.labels) == 0 {
		return "" // its rows are stored; its query does not run when it is read. With labels it tells what the rows are.
	}
	if v == nil {
		return "view " + r.qualified()
	}
	if v.special {
		return fmt.Sprintf("view %s, whose query uses XML, JSON or sampling constructs", r.qualified())
	}
	for _, id := range v.functions {
		f := c.functionByOID[id]
		if f == nil {
			return fmt.Sprintf("view %s, whose query calls a function that is not known", r.qualified())
		}
		if !c.callable(f) {
			return fmt.Sprintf("view %s, whose query calls %s", r.qualified(), f.words())
		}
	}
	for _, u := range v.userCode {
		if why := c.runs(u, depth); why != "" {
			return fmt.Sprintf("view %s, which uses %s", r.qualified(), why)
		}
	}
	for _, id := range v.userTypes {
		if why := c.typeRuns(c.types[id], isCast); why != "" {
			return fmt.Sprintf("view %s, which uses type %s, %s", r.qualified(), c.typeName(id), why)
		}
	}
	seen := map[uint32]bool{}
	for _, dep := range v.relations {
		if seen[dep.relation] {
			continue
		}
		seen[dep.relation] = true
		below := c.relations[dep.relation]
		if below == nil {
			return fmt.Sprintf("view %s, over a relation that is not known", r.qualified())
		}
		if why := c.readable(below, depth+1); why != "" {
			return fmt.Sprintf("view %s, over %s", r.qualified(), why)
		}
	}
	return ""
}

// implements reports whether a function is what a built-in operator or a built-in type's conversion stands for: those have no
// names that a statement calls.
func (c *catalog) implements(f *function) bool {
	return c.implementations[f.oid] && !f.volatile && f.name != "xml" // its parser does not stop when it is told to
}

// callable reports whether this very function may run: one of the server's own that is listed, or one that is as good.
func (c *catalog) callable(f *function) bool {
	if !f.builtin() {
		return f.trusted()
	}
	volatileOK, allowed := allowedFunctions[f.name]
	return (allowed || c.implements(f)) && (!f.volatile || volatileOK)
}

// words names a function for the agent: those of the server by their name alone.
func (f *function) words() string {
	if f.builtin() {
		return f.name
	}
	return f.schema.name + "." + f.name
}

// readable says what is unclear about reading a relation.
func (c *catalog) readable(r *relation, depth int) string {
	if depth > maxBelow {
		return r.qualified() + ", which reads others too deeply"
	}
	if r.system() {
		if _, ok := systemRelations[r.qualified()]; !ok {
			return "catalog " + r.qualified()
		}
		return ""
	}
	switch r.kind {
	case 'f':
		return "foreign table " + r.qualified()
	case 'v', 'm':
		return c.view(r, depth)
	}
	for _, part := range append([]*relation{r}, r.descendants()...) {
		if part.kind == 'f' {
			return fmt.Sprintf("table %s, whose partition %s is a foreign table", r.qualified(), part.qualified())
		}
		if len(part.rules) > 0 {
			return fmt.Sprintf("table %s, which has the rule %s", part.qualified(), part.rules[0])
		}
		for _, u := range part.code {
			if u.where != "a row security policy" {
				continue
			}
			if why := c.runs(u, depth); why != "" {
				return fmt.Sprintf("table %s, which uses %s", part.qualified(), why)
			}
		}
		for _, col := range part.columns {
			if col.generated == 'v' {
				return fmt.Sprintf("table %s, whose column %s is computed when it is read", part.qualified(), col.name)
			}
		}
	}
	return ""
}

// descendants are the partitions and inheriting tables, all levels.
func (r *relation) descendants() []*relation {
	var out []*relation
	for _, child := range r.children {
		out = append(out, child)
		out = append(out, child.descendants()...)
	}
	return out
}

// ancestors are the tables a table is a partition of or inherits from, all levels.
func (r *relation) ancestors() []*relation {
	var out []*relation
	for _, parent := range r.parents {
		out = append(out, parent)
		out = append(out, parent.ancestors()...)
	}
	return out
}

// partitionKey is codeUse.where of what a partition key runs; see sqlTableCode.
const partitionKey = "a partition key"

// writable says what is unclear about changing a table, and the tables that change with it: code of users that a change runs.
func (c *catalog) writable(r *relation, kind string) (also []*relation, unclear []string) {
	if r.kind != 'r' && r.kind != 'p' || r.system() {
		return nil, []string{fmt.Sprintf("a change of %s, which is not a table", r.qualified())}
	}
	todo := append([]*relation{r}, r.descendants()...)
	seen := map[uint32]bool{}
	for len(todo) > 0 {
		t := todo[0]
		todo = todo[1:]
		if seen[t.oid] {
			continue
		}
		seen[t.oid] = true
		if t.oid != r.oid {
			also = append(also, t)
		}
		unclear = append(unclear, c.changeRuns(t)...)
		for _, fk := range t.cascades {
			if kind == "delete" && fk.onDelete || kind != "delete" && kind != "insert" && fk.onUpdate {
				todo = append(todo, append([]*relation{fk.table}, fk.table.descendants()...)...)
			}
		}
	}
	return also, unclear
}

func (c *catalog) changeRuns(t *relation) (unclear []string) {
	if t.kind == 'f' {
		unclear = append(unclear, "foreign table "+t.qualified())
	}
	for _, name := range t.triggers {
		unclear = append(unclear, fmt.Sprintf("trigger %s on %s", name, t.qualified()))
	}
	for _, name := range t.rules {
		unclear = append(unclear, fmt.Sprintf("rule %s on %s", name, t.qualified()))
	}
	for _, u := range t.code {
		if why := c.runs(u, 0); why != "" {
			unclear = append(unclear, fmt.Sprintf("table %s, which uses %s", t.qualified(), why))
		}
	}
	for _, parent := range t.ancestors() {
		for _, u := range parent.code { // the key decides whether a row belongs into a partition
			if why := c.runs(u, 0); why != "" && u.where == partitionKey {
				unclear = append(unclear, fmt.Sprintf("table %s, which is a partition by %s", t.qualified(), why))
			}
		}
	}
	for _, col := range t.columns {
		if why := c.typeRuns(c.types[col.typ], isStored); why != "" {
			unclear = append(unclear, fmt.Sprintf("column %s.%s of type %s, %s", t.qualified(), col.name, c.typeName(col.typ), why))
		}
	}
	return unclear
}
