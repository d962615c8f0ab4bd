package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"sallyport/audit"
)

// statements are prepared once on the writer's connection.
type statements struct {
	entry, tree, key, keyOf, intent, settle, spend *sql.Stmt
}

func prepare(ctx context.Context, conn *sql.Conn) (s statements, err error) {
	for _, p := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&s.entry, "INSERT INTO entries (seq, time, kind, call, subject, tool, target, key, envelope, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
		{&s.tree, "INSERT INTO tree (leaf, hashes) VALUES (?, ?)"},
		{&s.key, "INSERT INTO keys (id, wrapped) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"},
		{&s.keyOf, "SELECT wrapped FROM keys WHERE id = ?"},
		{&s.intent, "INSERT INTO intents (call, seq) VALUES (?, ?)"},
		{&s.settle, "DELETE FROM intents WHERE call = ?"},
		{&s.spend, spend},
	} {
		if *p.to, err = conn.PrepareContext(ctx, p.text); err != nil {
			return s, fmt.Errorf("store: %w", err)
		}
	}
	return s, nil
}

// close must come before the connection is closed: while a statement is left, SQLite keeps the connection and does not fold the
// write-ahead log into the database.
func (s *statements) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{s.entry, s.tree, s.key, s.keyOf, s.intent, s.settle, s.spend} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}

// transaction is what one business transaction sees while the writer runs it. Only the writer's goroutine touches it.
type transaction struct {
	*sql.Conn
	statements
	now     time.Time
	keyring *keyring
	mark
}

// mark is what a transaction changed outside the database; going back to an earlier one undoes it.
type mark struct {
	head    audit.Head
	touched []string   // approval requests that changed
	keys    []*dataKey // whose rows were written
}

// background: statements of a transaction are not interrupted halfway; who waits may leave before it began.
var background = context.Background()

// sealed is a record whose body is encrypted already; that needs no place in the log, so callers do it before they queue.
type sealed struct {
	entry audit.Entry
	key   *dataKey // nil without body
	body  []byte
	spent []audit.Spent
}

// append adds records to the log: envelope, hashes, and what they do to open intents.
func (t *transaction) append(recs ...sealed) error {
	for i := range recs {
		if err := t.appendOne(&recs[i]); err != nil {
			return fmt.Errorf("store: append audit entry %d: %w", t.head.Size(), err)
		}
	}
	return nil
}

func (t *transaction) appendOne(r *sealed) error {
	e := &r.entry
	e.V, e.Seq, e.Time = 1, t.head.Size(), t.now
	keyID := ""
	if r.key != nil {
		keyID = r.key.id
		if err := t.storeKey(r.key); err != nil {
			return err
		}
	}
	envelope := e.Encode()
	c, err := columnsIn(e, envelope)
	if err != nil {
		return err
	}
	if _, err := t.entry.Exec(e.Seq, c.time, c.kind, c.call, c.subject, c.tool, c.target, keyID, envelope, r.body); err != nil {
		return err
	}
	if _, err := t.tree.Exec(e.Seq, joinHashes(t.head.Add(audit.LeafHash(envelope)))); err != nil {
		return err
	}
	if err := t.count(r.spent); err != nil {
		return err
	}
	switch e.Kind {
	case audit.KindIntent:
		_, err := t.intent.Exec(e.Call, e.Seq)
		return err
	case audit.KindOutcome:
		if e.Approval != nil {
			t.touched = append(t.touched, e.Approval.ID)
		}
		_, err := t.settle.Exec(e.Call)
		return err
	}
	return nil
}

// columns repeat parts of an envelope for searching.
type columns struct {
	time                              int64
	kind, call, subject, tool, target string
}

func columnsOf(e *audit.Entry) columns {
	c := columns{time: e.Time.UnixMilli(), kind: string(e.Kind), call: e.Call, tool: e.Tool, target: e.Target}
	if e.Principal != nil {
		c.subject = e.Principal.Subject
	}
	return c
}

// columnsIn is columnsOf what the envelope says: text that is not UTF-8 was replaced in it.
func columnsIn(e *audit.Entry, envelope []byte) (columns, error) {
	c := columnsOf(e)
	if utf8.ValidString(c.kind) && utf8.ValidString(c.call) && utf8.ValidString(c.subject) && utf8.ValidString(c.tool) && utf8.ValidString(c.target) {
		return c, nil
	}
	said, err := audit.Decode(envelope)
	return columnsOf(&said), err
}

// storeKey writes the row of a key that is not known to be durable.
func (t *transaction) storeKey(k *dataKey) error {
	if k.stored.Load() {
		return nil
	}
	res, err := t.key.Exec(k.id, k.wrapped)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		t.keys = append(t.keys, k)
		return err
	}
	var wrapped []byte
	if err := t.keyOf.QueryRow(k.id).Scan(&wrapped); err != nil {
		return err
	}
	if string(wrapped) != string(k.wrapped) {
		t.keyring.forget(k)
		return fmt.Errorf("data key %s was made twice; send the record again", k.id)
	}
	t.keys = append(t.keys, k)
	return nil
}
