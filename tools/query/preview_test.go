package query

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"sallyport/tools"
)

// preview plans, inspects and counts.
func (f *fixture) preview(sql string, params ...any) *tools.Impact {
	f.t.Helper()
	p, facts, err := f.facts(f.db.Writes(), sql, params...)
	if err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	return f.db.Writes().Preview(f.t.Context(), p, facts, plainMask{})
}

const store = `
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, country text, vip boolean DEFAULT false);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE, status text, total numeric);
CREATE TABLE lines (id int PRIMARY KEY, "order" int REFERENCES orders ON DELETE CASCADE, sku text);
CREATE TABLE notes (id int PRIMARY KEY, line int REFERENCES lines ON DELETE SET NULL, customer int REFERENCES customers ON DELETE SET DEFAULT ON UPDATE SET NULL, text text);
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE, name text);
CREATE TABLE events (id int, at date NOT NULL, kind text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE marks (id int PRIMARY KEY, event int, at date, FOREIGN KEY (event, at) REFERENCES events ON DELETE CASCADE);
CREATE TABLE base (id int PRIMARY KEY, v text);
CREATE TABLE derived (extra text) INHERITS (base);
CREATE TABLE ofbase (id int PRIMARY KEY, base int REFERENCES base ON DELETE CASCADE);
CREATE TABLE log (id serial PRIMARY KEY, t text);
INSERT INTO customers SELECT g, 'c' || g, CASE g % 4 WHEN 0 THEN 'DE' ELSE 'FR' END FROM generate_series(1, 200) g;
INSERT INTO orders SELECT g, 1 + g % 200, CASE g % 5 WHEN 0 THEN 'new' ELSE 'paid' END, g FROM generate_series(1, 2000) g;
INSERT INTO lines SELECT g, 1 + g % 2000, 's' || g FROM generate_series(1, 6000) g;
INSERT INTO notes SELECT g, 1 + g % 6000, 1 + g % 200, 'n' FROM generate_series(1, 3000) g;
INSERT INTO tree SELECT g, CASE WHEN g > 1 THEN g / 2 END, 't' FROM generate_series(1, 127) g;
INSERT INTO events SELECT g, '2020-06-01'::date + (g % 2) * 365, 'k' || g % 3 FROM generate_series(1, 300) g;
INSERT INTO marks SELECT g, g, '2020-06-01'::date + (g % 2) * 365 FROM generate_series(1, 100) g;
INSERT INTO base SELECT g, 'b' FROM generate_series(1, 10) g;
INSERT INTO derived SELECT g, 'd', 'e' FROM generate_series(1, 20) g;
INSERT INTO ofbase SELECT g, g FROM generate_series(1, 10) g;
ANALYZE;`

