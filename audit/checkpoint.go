package audit

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Signer signs checkpoints with Ed25519 (C2SP signed note).
type Signer struct {
	origin   string
	signer   note.Signer
	verifier note.Verifier
	public   string
}

// NewSigningKey makes a key pair for a log with the given origin: private and public, each one line of text.
func NewSigningKey(origin string) (private, public string, err error) {
	if origin == "" || !utf8.ValidString(origin) || strings.Contains(origin, "+") || strings.ContainsFunc(origin, unicode.IsSpace) {
		return "", "", fmt.Errorf("audit: %q cannot be the name of a log: no spaces, no plus", origin)
	}
	return note.GenerateKey(rand.Reader, origin)
}

// OpenSigner reads a key pair made by NewSigningKey.
func OpenSigner(private, public string) (*Signer, error) {
	s, err := note.NewSigner(private)
	if err != nil {
		return nil, fmt.Errorf("audit: signing key: %w", err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("audit: public key: %w", err)
	}
	if s.Name() != v.Name() || s.KeyHash() != v.KeyHash() {
		return nil, errors.New("audit: the signing key and the public key are not a pair")
	}
	return &Signer{origin: s.Name(), signer: s, verifier: v, public: public}, nil
}

// Sign makes the checkpoint of a tree: three lines (origin, size, root) and a signature.
func (s *Signer) Sign(size int64, root tlog.Hash) (string, error) {
	msg, err := note.Sign(&note.Note{Text: checkpointText(s.origin, size, root)}, s.signer)
	return string(msg), err
}

func checkpointText(origin string, size int64, root tlog.Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root[:]))
}

// OpenCheckpoint checks a checkpoint's signature against a public key and returns the tree it fixes.
func OpenCheckpoint(checkpoint, public string) (size int64, root tlog.Hash, err error) {
	v, err := note.NewVerifier(public)
	if err != nil {
		return 0, root, fmt.Errorf("audit: public key: %w", err)
	}
	n, err := note.Open([]byte(checkpoint), note.VerifierList(v))
	if err != nil {
		return 0, root, fmt.Errorf("audit: checkpoint signature: %w", err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != v.Name() || lines[3] != "" {
		return 0, root, errors.New("audit: checkpoint text is not origin, size, root")
	}
	if size, err = strconv.ParseInt(lines[1], 10, 64); err != nil || size < 0 {
		return 0, root, errors.New("audit: checkpoint size is not a number")
	}
	b, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(b) != tlog.HashSize {
		return 0, root, errors.New("audit: checkpoint root is not a hash")
	}
	copy(root[:], b)
	if n.Text != checkpointText(v.Name(), size, root) {
		return 0, root, errors.New("audit: checkpoint is not spelled as a gateway spells it")
	}
	return size, root, nil
}
