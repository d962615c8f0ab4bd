package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/policy"
)

func newPolicyReplay(flags *adminFlags) *cobra.Command {
	var config, file string
	var rego []string
	var f auditFilter
	cmd := &cobra.Command{
		Use: "replay --config FILE (--since 7d | --input FILE)", Args: cobra.NoArgs,
		Short: "Decide recorded calls again under a configuration and show what would change; exit 3 if an answer turns into its opposite",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (f.since == "") == (file == "") {
				return &cliError{code: exitUsage, err: fmt.Errorf("policy replay takes one of --since and --input"),
					hints: []string{"--since 7d reads the gateway's log; --input reads a file made with sallyport audit export"}}
			}
			rules, err := openRulebook(cmd.Context(), config, rego...)
			if err != nil {
				return err
			}
			h := history{calls: map[string]*recordedCall{}}
			if err := readLog(cmd, flags, f, file, h.add); err != nil {
				return err
			}
			r, err := h.replay(cmd.Context(), rules, progressOn(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			if r.Calls == 0 && r.Without > 0 { // nothing was checked, which must not look like nothing changes
				return hinted(fmt.Errorf("none of %d recorded calls has what policy decided on", r.Without),
					"they are from an older version, or were exported with --bodies=false")
			}
			if flags.json {
				err = printJSON(cmd.OutOrStdout(), r)
			} else {
				r.print(cmd.OutOrStdout())
			}
			if err == nil && r.Opposite > 0 {
				err = &cliError{code: exitDenied, err: fmt.Errorf("%d of %d calls would be answered the opposite way", r.Opposite, r.Calls)}
			}
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&config, "config", "", "decide under this sallyport.yaml")
	fl.StringSliceVar(&rego, "policy", nil, "decide with this folder or file of Rego in place of the configuration's policy.rego")
	fl.StringVar(&file, "input", "", "a file that audit export wrote, bodies included; - for standard input")
	fl.StringVar(&f.since, "since", "", "calls from this time on: 7d, 24h, or 2026-01-31T00:00:00Z")
	fl.StringVar(&f.until, "until", "", "calls before this time")
	fl.StringVar(&f.target, "target", "", "only calls on this target")
	fl.StringVar(&f.tool, "tool", "", "only calls of this tool")
	fl.StringVar(&f.subject, "subject", "", "only calls of this person")
	return cmd
}

// history is what was recorded about calls that were decided.
type history struct {
	calls map[string]*recordedCall
	order []*recordedCall // as they were first decided
}

// recordedCall is the last decision about a call.
type recordedCall struct {
	id, tool, target, subject, statement string
	before                               answered
	approved                             bool // people agreed, so it ran or was about to
	input                                json.RawMessage
}

// answered is how a call was or would be answered, before anybody is asked.
type answered struct {
	Verdict string `json:"verdict"`
	Scope   string `json:"scope,omitempty"`
	Rule    string `json:"rule"`
	Score   int    `json:"score"`
}

// readLog hands every entry to add, from the gateway or from an export.
func readLog(cmd *cobra.Command, flags *adminFlags, f auditFilter, file string, add func(auditLine)) error {
	each := func(_ []byte, l auditLine) error { add(l); return nil }
	if file == "" {
		c, err := flags.client()
		if err != nil {
			return err
		}
		return c.lines(cmd, f.query("", true), each)
	}
	if f.until+f.target+f.tool+f.subject != "" {
		return usageError("--until, --target, --tool and --subject choose from the gateway's log; with --input, give them to audit export")
	}
	b, err := readFile(cmd, "--input", file)
	if err != nil {
		return err
	}
	if err := eachLine(bytes.NewReader(b), "not a line of an export", each); err != nil {
		return usageError("--input %s: %w", file, err)
	}
	return nil
}

// add takes one entry in. The last entry with an input counts: after people agreed, a call is decided once more. Entries that are not
// about a decision of the policy (votes, what the transport refused) are passed over.
func (h *history) add(l auditLine) {
	d := l.Decision
	if d == nil || l.Call == "" || strings.HasPrefix(d.Rule, "transport:") {
		return
	}
	c, known := h.calls[l.Call]
	if !known {
		c = &recordedCall{id: l.Call}
		h.calls[l.Call], h.order = c, append(h.order, c)
	}
	input := inputOf(l)
	if input == nil {
		return
	}
	c.tool, c.target, c.statement, c.input = l.Tool, l.Target, l.Statement, input
	if l.Principal != nil {
		c.subject = l.Principal.Subject
	}
	c.before = answered{d.Verdict, d.Scope, d.Rule, d.Score}
	if c.approved = d.Rule == "approved"; c.approved {
		c.before.Verdict = string(policy.Ask) // what it was before people agreed
	}
}

// replayed is what a configuration would change.
type replayed struct {
	Calls    int      `json:"calls"`         // decided again
	Without  int      `json:"without_input"` // left out: recorded without what policy decided on
	Changed  int      `json:"changed"`
	Opposite int      `json:"opposite"` // allowed (by policy, or by people) and now denied, or denied and now allowed
	Changes  []change `json:"changes"`  // calls that change in the same way, the opposite ones first
}

// change is calls with the same statement of the same person that would be answered differently.
type change struct {
	Count     int      `json:"count"`
	Tool      string   `json:"tool"`
	Target    string   `json:"target"`
	Who       string   `json:"who"`
	Statement string   `json:"statement"` // without literals
	Before    answered `json:"before"`
	After     answered `json:"after"`
	Opposite  bool     `json:"opposite"`
	Why       string   `json:"why"`   // the first sentence behind the new answer
	Calls     []string `json:"calls"` // ids
}

// replay decides every call again, as it was before people were asked.
func (h *history) replay(ctx context.Context, rules *rulebook, tell progress) (*replayed, error) {
	defer tell.done()
	r := &replayed{Changes: []change{}}
	type key struct {
		tool, target, who, statement, before, after, oldRule, rule, scope string
		opposite                                                          bool
	}
	at := map[key]int{}
	for i, c := range h.order {
		if tell.at(i, len(h.order)); c.input == nil {
			r.Without++
			continue
		}
		in, err := decodeInput("call "+c.id, c.input)
		if err != nil {
			return nil, err
		}
		in.Approval = nil
		d, err := rules.engine.Decide(ctx, rules.here(in))
		if err != nil {
			return nil, err
		}
		r.Calls++
		after := answered{string(d.Verdict), d.Scope, d.Rule, d.Score}
		if after.Verdict == c.before.Verdict {
			continue
		}
		r.Changed++
		opposite := isOpposite(c, after.Verdict)
		if opposite {
			r.Opposite++
		}
		k := key{c.tool, c.target, c.subject, c.statement, c.before.Verdict, after.Verdict, c.before.Rule, after.Rule, after.Scope, opposite}
		n, seen := at[k]
		if !seen {
			n = len(r.Changes)
			at[k] = n
			r.Changes = append(r.Changes, change{Tool: c.tool, Target: c.target, Who: c.subject, Statement: c.statement, Before: c.before, After: after,
				Opposite: opposite, Why: firstSentence(d)})
		}
		r.Changes[n].Count++
		r.Changes[n].Calls = append(r.Changes[n].Calls, c.id)
	}
	slices.SortStableFunc(r.Changes, func(a, b change) int {
		if a.Opposite != b.Opposite {
			if a.Opposite {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Count, a.Count)
	})
	return r, nil
}

// isOpposite: what was allowed is denied, or the reverse. What people allowed counts as allowed; what people were asked about otherwise
// was neither.
func isOpposite(c *recordedCall, after string) bool {
	allowed := c.before.Verdict == string(policy.Allow) || c.approved
	return allowed && after == string(policy.Deny) || c.before.Verdict == string(policy.Deny) && after == string(policy.Allow)
}

func firstSentence(d policy.Decision) string {
	for _, r := range d.Reasons {
		if r.Points == 0 {
			return r.Text
		}
	}
	return fmt.Sprintf("the score is %d", d.Score)
}

func (r *replayed) print(w io.Writer) {
	s := styleOf(w)
	if len(r.Changes) > 0 {
		t := table{header: []string{"COUNT", "TOOL", "TARGET", "WHO", "BEFORE", "AFTER", "RULE", "STATEMENT"}}
		for _, c := range r.Changes {
			before := c.Before.Verdict
			if c.Before.Rule == "approved" {
				before += ", approved"
			}
			t.add(fmt.Sprint(c.Count), c.Tool, c.Target, visible(c.Who, false), before, c.After.Verdict, c.After.Rule, visible(clipText(c.Statement, 60), false))
		}
		t.print(w, s, func(column int, cell string) string {
			if column == 4 || column == 5 {
				return s.verdict(cell)
			}
			return cell
		})
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%d calls decided again, %d would be answered differently, %d of them the opposite way\n", r.Calls, r.Changed, r.Opposite)
	if r.Without > 0 {
		fmt.Fprintf(w, "%d calls were left out: recorded without what policy decided on (by an older version, or exported with --bodies=false)\n", r.Without)
	}
}
