package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// Bounds of the operator's tests: all of them, and one.
const (
	testsTime = 30 * time.Second
	testTime  = 5 * time.Second
)

// Tested is what the tests of the operator's Rego found.
type Tested struct {
	Tests []Test `json:"tests"` // by place
	// Coverage is how much of what decides the tests have evaluated, in percent of its lines. 0 without tests.
	Coverage float64 `json:"coverage"`
	// NotCovered are the lines they have not, as "file:from-to".
	NotCovered []string `json:"not_covered"`
}

// Test is one rule test_... of a file of tests.
type Test struct {
	Place string `json:"place"` // file:line
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Why   string `json:"why,omitempty"` // when it is not: what failed
}

// Failed are the tests that did not pass.
func (t Tested) Failed() []Test {
	return slices.DeleteFunc(slices.Clone(t.Tests), func(t Test) bool { return t.OK })
}

// RunTests compiles r with its files of tests and runs them, under the same restrictions as its rules. A test that is skipped (todo_test_...)
// has not passed. The error is Problems when the modules do not compile.
func (r *Rego) RunTests(ctx context.Context) (Tested, error) {
	out := Tested{Tests: []Test{}, NotCovered: []string{}}
	can := capabilities(append(slices.Clone(operatorBuiltins), "internal.test_case")...)
	if _, err := compileOperator(r.Modules, r.Data, can); err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, testsTime)
	defer cancel()
	parsed := map[string]*ast.Module{}
	rules := map[string]*ast.Module{}
	for _, m := range r.Modules {
		p, err := ast.ParseModuleWithOpts(m.Path, m.Text, ast.ParserOptions{Capabilities: can, RegoVersion: ast.RegoV1})
		if err != nil {
			return out, err
		}
		if parsed[m.Path] = p; !m.isTest() {
			rules[m.Path] = p
		}
	}
	coverage := cover.New()
	store := inmem.NewFromObject(r.documents())
	err := storage.Txn(ctx, store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		runner := tester.NewRunner().SetCompiler(ast.NewCompiler().WithCapabilities(can).WithStrict(true)).SetStore(store).SetModules(parsed).
			RaiseBuiltinErrors(true).SetTimeout(testTime).SetCoverageQueryTracer(coverage)
		results, err := runner.RunTests(ctx, txn)
		if err != nil {
			return err
		}
		for t := range results {
			out.Tests = append(out.Tests, tested(t))
		}
		return ctx.Err()
	})
	if err != nil {
		return out, fmt.Errorf("policy: tests of the operator's Rego: %w", err)
	}
	slices.SortFunc(out.Tests, func(a, b Test) int { return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.Name, b.Name)) })
	if len(out.Tests) > 0 {
		out.cover(coverage.Report(rules))
	}
	return out, nil
}

func tested(r *tester.Result) Test {
	t := Test{Name: strings.TrimPrefix(r.Package, "data.") + "." + r.Name, OK: r.Pass()}
	if r.Location != nil {
		t.Place = fmt.Sprintf("%s:%d", r.Location.File, r.Location.Row)
	}
	switch {
	case t.OK:
	case r.Skip:
		t.Why = "it is skipped"
	case r.Error != nil:
		t.Why = r.Error.Error()
	default:
		t.Why = "it is not true"
	}
	return t
}

func (t *Tested) cover(report cover.Report) {
	t.Coverage = report.Coverage
	for file, f := range report.Files {
		for _, lines := range f.NotCovered {
			t.NotCovered = append(t.NotCovered, fmt.Sprintf("%s:%d-%d", file, lines.Start.Row, lines.End.Row))
		}
	}
	slices.Sort(t.NotCovered)
}

// test is an error when a test fails: such rules are not loaded.
func (r *Rego) test(ctx context.Context) error {
	t, err := r.RunTests(ctx)
	if err != nil {
		return err
	}
	var ps Problems
	for _, f := range t.Failed() {
		file, line := f.Place, 1
		if i := strings.LastIndex(file, ":"); i >= 0 {
			fmt.Sscanf(file[i+1:], "%d", &line)
			file = file[:i]
		}
		ps = append(ps, Problem{file, line, 1, fmt.Sprintf("test %s fails: %s; sallyport policy test runs it alone", f.Name, f.Why)})
	}
	return ps.err()
}
