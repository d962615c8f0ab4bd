package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"sallyport/configs"
	"sallyport/policy"
)

// This file finds the operator's Rego: files, and a bundle from a file, a folder or a server.

// openPolicy compiles what decides: the scopes, and the operator's Rego, whose tests are run. bundle is what keeps a remote bundle of a
// running gateway; with nil a remote one is asked for once.
func openPolicy(ctx context.Context, f *configs.File, bundle *policy.BundleSource) (*policy.Engine, error) {
	cfg, err := policyConfig(ctx, f, bundle)
	if err != nil {
		return nil, err
	}
	return policy.New(ctx, cfg)
}

// operatorRego reads the operator's modules; nil when there are none.
func operatorRego(ctx context.Context, f *configs.File, bundle *policy.BundleSource) (*policy.Rego, error) {
	if f.Policy == nil || len(f.Policy.Rego) == 0 && f.Policy.Bundle == nil {
		return nil, nil
	}
	r, err := regoFiles(f.Policy)
	if err != nil || f.Policy.Bundle == nil {
		return r, err
	}
	switch b := f.Policy.Bundle; {
	case bundle != nil:
		modules, data := bundle.Modules()
		r.Modules, r.Data = append(r.Modules, modules...), data
		return r, nil
	case b.URL != "":
		once, err := openBundle(ctx, f, "", slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return operatorRego(ctx, f, once)
	default:
		read, err := readBundle(ctx, b)
		if err != nil {
			return nil, fmt.Errorf("policy.bundle: %w", err)
		}
		r.Modules, r.Data = append(r.Modules, read.Modules...), read.Data
		return r, nil
	}
}

// regoFiles reads policy.rego.
func regoFiles(p *configs.Policy) (*policy.Rego, error) {
	modules, err := policy.ReadModules(p.Rego)
	if err != nil {
		return nil, hinted(fmt.Errorf("policy.rego: %w", err), "paths are relative to the folder of the configuration")
	}
	return &policy.Rego{Modules: modules, Override: p.Mode == "override"}, nil
}

func readBundle(ctx context.Context, b *configs.Bundle) (*policy.Bundle, error) {
	key, err := b.PublicKey.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	name, read := b.File, policy.ReadBundleFile
	if b.Folder != "" {
		name, read = b.Folder, policy.PackFolder
	}
	raw, err := read(name)
	if err != nil {
		return nil, err
	}
	return policy.ReadBundle(filepath.Base(name), raw, key.Reveal())
}

// openBundle opens the source of a remote bundle; nil when the configuration has none. The last good one is kept in dir.
func openBundle(ctx context.Context, f *configs.File, dir string, log *slog.Logger) (*policy.BundleSource, error) {
	if f.Policy == nil || f.Policy.Bundle == nil || f.Policy.Bundle.URL == "" {
		return nil, nil
	}
	b := f.Policy.Bundle
	key, err := b.PublicKey.Resolve(ctx)
	if err != nil {
		return nil, fmt.Errorf("policy.bundle.public_key: %w", err)
	}
	beside, err := regoFiles(f.Policy)
	if err != nil {
		return nil, err
	}
	s, err := policy.OpenBundle(ctx, policy.BundleConfig{URL: b.URL, PublicKey: key.Reveal(), Poll: b.Poll.D(), MaxAge: b.MaxAge.D(), Dir: dir, Rego: *beside,
		Now: time.Now, Log: log})
	if err != nil {
		return nil, fmt.Errorf("policy.bundle: %w", err)
	}
	return s, nil
}
