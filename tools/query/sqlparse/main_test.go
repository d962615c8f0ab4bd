package sqlparse

import (
	"fmt"
	"os"
	"testing"
	"time"
)

const workerArgument = "parse-worker"

// TestMain lets the test binary be its own child, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerArgument {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// newPool is a pool of real child processes. Timeout is generous where the machine may be busy; a crash does not wait for it.
func newPool(t testing.TB, cfg Config) *Pool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Argv = []string{self, workerArgument}
	if cfg.Wait == 0 {
		cfg.Wait = 30 * time.Second
	}
	p, err := NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
