package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/gateway"
)

// callFlags are the flags every tool of sallyport call has.
type callFlags struct {
	url, tokenFile, target, reason string
	wait                           time.Duration
	json                           bool
}

func newCall() *cobra.Command {
	var f callFlags
	cmd := &cobra.Command{
		Use: "call", Short: "Make one call like an agent, for people and CI jobs; waits for approval",
		Long: "call sends one call through the gateway and waits for its answer, also while people are asked. The token comes from --token-file,\n" +
			"SALLYPORT_TOKEN_FILE, SALLYPORT_TOKEN, or the runner of a GitHub Actions job. Ctrl-C withdraws a call that waits.\n\n" +
			"Exit codes: 0 done, 1 failed (also a command that exits with something else than 0, an HTTP status from 400 on), 2 used wrongly,\n" +
			"3 denied, 4 approval pending or expired.",
	}
	p := cmd.PersistentFlags()
	p.StringVar(&f.url, "url", "", "public base URL of the gateway, without /mcp (or SALLYPORT_URL)")
	p.StringVar(&f.tokenFile, "token-file", "", "file with the agent's token (or SALLYPORT_TOKEN_FILE, SALLYPORT_TOKEN)")
	p.StringVar(&f.target, "target", "", "name of the target")
	p.StringVar(&f.reason, "reason", "", "why; needed for changes, shown to the people who are asked")
	p.DurationVar(&f.wait, "wait", 24*time.Hour, "how long to wait for people; 0 does not wait and leaves the request open")
	p.BoolVar(&f.json, "json", false, "print the whole answer as JSON")
	cmd.AddCommand(newCallQuery(&f, "query", "Read from a database"), newCallQuery(&f, "query_write", "Change a database"), newCallExec(&f), newCallHTTP(&f))
	return cmd
}

func newCallQuery(f *callFlags, tool, short string) *cobra.Command {
	var sql string
	var params []string
	cmd := &cobra.Command{Use: tool + " --target NAME --sql TEXT [--param JSON ...]", Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := textOrFile(cmd, "--sql", sql)
			if err != nil {
				return err
			}
			args := map[string]any{"sql": text}
			if len(params) > 0 {
				values := make([]any, len(params))
				for i, v := range params {
					values[i] = jsonOrText(v)
				}
				args["params"] = values
			}
			return f.run(cmd, tool, args)
		}}
	cmd.Flags().StringVar(&sql, "sql", "", "one statement; @FILE reads it from a file, @- from standard input")
	cmd.Flags().StringArrayVar(&params, "param", nil, `value of $1, $2, ..., in order: JSON (42, true, null, "42"), anything else is text`)
	return cmd
}

func newCallExec(f *callFlags) *cobra.Command {
	var command, stdin, cwd string
	cmd := &cobra.Command{Use: "exec --target NAME (-- PROGRAM [ARGUMENT ...] | --command TEXT)", Short: "Run a command on a host", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, argv []string) error {
			if (len(argv) > 0) == (command != "") {
				return usageError("give the program and its arguments after --, or --command")
			}
			args := map[string]any{}
			if command != "" {
				args["command"] = command
			} else {
				args["argv"] = argv
			}
			if stdin != "" {
				text, err := textOrFile(cmd, "--stdin", stdin)
				if err != nil {
					return err
				}
				args["stdin"] = text
			}
			if cwd != "" {
				args["cwd"] = cwd
			}
			return f.run(cmd, "exec", args)
		}}
	cmd.Flags().StringVar(&command, "command", "", "a command line, where the scope allows text")
	cmd.Flags().StringVar(&stdin, "stdin", "", "standard input of the command; @FILE reads it from a file, @- from ours")
	cmd.Flags().StringVar(&cwd, "cwd", "", "absolute directory to run it in")
	return cmd
}

