package query

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sallyport/tools"
	"sallyport/tools/query/sqlparse"
)

// finding is what is known about one statement on one target: the same for every call with this text while the target's
// catalog stays the same. Read-only once made.
type finding struct {
	facts  tools.Facts // without Text
	cat    *catalog
	guards     // of the relations as the statement names them
	masked int // labelled columns that are selected by name; a star's are not counted

	changed []*relation // of a definition: the tables and views it changes
	before  guards      // and what their names mean before it

	// For the server's answer (oracle.go): what the statement is when nothing of it is unclear, whether names are all that is
	// unclear, and the relations it names.
	effect      tools.Effect
	fingerprint string
	open        bool
	relations   []uint32
}

// inspected is Facts.Inspected.
type inspected struct {
	*finding
	params []uint32 // types of the parameters; nil when the server was not asked
}

// Inspect resolves the statement's names in the target's catalog. Nothing of the statement is executed; when a parameter is
// a JSON array or object the server is asked for the parameters' types, which parses the statement and runs nothing.
// Errors: tools.ErrNoSuchTarget, *tools.LabelledError, *tools.TargetError for names that do not exist,
// *tools.ArgError for parameters of the wrong type, *tools.UnreachableError.
func (t *Tool) Inspect(ctx context.Context, p *tools.Plan) (*tools.Facts, error) {
	tgt, err := t.db.target(p.Target)
	if err != nil {
		return nil, err
	}
	c := p.Parsed.(*call)
	f, err := tgt.finding(ctx, c)
	if err != nil {
		return nil, err
	}
	facts := f.facts
	facts.Text = c.text()
	if facts.Effect != tools.Read {
		facts.Values = c.values()
	}
	in := &inspected{finding: f}
	if facts.Understood() && slices.ContainsFunc(c.params, func(p param) bool { return p.kind == 'o' || p.kind == 'a' }) {
		if in.params, err = tgt.paramTypes(ctx, c, f); err != nil {
			return nil, err
		}
	}
	facts.Inspected = in
	return &facts, nil
}

// inspection is the work on one statement.
type inspection struct {
	cat     *catalog
	st      *sqlparse.Statement
	rels    []resolved
	cascade []resolved // tables that change with the written one; the statement does not name them
	types   touched
	unknown []tools.Unclear
	doubts  []tools.Unclear // what only names leave open: the server can tell; see oracle.go
	masked  int
}

// resolved is a relation of the statement and what it is.
type resolved struct {
	sqlparse.Relation
	*relation
}

// alias is the name columns are qualified with.
func (r *resolved) alias() string {
	if r.Alias != "" {
		return r.Alias
	}
	return r.Relation.Name
}

func inspect(cat *catalog, st *sqlparse.Statement) (*finding, error) {
	if st.Define != nil {
		return inspectDefinition(cat, st)
	}
	in := &inspection{cat: cat, st: st, types: touched{}}
	for _, step := range []func() error{in.relations, in.columns, in.labels} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	in.code()
	f := &finding{cat: cat, masked: in.masked, facts: tools.Facts{
		Effect: tools.Read, Kinds: []string{st.Kind}, Bounded: st.Bounded, Fingerprint: st.Fingerprint, Mode: tools.ModeTree,
	}}
	f.facts.Objects = in.objects()
	for _, w := range st.Writes {
		f.facts.Effect = tools.Write
		if kind := strings.ToLower(strings.Fields(w.What)[0]); !slices.Contains(f.facts.Kinds, kind) {
			f.facts.Kinds = append(f.facts.Kinds, kind)
		}
	}
	f.open, f.effect, f.fingerprint = len(in.unknown) == 0, f.facts.Effect, st.Fingerprint
	f.unclear(append(in.unknown, in.doubts...))
	for i := range in.rels {
		f.relations = append(f.relations, in.rels[i].oid)
	}
	for _, call := range st.Functions {
		f.facts.Functions = append(f.facts.Functions, join(call.Schema, call.Name))
	}
	slices.Sort(f.facts.Functions)
	f.facts.Functions = slices.Compact(f.facts.Functions)
	f.code = in.codeNames()
	f.facts.Summary = summary(st, f.facts.Objects)
	for i := range in.rels {
		r := &in.rels[i]
		f.guards.add(r.Relation.Schema, r.Relation.Name, r.relation)
	}
	return f, nil
}

// unclear says what of the statement is not understood; nothing is when the list is empty.
func (f *finding) unclear(unknown []tools.Unclear) {
	f.facts.Unknown, f.facts.Effect, f.facts.Fingerprint = unknown, f.effect, f.fingerprint
	if len(unknown) > 0 {
		f.facts.Effect, f.facts.Fingerprint = tools.Unknown, ""
	}
}

func (in *inspection) doubt(what string, position int) {
	in.doubts = append(in.doubts, tools.Unclear{Construct: what, Position: position})
}

// guards are what the execution asks, to know that names still mean what they meant here.
type guards struct {
	names  []string // quoted
	stamps []string // what is answered for each while nothing has changed
	code   codeNames
}

