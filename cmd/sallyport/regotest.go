package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/configs"
	"sallyport/policy"
)

func newPolicySchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the input that Rego of your own sees, for editors and opa check", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(policy.InputSchema())
			return err
		},
	}
}

// splitPaths tells files and folders of Rego from files of cases.
func splitPaths(args []string) (rego, cases []string) {
	for _, path := range args {
		if info, err := os.Stat(path); strings.HasSuffix(path, ".rego") || err == nil && info.IsDir() {
			rego = append(rego, path)
		} else {
			cases = append(cases, path)
		}
	}
	return rego, cases
}

// regoToTest is the Rego at paths, or without any what the configuration names; nil when neither has some.
func regoToTest(ctx context.Context, config string, paths []string) (*policy.Rego, error) {
	if len(paths) > 0 {
		modules, err := policy.ReadModules(paths)
		if err != nil {
			return nil, usageError("%w", err)
		}
		return &policy.Rego{Modules: modules}, nil
	}
	if config == "" {
		return nil, nil
	}
	f, err := configs.Load(config)
	if err != nil {
		return nil, configError(err)
	}
	return operatorRego(ctx, f, nil)
}

// runRegoTests runs the tests of r; failed is how many did not pass. Rules without any test are an error: nothing was shown.
func runRegoTests(cmd *cobra.Command, r *policy.Rego) (t policy.Tested, failed int, err error) {
	if t, err = r.RunTests(cmd.Context()); err != nil {
		return t, 0, err
	}
	if len(t.Tests) == 0 {
		return t, 0, hinted(fmt.Errorf("there is no test"), "write rules that begin with test_ in a file that ends in _test.rego, in package sallyport.operator_test")
	}
	return t, len(t.Failed()), nil
}

func printTested(w io.Writer, tested policy.Tested, failed int) {
	s := styleOf(w)
	t := table{header: []string{"RESULT", "TEST", "PLACE", "BECAUSE"}}
	for _, r := range tested.Tests {
		result := "pass"
		if !r.OK {
			result = "FAIL"
		}
		t.add(result, visible(strings.TrimPrefix(r.Name, "sallyport."), false), visible(r.Place, false), visible(r.Why, false))
	}
	t.print(w, s, func(column int, cell string) string {
		switch {
		case column == 0 && strings.HasPrefix(cell, "pass"):
			return s.green(cell)
		case column == 0:
			return s.red(cell)
		}
		return cell
	})
	fmt.Fprintf(w, "\n%d tests, %d passed, coverage %.0f%%\n", len(tested.Tests), len(tested.Tests)-failed, tested.Coverage)
	if len(tested.NotCovered) > 0 {
		fmt.Fprintf(w, "not covered: %s\n", strings.Join(tested.NotCovered, ", "))
	}
}
