package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"sallyport/configs"
	"sallyport/gateway"
	"sallyport/tools/exec"
)

// openHosts makes the exec tool over the targets of kind ssh.
func (s *server) openHosts(ctx context.Context, f *configs.File, w *gateway.World, describe describers, known *secrets) (func(), error) {
	var targets []exec.Target
	var problems []error
	for name, t := range f.Targets {
		if t.SSH == nil {
			continue
		}
		at := "targets." + name + ".ssh"
		target := exec.Target{Name: name, Path: t.SSH.Path, Cwd: t.SSH.Cwd, MaxSessions: t.SSH.MaxSessions, Revision: f.TargetRevision(name)}
		var err error
		if target.Login, err = login(ctx, at, &t.SSH.Hop, t.SSH.Agent, known); err != nil {
			problems = append(problems, err)
		}
		if t.Mode == "jit" {
			if target.JIT, err = s.certificates(ctx, at, t.SSH, known); err != nil {
				problems = append(problems, err)
			}
		}
		if t.SSH.Jump != nil {
			jump, err := login(ctx, at+".jump", t.SSH.Jump, t.SSH.Agent, known)
			if err != nil {
				problems = append(problems, err)
			}
			target.Jump = &jump
		}
		targets = append(targets, target)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	var overlays []exec.Overlay
	for i, path := range f.Exec.Overlays {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("exec.overlays[%d]: %w", i, err)
		}
		overlays = append(overlays, exec.Overlay{File: path, Text: b})
	}
	hosts, err := exec.Open(exec.Config{Targets: targets, Overlays: overlays, Log: s.log, Now: time.Now})
	if err != nil {
		return nil, err
	}
	w.Tools["exec"] = hosts.Tool()
	for _, t := range targets {
		addTarget(w, describe, f, t.Name, hosts)
	}
	return hosts.Close, nil
}

// login is one hop of an SSH connection as the tool needs it.
func login(ctx context.Context, at string, h *configs.Hop, agent string, known *secrets) (l exec.Login, err error) {
	l = exec.Login{Address: net.JoinHostPort(h.Host(), strconv.Itoa(int(h.Port()))), User: h.User, AgentSocket: agent, KnownHosts: h.KnownHosts}
	if h.HostKey != "" {
		l.HostKeys = []string{h.HostKey}
	}
	if h.Certificate != "" {
		b, err := os.ReadFile(h.Certificate)
		if err != nil {
			return l, fmt.Errorf("%s.certificate: %w", at, err)
		}
		l.Certificate = string(b)
	}
	if h.Key.IsZero() {
		return l, nil
	}
	l.Key, err = keyOf(ctx, at, "key", h.Key, h.Passphrase, known)
	return l, err
}

// certificates is how the gateway issues certificates for a host.
func (s *server) certificates(ctx context.Context, at string, h *configs.SSH, known *secrets) (*exec.JIT, error) {
	ca, err := keyOf(ctx, at, "ca", h.CA, h.Passphrase, known)
	return &exec.JIT{CA: ca, Principal: h.Principal, Source: h.SourceAddress, Record: s.recordCredential}, err
}

// keyOf reads a private key and its passphrase whenever they are needed.
func keyOf(ctx context.Context, at, name string, ref, pass configs.Secret, known *secrets) (func(context.Context) (key, passphrase []byte, err error), error) {
	key, err := known.resolve(ctx, at+"."+name, ref)
	if err != nil {
		return nil, err
	}
	passphrase := func(context.Context) (string, error) { return "", nil }
	if !pass.IsZero() {
		if passphrase, err = known.resolve(ctx, at+".passphrase", pass); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) ([]byte, []byte, error) {
		k, err := key(ctx)
		if err != nil {
			return nil, nil, err
		}
		p, err := passphrase(ctx)
		return []byte(k), []byte(p), err
	}, nil
}
