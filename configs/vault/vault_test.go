package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a strict fake of Vault: what Vault would refuse it refuses. It has a version 2 engine at team/kv/ and a version 1 engine at old/.
type server struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	sealed   bool
	status   int // for everything, when not 0
	now      time.Time
	tokens   map[string]time.Time // and when they end
	ttl      time.Duration        // of new and renewed tokens
	versions []map[string]string  // of team/kv/orders
	deleted  bool
	requests []string
	logins   int
}

func newServer(t *testing.T) *server {
	s := &server{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), tokens: map[string]time.Time{}, ttl: time.Hour,
		versions: []map[string]string{{"password": "hunter2"}}}
	s.tokens["root-token"] = s.now.Add(s.ttl)
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) clock() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }

func (s *server) do(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	s.requests = append(s.requests, r.Method+" "+path)
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
	// A real answer may repeat what was asked; here it is the worst it could be.
	refuse := func(status int) { answer(status, map[string]any{"errors": []string{"hunter2 root-token s.login"}}) }
	if r.Header.Get("X-Vault-Request") != "true" || r.Header.Get("X-Vault-Namespace") != "team-a" {
		s.t.Errorf("headers of %s: %v", path, r.Header)
	}
	switch {
	case s.sealed:
		refuse(503)
		return
	case s.status != 0:
		refuse(s.status)
		return
	}
	end, known := s.tokens[r.Header.Get("X-Vault-Token")]
	if r.Method == http.MethodPost && path == "auth/approle/login" {
		var in map[string]string
		if json.NewDecoder(r.Body).Decode(&in) != nil || in["role_id"] != "role" || in["secret_id"] != "s.login" || r.Header.Get("X-Vault-Token") != "" {
			refuse(400)
			return
		}
		s.logins++
		tok := fmt.Sprintf("login-%d", s.logins)
		s.tokens[tok] = s.now.Add(s.ttl)
		answer(200, map[string]any{"auth": map[string]any{"client_token": tok, "lease_duration": int(s.ttl.Seconds()), "renewable": true}})
		return
	}
	if !known || !s.now.Before(end) {
		refuse(403)
		return
	}
	newest := len(s.versions)
	switch r.Method + " " + path {
	case "GET auth/token/lookup-self":
		answer(200, map[string]any{"data": map[string]any{"ttl": int(end.Sub(s.now).Seconds()), "renewable": true}})
	case "POST auth/token/renew-self":
		tok := r.Header.Get("X-Vault-Token")
		s.tokens[tok] = s.now.Add(s.ttl)
		answer(200, map[string]any{"auth": map[string]any{"client_token": tok, "lease_duration": int(s.ttl.Seconds()), "renewable": true}})
	case "GET sys/internal/ui/mounts/team/kv/orders", "GET sys/internal/ui/mounts/team/kv/none":
		answer(200, map[string]any{"data": map[string]any{"path": "team/kv/", "type": "kv", "options": map[string]string{"version": "2"}}})
	case "GET sys/internal/ui/mounts/old/web":
		answer(200, map[string]any{"data": map[string]any{"path": "old/", "type": "kv", "options": nil}})
	case "GET sys/internal/ui/mounts/database/creds":
		answer(200, map[string]any{"data": map[string]any{"path": "database/", "type": "database", "options": nil}})
	case "GET team/kv/data/orders":
		if s.deleted {
			answer(404, map[string]any{"data": map[string]any{"data": nil, "metadata": map[string]any{"version": newest, "deletion_time": "2026-01-02T03:04:05Z"}}})
			return
		}
		answer(200, map[string]any{"lease_duration": 0, "data": map[string]any{"data": s.versions[newest-1], "metadata": map[string]any{"version": newest, "destroyed": false}}})
	case "GET old/web":
		answer(200, map[string]any{"lease_duration": 5, "data": map[string]any{"key": "abc", "number": 7}})
	case "GET team/kv/data/none":
		refuse(404)
	default:
		refuse(403)
	}
}

func fixed(v string) Secret { return func(context.Context) (string, error) { return v, nil } }

func (s *server) client(change func(*Config)) *Client {
	s.t.Helper()
	cfg := Config{Address: s.URL, Namespace: "team-a", Token: fixed("root-token"), Cache: time.Minute, Now: s.clock}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func want(t *testing.T, c *Client, path, key, value, version string) {
	t.Helper()
	v, n, err := c.Read(t.Context(), path, key)
	if err != nil || v != value || n != version {
		t.Errorf("%s#%s: %q version %q, %v; want %q version %q", path, key, v, n, err, value, version)
	}
}

func refused(t *testing.T, c *Client, path, key, says string) {
	t.Helper()
	v, _, err := c.Read(t.Context(), path, key)
	if err == nil || v != "" || !strings.Contains(err.Error(), says) {
		t.Fatalf("%s#%s: %q, %v; want an error with %q", path, key, v, err, says)
	}
	for _, secret := range []string{"hunter2", "root-token", "s.login", "login-"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds a secret: %v", err)
		}
	}
}

func TestBothVersionsOfTheEngine(t *testing.T) {
	s := newServer(t)
	c := s.client(nil)
	want(t, c, "team/kv/orders", "password", "hunter2", "1")
	want(t, c, "old/web", "key", "abc", "")
	refused(t, c, "team/kv/orders", "user", "no such key")
	refused(t, c, "old/web", "number", "no such key")
	refused(t, c, "team/kv/none", "password", "404")
	refused(t, c, "other/secret", "password", "403")
	refused(t, c, "database/creds", "password", "not one of a key-value engine")
}

