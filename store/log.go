package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

// Append makes records durable, all or none. It fills in Seq, ID, Time and the reference to the body, whatever they were. An outcome
// closes the intent of its call.
func (s *Store) Append(ctx context.Context, recs ...audit.Record) error {
	if len(recs) == 0 {
		return nil
	}
	ready, err := s.seal(ctx, recs...)
	if err != nil {
		return err
	}
	return s.writer.do(ctx, false, func(t *transaction) error { return t.append(ready...) })
}

// seal gives records their ids and encrypts their bodies.
func (s *Store) seal(ctx context.Context, recs ...audit.Record) ([]sealed, error) {
	out := make([]sealed, len(recs))
	for i, r := range recs {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		e := r.Entry
		e.ID, e.Body = id.String(), nil
		out[i].entry, out[i].spent = e, r.Spent
		if r.Body == nil {
			continue
		}
		k, err := s.keyring.get(ctx, recordKeyID(&e, s.cfg.Now()))
		if err != nil {
			return nil, err
		}
		out[i].key = k
		out[i].body, out[i].entry.Body = audit.Seal(&k.key, r.Body, e.ID)
	}
	return out, nil
}

// RecoverIntents gives every intent that an earlier run left open the outcome mk makes of it, in one transaction, and returns how many
// there were. Calls of this run are not touched.
func (s *Store) RecoverIntents(ctx context.Context, mk func(intent audit.Entry) audit.Record) (n int, err error) {
	err = s.writer.do(ctx, true, func(t *transaction) error {
		intents, err := openIntents(background, t, s.started)
		if err != nil {
			return err
		}
		n = len(intents)
		for _, intent := range intents {
			rec := mk(intent)
			if rec.Entry.Kind != audit.KindOutcome || rec.Entry.Call != intent.Call {
				return fmt.Errorf("store: the record for the open intent of call %s is not an outcome of that call", intent.Call)
			}
			ready, err := s.seal(background, rec)
			if err != nil {
				return err
			}
			if err := t.append(ready...); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// openIntents reads the intents below an entry number whose outcome is not recorded, oldest first.
func openIntents(ctx context.Context, q querier, below int64) (intents []audit.Entry, err error) {
	rows, err := q.QueryContext(ctx, "SELECT e.envelope FROM intents i JOIN entries e ON e.seq = i.seq WHERE i.seq < ? ORDER BY i.seq", below)
	if err != nil {
		return nil, fmt.Errorf("store: reading open intents: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var envelope []byte
		if err := rows.Scan(&envelope); err != nil {
			return nil, fmt.Errorf("store: reading open intents: %w", err)
		}
		e, err := audit.Decode(envelope)
		if err != nil {
			return nil, fmt.Errorf("store: open intent: %w", err)
		}
		intents = append(intents, e)
	}
	return intents, rows.Err()
}

// Outcome returns how a call ended: its newest outcome, and within the replay window its body, else nil. It returns audit.ErrNotFound
// for a call without one: unknown, denied, waiting, or still being executed.
func (s *Store) Outcome(ctx context.Context, callID string) (audit.Entry, *audit.Body, error) {
	var row entryRow
	err := s.readers.QueryRowContext(ctx,
		"SELECT seq, key, envelope FROM entries WHERE call = ? AND call <> '' AND kind = ? ORDER BY seq DESC LIMIT 1",
		callID, string(audit.KindOutcome)).Scan(&row.seq, &row.key, &row.envelope)
	if errors.Is(err, sql.ErrNoRows) {
		return audit.Entry{}, nil, audit.ErrNotFound
	}
	if err != nil {
		return audit.Entry{}, nil, s.readError(err)
	}
	e, err := audit.Decode(row.envelope)
	if err != nil {
		return e, nil, fmt.Errorf("store: entry %d: %w", row.seq, err)
	}
	if s.cfg.Now().Sub(e.Time) > s.cfg.ReplayWindow {
		return e, nil, nil
	}
	body, err := s.openBody(ctx, row, e)
	return e, body, err
}

// readError says of an error of the readers whether it is because the store was closed.
func (s *Store) readError(err error) error {
	select {
	case <-s.writer.stop:
		return ErrClosed
	default:
		return fmt.Errorf("store: %w", err)
	}
}

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
