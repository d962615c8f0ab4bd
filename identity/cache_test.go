package identity

import (
	"encoding/binary"
	"testing"
	"time"
)

func TestCacheIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	keys := &keySet{}
	iss := &issuer{stale: time.Hour}
	iss.keys.Store(keys)
	iss.fetched.Store(&now)
	var c cache
	put := func(n int, until time.Time) tokenID {
		var id tokenID
		binary.BigEndian.PutUint64(id[8:], uint64(n)) // unlike real hashes, all in one shard: the worst case
		c.put(id, verified{principal: &Principal{}, until: until.UnixNano(), issuer: iss, keys: keys}, now)
		return id
	}
	const perShard = cacheTokens / cacheShards
	for n := range 10 * perShard {
		id := put(n, now.Add(time.Minute))
		if c.get(id, now) == nil {
			t.Fatalf("token %d was not remembered", n)
		}
	}
	if got := len(c.shards[0].m); got != perShard {
		t.Errorf("%d tokens in a shard, want %d", got, perShard)
	}
}
