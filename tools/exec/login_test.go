package exec

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"sallyport/tools"
	"sallyport/tools/exec/sshserver"
)

func keyFrom(key []byte) func(context.Context) ([]byte, []byte, error) {
	return func(context.Context) ([]byte, []byte, error) { return key, nil, nil }
}

// certificate signs the public half of a new key with an authority the server trusts.
func certificate(t *testing.T, s *sshserver.Server, until time.Time) (key []byte, line string) {
	t.Helper()
	ca, caLine, err := sshserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if err = s.Authorize("cert-authority " + caLine); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(ca)
	if err != nil {
		t.Fatal(err)
	}
	key, public, err := sshserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil {
		t.Fatal(err)
	}
	c := &ssh.Certificate{Key: pub, CertType: ssh.UserCert, KeyId: "test", ValidPrincipals: []string{s.User},
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(until.Unix())}
	if err = c.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	return key, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(c)))
}

// sshAgent serves one key on a socket.
func sshAgent(t *testing.T, key []byte) (socket string) {
	t.Helper()
	raw, err := ssh.ParseRawPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err = ring.Add(agent.AddedKey{PrivateKey: raw}); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer c.Close()
				agent.ServeAgent(ring, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		served.Wait()
	})
	return socket
}

func TestWaysToLogIn(t *testing.T) {
	s := sshserver.ForTest(t, sshserver.Options{Forwarding: true})
	certKey, cert := certificate(t, s, time.Now().Add(time.Hour))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	if err = s.Authorize(string(ssh.MarshalAuthorizedKey(public))); err != nil {
		t.Fatal(err)
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err = os.WriteFile(file, []byte(knownhosts.Line([]string{s.Address}, hostKey)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Target){
		"certificate": func(to *Target) { to.Key, to.Certificate = keyFrom(certKey), cert },
		"passphrase": func(to *Target) {
			to.Key = func(context.Context) ([]byte, []byte, error) {
				return pem.EncodeToMemory(locked), []byte("open sesame"), nil
			}
		},
		"agent":             func(to *Target) { to.Key, to.AgentSocket = nil, sshAgent(t, s.Key) },
		"known_hosts":       func(to *Target) { to.HostKeys, to.KnownHosts = nil, file },
		"jump host":         func(to *Target) { jump := to.Login; to.Jump = &jump },
		"several host keys": func(to *Target) { _, other, _ := sshserver.NewKey(); to.HostKeys = []string{other, s.HostKey} },
	} {
		t.Run(name, func(t *testing.T) {
			to := target(s)
			change(&to)
			d, _, err := call(context.Background(), open(t, to), argv("echo", "in"), tools.Limits{})
			if err != nil {
				t.Fatal(err, errors.Unwrap(err))
			}
			if d.Stdout != "in\n" {
				t.Error(d)
			}
		})
	}
	t.Run("known_hosts without this host", func(t *testing.T) {
		other := filepath.Join(t.TempDir(), "known_hosts")
		if err := os.WriteFile(other, []byte(knownhosts.Line([]string{"example.com"}, hostKey)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		to := target(s)
		to.HostKeys, to.KnownHosts = nil, other
		refuses(t, to, problemHostKey)
	})
	t.Run("host certificate", func(t *testing.T) {
		ca, caLine, err := sshserver.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.ParsePrivateKey(ca)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		hostPEM, public, err := sshserver.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
		if err != nil {
			t.Fatal(err)
		}
		c := &ssh.Certificate{Key: pub, CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity}
		if err = c.SignCert(rand.Reader, signer); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{"key": hostPEM, "cert": ssh.MarshalAuthorizedKey(c)} {
			if err = os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		with := sshserver.ForTest(t, sshserver.Options{Settings: map[string]string{
			"HostKey": filepath.Join(dir, "key"), "HostCertificate": filepath.Join(dir, "cert")}})
		file := filepath.Join(dir, "known_hosts")
		if err = os.WriteFile(file, []byte("@cert-authority "+knownhosts.Normalize(with.Address)+" "+caLine+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		to := target(with)
		to.HostKeys, to.KnownHosts = nil, file
		if _, _, err = call(context.Background(), open(t, to), argv("true"), tools.Limits{}); err != nil {
			t.Error(err, errors.Unwrap(err))
		}
	})
	t.Run("expired certificate", func(t *testing.T) {
		to := target(s)
		key, cert := certificate(t, s, time.Now().Add(-time.Minute))
		to.Key, to.Certificate = keyFrom(key), cert
		refuses(t, to, problemAuth)
	})
	t.Run("jump host with another key", func(t *testing.T) {
		to := target(s)
		jump := to.Login
		_, other, _ := sshserver.NewKey()
		jump.HostKeys = []string{other}
		to.Jump = &jump
		refuses(t, to, problemHostKey)
	})
}

func refuses(t *testing.T, to Target, problem string) {
	t.Helper()
	_, _, err := call(context.Background(), open(t, to), argv("true"), tools.Limits{})
	var down *tools.UnreachableError
	if !errors.As(err, &down) || down.Problem != problem {
		t.Errorf("got %v (%v)", err, errors.Unwrap(err))
	}
}

func TestMisconfiguredTargetsAreRefused(t *testing.T) {
	for field, change := range map[string]func(*Target){
		"host_key: is missing":                func(to *Target) { to.HostKeys = nil },
		"host_key: not one public key":        func(to *Target) { to.HostKeys = []string{"nonsense"} },
		"host_key: host keys are given twice": func(to *Target) { to.KnownHosts = "/etc/hosts" },
		"key: user is missing":                func(to *Target) { to.User = "" },
		"key: address":                        func(to *Target) { to.Address = "web-1" },
		"key: neither a key nor":              func(to *Target) { to.AgentSocket = "" },
		"cwd:":                                func(to *Target) { to.Cwd = "srv" },
		"jump.host_key: is missing":           func(to *Target) { to.Jump = &Login{} },
	} {
		to := offline
		change(&to)
		_, err := Open(Config{Targets: []Target{to}, Log: discard, Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), "targets.web-1.ssh."+field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}
