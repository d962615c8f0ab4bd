package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"sallyport/approvals"
)

// interactionMemory is for how long the same interaction is known to be the same.
const interactionMemory = 24 * time.Hour

func interactionContext(key string) string { return "interaction\x00" + key }

// KeepInteraction makes what somebody did durable, sealed. first is false when the same bytes came before: they will not be dealt with again.
func (s *Store) KeepInteraction(ctx context.Context, payload []byte) (first bool, err error) {
	sum := sha256.Sum256(payload)
	key := hex.EncodeToString(sum[:])
	k, err := s.keyring.get(ctx, dayKeyID(s.cfg.Now()))
	if err != nil {
		return false, err
	}
	box := k.key.Encrypt(payload, interactionContext(key))
	err = s.writer.do(ctx, true, func(t *transaction) error {
		if err := t.storeKey(k); err != nil {
			return err
		}
		if _, err := t.ExecContext(background, "DELETE FROM interactions WHERE sealed IS NULL AND received < ?", t.now.Add(-interactionMemory).UnixNano()); err != nil {
			return wrap("interaction", err)
		}
		res, err := t.ExecContext(background, "INSERT INTO interactions (key, received, data_key, sealed, claim, lease) VALUES (?, ?, ?, ?, '', 0) ON CONFLICT (key) DO NOTHING",
			key, t.now.UnixNano(), k.id, box)
		if err != nil {
			return wrap("interaction", err)
		}
		n, err := res.RowsAffected()
		first = n == 1
		return wrap("interaction", err)
	})
	return first, err
}

// ClaimInteraction gives the oldest interaction that waits to the caller alone, for the time of the lease. ok is false when none waits.
func (s *Store) ClaimInteraction(ctx context.Context, lease time.Duration) (i approvals.Interaction, ok bool, err error) {
	const waiting = "SELECT key, received, data_key, sealed FROM interactions WHERE sealed IS NOT NULL AND lease <= ? ORDER BY n LIMIT 1"
	var keyID string
	var received int64
	var box []byte
	read := func(ctx context.Context, q querier, now time.Time) (bool, error) {
		err := q.QueryRowContext(ctx, waiting, now.UnixNano()).Scan(&i.Key, &received, &keyID, &box)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		return err == nil, wrap("interaction", err)
	}
	if ok, err = read(ctx, s.readers, s.cfg.Now()); err != nil || !ok {
		return i, false, s.orReadError(err)
	}
	err = s.writer.do(ctx, true, func(t *transaction) (err error) {
		if ok, err = read(background, t, t.now); err != nil || !ok {
			return err
		}
		i.Claim = rand.Text()
		_, err = t.ExecContext(background, "UPDATE interactions SET claim = ?, lease = ? WHERE key = ?", i.Claim, t.now.Add(lease).UnixNano(), i.Key)
		return wrap("interaction", err)
	})
	if err != nil || !ok {
		return i, false, err
	}
	k, err := s.keyring.find(ctx, keyID)
	if err != nil {
		return i, false, err
	}
	i.Received = time.Unix(0, received).UTC()
	i.Payload, err = k.key.Decrypt(box, interactionContext(i.Key))
	return i, err == nil, err
}

// CloseInteraction ends one that was dealt with: its payload is gone. It returns approvals.ErrClaim when it is another's turn by now.
func (s *Store) CloseInteraction(ctx context.Context, i approvals.Interaction) error {
	return s.writer.do(ctx, true, func(t *transaction) error {
		res, err := t.ExecContext(background, "UPDATE interactions SET sealed = NULL, claim = '' WHERE key = ? AND claim = ? AND claim <> ''", i.Key, i.Claim)
		if err != nil {
			return wrap("interaction", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, approvals.ErrClaim)
		}
		return nil
	})
}

// AddNote makes a message to somebody durable; it is sent by whoever claims it.
func (s *Store) AddNote(ctx context.Context, to approvals.Account, text string) error {
	return s.writer.do(ctx, true, func(t *transaction) error { return t.insertNote(to, text) })
}

func (t *transaction) insertNote(to approvals.Account, text string) error {
	_, err := t.ExecContext(background, "INSERT INTO notes (id, team, user, text, claim, lease) VALUES (?, ?, ?, ?, '', 0)", rand.Text(), to.Team, to.User, text)
	return wrap("note", err)
}

// ClaimNote gives a note that waits to the caller alone, for the time of the lease. ok is false when none waits.
func (s *Store) ClaimNote(ctx context.Context, lease time.Duration) (n approvals.Note, ok bool, err error) {
	read := func(ctx context.Context, q querier, now time.Time) (bool, error) {
		err := q.QueryRowContext(ctx, "SELECT id, team, user, text FROM notes WHERE lease <= ? ORDER BY id LIMIT 1", now.UnixNano()).Scan(&n.ID, &n.To.Team, &n.To.User, &n.Text)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		return err == nil, wrap("note", err)
	}
	if ok, err = read(ctx, s.readers, s.cfg.Now()); err != nil || !ok {
		return n, false, s.orReadError(err)
	}
	err = s.writer.do(ctx, true, func(t *transaction) (err error) {
		if ok, err = read(background, t, t.now); err != nil || !ok {
			return err
		}
		n.Claim = rand.Text()
		_, err = t.ExecContext(background, "UPDATE notes SET claim = ?, lease = ? WHERE id = ?", n.Claim, t.now.Add(lease).UnixNano(), n.ID)
		return wrap("note", err)
	})
	return n, ok && err == nil, err
}

// CloseNote removes a note that was sent, or can never be.
func (s *Store) CloseNote(ctx context.Context, n approvals.Note) error {
	return s.writer.do(ctx, true, func(t *transaction) error {
		_, err := t.ExecContext(background, "DELETE FROM notes WHERE id = ? AND claim = ?", n.ID, n.Claim)
		return wrap("note", err)
	})
}
