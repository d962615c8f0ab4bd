package policy

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// fetchTime bounds one request for a bundle, its body included.
const fetchTime = 30 * time.Second

// BundleConfig is where a remote bundle comes from.
type BundleConfig struct {
	URL       string        // https, or http on loopback
	PublicKey string        // PEM; what the bundle has to be signed by
	Poll      time.Duration // between two requests
	MaxAge    time.Duration // after which a bundle that the server has not confirmed decides nothing any more
	Dir       string        // the last good bundle is kept here; "" keeps none
	Rego      Rego          // further modules, which are compiled with those of the bundle
	Now       func() time.Time
	Log       *slog.Logger
}

// BundleSource keeps the last good bundle of a URL. A bundle is good when it is signed, compiles, passes its tests and is not older than
// the one before. The order of bundles is the revision of their manifests: a whole number, or a time as in RFC 3339. An older
// one, or another one of the same revision, is refused: whoever controls the server could bring back rules that were withdrawn.
// To go back, publish the old rules under a new revision.
//
// Safe for concurrent use.
type BundleSource struct {
	cfg    BundleConfig
	client *http.Client

	mu        sync.RWMutex
	current   *Bundle   // guarded by mu; never nil after OpenBundle
	floor     *Bundle   // guarded by mu; revision and digest that no bundle may be older than; nil when there was none
	etag      string    // guarded by mu
	confirmed time.Time // guarded by mu; when the server last said that current is what it has
}

// saved is what lies beside the last good bundle.
type saved struct {
	Revision  string    `json:"revision"`
	Digest    string    `json:"digest"`
	ETag      string    `json:"etag"`
	Confirmed time.Time `json:"confirmed"`
}

// OpenBundle asks the server for the bundle. When that fails, the last good one of an earlier run is used, as long as it is not older than
// MaxAge; without one it is an error.
func OpenBundle(ctx context.Context, cfg BundleConfig) (*BundleSource, error) {
	s := &BundleSource{cfg: cfg, client: newBundleClient()}
	if cfg.PublicKey == "" {
		return nil, errors.New("policy: a remote bundle without a public key")
	}
	if cfg.Dir != "" {
		if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		if err := s.restore(ctx); err != nil {
			cfg.Log.Warn("the bundle that was kept cannot be used", "err", err)
		}
	}
	_, err := s.Update(ctx)
	if s.current == nil {
		return nil, fmt.Errorf("policy: no bundle: %w", err)
	}
	if stale := s.Fresh(); stale != nil {
		return nil, errors.Join(stale, err)
	}
	if err != nil {
		cfg.Log.Error("the bundle was not updated; the last good one decides", "revision", s.current.Revision, "err", err)
	}
	return s, nil
}

// Modules are those of the bundle in force, and its documents.
func (s *BundleSource) Modules() ([]Module, map[string]any) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.current.Modules, s.current.Data
}

// Revision is that of the bundle in force.
func (s *BundleSource) Revision() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.current.Revision
}

func (c *BundleConfig) with(b *Bundle) *Rego {
	r := c.Rego
	r.Modules = append(append([]Module{}, r.Modules...), b.Modules...)
	r.Data = b.Data
	return &r
}

// Fresh is an error when the server has not confirmed the bundle for longer than MaxAge, or the clock is before the last time it did.
func (s *BundleSource) Fresh() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch age := s.cfg.Now().Sub(s.confirmed); {
	case age > s.cfg.MaxAge:
		return fmt.Errorf("policy: the bundle was last confirmed %s ago, longer than max_age (%s)", age.Round(time.Second), s.cfg.MaxAge)
	case age < -5*time.Minute:
		return errors.New("policy: the bundle was confirmed in the future; set the clock")
	}
	return nil
}

// Run asks the server until ctx ends, and calls activate when the rules in force are not those of the bundle, until it succeeds.
func (s *BundleSource) Run(ctx context.Context, activate func(context.Context) error) {
	tick := time.NewTicker(s.cfg.Poll)
	defer tick.Stop()
	pending := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := s.Update(ctx)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Error("the bundle was not updated; the last good one stays in force", "revision", s.Revision(), "err", err)
		}
		if pending = pending || changed; !pending {
			continue
		}
		if err := activate(ctx); err != nil {
			s.cfg.Log.Error("the new bundle was not activated; it is tried again", "revision", s.Revision(), "err", err)
			continue
		}
		pending = false
		s.cfg.Log.Info("bundle activated", "revision", s.Revision())
	}
}

// Update asks the server once. changed says that another bundle is the last good one now.
func (s *BundleSource) Update(ctx context.Context) (changed bool, err error) {
	s.mu.RLock()
	old, floor, etag := s.current, s.floor, s.etag
	s.mu.RUnlock()
	asked := s.cfg.Now()
	raw, newTag, err := s.fetch(ctx, etag)
	if err != nil {
		return false, err
	}
	if raw == nil {
		if old == nil {
			return false, errors.New("the server says that nothing changed, and there is nothing")
		}
		return false, s.keep(nil, old, etag, asked)
	}
	b, err := s.accept(ctx, raw)
	if err != nil {
		return false, err
	}
	if err := notOlder(floor, b); err != nil {
		return false, err
	}
	if old != nil && old.Digest == b.Digest {
		raw = nil // kept already
	}
	return raw != nil, s.keep(raw, b, newTag, asked)
}

