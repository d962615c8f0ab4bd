package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sallyport/tools"
)

// Built-in maxima, for limits that are zero.
const (
	defaultRows       = 1000
	defaultBytes      = 1 << 20
	defaultValueBytes = 64 << 10
	defaultTime       = 30 * time.Second
	defaultAffected   = 100

	// chunkRows are fetched in one exchange. Up to this many, a read is one round trip.
	chunkRows = 1001
	// commitTime bounds COMMIT, which is not cancelled when the caller leaves.
	commitTime = 15 * time.Second
	// rowsOverTime is what the client's own clock allows beyond the server's.
	rowsOverTime = 500 * time.Millisecond
)

const (
	cursorPrefix = "DECLARE sallyport NO SCROLL CURSOR FOR "
	sqlRollback  = "ROLLBACK"
)

// Run checks that the call is the one that was inspected; everything on the target happens in the result's Render, in one
// transaction. Closing the result without Render leaves the target untouched.
func (t *Tool) Run(ctx context.Context, p *tools.Plan, f *tools.Facts, ob tools.Obligations) (tools.Result, error) {
	tgt, err := t.db.target(p.Target)
	if err != nil {
		return nil, err
	}
	c, ok := p.Parsed.(*call)
	in, ok2 := f.Inspected.(*inspected)
	if !ok || !ok2 || p.Tool != t.name {
		return nil, errors.New("query: a plan or facts of another tool")
	}
	if (f.Effect == tools.Write || c.st.Define != nil) && (t.name != toolWrite || !ob.Changes) {
		return nil, &tools.WrongToolError{Use: toolWrite, Construct: strings.ToUpper(c.st.Kind), Position: 1}
	}
	values := make([][]byte, len(c.params))
	for i, p := range c.params {
		var typ uint32
		if in.params != nil {
			typ = in.params[i]
		}
		if values[i], err = in.cat.paramText(p, typ); err != nil {
			return nil, &tools.ArgError{Field: "params[" + strconv.Itoa(i) + "]", Problem: err.Error()}
		}
	}
	l := ob.Limits
	for _, d := range []struct {
		limit   *int
		builtin int
	}{{&l.Rows, defaultRows}, {&l.Bytes, defaultBytes}, {&l.ValueBytes, defaultValueBytes}, {&l.AffectedRows, defaultAffected}} {
		if *d.limit <= 0 {
			*d.limit = d.builtin
		}
	}
	if l.Time <= 0 {
		l.Time = defaultTime
	}
	return &result{target: tgt, call: c, in: in, understood: f.Understood(), id: ob.CallID, caller: ob.Caller, limits: l, values: values, write: t.name == toolWrite, within: ob.Within, parser: t.db.cfg.Parser}, nil
}

// result is a call that is ready to run. It belongs to one goroutine.
type result struct {
	target     *target
	call       *call
	in         *inspected
	understood bool
	id         string
	caller     string
	limits     tools.Limits
	values     [][]byte
	write      bool
	within     *tools.Bound // nil: only limits hold
	parser     Parser
	done       bool
}

// Close does nothing: without Render nothing was begun, and Render ends what it began.
func (r *result) Close() { r.done = true }

// Render runs the statement and returns its masked rows. When it returns, the statement has ended on the server, also when ctx
// ended first. Errors: *tools.TargetError, *tools.TimeoutError, *tools.TooLargeError, *tools.UnreachableError, ctx's own; for
// changes also *tools.AffectedError (rolled back) and *tools.OutcomeUnknownError.
func (r *result) Render(ctx context.Context, m tools.Mask) (*tools.Rendered, error) {
	if r.done {
		return nil, errors.New("query: the result was closed")
	}
	r.done = true
	conn, give, err := r.target.acquireFor(ctx, r.caller)
	if err != nil {
		return nil, err
	}
	defer give()
	running, cancel := context.WithTimeout(ctx, r.limits.Time+rowsOverTime)
	defer cancel()
	e := &execution{result: r, ctx: running, conn: conn.Conn().PgConn(), out: newRenderer(m, r.in.finding, r.limits)}
	rendered, err := e.run()
	if err != nil {
		err = e.explain(ctx, err)
	}
	e.release(conn, err)
	if err != nil {
		return nil, err
	}
	return rendered, nil
}

// execution is one call on one connection.
type execution struct {
	*result
	ctx  context.Context
	conn *pgconn.PgConn
	out  *renderer
	cut  bool // the connection must not be used again: what it still sends is not wanted
}

var errChanged = errors.New("the target's catalog changed")

func (e *execution) run() (*tools.Rendered, error) {
	switch {
	case e.write && e.call.st.Define != nil:
		return e.define()
	case e.write:
		return e.change()
	case e.call.st.Kind == "select":
		return e.read()
	}
	return e.show()
}

