// Package sshserver answers: where does a throw-away SSH host come from?
//
// It runs the real OpenSSH sshd, for the demo and for tests: own host key, own client key, own configuration, a free
// loopback port, gone after Close and gone when the process that started it dies. Started by an ordinary user, that user
// is who can log in; started by root, an unprivileged account is (made when it does not exist, and kept).
package sshserver

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// ErrNoSSHD is returned by Start when OpenSSH's server is not installed.
var ErrNoSSHD = errors.New("sshd is not installed (looked in PATH and /usr/sbin); install the package openssh-server")

// Account is who logs in when root starts the server.
const Account = "sallyport-ssh"

// Options are how a server is started; the zero value is usable.
type Options struct {
	// Log receives sshd's own log; nil drops it.
	Log io.Writer
	// Dir is where the server's directory is made; "" is the system's temporary directory.
	Dir string
	// Forwarding lets clients open TCP connections through the server, as a jump host does.
	Forwarding bool
	// Settings are further lines of sshd_config ("ForceCommand": "...").
	Settings map[string]string
	// Tail is text after all other lines: Match blocks.
	Tail string
}

// Server is one running sshd. Safe for concurrent use.
type Server struct {
	Address string // host:port on loopback
	User    string // who logs in
	HostKey string // the host's public key, as an authorized_keys line
	Key     []byte // the private key that is accepted, PEM
	Home    string // home directory of User

	dir      string // removed by Close
	stop     func() error
	once     sync.Once
	closeErr error
}

// Start makes a server and waits until it answers. ctx bounds the start, not the server's life.
func Start(ctx context.Context, o Options) (*Server, error) {
	bin, err := binary()
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	who, err := account(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "sallyport-ssh-")
	if err != nil {
		return nil, fmt.Errorf("make the server's directory: %w", err)
	}
	s := &Server{dir: dir, User: who.Username, Home: who.HomeDir}
	if err = s.keys(); err == nil {
		// The free port may be taken by someone else before the server has it: try again.
		for range 3 {
			if err = s.run(ctx, bin, o); err == nil {
				return s, nil
			}
		}
	}
	os.RemoveAll(dir)
	return nil, err
}

// Close stops the server and its sessions' handlers, waits until it is gone and removes its directory.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.closeErr = s.stop()
		if err := os.RemoveAll(s.dir); s.closeErr == nil {
			s.closeErr = err
		}
	})
	return s.closeErr
}

func binary() (string, error) {
	for _, p := range []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd"} {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	// sshd re-executes itself and wants to be called by its absolute path.
	p, err := exec.LookPath("sshd")
	if err != nil {
		return "", ErrNoSSHD
	}
	return filepath.Abs(p)
}

// account is who may log in: ourselves, or for root the unprivileged account.
func account(ctx context.Context) (*user.User, error) {
	if os.Geteuid() != 0 {
		return user.Current()
	}
	if u, err := user.Lookup(Account); err == nil {
		return u, nil
	}
	out, err := exec.CommandContext(ctx, "useradd", "--system", "--create-home", "--home-dir", "/var/tmp/"+Account, "--shell", "/bin/bash",
		"--password", "*", Account).CombinedOutput()
	u, found := user.Lookup(Account)
	if found != nil {
		return nil, fmt.Errorf("make the account %s: %w: %s; start as an ordinary user instead", Account, err, bytes.TrimSpace(out))
	}
	return u, nil
}

// keys makes the host's key and the client's. The directory must let the account in: sshd reads authorized_keys as it.
func (s *Server) keys() error {
	if err := os.Chmod(s.dir, 0o711); err != nil {
		return err
	}
	host, _, err := NewKey()
	if err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join(s.dir, "host_key"), host, 0o600); err != nil {
		return err
	}
	signer, err := ssh.ParsePrivateKey(host)
	if err != nil {
		return err
	}
	s.HostKey = line(signer.PublicKey())
	var public string
	if s.Key, public, err = NewKey(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "authorized_keys"), []byte(public+"\n"), 0o644)
}

// NewKey makes an Ed25519 key: the private half as PEM, the public one as an authorized_keys line.
func NewKey() (private []byte, public string, err error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		return nil, "", err
	}
	p, err := ssh.NewPublicKey(pub)
	if err != nil {
		return nil, "", err
	}
	return pem.EncodeToMemory(block), line(p), nil
}

func line(k ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) }

// Authorize lets a further line in: a key, or "cert-authority ssh-ed25519 ...".
func (s *Server) Authorize(line string) error {
	f, err := os.OpenFile(filepath.Join(s.dir, "authorized_keys"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

func (s *Server) run(ctx context.Context, bin string, o Options) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	s.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	conf := map[string]string{
		"ListenAddress": s.Address, "HostKey": filepath.Join(s.dir, "host_key"), "PidFile": "none",
		"AuthorizedKeysFile": filepath.Join(s.dir, "authorized_keys"), "StrictModes": "no", "UsePAM": "no",
		"PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no", "PermitRootLogin": "no", "PermitUserEnvironment": "no",
		"AllowAgentForwarding": "no", "AllowTcpForwarding": "no", "X11Forwarding": "no", "PrintMotd": "no", "MaxStartups": "100", "UseDNS": "no",
	}
	if o.Forwarding {
		conf["AllowTcpForwarding"] = "local"
	}
	for k, v := range o.Settings {
		conf[k] = v
	}
	var text strings.Builder
	for k, v := range conf {
		fmt.Fprintf(&text, "%s %s\n", k, v)
	}
	text.WriteString(o.Tail)
	file := filepath.Join(s.dir, "sshd_config")
	if err = os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return err
	}
	if os.Geteuid() == 0 { // the directory sshd's unprivileged child is locked into; Debian makes it at boot only
		if err = os.MkdirAll("/run/sshd", 0o755); err != nil {
			return err
		}
	}
	cmd := exec.Command(bin, "-D", "-e", "-f", file)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"} // nothing of ours reaches a session
	cmd.Stdout, cmd.Stderr = o.Log, o.Log
	p, err := supervise(cmd)
	if err != nil {
		return fmt.Errorf("start sshd: %w", err)
	}
	s.stop = p.stop
	if err = s.await(ctx, p); err != nil {
		p.stop()
	}
	return err
}

// await waits until the server says who it is.
func (s *Server) await(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if c, err := net.DialTimeout("tcp", s.Address, time.Second); err == nil {
			c.SetDeadline(time.Now().Add(5 * time.Second))
			hello := make([]byte, 4)
			_, err = io.ReadFull(c, hello)
			c.Close()
			if err == nil && string(hello) == "SSH-" {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("sshd ended while starting: %w", p.err)
		case <-ctx.Done():
			return errors.New("sshd did not answer in time")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
