package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/audit"
)

// spend adds to one window. A later window replaces an earlier one; an amount for an earlier one is counted in the window that is there.
// Nothing is counted below zero: what is given back may have been taken in a window that is over.
const spend = `INSERT INTO spent (scope, issuer, subject, per, start, calls, "rows", masked, bytes)
VALUES (?1, ?2, ?3, ?4, ?5, max(0, ?6), max(0, ?7), max(0, ?8), max(0, ?9))
ON CONFLICT (scope, issuer, subject, per) DO UPDATE SET
	calls  = max(0, iif(excluded.start > start, 0, calls) + ?6),
	"rows" = max(0, iif(excluded.start > start, 0, "rows") + ?7),
	masked = max(0, iif(excluded.start > start, 0, masked) + ?8),
	bytes  = max(0, iif(excluded.start > start, 0, bytes) + ?9),
	start  = max(start, excluded.start)`

// count adds up what the records of this transaction spent.
func (t *transaction) count(spent []audit.Spent) error {
	for _, s := range spent {
		if s.Per < time.Second || s.Scope == "" {
			return errors.New("spent without a scope or a length of its window")
		}
		_, err := t.spend.Exec(s.Scope, s.Issuer, s.Subject, int64(s.Per/time.Second), t.now.Truncate(s.Per).UnixMilli(), s.Calls, s.Rows, s.MaskedValues, s.Bytes)
		if err != nil {
			return fmt.Errorf("budget of scope %s: %w", s.Scope, err)
		}
	}
	return nil
}

// Spent returns the newest window of each length in which somebody spent something under a scope. It may have begun before the one of
// now, which is then unused, or after it, when the clock was set back.
func (s *Store) Spent(ctx context.Context, scope, issuer, subject string) ([]audit.Spent, error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT per, start, calls, "rows", masked, bytes FROM spent WHERE scope = ? AND issuer = ? AND subject = ?`, scope, issuer, subject)
	if err != nil {
		return nil, s.readError(err)
	}
	defer rows.Close()
	var out []audit.Spent
	for rows.Next() {
		w := audit.Spent{Scope: scope, Issuer: issuer, Subject: subject}
		var per, start int64
		if err := rows.Scan(&per, &start, &w.Calls, &w.Rows, &w.MaskedValues, &w.Bytes); err != nil {
			return nil, s.readError(err)
		}
		w.Per, w.Start = time.Duration(per)*time.Second, millis(start)
		out = append(out, w)
	}
	if err := rows.Err(); err != nil {
		return nil, s.readError(err)
	}
	return out, nil
}