// explain turns what went wrong into what the agent may see.
func (e *execution) explain(caller context.Context, err error) error {
	var (
		rows  *tools.AffectedError
		grown *tools.OutgrownError
		lost  *tools.OutcomeUnknownError
		large *tools.TooLargeError
		label *tools.LabelledError
	)
	switch {
	case errors.As(err, &rows), errors.As(err, &grown), errors.As(err, &lost), errors.As(err, &large), errors.As(err, &label):
		return err // already in the agent's words
	case errors.Is(err, errChanged):
		e.target.mu.Lock()
		e.target.checked = time.Time{}
		e.target.mu.Unlock()
		return &tools.UnreachableError{Problem: "a table or function of the statement was redefined meanwhile; nothing was changed, send the call again", Err: err}
	case caller.Err() != nil:
		return caller.Err()
	case e.ctx.Err() != nil:
		return &tools.TimeoutError{Limit: e.limits.Time.String(), Executed: tools.ExecutedNo}
	}
	if e.within != nil && serialization(err) {
		return &tools.ConflictError{Err: err}
	}
	prefix := 0
	if !e.write && e.call.st.Kind == "select" {
		prefix = len(cursorPrefix)
	}
	return e.in.targetError(err, e.call, prefix, e.limits.Time)
}

// release gives the connection back when it is as clean as a new one, and ends it otherwise.
func (e *execution) release(conn *pgxpool.Conn, err error) {
	var pg *pgconn.PgError
	clean := e.understood && !e.cut && !e.conn.IsClosed() && e.conn.TxStatus() == 'I' && e.ctx.Err() == nil && !(errors.As(err, &pg) && pg.Code == "57014")
	if clean {
		conn.Release()
		return
	}
	// Terminate rolls back. What was not understood may have left something in the session.
	discard(conn)
}

// begin sends what every transaction starts with. The setup is the transaction's first query: after it the server refuses to
// change from READ ONLY to READ WRITE.
func (e *execution) begin(p *pgconn.Pipeline, mode string) {
	p.SendQueryParams("BEGIN "+mode, nil, nil, nil, nil)
	p.SendQueryPrepared(stmtSetup, [][]byte{[]byte(appName(e.id)), strconv.AppendInt(nil, max(1, e.limits.Time.Milliseconds()), 10)}, nil, nil)
}

// appName carries the call's id where administrators of the database see it.
func appName(id string) string {
	if id == "" {
		return "sallyport"
	}
	return "sallyport " + id
}

// guard asks whether the statement's names still mean what was inspected. It runs after the statement took its locks.
func (e *execution) guard(p *pgconn.Pipeline) { e.in.guards.ask(p) }

func (e *execution) guarded(p *pgconn.Pipeline) error { return e.in.guards.answered(p) }

func (g *guards) ask(p *pgconn.Pipeline) {
	for _, name := range g.names {
		p.SendQueryPrepared(stmtGuard, [][]byte{[]byte(name)}, nil, nil)
	}
	if g.code.params != nil {
		p.SendQueryPrepared(stmtCode, g.code.params, nil, nil)
	}
}

func (g *guards) answered(p *pgconn.Pipeline) error {
	stamps := g.stamps
	if g.code.params != nil {
		stamps = append(slices.Clip(stamps), g.code.stamp)
	}
	for _, stamp := range stamps {
		rr, err := next(p)
		if err != nil {
			return err
		}
		same := rr.NextRow() && string(rr.Values()[0]) == stamp
		if _, err := rr.Close(); err != nil {
			return err
		}
		if !same {
			return errChanged
		}
	}
	return nil
}

// next is the result of the pipeline's next statement.
func next(p *pgconn.Pipeline) (*pgconn.ResultReader, error) {
	got, err := p.GetResults()
	if err != nil {
		return nil, err
	}
	if rr, ok := got.(*pgconn.ResultReader); ok {
		return rr, nil
	}
	return nil, fmt.Errorf("unexpected answer of the server (%T)", got)
}

// pass takes the results of n statements whose rows are not wanted.
func pass(p *pgconn.Pipeline, n int) error {
	for range n {
		rr, err := next(p)
		if err != nil {
			return err
		}
		if _, err := rr.Close(); err != nil {
			return err
		}
	}
	return nil
}

func synced(p *pgconn.Pipeline) error {
	got, err := p.GetResults()
	if err != nil {
		return err
	}
	if _, ok := got.(*pgconn.PipelineSync); !ok {
		return fmt.Errorf("unexpected answer of the server (%T)", got)
	}
	return nil
}

// finish ends a pipeline. An error of the statement itself comes first; one of its end tells that the connection is gone.
func (e *execution) finish(p *pgconn.Pipeline, err error) error {
	if e.cut {
		return err // what is still to come is not waited for; the connection is ended instead
	}
	if closeErr := p.Close(); err == nil {
		return closeErr
	}
	return err
}
