package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sallyport/configs"
	"sallyport/gateway"
	"sallyport/gateway/mcpserver"
	"sallyport/identity"
	"sallyport/masking"
	"sallyport/policy"
	"sallyport/tools/query"
	"sallyport/tools/query/sqlparse"
)

// This file turns a configs.File into the parts of a gateway. It is the only place that knows both sides.

// replayWindow is how long an approved call's answer is kept for a client that lost it.
const replayWindow = 10 * time.Minute

func newLogger(f *configs.File, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: f.Log.Level}
	if f.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func newVerifier(ctx context.Context, f *configs.File, log *slog.Logger) (*identity.Verifier, error) {
	var issuers []identity.Issuer
	for _, i := range f.Identity.Issuers {
		issuers = append(issuers, identity.Issuer{URL: i.URL, Audience: i.Audience, APIAudience: i.APIAudience, GroupsClaim: i.Groups, MaxLifetime: i.MaxTokenLifetime.D()})
	}
	return identity.New(ctx, identity.Config{Issuers: issuers, Now: time.Now, Log: log})
}

func sameIssuers(a, b *configs.File) bool { return reflect.DeepEqual(a.Identity, b.Identity) }

// buildWorld constructs everything a reload replaces.
func (s *server) buildWorld(ctx context.Context, f *configs.File) (*gateway.World, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	parser, err := sqlparse.NewPool(sqlparse.Config{Argv: []string{exe, parseWorkerCommand}})
	if err != nil {
		return nil, fmt.Errorf("sql parser: %w", err)
	}
	secrets := map[string][]byte{}
	targets, err := queryTargets(ctx, f, secrets)
	if err != nil {
		parser.Close()
		return nil, err
	}
	db, err := query.Open(query.Config{Targets: targets, Parser: parser, Log: s.log, Now: time.Now})
	if err != nil {
		parser.Close()
		return nil, err
	}
	w := &gateway.World{
		Tools:    map[string]gateway.Tool{"query": db.Reads(), "query_write": db.Writes()},
		Targets:  map[string]gateway.Target{},
		Describe: describer{db},
		Close:    sync.OnceFunc(func() { db.Close(); parser.Close() }),
	}
	for name, t := range f.Targets {
		w.Targets[name] = gateway.Target{Kind: "postgres", Environment: environment(t), Labels: t.Labels, Revision: f.TargetRevision(name), Tools: []string{"query", "query_write"}}
	}
	if w.Policy, err = policy.New(ctx, policyConfig(f)); err == nil {
		w.Masking, err = masking.New(masking.Config{Off: f.Masking.Detect.Disabled(), Key: s.store.MaskingKey()})
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	w.Masking.SetSecrets(secrets)
	return w, nil
}

// environment of a target; one that names none is treated like production.
func environment(t *configs.Target) string {
	if t.Environment == "" {
		return "production"
	}
	return t.Environment
}

// queryTargets resolves nothing that can be resolved later: passwords are read when a connection is made, and once here so
// that masking knows them and a missing one is found at start.
func queryTargets(ctx context.Context, f *configs.File, secrets map[string][]byte) ([]query.Target, error) {
	var out []query.Target
	var problems []error
	for name, t := range f.Targets {
		pg := t.Postgres
		password, err := pg.Password.Resolve(ctx)
		if err != nil {
			problems = append(problems, fmt.Errorf("targets.%s.postgres.password: %w", name, err))
			continue
		}
		secrets["targets."+name+".password"] = []byte(password.Reveal())
		tlsConfig, err := targetTLS(pg)
		if err != nil {
			problems = append(problems, fmt.Errorf("targets.%s.postgres: %w", name, err))
			continue
		}
		labels := map[string]query.Label{}
		for column, l := range t.Columns {
			labels[column] = query.Label{Class: l.Class, Method: l.Mask}
		}
		out = append(out, query.Target{
			Name: name, Host: pg.Host(), Port: pg.Port(), Database: pg.Database(), User: pg.User,
			Password: func(ctx context.Context) (string, error) {
				p, err := pg.Password.Resolve(ctx)
				return p.Reveal(), err
			},
			TLS: tlsConfig, SearchPath: pg.SearchPath, MaxConns: pg.MaxConnections, Revision: f.TargetRevision(name), Labels: labels,
		})
	}
	return out, errors.Join(problems...)
}

// targetTLS is nil only for tls: off, which the configuration accepts on loopback alone.
func targetTLS(pg *configs.Postgres) (*tls.Config, error) {
	if pg.TLS == "off" {
		return nil, nil
	}
	c := &tls.Config{ServerName: pg.Host(), MinVersion: tls.VersionTLS12}
	if pg.CA != "" {
		pem, err := os.ReadFile(pg.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s holds no certificate", pg.CA)
		}
	}
	switch pg.TLS {
	case "require": // encrypted, the server not checked: as libpq means it
		c.InsecureSkipVerify = true
	case "verify-ca":
		c.InsecureSkipVerify = true // the name is not checked; the chain is, below
		roots := c.RootCAs
		c.VerifyConnection = func(st tls.ConnectionState) error {
			opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
			for _, cert := range st.PeerCertificates[1:] {
				opts.Intermediates.AddCert(cert)
			}
			_, err := st.PeerCertificates[0].Verify(opts)
			return err
		}
	}
	return c, nil
}

func policyConfig(f *configs.File) policy.Config {
	var cfg policy.Config
	for name, t := range f.Targets {
		cfg.Targets = append(cfg.Targets, policy.TargetInfo{Name: name, Kind: "postgres", Environment: environment(t), Labels: t.Labels})
	}
	for name, s := range f.Scopes {
		p := policy.Scope{
			Name: name, Who: policy.Who{Groups: s.Who.Groups, Subjects: s.Who.Subjects, Agents: s.Who.Agents, Clients: s.Who.Clients},
			Targets: f.TargetsOf(s), Allow: s.Allow, NotUnderstoodAsk: s.NotUnderstood == "ask",
			Limits:       policy.Limits{Rows: s.Limits.Rows, Bytes: int(s.Limits.Bytes), TimeMS: int(s.Limits.Time.D() / time.Millisecond), AffectedRows: s.Limits.AffectedRows},
			Risk:         policy.Thresholds{Ask: s.Risk.Ask, Deny: s.Risk.Deny},
			ObjectsAllow: s.Objects.Allow, ObjectsDeny: s.Objects.Deny,
		}
		if a := s.Approval; a != nil {
			p.Approval = &policy.Requirement{From: a.From, Count: a.Count, WithinS: int(a.Within.D() / time.Second), Assurance: a.Assurance}
		}
		for _, d := range s.Deny {
			p.Deny = append(p.Deny, policy.DenyRule{Effects: d.When.Effects, Objects: d.When.Objects, Reason: d.Reason})
		}
		cfg.Scopes = append(cfg.Scopes, p)
	}
	slices.SortFunc(cfg.Scopes, func(a, b policy.Scope) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(cfg.Targets, func(a, b policy.TargetInfo) int { return strings.Compare(a.Name, b.Name) })
	return cfg
}

func (s *server) newMCP(f *configs.File) (*mcpserver.Server, error) {
	cfg := mcpserver.Config{
		Gateway: s.gateway, ResourceURL: f.PublicURL + "/mcp", ReadScope: f.Identity.Scopes.Read, WriteScope: f.Identity.Scopes.Write,
		TrustedProxies: f.TrustedProxies, Hold: min(f.Approvals.Hold.D(), 25*time.Second), HoldWithProgress: f.Approvals.Hold.D(), Log: s.log, Now: time.Now,
		Verify: func(ctx context.Context, token string) (*identity.Principal, error) {
			return s.verifier.Verify(ctx, token, identity.MCP)
		},
	}
	for _, i := range f.Identity.Issuers {
		cfg.AuthorizationServers = append(cfg.AuthorizationServers, i.URL)
	}
	return mcpserver.New(cfg)
}

// describer adapts the query tool's typed description to what the gateway passes on.
type describer struct{ db *query.DB }

func (d describer) Describe(ctx context.Context, target, path, detail string) (any, error) {
	return d.db.Describe(ctx, target, path, detail)
}

// parseWorkerCommand is the hidden command by which this binary runs itself as the SQL parser's child process.
const parseWorkerCommand = "parse-worker"

func newParseWorker() *cobra.Command {
	return &cobra.Command{Use: parseWorkerCommand, Hidden: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return sqlparse.Serve(cmd.InOrStdin(), cmd.OutOrStdout())
	}}
}
