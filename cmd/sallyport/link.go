package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/approvals"
	"sallyport/gateway/adminapi"
)

// newLink is the person's side of linking a Slack account: the code came to the account alone, the token is the person's alone.
func newLink(flags *adminFlags) *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use: "link [CODE]", Short: "Link your Slack account with the code sent to it; without a code, renew your groups", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.client()
			if err != nil {
				return err
			}
			switch {
			case remove && len(args) > 0:
				return usageError("--remove takes no code: it removes all your links")
			case remove:
				return listLinks(cmd, flags, c, "DELETE", "/api/links", "removed")
			case len(args) == 0:
				return listLinks(cmd, flags, c, "POST", "/api/links/refresh", "groups renewed")
			}
			return pairAccount(cmd, flags, c, args[0])
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "remove the links of all your Slack accounts")
	return cmd
}

func listLinks(cmd *cobra.Command, flags *adminFlags, c *adminClient, method, path, done string) error {
	var links []approvals.Link
	if err := c.do(cmd.Context(), method, path, nil, &links); err != nil {
		return err
	}
	if flags.json {
		return printJSON(cmd.OutOrStdout(), links)
	}
	for _, l := range links {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: Slack account %s (%s in %s)\n", done, visible(l.Name, false), l.User, l.Team)
	}
	return nil
}

// pairAccount shows both sides and links them when the person says so. Whoever was talked into running somebody else's code sees whose
// account it is.
func pairAccount(cmd *cobra.Command, flags *adminFlags, c *adminClient, code string) error {
	var shown, done adminapi.Paired
	if err := c.do(cmd.Context(), "POST", "/api/links", adminapi.Pairing{Code: code}, &shown); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Slack account  %s (%s in workspace %s)\nyour login     %s (%s)\n\nWhoever uses that Slack account will answer requests as you. Is it yours? Write yes: ",
		visible(shown.Account.Name, false), shown.Account.User, shown.Account.Team, visible(shown.Identity.Subject, false), shown.Identity.Issuer)
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // nothing is not yes
	if strings.TrimSpace(answer) != "yes" {
		return &cliError{code: exitDenied, err: errors.New("not linked")}
	}
	if err := c.do(cmd.Context(), "POST", "/api/links", adminapi.Pairing{Code: code, Account: &shown.Account}, &done); err != nil {
		return err
	}
	if flags.json {
		return printJSON(cmd.OutOrStdout(), done)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "linked: Slack account %s is %s\n", visible(done.Account.Name, false), visible(done.Identity.Subject, false))
	return nil
}
