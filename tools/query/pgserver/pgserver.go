// Package pgserver answers: where does a throw-away PostgreSQL come from?
//
// It runs the real server, for the demo and for tests: a fresh cluster in a directory of its own, on a free loopback
// port, without a Unix socket, gone after Close and gone when the process that started it dies. It is not made to keep
// data and is never what a gateway in production connects to.
package pgserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoBinaries is returned by Start when PostgreSQL is not installed and Options.Download is not set.
var ErrNoBinaries = errors.New("PostgreSQL is not installed (looked in PATH and /usr/lib/postgresql); install the package postgresql")

// Superuser is the name of the cluster's superuser. URL knows its password.
const Superuser = "postgres"

// Options are how a server is started; the zero value is usable.
type Options struct {
	// Log receives the server's own log and what initdb says; nil drops it.
	Log io.Writer
	// Dir is where the cluster's directory is made; "" is the system's temporary directory. When root starts the server
	// it runs as the user postgres, who must be able to enter Dir.
	Dir string
	// Trust lets every role in without a password, from loopback. Otherwise passwords are asked for (SCRAM).
	Trust bool
	// Durable keeps fsync on. Off, a crash of the machine may lose the cluster, which was temporary anyway.
	Durable bool
	// Settings are further server settings ("log_statement": "all").
	Settings map[string]string
	// Download fetches PostgreSQL (about 30 MB) when it is not installed; not possible as root.
	Download bool
}

// Server is one running cluster. Safe for concurrent use.
type Server struct {
	Port     uint16
	password string
	dir      string // removed by Close
	stop     func() error
	once     sync.Once
	closeErr error
}

// Start makes a cluster and waits until it answers. ctx bounds the start, not the server's life.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	bin, err := binaries()
	if err != nil {
		if o.Download {
			return download(ctx, o)
		}
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "sallyport-pg-")
	if err != nil {
		return nil, fmt.Errorf("make the cluster's directory: %w", err)
	}
	s := &Server{dir: dir, password: rand.Text()}
	if err = s.init(ctx, bin, as, o); err == nil {
		// The free port may be taken by someone else before the server has it: try again.
		for range 3 {
			if err = s.run(ctx, bin, as, o); err == nil {
				return s, nil
			}
		}
	}
	os.RemoveAll(dir)
	return nil, err
}

// URL is the connection string for a user and a database. Only the superuser's password is known here.
func (s *Server) URL(user, database string) string {
	u := url.URL{
		Scheme: "postgres", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(int(s.Port))), Path: "/" + database,
		User: url.User(user), RawQuery: "sslmode=disable",
	}
	if user == Superuser && s.password != "" {
		u.User = url.UserPassword(user, s.password)
	}
	return u.String()
}

// Password is the superuser's.
func (s *Server) Password() string { return s.password }

// Exec runs SQL as the superuser in the database postgres; see ExecIn.
func (s *Server) Exec(ctx context.Context, sql string) error { return s.ExecIn(ctx, "postgres", sql) }

// ExecIn runs one or more statements as the superuser in the given database.
func (s *Server) ExecIn(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, s.URL(Superuser, database))
	if err != nil {
		return fmt.Errorf("connect to the temporary server: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// A script of several statements needs the simple protocol; it is ours, never an agent's.
	if _, err = conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("run SQL on the temporary server: %w", err)
	}
	return nil
}

// Close stops the server, waits until it is gone and removes its directory. It may be called more than once.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.closeErr = s.stop()
		if err := os.RemoveAll(s.dir); s.closeErr == nil {
			s.closeErr = err
		}
	})
	return s.closeErr
}

// binaries finds the directory with initdb and postgres: the newest of Debian's, or the one in PATH.
func binaries() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(dirs, func(a, b string) int { return major(b) - major(a) })
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			dirs = append([]string{filepath.Dir(p)}, dirs...)
		}
	}
	for _, d := range dirs {
		if _, err := os.Stat(filepath.Join(d, "postgres")); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(d, "initdb")); err == nil {
			return d, nil
		}
	}
	return "", ErrNoBinaries
}

func major(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

func (s *Server) init(ctx context.Context, bin string, as *account, o Options) error {
	if err := as.own(s.dir); err != nil {
		return err
	}
	pw := filepath.Join(s.dir, "password")
	if err := os.WriteFile(pw, []byte(s.password), 0o600); err != nil {
		return err
	}
	if err := as.own(pw); err != nil {
		return err
	}
	auth := "scram-sha-256"
	if o.Trust {
		auth = "trust"
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", filepath.Join(s.dir, "data"), "-U", Superuser,
		"--pwfile="+pw, "-A", auth, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir, cmd.SysProcAttr = s.dir, as.attr()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = as.env(s.dir)
	err := cmd.Run()
	o.Log.Write(out.Bytes())
	os.Remove(pw)
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, lastLine(out.String()))
	}
	return nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func (s *Server) run(ctx context.Context, bin string, as *account, o Options) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	s.Port = port
	args := []string{"-D", filepath.Join(s.dir, "data")}
	set := map[string]string{
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(int(port)), "unix_socket_directories": "",
		"max_connections": "60", "shared_buffers": "32MB", "dynamic_shared_memory_type": "posix",
		"autovacuum": "off", "timezone": "UTC", "logging_collector": "off",
	}
	if !o.Durable {
		set["fsync"], set["synchronous_commit"], set["full_page_writes"] = "off", "off", "off"
	}
	for k, v := range o.Settings {
		set[k] = v
	}
	for k, v := range set {
		args = append(args, "-c", k+"="+v)
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), args...)
	cmd.Dir, cmd.SysProcAttr, cmd.Env = s.dir, as.attr(), as.env(s.dir)
	cmd.Stdout, cmd.Stderr = o.Log, o.Log
	p, err := supervise(cmd)
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.stop = p.stop
	if err = s.await(ctx, p); err != nil {
		p.stop()
		return err
	}
	return nil
}

// await waits until the server takes connections.
func (s *Server) await(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.done:
			return fmt.Errorf("postgres ended while starting: %w", p.err)
		case <-ctx.Done():
			return fmt.Errorf("postgres did not answer in time: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freePort() (uint16, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port), nil
}
