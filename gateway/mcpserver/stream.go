package mcpserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// writeWithin bounds one write: a client that does not read is hung up on, however long its call may take.
const writeWithin = 15 * time.Second

// stream writes one answer: a single JSON object, or, from the first thing that has to be said before it, an event
// stream. Only touched by the request's goroutine.
type stream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	id    []byte
	token []byte // the client's progress token, raw; nil when it wants none
	sse   bool
	n     int   // progress so far
	err   error // the first failed write; nothing is written after it
}

func newStream(w http.ResponseWriter, id, token []byte) *stream {
	return &stream{w: w, rc: http.NewResponseController(w), id: id, token: token}
}

// progress says what is being waited for. Without a progress token it is a comment, which only keeps the line alive.
func (s *stream) progress(message string) {
	if s.token == nil {
		s.open()
		s.write([]byte(": waiting\n\n"))
		return
	}
	s.n++
	text, _ := json.Marshal(message) // a string always marshals
	s.event([]byte(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":`), s.token,
		[]byte(`,"progress":`), strconv.AppendInt(nil, int64(s.n), 10), []byte(`,"message":`), text, []byte(`}}`))
}

// event writes one message, given in pieces, to the event stream.
func (s *stream) event(pieces ...[]byte) {
	s.open()
	out := [][]byte{[]byte("event: message\ndata: ")}
	for _, p := range pieces {
		if bytes.ContainsAny(p, "\r\n") { // white space between JSON tokens; in an event stream a line end is framing
			p = bytes.ReplaceAll(bytes.ReplaceAll(p, []byte("\r"), []byte(" ")), []byte("\n"), []byte(" "))
		}
		out = append(out, p)
	}
	s.write(append(out, []byte("\n\n"))...)
}

// open turns the answer into an event stream; the headers leave with the first event.
func (s *stream) open() {
	if s.sse {
		return
	}
	s.sse = true
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	s.w.WriteHeader(http.StatusOK)
}

// finish writes the answer itself, given in pieces, and nothing can follow.
func (s *stream) finish(status int, pieces ...[]byte) {
	if s.sse {
		s.event(pieces...)
	} else {
		n := 0
		for _, p := range pieces {
			n += len(p)
		}
		h := s.w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(n))
		s.w.WriteHeader(status)
		s.write(pieces...)
	}
	_ = s.rc.SetWriteDeadline(time.Time{}) // the connection's next request starts without one
}

func (s *stream) write(pieces ...[]byte) {
	if s.err != nil {
		return
	}
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeWithin)) // a writer that knows no deadlines has none to miss
	for _, p := range pieces {
		if _, s.err = s.w.Write(p); s.err != nil {
			return
		}
	}
	s.err = s.rc.Flush()
}

// fail answers a refusal, before there is a stream.
func fail(w http.ResponseWriter, status int, id []byte, code int, message string) {
	(&fault{Code: code, Message: message}).write(w, status, id)
}

func (f *fault) write(w http.ResponseWriter, status int, id []byte) {
	newStream(w, id, nil).finish(status, f.encode(id)...)
}

func (f *fault) encode(id []byte) [][]byte {
	if id == nil {
		id = []byte("null")
	}
	e, err := json.Marshal(f)
	if err != nil {
		e = []byte(`{"code":-32603,"message":"internal error"}`)
	}
	return [][]byte{[]byte(`{"jsonrpc":"2.0","id":`), id, []byte(`,"error":`), e, []byte("}\n")}
}
