// Package masking answers: what may leave?
//
// Two things are told apart. A value from a labelled column is replaced whatever it looks like ([Mask.Labelled]); that is
// complete, because the label comes from where the value was read. Everything else is scanned for what gives itself away
// by its shape ([Mask.Text], [Mask.JSON]); that is good and never complete, because whoever asks can reverse, split or
// encrypt a value before it gets here. Results say which of the two applied.
//
// Promises, each with a test that tries to break it: a secret the gateway holds never leaves in any of the spellings
// listed at [Engine.SetSecrets]; output scans clean, so masking twice changes nothing; JSON stays JSON with its types;
// time is linear in the input.
//
// Detected content is redacted and never pseudonymised: a stable replacement of detected content would let an agent
// compare its own guess ("is it ann@example.com?") with the masked original. Columns do not have that hole, because what
// an agent sends is never replaced by a column's key.
package masking

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// detectors is the version of the detectors: it changes when any of them decides differently, and with it [Engine.Revision].
const detectors = "1"

// minKey is the shortest acceptable Config.Key in bytes.
const minKey = 16

// Config says which detectors run, and with which key columns are pseudonymised.
type Config struct {
	// Off are the classes (see [Classes]) that are not looked for. Secret cannot be off.
	Off []string
	// Key is the installation's masking key, at least 16 random bytes; pseudonyms are stable as long as it stays the same.
	// Empty: a random one, so that pseudonyms end with the process.
	Key []byte
}

// Engine holds the detectors and the secrets of one configuration. Safe for concurrent use.
type Engine struct {
	off      [kinds]bool
	revision string
	// The keys of pseudonyms and of their check letters.
	pseudonyms, checks []byte

	mu    sync.Mutex            // serialises SetSecrets
	table atomic.Pointer[table] // what the scanner looks for; replaced as a whole
}

// New returns an engine that holds no secrets yet. It refuses a class it does not know: a misspelt one would stay on
// although the operator believes otherwise.
func New(cfg Config) (*Engine, error) {
	e := &Engine{}
	for _, class := range cfg.Off {
		k, ok := kindOf(class)
		switch {
		case !ok:
			return nil, fmt.Errorf("masking: there is no detector %q; the detectors are %s", class, strings.Join(Classes(), ", "))
		case k == kindSecret:
			return nil, fmt.Errorf("masking: %q cannot be off: what the gateway itself holds never leaves", class)
		}
		e.off[k] = true
	}
	key := cfg.Key
	if len(key) == 0 {
		key = make([]byte, sha256.Size)
		rand.Read(key) // never fails; crypto/rand ends the program instead
	}
	if len(key) < minKey {
		return nil, fmt.Errorf("masking: the key has %d bytes; at least %d are needed", len(key), minKey)
	}
	e.pseudonyms, e.checks = subkey(key, "pseudonym"), subkey(key, "check")
	h := sha256.New()
	fmt.Fprintf(h, "detectors %s\n", detectors)
	for k, off := range e.off {
		fmt.Fprintf(h, "%s %t\n", kind(k), off)
	}
	e.revision = hex.EncodeToString(h.Sum(nil)[:8])
	e.SetSecrets(nil)
	return e, nil
}

// Revision identifies what the detectors do: the configuration and the version of the code, not the secrets, so that a
// rotated password does not invalidate an approval. 16 hexadecimal digits.
func (e *Engine) Revision() string { return e.revision }

// For returns the mask of one call made in a session; pseudonyms are the same within a session and differ between sessions.
func (e *Engine) For(session string) *Mask { return &Mask{engine: e, session: session} }

// subkey derives the key of one use.
func subkey(key []byte, use string) []byte {
	k, err := hkdf.Key(sha256.New, key, nil, "sallyport masking "+use, sha256.Size)
	if err != nil {
		panic(err) // only for lengths that the hash cannot give
	}
	return k
}
