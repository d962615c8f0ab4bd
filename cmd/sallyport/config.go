package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/configs"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check sallyport.yaml, or print its JSON Schema"}
	cmd.AddCommand(&cobra.Command{
		Use: "check FILE", Short: "Report every problem of a configuration file, with its place and the fix", Args: exactArgs("a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := configs.Load(args[0])
			if err != nil {
				return configError(err)
			}
			if _, err := openPolicy(cmd.Context(), f, nil); err != nil {
				return configError(err)
			}
			for _, w := range f.Warnings {
				fmt.Fprintf(cmd.OutOrStdout(), "warning: %s\n", w)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: ok, %d targets, %d scopes\n", args[0], len(f.Targets), len(f.Scopes))
			return nil
		},
	}, &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of sallyport.yaml, for editors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(configs.Schema())
			return err
		},
	})
	return cmd
}

// configError prints problems as they are, a line each: they carry their own places and fixes.
func configError(err error) error {
	return &cliError{code: exitFailed, err: err}
}
