package query

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sallyport/tools"
)

// BenchmarkPointRead compares a governed point read (parsed, inspected, in a read-only transaction, masked) with pgx alone. The
// statement text is the same; the ratio is what counts.
func BenchmarkPointRead(b *testing.B) {
	f := open(b, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 1000) g; ANALYZE")
	const sql = "SELECT id, v FROM t WHERE id = 500"
	conf, err := pgxpool.ParseConfig(f.server.URL(agentRole, f.database))
	if err != nil {
		b.Fatal(err)
	}
	conf.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool, err := pgxpool.NewWithConfig(b.Context(), conf)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	b.Run("pgx", func(b *testing.B) {
		for b.Loop() {
			var id int
			var v string
			if err := pool.QueryRow(b.Context(), sql).Scan(&id, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("governed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.do(b.Context(), f.db.Reads(), request{sql: sql}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkInspect says what a statement costs before it runs: remembered, looked at by its names alone, and asked about.
func BenchmarkInspect(b *testing.B) {
	f := open(b, "CREATE TABLE t (id int PRIMARY KEY, v text)")
	tool, tgt := f.db.Reads(), f.db.targets["db"]
	p, err := tool.Plan(b.Context(), args("db", "SELECT id, lower(v) FROM t WHERE id = 500 ORDER BY v", nil))
	if err != nil {
		b.Fatal(err)
	}
	run := func(name string, before func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				before()
				if _, err := tool.Inspect(b.Context(), p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	forget := func() {
		tgt.mu.Lock()
		defer tgt.mu.Unlock()
		clear(tgt.findings)
	}
	run("remembered", func() {})
	run("server", forget)
	namesOnly(f)
	run("tree", forget)
}

// BenchmarkClassify is an agent's mix: every second statement is new text, parsed and asked about, the others are known. Goal: p99 below 5 ms.
func BenchmarkClassify(b *testing.B) {
	f := open(b, "CREATE TABLE t (id int PRIMARY KEY, v text)")
	tool := f.db.Reads()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		sql := "SELECT id, lower(v) FROM t WHERE id = 500 ORDER BY v"
		if i%2 == 1 {
			sql = fmt.Sprintf("SELECT id, lower(v) AS v%d FROM t WHERE id = %d ORDER BY v", i, i)
		}
		begun := time.Now()
		p, err := tool.Plan(b.Context(), args("db", sql, nil))
		if err == nil {
			_, err = tool.Inspect(b.Context(), p)
		}
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

func BenchmarkWideRead(b *testing.B) {
	f := open(b, "CREATE TABLE t AS SELECT g AS a, g AS b, 'text of row ' || g AS c, 'x' || g AS d, now() AS e, 1.5 AS f, md5(g::text) AS g, true AS h, g * 2 AS i, NULL::text AS j FROM generate_series(1, 1000) g")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.do(b.Context(), f.db.Reads(), request{sql: "SELECT * FROM t"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	r := newRenderer(plainMask{}, &finding{cat: &catalog{}}, tools.Limits{Rows: 1 << 60, Bytes: 1 << 60, ValueBytes: 1 << 20})
	r.fields = []field{{write: writeNumber}, {write: writeText}}
	row := [][]byte{[]byte("12345"), []byte("a text without anything special in it")}
	b.ReportAllocs()
	for b.Loop() {
		r.buf = r.buf[:0]
		if _, err := r.row(row); err != nil {
			b.Fatal(err)
		}
	}
}
