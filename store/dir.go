package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of a state directory.
const (
	databaseFile = "state.db"
	lockFile     = "lock"
	keysDir      = "keys"
)

// prepareDir makes the state directory, or checks that nobody but the owner reaches into one that exists.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("store: state directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("store: state directory: %w", err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	content, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("store: state directory: %w", err)
	}
	if len(content) > 0 { // perhaps not ours: do not change what others rely on
		return fmt.Errorf("store: others can reach into the state directory %s (mode %04o): run chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	return os.Chmod(dir, 0o700)
}

// ErrLocked is returned by Open for a state directory that another gateway uses.
var ErrLocked = errors.New("another gateway uses this state directory")

// lock is held as long as the store is open. The kernel releases it when the process ends, however it ends.
type lock struct{ file *os.File }

// takeLock takes the directory's lock, or returns ErrLocked at once.
func takeLock(dir string) (*lock, error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: lock file: %w", err)
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("store: %s: %w: stop it, or give this one a state directory of its own", path, err)
	}
	return &lock{f}, nil
}

func (l *lock) release() error { return l.file.Close() }

// isFresh reports whether nothing was ever recorded in dir, so that its keys may be made. A database that is empty with an empty
// write-ahead log is what an interrupted first start leaves.
func isFresh(dir string) (bool, error) {
	for _, name := range []string{databaseFile, databaseFile + "-wal"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("store: %w", err)
		}
		if err == nil && info.Size() > 0 {
			return false, nil
		}
	}
	return true, nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
