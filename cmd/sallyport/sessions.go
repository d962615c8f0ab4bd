package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/gateway"
	"sallyport/gateway/adminapi"
	"sallyport/identity"
)

func newSessions() *cobra.Command {
	var flags adminFlags
	cmd := &cobra.Command{Use: "sessions", Short: "See and end what agents have open, and keep somebody out"}
	flags.bind(cmd)
	cmd.AddCommand(newSessionsList(&flags), newSessionsShow(&flags), newSessionsEnd(&flags), newSessionsLock(&flags), newSessionsUnlock(&flags), newSessionsLocks(&flags))
	return cmd
}

func newSessionsList(flags *adminFlags) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the open sessions", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		all, err := sessionsOf(cmd, flags)
		if err != nil {
			return err
		}
		if flags.json {
			return printJSON(cmd.OutOrStdout(), all)
		}
		t := &table{header: []string{"ID", "SUBJECT", "AGENT", "CLIENT", "STARTED", "ENDS", "CALLS", "RUNNING", "TARGETS"}}
		for _, s := range all {
			ends := until(s.Ends.Format(time.RFC3339))
			if s.State != "open" {
				ends = s.State
			}
			t.add(s.ID, visible(s.Subject, false), visible(s.Agent, false), visible(s.Client, false), s.Started.UTC().Format("2006-01-02 15:04:05"), ends,
				fmt.Sprint(s.Calls), fmt.Sprint(s.Running), strings.Join(s.Targets, " "))
		}
		t.print(cmd.OutOrStdout(), styleOf(cmd.OutOrStdout()), func(_ int, cell string) string { return cell })
		return nil
	}}
}

func sessionsOf(cmd *cobra.Command, flags *adminFlags) (all []gateway.Session, err error) {
	c, err := flags.client()
	if err != nil {
		return nil, err
	}
	return all, c.do(cmd.Context(), "GET", "/api/sessions", nil, &all)
}

func newSessionsShow(flags *adminFlags) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show one open session", Args: exactArgs("an id"), RunE: func(cmd *cobra.Command, args []string) error {
		all, err := sessionsOf(cmd, flags)
		if err != nil {
			return err
		}
		for _, s := range all {
			if s.ID != args[0] {
				continue
			}
			if flags.json {
				return printJSON(cmd.OutOrStdout(), s)
			}
			w := cmd.OutOrStdout()
			for _, line := range [][2]string{{"session", s.ID + "  " + s.State}, {"who", visible(s.Subject, false) + " of " + visible(s.Issuer, false)},
				{"groups", visible(strings.Join(s.Groups, " "), false)}, {"agent", visible(s.Agent, false)}, {"client", visible(s.Client, false)},
				{"started", s.Started.UTC().Format(time.RFC3339)}, {"last call", s.Seen.UTC().Format(time.RFC3339)}, {"ends", until(s.Ends.Format(time.RFC3339))},
				{"calls", fmt.Sprintf("%d, %d running", s.Calls, s.Running)}, {"targets", strings.Join(s.Targets, " ")}} {
				fmt.Fprintf(w, "%-10s %s\n", line[0], line[1])
			}
			return nil
		}
		return &cliError{code: exitUsage, err: errors.New("no open session has this id"), hints: []string{"sallyport sessions list shows those that are open; sallyport audit search shows what an earlier one did"}}
	}}
}

func newSessionsEnd(flags *adminFlags) *cobra.Command {
	return &cobra.Command{Use: "end ID", Short: "End a session now: its calls are cancelled, its credentials revoked", Args: exactArgs("an id"),
		Long: "end returns when everything the session held is gone. The caller can begin a new one with its next call; to keep somebody out, use lock.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.client()
			if err != nil {
				return err
			}
			var answer struct {
				Took int64 `json:"took_ms"`
			}
			if err := c.do(cmd.Context(), "POST", "/api/sessions/"+url.PathEscape(args[0])+"/end", map[string]string{}, &answer); err != nil {
				return err
			}
			if flags.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"id": args[0], "state": "ended", "took_ms": answer.Took})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "session %s has ended; everything it held was gone after %d ms\n", args[0], answer.Took)
			return nil
		}}
}

func newSessionsLock(flags *adminFlags) *cobra.Command {
	var b adminapi.LockRequest
	var within time.Duration
	cmd := &cobra.Command{Use: "lock (--subject S | --agent A | --client C) --reason TEXT", Short: "Keep a person, an agent or a client out, and end its sessions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if b.Subject == "" && b.Agent == "" && b.Client == "" {
				return usageError("name whom to lock out: --subject, --agent or --client")
			}
			if b.Reason == "" {
				return usageError("--reason is missing: it is what the next person finds")
			}
			if within < 0 || within > 0 && within < time.Second {
				return usageError("--for: at least 1s, or leave it out to lock until somebody unlocks")
			}
			b.Seconds = int(within / time.Second)
			c, err := flags.client()
			if err != nil {
				return err
			}
			var answer adminapi.LockAnswer
			if err := c.do(cmd.Context(), "POST", "/api/locks", b, &answer); err != nil {
				return err
			}
			if flags.json {
				return printJSON(cmd.OutOrStdout(), answer)
			}
			still := ""
			if answer.Pending {
				still = "; some are still being ended"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "locked out; %d sessions ended%s. Lift it with: sallyport sessions unlock %s\n", answer.Ended, still, answer.ID)
			return nil
		}}
	cmd.Flags().StringVar(&b.Subject, "subject", "", "the person's sub")
	cmd.Flags().StringVar(&b.Issuer, "issuer", "", "only of this issuer")
	cmd.Flags().StringVar(&b.Agent, "agent", "", "the agent, wherever it acts in the chain")
	cmd.Flags().StringVar(&b.Client, "client", "", "the OAuth client")
	cmd.Flags().StringVar(&b.Reason, "reason", "", "why")
	cmd.Flags().DurationVar(&within, "for", 0, "for how long; without it until somebody unlocks")
	return cmd
}

func newSessionsUnlock(flags *adminFlags) *cobra.Command {
	return &cobra.Command{Use: "unlock ID", Short: "Lift a lock", Args: exactArgs("an id"), RunE: func(cmd *cobra.Command, args []string) error {
		c, err := flags.client()
		if err != nil {
			return err
		}
		if err := c.do(cmd.Context(), "DELETE", "/api/locks/"+url.PathEscape(args[0]), nil, nil); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "lifted")
		return nil
	}}
}

func newSessionsLocks(flags *adminFlags) *cobra.Command {
	return &cobra.Command{Use: "locks", Short: "List the locks in force", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := flags.client()
		if err != nil {
			return err
		}
		var all []identity.Lock
		if err := c.do(cmd.Context(), "GET", "/api/locks", nil, &all); err != nil {
			return err
		}
		if flags.json {
			return printJSON(cmd.OutOrStdout(), all)
		}
		t := &table{header: []string{"ID", "SUBJECT", "AGENT", "CLIENT", "ISSUER", "UNTIL", "BY", "REASON"}}
		for _, l := range all {
			ends := "lifted"
			if !l.Expires.IsZero() {
				ends = l.Expires.UTC().Format("2006-01-02 15:04:05")
			}
			t.add(l.ID, visible(l.Subject, false), visible(l.Agent, false), visible(l.Client, false), visible(l.Issuer, false), ends, visible(l.By, false), visible(l.Reason, false))
		}
		t.print(cmd.OutOrStdout(), styleOf(cmd.OutOrStdout()), func(_ int, cell string) string { return cell })
		return nil
	}}
}
