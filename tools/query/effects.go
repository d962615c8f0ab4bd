package query

import (
	"slices"

	"sallyport/tools/query/sqlparse"
)

// Foreign keys pass a change on. This file follows them from the changed table through the catalog: which tables, what happens to their
// rows, over which keys. Counting the rows is preview_cascades.go's.

// maxSteps bounds what is followed.
const maxSteps = 40

// effects are the tables that change with a table. The first node is the table itself, and no step.
type effects struct {
	nodes []*node
	steps []*node // nodes but the first; and the first again when it refers to itself
	// tangled says that the keys go round through more than one table, or further than is followed: the rows are not counted.
	tangled bool
}

// node is a table and what happens to some of its rows.
type node struct {
	table  *relation
	action string // "delete", "update", "set null", "set default"
	level  int
	loops  bool    // its rows bring others of the same table along
	from   []edge  // what leads here
	keys   []int16 // columns that change; nil: the rows go
	done   bool    // what it leads to was looked for
}

// edge is a foreign key from a node's table to this one.
type edge struct {
	parent *node
	// holder is the relation of the parent's that the key refers to: the table itself, or one that inherits from it.
	holder *relation
	cascade
}

// effects follows what a statement of this kind changes with r.
func (c *catalog) effects(r *relation, st *sqlparse.Statement) *effects {
	root := &node{table: r, action: st.Kind}
	e := &effects{nodes: []*node{root}}
	switch st.Kind {
	case "delete":
	case "update":
		root.keys = []int16{}
		for _, ref := range st.Columns {
			if ref.Place == sqlparse.PlaceAssigned {
				if col := r.column(ref.Names[0]); col != nil {
					root.keys = append(root.keys, col.num)
				}
			}
		}
	default:
		return e
	}
	for i := 0; i < len(e.nodes); i++ {
		e.follow(e.nodes[i])
		if len(e.nodes) > maxSteps {
			e.tangled = true
			break
		}
	}
	e.steps = slices.Clone(e.nodes[1:])
	if root.loops {
		self := *root
		self.level, self.from = 1, nil
		e.steps = append([]*node{&self}, e.steps...)
	}
	e.tangled = e.tangled || e.circular()
	return e
}

func (e *effects) follow(p *node) {
	p.done = true
	family := append([]*relation{p.table}, p.table.descendants()...)
	for _, holder := range family {
		for _, fk := range holder.cascades {
			if fk.copyOf != 0 && slices.ContainsFunc(family, func(x *relation) bool { return x.oid == fk.copyOf }) {
				continue // the key it is a copy of is followed
			}
			how := fk.deletes
			if p.keys != nil {
				how = fk.updates
				changed := slices.ContainsFunc(fk.target, func(num int16) bool { return changes(p, holder, num) })
				if !changed {
					continue
				}
			}
			action := map[byte]string{'n': "set null", 'd': "set default"}[how]
			if how == 'c' {
				action = map[bool]string{true: "delete", false: "update"}[p.keys == nil]
			}
			if action == "" {
				continue
			}
			e.reach(p, edge{parent: p, holder: holder, cascade: fk}, action)
		}
	}
}

// changes: columns of a partition have numbers of their own.
func changes(p *node, holder *relation, num int16) bool {
	return slices.ContainsFunc(p.keys, func(key int16) bool {
		own, of := p.table.numbered(key), holder.numbered(num)
		return own != nil && of != nil && own.name == of.name
	})
}

func (e *effects) reach(p *node, along edge, action string) {
	at := slices.IndexFunc(e.nodes, func(n *node) bool { return n.table == along.table && n.action == action })
	if at < 0 {
		n := &node{table: along.table, action: action, level: p.level + 1}
		e.nodes = append(e.nodes, n)
		at = len(e.nodes) - 1
	}
	n := e.nodes[at]
	n.from = append(n.from, along)
	n.loops = n.loops || n == p
	if action != "delete" {
		for _, num := range along.columns {
			if !slices.Contains(n.keys, num) {
				n.keys = append(n.keys, num)
				e.tangled = e.tangled || n.done && n != p // more of it changes than was followed
			}
		}
	}
}

// circular reports whether keys lead back to a table over others.
func (e *effects) circular() bool {
	done, open := map[*node]bool{}, map[*node]bool{}
	var visit func(n *node) bool
	visit = func(n *node) bool {
		if open[n] {
			return true
		}
		if done[n] {
			return false
		}
		open[n] = true
		for _, f := range n.from {
			if f.parent != n && visit(f.parent) {
				return true
			}
		}
		open[n], done[n] = false, true
		return false
	}
	return slices.ContainsFunc(e.nodes, visit)
}

func (r *relation) numbered(num int16) *column {
	for i := range r.columns {
		if r.columns[i].num == num {
			return &r.columns[i]
		}
	}
	return nil
}
