package identity

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	cacheShards = 16
	cacheTokens = 8192 // verified tokens remembered per surface
)

type tokenID [sha256.Size]byte

// cache remembers verified tokens of one surface by their hash; it holds no token. Only a verified token gets in, so
// strangers cannot fill it. Safe for concurrent use.
type cache struct {
	shards [cacheShards]shard
}

type shard struct {
	mu sync.RWMutex
	m  map[tokenID]verified // guarded by mu
}

// verified is one decision and what it rests on.
type verified struct {
	principal *Principal
	since     int64 // Unix ns; not used before it: the clock was set back, and nbf may count again
	until     int64 // Unix ns; not used at or after it
	issuer    *issuer
	keys      *keySet // when the issuer publishes another set, the decision is void
}

func (c *cache) get(id tokenID, now time.Time) *Principal {
	s := &c.shards[id[0]%cacheShards]
	s.mu.RLock()
	v, ok := s.m[id]
	s.mu.RUnlock()
	if ns := now.UnixNano(); !ok || ns < v.since || ns >= v.until || v.issuer.current(now) != v.keys {
		return nil
	}
	return v.principal
}

func (c *cache) put(id tokenID, v verified, now time.Time) {
	s := &c.shards[id[0]%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = make(map[tokenID]verified)
	}
	if _, ok := s.m[id]; !ok && len(s.m) >= cacheTokens/cacheShards {
		s.evict(now)
	}
	s.m[id] = v
}

// evict makes room: a decision that is over, if a few looks find one, else any. Maps iterate in random order.
func (s *shard) evict(now time.Time) {
	var victim tokenID
	looks := 0
	for id, v := range s.m {
		victim = id
		if looks++; looks == 8 || now.UnixNano() >= v.until {
			break
		}
	}
	delete(s.m, victim)
}

// drop forgets a token that is no longer good.
func (c *cache) drop(id tokenID) {
	s := &c.shards[id[0]%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, id)
}
