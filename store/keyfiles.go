package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sallyport/audit"
)

// keyFiles are the secrets of a state directory, each one line of text in DIR/keys with mode 0600. They are made at the first
// start and never again: a state whose keys are gone is refused, because new keys would hide that the old bodies cannot be opened.
type keyFiles struct {
	master  audit.Key     // wraps the data keys
	masking audit.Key     // of pseudonyms
	signer  *audit.Signer // of checkpoints
}

const (
	masterFile  = "master.key"
	maskingFile = "masking.key"
	signingFile = "checkpoint.key"
	publicFile  = "checkpoint.pub"
)

// openKeys reads the keys of dir; when fresh is true, those that are missing are made first. origin names the log in its checkpoints.
func openKeys(dir, origin string, fresh bool) (*keyFiles, error) {
	dir = filepath.Join(dir, keysDir)
	if fresh {
		if err := makeKeys(dir, origin); err != nil {
			return nil, err
		}
	}
	var k keyFiles
	var err error
	if k.master, err = readKey(dir, masterFile); err != nil {
		return nil, err
	}
	if k.masking, err = readKey(dir, maskingFile); err != nil {
		return nil, err
	}
	private, err := readSecret(dir, signingFile)
	if err != nil {
		return nil, err
	}
	public, err := readPublic(dir)
	if err != nil {
		return nil, err
	}
	k.signer, err = audit.OpenSigner(private, public)
	return &k, err
}

func makeKeys(dir, origin string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("store: keys: %w", err)
	}
	for _, name := range []string{masterFile, maskingFile} {
		k := audit.NewKey()
		if err := writeOnce(dir, name, hex.EncodeToString(k[:])); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(dir, publicFile)); err == nil {
		return nil // written last, so the private one is there as well
	}
	private, public, err := audit.NewSigningKey(origin)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, signingFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store: keys: %w", err) // half a pair, of a start that was interrupted
	}
	if err := writeOnce(dir, signingFile, private); err != nil {
		return err
	}
	return writeOnce(dir, publicFile, public)
}

// writeOnce makes a file durable under its name, or leaves the one that is there. A crash leaves the whole file or none.
func writeOnce(dir, name, line string) error {
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("store: keys: %w", err)
	}
	_, err = f.WriteString(line + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("store: keys: %w", err)
	}
	return nil
}

func readKey(dir, name string) (k audit.Key, err error) {
	line, err := readSecret(dir, name)
	if err != nil {
		return k, err
	}
	b, err := hex.DecodeString(line)
	if err != nil || len(b) != len(k) {
		return k, fmt.Errorf("store: %s is not a key of %d bytes in hex: restore it from a backup", filepath.Join(dir, name), len(k))
	}
	copy(k[:], b)
	return k, nil
}

func readSecret(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("store: %s is missing: restore it from a backup of the state directory", path)
	}
	if err != nil {
		return "", fmt.Errorf("store: keys: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("store: others can read %s (mode %04o): run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("store: keys: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// readPublic reads the public key, which is no secret: a copy of the state for an auditor holds it and none of the others.
func readPublic(dir string) (string, error) {
	path := filepath.Join(dir, publicFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("store: the public key that checkpoints verify with: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
