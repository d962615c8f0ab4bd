package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/store"
)

func newAudit() *cobra.Command {
	var flags adminFlags
	cmd := &cobra.Command{Use: "audit", Short: "Search, show, replay, verify and export what happened"}
	flags.bind(cmd)
	cmd.AddCommand(newAuditSearch(&flags), newAuditShow(&flags), newAuditReplay(&flags), newAuditVerify(&flags), newAuditExport(&flags))
	return cmd
}

// auditFilter are the flags that choose entries.
type auditFilter struct {
	kind, target, tool, subject, call, since, until string
	limit                                           int
}

func (f *auditFilter) bind(cmd *cobra.Command, limit int) {
	fl := cmd.Flags()
	fl.StringVar(&f.kind, "kind", "", "request, denied, approval, vote, intent, outcome, session, config or read")
	fl.StringVar(&f.target, "target", "", "only this target")
	fl.StringVar(&f.tool, "tool", "", "only this tool")
	fl.StringVar(&f.subject, "subject", "", "only this person")
	fl.StringVar(&f.call, "call", "", "only this call")
	fl.StringVar(&f.since, "since", "", "from this time: 24h, 7d, or 2026-01-31T00:00:00Z")
	fl.StringVar(&f.until, "until", "", "before this time")
	fl.IntVar(&f.limit, "limit", limit, "the newest so many entries; 0 for all")
}

// check refuses what would silently mean something else.
func (f *auditFilter) check() error {
	if f.limit < 0 {
		return usageError("--limit: %d is not a number of entries; 0 is all", f.limit)
	}
	return nil
}

func (f *auditFilter) query(text string, bodies bool) string {
	q := url.Values{}
	for k, v := range map[string]string{"text": text, "kind": f.kind, "target": f.target, "tool": f.tool, "subject": f.subject, "call": f.call, "since": inHours(f.since), "until": inHours(f.until)} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.limit > 0 {
		q.Set("limit", fmt.Sprint(f.limit))
	}
	q.Set("bodies", fmt.Sprint(bodies))
	return "/api/audit/entries?" + q.Encode()
}

// auditLine is what the commands read of an exported line.
type auditLine struct {
	Seq       int64            `json:"seq"`
	Time      string           `json:"time"`
	Kind      string           `json:"kind"`
	Call      string           `json:"call"`
	Tool      string           `json:"tool"`
	Target    string           `json:"target"`
	Statement string           `json:"statement"`
	Detail    string           `json:"detail"`
	Principal *audit.Principal `json:"principal"`
	Decision  *audit.Decision  `json:"decision"`
	Approval  *audit.Approval  `json:"approval"`
	Masks     []audit.Mask     `json:"masks"`
	Outcome   *audit.Outcome   `json:"outcome"`
	Body      json.RawMessage  `json:"body"`
}

// lines streams exported lines into fn: the raw line and what it says.
func (c *adminClient) lines(cmd *cobra.Command, path string, fn func(raw []byte, l auditLine) error) error {
	resp, err := c.send(cmd.Context(), "GET", path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return eachLine(resp.Body, "the gateway's answer is cut", fn)
}

// eachLine reads exported lines; cut is what it means when one cannot be read.
func eachLine(from io.Reader, cut string, fn func(raw []byte, l auditLine) error) error {
	r := bufio.NewReader(from)
	for {
		raw, err := r.ReadBytes('\n')
		if len(raw) > 0 {
			var l auditLine
			if err := json.Unmarshal(raw, &l); err != nil {
				return fmt.Errorf("%s: %w", cut, err)
			}
			if err := fn(raw, l); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", cut, err)
		}
	}
}

func newAuditSearch(flags *adminFlags) *cobra.Command {
	var f auditFilter
	cmd := &cobra.Command{
		Use: "search [WORD...]", Short: "Find entries by words of the statement, target, table or person, and by facets", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			c, err := flags.client()
			if err != nil {
				return err
			}
			t := table{header: []string{"SEQ", "TIME", "KIND", "WHO", "TOOL", "TARGET", "RESULT", "STATEMENT", "CALL"}}
			var found []json.RawMessage
			err = c.lines(cmd, f.query(strings.Join(args, " "), false), func(raw []byte, l auditLine) error {
				found = append(found, append([]byte(nil), raw...))
				t.add(fmt.Sprint(l.Seq), l.Time, l.Kind, visible(whoOf(l), false), l.Tool, l.Target, result(l), visible(clipText(statementOf(l), 60), false), l.Call)
				return nil
			})
			if err != nil {
				return err
			}
			if flags.json {
				return printJSON(cmd.OutOrStdout(), found)
			}
			if len(t.rows) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing found")
				return nil
			}
			s := styleOf(cmd.OutOrStdout())
			t.print(cmd.OutOrStdout(), s, func(column int, cell string) string {
				if column == 2 || column == 6 {
					return s.verdict(cell)
				}
				return cell
			})
			return nil
		},
	}
	f.bind(cmd, 100)
	return cmd
}

