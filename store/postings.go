package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sallyport/approvals"
)

// version is what a request has become, as far as a card shows it: its state, its votes, and whether its execution ended.
const version = `a.state || '/' || (SELECT count(*) FROM votes v WHERE v.approval = a.id)
	|| CASE WHEN a.state = 'consumed' AND NOT EXISTS (SELECT 1 FROM intents i WHERE i.call = a.call) THEN '/ended' ELSE '' END`

// due finds the oldest request whose posting does not show what is true and is nobody's turn: an open one that is not posted, or one that
// changed since it was edited.
const due = `SELECT a.id, ` + version + `, coalesce(p.channel, ''), coalesce(p.message, ''), coalesce(p.shown, ''), coalesce(p.told, 0)
	FROM approvals a LEFT JOIN postings p ON p.request = a.id
	WHERE a.id IN (SELECT id FROM approvals WHERE state = 'pending' UNION SELECT request FROM postings WHERE final = 0)
	AND coalesce(p.lease, 0) <= ? AND (a.state = 'pending' OR p.message <> '') AND coalesce(p.shown, '') <> ` + version + `
	ORDER BY a.n LIMIT 1`

// ClaimPosting gives the oldest posting that is due to the caller alone, for the time of the lease. ok is false when none is due.
func (s *Store) ClaimPosting(ctx context.Context, lease time.Duration) (p approvals.Posting, ok bool, err error) {
	if _, ok, err = readDue(ctx, s.readers, s.cfg.Now()); err != nil || !ok {
		return p, false, s.orReadError(err)
	}
	err = s.writer.do(ctx, true, func(t *transaction) (err error) {
		if p, ok, err = readDue(background, t, t.now); err != nil || !ok {
			return err
		}
		p.Claim = rand.Text()
		_, err = t.ExecContext(background, `INSERT INTO postings (request, channel, message, shown, told, claim, lease, final) VALUES (?, '', '', '', 0, ?, ?, 0)
			ON CONFLICT (request) DO UPDATE SET claim = excluded.claim, lease = excluded.lease`, p.Request, p.Claim, t.now.Add(lease).UnixNano())
		return wrap("posting", err)
	})
	return p, ok, err
}

func readDue(ctx context.Context, q querier, now time.Time) (p approvals.Posting, ok bool, err error) {
	err = q.QueryRowContext(ctx, due, now.UnixNano()).Scan(&p.Request, &p.Version, &p.Channel, &p.Message, &p.Shown, &p.Told)
	if errors.Is(err, sql.ErrNoRows) {
		return p, false, nil
	}
	return p, err == nil, wrap("posting", err)
}

// SavePosting records what the posting shows now. final says that nothing more can happen to the request. It returns approvals.ErrClaim, and
// records nothing, when the claim is no longer the caller's: a slow worker never overwrites what a later one did.
func (s *Store) SavePosting(ctx context.Context, p approvals.Posting, final bool) error {
	return s.claimed(ctx, p, "UPDATE postings SET channel = ?, message = ?, shown = ?, told = ?, final = ? WHERE request = ? AND claim = ?",
		p.Channel, p.Message, p.Shown, p.Told, final, p.Request, p.Claim)
}

// ReleasePosting ends the caller's turn; nobody gets the next one before a moment.
func (s *Store) ReleasePosting(ctx context.Context, p approvals.Posting, before time.Time) error {
	return s.claimed(ctx, p, "UPDATE postings SET claim = '', lease = ? WHERE request = ? AND claim = ?", before.UnixNano(), p.Request, p.Claim)
}

