package query

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sallyport/tools"
)

// Description is the answer of describe_target: the schemas, the tables of one, or the columns of one table. It holds what the
// target's login may see, as text of the target: the caller masks it.
type Description struct {
	Target  string       `json:"target"`
	Path    string       `json:"path,omitempty"`
	Schemas []SchemaInfo `json:"schemas,omitempty"`
	Tables  []TableInfo  `json:"tables,omitempty"`
	More    int          `json:"more,omitempty"` // tables left out; narrow the path
	Note    string       `json:"note,omitempty"`
}

// SchemaInfo is one schema.
type SchemaInfo struct {
	Name   string   `json:"name"`
	Count  int      `json:"tables"`
	Tables []string `json:"names,omitempty"`
}

// TableInfo is one table or view. Rows is the planner's estimate, -1 when there is none.
type TableInfo struct {
	Name    string       `json:"name"`
	Kind    string       `json:"kind"`
	Rows    int64        `json:"rows_estimate"`
	Comment string       `json:"comment,omitempty"`
	Columns []ColumnInfo `json:"columns,omitempty"`
	Note    string       `json:"note,omitempty"` // why statements over it are not understood
}

// ColumnInfo is one column.
type ColumnInfo struct {
	Name    string `json:"name"`
	Type    string `json:"type,omitempty"`
	NotNull bool   `json:"not_null,omitempty"`
	Key     string `json:"key,omitempty"` // "primary", "unique", "references public.customers"
	Masked  bool   `json:"masked"`
	Class   string `json:"class,omitempty"`
	Comment string `json:"comment,omitempty"`
}

const (
	maxTables  = 200
	maxComment = 200
)

// Describe shows a target's catalog. path is "", a schema, "schema.table" or a table in the search path; detail is names,
// summary (the default) or full. Errors: tools.ErrNoSuchTarget, *tools.ArgError, *tools.TargetError for what does not exist,
// *tools.UnreachableError.
func (db *DB) Describe(ctx context.Context, target, path, detail string) (*Description, error) {
	t, err := db.target(target)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "names", "summary", "full"}, detail) {
		return nil, &tools.ArgError{Field: "detail", Problem: "is not one of names, summary, full"}
	}
	cat, err := t.catalog(ctx, nil)
	if err != nil {
		return nil, err
	}
	d := &Description{Target: target, Path: path}
	switch rels, s := cat.find(path); {
	case path == "":
		cat.describeSchemas(d, detail)
	case len(rels) > 0:
		full := detail != "names"
		extra, err := t.comments(ctx, rels[0], full)
		if err != nil {
			return nil, err
		}
		d.Tables = []TableInfo{cat.describeTable(rels[0], full, extra)}
	case s != nil:
		cat.describeTables(d, s, detail)
	default:
		return nil, &tools.TargetError{Code: "42P01", Message: "nothing of this name is visible", Hint: "leave path empty for the schemas",
			Candidates: cat.nearTables(path[strings.LastIndexByte(path, '.')+1:]), Executed: tools.ExecutedNo}
	}
	return d, nil
}

// find resolves a path: a table first, then a schema.
func (c *catalog) find(path string) ([]*relation, *schema) {
	schemaName, name, qualified := strings.Cut(path, ".")
	if !qualified {
		schemaName, name = "", path
	}
	if r := c.relation(schemaName, name); r != nil && r.selectable {
		return []*relation{r}, nil
	}
	if s := c.byName[path]; s != nil && s.usage {
		return nil, s
	}
	return nil, nil
}

func (c *catalog) visible(s *schema) []*relation {
	var out []*relation
	for _, r := range s.relations {
		if r.selectable && !slices.ContainsFunc(r.parents, func(p *relation) bool { return p.kind == 'p' }) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *relation) int { return strings.Compare(a.name, b.name) })
	return out
}

func (c *catalog) describeSchemas(d *Description, detail string) {
	left := maxTables
	for _, s := range c.byName {
		if !s.usage || s.name == "pg_catalog" || s.name == "information_schema" {
			continue
		}
		rels := c.visible(s)
		if len(rels) == 0 {
			continue
		}
		info := SchemaInfo{Name: s.name, Count: len(rels)}
		if detail != "names" {
			for _, r := range rels[:min(len(rels), left)] {
				info.Tables = append(info.Tables, r.name)
			}
			left -= len(info.Tables)
		}
		d.Schemas = append(d.Schemas, info)
	}
	slices.SortFunc(d.Schemas, func(a, b SchemaInfo) int { return strings.Compare(a.Name, b.Name) })
	d.Note = "path: a schema lists its tables, schema.table its columns"
}