// whoOf is who did what an entry records: of a vote the voter, not the person whose request it answers.
func whoOf(l auditLine) string {
	switch {
	case l.Kind == string(audit.KindVote) && l.Approval != nil && l.Approval.By != "":
		return subjectOf(l.Approval.By)
	case l.Principal != nil:
		return l.Principal.Subject
	}
	return ""
}

// subjectOf is the subject of an identity written as iss#sub. An issuer has no fragment, so the first "#" is where the subject begins.
func subjectOf(identity string) string {
	if _, subject, ok := strings.Cut(identity, "#"); ok {
		return subject
	}
	return identity
}

// statementOf is what stands in the STATEMENT column: a fingerprint, or our own words.
func statementOf(l auditLine) string {
	if l.Statement != "" {
		return l.Statement
	}
	return l.Detail
}

// result is one word on how an entry's call stands.
func result(l auditLine) string {
	switch {
	case l.Outcome != nil && l.Outcome.Code != "":
		return l.Outcome.Code
	case l.Outcome != nil:
		return l.Outcome.Status
	case l.Approval != nil:
		return l.Approval.State
	case l.Decision != nil:
		return l.Decision.Verdict
	}
	return ""
}

func clipText(s string, n int) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}

func newAuditShow(flags *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show CALL", Short: "Show everything recorded about one call, in order, as the agent saw it", Args: exactArgs("a call id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.client()
			if err != nil {
				return err
			}
			out, n := cmd.OutOrStdout(), 0
			f := auditFilter{call: args[0]}
			var all []json.RawMessage
			err = c.lines(cmd, f.query("", true), func(raw []byte, l auditLine) error {
				n++
				if flags.json {
					all = append(all, append([]byte(nil), raw...))
					return nil
				}
				printEntry(out, l)
				return nil
			})
			switch {
			case err != nil:
				return err
			case n == 0:
				return usageError("no entries of a call %s", args[0])
			case flags.json:
				return printJSON(out, all)
			}
			return nil
		},
	}
}

