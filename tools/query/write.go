package query

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"sallyport/tools"
)

// change runs INSERT, UPDATE or DELETE: everything is known and rendered before COMMIT.
func (e *execution) change() (*tools.Rendered, error) {
	if e.within != nil {
		if err := e.recount(); err != nil {
			e.rollback()
			return nil, err
		}
	}
	p := e.conn.StartPipeline(e.ctx)
	begun := 0
	if e.within == nil { // recount has begun it otherwise, and what it counted and what changes have one snapshot
		e.begin(p, "READ WRITE")
		begun = 2
	}
	p.SendQueryParams(e.call.st.Text, e.values, nil, nil, nil)
	// Deferred constraints are checked now, while the answer can still be an error of the statement.
	p.SendQueryParams("SET CONSTRAINTS ALL IMMEDIATE", nil, nil, nil, nil)
	e.guard(p)
	err := p.Sync()
	if err == nil {
		err = pass(p, begun)
	}
	var tag pgconn.CommandTag
	if err == nil {
		tag, err = e.returned(p)
	}
	if err == nil {
		if err = pass(p, 1); err == nil {
			err = e.guarded(p)
		}
	}
	if err = e.finish(p, err); err == nil && e.within != nil && tag.RowsAffected() > e.within.Rows {
		err = &tools.OutgrownError{Object: e.in.written(e.call.st).qualified(), Agreed: e.within.Rows, Now: tag.RowsAffected()}
	}
	if err == nil && tag.RowsAffected() > int64(e.limits.AffectedRows) {
		err = &tools.AffectedError{Rows: tag.RowsAffected(), Limit: int64(e.limits.AffectedRows)}
	}
	if err == nil && !slices.Contains([]string{"INSERT", "UPDATE", "DELETE"}, strings.Fields(tag.String() + " x")[0]) {
		err = errors.New("the server ran another kind of statement")
	}
	if err != nil {
		e.rollback()
		return nil, err
	}
	if err := e.ctx.Err(); err != nil {
		e.rollback()
		return nil, err
	}
	if err := e.commit(); err != nil {
		return nil, err
	}
	return e.out.finish(tag.RowsAffected(), tag.String()), nil
}

// returned renders what RETURNING gives. Rows beyond the limit are read and left out: the change is whole or not at all.
func (e *execution) returned(p *pgconn.Pipeline) (pgconn.CommandTag, error) {
	rr, err := next(p)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	if err := e.out.columns(rr.FieldDescriptions()); err != nil {
		e.cut = true
		return pgconn.CommandTag{}, err
	}
	full := false
	for rr.NextRow() {
		if full {
			continue
		}
		more, err := e.out.row(rr.Values())
		if err != nil {
			e.cut = true
			return pgconn.CommandTag{}, err
		}
		full = !more
	}
	return rr.Close()
}

func (e *execution) rollback() {
	if e.cut || e.conn.IsClosed() || e.conn.TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), cancelWait)
	defer cancel()
	if _, err := e.conn.ExecParams(ctx, sqlRollback, nil, nil, nil, nil).Close(); err != nil {
		e.cut = true
	}
}

// commit is not cancelled by the caller: its outcome is worth waiting for. After it was sent, only the server's own answer tells
// whether the change happened.
func (e *execution) commit() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), commitTime)
	defer cancel()
	tag, err := e.conn.ExecParams(ctx, "COMMIT", nil, nil, nil, nil).Close()
	var pg *pgconn.PgError
	switch {
	case err == nil && tag.String() == "COMMIT":
		return nil
	case err == nil:
		return errors.New("the server rolled back")
	case errors.As(err, &pg) && pg.Severity == "ERROR" && ctx.Err() == nil && pg.Code != "57014":
		return err // refused, and so rolled back
	}
	e.cut = true
	return &tools.OutcomeUnknownError{Check: "read the rows that the statement would have changed; do not repeat it before", Err: err}
}
