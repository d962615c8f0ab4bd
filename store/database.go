package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// openWriter opens the one connection that writes: write-ahead log, and every commit on disk before it is acknowledged.
func openWriter(ctx context.Context, dir string) (*sql.DB, *sql.Conn, error) {
	path := filepath.Join(dir, databaseFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite gives its other files the mode of this one
	if err != nil {
		return nil, nil, fmt.Errorf("store: %w", err)
	}
	if err := errors.Join(f.Close(), syncDir(dir)); err != nil {
		return nil, nil, fmt.Errorf("store: %w", err)
	}
	sqlite.Fdatasync(true) // durable all the same, and half the price; where it does not exist fsync stays
	db, err := openDB(path, url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"5000"}, "_foreign_keys": {"1"},
		"_pragma": {"secure_delete(1)", "cell_size_check(1)"}, "_dqs": {"0"},
	})
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, nil, fmt.Errorf("store: %s: %w", path, err)
	}
	return db, conn, nil
}

// readers is how many transactions read at once.
const readers = 4

// openReaders opens connections that cannot write.
func openReaders(dir string, more url.Values) (*sql.DB, error) {
	q := url.Values{"mode": {"ro"}, "_query_only": {"1"}, "_busy_timeout": {"5000"}, "_dqs": {"0"}}
	for k, v := range more {
		q[k] = v
	}
	db, err := openDB(filepath.Join(dir, databaseFile), q)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return db, nil
}

func openDB(path string, q url.Values) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", path, err)
	}
	return db, nil
}

// querier is a connection or a transaction to read with.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// reading runs f over one consistent state. f must be short: while it reads, the write-ahead log cannot shrink.
func reading(ctx context.Context, db *sql.DB, f func(querier) error) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer tx.Rollback() // nothing was written
	return f(tx)
}

// errBroken marks a log that cannot be continued.
var errBroken = errors.New("the log cannot be continued")

// engineFailed reports whether err says something of the engine, the disk or the log as a whole; a violated constraint is the
// transaction's own mistake.
func engineFailed(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()&0xff != sqlitelib.SQLITE_CONSTRAINT
	}
	return errors.Is(err, errBroken) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}
