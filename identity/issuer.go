package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

const (
	waitForKeys = 3 * time.Second // a token waits this long for keys to be fetched
	maxBackoff  = time.Minute
)

// issuer is one configured issuer and the keys it publishes. Its goroutine, run, is the only one that talks to it; callers
// read what it found, and may ask for a fetch, at most one per refetch.
type issuer struct {
	Issuer // as configured, with defaults; read-only after New

	name    string // its place in the configuration, for messages
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger
	refresh time.Duration
	refetch time.Duration
	stale   time.Duration
	closed  <-chan struct{}

	keys    atomic.Pointer[keySet]    // nil before the first good fetch; replaced only by a different set
	fetched atomic.Pointer[time.Time] // of the last good fetch; set after keys. Its monotonic reading outlives a clock that is set back

	login atomic.Pointer[oauth2.Endpoint] // where people log in; nil before the first discovery, empty where nobody can

	wake chan struct{} // capacity 1; sent to under mu, and only when running was nil

	mu      sync.Mutex
	running chan struct{} // closed when the fetch that is running or asked for has ended; nil when none is. Guarded by mu
	asked   time.Time     // when a token last asked for a fetch. Guarded by mu
	failed  error         // of the last fetch: nil or a *fetchError. Guarded by mu

	jwksURI string // "" when discovery is needed; only touched by run
}

// run keeps the keys fresh until ctx ends.
func (i *issuer) run(ctx context.Context) {
	backoff := time.Second
	for {
		i.begin()
		err := i.fetch(ctx)
		i.end(err)
		wait := i.refresh
		if err != nil {
			wait = min(backoff, i.refresh)
			backoff = min(2*backoff, maxBackoff)
			if ctx.Err() == nil {
				i.log.Warn("issuer unavailable", "issuer", i.name, "url", i.URL, "retry", wait, "error", err)
			}
		} else {
			backoff = time.Second
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-i.wake:
			timer.Stop()
		}
	}
}

func (i *issuer) begin() {
	i.mu.Lock()
	defer i.mu.Unlock()
	select {
	case <-i.wake: // this fetch answers it
	default:
	}
	if i.running == nil {
		i.running = make(chan struct{})
	}
}

func (i *issuer) end(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.failed = err
	close(i.running)
	i.running = nil
}

func (i *issuer) fetch(ctx context.Context) error {
	if i.jwksURI == "" {
		uri, login, err := discover(ctx, i.client, i.URL)
		if err != nil {
			return &fetchError{"discovery document", err}
		}
		i.jwksURI = uri
		i.login.Store(&login)
	}
	set, err := fetchKeys(ctx, i.client, i.jwksURI)
	if err != nil {
		i.jwksURI = "" // it may have moved
		return &fetchError{"signing keys", err}
	}
	// The same set keeps its identity: the cache of verified tokens compares pointers.
	if old := i.keys.Load(); !set.equal(old) {
		i.keys.Store(set)
		i.log.Info("issuer keys read", "issuer", i.name, "url", i.URL, "keys", len(set.keys))
	}
	now := i.now()
	i.fetched.Store(&now)
	return nil
}

// current is the set to verify with; nil when there is none or it is too old to be believed.
func (i *issuer) current(now time.Time) *keySet {
	if at := i.fetched.Load(); at == nil || now.Sub(*at) > i.stale {
		return nil
	}
	return i.keys.Load()
}

// verify returns the signed payload of raw and the key set that verified it, fetching keys once when the token names one
// that is not known. Errors: [ErrSignature], [ErrAlgorithm], [ErrMalformed], [ErrUnavailable].
func (i *issuer) verify(ctx context.Context, raw string) ([]byte, *keySet, error) {
	for try := 0; ; try++ {
		keys, err := i.current(i.now()), errUnknownKey
		if keys != nil {
			var payload []byte
			if payload, err = keys.verify(raw); err == nil {
				return payload, keys, nil
			}
		}
		if err != errUnknownKey {
			return nil, nil, err
		}
		// Twice, because the first may have joined a fetch that had begun before the key was published.
		asked := errTooSoon
		if try < 2 {
			asked = i.ask(ctx)
		}
		if asked != nil {
			return nil, nil, i.unknown(keys, asked)
		}
	}
}

// unknown tells a forged key name from one we could not look up.
func (i *issuer) unknown(keys *keySet, asked error) error {
	if keys == nil {
		return i.unavailable()
	}
	if part := i.missing(); part != "" {
		return fmt.Errorf("%s: the token's key is new and the %s could not be read again: %w", i.name, part, ErrUnavailable)
	}
	if asked != errTooSoon {
		return fmt.Errorf("%s: the token's key is new and the signing keys did not arrive in time: %w", i.name, ErrUnavailable)
	}
	return ErrSignature
}

// missing names what the last fetch could not read; "" when it was good.
func (i *issuer) missing() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var f *fetchError
	if errors.As(i.failed, &f) {
		return f.part
	}
	return ""
}

// fetchError says which part of the issuer failed. Its text, for the log, has the cause and the address.
type fetchError struct {
	part string
	err  error
}

func (e *fetchError) Error() string { return e.part + ": " + e.err.Error() }
func (e *fetchError) Unwrap() error { return e.err }

var (
	errTooSoon = errors.New("the keys were fetched a moment ago")
	errWaited  = errors.New("the keys did not arrive in time")
)

// ask makes run fetch, or joins the fetch that is running, and waits for its end, good or bad. errTooSoon: a token asked less
// than refetch ago (or a stranger with random key names would make us flood the issuer). errWaited: no end in sight.
func (i *issuer) ask(ctx context.Context) error {
	i.mu.Lock()
	running := i.running
	if running == nil {
		now := i.now()
		if since := now.Sub(i.asked); !i.asked.IsZero() && since >= 0 && since < i.refetch {
			i.mu.Unlock()
			return errTooSoon
		}
		i.asked = now
		running = make(chan struct{})
		i.running = running
		i.wake <- struct{}{} // never blocks: empty whenever running is nil
	}
	i.mu.Unlock()

	timer := time.NewTimer(waitForKeys)
	defer timer.Stop()
	select {
	case <-running:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	case <-i.closed:
	}
	return errWaited
}

// ready explains why no token of this issuer can be verified now; nil when they can.
func (i *issuer) ready() error {
	if keys := i.current(i.now()); keys != nil && len(keys.keys) > 0 {
		return nil
	}
	return i.unavailable()
}

// unavailable is never nil.
func (i *issuer) unavailable() error {
	if part := i.missing(); part != "" {
		return fmt.Errorf("%s: its %s could not be read: %w", i.name, part, ErrUnavailable)
	}
	return fmt.Errorf("%s: no signing keys yet: %w", i.name, ErrUnavailable)
}
