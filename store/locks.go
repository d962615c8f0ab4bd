package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"sallyport/audit"
	"sallyport/identity"
)

// ErrNoLock is DropLock's answer for a lock that does not exist.
var ErrNoLock = errors.New("no such lock")

// Locks returns every lock, those included that have expired.
func (s *Store) Locks(ctx context.Context) (all []identity.Lock, err error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT lock FROM locks ORDER BY id")
	if err != nil {
		return nil, s.readError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var l identity.Lock
		if err := rows.Scan(&text); err != nil {
			return nil, s.readError(err)
		}
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return nil, fmt.Errorf("store: a lock cannot be read: %w", err)
		}
		all = append(all, l)
	}
	return all, rows.Err()
}

// PutLock makes a lock durable together with its record.
func (s *Store) PutLock(ctx context.Context, l identity.Lock, rec audit.Record) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return s.withRecord(ctx, rec, func(t *transaction) error {
		_, err := t.ExecContext(background, "INSERT INTO locks (id, lock) VALUES (?, ?)", l.ID, string(text))
		return err
	})
}

// DropLock lifts a lock. It returns ErrNoLock when there is none of this id.
func (s *Store) DropLock(ctx context.Context, id string, rec audit.Record) error {
	return s.withRecord(ctx, rec, func(t *transaction) error {
		done, err := t.ExecContext(background, "DELETE FROM locks WHERE id = ?", id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNoLock)
		}
		return nil
	})
}

// withRecord runs f and appends rec in one transaction.
func (s *Store) withRecord(ctx context.Context, rec audit.Record, f func(*transaction) error) error {
	ready, err := s.seal(ctx, rec)
	if err != nil {
		return err
	}
	return s.writer.do(ctx, true, func(t *transaction) error {
		if err := f(t); err != nil {
			return err
		}
		return t.append(ready...)
	})
}
