package exec

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	keepAlive     = 15 * time.Second // between two signs of life on an open connection
	keepAliveWait = 10 * time.Second // for the answer to one; then the connection is given up
	idleTimeout   = 10 * time.Minute // an unused connection is closed
)

// probeKey is a key nobody has: its private half is never made.
var probeKey = ed25519.PublicKey(make([]byte, ed25519.PublicKeySize))

// host is one target with its open connections.
type host struct {
	Target
	trust, jumpTrust *trust
	log              *slog.Logger
	now              func() time.Time

	logins   chan struct{} // holds a token for each login for one call only that is under way
	dialing  chan struct{} // holds one token while somebody dials; whoever does owns the next two
	failure  error
	failedAt time.Time

	mu     sync.Mutex
	conns  []*conn // guarded by mu
	closed bool    // guarded by mu
	tested tested  // guarded by mu; of logins for one call only
}

// conn is one login that was tested. Its keepAlive goroutine ends with it.
type conn struct {
	client *ssh.Client
	jump   *ssh.Client // nil for a direct connection
	timed  bool        // the login shell's read knows -t
	own    bool        // it serves one call, and takes no other
	gone   chan struct{}
	once   sync.Once
	done   sync.WaitGroup

	// guarded by host.mu
	sessions int
	most     int // of sessions at a time
	used     time.Time
}

func (c *conn) close() {
	c.once.Do(func() {
		close(c.gone)
		c.client.Close()
		if c.jump != nil {
			c.jump.Close()
		}
	})
}

// acquire returns a connection with room for one more command. The caller must release it. One dial at a time: callers that
// waited for it share the connection it made, or its failure.
func (h *host) acquire(ctx context.Context) (*conn, error) {
	if c := h.free(); c != nil {
		return c, nil
	}
	asked := time.Now()
	select {
	case h.dialing <- struct{}{}:
		defer func() { <-h.dialing }()
	case <-ctx.Done():
		return nil, unreachable(problemNetwork, ctx.Err())
	}
	if c := h.free(); c != nil {
		return c, nil
	}
	if h.failure != nil && h.failedAt.After(asked) {
		return nil, h.failure
	}
	c, err := h.dial(ctx)
	if err != nil {
		if ctx.Err() == nil { // a caller that hung up says nothing about the host
			h.failure, h.failedAt = err, time.Now()
		}
		return nil, err
	}
	return c, h.add(c)
}

// add takes c into use, with one command on it.
func (h *host) add(c *conn) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		c.close()
		return unreachable(problemLost, errors.New("the target is closed"))
	}
	c.sessions = 1
	h.conns = append(h.conns, c)
	c.done.Go(func() { h.keep(c) })
	return nil
}

// free takes a place on an open connection, nil when there is none.
func (h *host) free() *conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		if c.sessions < c.most {
			c.sessions++
			return c
		}
	}
	return nil
}

// refused notes that the host takes no more sessions on c than run there now, and gives c back.
func (h *host) refused(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.sessions--
	c.most = max(c.sessions, 1)
}

// release gives a connection back. A broken one takes no further commands, and is closed when the last of its own ended:
// that one command could not be stopped is no reason to end the others.
func (h *host) release(c *conn, broken bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.sessions--
	c.used = time.Now()
	if broken || c.own {
		h.retire(c)
	}
	if c.sessions == 0 && !slices.Contains(h.conns, c) {
		c.close()
	}
}

// retire takes c out of use. The caller holds mu.
func (h *host) retire(c *conn) {
	h.conns = slices.DeleteFunc(h.conns, func(other *conn) bool { return other == c })
}

// drop ends c with everything on it. The caller holds mu.
func (h *host) drop(c *conn) {
	h.retire(c)
	c.close()
}

// keep watches a connection: it asks for signs of life and ends it when it is dead or was idle for long.
func (h *host) keep(c *conn) {
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-c.gone:
			return
		case <-tick.C:
		}
		h.mu.Lock()
		idle := c.sessions == 0 && time.Since(c.used) > idleTimeout
		h.mu.Unlock()
		if idle || !c.alive() {
			h.mu.Lock()
			h.drop(c)
			h.mu.Unlock()
			return
		}
	}
}

func (c *conn) alive() bool {
	answered := make(chan error, 1)
	c.done.Go(func() {
		_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	})
	select {
	case err := <-answered:
		return err == nil
	case <-time.After(keepAliveWait):
		return false
	}
}

func (h *host) close() {
	h.mu.Lock()
	conns := h.conns
	h.conns, h.closed = nil, true
	h.mu.Unlock()
	for _, c := range conns {
		c.close()
	}
	for _, c := range conns {
		c.done.Wait()
	}
}

// dial connects, logs in, and tests that the login shell leaves quoted words alone.
func (h *host) dial(ctx context.Context) (_ *conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := h.login(ctx, func(ctx context.Context, _ net.Conn) ([]ssh.Signer, func(), error) { return h.signers(ctx) })
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.client.Close() })
	defer stop()
	if c.timed, err = selfTest(c.client, selfTestLine()); err != nil {
		c.close()
		return nil, unreachable(problemShell, err)
	}
	return c, nil
}

// login connects, through the jump host where there is one, and proves who the gateway is with what prove makes for the connection.
func (h *host) login(ctx context.Context, prove func(context.Context, net.Conn) ([]ssh.Signer, func(), error)) (_ *conn, err error) {
	c := &conn{gone: make(chan struct{}), used: time.Now(), most: h.MaxSessions}
	dial := (&net.Dialer{}).DialContext
	if h.Jump != nil {
		wire, err := dial(ctx, "tcp", h.Jump.Address)
		if err != nil {
			return nil, unreachable("its jump host: "+problemNetwork, err)
		}
		if c.jump, err = h.Jump.connect(ctx, wire, h.jumpTrust, h.Jump.signers); err != nil {
			return nil, err
		}
		dial = c.jump.DialContext
	}
	defer func() {
		if err != nil && c.jump != nil {
			c.jump.Close()
		}
	}()
	wire, err := dial(ctx, "tcp", h.Address)
	if err != nil {
		return nil, unreachable(problemNetwork, err)
	}
	c.client, err = h.connect(ctx, wire, h.trust, func(ctx context.Context) ([]ssh.Signer, func(), error) { return prove(ctx, wire) })
	if err != nil {
		return nil, err
	}
	return c, nil
}
