package sqlparse

import (
	"cmp"
	"fmt"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The walk visits every field of every message of the parse tree by reflection. A visitor that names the fields it goes
// to misses those it did not think of, above all lists of lists: the call in VALUES ((f())). Here a rule for a message
// (see nodes.go) only says in which surroundings its fields are met; it cannot keep the walk from them. A message that
// has no rule is unclear.

// around is what is known about the place where a message is met. It is copied on the way down.
type around struct {
	scope  *scope // CTE names in reach
	where  string // for ColumnRef.Where
	pos    int    // of the nearest node around that has a position
	item   itemKind
	output bool // the whole item of the outermost SELECT list or RETURNING
	outer  bool // the statement itself, not a sub-query or CTE
	from   bool // in FROM of the outermost query
	target bool // what INSERT, UPDATE or DELETE writes to
	hidden bool // inside a join with an alias: columns have other names outside
	with   bool // directly the query of a CTE
	depth  int
}

// itemKind says what a ResTarget stands for.
type itemKind int

const (
	itemOther    itemKind = iota
	itemSelected          // of a SELECT list or RETURNING
	itemAssigned          // SET a = ..., INSERT INTO t (a)
)

// fieldRule adjusts the surroundings for the i-th element of one field of the message it was made for.
type fieldRule func(field protoreflect.Name, i int, in *around)

const (
	maxDepth = 4000  // of the tree; the parser itself dies at about 20,000
	maxFacts = 20000 // names in one statement
)

type walk struct {
	st    *Statement
	def   *Definition // of a statement that defines; see defines
	chars positions
	facts int
	// fields is the structure of each message type met.
	fields map[protoreflect.Name][]protoreflect.FieldDescriptor
}

// errTooMuch ends a walk by panic, recovered in analyse.
type errTooMuch struct{ what string }

func (w *walk) message(m protoreflect.Message, in around) {
	if in.depth++; in.depth > maxDepth {
		panic(errTooMuch{"a statement nested this deeply"})
	}
	if at := w.location(m); at > 0 {
		in.pos = at
	}
	rule, ok := w.enter(m, in)
	if !ok {
		return
	}
	if _, ok := m.Interface().(*pg.Node); ok { // one of 270 fields is set, or none
		if fd := m.WhichOneof(m.Descriptor().Oneofs().Get(0)); fd != nil {
			w.field(m, fd, rule, in)
		}
		return
	}
	for _, fd := range w.structure(m.Descriptor()) {
		if m.Has(fd) {
			w.field(m, fd, rule, in)
		}
	}
}

// structure is the fields of a message that the walk goes through: messages, lists of them, and enumerations. The others
// are names and numbers; those that matter are read by the rule of their message.
func (w *walk) structure(d protoreflect.MessageDescriptor) []protoreflect.FieldDescriptor {
	list, ok := w.fields[d.Name()]
	if !ok {
		for i := range d.Fields().Len() {
			if k := d.Fields().Get(i).Kind(); k == protoreflect.MessageKind || k == protoreflect.GroupKind || k == protoreflect.EnumKind {
				list = append(list, d.Fields().Get(i))
			}
		}
		w.fields[d.Name()] = list
	}
	return list
}

func (w *walk) field(m protoreflect.Message, fd protoreflect.FieldDescriptor, rule fieldRule, in around) {
	v := m.Get(fd)
	switch {
	case fd.Kind() == protoreflect.EnumKind && !fd.IsList():
		if fd.Enum().Values().ByNumber(v.Enum()) == nil {
			w.unclear(fmt.Sprintf("a value of %s that is not known", fd.FullName()), in)
		}
	case fd.Kind() != protoreflect.MessageKind || fd.IsMap():
		w.unclear(fmt.Sprintf("a field of the form of %s", fd.FullName()), in) // this grammar has none
	case fd.IsList():
		for i := range v.List().Len() {
			w.message(v.List().Get(i).Message(), inner(rule, fd.Name(), i, in))
		}
	default:
		w.message(v.Message(), inner(rule, fd.Name(), 0, in))
	}
}

// inner is the surroundings of a field: what holds for the message itself does not hold for its parts unless the rule
// says so.
func inner(rule fieldRule, field protoreflect.Name, i int, in around) around {
	out := around{scope: in.scope, where: in.where, pos: in.pos, depth: in.depth}
	if rule != nil {
		rule(field, i, &out)
	}
	return out
}

// location is the position of a node that has one, 0 for others. The tree counts bytes from 0; -1 is "none".
func (w *walk) location(m protoreflect.Message) int {
	fd := m.Descriptor().Fields().ByName("location")
	if fd == nil {
		return 0
	}
	return w.chars.at(int(m.Get(fd).Int()))
}

func (w *walk) count() {
	if w.facts++; w.facts > maxFacts {
		panic(errTooMuch{fmt.Sprintf("a statement with more than %d names", maxFacts)})
	}
}

func (w *walk) unclear(what string, in around) {
	w.count()
	w.st.Unclear = append(w.st.Unclear, Mention{What: what, Effect: "", Position: in.pos})
}

func (w *walk) refuse(what, effect string, in around) {
	w.count()
	w.st.Refused = append(w.st.Refused, Mention{What: what, Effect: effect, Position: in.pos})
}

func (w *walk) function(c Call) { w.count(); w.st.Functions = append(w.st.Functions, c) }
func (w *walk) operator(c Call) { w.count(); w.st.Operators = append(w.st.Operators, c) }

func (w *walk) column(c ColumnRef) { w.count(); w.st.Columns = append(w.st.Columns, c) }

func (w *walk) alias(name string) {
	if name != "" {
		w.count()
		w.st.Aliases = append(w.st.Aliases, name)
	}
}

func (w *walk) aliases(names []*pg.Node) {
	for _, n := range names {
		w.alias(n.GetString_().GetSval())
	}
}

// finish puts the facts into a fixed order, each once: UPDATE ... SET (a, b) = (SELECT ...) holds its sub-select once for each
// column in the tree.
func (w *walk) finish() {
	st := w.st
	mention := func(a, b Mention) int {
		return cmp.Or(a.Position-b.Position, cmp.Compare(a.What, b.What), cmp.Compare(a.Effect, b.Effect))
	}
	call := func(a, b Call) int {
		return cmp.Or(a.Position-b.Position, cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name), a.Args-b.Args)
	}
	st.Writes = ordered(st.Writes, mention)
	st.Refused = ordered(st.Refused, mention)
	st.Unclear = ordered(st.Unclear, mention)
	st.NaturalJoins = ordered(st.NaturalJoins, mention)
	st.Functions = ordered(st.Functions, call)
	st.Operators = ordered(st.Operators, call)
	st.Types = ordered(st.Types, call)
	slices.SortStableFunc(st.Ranges, func(a, b Range) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(st.Aliases)
	st.Aliases = slices.Compact(st.Aliases)
	slices.SortStableFunc(st.Relations, func(a, b Relation) int { return a.Position - b.Position })
	st.Relations = slices.Compact(st.Relations)
	compare := func(a, b ColumnRef) int {
		star := func(c ColumnRef) int {
			if c.Star {
				return 1
			}
			return 0
		}
		return cmp.Or(a.Position-b.Position, slices.Compare(a.Names, b.Names), star(a)-star(b), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Where, b.Where))
	}
	slices.SortStableFunc(st.Columns, compare)
	st.Columns = slices.CompactFunc(st.Columns, func(a, b ColumnRef) bool { return compare(a, b) == 0 })
}

func ordered[T comparable](list []T, compare func(a, b T) int) []T {
	slices.SortStableFunc(list, compare)
	return slices.Compact(list)
}