func (g *guards) add(schemaName, name string, r *relation) {
	name = quoteIdent(name)
	if schemaName != "" {
		name = quoteIdent(schemaName) + "." + name
	}
	if !slices.Contains(g.names, name) {
		g.names, g.stamps = append(g.names, name), append(g.stamps, r.stamp)
	}
}

func (in *inspection) unclear(what string, position int) {
	in.unknown = append(in.unknown, tools.Unclear{Construct: what, Position: position})
}

// relations resolves every relation and looks into it.
func (in *inspection) relations() error {
	for _, r := range in.st.Relations {
		rel := in.cat.relation(r.Schema, r.Name)
		if rel == nil {
			return in.cat.undefinedTable(r)
		}
		in.rels = append(in.rels, resolved{r, rel})
		if r.Written {
			also, unclear := in.cat.writable(rel, in.st.Kind)
			for _, what := range unclear {
				in.unclear(what, r.Position)
			}
			for _, t := range also {
				// Partitions are part of the table; what cascades elsewhere is a change of another table.
				if !slices.Contains(rel.descendants(), t) {
					in.cascade = append(in.cascade, resolved{sqlparse.Relation{Schema: t.schema.name, Name: t.name, Written: true, ColumnAliases: true, Position: r.Position}, t})
				}
			}
		}
		if what := in.cat.readable(rel, 0); what != "" {
			in.unclear(what, r.Position)
		}
	}
	return nil
}

// qualifier finds the relations that a.b or s.a.b may mean by a.
func (in *inspection) qualifier(ref sqlparse.ColumnRef) []*resolved {
	names := ref.Names
	if !ref.Star {
		names = names[:len(names)-1]
	}
	var out []*resolved
	for i := range in.rels {
		r := &in.rels[i]
		switch len(names) {
		case 1:
			if r.alias() == names[0] && !r.ColumnAliases {
				out = append(out, r)
			}
		case 2:
			if r.relation.name == names[1] && r.schema.name == names[0] {
				out = append(out, r)
			}
		}
	}
	return out
}

// code checks what runs: functions, operators, types named, types of the columns that are reached, conversions.
func (in *inspection) code() {
	for i := range in.rels {
		r := &in.rels[i]
		if slices.ContainsFunc(in.st.Columns, func(ref sqlparse.ColumnRef) bool { return in.wholeRow(ref, r) || in.calledWithRow(ref, r) }) {
			in.cat.touch(in.types, r.rowType)
		}
		for _, col := range r.columns {
			if !in.reaches(r, col.name) {
				continue
			}
			in.cat.touch(in.types, col.typ)
			how := isRead
			if in.computes(r, col.name) {
				how = isStored
			}
			if why := in.cat.typeRuns(in.cat.types[col.typ], how); why != "" && !r.system() {
				in.unclear(fmt.Sprintf("column %s.%s of type %s, %s", r.qualified(), col.name, in.cat.typeName(col.typ), why), r.Position)
			}
		}
	}
	for _, call := range in.st.Types {
		if what := in.cat.castTo(call, in.types); what != "" {
			in.unclear(what, call.Position)
		}
	}
	for _, call := range in.st.Functions {
		switch what, certain := in.cat.function(call, in.types); {
		case what == "":
		case certain:
			in.unclear(what, call.Position)
		default:
			in.doubt(what, call.Position)
		}
	}
	for _, call := range in.st.Operators {
		if what := in.cat.operator(call, in.types); what != "" {
			in.doubt(what, call.Position)
		}
	}
	in.implicit()
}

// reaches reports whether the statement may touch a column's value: it names it, or all of the relation.
func (in *inspection) reaches(r *resolved, column string) bool {
	if r.Written || r.ColumnAliases || len(in.st.NaturalJoins) > 0 {
		return true
	}
	for _, ref := range in.st.Columns {
		if ref.Star || in.wholeRow(ref, r) || in.calledWithRow(ref, r) || ref.Names[len(ref.Names)-1] == column {
			return true
		}
	}
	return false
}

// computes reports whether the statement may do more with a column than select it. A value beside it may then be made one of
// its type, and where that is a domain its check runs: in ARRAY[c] = '{x}' already while the statement is parsed.
func (in *inspection) computes(r *resolved, column string) bool {
	if r.ColumnAliases || len(in.st.NaturalJoins) > 0 || !in.st.Output.Plain {
		return true
	}
	for _, ref := range in.st.Columns {
		if ref.Place != sqlparse.PlaceOther {
			continue
		}
		if ref.Star || in.wholeRow(ref, r) || in.calledWithRow(ref, r) || ref.Names[len(ref.Names)-1] == column {
			return true
		}
	}
	return false
}

// wholeRow reports whether a reference may be the row of r: its alias alone, or s.r.
func (in *inspection) wholeRow(ref sqlparse.ColumnRef, r *resolved) bool {
	if ref.Star || len(ref.Names) == 0 {
		return false
	}
	last := ref.Names[len(ref.Names)-1]
	switch len(ref.Names) {
	case 1:
		return last == r.alias()
	case 2:
		return last == r.relation.name && ref.Names[0] == r.schema.name
	}
	return false
}
