package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/audit"
)

// dataKey is one key of the keys table: of a session, of an approval request, or of a day for what belongs to neither.
type dataKey struct {
	id      string
	key     audit.Key
	wrapped []byte
	stored  atomic.Bool // its row is durable; until then every transaction that uses the key writes it
}

// keyring opens and makes data keys. Safe for concurrent use.
type keyring struct {
	master audit.Key
	db     *sql.DB // readers

	mu    sync.Mutex
	cache map[string]*dataKey // guarded by mu; a key that is not stored yet is never dropped
}

// keyringSize bounds the cache; a busy gateway has fewer open sessions.
const keyringSize = 4096

func newKeyring(master audit.Key, db *sql.DB) *keyring {
	return &keyring{master: master, db: db, cache: map[string]*dataKey{}}
}

func sessionKeyID(session string) string   { return "session/" + session }
func approvalKeyID(approval string) string { return "approval/" + approval }
func dayKeyID(t time.Time) string          { return "day/" + t.UTC().Format(time.DateOnly) }

// recordKeyID says which key the body of an entry is sealed with.
func recordKeyID(e *audit.Entry, now time.Time) string {
	switch {
	case e.Session != "":
		return sessionKeyID(e.Session)
	case e.Approval != nil && e.Approval.ID != "":
		return approvalKeyID(e.Approval.ID)
	}
	return dayKeyID(now)
}

// get returns the key with the given id. One that does not exist is made.
func (r *keyring) get(ctx context.Context, id string) (*dataKey, error) {
	k, err := r.find(ctx, id)
	if !errors.Is(err, errNoKey) {
		return k, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.cache[id]; ok {
		return k, nil
	}
	k = &dataKey{id: id, key: audit.NewKey()}
	k.wrapped = r.master.Encrypt(k.key[:], "key "+id)
	r.evict()
	r.cache[id] = k
	return k, nil
}

// forget drops a key that turned out not to be the stored one.
func (r *keyring) forget(k *dataKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cache[k.id] == k {
		delete(r.cache, k.id)
	}
}

// errNoKey is find's answer for a key that never was, or was shredded.
var errNoKey = errors.New("no such key")

func (r *keyring) find(ctx context.Context, id string) (*dataKey, error) {
	return r.findWith(ctx, r.db, id)
}

// findWith reads the key, when it is not in the cache, with the connection the caller holds already.
func (r *keyring) findWith(ctx context.Context, q querier, id string) (*dataKey, error) {
	r.mu.Lock()
	k, ok := r.cache[id]
	r.mu.Unlock()
	if ok {
		return k, nil
	}
	k = &dataKey{id: id}
	err := q.QueryRowContext(ctx, "SELECT wrapped FROM keys WHERE id = ?", id).Scan(&k.wrapped)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoKey
	}
	if err != nil {
		return nil, fmt.Errorf("store: reading a data key: %w", err)
	}
	plain, err := r.master.Decrypt(k.wrapped, "key "+id)
	if err != nil || len(plain) != len(k.key) {
		return nil, fmt.Errorf("store: data key %s does not open with %s/%s: %w", id, keysDir, masterFile, audit.ErrSealed)
	}
	copy(k.key[:], plain)
	k.stored.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.cache[id]; ok {
		return other, nil
	}
	r.evict()
	r.cache[id] = k
	return k, nil
}

// evict makes room. The caller holds mu.
func (r *keyring) evict() {
	if len(r.cache) < keyringSize {
		return
	}
	for id, k := range r.cache {
		if k.stored.Load() {
			delete(r.cache, id)
		}
	}
}
