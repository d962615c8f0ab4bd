package query

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"sallyport/tools"
)

// read runs a SELECT as a cursor in a read-only transaction: the server itself refuses everything else there, and sends no more
// rows than are asked for. Up to chunkRows it is one round trip.
func (e *execution) read() (*tools.Rendered, error) {
	p := e.conn.StartPipeline(e.ctx)
	e.begin(p, "READ ONLY")
	p.SendQueryParams(cursorPrefix+e.call.st.Text, e.values, nil, nil, nil)
	e.guard(p)
	want := e.limits.Rows + 1
	fetch := func() (last bool) {
		n := min(want, chunkRows)
		want -= n
		p.SendQueryParams("FETCH FORWARD "+strconv.Itoa(n)+" FROM sallyport", nil, nil, nil, nil)
		p.SendPipelineSync()
		if want == 0 {
			p.SendQueryParams(sqlRollback, nil, nil, nil, nil)
			p.SendPipelineSync()
		}
		return want == 0
	}
	last := fetch()
	err := p.Flush()
	if err == nil {
		if err = pass(p, 3); err == nil {
			err = e.guarded(p)
		}
	}
	for first := true; err == nil; first = false {
		var more bool
		if more, err = e.rows(p, first); err != nil || last || !more {
			break
		}
		if err = synced(p); err != nil {
			break
		}
		last = fetch()
		err = p.Flush()
	}
	if err == nil && !last && !e.cut {
		if err = synced(p); err == nil {
			p.SendQueryParams(sqlRollback, nil, nil, nil, nil)
			err = p.Sync()
		}
	}
	if err = e.finish(p, err); err != nil {
		return nil, err
	}
	return e.out.finish(-1, "SELECT "+strconv.FormatInt(e.out.rows, 10)), nil
}

// rows renders one chunk. more says that another may follow.
func (e *execution) rows(p *pgconn.Pipeline, first bool) (more bool, err error) {
	rr, err := next(p)
	if err != nil {
		return false, err
	}
	if first {
		if err := e.out.columns(rr.FieldDescriptions()); err != nil {
			e.cut = true
			return false, err
		}
	}
	got := 0
	for rr.NextRow() {
		got++
		more, err := e.out.row(rr.Values())
		if err != nil || !more {
			// The rest may be large: it is not read, the connection is ended.
			e.cut = e.cut || err != nil || e.out.truncated != nil && e.out.truncated.By == "bytes"
			if e.cut {
				return false, err
			}
			break
		}
	}
	if _, err := rr.Close(); err != nil {
		return false, err
	}
	return got == chunkRows && e.out.truncated == nil, nil
}

// show runs EXPLAIN and SHOW, which cannot be a cursor's query.
func (e *execution) show() (*tools.Rendered, error) {
	p := e.conn.StartPipeline(e.ctx)
	e.begin(p, "READ ONLY")
	p.SendQueryParams(e.call.st.Text, e.values, nil, nil, nil)
	e.guard(p)
	p.SendPipelineSync()
	p.SendQueryParams(sqlRollback, nil, nil, nil, nil)
	err := p.Sync()
	if err == nil {
		err = pass(p, 2)
	}
	if err == nil {
		_, err = e.rows(p, true)
	}
	if err == nil && !e.cut {
		err = e.guarded(p)
	}
	if err = e.finish(p, err); err != nil {
		return nil, err
	}
	return e.out.finish(-1, strings.ToUpper(e.call.st.Kind)), nil
}
