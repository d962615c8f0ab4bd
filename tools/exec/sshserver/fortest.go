package sshserver

import (
	"context"
	"errors"
	"os"
)

// T is the part of testing.TB that ForTest needs. The demo links this package, and has no use for package testing.
type T interface {
	Helper()
	Cleanup(func())
	Fatal(...any)
	Skip(...any)
}

// ForTest starts a server that is closed after the test. Without sshd on the machine the test is skipped; with
// REQUIRE_SSHD=1 it fails.
func ForTest(t T, o Options) *Server {
	t.Helper()
	s, err := Start(context.Background(), o)
	if errors.Is(err, ErrNoSSHD) && os.Getenv("REQUIRE_SSHD") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
