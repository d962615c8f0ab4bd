package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/approvals"
	"sallyport/gateway/adminapi"
)

func newApprovals() *cobra.Command {
	var flags adminFlags
	cmd := &cobra.Command{Use: "approvals", Short: "See and answer the requests of agents that wait for people"}
	flags.bind(cmd)
	cmd.AddCommand(newApprovalsList(&flags), newApprovalsShow(&flags), newAnswer(&flags, true), newAnswer(&flags, false), newLink(&flags))
	return cmd
}

func newApprovalsList(flags *adminFlags) *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use: "list", Short: "List open requests, oldest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.client()
			if err != nil {
				return err
			}
			var items []adminapi.Item
			if err := c.do(cmd.Context(), "GET", "/api/approvals?state="+url.QueryEscape(state), nil, &items); err != nil {
				return err
			}
			if flags.json {
				return printJSON(cmd.OutOrStdout(), items)
			}
			return printApprovals(cmd.OutOrStdout(), items)
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "open (default), all, pending, approved, denied, expired, cancelled, stale or consumed")
	return cmd
}

func printApprovals(w io.Writer, items []adminapi.Item) error {
	if len(items) == 0 {
		fmt.Fprintln(w, "no requests")
		return nil
	}
	t := table{header: []string{"CODE", "STATE", "RISK", "TARGET", "REQUESTER", "AGENT", "EXPIRES", "SUMMARY"}}
	for _, i := range items {
		t.add(i.Code, i.State, fmt.Sprint(i.Risk), i.Target, visible(i.Requester, false), visible(i.Agent, false), untilOf(i), visible(i.Summary, false))
	}
	s := styleOf(w)
	t.print(w, s, func(column int, cell string) string {
		if column == 1 {
			return s.verdict(cell)
		}
		return cell
	})
	return nil
}

// untilOf is how long a request stays open; "" for one that is closed: its time has no meaning any more.
func untilOf(i adminapi.Item) string {
	if i.State != string(approvals.Pending) && i.State != string(approvals.Approved) {
		return ""
	}
	return until(i.Expires)
}

// until says how far off a time is: "in 12m", "passed".
func until(rfc3339 string) string {
	t, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		return rfc3339
	}
	d := time.Until(t).Round(time.Second)
	if d <= 0 {
		return "passed"
	}
	if d >= time.Minute {
		return "in " + strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return "in " + d.String()
}

func newApprovalsShow(flags *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show ID|CODE", Short: "Show one request with everything to decide on", Args: exactArgs("an id or code"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.client()
			if err != nil {
				return err
			}
			var d adminapi.Detail
			if err := c.do(cmd.Context(), "GET", "/api/approvals/"+url.PathEscape(args[0]), nil, &d); err != nil {
				return err
			}
			if flags.json {
				return printJSON(cmd.OutOrStdout(), d)
			}
			printRequest(cmd.OutOrStdout(), d)
			return nil
		},
	}
}

// printRequest is the approval card in a terminal: what will happen first, the agent's story last and marked as such.
func printRequest(w io.Writer, d adminapi.Detail) {
	s := styleOf(w)
	fmt.Fprintf(w, "%s  %s  %s\n", s.bold(d.Code), s.verdict(d.State), visible(d.Summary, false))
	fmt.Fprintf(w, "  target     %s (%s)\n", d.Target, d.Environment)
	fmt.Fprintf(w, "  who        %s, through %s\n", visible(d.Requester, false), visible(d.Agent, false))
	fmt.Fprintf(w, "  risk       %d\n", d.Risk)
	if list, ok := d.Reasons.([]any); ok {
		for _, r := range list {
			fmt.Fprintf(w, "             - %s\n", visible(fmt.Sprint(r), false))
		}
	}
	if d.Impact != nil {
		printImpact(w, s, d.Impact)
	}
	fmt.Fprintf(w, "  needs      %d of %s, has %d\n", d.Needed, strings.Join(d.From, " or "), d.Given)
	for _, v := range d.Votes {
		word := "no"
		if v.Yes {
			word = "yes"
		}
		fmt.Fprintf(w, "             %s %s %s\n", s.verdict(word), visible(v.By.Subject, false), visible(v.Reason, false))
	}
	if open := untilOf(d.Item); open != "" {
		fmt.Fprintf(w, "  expires    %s (%s)\n", open, d.Expires)
	}
	fmt.Fprintf(w, "  exactly\n%s\n", indent(visible(d.Text, true), "    "+s.cyan("│ ")))
	if d.Claim != "" {
		fmt.Fprintf(w, "  the agent claims: %s\n", s.dim(fmt.Sprintf("%q", visible(d.Claim, false))))
	}
	fmt.Fprintf(w, "  digest     %s\n", s.dim(d.Digest))
}

func indent(text, with string) string {
	return with + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+with)
}

// newAnswer is approve and deny. The request is fetched and shown first, and the vote carries the digest of what was shown.
func newAnswer(flags *adminFlags, yes bool) *cobra.Command {
	use, short := "deny", "Say no to a request; --reason tells the agent why"
	if yes {
		use, short = "approve", "Say yes to exactly what show prints, once"
	}
	var reason, digest string
	cmd := &cobra.Command{
		Use: use + " ID|CODE", Short: short, Args: exactArgs("an id or code"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.client()
			if err != nil {
				return err
			}
			path := "/api/approvals/" + url.PathEscape(args[0])
			var d adminapi.Detail
			if err := c.do(cmd.Context(), "GET", path, nil, &d); err != nil {
				return err
			}
			if digest == "" {
				digest = d.Digest
			}
			if !flags.json {
				printRequest(cmd.OutOrStdout(), d)
			}
			ballot := adminapi.Ballot{Yes: &yes, Digest: digest, Reason: reason}
			if err := c.do(cmd.Context(), "POST", "/api/approvals/"+url.PathEscape(d.ID)+"/votes", ballot, &d); err != nil {
				return err
			}
			if flags.json {
				return printJSON(cmd.OutOrStdout(), d)
			}
			s := styleOf(cmd.OutOrStdout())
			fmt.Fprintf(cmd.OutOrStdout(), "%s is now %s (%d of %d)\n", d.Code, s.verdict(d.State), d.Given, d.Needed)
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; the agent sees it")
	cmd.Flags().StringVar(&digest, "digest", "", "answer only if the request still has this digest")
	return cmd
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