// TestPreviewsAreExact holds what a preview says against what the statement then does, table by table.
func TestPreviewsAreExact(t *testing.T) {
	f := open(t, store)
	tables := []string{"customers", "orders", "lines", "notes", "tree", "events", "marks", "base", "derived", "ofbase", "log"}
	for _, tt := range []struct {
		sql    string
		params []any
		rows   int64
		steps  string // object action rows
	}{
		{"UPDATE orders SET status = 'x'", nil, 2000, ""},
		{"UPDATE orders SET status = $1 WHERE customer = $2", []any{"x", 7}, 10, ""},
		{"UPDATE orders SET status = $1::text, total = $3 WHERE id = ANY($2)", []any{"x", []any{1, 2, 3, -1}, 5}, 3, ""},
		{"UPDATE orders o SET total = 0 FROM customers c JOIN notes n ON n.customer = c.id WHERE o.customer = c.id AND c.country = 'DE'", nil, 500, ""},
		{"WITH v AS (SELECT id FROM customers WHERE id < 11) UPDATE orders SET total = 1 WHERE customer IN (SELECT id FROM v)", nil, 100, ""},
		{"DELETE FROM lines USING orders o WHERE o.id = lines.\"order\" AND o.status = 'new'", nil, 1200, "public.notes set null 600"},
		{"DELETE FROM customers WHERE id <= 20", nil, 20, "public.orders delete 200,public.notes set default 300,public.lines delete 600,public.notes set null 300"},
		{"UPDATE customers SET id = id + 1000 WHERE id <= 3", nil, 3, "public.orders update 30,public.notes set null 45"},
		{"UPDATE customers SET name = 'n' WHERE id <= 3", nil, 3, ""},
		{"DELETE FROM tree WHERE id = 2", nil, 1, "public.tree delete 62"},
		{"DELETE FROM tree WHERE id IN (2, 4, 3)", nil, 3, "public.tree delete 123"},
		{"DELETE FROM events WHERE kind = 'k0'", nil, 100, "public.marks delete 33"},
		{"DELETE FROM events_1 WHERE kind = 'k1'", nil, 50, "public.marks delete 17"},
		{"UPDATE events SET kind = 'y' WHERE id % 2 = 0", nil, 150, ""},
		{"DELETE FROM base WHERE id <= 5", nil, 10, "public.ofbase delete 5"},
		{"DELETE FROM ONLY base WHERE id <= 5", nil, 5, "public.ofbase delete 5"},
		{"INSERT INTO log(t) SELECT name FROM customers WHERE country = $1", []any{"FR"}, 150, ""},
		{"WITH d AS (SELECT id FROM customers LIMIT 7) INSERT INTO log(t) SELECT 'x' FROM d", nil, 7, ""},
		{"INSERT INTO log(t) VALUES ('a'), ($1), (DEFAULT)", []any{"b"}, 3, ""},
		{"INSERT INTO log(id, t) VALUES (generate_series(5000, 5099), 'x')", nil, 100, ""},
		{"INSERT INTO log DEFAULT VALUES", nil, 1, ""},
		{"DELETE FROM orders WHERE false", nil, 0, "public.lines delete 0,public.notes set null 0"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			f := &fixture{t: t, server: f.server, database: f.database, db: f.db, target: f.target}
			got := f.preview(tt.sql, tt.params...)
			var steps []string
			for _, c := range got.Cascades {
				n := fmt.Sprint(c.Rows.N)
				if c.Rows.Is != tools.Exact && !(c.Rows.Is == tools.AtMost && strings.HasPrefix(tt.sql, "UPDATE")) {
					n = string(c.Rows.Is)
				}
				steps = append(steps, c.Object+" "+c.Action+" "+n)
			}
			if got.Unknown != "" || got.Rows != (tools.Count{N: tt.rows, Is: tools.Exact}) || strings.Join(steps, ",") != tt.steps {
				t.Errorf("%+v, %s: %s; want %d, %s", got.Rows, strings.Join(steps, ","), got.Unknown, tt.rows, tt.steps)
			}
			// The truth: run it, count, and put everything back.
			if got.Of.Is == tools.Exact && fmt.Sprint(got.Of.N) != f.one("SELECT count(*) FROM "+got.Object) {
				t.Errorf("of %+v", got.Of)
			}
			real := f.rolledBack(tt.sql, tt.params, tables)
			if real.affected != tt.rows {
				t.Errorf("really changes %d rows", real.affected)
			}
			for _, c := range got.Cascades {
				if c.Action == "delete" && c.Object != got.Object {
					if n := real.gone[strings.TrimPrefix(c.Object, "public.")]; n != c.Rows.N {
						t.Errorf("really deletes %d rows of %s, the preview says %d", n, c.Object, c.Rows.N)
					}
				}
			}
			if n := real.gone[strings.TrimPrefix(got.Object, "public.")]; strings.Contains(tt.sql, "DELETE FROM tree") && n != got.Rows.N+got.Cascades[0].Rows.N {
				t.Errorf("really deletes %d rows of the tree", n)
			}
		})
	}
}

type reality struct {
	affected int64
	gone     map[string]int64
}

// rolledBack runs a change as superuser and takes it back.
func (f *fixture) rolledBack(sql string, params []any, tables []string) reality {
	f.t.Helper()
	p, _, err := f.facts(f.db.Writes(), sql, params...)
	if err != nil {
		f.t.Fatal(err)
	}
	c := p.Parsed.(*call)
	tgt := f.db.targets["db"]
	conn, err := tgt.acquire(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Release()
	pg := conn.Conn().PgConn()
	count := func() map[string]int64 {
		out := map[string]int64{}
		for _, name := range tables {
			l := &loader{ctx: f.t.Context(), conn: pg}
			l.each("SELECT count(*) FROM "+name, func(v []string) { out[name], _ = strconv.ParseInt(v[0], 10, 64) })
			if l.err != nil {
				f.t.Fatal(l.err)
			}
		}
		return out
	}
	exec := func(sql string, values [][]byte) int64 {
		tag, err := pg.ExecParams(f.t.Context(), sql, values, nil, nil, nil).Close()
		if err != nil {
			f.t.Fatalf("%s: %v", sql, err)
		}
		return tag.RowsAffected()
	}
	exec("BEGIN READ WRITE", nil)
	defer exec("ROLLBACK", nil)
	before := count()
	var values [][]byte
	for i, p := range c.params {
		typ := uint32(0)
		if p.kind == 'a' {
			typ = 1007 // int4[]
		}
		v, err := tgt.cat.paramText(p, typ)
		if err != nil {
			f.t.Fatal(i, err)
		}
		values = append(values, v)
	}
	r := reality{affected: exec(c.st.Text, values), gone: map[string]int64{}}
	for name, n := range count() {
		r.gone[name] = before[name] - n
	}
	return r
}
