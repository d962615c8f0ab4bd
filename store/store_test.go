package store

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
)

var (
	ctx = context.Background()
	ann = approvals.Identity{Issuer: "https://idp", Subject: "ann"}
)

func config(dir string) Config {
	return Config{Dir: dir, Origin: "https://gateway.test", Now: time.Now, Log: slog.New(slog.DiscardHandler), ReplayWindow: time.Hour}
}

// open opens a store and closes it with the test.
func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return s
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := open(t, config(dir))
	if err := s.Append(ctx, record(audit.KindConfig, "")); err != nil {
		t.Fatal(err)
	}
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			t.Fatal(err)
		}
		info, err := d.Info()
		if err != nil {
			t.Fatal(err)
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %04o, want %04o", path, info.Mode().Perm(), want)
		}
		return nil
	})
}

func TestTwoGatewaysNeverShareADirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	if _, err := Open(ctx, config(dir)); !errors.Is(err, ErrLocked) {
		t.Fatalf("second Open = %v, want ErrLocked", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, config(dir))
}

func TestOpenRefuses(t *testing.T) {
	used := func(t *testing.T) string {
		dir := t.TempDir()
		s := open(t, config(dir))
		if err := s.Append(ctx, record(audit.KindConfig, "")); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"a directory others can read", func(t *testing.T, dir string) { os.Chmod(dir, 0o750) }, "chmod 700"},
		{"a key others can read", func(t *testing.T, dir string) { os.Chmod(filepath.Join(dir, keysDir, masterFile), 0o640) }, "chmod 600"},
		{"a missing master key", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, keysDir, masterFile)) }, "restore it from a backup"},
		{"a missing signing key", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, keysDir, signingFile)) }, "restore it from a backup"},
		{"half a key", func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, keysDir, maskingFile), []byte("abcd\n"), 0o600)
		}, "not a key"},
		{"a schema of a newer program", func(t *testing.T, dir string) { edit(t, dir, "PRAGMA user_version = 99") }, "newer sallyport"},
		{"entries without their tree", func(t *testing.T, dir string) { edit(t, dir, "DELETE FROM tree") }, "somebody changed the state"},
		{"a log that was cut below its checkpoint", func(t *testing.T, dir string) { edit(t, dir, "DELETE FROM tree; DELETE FROM entries") }, "the log was cut"},
		{"a tree that is not the one that was signed", func(t *testing.T, dir string) { edit(t, dir, "UPDATE tree SET hashes = randomblob(32)") }, "the log was changed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := used(t)
			tt.spoil(t, dir)
			s, err := Open(ctx, config(dir))
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
		})
	}
}

func TestAConfigWithoutItsParts(t *testing.T) {
	for _, spoil := range []func(*Config){
		func(c *Config) { c.Dir = "" }, func(c *Config) { c.Origin = "" }, func(c *Config) { c.Origin = "two words" }, func(c *Config) { c.Now = nil },
		func(c *Config) { c.Log = nil }, func(c *Config) { c.ReplayWindow = 0 },
	} {
		cfg := config(filepath.Join(t.TempDir(), "state"))
		spoil(&cfg)
		if s, err := Open(ctx, cfg); err == nil {
			s.Close()
			t.Errorf("opened %+v", cfg)
		}
	}
}

func TestKeysStayTheSame(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	key := string(s.MaskingKey())
	if len(key) != 32 {
		t.Fatalf("masking key has %d bytes", len(key))
	}
	s.Close()
	if again := open(t, config(dir)); string(again.MaskingKey()) != key {
		t.Error("pseudonyms change with a restart")
	}
}

func TestAnInterruptedFirstStartIsContinued(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := prepareDir(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := openKeys(dir, "https://gateway.test", true); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, keysDir, publicFile)) // as if stopped between the halves of the pair
	open(t, config(dir))
}

// edit changes the database behind the store's back.
func edit(t *testing.T, dir, script string) {
	t.Helper()
	db, err := openDB(filepath.Join(dir, databaseFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(script); err != nil {
		t.Fatal(err)
	}
}
