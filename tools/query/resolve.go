package query

import (
	"fmt"
	"slices"

	"sallyport/tools/query/sqlparse"
)

// This file decides whether functions, operators, types and casts of a statement are the server's own.
//
// Names alone do not decide: PostgreSQL prefers a user's function with exactly matching argument types over a built-in one
// that needs a conversion. A user's function, operator or cast can only be chosen when each of its argument types is a
// built-in one or a type that occurs in the statement, so those that cannot be reached do not disturb: citext brings its own "=",
// which concerns statements that touch a citext column and no others.

// touched are the types of users that occur in a statement: of the columns it reaches, of the rows of its tables, and those
// it names; with their arrays, base types and attributes.
type touched map[uint32]bool

func (c *catalog) touch(in touched, typ uint32) {
	if typ < firstUserOID || in[typ] {
		return
	}
	in[typ] = true
	t := c.types[typ]
	if t == nil {
		return
	}
	for _, next := range []uint32{t.elem, t.array, t.base} {
		c.touch(in, next)
	}
	for _, a := range t.attributes {
		c.touch(in, a.typ)
	}
}

// reachable reports whether something with these argument types could be chosen.
func (in touched) reachable(types ...uint32) bool {
	for _, t := range types {
		if t >= firstUserOID && !in[t] {
			return false
		}
	}
	return true
}

// syntaxFunctions are the constructs of the grammar that only compute, or say who and when it is.
var syntaxFunctions = []string{
	"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_role", "current_user", "user", "session_user",
	"current_catalog", "current_schema", "grouping", "json_object", "json_array", "json_objectagg", "json_arrayagg", "json", "json_scalar",
	"json_serialize", "json_exists", "json_query", "json_value", "json_table",
}

// function says what is unclear about a call; "" when nothing is.
func (c *catalog) function(call sqlparse.Call, in touched) string {
	if call.Syntax && c.version/10000 >= call.Since {
		if slices.Contains(syntaxFunctions, call.Name) {
			return ""
		}
		return "function " + call.Name
	}
	name := "function " + join(call.Schema, call.Name)
	builtin, user := false, false
	volatileOK, allowed := allowedFunctions[call.Name]
	for _, f := range c.functions[call.Name] {
		switch {
		case call.Schema != "" && f.schema.name != call.Schema, call.Schema == "" && !c.inPath(f.schema):
		case f.builtin():
			if f.volatile && !volatileOK {
				return name
			}
			builtin = true
		case f.trusted():
			user = true
		case in.reachable(f.args...):
			return fmt.Sprintf("%s, which %s.%s may answer", name, f.schema.name, f.name)
		}
	}
	switch {
	case builtin && !allowed:
		return name
	case !builtin && !user:
		return name + " (no built-in function of this name is known)"
	}
	return ""
}

func (c *catalog) operator(call sqlparse.Call, in touched) string {
	name := "operator " + join(call.Schema, call.Name)
	known := false
	for _, o := range c.operators[call.Name] {
		if call.Schema != "" && o.schema.name != call.Schema || call.Schema == "" && !c.inPath(o.schema) {
			continue
		}
		f := c.functionByOID[o.function]
		switch {
		case f != nil && f.builtin() && !f.volatile && o.oid < firstUserOID, f != nil && f.trusted():
			known = true
		case in.reachable(o.left, o.right):
			return fmt.Sprintf("%s, which %s.%s may answer", name, o.schema.name, o.name)
		}
	}
	if !known {
		return name
	}
	return ""
}

// castTo says what is unclear about a type that is named in a cast or a column definition.
func (c *catalog) castTo(call sqlparse.Call, in touched) string {
	t := c.typeNamed(call.Schema, call.Name)
	if t == nil {
		return "type " + join(call.Schema, call.Name)
	}
	if t.name == "xml" && t.oid < firstUserOID {
		return "type xml" // its parser does not stop when it is told to
	}
	c.touch(in, t.oid)
	if why := c.typeRuns(t, isCast); why != "" {
		return fmt.Sprintf("type %s, %s", t.display, why)
	}
	return ""
}

// use is what is done with values of a type.
type use int

const (
	isRead   use = iota // read, compared, sorted
	isStored            // written to a column: a domain's checks run
	isCast              // made by a cast of the statement, which must be simpler
)

// typeRuns says which code of users a type may run.
func (c *catalog) typeRuns(t *pgType, u use) string {
	switch {
	case t == nil:
		return "which is not known"
	case t.oid < firstUserOID && t.kind != 'p':
		return ""
	case t.kind == 'e':
		return ""
	case t.kind == 'd':
		if u == isCast && t.checked {
			return "a domain with a check"
		}
		for _, code := range t.code {
			if why := c.runs(code); why != "" && u == isStored {
				return "with " + why
			}
		}
		return c.typeRuns(c.types[t.base], u)
	case t.kind == 'c':
		for _, a := range t.attributes {
			if why := c.typeRuns(c.types[a.typ], u); why != "" {
				return why
			}
		}
		return ""
	case t.isArray():
		return c.typeRuns(c.types[t.elem], u)
	case t.kind == 'b':
		if f := c.functionByOID[t.input]; f != nil && f.native && knownExtensions[f.extension] {
			return ""
		}
		return "a type with code of its own"
	}
	return "a type of a kind that is not looked into"
}

// implicit finds a user's cast that could be applied without being written.
func (c *catalog) implicit(in touched) string {
	for _, cast := range c.casts {
		f := c.functionByOID[cast.function]
		if in.reachable(cast.source, cast.target) && (f == nil || !f.trusted()) {
			return fmt.Sprintf("a conversion from %s to %s made by users", c.typeName(cast.source), c.typeName(cast.target))
		}
	}
	return ""
}

// runs names the code of users behind one dependency of a table or view, "" when it may be treated like built-in.
func (c *catalog) runs(u codeUse) string {
	switch u.class {
	case "pg_proc":
		if f := c.functionByOID[u.oid]; f != nil {
			if f.trusted() || f.builtin() {
				return ""
			}
			return fmt.Sprintf("function %s.%s in %s", f.schema.name, f.name, u.where)
		}
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
	if r.kind == 'm' {
		return "" // its rows are stored; its query does not run when it is read
	}
	if v == nil || depth > 50 {
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
		if f.trusted() {
			continue
		}
		if !f.builtin() {
			return fmt.Sprintf("view %s, whose query calls %s.%s", r.qualified(), f.schema.name, f.name)
		}
		volatileOK, allowed := allowedFunctions[f.name]
		if !allowed && !c.implements(f) || f.volatile && !volatileOK {
			return fmt.Sprintf("view %s, whose query calls %s", r.qualified(), f.name)
		}
	}
	for _, u := range v.userCode {
		if why := c.runs(u); why != "" {
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
	return c.implementations[f.oid] && !f.volatile
}

// readable says what is unclear about reading a relation.
func (c *catalog) readable(r *relation, depth int) string {
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
			if why := c.runs(u); why != "" {
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
		if why := c.runs(u); why != "" {
			unclear = append(unclear, fmt.Sprintf("table %s, which uses %s", t.qualified(), why))
		}
	}
	for _, col := range t.columns {
		if why := c.typeRuns(c.types[col.typ], isStored); why != "" {
			unclear = append(unclear, fmt.Sprintf("column %s.%s of type %s, %s", t.qualified(), col.name, c.typeName(col.typ), why))
		}
	}
	return unclear
}

func join(schemaName, name string) string {
	if schemaName == "" {
		return name
	}
	return schemaName + "." + name
}
