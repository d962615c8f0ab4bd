// Package vault answers: what does Vault hold under this path now?
//
// It reads the key-value engines (version 1 and 2) of HashiCorp Vault and of OpenBao, which have the same HTTP API
// (https://developer.hashicorp.com/vault/api-docs/secret/kv). A secret is read when it is needed and kept for a short while, so that a new version is
// used without a restart. The token is renewed before it ends, and obtained again when it has.
//
// Errors say what failed and which administrator can fix it. They never hold a value, a token, or text of the server's: an answer may repeat
// either.
package vault

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 1 << 20 // bytes
	renewTick      = 10 * time.Second
)

// Secret is read when it is needed, each time anew.
type Secret func(ctx context.Context) (string, error)

// Config is where the server is and who the gateway is there: exactly one of Token, Kubernetes and AppRole.
type Config struct {
	Address   string // https://host:port
	Namespace string // "" for none
	CA        []byte // PEM; nil for the host's
	Token     Secret
	Login     *Login
	// Cache is how long a value is used before it is read again, at most. A lease of the server's that is shorter is kept to.
	Cache time.Duration
	Now   func() time.Time
}

// Login obtains a token (auth/MOUNT/login).
type Login struct {
	Mount string            // kubernetes, approle
	With  map[string]Secret // the parameters: role and jwt; role_id and secret_id
}

// Client is one server. Safe for concurrent use.
type Client struct {
	cfg  Config
	base string
	http *http.Client

	// turn holds one value; who takes it owns the fields below. A channel, because waiting must end with the call.
	turn   chan struct{}
	token  token
	mounts map[string]mount // by the path of a secret
	cache  map[string]*kept // by the path of a secret
}

// kept are the values of one path.
type kept struct {
	values  map[string][]byte // overwritten when they are dropped
	version string
	until   time.Time
}

// New checks cfg. It connects to nothing.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.Address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, errors.New("vault.address: is not a URL; write https://host:8200")
	case (cfg.Token == nil) == (cfg.Login == nil):
		return nil, errors.New("vault: needs exactly one of a token and a login")
	case cfg.Now == nil || cfg.Cache <= 0:
		return nil, errors.New("vault: needs a clock and a time to keep values")
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxIdleConns: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10}
	if cfg.CA != nil {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(cfg.CA) {
			return nil, errors.New("vault.ca: no certificate in it")
		}
	}
	c := &Client{cfg: cfg, base: strings.TrimSuffix(cfg.Address, "/") + "/v1/", turn: make(chan struct{}, 1), mounts: map[string]mount{}, cache: map[string]*kept{},
		// No proxy, and no redirects: the token is for this server.
		http: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	c.turn <- struct{}{}
	return c, nil
}

// Read returns the value of key under path (with its mount: "kv/orders/db"), and its version: "3", or "" for the engine's version 1, which counts none.
func (c *Client) Read(ctx context.Context, path, key string) (value, version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := c.take(ctx); err != nil {
		return "", "", err
	}
	defer c.give()
	k := c.cache[path]
	if k == nil || !c.cfg.Now().Before(k.until) {
		fresh, err := c.fetch(ctx, path)
		c.drop(path)
		if err != nil {
			return "", "", err
		}
		c.cache[path], k = fresh, fresh
	}
	v, ok := k.values[key]
	if !ok {
		return "", "", errors.New("the secret has no such key")
	}
	return string(v), k.version, nil
}

// Run keeps the token alive until ctx ends, also when nothing is read for long.
func (c *Client) Run(ctx context.Context) {
	tick := time.NewTicker(renewTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.http.CloseIdleConnections()
			return
		case <-tick.C:
		}
		c.keepAlive(ctx)
	}
}

// Held is the token in use, for masking; "" for none.
func (c *Client) Held(ctx context.Context) string {
	if c.take(ctx) != nil {
		return ""
	}
	defer c.give()
	return c.token.value
}

