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
	"sallyport/tools/query/sqlparse"
)

// A preview counts what a change would hit, before people are asked about it. It runs expressions that an agent wrote, and nobody has
// agreed yet. So it runs only what was understood completely, as a cursor's query in a read-only transaction of the target's own login, on a
// connection of its own, one at a time and not for long; and not even EXPLAIN otherwise, which runs functions too. Whatever goes wrong is
// "not counted": errors are dropped, since their texts and even their absence say something about the data.

const (
	// previewStatement bounds one counting statement on the server, previewTime all of a preview with the wait for its turn.
	previewStatement = 3 * time.Second
	previewTime      = 8 * time.Second
	// atLeast is how far it is counted when counting all takes too long.
	atLeast = 1000
	// countedExactly is up to which estimated size a table is counted; above, the server's statistics are good enough for a share.
	countedExactly = 5_000_000
)

// Preview says what a change would hit now; nil for a read. It never fails: what could not be counted says so. The values of the sample
// pass through m, which should be nobody else's: what it replaced would be counted as the agent's.
func (t *Tool) Preview(ctx context.Context, p *tools.Plan, f *tools.Facts, m tools.Mask) *tools.Impact {
	tgt, err := t.db.target(p.Target)
	c, ok := p.Parsed.(*call)
	in, ok2 := f.Inspected.(*inspected)
	if err != nil || !ok || !ok2 || p.Tool != t.name {
		return nil
	}
	table := in.written(c.st)
	if table == nil {
		return nil
	}
	impact := in.cat.impactOf(table, c.st)
	switch shadow := c.st.Shadow; {
	case !f.Understood():
		impact.Unknown = "it was not understood"
	case shadow == nil:
		impact.Unknown = "rows of a statement of this form are not counted"
	default:
		ctx, cancel := context.WithTimeout(ctx, previewTime)
		defer cancel()
		v := &preview{tgt: tgt, call: c, in: in, table: table, impact: impact, mask: m}
		if err := v.run(ctx, t.db.cfg.Parser); err != nil {
			v.failed(err)
		}
	}
	return impact
}

// preview is the work on one impact.
type preview struct {
	tgt    *target
	call   *call
	in     *inspected
	table  *relation
	impact *tools.Impact
	mask   tools.Mask

	ctx    context.Context
	conn   *pgconn.PgConn
	hits   string // the shadow's text; "" for INSERT ... VALUES
	values [][]byte
	types  []uint32
}

var (
	errNotPlain = errors.New("the shadow is not a plain read")
	errTooSlow  = errors.New("too slow")
)

// run fills in the impact. What was found before an error stays.
func (v *preview) run(ctx context.Context, parser Parser) error {
	v.ctx = ctx
	shadow := v.call.st.Shadow
	var err error
	if shadow.Hits != "" {
		if v.hits, err = v.plain(parser, shadow.Hits); err != nil {
			return err
		}
	}
	if err = v.bind(); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, previewStatement)
	conn, err := v.tgt.previews.Acquire(waiting)
	cancel()
	if err != nil {
		return err
	}
	defer v.release(conn)
	v.conn = conn.Conn().PgConn()
	if err := v.begin("READ ONLY"); err != nil {
		return err
	}
	if err := v.count(shadow); err != nil {
		return err
	}
	v.try(v.countTable)
	v.try(v.countCascades)
	v.try(func() error { return v.sample(parser) })
	v.try(v.publications)
	return v.unchanged()
}

// plain parses and inspects a text that came out of the parser's child, like any other read: the child had read a stranger's statement.
func (v *preview) plain(parser Parser, text string) (string, error) {
	st, err := parser.Parse(v.ctx, text)
	if err != nil {
		return "", err
	}
	if st.Kind != "select" || len(st.Unclear)+len(st.Refused)+len(st.Writes) > 0 || st.Params > len(v.call.params) {
		return "", errNotPlain
	}
	if slices.ContainsFunc(st.Relations, func(r sqlparse.Relation) bool { return strings.HasPrefix(r.Name, ourPrefix) }) {
		return "", errNotPlain // it would mean one of our own
	}
	f, err := inspect(v.in.cat, st)
	if err != nil {
		return "", err
	}
	if !f.facts.Understood() || f.facts.Effect != tools.Read {
		return "", errNotPlain
	}
	return st.Text, nil
}

