package masking

import (
	"slices"
	"sync"
)

// span is a stretch of the scanned text that must not leave.
type span struct {
	start, end int
	kind       kind
}

// scan is the search of one text. Borrowed and released; never shared.
type scan struct {
	t     *table
	key   string // the JSON member the text is the value of, or ""
	src   []byte
	spans []span

	// Up to where src was looked at for each of these; what begins before is part of what was found. They keep time linear.
	digitsDone, keysDone, tokensDone, jwtDone int
	// The word last looked at as a value; none when it ends before it starts.
	wordStart, wordEnd int

	depth       int  // how many encodings were undone to get to src
	encoded     bool // something in src may be the spelling of something else
	view, spare view
	round       []byte // the text of the next round
	plain       []byte // an unescaped JSON string, a decoded segment
	inside      kind   // what a decoded stretch held
	found       [kinds]int64
}

var scans = sync.Pool{New: func() any { return new(scan) }}

func borrow(t *table, key string) *scan {
	s := scans.Get().(*scan)
	s.t, s.key, s.depth = t, key, 0
	return s
}

// release gives s back. Buffers grown by an unusually large text are left to the collector.
func (s *scan) release() {
	if cap(s.round) > 1<<20 || cap(s.view.text) > 1<<18 {
		return
	}
	s.t, s.src, s.key = nil, nil, ""
	scans.Put(s)
}

// find fills s.spans with what must not leave of src, sorted and apart from each other, and reports whether there is any.
// First the text is searched as it is, then, if it may hold encoded characters, what it reads once they are decoded.
func (s *scan) find(src []byte) bool {
	s.spans, s.encoded = s.spans[:0], false
	s.pass(src)
	if s.key != "" {
		s.named(src)
	}
	if s.encoded {
		s.decoded(src)
	}
	if len(s.spans) > 1 {
		s.merge()
	}
	return len(s.spans) > 0
}

// pass searches src as it stands.
func (s *scan) pass(src []byte) {
	s.src, s.digitsDone, s.keysDone, s.tokensDone, s.jwtDone = src, 0, 0, 0, 0
	s.wordStart, s.wordEnd = 0, -1
	for i := s.t.next(src, 0); i < len(src); i = s.t.next(src, i+2) {
		b := &s.t.buckets[s.t.pair[pairAt(src, i)]]
		if b.flags != 0 {
			if b.flags&flagDigits != 0 && i >= s.digitsDone && i+1 < len(src) && (isDigit(src[i]) || isDigit(src[i+1])) {
				s.numbers(i)
				if skip := (s.digitsDone - i) &^ 1; !s.t.numeric && skip > 2 && i+skip < len(src) {
					i += skip - 2 // on to the pair that holds the byte after the numbers
					continue
				}
			}
			if b.flags&flagAt != 0 {
				if src[i] == '@' {
					s.address(i)
				} else if i+1 < len(src) && src[i+1] == '@' {
					s.address(i + 1)
				}
			}
			if b.flags&flagView != 0 && !s.encoded {
				s.encoded = spells(src, i) || i+1 < len(src) && spells(src, i+1)
			}
		}
		for _, p := range b.places {
			if at := i - p.off; at >= 0 && at+len(p.text) <= len(src) && p.stands(src, at) {
				s.act(p.literal, at)
			}
		}
	}
	s.runs(src)
}

func (l *literal) stands(src []byte, at int) bool {
	if l.fold {
		return hasFold(src, at, l.text)
	}
	return string(src[at:at+len(l.text)]) == l.text
}

// add notes that src[start:end] must not leave.
func (s *scan) add(start, end int, k kind) {
	if start < end && !s.t.off[k] {
		s.spans = append(s.spans, span{start, end, k})
	}
}

// merge sorts the spans and joins those that overlap: nothing one of them covers may show because of another. The joint
// span takes the kind of the longest, or, of equals, of the one that takes precedence.
func (s *scan) merge() {
	slices.SortFunc(s.spans, func(a, b span) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	out := s.spans[:1]
	longest := s.spans[0].end - s.spans[0].start
	for _, n := range s.spans[1:] {
		last := &out[len(out)-1]
		if n.start >= last.end {
			out = append(out, n)
			longest = n.end - n.start
			continue
		}
		if l := n.end - n.start; l > longest || l == longest && n.kind < last.kind {
			longest, last.kind = l, n.kind
		}
		last.end = max(last.end, n.end)
	}
	s.spans = out
}

// replace appends src to dst with the spans replaced, and counts them in m.
func (s *scan) replace(dst, src []byte, m *Mask) []byte {
	s.found = [kinds]int64{}
	from := 0
	for _, p := range s.spans {
		dst = append(dst, src[from:p.start]...)
		dst = append(dst, placeholders[p.kind]...)
		from = p.end
		s.found[p.kind]++
	}
	for k, n := range s.found {
		if n > 0 {
			m.count(classNames[k], WhyDetected, n)
		}
	}
	return append(dst, src[from:]...)
}