func (c *Client) take(ctx context.Context) error {
	select {
	case <-c.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) give() { c.turn <- struct{}{} }

func (c *Client) drop(path string) {
	if k := c.cache[path]; k != nil {
		for _, v := range k.values {
			clear(v)
		}
		delete(c.cache, path)
	}
}

// mount is the engine that a path belongs to.
type mount struct {
	path string // with a slash at its end
	v2   bool
}

// fetch reads all keys of a path. A token that is refused may have been revoked: it is obtained again, once.
func (c *Client) fetch(ctx context.Context, path string) (*kept, error) {
	k, err := c.fetchOnce(ctx, path)
	if status, ok := errors.AsType[*statusError](err); ok && status.code == http.StatusForbidden && !c.token.fresh {
		c.token = token{}
		k, err = c.fetchOnce(ctx, path)
	}
	return k, err
}

func (c *Client) fetchOnce(ctx context.Context, path string) (*kept, error) {
	if err := c.login(ctx); err != nil {
		return nil, err
	}
	m, err := c.mountOf(ctx, path)
	if err != nil {
		return nil, err
	}
	at := path
	if rest, ok := strings.CutPrefix(path, m.path); ok && m.v2 {
		at = m.path + "data/" + rest
	}
	var answer struct {
		Lease int             `json:"lease_duration"` // seconds; what version 1 has here is a hint how long to keep it
		Data  json.RawMessage `json:"data"`
	}
	if err := c.do(ctx, http.MethodGet, at, nil, &answer); err != nil {
		return nil, err
	}
	k := &kept{values: map[string][]byte{}, until: c.cfg.Now().Add(c.cfg.Cache)}
	if lease := time.Duration(answer.Lease) * time.Second; lease > 0 && lease < c.cfg.Cache {
		k.until = c.cfg.Now().Add(lease)
	}
	values := answer.Data
	if m.v2 {
		var two struct {
			Data     json.RawMessage `json:"data"`
			Metadata struct {
				Version   int  `json:"version"`
				Destroyed bool `json:"destroyed"`
			} `json:"metadata"`
		}
		if err := json.Unmarshal(answer.Data, &two); err != nil || two.Metadata.Version < 1 || two.Metadata.Destroyed || string(two.Data) == "null" {
			return nil, errors.New("the secret was deleted, or the answer is not one of version 2 of the key-value engine")
		}
		values, k.version = two.Data, fmt.Sprint(two.Metadata.Version)
	}
	var fields map[string]any
	if err := json.Unmarshal(values, &fields); err != nil {
		return nil, errors.New("the answer is not one of a key-value engine")
	}
	for name, v := range fields {
		if s, ok := v.(string); ok { // what is not text is no secret of ours
			k.values[name] = []byte(s)
		}
	}
	clear(answer.Data)
	return k, nil
}

// mountOf asks which engine a path belongs to, once: names alone do not tell where a mount ends, nor its version.
func (c *Client) mountOf(ctx context.Context, path string) (mount, error) {
	if m, ok := c.mounts[path]; ok {
		return m, nil
	}
	var answer struct {
		Data struct {
			Path    string `json:"path"`
			Type    string `json:"type"`
			Options struct {
				Version string `json:"version"`
			} `json:"options"`
		} `json:"data"`
	}
	if err := c.do(ctx, http.MethodGet, "sys/internal/ui/mounts/"+path, nil, &answer); err != nil {
		return mount{}, err
	}
	d := answer.Data
	if (d.Type != "kv" && d.Type != "generic") || !strings.HasSuffix(d.Path, "/") || !strings.HasPrefix(path, d.Path) {
		return mount{}, errors.New("the path is not one of a key-value engine; dynamic secrets and transit are not supported")
	}
	m := mount{path: d.Path, v2: cmp.Or(d.Options.Version, "1") == "2"}
	c.mounts[path] = m
	return m, nil
}
