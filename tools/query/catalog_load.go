package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// loader reads a target's catalog in one transaction, so that all of it is of one moment. The first error ends it.
type loader struct {
	ctx  context.Context
	conn *pgconn.PgConn
	cat  *catalog
	err  error
}

// readEpoch says which version the target's catalog is. It costs a few milliseconds: it reads the catalogs.
func readEpoch(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	l := &loader{ctx: ctx, conn: conn}
	var epoch string
	l.each(sqlEpoch, func(v []string) { epoch = v[0] })
	return epoch, l.err
}

// loadCatalog takes a snapshot. path is the target's search path, in order.
func loadCatalog(ctx context.Context, conn *pgconn.PgConn, path []string, labels map[string]Label, listed []string) (*catalog, error) {
	l := &loader{ctx: ctx, conn: conn, cat: &catalog{
		path:    path,
		schemas: map[uint32]*schema{}, byName: map[string]*schema{}, relations: map[uint32]*relation{}, types: map[uint32]*pgType{},
		typeNames: map[string][]*pgType{}, functions: map[string][]*function{}, operators: map[string][]*operator{},
		functionByOID: map[uint32]*function{}, operatorByOID: map[uint32]*operator{}, implementations: map[uint32]bool{}, aggregates: map[uint32][]uint32{}, versions: map[madeName]version{},
	}}
	l.each("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", nil)
	// While the catalog is read, nothing of a user's schemas can be found by an unqualified name.
	l.each("SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)", nil)
	l.load()
	fks, generated := l.links()
	l.each("COMMIT", nil)
	for _, signature := range listed {
		l.list(signature)
	}
	if l.err != nil {
		return nil, fmt.Errorf("read the catalog: %w", l.err)
	}
	l.cat.spreadLabels(labels, fks, generated)
	return l.cat, nil
}

// each runs one of our own statements and hands over each row as text; NULL is "".
func (l *loader) each(sql string, row func(v []string), params ...[]byte) {
	if l.err != nil {
		return
	}
	rr := l.conn.ExecParams(l.ctx, sql, params, nil, nil, nil)
	for rr.NextRow() {
		if row == nil {
			continue
		}
		v := make([]string, len(rr.Values()))
		for i, b := range rr.Values() {
			v[i] = string(b)
		}
		row(v)
	}
	_, l.err = rr.Close()
}

func (l *loader) load() {
	c := l.cat
	l.each(sqlEpoch, func(v []string) { c.epoch = v[0] })
	l.each(sqlVersion, func(v []string) { c.version, _ = strconv.Atoi(v[0]) })
	l.each(sqlSchemas, func(v []string) {
		s := &schema{oid: oid(v[0]), name: v[1], usage: v[2] == "t", relations: map[string]*relation{}}
		c.schemas[s.oid], c.byName[s.name] = s, s
	})
	l.each(sqlRelations, func(v []string) {
		s := c.schemas[oid(v[1])]
		if s == nil {
			return
		}
		r := &relation{oid: oid(v[0]), schema: s, name: v[2], kind: v[3][0], stamp: v[4], rowType: oid(v[5]), rowSec: v[6] == "t", selectable: v[8] == "t", ofType: oid(v[9])}
		r.estimate, _ = strconv.ParseFloat(v[7], 64)
		c.relations[r.oid], s.relations[r.name] = r, r
	})
	composites := map[uint32]*relation{} // of types that are no tables
	l.each(sqlColumns, func(v []string) {
		r := c.relations[oid(v[0])]
		if r == nil {
			if r = composites[oid(v[0])]; r == nil {
				r = &relation{}
				composites[oid(v[0])] = r
			}
		}
		col := column{num: int16(oid(v[1])), name: v[2], typ: oid(v[3]), notNull: v[4] == "t"}
		if v[5] != "" {
			col.generated = v[5][0]
		}
		r.columns = append(r.columns, col)
	})
	l.each(sqlTypes, func(v []string) {
		t := &pgType{oid: oid(v[0]), schema: oid(v[1]), name: v[2], display: v[3], kind: v[4][0], category: v[5][0], elem: oid(v[6]), array: oid(v[7]),
			base: oid(v[8]), rel: oid(v[9]), input: oid(v[10]), checked: v[11] == "t", delimiter: v[12][0]}
		if r := composites[t.rel]; r != nil {
			t.attributes = r.columns
		} else if r := c.relations[t.rel]; r != nil {
			t.attributes = r.columns
		}
		c.types[t.oid] = t
		c.made(madeType, t.oid, t.name, v[13])
		c.typeNames[t.name] = append(c.typeNames[t.name], t)
	})
	l.code()
	l.tables()
}

// code reads what can be called.
func (l *loader) code() {
	c := l.cat
	l.each(sqlFunctions, func(v []string) {
		c.made(madeFunction, oid(v[0]), v[2], v[7])
		s := c.schemas[oid(v[1])]
		if s == nil {
			return
		}
		f := &function{oid: oid(v[0]), schema: s, name: v[2], args: oids(v[3]), volatile: v[4] == "t", native: v[5] == "t", extension: v[6]}
		c.functions[f.name] = append(c.functions[f.name], f)
		c.functionByOID[f.oid] = f
	})
	l.each(sqlAggregates, func(v []string) { c.aggregates[oid(v[0])] = oids(v[1]) })
	l.each(sqlOperators, func(v []string) {
		c.made(madeOperator, oid(v[0]), v[2], v[6])
		s := c.schemas[oid(v[1])]
		if s == nil {
			return
		}
		o := &operator{oid: oid(v[0]), schema: s, name: v[2], left: oid(v[3]), right: oid(v[4]), function: oid(v[5])}
		c.operators[o.name] = append(c.operators[o.name], o)
		c.operatorByOID[o.oid] = o
		if o.oid < firstUserOID {
			c.implementations[o.function] = true
		}
	})
	l.each(sqlCasts, func(v []string) {
		c.made(madeCast, oid(v[3]), "", v[4])
		if v[2] == "0" {
			return
		}
		if f := oid(v[2]); f < firstUserOID {
			c.implementations[f] = true
		} else {
			c.casts = append(c.casts, userCast{oid(v[0]), oid(v[1]), f})
		}
	})
}

