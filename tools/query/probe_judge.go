package query

import (
	"fmt"
	"slices"

	"sallyport/tools"
)

// This file judges what the server understood, by the numbers of the objects and not by names.

// judge says what of the statement may not run unasked; nothing when it is understood completely.
func (f *finding) judge(a *answer, c *call) []tools.Unclear {
	j := &judgement{f: f, a: a, c: c}
	if a.problem != "" {
		j.unclear(a.problem, nil)
		return j.out
	}
	command := map[string]string{"select": "1", "update": "2", "insert": "3", "delete": "4"}[c.st.Kind]
	for i, got := range a.commands {
		if i == 0 && got != command || i > 0 && got != "1" {
			j.unclear("a statement that the server takes for another kind", nil)
		}
	}
	for _, u := range a.functions {
		j.function(u.oid, u.in)
	}
	for _, u := range a.operators {
		j.operator(u)
	}
	for _, u := range a.types {
		j.typ(u)
	}
	j.relations()
	return j.out
}

type judgement struct {
	f   *finding
	a   *answer
	c   *call
	out []tools.Unclear
}

// unclear notes a construct once for each place.
func (j *judgement) unclear(what string, in *treeNode) {
	u := tools.Unclear{Construct: what, Position: j.position(in)}
	if !slices.Contains(j.out, u) {
		j.out = append(j.out, u)
	}
}

func (j *judgement) function(id uint32, in *treeNode) {
	f := j.f.cat.functionByOID[id]
	switch {
	case f == nil:
		j.unclear("a function that the catalog does not have", in)
	case j.f.cat.callable(f):
	case in.label == "WINDOWCLAUSE" && f.builtin() && !f.volatile: // in_range of a built-in type
	case in.label == "TABLESAMPLECLAUSE" && f.builtin() && (f.name == "bernoulli" || f.name == "system"):
	case (in.label == "AGGREF" || in.label == "WINDOWFUNC") && j.f.cat.harmlessAggregate(f):
	default:
		j.unclear("function "+j.f.cat.signature(f), in)
	}
}

func (j *judgement) operator(u used) {
	o := j.f.cat.operatorByOID[u.oid]
	if o == nil {
		j.unclear("an operator that the catalog does not have", u.in)
		return
	}
	f := j.f.cat.functionByOID[o.function]
	if f == nil || !j.f.cat.callable(f) {
		j.unclear("operator "+o.schema.name+"."+o.name, u.in)
	}
}

// typ judges a type that values of the statement have. A domain that a value is made of runs its checks; types are read otherwise.
func (j *judgement) typ(u used) {
	if u.oid < firstUserOID {
		if u.oid == oidXML && u.in.label == "COERCEVIAIO" {
			j.unclear("type xml", u.in)
		}
		return
	}
	use := isRead
	if u.in.label == "COERCETODOMAIN" {
		use = isStored
	}
	if why := j.f.cat.typeRuns(j.f.cat.types[u.oid], use); why != "" {
		j.unclear(fmt.Sprintf("type %s, %s", j.f.cat.typeName(u.oid), why), u.in)
	}
}

// relations compares the tables that the server means with those that the names were taken for.
func (j *judgement) relations() {
	var meant []uint32
	for _, u := range j.a.relations {
		if !slices.Contains(j.f.relations, u.oid) {
			j.unclear("a table that the server finds elsewhere", u.in)
		}
		meant = append(meant, u.oid)
	}
	for _, id := range j.f.relations {
		if !slices.Contains(meant, id) {
			j.unclear("table "+j.f.cat.relations[id].qualified()+", where the server finds another", nil)
		}
	}
}

// position is the place in the agent's text, in characters; 0 where it cannot be told.
func (j *judgement) position(in *treeNode) int {
	if in == nil || j.a.prefix < 0 || in.location < j.a.prefix || in.location-j.a.prefix > len(j.c.st.Text) {
		return 0
	}
	before := j.c.st.Text[:in.location-j.a.prefix]
	return len([]rune(j.c.lead())) + len([]rune(before)) + 1
}

// signature names a function as the operator lists it: "app.order_total(bigint)".
func (c *catalog) signature(f *function) string {
	if f.builtin() {
		return f.name
	}
	s := f.words() + "("
	for i, a := range f.args {
		if i > 0 {
			s += ", "
		}
		s += c.typeName(a)
	}
	return s + ")"
}

// harmlessAggregate reports whether a user's aggregate is made of nothing but functions that may run.
func (c *catalog) harmlessAggregate(f *function) bool {
	parts := c.aggregates[f.oid]
	return len(parts) > 0 && !slices.ContainsFunc(parts, func(id uint32) bool {
		p := c.functionByOID[id]
		return p == nil || !c.callable(p)
	})
}
