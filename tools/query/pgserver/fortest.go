package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
)

// shared is the one cluster of a test binary, started by the first test that asks.
var shared struct {
	once   sync.Once
	server *Server
	err    error

	mu   sync.Mutex
	next int // number of the next database; guarded by mu
}

// T is the part of testing.TB that ForTest needs. The demo links this package, and has no use for package testing.
type T interface {
	Helper()
	Cleanup(func())
	Error(...any)
	Fatal(...any)
	Skip(...any)
}

// Main runs a package's tests and stops the shared cluster afterwards: func TestMain(m *testing.M) { pgserver.Main(m) }.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if shared.server != nil {
		shared.server.Close()
	}
	os.Exit(code)
}

// ForTest returns the shared cluster and the name of a new empty database in it, which is dropped after the test. Roles
// are shared by all databases, and log in without a password. Without PostgreSQL on the machine the test is skipped; with
// REQUIRE_POSTGRES=1 it fails.
func ForTest(t T) (s *Server, database string) {
	t.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = Start(context.Background(), Options{Trust: true})
	})
	if errors.Is(shared.err, ErrNoBinaries) && os.Getenv("REQUIRE_POSTGRES") != "1" {
		t.Skip(shared.err)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	s = shared.server
	shared.mu.Lock()
	shared.next++
	database = fmt.Sprintf("test%d", shared.next)
	shared.mu.Unlock()
	// A template without connections of others: CREATE DATABASE fails while someone is connected to template1.
	if err := s.Exec(context.Background(), "CREATE DATABASE "+database+" TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Exec(context.Background(), "DROP DATABASE "+database+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s, database
}
