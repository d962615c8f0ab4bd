package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/policy"
)

func newPolicyExplain(flags *adminFlags) *cobra.Command {
	var config, call, file string
	var made madeCall
	cmd := &cobra.Command{
		Use: "explain --config FILE (--call ID | --input FILE | --target T --subject S ... [-- WORD...])", Args: cobra.ArbitraryArgs,
		Short: "Decide one call under a configuration and show everything that decided: facts, points, guards, scopes",
		RunE: func(cmd *cobra.Command, args []string) error {
			made.words(args)
			given := 0
			for _, is := range []bool{call != "", file != "", made.given()} {
				if is {
					given++
				}
			}
			if given != 1 {
				return &cliError{code: exitUsage, err: fmt.Errorf("policy explain takes one of --call, --input, and a call made of --target and what it would do"),
					hints: []string{"sallyport audit search prints the ids of calls; --input reads what audit export prints as body.input; --target orders-db --sql 'select 1' --subject maria makes one"}}
			}
			rules, err := openRulebook(cmd.Context(), config)
			if err != nil {
				return err
			}
			var in policy.Input
			if made.given() {
				in, err = made.input(cmd.Context(), rules)
			} else {
				in, err = oneInput(cmd, flags, call, file)
			}
			if err != nil {
				return err
			}
			x, err := rules.engine.Explain(cmd.Context(), rules.here(in))
			if err != nil {
				return err
			}
			if flags.json {
				return printJSON(cmd.OutOrStdout(), x)
			}
			printExplanation(cmd.OutOrStdout(), x)
			return nil
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "decide under this sallyport.yaml")
	cmd.Flags().StringVar(&call, "call", "", "a recorded call, read from the gateway's log")
	cmd.Flags().StringVar(&file, "input", "", "a file with a policy input as JSON, - for standard input")
	made.bind(cmd)
	return cmd
}

// oneInput is the input of a recorded call, or the one in a file.
func oneInput(cmd *cobra.Command, flags *adminFlags, call, file string) (policy.Input, error) {
	if file != "" {
		b, err := readFile(cmd, "--input", file)
		if err != nil {
			return policy.Input{}, err
		}
		return decodeInput("--input "+file, b)
	}
	c, err := flags.client()
	if err != nil {
		return policy.Input{}, err
	}
	var last json.RawMessage
	f := auditFilter{call: call}
	if err := c.lines(cmd, f.query("", true), func(_ []byte, l auditLine) error {
		if in := inputOf(l); in != nil {
			last = in
		}
		return nil
	}); err != nil {
		return policy.Input{}, err
	}
	if last == nil {
		return policy.Input{}, usageError("nothing was decided about a call %s, or its record is from before inputs were kept; sallyport audit show prints what there is", call)
	}
	return decodeInput("call "+call, last)
}

// inputOf is the policy input in the body of an exported line; nil when there is none.
func inputOf(l auditLine) json.RawMessage {
	var body struct {
		Input json.RawMessage `json:"input"`
	}
	if json.Unmarshal(l.Body, &body) != nil || len(body.Input) == 0 {
		return nil
	}
	return body.Input
}

func printExplanation(w io.Writer, x policy.Explanation) {
	s, in, d := styleOf(w), x.Input, x.Decision
	field := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	rest := func(format string, args ...any) { field("", format, args...) }
	text := func(t string) string { return visible(t, false) }

	fmt.Fprintf(w, "%s  %s on %s\n", s.bold(s.verdict(string(d.Verdict))), text(in.Call.Tool), text(in.Target.Name))
	field("rule", "%s", text(d.Rule))
	if d.Scope != "" {
		field("scope", "%s", text(d.Scope))
	}
	fmt.Fprintln(w, s.bold("facts"))
	who := text(in.Principal.Subject)
	if len(in.Principal.Groups) > 0 {
		who += " of " + text(strings.Join(in.Principal.Groups, ", "))
	}
	if in.Principal.Agent != "" {
		who += ", through " + text(in.Principal.Agent)
	}
	field("who", "%s", who)
	field("target", "%s, %s%s", text(in.Target.Kind), text(environmentOf(in.Target)), labelled(in.Target.Labels))
	field("effect", "%s%s", text(in.Plan.Effect), traits(in.Plan))
	for i, o := range in.Plan.Objects {
		name, columns := "", ""
		if i == 0 {
			name = "touches"
		}
		if len(o.Columns) > 0 {
			columns = " (" + text(strings.Join(o.Columns, ", ")) + ")"
		}
		field(name, "%s %s%s%s", text(o.Access), text(o.Name), columns, labelled(o.Labels))
	}
	if len(in.Plan.Unknown) > 0 {
		field("unclear", "%s", s.red(text(strings.Join(in.Plan.Unknown, ", "))))
	}
	if a := in.Approval; a != nil {
		field("approval", "%s, %d said yes", text(a.State), a.Votes)
	}

	fmt.Fprintln(w, s.bold("points"))
	for _, r := range d.Reasons {
		if r.Points != 0 {
			fmt.Fprintf(w, "  %+9d %-18s %s\n", r.Points, text(r.ID), s.dim(text(strings.TrimSuffix(r.Text, fmt.Sprintf(": %+d", r.Points)))))
		}
	}
	fmt.Fprintf(w, "  %9d %s\n", d.Score, s.bold("score"))
	fmt.Fprintln(w, s.bold("because"))
	for _, r := range d.Reasons {
		if r.Points == 0 {
			fmt.Fprintf(w, "  %s\n", text(r.Text))
		}
	}
	if d.Verdict == policy.Allow && d.Rule == "score" {
		fmt.Fprintf(w, "  the score is below what scope %s asks from\n", text(d.Scope))
	}

	if len(x.Votes) > 0 {
		fmt.Fprintln(w, s.bold("votes"))
		for _, v := range x.Votes {
			fmt.Fprintf(w, "  %-9s %-22s %s\n", s.verdict(string(v.Decision)), text(v.ID), text(v.Reason))
		}
	}
	fmt.Fprintln(w, s.bold("guards"))
	for _, g := range x.Guards {
		mark := s.green("passed")
		if g.Hit {
			mark = s.red("hit") + "   "
		}
		fmt.Fprintf(w, "  %s    %-22s %s\n", mark, text(g.ID), text(g.Text))
	}
	fmt.Fprintln(w, s.bold("scopes"))
	if len(x.Scopes) == 0 {
		rest("none is for this caller and this target")
	}
	for _, m := range x.Scopes {
		fmt.Fprintf(w, "  %-16s %s\n", text(m.Scope), text(coverage(m)))
	}
	if d.Verdict == policy.Deny {
		return
	}
	fmt.Fprintln(w, s.bold("obligations"))
	field("limits", "%s", limitsOf(d.Limits))
	if a := d.Approval; a != nil {
		field("people", "%d of %s within %s, assurance %s", a.Count, text(strings.Join(a.From, " or ")), time.Duration(a.WithinS)*time.Second, text(a.Assurance))
	}
}

func environmentOf(t policy.Target) string {
	if t.Environment == "" {
		return "production"
	}
	return t.Environment
}

func labelled(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	return " [" + visible(strings.Join(labels, ", "), false) + "]"
}

// traits are the facts behind the effect that points are given for.
func traits(p policy.Plan) string {
	var out []string
	if len(p.Kinds) > 0 {
		out = append(out, visible(strings.Join(p.Kinds, ", "), false))
	}
	if p.Effect != "read" && !p.Bounded {
		out = append(out, "without a bound")
	}
	if p.Effect != "read" && !p.Reversible {
		out = append(out, "cannot be undone")
	}
	if p.Rows != nil {
		out = append(out, fmt.Sprintf("%d rows of %d", p.Rows.Exact, p.Rows.Table))
	}
	if len(out) == 0 {
		return ""
	}
	return ": " + strings.Join(out, ", ")
}

func coverage(m policy.Match) string {
	var why []string
	if !m.Effect {
		why = append(why, "its allow does not cover the effect")
	}
	if !m.Objects {
		why = append(why, "its objects do not cover all it touches")
	}
	if m.Outside != "" {
		why = append(why, m.Outside)
	}
	if len(why) > 0 {
		return "no: " + strings.Join(why, "; ")
	}
	out := fmt.Sprintf("covers it: score %d, asks from %d, refuses from %d", m.Score, m.Ask, m.Deny)
	if m.Decides {
		out += " (decides)"
	}
	return out
}

// limitsOf names the limits that are set; the others are the tool's own.
func limitsOf(l policy.Limits) string {
	var out []string
	for _, v := range []struct {
		n    int
		text string
	}{{l.Rows, "%d rows"}, {l.Bytes, "%d bytes"}, {l.TimeMS, "%d ms"}, {l.AffectedRows, "%d changed rows"}} {
		if v.n > 0 {
			out = append(out, fmt.Sprintf(v.text, v.n))
		}
	}
	if len(out) == 0 {
		return "the tool's own"
	}
	return strings.Join(out, ", ")
}
