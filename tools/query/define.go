package query

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/tools"
	"sallyport/tools/query/sqlparse"
)

// This file states the facts of statements that define or administer, and of TRUNCATE.
//
// A label belongs to a column by its name, and spreads to other columns along keys, partitions and generated columns. A definition
// could part the two, or copy the values under another name, so for tables with labelled columns only what leaves every label
// where it is goes through; the rest is for an operator, who can change the labels as well.

// outside ends the sentence about a definition that labels forbid.
const outside = ", which an operator has to run outside the gateway"

func inspectDefinition(cat *catalog, st *sqlparse.Statement) (*finding, error) {
	in := &inspection{cat: cat, st: st, types: touched{}}
	d := &definition{inspection: in, def: st.Define, effect: tools.Effect(st.Define.Effect)}
	for _, step := range []func() error{in.relations, d.targets, in.columns, d.labels} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	in.code()
	d.runs()
	f := &finding{cat: cat, facts: tools.Facts{
		Effect: d.effect, Kinds: append([]string{d.def.Kind}, d.def.Also...), Bounded: st.Bounded, Fingerprint: st.Fingerprint, Mode: tools.ModeTree,
	}}
	slices.Sort(f.facts.Kinds[1:])
	f.facts.Kinds = slices.Compact(f.facts.Kinds)
	f.facts.Objects = d.objects()
	for _, o := range f.facts.Objects {
		if o.Access == tools.Read && len(o.Labels) > 0 {
			// Kept under another name it would have no label.
			return nil, refuse(labelled{Label{Class: o.Labels[0]}, o.Name}, 0, "in a query whose rows are kept")
		}
	}
	f.facts.Summary = d.summary(f.facts.Objects)
	// The server is not asked: what only names leave open stays open.
	f.effect, f.fingerprint = d.effect, st.Fingerprint
	f.unclear(append(in.unknown, in.doubts...))
	for _, call := range st.Functions {
		f.facts.Functions = append(f.facts.Functions, join(call.Schema, call.Name))
	}
	slices.Sort(f.facts.Functions)
	f.facts.Functions = slices.Compact(f.facts.Functions)
	for i := range in.rels {
		if r := &in.rels[i]; !slices.Contains(d.existing, r.relation) {
			f.guards.add(r.Relation.Schema, r.Relation.Name, r.relation)
		}
	}
	f.changed, f.before = d.existing, d.before
	return f, nil
}

// definition is the work on one of them. Its inspection has the relations of queries inside; then the tables that are changed.
type definition struct {
	*inspection
	def      *sqlparse.Definition
	effect   tools.Effect
	existing []*relation    // tables and views that are changed or dropped
	before   guards         // what their names mean
	named    []tools.Object // what the statement names, and what goes with it
}