// ArmPosting stores the tokens of the buttons of a message that is about to be sent. Those of an earlier message that was never known to
// have arrived stop counting.
func (s *Store) ArmPosting(ctx context.Context, p approvals.Posting, tokens ...approvals.Token) error {
	return s.writer.do(ctx, true, func(t *transaction) error {
		if err := t.holds(p); err != nil {
			return err
		}
		if p.Message == "" {
			if _, err := t.ExecContext(background, "DELETE FROM tokens WHERE request = ?", p.Request); err != nil {
				return wrap("tokens", err)
			}
		}
		for _, tok := range tokens {
			if err := t.insertToken(tok); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) claimed(ctx context.Context, p approvals.Posting, update string, args ...any) error {
	return s.writer.do(ctx, true, func(t *transaction) error {
		if err := t.holds(p); err != nil {
			return err
		}
		_, err := t.ExecContext(background, update, args...)
		return wrap("posting", err)
	})
}

// holds reports whether the claim is still p's.
func (t *transaction) holds(p approvals.Posting) error {
	var n int
	err := t.QueryRowContext(background, "SELECT count(*) FROM postings WHERE request = ? AND claim = ? AND claim <> ''", p.Request, p.Claim).Scan(&n)
	if err == nil && n == 0 {
		return approvals.ErrClaim
	}
	return wrap("posting", err)
}

// Posted returns where a request is shown, or approvals.ErrNotFound.
func (s *Store) Posted(ctx context.Context, request string) (p approvals.Posting, err error) {
	err = s.readers.QueryRowContext(ctx, "SELECT request, channel, message, shown, told FROM postings WHERE request = ?", request).
		Scan(&p.Request, &p.Channel, &p.Message, &p.Shown, &p.Told)
	return p, s.oneRow(err, approvals.ErrNotFound)
}

// AddToken stores the token of a dialog.
func (s *Store) AddToken(ctx context.Context, tok approvals.Token) error {
	return s.writer.do(ctx, true, func(t *transaction) error { return t.insertToken(tok) })
}

func (t *transaction) insertToken(tok approvals.Token) error {
	_, err := t.ExecContext(background, "INSERT INTO tokens (hash, request, digest, act, holder) VALUES (?, ?, ?, ?, ?)",
		tok.Hash, tok.Request, tok.Digest, tok.Act, tok.Holder)
	return wrap("token", err)
}

// Token returns what a hash stands for, or approvals.ErrNotFound.
func (s *Store) Token(ctx context.Context, hash string) (tok approvals.Token, err error) {
	err = s.readers.QueryRowContext(ctx, "SELECT hash, request, digest, act, holder FROM tokens WHERE hash = ?", hash).
		Scan(&tok.Hash, &tok.Request, &tok.Digest, &tok.Act, &tok.Holder)
	return tok, s.oneRow(err, approvals.ErrNotFound)
}

// ReserveChannel takes the next moment at which a channel may be posted to, gap after the last one that was taken.
func (s *Store) ReserveChannel(ctx context.Context, channel string, gap time.Duration) (at time.Time, err error) {
	err = s.writer.do(ctx, true, func(t *transaction) error {
		var next int64
		err := t.QueryRowContext(background, "SELECT next FROM channels WHERE channel = ?", channel).Scan(&next)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return wrap("channel", err)
		}
		at = time.Unix(0, max(next, t.now.UnixNano())).UTC()
		return t.setChannel(channel, at.Add(gap))
	})
	return at, err
}

// DelayChannel keeps everybody from posting to a channel for a while, because the chat asked for it.
func (s *Store) DelayChannel(ctx context.Context, channel string, wait time.Duration) error {
	return s.writer.do(ctx, true, func(t *transaction) error { return t.setChannel(channel, t.now.Add(wait)) })
}

func (t *transaction) setChannel(channel string, next time.Time) error {
	_, err := t.ExecContext(background, "INSERT INTO channels (channel, next) VALUES (?, ?) ON CONFLICT (channel) DO UPDATE SET next = max(next, excluded.next)",
		channel, next.UnixNano())
	return wrap("channel", err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("store: %s: %w", what, err)
}

// oneRow turns the error of reading one row into the one that says there is none.
func (s *Store) oneRow(err, none error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return none
	}
	return s.orReadError(err)
}

func (s *Store) orReadError(err error) error {
	if err == nil {
		return nil
	}
	return s.readError(err)
}
