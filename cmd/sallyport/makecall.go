package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/configs"
	"sallyport/gateway"
	"sallyport/policy"
	"sallyport/tools"
)

// madeCall is a call described by flags: what would be done, by whom, and when. The tool itself says what it is.
type madeCall struct {
	target, tool, sql, command, method, path, body string
	params, argv, headers                          []string
	who                                            policy.Principal
	at                                             string
	connect                                        bool
}

func (m *madeCall) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&m.target, "target", "", "make a call on this target")
	fl.StringVar(&m.tool, "tool", "", "query, query_write, exec or http; the one that fits when absent")
	fl.StringVar(&m.sql, "sql", "", "the statement; needs --connect, because only the target's catalog says what names mean")
	fl.StringArrayVar(&m.params, "param", nil, "value of the next $n: JSON, or a text; repeatable")
	fl.StringArrayVar(&m.argv, "argv", nil, "the next word of the command; repeatable, or write the words after --")
	fl.StringVar(&m.command, "command", "", "the command as one text")
	fl.StringVar(&m.method, "method", "", "HTTP method; GET when absent")
	fl.StringVar(&m.path, "path", "", "HTTP path below the target's base URL, with its query string")
	fl.StringArrayVar(&m.headers, "header", nil, "NAME: VALUE; repeatable")
	fl.StringVar(&m.body, "body", "", "HTTP body: JSON, or a text")
	fl.StringVar(&m.who.Subject, "subject", "", "who calls: the token's sub")
	fl.StringSliceVar(&m.who.Groups, "groups", nil, "groups of the caller")
	fl.StringVar(&m.who.Agent, "agent", "", "agent through which the call comes")
	fl.StringVar(&m.who.Client, "client", "", "OAuth client through which the call comes")
	fl.StringVar(&m.who.Issuer, "issuer", "", "issuer of the caller's token; the first of the configuration when absent")
	fl.StringVar(&m.at, "at", "", "when, as 2026-01-31T09:00:00Z; now when absent")
	fl.BoolVar(&m.connect, "connect", false, "let the target's catalog be read, with the configured login, as a call does before it is decided; the statement does not run")
}

// words are what stands behind -- on the command line.
func (m *madeCall) words(args []string) { m.argv = append(m.argv, args...) }

func (m *madeCall) given() bool {
	return m.target+m.tool+m.sql+m.command+m.method+m.path+m.body != "" || len(m.argv) > 0
}

// input plans and inspects the call with the tool for it. Nothing is connected to but, with --connect, a database.
func (m *madeCall) input(ctx context.Context, rules *rulebook) (in policy.Input, err error) {
	kind, args, err := m.arguments()
	if err != nil {
		return in, err
	}
	t, ok := rules.targets[m.target]
	switch {
	case !ok:
		return in, usageError("--target: the configuration has no target %q", m.target)
	case t.Kind != kind:
		return in, usageError("--target: %s is %s, and this is a call for %s", m.target, t.Kind, kind)
	case m.who.Subject == "" && len(m.who.Groups) == 0 && m.who.Agent == "" && m.who.Client == "":
		return in, &cliError{code: exitUsage, err: errors.New("it is not said who calls"), hints: []string{"give --subject and --groups, and --agent or --client where scopes name them"}}
	}
	when := time.Now()
	if m.at != "" {
		if when, err = time.Parse(time.RFC3339, m.at); err != nil {
			return in, usageError("--at: %q is not a time; write 2026-01-31T09:00:00Z", m.at)
		}
	}
	if m.who.Issuer == "" {
		m.who.Issuer = rules.file.Identity.Issuers[0].URL
	}
	f, err := m.facts(ctx, rules.file, kind, args)
	if err != nil {
		return in, err
	}
	return gateway.PolicyInput(policy.Call{Tool: m.tool, Time: when.UTC()}, m.who, policy.Target(t), f), nil
}

