package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// sign signs any text with the log's key, to make checkpoints the gateway itself would not.
func sign(t *testing.T, s *Signer, text string) string {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, s.signer)
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

// refOf is the reference Seal would make for a plaintext of its own.
func refOf(plain, sealed []byte) *BodyRef {
	commit, sum := sha256.Sum256(plain), sha256.Sum256(sealed)
	return &BodyRef{Commit: hex.EncodeToString(commit[:]), SHA256: hex.EncodeToString(sum[:])}
}
