package query

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"sallyport/tools"
)

// A change that was counted is executed in REPEATABLE READ. What the statement sees is then one snapshot: recount counts in it first, and the
// statement changes exactly the rows that are visible there. Rows of somebody else that were committed later cannot be hit unseen: the
// server ends the transaction with 40001 instead, for the statement itself and for what its foreign keys pass on.

// recount begins the transaction and holds what would change against what was agreed: rows that follow by foreign
// keys. The rows themselves are held against the statement's own command tag.
func (e *execution) recount() error {
	p := e.conn.StartPipeline(e.ctx)
	e.begin(p, "ISOLATION LEVEL REPEATABLE READ READ WRITE")
	err := p.Sync()
	if err == nil {
		err = pass(p, 2)
	}
	if err = e.finish(p, err); err != nil {
		return err
	}
	if len(e.within.Cascades) == 0 {
		return nil
	}
	table := e.in.written(e.call.st)
	v := &preview{tgt: e.target, call: e.call, in: e.in, table: table, impact: e.in.cat.impactOf(table, e.call.st), ctx: e.ctx, conn: e.conn, values: e.values}
	if shadow := e.call.st.Shadow; shadow != nil && shadow.Hits != "" {
		if v.hits, err = v.plain(e.parser, shadow.Hits); err != nil {
			return errChanged // it was counted before, so its relations are others now
		}
	}
	if len(e.call.params) > 0 {
		if v.types, err = e.target.paramTypes(e.ctx, e.call, e.in.finding); err != nil {
			return err
		}
	}
	if err := v.countCascades(); err != nil {
		return err
	}
	return e.outgrown(v.impact)
}

// outgrown compares what follows by foreign keys, table by table.
func (e *execution) outgrown(now *tools.Impact) error {
	agreed := map[tools.Cascade]int64{}
	step := func(c tools.Cascade) tools.Cascade { return tools.Cascade{Object: c.Object, Action: c.Action} }
	for _, c := range e.within.Cascades {
		agreed[step(c)] = c.Rows.N
	}
	for _, c := range now.Cascades {
		most, ok := agreed[step(c)]
		if !ok {
			continue // people saw that it was not counted
		}
		delete(agreed, step(c))
		if n, known := c.Rows.Bound(); !known || n > most {
			return &tools.OutgrownError{Object: c.Object, Agreed: most, Now: max(n, most+1)}
		}
	}
	return nil
}

// serialization: the server could not keep the snapshot's promise.
func serialization(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}