// list marks a function that the operator lists. One that is not there, or that takes values whose making runs other code, stays
// unlisted: catalog.unlisted names it.
func (l *loader) list(signature string) {
	if l.err != nil {
		return
	}
	c := l.cat
	found := false
	l.each(sqlSignature, func(v []string) {
		f := c.functionByOID[oid(v[0])]
		if f == nil || f.builtin() || slices.ContainsFunc(f.args, func(a uint32) bool { return c.typeRuns(c.types[a], isCast) != "" }) {
			return
		}
		f.listed, found = true, true
	}, []byte(signature))
	var pg *pgconn.PgError
	if errors.As(l.err, &pg) && !l.conn.IsClosed() {
		l.err = nil // a text that is no signature
	}
	if !found {
		c.unlisted = append(c.unlisted, signature)
	}
}

// tables reads what runs or changes with a relation.
func (l *loader) tables() {
	c := l.cat
	of := func(v string, do func(r *relation)) {
		if r := c.relations[oid(v)]; r != nil {
			do(r)
		}
	}
	l.each(sqlInherits, func(v []string) {
		parent, child := c.relations[oid(v[0])], c.relations[oid(v[1])]
		if parent != nil && child != nil {
			parent.children, child.parents = append(parent.children, child), append(child.parents, parent)
		}
	})
	l.each(sqlTriggers, func(v []string) {
		of(v[0], func(r *relation) { r.triggers = append(r.triggers, v[1]) })
	})
	l.each(sqlEventTriggers, func(v []string) { c.eventTriggers = append(c.eventTriggers, v[0]) })
	l.each(sqlTableCode, func(v []string) {
		of(v[0], func(r *relation) { r.code = append(r.code, codeUse{v[1], v[2], oid(v[3])}) })
	})
	l.each(sqlDomainCode, func(v []string) {
		if t := c.types[oid(v[0])]; t != nil {
			t.code = append(t.code, codeUse{"a domain's check or default", v[1], oid(v[2])})
		}
	})
	l.each(sqlRules, func(v []string) {
		of(v[0], func(r *relation) {
			if v[2] != "t" || r.kind != 'v' && r.kind != 'm' {
				r.rules = append(r.rules, v[1])
				return
			}
			r.view = &viewQuery{functions: oids(v[3]), wholeRow: v[4] == "t", special: v[5] == "t"}
			for _, id := range oids(v[6]) {
				if id != r.oid {
					r.view.relations = append(r.view.relations, viewColumn{relation: id})
				}
			}
		})
	})
	l.each(sqlRuleDepends, func(v []string) {
		of(v[0], func(r *relation) {
			ref := oid(v[2])
			if r.view == nil || v[1] == "pg_class" && ref == r.oid {
				return
			}
			switch v[1] {
			case "pg_class":
				n, _ := strconv.Atoi(v[3])
				r.view.relations = append(r.view.relations, viewColumn{ref, int16(n)})
			case "pg_type":
				r.view.userTypes = append(r.view.userTypes, ref)
			default:
				r.view.userCode = append(r.view.userCode, codeUse{"the view's query", v[1], ref})
			}
		})
	})
}

// foreignKey and generatedColumn are how values of one column get into another.
type foreignKey struct {
	table, target         uint32
	columns, targetColumn []int16
}

type generatedColumn struct {
	table    uint32
	from, to int16
}

func (l *loader) links() (fks []foreignKey, generated []generatedColumn) {
	c := l.cat
	l.each(sqlForeignKeys, func(v []string) {
		fk := foreignKey{oid(v[0]), oid(v[1]), nums(v[2]), nums(v[3])}
		fks = append(fks, fk)
		from, to := c.relations[fk.table], c.relations[fk.target]
		if from != nil && to != nil && (v[4] == "t" || v[5] == "t") {
			to.cascades = append(to.cascades, cascade{table: from, onDelete: v[4] == "t", onUpdate: v[5] == "t", deletes: v[6][0], updates: v[7][0],
				columns: fk.columns, target: fk.targetColumn, equals: oids(v[8]), copyOf: oid(v[9])})
		}
	})
	l.each(sqlIndexes, func(v []string) {
		if r := c.relations[oid(v[0])]; r != nil { // an index is in the schema of its table
			if r.schema.indexes == nil {
				r.schema.indexes = map[string]*indexOf{}
			}
			r.schema.indexes[v[1]] = &indexOf{r, v[2]}
		}
	})
	l.each(sqlPrimaryKeys, func(v []string) {
		if r := c.relations[oid(v[0])]; r != nil {
			r.key = nums(v[1])
		}
	})
	l.each(sqlGenerated, func(v []string) {
		generated = append(generated, generatedColumn{oid(v[0]), int16(oid(v[1])), int16(oid(v[2]))})
	})
	return fks, generated
}

// oid reads a number the server wrote; anything else is 0, which is no object.
func oid(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

func oids(s string) []uint32 {
	var out []uint32
	for f := range strings.FieldsSeq(s) {
		out = append(out, oid(f))
	}
	return slices.Clip(out)
}

func nums(s string) []int16 {
	var out []int16
	for f := range strings.FieldsSeq(s) {
		out = append(out, int16(oid(f)))
	}
	return out
}