// arguments are those an agent would send, and the kind of target that takes them.
func (m *madeCall) arguments() (kind string, args tools.Args, err error) {
	all := map[string]any{"target": m.target, "reason": "policy explain"}
	forms := 0
	if m.sql != "" {
		forms, kind, all["sql"] = forms+1, "postgres", m.sql
		var params []any
		for _, p := range m.params {
			params = append(params, jsonOrText(p))
		}
		if params != nil {
			all["params"] = params
		}
	}
	if len(m.argv) > 0 {
		forms, kind, all["argv"] = forms+1, "ssh", m.argv
	}
	if m.command != "" {
		forms, kind, all["command"] = forms+1, "ssh", m.command
	}
	if m.path != "" {
		forms, kind, all["path"], all["method"] = forms+1, "http", m.path, "GET"
		if m.method != "" {
			all["method"] = m.method
		}
		headers := map[string]string{}
		for _, h := range m.headers {
			name, value, ok := strings.Cut(h, ":")
			if !ok {
				return "", nil, usageError("--header: %q is not NAME: VALUE", h)
			}
			headers[name] = strings.TrimSpace(value)
		}
		if all["headers"] = headers; m.body != "" {
			all["body"] = jsonOrText(m.body)
		}
	}
	if m.target == "" || forms != 1 {
		return "", nil, &cliError{code: exitUsage, err: errors.New("a call is --target with one of --sql, --argv, --command and --path"), hints: []string{"sallyport policy explain --help shows them"}}
	}
	if fits := toolsOf[kind]; m.tool == "" {
		m.tool = fits[0]
	} else if !strings.Contains(" "+strings.Join(fits, " ")+" ", " "+m.tool+" ") {
		return "", nil, usageError("--tool: %q does not take this; use %s", m.tool, strings.Join(fits, " or "))
	}
	args, err = json.Marshal(all)
	return kind, args, err
}

// facts are what the tool says of the call.
func (m *madeCall) facts(ctx context.Context, file *configs.File, kind string, args tools.Args) (*tools.Facts, error) {
	w, closer, err := openKind(ctx, file, kind, m.connect && kind == "postgres")
	if err != nil {
		return nil, err
	}
	defer closer()
	p, err := w.Tools[m.tool].Plan(ctx, args)
	var wrong *tools.WrongToolError
	if errors.As(err, &wrong) && wrong.Use != "" && m.sql != "" {
		m.tool = wrong.Use
		p, err = w.Tools[m.tool].Plan(ctx, args)
	}
	if err != nil {
		return nil, beforePolicy(err)
	}
	if kind == "postgres" && !m.connect {
		return nil, &cliError{code: exitUsage, err: fmt.Errorf("what this statement touches is in the catalog of %s: which tables and columns its names are, their labels, and what its functions do", m.target),
			hints: []string{"--connect reads the catalog with the configured login; the statement does not run", "or explain a recorded call: --call ID, or --input FILE"}}
	}
	f, err := w.Tools[m.tool].Inspect(ctx, p)
	if err != nil {
		return nil, beforePolicy(err)
	}
	return f, nil
}

// beforePolicy is the error of a call that is refused before anything is decided about it.
func beforePolicy(err error) error {
	return hinted(fmt.Errorf("refused before policy is asked: %w", err), "an agent gets this as an error of its call, whatever a scope allows")
}

// openKind makes the tools for one kind of target as serve does, and connects to nothing. Secrets stay unread unless read is set.
func openKind(ctx context.Context, f *configs.File, kind string, read bool) (*gateway.World, func(), error) {
	s := &server{serverConfig: serverConfig{file: f, log: slog.New(slog.DiscardHandler)}}
	w := &gateway.World{Tools: map[string]gateway.Tool{}, Targets: map[string]gateway.Target{}}
	vault, err := openVault(f)
	if err != nil {
		return nil, nil, err
	}
	s.vault = vault
	open := map[string]func(context.Context, *configs.File, *gateway.World, describers, *secrets) (func(), error){
		"postgres": s.openDatabases, "ssh": s.openHosts, "http": s.openAPIs,
	}[kind]
	known := s.newSecrets(nil)
	known.unread = !read
	known.record = func(context.Context, tools.Credential) error { return nil } // this program has no log
	closer, err := open(ctx, f, w, describers{}, known)
	return w, closer, err
}
