package slackfake

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// socket is one Socket Mode connection.
type socket struct {
	number int // counted from 0 over the life of the workspace
	conn   *websocket.Conn

	writing  sync.Mutex // one writer at a time
	halfOpen bool       // guarded by Workspace.mu: no pings, nothing read, and what is written goes nowhere
	leaving  bool       // guarded by Workspace.mu: told to reconnect; gets no new envelopes
	gone     bool       // guarded by Workspace.mu
}

func (s *socket) close() { s.conn.Close() }

func (s *socket) write(v any) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	return s.conn.WriteJSON(v)
}

// ticketLife is how long a URL of apps.connections.open can be dialled.
const ticketLife = 30 * time.Second

func openConnection(w *Workspace, _ *token, _ args) (map[string]any, *apiError) {
	ticket := random(16)
	w.tickets[ticket] = w.now().Add(ticketLife)
	url := "ws" + strings.TrimPrefix(w.server.URL, "http") + "/link/?ticket=" + ticket + "&app_id=" + w.cfg.AppID
	return map[string]any{"url": url}, nil
}

// serveSocket runs one connection until it ends.
func (w *Workspace) serveSocket(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	expires, ok := w.tickets[r.URL.Query().Get("ticket")]
	delete(w.tickets, r.URL.Query().Get("ticket")) // single use
	if !ok || w.now().After(expires) || w.ctx.Err() != nil {
		w.mu.Unlock()
		http.Error(rw, "invalid ticket", http.StatusUnauthorized)
		return
	}
	w.wg.Add(1) // under mu, before Close can wait
	w.mu.Unlock()
	defer w.wg.Done()
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // clients of Slack send Slack's origin
	conn, err := up.Upgrade(rw, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	s := &socket{conn: conn}
	w.mu.Lock()
	if w.ctx.Err() != nil {
		w.mu.Unlock()
		conn.Close()
		return
	}
	s.number = w.nextSocket
	w.nextSocket++
	w.sockets = append(w.sockets, s)
	live := w.liveSockets()
	w.mu.Unlock()

	ctx, stop := context.WithCancel(w.ctx)
	var pinging sync.WaitGroup
	pinging.Go(func() { w.ping(ctx, s) })
	if live > lim("socket.connections") {
		s.write(map[string]any{"type": "disconnect", "reason": "too_many_websockets", "debug_info": map[string]any{"host": "slackfake"}})
	} else {
		s.write(map[string]any{"type": "hello", "num_connections": live, "connection_info": map[string]any{"app_id": w.cfg.AppID},
			"debug_info": map[string]any{"host": "slackfake", "approximate_connection_time": 18060}})
		w.mu.Lock()
		w.touch()
		w.mu.Unlock()
		w.read(s)
	}
	stop()
	conn.Close()
	pinging.Wait()
	w.mu.Lock()
	s.gone = true
	w.sockets = slices.DeleteFunc(w.sockets, func(o *socket) bool { return o == s })
	w.touch()
	w.mu.Unlock()
}

// ping at once and then at the interval: clients give up a connection that Slack does not ping.
func (w *Workspace) ping(ctx context.Context, s *socket) {
	tick := time.NewTicker(w.cfg.PingInterval)
	defer tick.Stop()
	for {
		w.mu.Lock()
		silent := s.halfOpen
		w.mu.Unlock()
		if !silent && s.conn.WriteControl(websocket.PingMessage, []byte("Ping from slackfake"), time.Now().Add(time.Second)) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// read takes acknowledgements until the connection ends.
func (w *Workspace) read(s *socket) {
	for {
		_, data, err := s.conn.ReadMessage()
		if err != nil {
			return
		}
		var answer struct {
			EnvelopeID string         `json:"envelope_id"`
			Payload    map[string]any `json:"payload"`
		}
		if len(data) >= lim("socket.response.bytes") {
			continue // real Slack drops it without a word
		}
		d := json.NewDecoder(strings.NewReader(string(data)))
		d.UseNumber()
		if err := d.Decode(&answer); err != nil {
			continue
		}
		w.mu.Lock()
		if delivery := w.deliveries[answer.EnvelopeID]; delivery != nil && !s.halfOpen {
			delivery.acked(answer.Payload)
		}
		w.mu.Unlock()
	}
}

// liveSockets counts those that could get an envelope. mu is held.
func (w *Workspace) liveSockets() int {
	n := 0
	for _, s := range w.sockets {
		if !s.leaving && !s.gone {
			n++
		}
	}
	return n
}

// pickSocket is where Slack sends the next envelope: one of the connections, each in turn. It does not know which are half open.
// mu is held.
func (w *Workspace) pickSocket() *socket {
	for range w.sockets {
		s := w.sockets[0]
		w.sockets = append(w.sockets[1:], s)
		if !s.leaving && !s.gone {
			return s
		}
	}
	return nil
}

// Connections is the number of sockets that can get an envelope.
func (w *Workspace) Connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.liveSockets()
}

// WaitConnections waits until exactly n sockets can get an envelope.
func (w *Workspace) WaitConnections(ctx context.Context, n int) error {
	return w.wait(ctx, "Socket Mode connections", func() bool { return w.liveSockets() == n })
}

// Dialled is how many Socket Mode connections there ever were: it grows when a client comes back.
func (w *Workspace) Dialled() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nextSocket
}

// WaitDialled waits for the n-th connection ever to be open.
func (w *Workspace) WaitDialled(ctx context.Context, n int) error {
	return w.wait(ctx, "another Socket Mode connection", func() bool { return w.nextSocket >= n && w.liveSockets() > 0 })
}

// Reasons Slack gives when it ends a connection.
const (
	Warning       = "warning"           // the container goes away in about ten seconds; the connection still works
	RefreshNeeded = "refresh_requested" // the connection is old; it is closed right after
	LinkDisabled  = "link_disabled"     // Socket Mode was turned off; closed right after
)

// Disconnect tells every connection to go, for this reason.
func (w *Workspace) Disconnect(reason string) {
	w.mu.Lock()
	leaving := slices.Clone(w.sockets)
	for _, s := range leaving {
		s.leaving = reason != Warning
	}
	w.mu.Unlock()
	for _, s := range leaving {
		s.write(map[string]any{"type": "disconnect", "reason": reason, "debug_info": map[string]any{"host": "slackfake"}})
		if reason != Warning {
			s.writing.Lock()
			s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
			s.writing.Unlock()
		}
	}
}

// Cut ends every connection without a word, as a network does.
func (w *Workspace) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sockets {
		s.leaving = true
		s.close()
	}
}

// HalfOpen makes every present connection dead without telling anybody: no more pings, nothing arrives on either side, and Slack
// still counts it.
func (w *Workspace) HalfOpen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sockets {
		s.halfOpen = true
	}
}
