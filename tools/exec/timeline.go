package exec

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// Bounds of a timeline: what arrives within grain of each other is one event.
const (
	grain     = 50 * time.Millisecond
	maxEvents = 200
)

// event is a piece of one stream and when it came.
type event struct {
	at     time.Duration // since the command was sent
	stream string        // o for stdout, e for stderr
	bytes  int
}

// timeline is how the output came: enough to replay the recorded, masked output in its rhythm (asciicast).
type timeline struct {
	began time.Time

	mu     sync.Mutex
	events []event // guarded by mu
	grain  time.Duration
}

func newTimeline(began time.Time) *timeline { return &timeline{began: began, grain: grain} }

// add notes n bytes of a stream. When there are too many events, neighbours are joined and the grain gets coarser.
func (t *timeline) add(now time.Time, stream string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := event{now.Sub(t.began), stream, n}
	if t.join(e) {
		return
	}
	if len(t.events) == maxEvents {
		old := t.events
		t.grain *= 2
		t.events = nil
		for _, o := range old {
			if !t.join(o) {
				t.events = append(t.events, o)
			}
		}
		if t.join(e) {
			return
		}
		if len(t.events) == maxEvents { // streams that alternate: the rhythm is lost, the order of the rest is kept
			t.events[maxEvents-1].bytes += n
			return
		}
	}
	t.events = append(t.events, e)
}

func (t *timeline) join(e event) bool {
	if len(t.events) == 0 {
		return false
	}
	last := &t.events[len(t.events)-1]
	if last.stream != e.stream || e.at-last.at > t.grain {
		return false
	}
	last.bytes += e.bytes
	return true
}

// rendered is the timeline in lengths of the masked streams: [[seconds, "o" or "e", bytes], ...]. Nil for fewer than two
// events: the output then came at once.
func (t *timeline) rendered(raw, masked map[string][]byte) json.RawMessage {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events) < 2 {
		return nil
	}
	seen, shown := map[string]int{}, map[string]int{}
	var out bytes.Buffer
	for _, e := range t.events {
		seen[e.stream] += e.bytes
		end := aligned(raw[e.stream], masked[e.stream], seen[e.stream])
		n := end - shown[e.stream]
		if n <= 0 {
			continue
		}
		shown[e.stream] = end
		if out.Len() > 0 {
			out.WriteByte(',')
		}
		b, _ := json.Marshal([]any{float64(e.at.Milliseconds()) / 1000, e.stream, n}) // a number, a string, a number: cannot fail
		out.Write(b)
	}
	return slices.Concat([]byte("["), out.Bytes(), []byte("]"))
}

// aligned is the place in masked that belongs to the place at in raw: the same when nothing was replaced before it, else
// the end of the same line when lines were kept, else in proportion. It is for showing only.
func aligned(raw, masked []byte, at int) int {
	at = min(at, len(raw))
	switch {
	case len(raw) == 0 || len(masked) == 0:
		return 0
	case at == len(raw):
		return len(masked)
	case at <= len(masked) && bytes.Equal(raw[:at], masked[:at]):
	case bytes.Count(raw, []byte("\n")) == bytes.Count(masked, []byte("\n")):
		lines, end := bytes.Count(raw[:at], []byte("\n")), 0
		for range lines {
			end += bytes.IndexByte(masked[end:], '\n') + 1
		}
		return end
	default:
		at = len(masked) * at / len(raw)
	}
	for at < len(masked) && !utf8.RuneStart(masked[at]) {
		at++
	}
	return at
}
