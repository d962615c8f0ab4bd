package sqlparse

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"
)

const (
	workerArgument = "parse-worker"
	fakeArgument   = "fake-worker"
)

// TestMain lets the test binary be its own child, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerArgument {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 2 && os.Args[1] == fakeArgument {
		fakeWorker(os.Args[2])
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fakeWorker is a child that a statement has damaged, or that is no parser at all.
func fakeWorker(how string) {
	if how == "ends" {
		return
	}
	_ = writeFrame(os.Stdout, nil)
	for {
		if _, err := readFrame(os.Stdin, maxStatement); err != nil {
			return
		}
		switch how {
		case "garbage":
			_ = writeFrame(os.Stdout, []byte("%PDF-1.4"))
		case "empty":
			_ = writeFrame(os.Stdout, []byte("{}"))
		case "other": // facts about a statement that nobody sent
			_ = writeFrame(os.Stdout, []byte(`{"statement":{"kind":"select","text":"SELECT 42"}}`))
		case "outside":
			_ = writeFrame(os.Stdout, []byte(`{"statement":{"kind":"select","text":"SELECT 1","functions":[{"name":"f","position":4711}]}}`))
		case "huge":
			_, _ = os.Stdout.Write([]byte{0xff, 0xff, 0xff, 0xff})
		case "half":
			_, _ = os.Stdout.Write([]byte{0, 0, 0, 9, '{'})
			return
		case "silent":
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
	}
}

// newPool is a pool of real child processes.
func newPool(t testing.TB, cfg Config) *Pool {
	t.Helper()
	if cfg.Argv == nil {
		cfg.Argv = self(t, workerArgument)
	}
	if cfg.Wait == 0 {
		cfg.Wait = 30 * time.Second // the machine may be busy; nothing here is about how busy
	}
	p, err := NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func self(t testing.TB, args ...string) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{exe}, args...)
}
