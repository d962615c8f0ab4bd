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
// it names; with their arrays, base types, attributes and parents.
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
	if r := c.relations[t.rel]; r != nil {
		// A row is also one of the tables it inherits from, and of the type its table was made of.
		c.touch(in, r.ofType)
		for _, parent := range r.parents {
			c.touch(in, parent.rowType)
		}
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

// function says what is unclear about a call; "" when nothing is. certain says that no answer of the server could make it clear:
// whichever function is meant, it is not one that is allowed.
func (c *catalog) function(call sqlparse.Call, in touched) (what string, certain bool) {
	if call.Syntax && c.version/10000 >= call.Since {
		if slices.Contains(syntaxFunctions, call.Name) {
			return "", false
		}
		return "function " + call.Name, true
	}
	name := "function " + join(call.Schema, call.Name)
	builtin, user, certain := false, false, true
	for _, f := range c.functions[call.Name] {
		certain = certain && !c.callable(f) && !c.harmlessAggregate(f)
	}
	certain = certain || c.converts(call.Name) // f(x) is also how a conversion to the type f is written
	volatileOK, allowed := allowedFunctions[call.Name]
	for _, f := range c.functions[call.Name] {
		switch {
		case call.Schema != "" && f.schema.name != call.Schema, call.Schema == "" && !c.inPath(f.schema):
		case f.builtin():
			if f.volatile && !volatileOK {
				return name, certain
			}
			builtin = true
		case f.trusted():
			user = true
		case in.reachable(f.args...):
			return fmt.Sprintf("%s, which %s.%s may answer", name, f.schema.name, f.name), certain
		}
	}
	switch {
	case builtin && !allowed:
		return name, certain
	case !builtin && !user:
		return name + " (no built-in function of this name is known)", certain
	}
	return "", false
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
			if why := c.runs(code, 0); why != "" && u == isStored {
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

// implicit looks for casts of users that could be applied without being written. To JSON they are also applied by functions that
// make JSON of anything, which no parse tree shows: that stays unclear whatever the server says.
func (in *inspection) implicit() {
	c := in.cat
	for _, cast := range c.casts {
		f := c.functionByOID[cast.function]
		if !in.types.reachable(cast.source, cast.target) || f != nil && f.trusted() {
			continue
		}
		what := fmt.Sprintf("a conversion from %s to %s made by users", c.typeName(cast.source), c.typeName(cast.target))
		if cast.target == oidJSON || cast.target == oidJSONB {
			in.unclear(what, 0)
			return
		}
		in.doubt(what, 0)
	}
}

func join(schemaName, name string) string {
	if schemaName == "" {
		return name
	}
	return schemaName + "." + name
}
