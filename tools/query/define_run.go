package query

import (
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"sallyport/tools"
)

// define runs a definition in a transaction: its tables are locked against other definitions and looked at again before it, and
// what its query reads after it.
func (e *execution) define() (*tools.Rendered, error) {
	p := e.conn.StartPipeline(e.ctx)
	e.begin(p, "READ WRITE")
	// What is made without a schema goes to the first of the path, which is pg_catalog in our sessions. Left out, it is still
	// searched first.
	p.SendQueryParams("SELECT pg_catalog.set_config('search_path', $1, true)", [][]byte{[]byte(e.target.definingPath())}, nil, nil, nil)
	locks := e.lock(p)
	e.in.before.ask(p)
	p.SendQueryParams(e.call.st.Text, e.values, nil, nil, nil)
	e.guard(p)
	err := p.Sync()
	if err == nil {
		err = pass(p, 3+locks)
	}
	if err == nil {
		err = e.in.before.answered(p)
	}
	var tag pgconn.CommandTag
	if err == nil {
		tag, err = e.returned(p)
	}
	if err == nil {
		err = e.guarded(p)
	}
	if err = e.finish(p, err); err == nil && !ranAs(e.call.st.Text, tag.String()) {
		err = errors.New("the server ran another kind of statement")
	}
	if err == nil {
		err = e.ctx.Err()
	}
	if err != nil {
		e.rollback()
		return nil, err
	}
	err = e.commit()
	e.target.outdated()
	var lost *tools.OutcomeUnknownError
	if errors.As(err, &lost) {
		lost.Check = "look with describe_target whether it happened; do not repeat it before"
	}
	if err != nil {
		return nil, err
	}
	return e.out.finish(-1, tag.String()), nil
}

// lock keeps the tables from being redefined by others until the end: no other definition of a table goes with this lock, while
// rows are still read and changed. The statement itself takes what it needs.
func (e *execution) lock(p *pgconn.Pipeline) (sent int) {
	for _, r := range e.in.changed {
		if r.kind == 'r' || r.kind == 'p' {
			p.SendQueryParams("LOCK TABLE ONLY "+quoteIdent(r.schema.name)+"."+quoteIdent(r.name)+" IN SHARE UPDATE EXCLUSIVE MODE", nil, nil, nil, nil)
			sent++
		}
	}
	return sent
}

// ranAs compares the first words of a statement and of what the server says it ran.
func ranAs(text, tag string) bool {
	said, _, _ := strings.Cut(tag, " ")
	words := strings.FieldsFunc(text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
	if len(words) == 0 {
		return false
	}
	return strings.EqualFold(words[0], said) || strings.EqualFold(words[0], "create") && said == "SELECT" || strings.EqualFold(words[0], "analyse") && said == "ANALYZE"
}

// outdated makes the next call compare the snapshot with the target.
func (t *target) outdated() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.checked = time.Time{}
}