func newCallHTTP(f *callFlags) *cobra.Command {
	var method, path, body string
	var headers []string
	cmd := &cobra.Command{Use: "http --target NAME --path PATH [--method METHOD]", Short: "Call an HTTP API", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			args := map[string]any{"method": method, "path": path}
			if len(headers) > 0 {
				set := map[string]string{}
				for _, h := range headers {
					name, value, ok := strings.Cut(h, ":")
					if !ok {
						return usageError("--header %q: write NAME: VALUE", h)
					}
					set[strings.TrimSpace(name)] = strings.TrimSpace(value)
				}
				args["headers"] = set
			}
			if body != "" {
				text, err := textOrFile(cmd, "--body", body)
				if err != nil {
					return err
				}
				args["body"] = jsonOrText(text)
			}
			return f.run(cmd, "http", args)
		}}
	cmd.Flags().StringVar(&method, "method", http.MethodGet, "GET, HEAD, POST, PUT, PATCH or DELETE")
	cmd.Flags().StringVar(&path, "path", "", "path with its query string, relative to the target")
	cmd.Flags().StringArrayVar(&headers, "header", nil, "NAME: VALUE")
	cmd.Flags().StringVar(&body, "body", "", "JSON, or text; @FILE reads it from a file, @- from standard input")
	return cmd
}

// textOrFile is value, or what @FILE names.
func textOrFile(cmd *cobra.Command, flag, value string) (string, error) {
	path, ok := strings.CutPrefix(value, "@")
	if !ok {
		return value, nil
	}
	b, err := readFile(cmd, flag, path)
	return string(b), err
}

// jsonOrText is text as the JSON value it is, or as a string.
func jsonOrText(text string) any {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return text
}

// run makes the call, stays with it, prints the answer and turns it into an exit code.
func (f *callFlags) run(cmd *cobra.Command, tool string, args map[string]any) error {
	base, err := gatewayURL(f.url)
	if err != nil {
		return err
	}
	if f.target == "" {
		return &cliError{code: exitUsage, err: errors.New("no target"), hints: []string{"set --target to the name of one"}}
	}
	args["target"] = f.target
	if f.reason != "" {
		args["reason"] = f.reason
	}
	note := &notes{w: cmd.ErrOrStderr(), base: base}
	c := &taskClient{mcpClient: &mcpClient{endpoint: base + "/mcp", token: agentToken(f.tokenFile, base), http: &http.Client{}}, waiting: note.waiting}
	env, err := f.answer(cmd.Context(), c, tool, args)
	if err != nil {
		return err
	}
	return printAnswer(cmd.OutOrStdout(), cmd.ErrOrStderr(), env, f.json)
}

func (f *callFlags) answer(ctx context.Context, c *taskClient, tool string, args map[string]any) (*gateway.Envelope, error) {
	env, id, err := c.start(ctx, tool, args)
	if err != nil || id == "" {
		if ctx.Err() != nil {
			err = &cliError{code: exitFailed, err: errors.New("interrupted before the gateway answered"), hints: []string{"send the same call again to see whether it was taken: it is not run twice"}}
		}
		return env, err
	}
	waiting, stop := context.WithTimeout(ctx, f.wait)
	defer stop()
	env, err = c.wait(waiting, id)
	switch {
	case err == nil:
		return env, nil
	case ctx.Err() != nil: // Ctrl-C: nobody is waiting for it any more, so nobody should be asked any longer
		end, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		if err := c.withdraw(end, id); err != nil {
			return nil, hinted(fmt.Errorf("interrupted; the call %s could not be withdrawn: %w", id, err), "its request stays open until it is answered or expires")
		}
		return nil, fmt.Errorf("interrupted: %w", errWithdrawn)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &cliError{code: exitPending, err: fmt.Errorf("people have not answered yet; nothing has run (call %s)", id),
			hints: []string{"the request stays open: send the same call again, and it is attached to"}}
	}
	return nil, err
}

// notes tell on standard error how a call stands: a line whenever something changes.
type notes struct {
	w    io.Writer
	base string
	last string
}

func (n *notes) waiting(id, message string) {
	if message == n.last || message == "" {
		return
	}
	first := n.last == ""
	n.last = message
	s := style{}
	if f, ok := n.w.(*os.File); ok {
		s = styleOf(f)
	}
	fmt.Fprintln(n.w, s.yellow(visible(message, false)))
	if first {
		fmt.Fprintln(n.w, s.dim("nothing has run yet; call "+id+", answered at "+n.base+"/approvals or with sallyport approvals"))
	}
}
