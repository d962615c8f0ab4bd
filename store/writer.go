package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"sallyport/audit"
)

// ErrClosed is returned by every method after Close.
var ErrClosed = errors.New("the store is closed")

// groupSize bounds how many business transactions share one commit.
const groupSize = 256

// writer runs business transactions one after the other on the one connection that writes, and commits those that wait
// together with one fsync. Its goroutine owns the connection, the statements and the head of the log.
type writer struct {
	conn    *sql.Conn
	now     func() time.Time
	keyring *keyring
	watches *watches
	health  *health

	queue chan *operation
	stop  chan struct{} // closed by Close: no more are taken
	done  chan struct{} // closed when the goroutine ended

	// only touched by the writer's goroutine
	statements statements
	head       audit.Head
	headKnown  bool // false after a failure: what is on disk is read again

	size     atomic.Int64  // entries that are durable
	appended chan struct{} // told, without waiting, after each commit that appended
}

// operation is one business transaction on its way.
type operation struct {
	run func(*transaction) error // may run more than once; the last run counts
	// savepoint: it can fail by a rule of its own, and is then undone without harm to those that share its commit.
	savepoint bool
	err       error
	state     atomic.Int32
	finished  chan struct{}
}

const (
	queued int32 = iota
	taken
	abandoned
)

// do runs f in a transaction and returns when it is durable, or when it failed and left nothing. A caller whose ctx ends before
// the writer began is let go; after that it waits, so that nobody has to guess whether it happened.
func (w *writer) do(ctx context.Context, savepoint bool, f func(*transaction) error) error {
	op := &operation{run: f, savepoint: savepoint, finished: make(chan struct{})}
	select {
	case <-w.stop:
		return ErrClosed
	default:
	}
	select {
	case w.queue <- op:
	case <-w.stop:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("store: not written: %w", ctx.Err())
	}
	select {
	case <-op.finished:
		return op.err
	case <-w.done:
	case <-ctx.Done():
		if op.state.CompareAndSwap(queued, abandoned) {
			return fmt.Errorf("store: not written: %w", ctx.Err())
		}
	}
	select {
	case <-op.finished:
		return op.err
	case <-w.done:
	}
	select {
	case <-op.finished: // both are ready: the answer counts
		return op.err
	default:
		return ErrClosed
	}
}

// loop is the writer's goroutine.
func (w *writer) loop() {
	defer close(w.done)
	for {
		select {
		case op := <-w.queue:
			w.commit(w.gather(op))
		case <-w.health.probeNow():
			w.commit([]*operation{probe()})
		case <-w.stop:
			for {
				select {
				case op := <-w.queue:
					w.commit(w.gather(op))
				default:
					return
				}
			}
		}
	}
}

// gather takes what waits behind the first operation. While a commit waits for the disk the next group forms by itself; the callers that
// were answered by the last commit are let run first, because they often come back at once, and would miss this one by a hair.
func (w *writer) gather(first *operation) []*operation {
	runtime.Gosched()
	group := make([]*operation, 0, 16)
	for op := first; ; {
		if op.state.CompareAndSwap(queued, taken) {
			group = append(group, op)
		}
		if len(group) == groupSize {
			return group
		}
		select {
		case op = <-w.queue:
		default:
			return group
		}
	}
}

// commit makes a group durable and answers each of its callers. When the group fails as a whole, each is tried by itself, so that one
// cannot fail the others.
func (w *writer) commit(group []*operation) {
	if len(group) == 0 {
		return
	}
	err := w.try(group)
	if err != nil && len(group) > 1 {
		for _, op := range group {
			w.commit([]*operation{op})
		}
		return
	}
	w.health.wrote(err)
	for _, op := range group {
		if err != nil {
			op.err = err
		}
		close(op.finished)
	}
}

// try runs a group in one transaction. An error means that nothing of it is kept.
func (w *writer) try(group []*operation) (err error) {
	if err := w.loadHead(); err != nil {
		return err
	}
	if _, err := w.conn.ExecContext(background, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	t := &transaction{Conn: w.conn, statements: w.statements, now: w.now().UTC().Truncate(time.Millisecond), keyring: w.keyring, mark: mark{head: w.head}}
	for _, op := range group {
		if err = w.run(t, op); err != nil {
			break
		}
	}
	if err == nil {
		if _, err = w.conn.ExecContext(background, "COMMIT"); err != nil {
			err = fmt.Errorf("store: commit: %w", err)
		}
	}
	if err != nil {
		w.rollback()
		return err
	}
	grown := t.head.Size() > w.head.Size()
	w.head = t.head
	w.size.Store(w.head.Size())
	for _, k := range t.keys {
		k.stored.Store(true)
	}
	w.watches.changed(t.touched)
	if grown {
		select {
		case w.appended <- struct{}{}:
		default:
		}
	}
	return nil
}

// run runs one operation. What it answers by its own rules is kept for its caller; an error returned here fails the group.
func (w *writer) run(t *transaction, op *operation) error {
	if !op.savepoint {
		op.err = guarded(op.run, t)
		return op.err
	}
	before := t.mark
	if _, err := t.ExecContext(background, "SAVEPOINT operation"); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	end := "RELEASE operation"
	if op.err = guarded(op.run, t); op.err != nil {
		if engineFailed(op.err) {
			return op.err
		}
		t.mark = before
		end = "ROLLBACK TO operation; RELEASE operation"
	}
	if _, err := t.ExecContext(background, end); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// guarded keeps a panic in a caller's function from ending the writer.
func guarded(f func(*transaction) error, t *transaction) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: panic in a transaction (%T)", p)
		}
	}()
	return f(t)
}

// rollback leaves the failed transaction. Whether a failed commit reached the disk is known only after reading it again.
func (w *writer) rollback() {
	w.headKnown = false
	_, err := w.conn.ExecContext(background, "ROLLBACK")
	if err != nil && !strings.Contains(err.Error(), "no transaction is active") { // the engine rolled back by itself
		w.health.log.Error("rolling back", "err", err)
	}
}

func (w *writer) loadHead() error {
	if w.headKnown {
		return nil
	}
	head, err := readHead(background, w.conn)
	if err != nil {
		return err
	}
	w.head, w.headKnown = head, true
	w.size.Store(head.Size())
	return nil
}

// readHead reads the right edge of the tree and checks that it belongs to the entries beside it.
func readHead(ctx context.Context, q querier) (h audit.Head, err error) {
	var entries, leaves int64
	err = q.QueryRowContext(ctx, "SELECT (SELECT coalesce(max(seq) + 1, 0) FROM entries), (SELECT coalesce(max(leaf) + 1, 0) FROM tree)").Scan(&entries, &leaves)
	if err != nil {
		return h, fmt.Errorf("store: reading the head of the log: %w", err)
	}
	if entries != leaves {
		return h, fmt.Errorf("store: %w: it has %d entries, its tree has %d: somebody changed the state; restore it from a backup", errBroken, entries, leaves)
	}
	if h, err = audit.OpenHead(leaves, storedHashes{ctx, q}); err != nil {
		return h, fmt.Errorf("store: %w: %w", errBroken, err)
	}
	return h, nil
}