// bind has the server say the parameters' types in the statement itself: a SELECT of it may not use them all.
func (v *preview) bind() (err error) {
	if len(v.call.params) == 0 {
		return nil
	}
	if v.types = v.in.params; v.types == nil {
		if v.types, err = v.tgt.paramTypes(v.ctx, v.call, v.in.finding); err != nil {
			return err
		}
	}
	for i, p := range v.call.params {
		text, err := v.in.cat.paramText(p, v.types[i])
		if err != nil {
			return err
		}
		v.values = append(v.values, text)
	}
	return nil
}

// begin opens the transaction. The setting is its first query: after it the server lets nothing make it READ WRITE.
func (v *preview) begin(mode string) error {
	if _, err := v.conn.ExecParams(v.ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ "+mode, nil, nil, nil, nil).Close(); err != nil {
		return err
	}
	return v.limit(previewStatement)
}

func (v *preview) limit(d time.Duration) error {
	ms := strconv.FormatInt(max(1, d.Milliseconds()), 10)
	_, err := v.conn.ExecPrepared(v.ctx, stmtSetup, [][]byte{[]byte("sallyport preview"), []byte(ms)}, nil, nil).Close()
	return err
}

// release ends the transaction. Nothing of it may stay, so a connection in doubt is ended.
func (v *preview) release(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), cancelWait)
	defer cancel()
	if v.conn.IsClosed() || v.ctx.Err() != nil {
		discard(conn)
		return
	}
	if _, err := v.conn.ExecParams(ctx, sqlRollback, nil, nil, nil, nil).Close(); err != nil || v.conn.TxStatus() != 'I' {
		discard(conn)
		return
	}
	conn.Release()
}

// try runs a step that may fail without harm to what was counted before.
func (v *preview) try(step func() error) {
	if v.conn.IsClosed() || v.conn.TxStatus() != 'T' || v.ctx.Err() != nil {
		return
	}
	if _, err := v.conn.ExecParams(v.ctx, "SAVEPOINT sallyport", nil, nil, nil, nil).Close(); err != nil {
		return
	}
	if err := step(); err != nil && !v.conn.IsClosed() {
		_, _ = v.conn.ExecParams(v.ctx, "ROLLBACK TO SAVEPOINT sallyport", nil, nil, nil, nil).Close() // when it fails, no step after it runs
	}
}

// query runs one of our own statements around the shadow's text, as a cursor's query: the server takes nothing but a SELECT there.
func (v *preview) query(sql string, rows int, row func(values [][]byte)) error {
	return v.queryDescribed(sql, rows, func([]pgconn.FieldDescription) {}, row)
}

func (v *preview) queryDescribed(sql string, rows int, described func([]pgconn.FieldDescription), row func(values [][]byte)) error {
	values, types := v.values, v.types
	if _, err := v.conn.ExecParams(v.ctx, "DECLARE sallyport_preview NO SCROLL CURSOR FOR "+sql, values, types, nil, nil).Close(); err != nil {
		return err
	}
	rr := v.conn.ExecParams(v.ctx, "FETCH FORWARD "+strconv.Itoa(rows)+" FROM sallyport_preview", nil, nil, nil, nil)
	described(rr.FieldDescriptions())
	for rr.NextRow() {
		row(rr.Values())
	}
	if _, err := rr.Close(); err != nil {
		return err
	}
	_, err := v.conn.ExecParams(v.ctx, "CLOSE sallyport_preview", nil, nil, nil, nil).Close()
	return err
}

// numbers runs a statement that answers one row of counts.
func (v *preview) numbers(sql string) (out []int64, err error) {
	var bad error
	err = v.query(sql, 1, func(values [][]byte) {
		for _, b := range values {
			n, err := strconv.ParseInt(string(b), 10, 64)
			if bad = errors.Join(bad, err); err == nil {
				out = append(out, n)
			}
		}
	})
	return out, errors.Join(err, bad)
}

