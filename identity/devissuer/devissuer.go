// Package devissuer answers: who signs tokens when there is no identity provider at hand?
//
// It is a small but real OpenID Connect issuer for demonstrations and tests: discovery, a JWK set whose keys rotate, a
// token endpoint, and a way to mint any token, also ones no honest issuer would sign. Never use it in production: it gives
// every caller in the process any identity it asks for, keeps keys in memory and lets anybody log in as any of its people. It listens on loopback
// only and refuses any other address.
package devissuer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options of an issuer. The zero value is good.
type Options struct {
	Addr     string            // loopback host and port; "127.0.0.1:0"
	Alg      string            // RS256, ES256 or EdDSA; ES256
	Lifetime time.Duration     // of tokens that do not say; 10m
	Clients  map[string]Client // by client id: who may use the token endpoint
	People   map[string]Claims // by sub: who can log in at /authorize, and the further claims of their ID tokens
	Now      func() time.Time  // nil means time.Now
}

// Issuer is a running issuer. Safe for concurrent use.
type Issuer struct {
	url      string
	now      func() time.Time
	lifetime time.Duration
	server   *http.Server
	served   chan struct{} // closed when the server's goroutine has ended

	mu      sync.Mutex
	keys    []key             // guarded by mu; the last one signs
	made    int               // keys ever made, to name them. Guarded by mu
	clients map[string]Client // guarded by mu
	people  map[string]Claims // read-only after New
	codes   map[string]login  // guarded by mu
	down    bool              // guarded by mu
	fetches int               // answers to requests for the JWK set, refusals included. Guarded by mu
}

// Start listens and serves until Close. ctx only bounds starting.
func Start(ctx context.Context, o Options) (*Issuer, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if !loopback(o.Addr) {
		return nil, errors.New("devissuer: addr is not a loopback IP address and port; this issuer is for demonstrations and tests")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("devissuer: %w", err)
	}
	i, err := New("http://"+l.Addr().String(), o)
	if err != nil {
		l.Close()
		return nil, err
	}
	i.server = &http.Server{Handler: i.Handler(), ReadHeaderTimeout: 5 * time.Second}
	i.served = make(chan struct{})
	go func() {
		defer close(i.served)
		i.server.Serve(l)
	}()
	return i, nil
}

// New is an issuer that does not listen: its URL is url, and somebody else serves [Issuer.Handler].
func New(url string, o Options) (*Issuer, error) {
	i := &Issuer{url: url, now: o.Now, lifetime: o.Lifetime, clients: map[string]Client{}, people: o.People, codes: map[string]login{}}
	if i.now == nil {
		i.now = time.Now
	}
	if i.lifetime == 0 {
		i.lifetime = 10 * time.Minute
	}
	if o.Alg == "" {
		o.Alg = "ES256"
	}
	for id, c := range o.Clients {
		i.clients[id] = c
	}
	if err := i.Rotate(o.Alg, false); err != nil {
		return nil, err
	}
	return i, nil
}

// URL is the issuer identifier, the iss of its tokens.
func (i *Issuer) URL() string { return i.url }

// Register adds or replaces a client of the token endpoint.
func (i *Issuer) Register(id string, c Client) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clients[id] = c
}

// Down makes every endpoint answer 503, or work again.
func (i *Issuer) Down(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// Fetches is how often the JWK set was asked for.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// Close stops serving and waits for it. It may be called more than once.
func (i *Issuer) Close() error {
	if i.server == nil {
		return nil
	}
	err := i.server.Close()
	<-i.served
	return err
}

// loopback reports whether addr is a loopback IP address and a port. No names: what they mean is somebody else's decision.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
