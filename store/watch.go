package store

import "sync"

// watches wakes those who wait for a request to change. Safe for concurrent use.
type watches struct {
	mu sync.Mutex
	of map[string]*watch // by request id; guarded by mu
}

// watch is shared by all who wait for one request until its next change.
type watch struct {
	changed chan struct{}
	waiting int
}

// Watch returns a channel that is closed at the next change of a request: a vote, or a move to another state. Begin to watch, then read
// the request, then wait: a change in between is not missed. stop must be called. The id "" is any request.
func (s *Store) Watch(id string) (changed <-chan struct{}, stop func()) {
	ws := s.watches
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w, ok := ws.of[id]
	if !ok {
		w = &watch{changed: make(chan struct{})}
		ws.of[id] = w
	}
	w.waiting++
	return w.changed, sync.OnceFunc(func() {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		if w.waiting--; w.waiting == 0 && ws.of[id] == w {
			delete(ws.of, id)
		}
	})
}

// changed wakes who watches any of the requests. Called when the change is durable.
func (ws *watches) changed(ids []string) {
	if len(ids) == 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, id := range append(ids, "") {
		if w, ok := ws.of[id]; ok {
			close(w.changed)
			delete(ws.of, id)
		}
	}
}