func printEntry(w io.Writer, l auditLine) {
	s := styleOf(w)
	fmt.Fprintf(w, "%s  %s  %s", s.dim(fmt.Sprintf("#%d %s", l.Seq, l.Time)), s.bold(l.Kind), s.verdict(result(l)))
	if l.Detail != "" {
		fmt.Fprintf(w, "  %s", l.Detail)
	}
	fmt.Fprintln(w)
	vote := l.Kind == string(audit.KindVote) && l.Approval != nil && l.Approval.By != ""
	if vote {
		fmt.Fprintf(w, "  who       %s\n", visible(whoOf(l), false))
	}
	if p := l.Principal; p != nil {
		name := "who"
		if vote {
			name = "request of"
		}
		fmt.Fprintf(w, "  %-9s %s", name, visible(p.Subject, false))
		if p.Agent != "" {
			fmt.Fprintf(w, ", through %s", visible(p.Agent, false))
		}
		fmt.Fprintln(w)
	}
	if l.Statement != "" {
		fmt.Fprintf(w, "  what      %s on %s: %s\n", l.Tool, l.Target, visible(l.Statement, false))
	}
	if d := l.Decision; d != nil {
		fmt.Fprintf(w, "  decision  %s, scope %s, rule %s, risk %d\n", s.verdict(d.Verdict), d.Scope, d.Rule, d.Score)
	}
	if a := l.Approval; a != nil {
		fmt.Fprintf(w, "  approval  %s %s", a.Code, s.verdict(a.State))
		if a.By != "" {
			fmt.Fprintf(w, " by %s via %s", visible(a.By, false), a.Via)
		}
		fmt.Fprintln(w)
	}
	for _, m := range l.Masks {
		fmt.Fprintf(w, "  masked    %s x%d (%s)\n", m.Class, m.Count, m.Why)
	}
	if o := l.Outcome; o != nil {
		fmt.Fprintf(w, "  outcome   %s %s", s.verdict(o.Status), o.Target)
		if o.Rows > 0 {
			fmt.Fprintf(w, " rows %d,", o.Rows)
		}
		if o.Affected >= 0 {
			fmt.Fprintf(w, " affected %d,", o.Affected)
		}
		fmt.Fprintf(w, " %d bytes, %.1f ms\n", o.Bytes, float64(o.ElapsedUS)/1000)
	}
	var body struct {
		Text   string          `json:"text"`
		Claim  string          `json:"claim"`
		Result json.RawMessage `json:"result"`
	}
	if json.Unmarshal(l.Body, &body) == nil {
		if body.Text != "" {
			fmt.Fprintf(w, "%s\n", indent(visible(body.Text, true), "    "+s.cyan("│ ")))
		}
		if body.Claim != "" {
			fmt.Fprintf(w, "  claimed   %s\n", s.dim(fmt.Sprintf("%q", visible(body.Claim, false))))
		}
		if len(body.Result) > 0 {
			fmt.Fprintf(w, "  answered  %s\n", clipText(visible(string(body.Result), false), 2000))
		}
	}
}

// listedProblems is how many problems of each kind audit verify lists; the first name the place, and --all and --json have the others.
const listedProblems = 20

func newAuditVerify(flags *adminFlags) *cobra.Command {
	var state string
	var all bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove that the log is whole: of a running gateway, or offline on a copy of its state", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var report *audit.Report
			if state != "" {
				if _, err := os.Stat(state); err != nil {
					return usageError("--state: %s", err)
				}
				r, err := store.VerifyDir(state)
				if err != nil {
					return err
				}
				report = r
			} else {
				c, err := flags.client()
				if err != nil {
					return err
				}
				if err := c.do(cmd.Context(), "GET", "/api/audit/verify", nil, &report); err != nil {
					return err
				}
			}
			if flags.json {
				if err := printJSON(cmd.OutOrStdout(), report); err != nil {
					return err
				}
			} else {
				most := listedProblems
				if all {
					most = 0
				}
				fmt.Fprint(cmd.OutOrStdout(), report.Text(most))
			}
			if !report.OK() {
				return &cliError{code: exitFailed, err: fmt.Errorf("the log does not verify")}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "verify a copy of a state directory, offline")
	cmd.Flags().BoolVar(&all, "all", false, fmt.Sprintf("list every problem, not only the first %d of each kind", listedProblems))
	return cmd
}

func newAuditExport(flags *adminFlags) *cobra.Command {
	var f auditFilter
	var format string
	var bodies bool
	cmd := &cobra.Command{
		Use: "export", Short: "Print entries as JSON lines, oldest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "jsonl" {
				return usageError("--format: %q is not supported; use jsonl", format)
			}
			if err := f.check(); err != nil {
				return err
			}
			c, err := flags.client()
			if err != nil {
				return err
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			if err := c.lines(cmd, f.query("", bodies), func(raw []byte, _ auditLine) error {
				_, err := out.Write(raw)
				return err
			}); err != nil {
				return err
			}
			return out.Flush()
		},
	}
	f.bind(cmd, 0)
	cmd.Flags().StringVar(&format, "format", "jsonl", "jsonl: one entry a line")
	cmd.Flags().BoolVar(&bodies, "bodies", true, "open the sealed bodies")
	return cmd
}
