package pgserver

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) {
	if os.Getenv("PGSERVER_CHILD") == "1" {
		orphan()
	}
	Main(m)
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if errors.Is(err, ErrNoBinaries) && os.Getenv("REQUIRE_POSTGRES") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestServerStartsAnswersAndLeavesNothing(t *testing.T) {
	s := start(t, Options{})
	if err := s.Exec(t.Context(), "CREATE TABLE t (a int); INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("the cluster's directory is still there: %v", err)
	}
	if _, err := pgx.Connect(t.Context(), s.URL(Superuser, "postgres")); err == nil {
		t.Error("the server still answers")
	}
}

func TestPasswordsAreAskedForUnlessTrusted(t *testing.T) {
	s := start(t, Options{})
	if err := s.Exec(t.Context(), "CREATE ROLE guest LOGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(t.Context(), s.URL("guest", "postgres")); err == nil {
		t.Error("a role without a password logged in")
	}
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	s, a := ForTest(t)
	_, b := ForTest(t)
	if a == b {
		t.Fatal("same database twice")
	}
	if err := s.ExecIn(t.Context(), a, "CREATE TABLE only_here ()"); err != nil {
		t.Fatal(err)
	}
	if err := s.ExecIn(t.Context(), b, "SELECT FROM only_here"); err == nil {
		t.Error("databases are shared")
	}
}

// TestServerDiesWithItsParent starts this test binary again, which starts a server and then dies without closing it.
func TestServerDiesWithItsParent(t *testing.T) {
	if _, err := binaries(); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PGSERVER_CHILD=1")
	out, _ := cmd.Output()
	dir, url, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
	if !ok {
		t.Fatalf("the child said %q", out)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, url)
		if err != nil && ctx.Err() == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal("the server outlives its parent")
		}
		conn.Close(ctx)
		time.Sleep(20 * time.Millisecond)
	}
}

func orphan() {
	s, err := Start(context.Background(), Options{})
	if err != nil {
		os.Stdout.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString(s.dir + " " + s.URL(Superuser, "postgres"))
	os.Exit(0)
}
