package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"sallyport/configs"
	"sallyport/policy"
)

// The commands here decide offline, as a gateway with the given configuration would; no target is opened. What was understood of a call
// (its plan, the labels of its columns) is as recorded. Who asks and when is as recorded as well; what a target is comes from the
// configuration, because that is where a gateway has it from.

func newPolicy() *cobra.Command {
	var flags adminFlags
	cmd := &cobra.Command{Use: "policy", Short: "Explain decisions, try a configuration on recorded calls, and test it"}
	flags.bind(cmd)
	cmd.AddCommand(newPolicyExplain(&flags), newPolicyReplay(&flags), newPolicyTest(&flags), newPolicySchema(), newPolicySuggest(&flags))
	return cmd
}

// rulebook is a configuration's policy and its targets.
type rulebook struct {
	file      *configs.File
	engine    *policy.Engine
	targets   map[string]policy.TargetInfo
	approvals map[string]*policy.Requirement // by scope; only scopes that name somebody
}

// openRulebook builds the policy of a configuration file exactly as serve does. Rego given here stands in for that of the file.
func openRulebook(ctx context.Context, path string, rego ...string) (*rulebook, error) {
	if path == "" {
		return nil, &cliError{code: exitUsage, err: errors.New("no configuration named"), hints: []string{"set --config to the sallyport.yaml to decide under"}}
	}
	f, err := configs.Load(path)
	if err != nil {
		return nil, configError(err)
	}
	cfg, err := policyConfig(ctx, f, nil)
	if err != nil {
		return nil, err
	}
	if len(rego) > 0 {
		modules, err := policy.ReadModules(rego)
		if err != nil {
			return nil, usageError("--policy: %w", err)
		}
		cfg.Rego = &policy.Rego{Modules: modules, Override: f.Policy != nil && f.Policy.Mode == "override"}
	}
	r := &rulebook{file: f, targets: map[string]policy.TargetInfo{}, approvals: map[string]*policy.Requirement{}}
	for _, s := range cfg.Scopes {
		if s.Approval != nil {
			r.approvals[s.Name] = s.Approval
		}
	}
	for _, t := range cfg.Targets {
		r.targets[t.Name] = t
	}
	r.engine, err = policy.New(ctx, cfg)
	return r, err
}

// here is in with what the configuration says of its target. A target it does not have stays as it is: no scope covers it.
func (r *rulebook) here(in policy.Input) policy.Input {
	if t, ok := r.targets[in.Target.Name]; ok {
		in.Target = policy.Target(t)
	}
	return in
}

// decodeInput reads a policy.Input strictly: a misspelt fact must not be a missing one.
func decodeInput(at string, b []byte) (policy.Input, error) {
	var in policy.Input
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	err := dec.Decode(&in)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("something follows it")
		}
	}
	if err == nil && in.Version != 1 {
		err = fmt.Errorf("v is %d; this program knows version 1", in.Version)
	}
	if err != nil {
		return in, usageError("%s: not a policy input: %w", at, err)
	}
	return in, nil
}

// readFile reads a file named by a flag; - is standard input.
func readFile(cmd *cobra.Command, flag, path string) ([]byte, error) {
	var b []byte
	var err error
	if path == "-" {
		b, err = io.ReadAll(cmd.InOrStdin())
	} else {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, usageError("%s: %w", flag, err)
	}
	return b, nil
}

var wholeDays = regexp.MustCompile(`^([0-9]{1,5})d$`)

// inHours spells whole days ("7d") as hours, which is what the admin API reads; everything else stays.
func inHours(v string) string {
	if m := wholeDays.FindStringSubmatch(v); m != nil {
		days, _ := strconv.Atoi(m[1]) // digits only, by the pattern
		return fmt.Sprintf("%dh", 24*days)
	}
	return v
}