// count is the number the approval binds.
func (v *preview) count(shadow *sqlparse.Shadow) error {
	if v.hits == "" {
		v.impact.Rows = tools.Count{N: shadow.Added, Is: v.precision(shadow)}
		return nil
	}
	if _, err := v.conn.ExecParams(v.ctx, "SAVEPOINT sallyport", nil, nil, nil, nil).Close(); err != nil {
		return err
	}
	n, err := v.numbers("SELECT pg_catalog.count(*) FROM (" + v.hits + ") AS sallyport_hits")
	if err == nil && len(n) == 1 {
		v.impact.Rows = tools.Count{N: n[0], Is: v.precision(shadow)}
		return nil
	}
	if !cancelled(err) || v.conn.IsClosed() {
		return err
	}
	v.impact.Unknown = "counting took longer than " + previewStatement.String()
	if _, err := v.conn.ExecParams(v.ctx, "ROLLBACK TO SAVEPOINT sallyport", nil, nil, nil, nil).Close(); err != nil {
		return errTooSlow
	}
	if v.limit(previewStatement/3) == nil {
		n, err = v.numbers(fmt.Sprintf("SELECT pg_catalog.count(*) FROM (SELECT FROM (%s) AS sallyport_hits LIMIT %d) AS sallyport_some", v.hits, atLeast))
		if err == nil && len(n) == 1 && n[0] > 0 {
			v.impact.Rows = tools.Count{N: n[0], Is: tools.AtLeast}
		}
	}
	return errTooSlow
}

// precision: where a conflict or a policy for changes may leave rows out, the number that could be read is the most there may be.
func (v *preview) precision(shadow *sqlparse.Shadow) tools.Precision {
	for _, t := range append([]*relation{v.table}, v.table.descendants()...) {
		if t.rowSec {
			return tools.AtMost
		}
	}
	if shadow.AtMost {
		return tools.AtMost
	}
	return tools.Exact
}

func (v *preview) countTable() error {
	if v.impact.Of.Is == tools.Estimate && v.impact.Of.N > countedExactly {
		return nil
	}
	rr := v.conn.ExecParams(v.ctx, "SELECT pg_catalog.count(*) FROM "+quoted(v.table), nil, nil, nil, nil)
	n := int64(-1)
	for rr.NextRow() {
		n, _ = strconv.ParseInt(string(rr.Values()[0]), 10, 64)
	}
	if _, err := rr.Close(); err != nil || n < 0 {
		return errors.Join(errNotPlain, err)
	}
	v.impact.Of = tools.Count{N: n, Is: tools.Exact}
	return nil
}

// unchanged asks whether the names still mean what was inspected; otherwise something else was counted.
func (v *preview) unchanged() error {
	for i, name := range v.in.names {
		rr := v.conn.ExecPrepared(v.ctx, stmtGuard, [][]byte{[]byte(name)}, nil, nil)
		same := rr.NextRow() && string(rr.Values()[0]) == v.in.stamps[i]
		if _, err := rr.Close(); err != nil || !same {
			return errChanged
		}
	}
	return nil
}

// failed says that nothing was counted. Why is in our own words only.
func (v *preview) failed(err error) {
	if v.impact.Unknown == "" {
		v.impact.Unknown = "it could not be counted"
	}
	if errors.Is(err, errTooSlow) {
		return // what was counted until then is true
	}
	if v.ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		v.impact.Unknown = "counting took too long"
	}
	*v.impact = tools.Impact{Object: v.impact.Object, Rows: tools.Count{Is: tools.NotCounted}, Of: v.table.estimated(), Cascades: v.impact.Cascades,
		Involved: v.impact.Involved, Unstable: v.impact.Unstable, Unknown: v.impact.Unknown}
	for i := range v.impact.Cascades {
		v.impact.Cascades[i].Rows = tools.Count{Is: tools.NotCounted}
	}
}

// cancelled: the statement ran into its time limit.
func cancelled(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "57014"
}

// quoted is the relation's name as SQL.
func quoted(r *relation) string { return quoteIdent(r.schema.name) + "." + quoteIdent(r.name) }

// publications are looked up each time: making one does not redefine the table.
func (v *preview) publications() error {
	var ids []string
	for _, t := range append([]*relation{v.table}, v.table.ancestors()...) {
		ids = append(ids, strconv.FormatUint(uint64(t.oid), 10))
	}
	sql := "SELECT p.pubname FROM pg_catalog.pg_publication p WHERE p.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid IN (" +
		strings.Join(ids, ", ") + "))"
	if v.in.cat.version >= 150000 {
		sql += " OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace s WHERE s.pnpubid = p.oid AND s.pnnspid = " + strconv.FormatUint(uint64(v.table.schema.oid), 10) + ")"
	}
	rr := v.conn.ExecParams(v.ctx, sql+" ORDER BY 1", nil, nil, nil, nil)
	for rr.NextRow() && len(v.impact.Involved) < maxInvolved {
		v.impact.Involved = append(v.impact.Involved, tools.Involved{Kind: "publication", Object: v.impact.Object, Name: string(rr.Values()[0])})
	}
	_, err := rr.Close()
	return err
}