func (c *catalog) describeTables(d *Description, s *schema, detail string) {
	rels := c.visible(s)
	if len(rels) > maxTables {
		d.More = len(rels) - maxTables
		rels = rels[:maxTables]
	}
	for _, r := range rels {
		d.Tables = append(d.Tables, c.describeTable(r, detail == "full", nil))
	}
}

func (c *catalog) describeTable(r *relation, columns bool, extra *comments) TableInfo {
	t := TableInfo{Name: r.qualified(), Rows: int64(max(r.estimate, -1)),
		Kind: map[byte]string{'r': "table", 'p': "partitioned table", 'v': "view", 'm': "materialized view", 'f': "foreign table"}[r.kind]}
	if what := c.readable(r, 0); what != "" {
		t.Note = "not understood: " + what
	}
	if l, ok := c.taints[r.oid]; ok {
		t.Note = fmt.Sprintf("shows %s, which is labelled %s; use the table itself", l.column, l.Class)
	}
	if extra != nil {
		t.Comment = extra.table
	}
	if !columns {
		return t
	}
	for _, col := range r.columns {
		info := ColumnInfo{Name: col.name, Type: c.typeName(col.typ), NotNull: col.notNull}
		if l, ok := c.labels[r.oid][col.num]; ok {
			info.Masked, info.Class = true, l.Class
		}
		if extra != nil {
			info.Key, info.Comment = extra.keys[col.num], extra.columns[col.num]
			if typ := extra.types[col.num]; typ != "" {
				info.Type = typ
			}
		}
		t.Columns = append(t.Columns, info)
	}
	return t
}

// comments are what is read of one table only when it is asked for.
type comments struct {
	table   string
	columns map[int16]string
	types   map[int16]string // with length and precision
	keys    map[int16]string
}

const (
	sqlComments = `SELECT a.attnum, pg_catalog.format_type(a.atttypid, a.atttypmod), coalesce(pg_catalog.col_description(a.attrelid, a.attnum), '')
		FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
		UNION ALL SELECT 0, '', coalesce(pg_catalog.obj_description($1::pg_catalog.oid, 'pg_class'), '')`
	sqlKeys = `SELECT contype, pg_catalog.array_to_string(conkey, ' '), coalesce(n.nspname, ''), coalesce(c.relname, '')
		FROM pg_catalog.pg_constraint k LEFT JOIN pg_catalog.pg_class c ON c.oid = k.confrelid LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE k.conrelid = $1::pg_catalog.oid AND k.contype IN ('p', 'u', 'f') ORDER BY contype DESC`
)

func (t *target) comments(ctx context.Context, r *relation, wanted bool) (*comments, error) {
	if !wanted {
		return nil, nil
	}
	conn, err := t.acquire(ctx)
	if err != nil {
		return nil, err
	}
	reading, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	out := &comments{columns: map[int16]string{}, types: map[int16]string{}, keys: map[int16]string{}}
	l := &loader{ctx: reading, conn: conn.Conn().PgConn()}
	id := fmt.Append(nil, r.oid)
	l.each(sqlComments, func(v []string) {
		num := int16(oid(v[0]))
		if num == 0 {
			out.table = clip(v[2])
			return
		}
		out.types[num], out.columns[num] = v[1], clip(v[2])
	}, id)
	l.each(sqlKeys, func(v []string) {
		key := map[string]string{"p": "primary", "u": "unique", "f": "references " + v[2] + "." + v[3]}[v[0]]
		for _, num := range nums(v[1]) {
			out.keys[num] = strings.TrimPrefix(out.keys[num]+", "+key, ", ")
		}
	}, id)
	if l.err != nil {
		discard(conn)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &tools.UnreachableError{Problem: "its catalog could not be read", Err: l.err}
	}
	conn.Release()
	return out, nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > maxComment {
		return string(r[:maxComment]) + "..."
	}
	return s
}
