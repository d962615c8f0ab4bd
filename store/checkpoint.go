package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sallyport/audit"
)

// Checkpoint signs the log as it is now and returns the signed note, which is worth something once it is kept elsewhere. A log that
// did not grow since the newest checkpoint keeps that one.
func (s *Store) Checkpoint(ctx context.Context) (note string, err error) {
	err = s.writer.do(ctx, true, func(t *transaction) error {
		size := t.head.Size()
		err := t.QueryRowContext(background, "SELECT note FROM checkpoints WHERE size = ?", size).Scan(&note)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if note, err = s.keys.signer.Sign(size, t.head.Root()); err != nil {
			return fmt.Errorf("store: signing a checkpoint: %w", err)
		}
		_, err = t.ExecContext(background, "INSERT INTO checkpoints (size, time, note) VALUES (?, ?, ?)", size, t.now.UnixMilli(), note)
		return err
	})
	return note, err
}

// startCheckpoints signs the log every CheckpointEvery entries, and CheckpointAfter after it grew. Close ends and waits for it.
func (s *Store) startCheckpoints() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stopCheckpoints = cancel
	s.checkpoints.Add(1)
	go func() {
		defer s.checkpoints.Done()
		tick := time.NewTicker(s.cfg.CheckpointAfter)
		defer tick.Stop()
		for signed := s.started; ; {
			select {
			case <-ctx.Done():
				return
			case <-s.writer.appended:
				if s.writer.size.Load()-signed < s.cfg.CheckpointEvery {
					continue
				}
			case <-tick.C:
			}
			size := s.writer.size.Load()
			if size == signed {
				continue
			}
			if _, err := s.Checkpoint(ctx); err == nil {
				signed = size
			} else if ctx.Err() == nil {
				s.cfg.Log.Error("signing a checkpoint", "err", err)
			}
		}
	}()
}

// readCheckpoints reads every checkpoint, oldest first.
func readCheckpoints(ctx context.Context, q querier) (all []audit.Checkpoint, err error) {
	rows, err := q.QueryContext(ctx, "SELECT size, time, note FROM checkpoints ORDER BY size")
	if err != nil {
		return nil, fmt.Errorf("store: reading checkpoints: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c audit.Checkpoint
		var ms int64
		if err := rows.Scan(&c.Size, &ms, &c.Note); err != nil {
			return nil, fmt.Errorf("store: reading checkpoints: %w", err)
		}
		c.Time = millis(ms)
		all = append(all, c)
	}
	return all, rows.Err()
}

// checkNewest refuses to continue a log that is not the one its newest checkpoint fixed.
func (s *Store) checkNewest(ctx context.Context, q querier, head *audit.Head) error {
	var text string
	err := q.QueryRowContext(ctx, "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("store: reading the newest checkpoint: %w", err)
	}
	public, err := readPublic(s.keysPath())
	if err != nil {
		return err
	}
	size, root, err := audit.OpenCheckpoint(text, public)
	if err != nil {
		return fmt.Errorf("store: the newest checkpoint: %w", err)
	}
	if size > head.Size() {
		return fmt.Errorf("store: the log was cut: its newest checkpoint has %d entries, the log has %d; restore the state from a backup", size, head.Size())
	}
	then, err := audit.OpenHead(size, storedHashes{ctx, q})
	if err != nil {
		return err
	}
	if then.Root() != root {
		return fmt.Errorf("store: the log was changed below entry %d: it is not the one its newest checkpoint fixed; run sallyport audit verify --state %s", size, s.cfg.Dir)
	}
	return nil
}