// targets resolves what is made, changed or dropped.
func (d *definition) targets() error {
	for _, t := range d.def.Targets {
		var err error
		switch t.Type {
		case "table", "view", "materialized view":
			err = d.table(t)
		case "role":
			d.name("role", spelled(t.Name))
		case "schema":
			if reserved(t.Name) {
				d.unclear("a change of schema "+t.Name, t.Position)
			}
			d.name("schema", spelled(t.Name))
			if t.Table == "*" || d.def.Kind == "drop_schema" {
				d.inSchema(t)
			}
		case "policy":
			var rel *relation
			if rel, err = d.find(t.Schema, t.Table, t.Position, t.Lax); rel != nil {
				d.changes(rel, t.Position)
				d.name("policy", rel.qualified()+"."+spelled(t.Name))
			}
		default:
			d.other(t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *definition) table(t sqlparse.Target) error {
	if t.New {
		schemaName, ok := d.schemaFor(t)
		if !ok {
			return nil
		}
		typ := t.Type
		if typ == "materialized view" {
			typ = "view"
		}
		d.name(typ, spelled(schemaName, t.Name))
		// CREATE OR REPLACE, or a name that is taken: then the server refuses.
		if s := d.cat.byName[schemaName]; s != nil && s.relations[t.Name] != nil {
			d.changes(s.relations[t.Name], t.Position)
		}
		return nil
	}
	if slices.ContainsFunc(d.def.Targets, func(o sqlparse.Target) bool {
		return o.New && o.Type == "table" && o.Name == t.Name && o.Schema == t.Schema
	}) && d.cat.relation(t.Schema, t.Name) == nil {
		return nil // a key of the new table to itself
	}
	rel, err := d.find(t.Schema, t.Name, t.Position, t.Lax)
	if err != nil || rel == nil {
		return err
	}
	d.changes(rel, t.Position)
	for _, part := range rel.descendants() {
		d.changes(part, t.Position)
	}
	return nil
}

// find is the existing relation. One that may be missing and is missing is nil.
func (d *definition) find(schemaName, name string, position int, lax bool) (*relation, error) {
	rel := d.cat.relation(schemaName, name)
	if rel == nil && lax {
		d.name("table", named(schemaName, name)) // without a schema no scope covers it by name
		return nil, nil
	}
	if rel == nil {
		return nil, d.cat.undefinedTable(sqlparse.Relation{Schema: schemaName, Name: name, Position: position})
	}
	d.before.add(schemaName, name, rel)
	return rel, nil
}

// changes notes an existing relation among those whose columns the statement's expressions may name.
func (d *definition) changes(rel *relation, position int) {
	if slices.Contains(d.existing, rel) {
		return
	}
	d.before.add(rel.schema.name, rel.name, rel)
	if rel.system() {
		d.unclear("a change of "+rel.qualified(), position)
	}
	d.existing = append(d.existing, rel)
	d.rels = append(d.rels, resolved{sqlparse.Relation{Schema: rel.schema.name, Name: rel.name, Written: true, Position: position}, rel})
}

func reserved(schemaName string) bool {
	return strings.HasPrefix(schemaName, "pg_") || schemaName == "information_schema"
}

// schemaFor is where a new object goes: the schema named, or the first of the search path that is there.
func (d *definition) schemaFor(t sqlparse.Target) (string, bool) {
	name := t.Schema
	if name == "" {
		for _, p := range d.cat.path {
			if s := d.cat.byName[p]; s != nil && s.usage && !reserved(p) {
				name = p
				break
			}
		}
	}
	if name == "" || reserved(name) {
		d.unclear("a new "+t.Type+" in no schema that is known", t.Position)
		return "", false
	}
	return name, true
}

// inSchema: rights on everything in a schema, and its end, concern each table there.
func (d *definition) inSchema(t sqlparse.Target) {
	s := d.cat.byName[t.Name]
	if s == nil || t.New {
		return
	}
	for _, rel := range d.cat.allRelations() {
		if rel.schema == s {
			d.changes(rel, t.Position)
		}
	}
}

// other is an index, a sequence or a type. Which schema it is in is not known for all of them; without one no scope that lists
// objects covers it.
func (d *definition) other(t sqlparse.Target) {
	schemaName := t.Schema
	if rel := d.cat.relation(t.Schema, t.Name); rel != nil && !t.New && t.Type != "type" && t.Type != "domain" {
		d.changes(rel, t.Position) // ALTER INDEX ... RENAME renames tables too
		return
	}
	switch {
	case t.Type == "index" && !t.New:
		schemaName = d.index(t)
	case t.Type == "index" && t.New:
		if rel := d.cat.relation(t.Schema, t.Table); rel != nil {
			schemaName = rel.schema.name
		}
	case t.New:
		schemaName, _ = d.schemaFor(t)
	case t.Type == "type" || t.Type == "domain":
		if typ := d.cat.typeNamed(t.Schema, t.Name); typ != nil && d.cat.schemas[typ.schema] != nil {
			schemaName = d.cat.schemas[typ.schema].name
			if d.cat.relations[typ.rel] != nil || typ.kind == 'c' {
				d.unclear("a change of the row type "+typ.display, t.Position)
			}
		}
	}
	if reserved(schemaName) {
		d.unclear(fmt.Sprintf("a change of %s %s", t.Type, join(schemaName, t.Name)), t.Position)
	}
	d.name(t.Type, named(schemaName, t.Name))
}

// index notes the table of an existing index among those that are changed, and returns its schema. One whose table is not known could be
// of any.
func (d *definition) index(t sqlparse.Target) string {
	path := d.cat.path
	if t.Schema != "" {
		path = []string{t.Schema}
	}
	for _, p := range path {
		s := d.cat.byName[p]
		if s == nil || !s.usage || s.indexes[t.Name] == nil {
			continue
		}
		ix := s.indexes[t.Name]
		d.before.add(t.Schema, t.Name, &relation{stamp: ix.stamp})
		d.changes(ix.table, t.Position)
		return s.name
	}
	d.unclear("index "+join(t.Schema, t.Name)+", whose table is not known", t.Position)
	return t.Schema
}

func named(schemaName, name string) string {
	if schemaName == "" {
		return spelled(name)
	}
	return spelled(schemaName, name)
}

func (d *definition) name(typ, name string) {
	d.named = append(d.named, tools.Object{Type: typ, Name: name, Access: d.effect})
}

// labels refuses what could part a labelled column from its label, copy it, or tell its values.
func (d *definition) labels() error {
	if err := d.inspection.labels(); err != nil {
		return err
	}
	for i := range d.rels {
		r := &d.rels[i]
		l, ok := d.cat.anyLabel(r.relation)
		if t, tainted := d.cat.taints[r.oid]; tainted {
			l, ok = t, true
		}
		if !ok {
			continue
		}
		if slices.Contains(d.existing, r.relation) && len(d.def.Moves) > 0 {
			m := d.def.Moves[0]
			return refuse(l, m.Position, "in a table of "+m.What+outside)
		}
		for _, c := range d.def.Columns {
			if l, ok := d.cat.labelOf(r.relation, c.Names[0]); ok {
				return refuse(l, c.Position, c.Where+outside)
			}
		}
	}
	return nil
}

// leavesRows are kinds that look at no row of their tables.
var leavesRows = []string{"grant", "revoke", "comment", "rename", "set_schema", "create_policy", "alter_policy"}

// runs finds code of users that a definition would run: in the tables it rewrites or checks, and event triggers.
func (d *definition) runs() {
	if d.def.Effect != string(tools.Write) {
		for _, name := range d.cat.eventTriggers {
			d.unclear("event trigger "+name, 0)
		}
	}
	if d.def.Cascade {
		d.unclear("CASCADE, which reaches whatever depends on it; name what is to go", 0)
	}
	for _, rel := range d.existing {
		switch {
		case d.def.Kind == "truncate" && (rel.kind == 'r' || rel.kind == 'p'):
			for _, what := range d.cat.changeRuns(rel) {
				d.unclear(what, 0)
			}
		case d.def.Kind == "truncate":
			d.unclear("TRUNCATE of "+rel.qualified(), 0)
		case d.def.Kind == "refresh_materialized_view":
			if what := d.cat.view(rel, 0); what != "" {
				d.unclear(what, 0)
			}
		case rel.kind == 'f':
			d.unclear("foreign table "+rel.qualified(), 0)
		case slices.Contains(leavesRows, d.def.Kind), strings.HasPrefix(d.def.Kind, "drop_"):
		default:
			for _, u := range rel.code {
				if why := d.cat.runs(u, 0); why != "" {
					d.unclear(fmt.Sprintf("%s, which uses %s", rel.qualified(), why), 0)
				}
			}
		}
	}
}

// objects are what is read, and what is changed with all its columns.
func (d *definition) objects() []tools.Object {
	out := d.inspection.objects()
	for i := range out {
		if out[i].Access == tools.Write {
			out[i].Access = d.effect
			if d.effect == tools.Define {
				out[i].Labels = nil // a definition that touches a labelled column was refused
			}
		}
	}
	for _, o := range d.named {
		if !slices.ContainsFunc(out, func(x tools.Object) bool { return x.Name == o.Name && x.Type == o.Type && x.Access == o.Access }) {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b tools.Object) int {
		return strings.Compare(a.Name+" "+string(a.Access), b.Name+" "+string(b.Access))
	})
	return out
}

// summary is one line with names of the catalog and of what is made.
func (d *definition) summary(objects []tools.Object) string {
	var changed, read []string
	for _, o := range objects {
		if o.Access == tools.Read {
			read = append(read, o.Name)
		} else {
			changed = append(changed, o.Type+" "+o.Name)
		}
	}
	out := strings.ReplaceAll(d.def.Kind, "_", " ") + ": " + strings.Join(changed, ", ")
	if len(read) > 0 {
		out += "; reads " + strings.Join(read, ", ")
	}
	return out
}
