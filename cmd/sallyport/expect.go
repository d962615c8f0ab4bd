package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/policy"
)

func newPolicyTest(flags *adminFlags) *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use: "test [--config FILE] [PATHS...]", Short: "Run the tests of your Rego, and hold a configuration against files of calls and what is expected; exit 1 if one differs",
		Long: `Run the tests of your Rego, and hold a configuration against cases.

PATHS that are folders or end in .rego are tested by themselves; without any, the rego of the configuration is. Other
files hold cases, JSON objects one after another, and need --config.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			paths, files := splitPaths(args)
			rego, err := regoToTest(cmd.Context(), config, paths)
			if err != nil {
				return err
			}
			if len(args) == 0 && rego == nil {
				return &cliError{code: exitUsage, err: errors.New("policy test takes files of cases, or Rego"), hints: []string{"usage: " + cmd.UseLine()}}
			}
			var out struct {
				Rego  *policy.Tested `json:"rego,omitempty"`
				Cases []checked      `json:"cases,omitempty"`
			}
			var regoFailed, casesFailed int
			if rego != nil && (len(paths) > 0 || len(files) == 0) { // with cases, opening the rulebook runs those of the configuration
				var t policy.Tested
				if t, regoFailed, err = runRegoTests(cmd, rego); err != nil {
					return err
				}
				out.Rego = &t
			}
			if len(files) > 0 {
				if out.Cases, casesFailed, err = checkFiles(cmd, config, files); err != nil {
					return err
				}
			}
			switch {
			case flags.json && out.Rego == nil:
				err = printJSON(cmd.OutOrStdout(), out.Cases)
			case flags.json:
				err = printJSON(cmd.OutOrStdout(), out)
			default:
				if out.Rego != nil {
					printTested(cmd.OutOrStdout(), *out.Rego, regoFailed)
				}
				if len(files) > 0 {
					printChecked(cmd.OutOrStdout(), out.Cases, casesFailed)
				}
			}
			switch {
			case err != nil:
			case regoFailed > 0:
				err = fmt.Errorf("%d of %d tests failed", regoFailed, len(out.Rego.Tests))
			case casesFailed > 0:
				err = fmt.Errorf("%d of %d cases are not as expected", casesFailed, len(out.Cases))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "decide under this sallyport.yaml")
	return cmd
}

// checkFiles decides the cases of files under a configuration.
func checkFiles(cmd *cobra.Command, config string, files []string) ([]checked, int, error) {
	rules, err := openRulebook(cmd.Context(), config)
	if err != nil {
		return nil, 0, err
	}
	var cases []expectation
	for _, path := range files {
		b, err := readFile(cmd, "cases", path)
		if err != nil {
			return nil, 0, err
		}
		of, err := readExpectations(path, b)
		if err != nil {
			return nil, 0, err
		}
		cases = append(cases, of...)
	}
	return rules.check(cmd.Context(), cases)
}

// expectation is one case of a file: JSON objects, one after another.
type expectation struct {
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"` // policy.Input
	Want  policy.Verdict  `json:"want"`
	Scope *string         `json:"scope"` // the one that covers the call, "" for none; absent: any
	Rule  string          `json:"rule"`  // as in Decision.Rule; absent: any

	input policy.Input
}

// readExpectations reads the cases of a file strictly. A file without any is an error: it would pass whatever the policy is.
func readExpectations(path string, b []byte) ([]expectation, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var out []expectation
	for {
		var x expectation
		err := dec.Decode(&x)
		if errors.Is(err, io.EOF) {
			break
		}
		at := fmt.Sprintf("%s: case %d", path, len(out)+1)
		if err != nil {
			return nil, usageError("%s: %w", at, err)
		}
		if x.Name == "" {
			x.Name = fmt.Sprintf("%s#%d", path, len(out)+1)
		}
		if x.Want != policy.Allow && x.Want != policy.Ask && x.Want != policy.Deny {
			return nil, usageError("%s: want: %q is not one of allow, ask, deny", at, x.Want)
		}
		if x.input, err = decodeInput(at+": input", x.Input); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	if len(out) == 0 {
		return nil, usageError("%s: there is no case in it", path)
	}
	return out, nil
}

// checked is one case and how it was decided.
type checked struct {
	Name string   `json:"name"`
	OK   bool     `json:"ok"`
	Want string   `json:"want"` // everything the case says: "ask, scope support"
	Got  string   `json:"got"`  // the same of the decision
	Full answered `json:"decision"`
	Why  string   `json:"why"` // the first sentence behind the decision
}

func (r *rulebook) check(ctx context.Context, cases []expectation) (results []checked, failed int, err error) {
	for _, x := range cases {
		d, err := r.engine.Decide(ctx, r.here(x.input))
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", x.Name, err)
		}
		want, got := []string{string(x.Want)}, []string{string(d.Verdict)}
		if x.Scope != nil {
			want, got = append(want, inScope(*x.Scope)), append(got, inScope(d.Scope))
		}
		if x.Rule != "" {
			want, got = append(want, "rule "+x.Rule), append(got, "rule "+d.Rule)
		}
		c := checked{Name: x.Name, Want: strings.Join(want, ", "), Got: strings.Join(got, ", "), Why: firstSentence(d),
			Full: answered{string(d.Verdict), d.Scope, d.Rule, d.Score}}
		if c.OK = c.Want == c.Got; !c.OK {
			failed++
		}
		results = append(results, c)
	}
	return results, failed, nil
}

func inScope(name string) string {
	if name == "" {
		return "no scope"
	}
	return "scope " + name
}

// printChecked lists the cases that differ, and counts.
func printChecked(w io.Writer, results []checked, failed int) {
	s := styleOf(w)
	t := table{header: []string{"CASE", "WANT", "GOT", "BECAUSE"}}
	for _, c := range results {
		if !c.OK {
			t.add(visible(c.Name, false), visible(c.Want, false), visible(c.Got, false), visible(c.Why, false))
		}
	}
	if failed > 0 {
		t.print(w, s, func(column int, cell string) string {
			switch column {
			case 1:
				return s.green(cell)
			case 2:
				return s.red(cell)
			}
			return cell
		})
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%d cases, %d as expected\n", len(results), len(results)-failed)
}
