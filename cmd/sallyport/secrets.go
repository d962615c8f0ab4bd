package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"sallyport/configs"
	"sallyport/configs/vault"
	"sallyport/masking"
	"sallyport/tools"
)

// readSecret reads what a reference refers to now, and its version where there is one. Errors name the reference and never hold the value.
type readSecret func(ctx context.Context, ref configs.Secret) (v configs.Value, version string, err error)

// openVault makes the client of the configuration's Vault; nil when there is none. It connects to nothing.
func openVault(f *configs.File) (*vault.Client, error) {
	v := f.Vault
	if v == nil {
		return nil, nil
	}
	cfg := vault.Config{Address: v.Address, Namespace: v.Namespace, Cache: v.Cache.D(), Now: time.Now}
	var err error
	if v.CA != "" {
		if cfg.CA, err = os.ReadFile(v.CA); err != nil {
			return nil, fmt.Errorf("vault.ca: %w", err)
		}
	}
	late := func(ref configs.Secret) vault.Secret {
		return func(ctx context.Context) (string, error) {
			s, err := ref.Resolve(ctx)
			return s.Reveal(), err
		}
	}
	switch {
	case v.Kubernetes != nil:
		jwt := late(v.Kubernetes.Token)
		if v.Kubernetes.Token.IsZero() {
			jwt = podToken
		}
		role := v.Kubernetes.Role
		cfg.Login = &vault.Login{Mount: v.Kubernetes.Mount, With: map[string]vault.Secret{
			"role": func(context.Context) (string, error) { return role, nil }, "jwt": jwt}}
	case v.AppRole != nil:
		cfg.Login = &vault.Login{Mount: v.AppRole.Mount, With: map[string]vault.Secret{"role_id": late(v.AppRole.RoleID), "secret_id": late(v.AppRole.SecretID)}}
	default:
		cfg.Token = late(v.Token)
	}
	return vault.New(cfg)
}

// podToken is the token of the service account the gateway runs as.
func podToken(context.Context) (string, error) {
	b, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/token")
	return strings.TrimSpace(string(b)), err
}

// read is the server's readSecret.
func (s *server) read(ctx context.Context, ref configs.Secret) (configs.Value, string, error) {
	path, key, ok := ref.Vault()
	if !ok {
		v, err := ref.Resolve(ctx)
		return v, "", err
	}
	if s.vault == nil { // which the check of the configuration refuses
		return configs.Value{}, "", fmt.Errorf("%s: no Vault is configured", ref.Reference())
	}
	text, version, err := s.vault.Read(ctx, path, key)
	if err != nil {
		return configs.Value{}, "", fmt.Errorf("%s: %w", ref.Reference(), err)
	}
	v, err := ref.Hold(text)
	return v, version, err
}

// secrets are the credentials the gateway holds, all of which are mask patterns. Tools add to them when one is renewed.
type secrets struct {
	engine *masking.Engine // nil: nothing is masked, in a program that shows nothing of a target
	unread bool            // references stay unread, and whoever asks for one is refused
	read   readSecret
	token  func(context.Context) string // of Vault
	record tools.RecordCredential

	mu     sync.Mutex
	byName map[string][]byte // guarded by mu
	used   map[string]string // versions in use, by the place in the configuration; guarded by mu
}

func (s *server) newSecrets(engine *masking.Engine) *secrets {
	known := &secrets{engine: engine, read: s.read, record: s.recordCredential, byName: map[string][]byte{}, used: map[string]string{}}
	if s.vault != nil {
		known.token = s.vault.Held
	}
	return known
}

func (s *secrets) add(name string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine == nil || bytes.Equal(s.byName[name], value) {
		return
	}
	s.byName[name] = bytes.Clone(value)
	s.engine.SetSecrets(s.byName)
}

// resolve reads a secret now, so that masking knows it and a missing one is found at start, and returns a function that reads
// it again whenever it is needed.
func (s *secrets) resolve(ctx context.Context, at string, ref configs.Secret) (func(context.Context) (string, error), error) {
	if s.unread {
		return func(context.Context) (string, error) { return "", fmt.Errorf("%s: secrets are not read here", at) }, nil
	}
	read := func(ctx context.Context) (string, error) {
		v, version, err := s.read(ctx, ref)
		if err != nil {
			return "", fmt.Errorf("%s: %w", at, err)
		}
		s.add(at, []byte(v.Reveal()))
		if _, _, ok := ref.Vault(); ok {
			if err := s.fromVault(ctx, at, ref, version); err != nil {
				return "", err
			}
		}
		return v.Reveal(), nil
	}
	_, err := read(ctx)
	return read, err
}

// fromVault records which version is in use, when it is another than before, and has masking know the token it was read with.
func (s *secrets) fromVault(ctx context.Context, at string, ref configs.Secret, version string) error {
	if token := s.token(ctx); token != "" {
		s.add("vault.token", []byte(token))
	}
	version = "version " + cmp.Or(version, "not counted")
	s.mu.Lock()
	same := s.used[at] == version
	s.mu.Unlock()
	if same {
		return nil
	}
	target, _, _ := strings.Cut(strings.TrimPrefix(at, "targets."), ".")
	if err := s.record(ctx, tools.Credential{Target: target, Mode: "vault", Event: "read", ID: ref.Reference() + " " + version, Detail: "for " + at}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[at] = version
	return nil
}
