package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
)

// OpenApproval makes a request durable, with its entry, unless the newest one with the same AttachKey answers the call (see
// [approvals.Request.Answers]; the window is ReplayWindow): then that one is returned, created is false, and nothing is written.
// However many callers ask at once, and however late one of them comes, people are asked once.
func (s *Store) OpenApproval(ctx context.Context, req approvals.Request, rec audit.Record) (got approvals.Request, created bool, err error) {
	if req.ID == "" || req.Code == "" || req.AttachKey == "" || req.Digest == "" || req.State != approvals.Pending || len(req.Votes) > 0 {
		return req, false, errors.New("store: a new request needs ID, Code, AttachKey and Digest, state pending and no votes")
	}
	row, err := s.sealApproval(ctx, &req)
	if err != nil {
		return req, false, err
	}
	ready, err := s.seal(ctx, rec)
	if err != nil {
		return req, false, err
	}
	err = s.writer.do(ctx, true, func(t *transaction) error {
		got, created = req, true
		old, err := s.newestApproval(background, t, "attach_key", req.AttachKey)
		if err == nil && old.Answers(t.now, s.cfg.ReplayWindow) {
			got, created = old, false
			return nil
		}
		if err != nil && !errors.Is(err, approvals.ErrNotFound) {
			return err
		}
		if err := t.insertApproval(row); err != nil {
			return fmt.Errorf("store: open approval request: %w", err)
		}
		t.touched = append(t.touched, req.ID)
		return t.append(ready...)
	})
	return got, created, err
}

// CloseApproval moves a request that is in one of the states from to a closed state, with its entry. All of them are open; only what turned out
// stale in its execution may have been consumed. When it is in another state it returns the request as it is and approvals.ErrClosed, and nothing is written.
func (s *Store) CloseApproval(ctx context.Context, id string, from []approvals.State, to approvals.State, rec audit.Record) (got approvals.Request, err error) {
	for _, state := range from {
		if !isOpen(state) && !(state == approvals.Consumed && to == approvals.Stale) {
			return got, fmt.Errorf("store: a request that is %s does not move any more", state)
		}
	}
	if isOpen(to) || to == approvals.Consumed {
		return got, fmt.Errorf("store: closing a request does not make it %s", to)
	}
	ready, err := s.seal(ctx, rec)
	if err != nil {
		return got, err
	}
	err = s.writer.do(ctx, true, func(t *transaction) (err error) {
		if got, err = s.approvalByID(background, t, id); err != nil {
			return err
		}
		if !slices.Contains(from, got.State) {
			return approvals.ErrClosed
		}
		if err := t.move(&got, to); err != nil {
			return err
		}
		return t.append(ready...)
	})
	return got, err
}

func isOpen(s approvals.State) bool { return s == approvals.Pending || s == approvals.Approved }

// ConsumeAndIntend appends the intent of an execution and, when use is given, uses the approval up, in one transaction: of any number of
// attempts one succeeds. It returns approvals.ErrNotApproved when the request is not approved (any more), also approvals.ErrClosed in its chain when
// that is for another reason than an earlier use; approvals.ErrStale when it is not the digest that was approved. A call that has an open
// intent gets no second one.
func (s *Store) ConsumeAndIntend(ctx context.Context, use *approvals.Use, intent audit.Record) error {
	if intent.Entry.Kind != audit.KindIntent || intent.Entry.Call == "" {
		return errors.New("store: an intent needs its kind and its call")
	}
	ready, err := s.seal(ctx, intent)
	if err != nil {
		return err
	}
	return s.writer.do(ctx, use != nil, func(t *transaction) error {
		if use != nil {
			if err := s.consume(t, use); err != nil {
				return err
			}
		}
		return t.append(ready...)
	})
}

// consume is the compare-and-swap.
func (s *Store) consume(t *transaction, use *approvals.Use) error {
	res, err := t.ExecContext(background,
		"UPDATE approvals SET state = 'consumed', decided = ? WHERE id = ? AND digest = ? AND state = 'approved' AND expires > ?",
		t.now.UnixNano(), use.ID, use.Digest, t.now.UnixNano())
	if err != nil {
		return fmt.Errorf("store: use approval: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		t.touched = append(t.touched, use.ID)
		return err
	}
	var state approvals.State
	var digest string
	err = t.QueryRowContext(background, "SELECT state, digest FROM approvals WHERE id = ?", use.ID).Scan(&state, &digest)
	switch {
	case err != nil:
		return noRows(err, fmt.Errorf("%w: %w", approvals.ErrNotApproved, approvals.ErrNotFound))
	case digest != use.Digest, state == approvals.Stale:
		return approvals.ErrStale
	case state == approvals.Consumed:
		return approvals.ErrNotApproved
	case state == approvals.Approved:
		return fmt.Errorf("%w: %w: it expired", approvals.ErrNotApproved, approvals.ErrClosed)
	}
	return fmt.Errorf("%w: %w: it is %s", approvals.ErrNotApproved, approvals.ErrClosed, state)
}

// ExpireApprovals closes the open requests whose time has passed, each with the entry rec makes of it, and returns them.
func (s *Store) ExpireApprovals(ctx context.Context, now time.Time, rec func(approvals.Request) audit.Record) (expired []approvals.Request, err error) {
	const overdue = "state IN ('pending', 'approved') AND expires <= ?"
	due, err := s.readApprovals(ctx, s.readers, overdue, now.UnixNano())
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = s.writer.do(ctx, true, func(t *transaction) (err error) {
		if expired, err = s.readApprovals(background, t, overdue, now.UnixNano()); err != nil {
			return err
		}
		for i := range expired {
			if err := t.move(&expired[i], approvals.Expired); err != nil {
				return err
			}
			ready, err := s.seal(background, rec(expired[i]))
			if err != nil {
				return err
			}
			if err := t.append(ready...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return expired, nil
}

// move sets a request's state in the table and in r. Decided is when it last changed state.
func (t *transaction) move(r *approvals.Request, to approvals.State) error {
	res, err := t.ExecContext(background, "UPDATE approvals SET state = ?, decided = ? WHERE id = ? AND state = ?",
		string(to), t.now.UnixNano(), r.ID, string(r.State))
	if err != nil {
		return fmt.Errorf("store: approval request %s: %w", r.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("store: approval request %s is not in the state that was read: %w", r.ID, errors.Join(err, approvals.ErrClosed))
	}
	r.State, r.Decided = to, t.now
	t.touched = append(t.touched, r.ID)
	return nil
}
