package policy

import (
	"container/list"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
)

// cacheSize is how many decisions an engine remembers; maxKey bounds what one costs (a call about very many objects is decided each time).
const (
	cacheSize = 4096
	maxKey    = 4 << 10 // bytes
)

// cache remembers decisions of one engine, and so of one revision, by everything that decided; the least recently used goes first. Only
// decisions without an approval are kept, and only of modules that cannot see what is not in the key (see modules.blind). A nil cache
// remembers nothing. Safe for concurrent use.
type cache struct {
	mu    sync.Mutex
	byKey map[string]*list.Element // guarded by mu
	used  *list.List               // guarded by mu; of *remembered, the latest first
}

type remembered struct {
	key      string
	decision Decision // never changed, never handed out
}

func newCache() *cache { return &cache{byKey: map[string]*list.Element{}, used: list.New()} }

func (c *cache) get(key []byte) (Decision, bool) {
	if c == nil || len(key) == 0 {
		return Decision{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[string(key)]
	if !ok {
		return Decision{}, false
	}
	c.used.MoveToFront(e)
	return e.Value.(*remembered).decision.clone(), true
}

func (c *cache) put(key []byte, d Decision) {
	if c == nil || len(key) == 0 {
		return
	}
	r := &remembered{string(key), d.clone()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[r.key]; ok {
		return // another call was as fast, and was told the same
	}
	c.byKey[r.key] = c.used.PushFront(r)
	if c.used.Len() > cacheSize {
		oldest := c.used.Remove(c.used.Back()).(*remembered)
		delete(c.byKey, oldest.key)
	}
}

// clone shares nothing: a caller may change what he was given.
func (d Decision) clone() Decision {
	d.Reasons = slices.Clone(d.Reasons)
	if d.Approval != nil {
		a := *d.Approval
		a.From = slices.Clone(a.From)
		d.Approval = &a
	}
	return d
}

// appendKey writes down everything of in that may decide: all of it but Call.ID and Call.Time. Different inputs have different keys, as
// every text and list begins with its length. Empty when the decision is not to be remembered.
func appendKey(dst []byte, in *Input) []byte {
	if in.Approval != nil {
		return nil
	}
	p := &in.Plan
	k := key(dst)
	k.number(int64(in.Version))
	k.texts(in.Call.Tool, in.Principal.Issuer, in.Principal.Subject, in.Principal.Agent, in.Principal.Client, in.Target.Name, in.Target.Kind, in.Target.Environment, p.Effect)
	for _, l := range [...][]string{in.Principal.Groups, in.Target.Labels, p.Unknown, p.Kinds, p.Functions} {
		k.list(l)
	}
	k.list(p.External)
	k.claims(in.Principal.Claims)
	k.flags(p.Understood, p.Bounded, p.Reversible, p.Triggers, p.Rows != nil)
	if p.Rows != nil {
		k.number(p.Rows.Exact)
		k.number(p.Rows.Table)
		k.texts(p.Rows.Source)
		k.number(int64(len(p.Rows.Cascade)))
		for _, c := range p.Rows.Cascade {
			k.texts(c.Table)
			k.number(c.Rows)
		}
	}
	k.number(int64(len(p.Objects)))
	for i := range p.Objects {
		o := &p.Objects[i]
		k.texts(o.Type, o.Name, o.Access)
		k.list(o.Columns)
		k.list(o.Labels)
	}
	if len(k) > maxKey {
		return nil
	}
	return k
}

type key []byte

func (k *key) number(n int64) { *k = binary.AppendVarint(*k, n) }

func (k *key) texts(texts ...string) {
	for _, s := range texts {
		*k = append(binary.AppendUvarint(*k, uint64(len(s))), s...)
	}
}

func (k *key) list(l []string) {
	k.number(int64(len(l)))
	k.texts(l...)
}

func (k *key) claims(c Claims) {
	k.number(int64(len(c)))
	for _, name := range slices.Sorted(maps.Keys(c)) {
		k.texts(name, string(c[name]))
	}
}

func (k *key) flags(flags ...bool) {
	for _, f := range flags {
		b := byte(0)
		if f {
			b = 1
		}
		*k = append(*k, b)
	}
}
