package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/policy"
)

func newPolicySuggest(flags *adminFlags) *cobra.Command {
	var config, file string
	var f auditFilter
	var w whose
	var approvers []string
	cmd := &cobra.Command{
		Use: "suggest (--subject S | --agent A | --client C) (--since 7d | --input FILE)", Args: cobra.NoArgs,
		Short: "Print the narrowest scopes that cover what somebody really did; nothing is changed",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if w == (whose{}) {
				return &cliError{code: exitUsage, err: errors.New("policy suggest needs to know whose calls"), hints: []string{"give one or more of --subject, --agent and --client; a caller has to match all that are given"}}
			}
			if (f.since == "") == (file == "") {
				return &cliError{code: exitUsage, err: errors.New("policy suggest takes one of --since and --input"),
					hints: []string{"--since 7d reads the gateway's log; --input reads a file made with sallyport audit export"}}
			}
			g := suggestion{whose: w, approvers: approvers}
			if config != "" {
				rules, err := openRulebook(cmd.Context(), config)
				if err != nil {
					return err
				}
				g.rules = rules
			}
			o := observation{whose: w, calls: map[string]*observed{}}
			if err := readLog(cmd, flags, f, file, o.add); err != nil {
				return err
			}
			if err := g.build(cmd.Context(), o); err != nil {
				return err
			}
			if flags.json {
				return printJSON(cmd.OutOrStdout(), g.report())
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), g.text())
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&w.Subject, "subject", "", "calls of this person: sub, or issuer#sub")
	fl.StringVar(&w.Agent, "agent", "", "calls through this agent")
	fl.StringVar(&w.Client, "client", "", "calls through this OAuth client")
	fl.StringVar(&f.since, "since", "", "calls from this time on: 7d, 24h, or 2026-01-31T00:00:00Z")
	fl.StringVar(&f.until, "until", "", "calls before this time")
	fl.StringVar(&f.target, "target", "", "only calls on this target")
	fl.StringVar(&file, "input", "", "a file that audit export wrote, bodies included; - for standard input")
	fl.StringVar(&config, "config", "", "take targets, and who is asked, from this sallyport.yaml")
	fl.StringSliceVar(&approvers, "approvers", nil, "groups to ask where people have to agree; as in the configuration when absent")
	return cmd
}

// whose are the calls that count. What is "" is not looked at.
type whose struct{ Subject, Agent, Client string }

func (w whose) is(p policy.Principal) bool {
	return (w.Subject == "" || w.Subject == p.Subject || w.Subject == p.Issuer+"#"+p.Subject) &&
		(w.Agent == "" || w.Agent == p.Agent) && (w.Client == "" || w.Client == p.Client)
}

func (w whose) String() string {
	var parts []string
	for _, v := range []struct{ what, name string }{{"subject", w.Subject}, {"agent", w.Agent}, {"client", w.Client}} {
		if v.name != "" {
			parts = append(parts, v.what+" "+quoteASCII(v.name))
		}
	}
	return strings.Join(parts, ", ")
}

// observation is what the log holds of somebody's calls.
type observation struct {
	whose
	calls   map[string]*observed
	order   []*observed
	without int   // entries of decided calls that do not say what was decided on
	err     error // the first input that could not be read
}

// observed is one call of theirs: what policy knew of it, and what became of it.
type observed struct {
	in        policy.Input
	statement string
	rule      string // of its last decision
	scope     string // that covered it
	verdict   string
	ran       bool
	rows      int64 // most it returned
	affected  int64 // most it changed
}

func (o *observation) add(l auditLine) {
	d := l.Decision
	if d == nil || l.Call == "" || strings.HasPrefix(d.Rule, "transport:") || o.err != nil {
		return
	}
	raw := inputOf(l)
	if raw == nil {
		if l.Kind == "outcome" || l.Kind == "denied" {
			o.without++
		}
		return
	}
	in, err := decodeInput("call "+l.Call, raw)
	if err != nil {
		o.err = err
		return
	}
	if !o.is(in.Principal) {
		return
	}
	c := o.calls[l.Call]
	if c == nil {
		c = &observed{}
		o.calls[l.Call], o.order = c, append(o.order, c)
	}
	in.Approval = nil // decided again as it was before people were asked
	c.in, c.statement, c.rule, c.scope, c.verdict = in, l.Statement, d.Rule, d.Scope, d.Verdict
	// An outcome is of a call that reached its target. What was rolled back because it went over a limit changed nothing.
	if out := l.Outcome; l.Kind == "outcome" && d.Verdict == string(policy.Allow) && out != nil && out.Code != "budget_exceeded" {
		c.ran = true
		c.rows, c.affected = max(c.rows, out.Rows), max(c.affected, out.Affected)
	}
}
