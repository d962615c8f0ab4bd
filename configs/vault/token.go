package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// token is what requests carry.
type token struct {
	value     string
	fresh     bool      // nothing was read with it yet
	renewable bool      // it can be renewed
	renew     time.Time // from when on; zero for never
	until     time.Time // when it ends; zero for never
}

func (c *Client) good() bool {
	return c.token.value != "" && (c.token.until.IsZero() || c.cfg.Now().Before(c.token.until))
}

// login sees to it that there is a token. Who calls it has the turn.
func (c *Client) login(ctx context.Context) error {
	now := c.cfg.Now()
	if c.good() {
		c.token.fresh = false
		if c.token.renewable && !now.Before(c.token.renew) && c.renew(ctx) != nil {
			c.token.renew = now.Add(renewTick) // it is still good; later again
		}
		return nil
	}
	c.token = token{}
	if c.cfg.Token != nil {
		v, err := c.cfg.Token(ctx)
		if err != nil {
			return fmt.Errorf("the token: %w", err)
		}
		c.token.value = v
		var answer struct {
			Data struct {
				TTL       int  `json:"ttl"` // seconds; 0 for one that does not end
				Renewable bool `json:"renewable"`
			} `json:"data"`
		}
		if err := c.do(ctx, http.MethodGet, "auth/token/lookup-self", nil, &answer); err != nil {
			c.token = token{}
			return fmt.Errorf("the token: %w", err)
		}
		c.hold(v, answer.Data.TTL, answer.Data.Renewable)
		c.token.fresh = true
		return nil
	}
	with := map[string]string{}
	for name, secret := range c.cfg.Login.With {
		v, err := secret(ctx)
		if err != nil {
			return fmt.Errorf("the login's %s: %w", name, err)
		}
		with[name] = v
	}
	if err := c.auth(ctx, "auth/"+c.cfg.Login.Mount+"/login", with); err != nil {
		return fmt.Errorf("the login at auth/%s: %w", c.cfg.Login.Mount, err)
	}
	c.token.fresh = true
	return nil
}

// renew makes the token last longer. One that cannot be renewed any more (its maximum age) is used to its end.
func (c *Client) renew(ctx context.Context) error {
	return c.auth(ctx, "auth/token/renew-self", map[string]string{})
}

// auth asks for a token and holds it.
func (c *Client) auth(ctx context.Context, path string, body map[string]string) error {
	var answer struct {
		Auth struct {
			Token     string `json:"client_token"`
			Lease     int    `json:"lease_duration"`
			Renewable bool   `json:"renewable"`
		} `json:"auth"`
	}
	if err := c.do(ctx, http.MethodPost, path, body, &answer); err != nil {
		return err
	}
	if answer.Auth.Token == "" {
		return errors.New("the answer has no token")
	}
	c.hold(answer.Auth.Token, answer.Auth.Lease, answer.Auth.Renewable)
	return nil
}

func (c *Client) hold(value string, seconds int, renewable bool) {
	c.token = token{value: value, renewable: renewable && seconds > 0}
	if seconds > 0 {
		life := time.Duration(seconds) * time.Second
		c.token.renew, c.token.until = c.cfg.Now().Add(life*2/3), c.cfg.Now().Add(life)
	}
}

// keepAlive renews a token whose time has come. What fails is tried again at the next tick, and told to whoever reads.
func (c *Client) keepAlive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if c.take(ctx) != nil {
		return
	}
	defer c.give()
	if c.good() {
		_ = c.login(ctx)
	}
}

// statusError is an answer that is no success. The server's own text is not kept.
type statusError struct{ code int }

func (e *statusError) Error() string {
	switch e.code {
	case http.StatusBadRequest:
		return "Vault refuses the request (400); check role and parameters of the login"
	case http.StatusForbidden:
		return "Vault does not let this token read it (403); add read on this path (with data/ after the mount for version 2) to its policy"
	case http.StatusNotFound:
		return "Vault has nothing there (404): no such path, or its last version was deleted"
	case http.StatusTooManyRequests:
		return "Vault limits its clients (429); try again later"
	case http.StatusServiceUnavailable:
		return "Vault is sealed or in maintenance (503); its administrator has to unseal it"
	case http.StatusTemporaryRedirect:
		return "Vault wants the request at another server (307); write the active one's address, or one of a load balancer"
	}
	return fmt.Sprintf("Vault answers with status %d", e.code)
}

// do sends one request and decodes a success into out.
func (c *Client) do(ctx context.Context, method, path string, body map[string]string, out any) error {
	var segments []string
	for _, s := range strings.Split(path, "/") {
		segments = append(segments, url.PathEscape(s))
	}
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		defer clear(b)
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+strings.Join(segments, "/"), send)
	if err != nil {
		return errors.New("the request cannot be made; check vault.address")
	}
	req.Header.Set("X-Vault-Request", "true") // Vault's agent insists on it where it is told to
	if c.cfg.Namespace != "" {
		req.Header.Set("X-Vault-Namespace", c.cfg.Namespace)
	}
	if c.token.value != "" {
		req.Header.Set("X-Vault-Token", c.token.value)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("it does not answer: %w", ctx.Err())
		}
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the URL names the path, which the caller does already
		}
		return fmt.Errorf("it does not answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return &statusError{resp.StatusCode}
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	defer clear(b)
	if err != nil || len(b) > maxAnswer {
		return errors.New("the answer of Vault broke off, or is larger than 1 MiB")
	}
	if err := json.Unmarshal(b, out); err != nil {
		return errors.New("the answer is not the JSON of Vault; is this address that of Vault?")
	}
	return nil
}
