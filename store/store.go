// Package store answers: what is true, also after a crash?
//
// It is the durable state shared by the stages: the audit log, approval requests and their votes, open intents, and the keys
// bodies are sealed with. One method is one business transaction; when it returns nil, what it did is on disk. State changes and
// the audit entries about them are in the same transaction, so there is neither without the other.
//
// The engine is SQLite: one goroutine writes and commits concurrent transactions together (see writer), others read. One state
// directory belongs to one gateway. It does not decide anything: the rules are approvals' and audit's.
package store

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Config is what Open needs. Fields without a default are required.
type Config struct {
	// Dir is the state directory. It is made with mode 0700; one that exists must be closed to others.
	Dir string
	// Origin names the log in its checkpoints, at the first start; later the log keeps its name. No spaces, no plus.
	Origin string
	Now    func() time.Time
	Log    *slog.Logger
	// ReplayWindow is how long after a call ended Outcome returns its result.
	ReplayWindow time.Duration
	// CheckpointEvery is how many entries may be without a signed checkpoint; default 1000. CheckpointAfter is for how long;
	// default one minute.
	CheckpointEvery int64
	CheckpointAfter time.Duration
}

func (c *Config) check() error {
	switch {
	case c.Dir == "":
		return errors.New("store: no state directory; set state in the configuration")
	case c.Origin == "":
		return errors.New("store: Config.Origin is empty")
	case c.Now == nil || c.Log == nil:
		return errors.New("store: Config.Now and Config.Log are required")
	case c.ReplayWindow <= 0:
		return errors.New("store: Config.ReplayWindow must be more than nothing")
	}
	if c.CheckpointEvery <= 0 {
		c.CheckpointEvery = 1000
	}
	if c.CheckpointAfter <= 0 {
		c.CheckpointAfter = time.Minute
	}
	return nil
}

// Store is an open state directory. Safe for concurrent use.
type Store struct {
	cfg     Config
	lock    *lock
	keys    *keyFiles
	keyring *keyring
	db      *sql.DB
	conn    *sql.Conn // the one that writes
	readers *sql.DB
	writer  *writer
	watches *watches
	started int64 // entries when it was opened: intents before it are of an earlier run

	stopCheckpoints context.CancelFunc
	checkpoints     sync.WaitGroup
	close           func() error // once
}

// Open opens a state directory, or makes one. It returns ErrLocked when another process has it open, and refuses a state that is
// not whole: keys that are missing, a log that does not reach its newest signed checkpoint, a schema of a newer program.
func Open(ctx context.Context, cfg Config) (_ *Store, err error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := prepareDir(cfg.Dir); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, watches: &watches{of: map[string]*watch{}}}
	s.close = sync.OnceValue(s.shut)
	if s.lock, err = takeLock(cfg.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.shut()
		}
	}()
	fresh, err := isFresh(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if s.keys, err = openKeys(cfg.Dir, cfg.Origin, fresh); err != nil {
		return nil, err
	}
	if err := s.openDatabase(ctx); err != nil {
		return nil, err
	}
	s.startCheckpoints()
	return s, nil
}

func (s *Store) openDatabase(ctx context.Context) (err error) {
	if s.db, s.conn, err = openWriter(ctx, s.cfg.Dir); err != nil {
		return err
	}
	if err := migrate(ctx, s.conn); err != nil {
		return err
	}
	if s.readers, err = openReaders(s.cfg.Dir, nil); err != nil {
		return err
	}
	s.keyring = newKeyring(s.keys.master, s.readers)
	w := &writer{
		conn: s.conn, now: s.cfg.Now, keyring: s.keyring, watches: s.watches, health: &health{log: s.cfg.Log},
		queue: make(chan *operation, groupSize), stop: make(chan struct{}), done: make(chan struct{}), appended: make(chan struct{}, 1),
	}
	if w.statements, err = prepare(ctx, s.conn); err != nil {
		return err
	}
	if err := w.loadHead(); err != nil {
		return err
	}
	if err := s.checkNewest(ctx, s.conn, &w.head); err != nil {
		return err
	}
	s.started = w.head.Size()
	s.writer = w
	go w.loop()
	return nil
}

// Close signs a last checkpoint, waits for what is being written, and closes the files. Methods called later return ErrClosed.
func (s *Store) Close() error { return s.close() }

// shut also closes what a failed Open had opened.
func (s *Store) shut() error {
	var errs []error
	if s.stopCheckpoints != nil {
		s.stopCheckpoints()
		s.checkpoints.Wait()
		if _, err := s.Checkpoint(background); err != nil {
			errs = append(errs, fmt.Errorf("the last checkpoint: %w", err))
		}
	}
	if s.writer != nil {
		close(s.writer.stop)
		<-s.writer.done
		s.writer.health.stopTimer()
		errs = append(errs, s.writer.statements.close())
	}
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.conn != nil { // last: closing it folds the write-ahead log into the database
		errs = append(errs, s.conn.Close(), s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}

// Writable says whether records can be made durable: nil, or why the last attempt failed. After a failure it stays that way until a
// probe was written.
func (s *Store) Writable() error {
	select {
	case <-s.writer.stop:
		return ErrClosed
	default:
		return s.writer.health.err()
	}
}

// DeriveKey is a key of 32 bytes for one purpose, the same for everybody who has the state's master key.
func (s *Store) DeriveKey(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, s.keys.master[:], nil, "sallyport "+purpose, 32)
}

// MaskingKey is the key of pseudonyms: 32 bytes, the same as long as the state lives.
func (s *Store) MaskingKey() []byte { return append([]byte(nil), s.keys.masking[:]...) }
