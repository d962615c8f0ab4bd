package audit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// Key is an AES-256 key: the state's key-encryption key, or the data key of one session.
type Key [32]byte

// NewKey makes a random key.
func NewKey() (k Key) {
	rand.Read(k[:])
	return k
}

// ErrSealed is returned for a sealed body that does not open: another key, or changed bytes.
var ErrSealed = errors.New("the sealed body does not open with this key")

// Encrypt seals plain with AES-256-GCM under k; context binds the ciphertext to its place and must be given again to open.
func (k *Key) Encrypt(plain []byte, context string) []byte {
	aead := k.aead()
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, []byte(context))
}

// Decrypt opens what Encrypt made, or returns ErrSealed.
func (k *Key) Decrypt(sealed []byte, context string) ([]byte, error) {
	aead := k.aead()
	if len(sealed) < aead.NonceSize() {
		return nil, ErrSealed
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(context))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

func (k *Key) aead() cipher.AEAD {
	block, err := aes.NewCipher(k[:])
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCM(block); err == nil {
			return aead
		}
	}
	panic(fmt.Sprintf("audit: AES-256-GCM: %v", err)) // the key has the right size by its type
}

const saltSize = 32

// Seal encrypts a body for the entry with the given id, and returns the ciphertext and what the envelope says of it. Inside are the salt and
// the fields of Body, each after its length; Input only where there is one, so that bodies from before it existed are read the same way.
func Seal(k *Key, b *Body, entryID string) ([]byte, *BodyRef) {
	plain := make([]byte, saltSize, saltSize+16+len(b.Text)+len(b.Claim)+len(b.Result)+len(b.Input))
	rand.Read(plain)
	fields := [][]byte{[]byte(b.Text), []byte(b.Claim), b.Result}
	if len(b.Input) > 0 {
		fields = append(fields, b.Input)
	}
	for _, field := range fields {
		plain = binary.BigEndian.AppendUint32(plain, uint32(len(field)))
		plain = append(plain, field...)
	}
	sealed := k.Encrypt(plain, entryID)
	commit, sum := sha256.Sum256(plain), sha256.Sum256(sealed)
	return sealed, &BodyRef{Commit: hex.EncodeToString(commit[:]), SHA256: hex.EncodeToString(sum[:])}
}

// Open decrypts a body and checks it against what the envelope committed to.
func Open(k *Key, sealed []byte, ref *BodyRef, entryID string) (*Body, error) {
	plain, err := k.Decrypt(sealed, entryID)
	if err != nil {
		return nil, err
	}
	if commit := sha256.Sum256(plain); ref == nil || hex.EncodeToString(commit[:]) != ref.Commit || len(plain) < saltSize {
		return nil, ErrSealed
	}
	var fields [][]byte
	for rest := plain[saltSize:]; len(rest) > 0; {
		if len(rest) < 4 || int(binary.BigEndian.Uint32(rest)) > len(rest)-4 {
			return nil, ErrSealed
		}
		n := int(binary.BigEndian.Uint32(rest))
		fields, rest = append(fields, rest[4:4+n]), rest[4+n:]
		if len(fields) > 4 {
			return nil, ErrSealed
		}
	}
	if len(fields) < 3 || len(fields) == 4 && len(fields[3]) == 0 {
		return nil, ErrSealed
	}
	b := &Body{Text: string(fields[0]), Claim: string(fields[1])}
	if len(fields[2]) > 0 { // none stays nil
		b.Result = fields[2]
	}
	if len(fields) == 4 {
		b.Input = fields[3]
	}
	return b, nil
}