func TestANewVersionIsUsedWithoutARestart(t *testing.T) {
	s := newServer(t)
	c := s.client(nil)
	want(t, c, "team/kv/orders", "password", "hunter2", "1")
	s.do(func() { s.versions = append(s.versions, map[string]string{"password": "hunter3"}) })
	want(t, c, "team/kv/orders", "password", "hunter2", "1") // kept for a minute
	s.do(func() { s.now = s.now.Add(time.Minute) })
	want(t, c, "team/kv/orders", "password", "hunter3", "2")
	s.do(func() { s.deleted, s.now = true, s.now.Add(time.Minute) })
	refused(t, c, "team/kv/orders", "password", "404")
}

func TestALeaseShorterThanTheCacheIsKeptTo(t *testing.T) {
	s := newServer(t)
	c := s.client(nil)
	want(t, c, "old/web", "key", "abc", "")
	s.do(func() { s.now = s.now.Add(5 * time.Second); s.requests = nil })
	want(t, c, "old/web", "key", "abc", "")
	if len(s.requests) != 1 {
		t.Errorf("requests: %q", s.requests)
	}
}

func TestSealedOrOutOfOrderFailsClosed(t *testing.T) {
	s := newServer(t)
	c := s.client(nil)
	want(t, c, "team/kv/orders", "password", "hunter2", "1")
	s.do(func() { s.sealed, s.now = true, s.now.Add(time.Minute) })
	refused(t, c, "team/kv/orders", "password", "sealed")
	s.do(func() { s.sealed, s.status = false, 500 })
	refused(t, c, "team/kv/orders", "password", "status 500")
	s.do(func() { s.status = 307 })
	refused(t, c, "team/kv/orders", "password", "another server")
	s.do(func() { s.status = 0 })
	want(t, c, "team/kv/orders", "password", "hunter2", "1")
	s.Close()
	s.do(func() { s.now = s.now.Add(time.Minute) })
	refused(t, c, "team/kv/orders", "password", "does not answer")
}

func TestTheTokenIsRenewed(t *testing.T) {
	s := newServer(t)
	c := s.client(nil)
	want(t, c, "team/kv/orders", "password", "hunter2", "1")
	for range 5 { // each time later than two thirds of its life, and nothing is read meanwhile
		s.do(func() { s.now = s.now.Add(45 * time.Minute) })
		c.keepAlive(t.Context())
	}
	want(t, c, "team/kv/orders", "password", "hunter2", "1")
	s.do(func() { s.now = s.now.Add(2 * time.Hour) }) // nobody renewed it
	refused(t, c, "team/kv/orders", "password", "403")
}

func TestATokenThatWasRevokedIsObtainedAgain(t *testing.T) {
	s := newServer(t)
	c := s.client(func(cfg *Config) {
		cfg.Token, cfg.Login = nil, &Login{Mount: "approle", With: map[string]Secret{"role_id": fixed("role"), "secret_id": fixed("s.login")}}
	})
	want(t, c, "team/kv/orders", "password", "hunter2", "1")
	if c.Held(t.Context()) != "login-1" {
		t.Errorf("token %q", c.Held(t.Context()))
	}
	s.do(func() { delete(s.tokens, "login-1"); s.now = s.now.Add(time.Minute) })
	want(t, c, "team/kv/orders", "password", "hunter2", "1")
	s.do(func() { s.now = s.now.Add(2 * time.Hour) })
	want(t, c, "team/kv/orders", "password", "hunter2", "1")
	if s.logins != 3 {
		t.Errorf("%d logins", s.logins)
	}
}

func TestALoginThatFailsNamesItsPart(t *testing.T) {
	s := newServer(t)
	refused(t, s.client(func(cfg *Config) {
		cfg.Token, cfg.Login = nil, &Login{Mount: "approle", With: map[string]Secret{"role_id": fixed("role"), "secret_id": fixed("wrong")}}
	}), "team/kv/orders", "password", "auth/approle")
	refused(t, s.client(func(cfg *Config) {
		cfg.Token = func(context.Context) (string, error) { return "", errors.New("file:/run/token: no such file") }
	}), "team/kv/orders", "password", "file:/run/token")
	refused(t, s.client(func(cfg *Config) { cfg.Token = fixed("wrong") }), "team/kv/orders", "password", "the token")
}

func TestWaitingEndsWithTheCall(t *testing.T) {
	s := newServer(t)
	c := s.client(nil)
	<-c.turn // somebody else is reading
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Read(ctx, "team/kv/orders", "password"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	good := Config{Address: "https://vault.example.com:8200", Token: fixed("x"), Cache: time.Minute, Now: time.Now}
	for name, change := range map[string]func(*Config){
		"no address": func(c *Config) { c.Address = "vault" },
		"a user":     func(c *Config) { c.Address = "https://a:b@vault" },
		"no login":   func(c *Config) { c.Token = nil },
		"two logins": func(c *Config) { c.Login = &Login{} },
		"no cache":   func(c *Config) { c.Cache = 0 },
		"bad CA":     func(c *Config) { c.CA = []byte("x") },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); err == nil || strings.Contains(err.Error(), "a:b") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
