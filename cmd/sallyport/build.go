package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sallyport/approvals"
	"sallyport/approvals/web"
	"sallyport/configs"
	"sallyport/gateway"
	"sallyport/gateway/mcpserver"
	"sallyport/identity"
	"sallyport/masking"
	"sallyport/policy"
	"sallyport/tools"
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

func newVerifier(ctx context.Context, f *configs.File, log *slog.Logger, read readSecret) (*identity.Verifier, error) {
	var issuers []identity.Issuer
	for _, i := range f.Identity.Issuers {
		issuers = append(issuers, identity.Issuer{URL: i.URL, Audience: i.Audience, APIAudience: i.APIAudience, GroupsClaim: i.Groups, Claims: i.Claims,
			MaxLifetime: i.MaxTokenLifetime.D(), Web: webClient(i.Web, read)})
	}
	return identity.New(ctx, identity.Config{Issuers: issuers, Now: time.Now, Log: log})
}

func webClient(c *configs.WebClient, read readSecret) *identity.WebClient {
	if c == nil {
		return nil
	}
	w := &identity.WebClient{ID: c.ClientID, Scopes: c.Scopes}
	if !c.ClientSecret.IsZero() {
		w.Secret = func(ctx context.Context) (string, error) {
			v, _, err := read(ctx, c.ClientSecret)
			return v.Reveal(), err
		}
	}
	return w
}

// newPages are the pages on which people answer in a browser.
func (s *server) newPages() (*web.Server, error) {
	secret, err := s.store.DeriveKey("approvals pages")
	if err != nil {
		return nil, err
	}
	return web.New(web.Config{
		PublicURL: s.file.PublicURL, Logins: s.verifier, Requests: s.store, Secret: secret, Now: time.Now, Log: s.log,
		Sees:    func(p *identity.Principal, req approvals.Request) bool { return s.current.roles().Sees(p, req) },
		Answers: func(p *identity.Principal) bool { return p.InGroup(s.current.roles().Approver...) },
		Vote: func(ctx context.Context, id string, v approvals.Voter, digest string, yes bool, reason string) (approvals.Request, error) {
			return s.gateway.Vote(ctx, id, gateway.Answer{Voter: v, Digest: digest, Yes: yes, Reason: reason, Via: "web"})
		},
	})
}

// buildWorld constructs everything a reload replaces, or nothing: on error what was opened is closed again.
func (s *server) buildWorld(ctx context.Context, f *configs.File) (_ *gateway.World, err error) {
	engine, err := masking.New(masking.Config{Off: f.Masking.Detect.Disabled(), Key: s.store.MaskingKey()})
	if err != nil {
		return nil, err
	}
	decides, err := openPolicy(ctx, f, s.bundle) // before anything is connected to
	if err != nil {
		return nil, err
	}
	if f.Policy != nil && f.Policy.Mode == "override" {
		s.log.Warn("policy.mode is override: votes of the operator's Rego replace what the score decides", "policy", decides.Revision())
	}
	w := &gateway.World{Policy: decides, Tools: map[string]gateway.Tool{}, Targets: map[string]gateway.Target{}, Masking: engine}
	var undo []func()
	w.Close = sync.OnceFunc(func() {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	})
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if f.Policy != nil && f.Policy.DecisionLog != "" {
		file, err := os.OpenFile(f.Policy.DecisionLog, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, fmt.Errorf("policy.decision_log: %w", err)
		}
		undo = append(undo, func() { file.Close() })
		w.Decisions = policy.NewDecisionLog(file, map[string]string{"id": f.PublicURL, "version": version}, func(err error) {
			s.log.Error("a line of policy.decision_log could not be written; the decision stands in the audit log", "err", err)
		})
	}
	known := s.newSecrets(engine)
	if c := f.Approvals.Slack; c != nil {
		for _, token := range slackTokens(c) { // never in an answer either
			if token.ref.IsZero() {
				continue
			}
			if _, err := known.resolve(ctx, "approvals.slack."+token.key, token.ref); err != nil {
				return nil, err
			}
		}
	}
	describe := describers{}
	w.Describe = describe
	for _, open := range []func(context.Context, *configs.File, *gateway.World, describers, *secrets) (func(), error){s.openDatabases, s.openHosts, s.openAPIs} {
		closer, err := open(ctx, f, w, describe, known)
		if err != nil {
			return nil, err
		}
		undo = append(undo, closer)
	}
	return w, nil
}

// toolsOf are the tools that work on a kind of target.
var toolsOf = map[string][]string{"postgres": {"query", "query_write"}, "ssh": {"exec"}, "http": {"http"}}

// addTarget tells the pipeline of a target, and who describes it.
func addTarget(w *gateway.World, describe describers, f *configs.File, name string, by gateway.Describer) {
	t := f.Targets[name]
	w.Targets[name] = gateway.Target{Kind: t.Kind(), Environment: environment(t), Labels: t.Labels, Revision: f.TargetRevision(name), Tools: toolsOf[t.Kind()]}
	describe[name] = by
}

// environment of a target; one that names none is treated like production.
func environment(t *configs.Target) string {
	if t.Environment == "" {
		return "production"
	}
	return t.Environment
}

// describers answer describe_target by the target's name.
type describers map[string]gateway.Describer

