package masking

import (
	"slices"
	"strings"
	"sync"
)

// Mask is the masking of one call: it replaces and counts. Safe for concurrent use, so that an execution that was given up
// and the answer that says so may both use it.
type Mask struct {
	engine  *Engine
	session string

	mu     sync.Mutex
	counts []Count // guarded by mu
}

// Count is how often one class was replaced, and why: [WhyColumn] or [WhyDetected].
type Count struct {
	Class string
	N     int64
	Why   string
}

// redacted replaces a text that would not come clean; see maxRounds.
const redacted = "[redacted]"

// maxRounds bounds how often a text is scanned until nothing more is found.
const maxRounds = 4

// Text appends src with everything the detectors find replaced by its class in brackets. It allocates nothing when nothing
// is found and dst has room.
func (m *Mask) Text(dst, src []byte) []byte { return m.text(dst, src, "") }

// String is [Mask.Text] for a string.
func (m *Mask) String(s string) string {
	out := m.Text(nil, []byte(s))
	if string(out) == s {
		return s
	}
	return string(out)
}

// Report returns what was replaced so far, sorted by class.
func (m *Mask) Report() []Count {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := slices.Clone(m.counts)
	slices.SortFunc(out, func(a, b Count) int { return strings.Compare(a.Class+" "+a.Why, b.Class+" "+b.Why) })
	return out
}

func (m *Mask) count(class, why string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.counts {
		if m.counts[i].Class == class && m.counts[i].Why == why {
			m.counts[i].N += n
			return
		}
	}
	m.counts = append(m.counts, Count{Class: class, N: n, Why: why})
}

// text masks src as the value of the JSON member key ("" when it is none). Output is scanned again until it is clean: a
// replacement can bring together what was apart before.
func (m *Mask) text(dst, src []byte, key string) []byte {
	t := m.engine.table.Load()
	if key == "" && t.next(src, 0) >= len(src) && nextRun(src, 0) < 0 {
		return append(dst, src...)
	}
	s := borrow(t, key)
	defer s.release()
	at := len(dst)
	for round := 0; ; round++ {
		if !s.find(src) {
			if round == 0 {
				return append(dst, src...)
			}
			return append(dst[:at], src...)
		}
		if round == maxRounds {
			return append(dst[:at], redacted...)
		}
		dst = s.replace(dst[:at], src, m)
		s.round = append(s.round[:0], dst[at:]...)
		src = s.round
	}
}