// accept reads raw and holds it against everything that a module has to fulfil.
func (s *BundleSource) accept(ctx context.Context, raw []byte) (*Bundle, error) {
	b, err := ReadBundle("bundle", raw, s.cfg.PublicKey)
	if err != nil {
		return nil, err
	}
	if _, err := orderOf(b.Revision); err != nil {
		return nil, err
	}
	r := s.cfg.with(b)
	if err := r.test(ctx); err != nil {
		return nil, err
	}
	_, err = newOperator(ctx, r)
	return b, err
}

// keep makes b the last good bundle, and writes it down; raw is nil when it lies there already.
func (s *BundleSource) keep(raw []byte, b *Bundle, etag string, confirmed time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.floor, s.etag, s.confirmed = b, b, etag, confirmed
	if s.cfg.Dir == "" {
		return nil
	}
	if raw != nil {
		if err := replaceFile(s.path(".tar.gz"), raw); err != nil {
			return fmt.Errorf("keep the bundle: %w", err)
		}
	}
	meta, err := json.Marshal(saved{b.Revision, b.Digest, etag, confirmed})
	if err == nil {
		err = replaceFile(s.path(".json"), meta)
	}
	if err != nil {
		return fmt.Errorf("keep the bundle: %w", err)
	}
	return nil
}

// restore reads what an earlier run has kept, and verifies it again.
func (s *BundleSource) restore(ctx context.Context) error {
	meta, err := os.ReadFile(s.path(".json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept saved
	if err := json.Unmarshal(meta, &kept); err != nil {
		return err
	}
	s.floor = &Bundle{Revision: kept.Revision, Digest: kept.Digest} // also when the rest cannot be used any more
	raw, err := ReadBundleFile(s.path(".tar.gz"))
	if err != nil {
		return err
	}
	b, err := s.accept(ctx, raw)
	if err != nil {
		return err
	}
	if b.Digest != kept.Digest {
		kept.ETag, kept.Confirmed = "", time.Time{} // written in part: it stands for nothing but its revision
	}
	s.current, s.floor, s.etag, s.confirmed = b, b, kept.ETag, kept.Confirmed
	return nil
}

// path of what is kept about this URL and key.
func (s *BundleSource) path(ext string) string {
	sum := sha256.Sum256([]byte(s.cfg.URL + "\n" + s.cfg.PublicKey))
	return filepath.Join(s.cfg.Dir, "bundle-"+hex.EncodeToString(sum[:8])+ext)
}

// replaceFile writes a file as a whole or not at all.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// fetch returns nil when the server still has what etag names.
func (s *BundleSource) fetch(ctx context.Context, etag string) (raw []byte, newTag string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.URL, nil)
	if err != nil {
		return nil, "", err
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	req.Header.Set("Accept", "application/gzip, application/octet-stream")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && etag != "":
		return nil, etag, nil
	case res.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("%s answers %s", s.cfg.URL, res.Status)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(res.Body, maxBundle+1)); err != nil {
		return nil, "", fmt.Errorf("%s: %w", s.cfg.URL, err)
	}
	return b.Bytes(), res.Header.Get("ETag"), nil
}

// newBundleClient follows no redirect to another place, and takes what is sent as it is.
func newBundleClient() *http.Client {
	return &http.Client{
		Timeout: fetchTime,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second,
			ResponseHeaderTimeout: 20 * time.Second, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true, DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			first := via[0].URL
			if len(via) > 3 || !samePlace(first, req.URL) {
				return fmt.Errorf("it redirects to %s, which is another place than %s", req.URL.Host, first.Host)
			}
			return nil
		},
	}
}

func samePlace(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// notOlder: b is the same bundle as old, or a later one.
func notOlder(old, b *Bundle) error {
	if old == nil || old.Digest == b.Digest {
		return nil
	}
	was, err := orderOf(old.Revision)
	if err != nil {
		return err
	}
	is, err := orderOf(b.Revision)
	switch {
	case err != nil:
		return err
	case was.timed != is.timed:
		return fmt.Errorf("the revision %q cannot be compared with %q, which is in force", b.Revision, old.Revision)
	case cmp.Or(cmp.Compare(is.number, was.number), is.time.Compare(was.time)) <= 0:
		return fmt.Errorf("the revision %q is not later than %q, which is in force; publish rules to go back to under a new revision", b.Revision, old.Revision)
	}
	return nil
}

// order is what a revision says about before and after.
type order struct {
	timed  bool
	number uint64
	time   time.Time
}

func orderOf(revision string) (order, error) {
	if n, err := strconv.ParseUint(revision, 10, 64); err == nil {
		return order{number: n}, nil
	}
	t, err := time.Parse(time.RFC3339, revision)
	if err != nil {
		return order{}, fmt.Errorf("the revision %q in .manifest is neither a whole number nor a time as in 2026-01-31T12:00:00Z, so nobody could tell an older bundle", revision)
	}
	return order{timed: true, time: t}, nil
}
