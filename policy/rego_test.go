package policy

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// TestRego runs rego/*_test.rego as "opa test" does, without the Go around it.
func TestRego(t *testing.T) {
	base, err := baseModules()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("rego/*.rego")
	if err != nil {
		t.Fatal(err)
	}
	parsed := map[string]*ast.Module{}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		parsed[name] = ast.MustParseModuleWithOpts(string(src), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if _, shipped := base.rego[name]; !shipped && !strings.HasSuffix(name, "_test.rego") {
			t.Errorf("%s is not embedded", name)
		}
	}
	ctx := context.Background()
	store := inmem.New()
	err = storage.Txn(ctx, store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		results, err := tester.NewRunner().SetStore(store).SetModules(parsed).RaiseBuiltinErrors(true).RunTests(ctx, txn)
		if err != nil {
			return err
		}
		n := 0
		for r := range results {
			if n++; !r.Pass() {
				t.Errorf("%s %s: %v %s", r.Location, r.Name, r.Error, r.Output)
			}
		}
		if n < 18 {
			t.Errorf("only %d tests ran", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
