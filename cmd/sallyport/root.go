package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes, the same for every command.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitDenied  = 3
	exitPending = 4 // approval pending or expired
)

// cliError is an error with its exit code and what to do about it. Anything else is exitFailed.
type cliError struct {
	code  int
	err   error
	hints []string
}

func (e *cliError) Error() string { return e.err.Error() }
func (e *cliError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &cliError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func hinted(err error, hints ...string) error {
	return &cliError{code: exitFailed, err: err, hints: hints}
}

// run is the program: main with its surroundings as parameters. It returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(stderr, "sallyport: %s\n", err)
	var cli *cliError
	if !errors.As(err, &cli) {
		return exitFailed
	}
	for _, h := range cli.hints {
		fmt.Fprintf(stderr, "hint: %s\n", h)
	}
	return cli.code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "Governed tools for AI agents: every call identified, understood, decided, masked and recorded",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("there is no command %q; sallyport --help lists them", args[0])
			}
			return nil
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true, SilenceUsage: true, Version: versionText(),
	}
	root.SetVersionTemplate("sallyport {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &cliError{code: exitUsage, err: err, hints: []string{cmd.CommandPath() + " --help lists the flags"}}
	})
	root.AddCommand(newServe(), newStdio(), newCall(), newApprovals(), newSessions(), newAudit(), newConfig(), newPolicy(), newDemo(), newParseWorker(), newVersion())
	refuseStrayArguments(root)
	return root
}

// refuseStrayArguments makes every command exit with 2 on arguments it does not take, and with the commands there are on a
// sub-command that does not exist: cobra would print the help and succeed.
func refuseStrayArguments(cmd *cobra.Command) {
	check := cmd.Args
	if !cmd.Runnable() {
		check = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no command %q in %s", args[0], cmd.CommandPath())
			}
			return nil
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		err := check(cmd, args)
		var cli *cliError
		if err == nil || errors.As(err, &cli) {
			return err
		}
		return &cliError{code: exitUsage, err: err, hints: []string{cmd.CommandPath() + " --help says what it takes"}}
	}
	for _, sub := range cmd.Commands() {
		refuseStrayArguments(sub)
	}
}

// exactArgs is cobra.ExactArgs with an error that names what is missing.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return &cliError{code: exitUsage, err: fmt.Errorf("%s takes %s, not %d arguments", cmd.CommandPath(), strings.Join(names, " and "), len(args)),
			hints: []string{"usage: " + cmd.UseLine()}}
	}
}
