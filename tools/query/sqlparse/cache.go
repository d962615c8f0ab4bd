package sqlparse

import (
	"container/list"
	"sync"
)

// cache keeps the statements parsed last, by exact text, within a number of bytes. Safe for concurrent use.
type cache struct {
	mu      sync.Mutex
	max     int                      // bytes; below 1 nothing is kept
	used    int                      // guarded by mu
	entries map[string]*list.Element // guarded by mu
	recent  list.List                // of *cached, latest used first; guarded by mu
}

type cached struct {
	sql  string
	st   *Statement
	size int
}

func newCache(maxBytes int) *cache { return &cache{max: maxBytes, entries: map[string]*list.Element{}} }

func (c *cache) get(sql string) *Statement {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[sql]
	if !ok {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cached).st
}

// put keeps st, whose answer was encoded in answerBytes. JSON is about as large as the facts it encodes.
func (c *cache) put(sql string, st *Statement, answerBytes int) {
	size := len(sql) + 2*answerBytes
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[sql]; ok || size > c.max/4 {
		return
	}
	c.entries[sql] = c.recent.PushFront(&cached{sql, st, size})
	for c.used += size; c.used > c.max; {
		oldest := c.recent.Remove(c.recent.Back()).(*cached)
		delete(c.entries, oldest.sql)
		c.used -= oldest.size
	}
}
