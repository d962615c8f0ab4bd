package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"

	"sallyport/audit"
)

// Verify checks the whole log as it was when it was called: rows against their envelopes, bodies against what was recorded, the stored
// tree, and every checkpoint's signature and root. Calls of this run without an outcome count as running.
func (s *Store) Verify(ctx context.Context) (*audit.Report, error) {
	public, err := readPublic(s.keysPath())
	if err != nil {
		return nil, err
	}
	report, err := verify(ctx, s.readers, public, s.started)
	if err != nil {
		return nil, s.readError(err)
	}
	return report, nil
}

// VerifyDir checks the log of a state directory, or of a copy of one, without changing or locking it. It needs the database with its
// -wal file if there is one, and keys/checkpoint.pub; no secret.
func VerifyDir(dir string) (*audit.Report, error) {
	public, err := readPublic(filepath.Join(dir, keysDir))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, databaseFile)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	var more url.Values
	if _, err := os.Stat(path + "-wal"); errors.Is(err, os.ErrNotExist) {
		more = url.Values{"immutable": {"1"}} // no gateway has it open, and it may be on a read-only medium
	}
	db, err := openReaders(dir, more)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	report, err := verify(context.Background(), db, public, -1)
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", path, err)
	}
	return report, nil
}

// snapshot is what a verification needs to be of one moment. The rows below its size do not change.
type snapshot struct {
	rows        int64 // upper bound of seq
	leaves      int64
	checkpoints []audit.Checkpoint
	running     map[string]bool
}

func takeSnapshot(ctx context.Context, q querier, started int64) (s snapshot, err error) {
	err = q.QueryRowContext(ctx, "SELECT (SELECT coalesce(max(seq) + 1, 0) FROM entries), (SELECT coalesce(max(leaf) + 1, 0) FROM tree)").Scan(&s.rows, &s.leaves)
	if err != nil {
		return s, err
	}
	if s.checkpoints, err = readCheckpoints(ctx, q); err != nil || started < 0 {
		return s, err
	}
	s.running = map[string]bool{}
	rows, err := q.QueryContext(ctx, "SELECT call FROM intents WHERE seq >= ?", started)
	if err != nil {
		return s, err
	}
	defer rows.Close()
	for rows.Next() {
		var call string
		if err := rows.Scan(&call); err != nil {
			return s, err
		}
		s.running[call] = true
	}
	return s, rows.Err()
}

// verify streams the log through audit.Verifier. started is the first entry of the run that is going on, or -1 when none is.
func verify(ctx context.Context, q *sql.DB, public string, started int64) (*audit.Report, error) {
	var snap snapshot
	err := reading(ctx, q, func(q querier) (err error) {
		snap, err = takeSnapshot(ctx, q, started)
		return err
	})
	if err != nil {
		return nil, err
	}
	v := audit.NewVerifier(public, snap.checkpoints)
	for next, more := int64(math.MinInt64), true; more; {
		if next, more, err = verifyPage(ctx, q, v, next, snap.rows); err != nil {
			return nil, err
		}
	}
	var running func(string) bool
	if started >= 0 {
		running = func(call string) bool { return snap.running[call] }
	}
	return v.Finish(snap.checkpoints, snap.leaves, running), nil
}

// verifyPage checks one page of rows and returns where the next begins. Between pages nothing is held open.
func verifyPage(ctx context.Context, q querier, v *audit.Verifier, from, to int64) (next int64, more bool, err error) {
	rows, err := q.QueryContext(ctx, `SELECT seq, time, kind, call, subject, tool, target, envelope, sealed, hashes
		FROM entries LEFT JOIN tree ON leaf = seq WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?`, from, to, pageSize)
	if err != nil {
		return 0, false, err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var row audit.Row
		var c columns
		var hashes []byte
		if err := rows.Scan(&row.Seq, &c.time, &c.kind, &c.call, &c.subject, &c.tool, &c.target, &row.Envelope, &row.Body, &hashes); err != nil {
			return 0, false, err
		}
		row.Stored = splitHashes(hashes)
		if e := v.Add(row); columnsOf(&e) != c {
			v.Fail("entry %d: the columns it is searched by say something else than its envelope", row.Seq)
		}
		next = row.Seq + 1
		n++
	}
	return next, n == pageSize, rows.Err()
}

func (s *Store) keysPath() string { return filepath.Join(s.cfg.Dir, keysDir) }