func (d describers) Describe(ctx context.Context, target, path, detail string) (any, error) {
	by, ok := d[target]
	if !ok {
		return nil, tools.ErrNoSuchTarget
	}
	return by.Describe(ctx, target, path, detail)
}

func policyConfig(ctx context.Context, f *configs.File, bundle *policy.BundleSource) (policy.Config, error) {
	cfg := policy.Config{Narrow: narrowers, Match: matchers}
	var err error
	if bundle != nil {
		cfg.Fresh = bundle.Fresh
	}
	if cfg.Rego, err = operatorRego(ctx, f, bundle); err != nil {
		return cfg, err
	}
	for name, t := range f.Targets {
		cfg.Targets = append(cfg.Targets, policy.TargetInfo{Name: name, Kind: t.Kind(), Environment: environment(t), Labels: t.Labels})
	}
	for name, s := range f.Scopes {
		p := policy.Scope{
			Name: name, Who: policyWho(s.Who),
			Targets: f.TargetsOf(s), Allow: s.Allow, NotUnderstoodAsk: s.NotUnderstood == "ask",
			Limits: policy.Limits{Rows: s.Limits.Rows, Bytes: int(s.Limits.Bytes), TimeMS: int(s.Limits.Time.D() / time.Millisecond), AffectedRows: s.Limits.AffectedRows},
			Risk:   policy.Thresholds{Ask: s.Risk.Ask, Deny: s.Risk.Deny},
			Hours:  policyHours(s.Hours), ObjectsAllow: s.Objects.Allow, ObjectsDeny: s.Objects.Deny,
			Operations: s.Operations, Headers: s.Headers, Commands: s.Commands, CommandText: s.CommandText, Stdin: s.Stdin,
		}
		if a := s.Approval; a != nil {
			for i, h := range a.Levels() {
				need := policy.Requirement{From: h.From, Count: h.Count, WithinS: int(h.Within.D() / time.Second), Assurance: h.Assurance}
				if i == 0 {
					p.Approval = &need
				} else {
					p.Higher = append(p.Higher, policy.Level{Risk: h.Risk, Requirement: need})
				}
			}
		}
		for _, b := range s.Budgets {
			per := map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour}[b.Per]
			p.Budgets = append(p.Budgets, policy.Budget{Per: per, Calls: int64(b.Calls), Rows: int64(b.Rows), MaskedValues: int64(b.MaskedValues), Bytes: int64(b.Bytes)})
		}
		for _, d := range s.Deny {
			p.Deny = append(p.Deny, policyDeny(f, &d))
		}
		cfg.Scopes = append(cfg.Scopes, p)
	}
	slices.SortFunc(cfg.Scopes, func(a, b policy.Scope) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(cfg.Targets, func(a, b policy.TargetInfo) int { return strings.Compare(a.Name, b.Name) })
	return cfg, nil
}

func policyDeny(f *configs.File, d *configs.Deny) policy.DenyRule {
	w := &d.When
	r := policy.DenyRule{
		Reason: d.Reason, Effects: w.Effects, Objects: w.Objects, Kinds: w.Kinds, Tools: w.Tools, Labels: w.Labels,
		Operations: w.Operations, Commands: w.Commands, OutsideHours: policyHours(w.OutsideHours),
	}
	if !w.Targets.Empty() {
		r.Targets = f.Selected(&w.Targets)
		r.Nowhere = len(r.Targets) == 0
	}
	return r
}

func policyHours(h *configs.Hours) *policy.Hours {
	if h == nil {
		return nil
	}
	return &policy.Hours{Days: h.Weekdays(), From: int(h.From), To: int(h.To), Zone: h.Zone}
}

func policyWho(w configs.Who) policy.Who {
	who := policy.Who{Groups: w.Groups, Subjects: w.Subjects, Agents: w.Agents, Clients: w.Clients}
	for name, values := range w.Claims {
		if who.Claims == nil {
			who.Claims = map[string][]string{}
		}
		who.Claims[name] = values
	}
	return who
}

func (s *server) newMCP(f *configs.File) (*mcpserver.Server, error) {
	cfg := mcpserver.Config{
		Gateway: s.gateway, ResourceURL: f.PublicURL + "/mcp", ReadScope: f.Identity.Scopes.Read, WriteScope: f.Identity.Scopes.Write,
		TrustedProxies: f.TrustedProxies, Hold: min(f.Approvals.Hold.D(), 25*time.Second), HoldWithProgress: f.Approvals.Hold.D(), Replay: replayWindow, Log: s.log, Now: time.Now, Version: version,
		ErrorReason: identity.Reason, Unavailable: func(err error) bool { return errors.Is(err, identity.ErrUnavailable) }, OnRefused: s.gateway.Refused,
		Verify: func(ctx context.Context, token string) (*identity.Principal, error) {
			return s.verifier.Verify(ctx, token, identity.MCP)
		},
		EndSession: s.gateway.Leave,
	}
	for _, i := range f.Identity.Issuers {
		cfg.AuthorizationServers = append(cfg.AuthorizationServers, i.URL)
	}
	return mcpserver.New(cfg)
}

// parseWorkerCommand is the hidden command by which this binary runs itself as the SQL parser's child process.
const parseWorkerCommand = "parse-worker"

func newParseWorker() *cobra.Command {
	return &cobra.Command{Use: parseWorkerCommand, Hidden: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return sqlparse.Serve(cmd.InOrStdin(), cmd.OutOrStdout())
	}}
}
