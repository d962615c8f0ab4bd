package exec

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"sallyport/tools"
	"sallyport/tools/exec/sshserver"
)

// log is a buffer that sshd may write into while a test reads.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *log) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// recorder keeps what a target was recorded to have issued.
type recorder struct {
	mu  sync.Mutex
	all []tools.Credential
}

func (r *recorder) record(_ context.Context, c tools.Credential) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, c)
	return nil
}

// authority is a server that lets nobody in but with certificates of its authority, as HostSetup has it.
type authority struct {
	*sshserver.Server
	key []byte // of the authority
	log *log
	rec *recorder
}

func newAuthority(t testing.TB, principal string) *authority {
	t.Helper()
	a := &authority{log: &log{}, rec: &recorder{}}
	key, public, err := sshserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	a.key = key
	dir, err := os.MkdirTemp("", "sallyport-ca-") // the account has to reach it, so not below t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	ca, principals := filepath.Join(dir, "ca.pub"), filepath.Join(dir, "principals")
	os.WriteFile(ca, []byte(public+"\n"), 0o644)
	os.WriteFile(principals, []byte(principal+"\n"), 0o644)
	a.Server = sshserver.ForTest(t, sshserver.Options{Log: a.log, Settings: map[string]string{"Subsystem": "sftp internal-sftp"}, Tail: matchBlock(ca, account(t), principal != "", principals)})
	return a
}

// account is who logs in to a test server.
func account(t testing.TB) string {
	t.Helper()
	s := sshserver.ForTest(t, sshserver.Options{})
	defer s.Close()
	return s.User
}

func (a *authority) target(principal string) Target {
	return Target{Name: "web-1", Revision: "r1", Login: Login{Address: a.Address, User: a.User, HostKeys: []string{a.HostKey}},
		JIT: &JIT{Principal: principal, CA: func(context.Context) ([]byte, []byte, error) { return bytes.Clone(a.key), nil, nil }, Record: a.rec.record}}
}

// stolen logs in as somebody who has the certificate that f would get, and its key.
func stolen(t *testing.T, h *host, f forced) (*ssh.Client, error) {
	t.Helper()
	wire, err := net.Dial("tcp", h.Address)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := h.issue(t.Context(), wire, f)
	if err != nil {
		t.Fatal(err)
	}
	return h.connect(t.Context(), wire, h.trust, func(context.Context) ([]ssh.Signer, func(), error) { return []ssh.Signer{signer}, func() {}, nil })
}

func TestACertificateForEachCall(t *testing.T) {
	a := newAuthority(t, "agents")
	h := open(t, a.target("agents"))
	for i := range 2 {
		d, _, err := call(t.Context(), h, argv("echo", "it's $HOME"), tools.Limits{})
		if err != nil {
			t.Fatal(err, a.log)
		}
		if d.Stdout != "it's $HOME\n" || *d.ExitCode != 0 {
			t.Errorf("%d: %+v", i, d)
		}
	}
	d, _, err := call(t.Context(), h, map[string]any{"argv": []string{"cat"}, "stdin": "one\ntwo'\n"}, tools.Limits{})
	if err != nil || d.Stdout != "one\ntwo'\n" {
		t.Errorf("%+v %v", d, err)
	}
	if n := len(a.rec.all); n != 4 {
		t.Fatalf("%d certificates were recorded for the login shell's test and three calls", n)
	}
	serials := map[string]bool{}
	for _, c := range a.rec.all {
		serials[c.ID] = true
		if c.Call != "c1" || c.Target != "web-1" || c.Mode != "jit" || c.Event != "issued" || c.Until.IsZero() || strings.Contains(c.Detail, "PRIVATE") {
			t.Errorf("%+v", c)
		}
		// What sshd says is what reconciliation finds in the log.
		if serial := strings.TrimPrefix(c.ID, "ssh certificate "); !strings.Contains(a.log.String(), "(serial "+serial+")") {
			t.Errorf("sshd's log does not have serial %s:\n%s", serial, a.log)
		}
	}
	if len(serials) != 4 {
		t.Error("a serial was used twice")
	}
	one := h.hosts["web-1"]
	one.mu.Lock()
	defer one.mu.Unlock()
	if len(one.conns) != 0 {
		t.Errorf("%d connections outlive their calls", len(one.conns))
	}
}

func TestWithoutARecordNoCertificateIsUsed(t *testing.T) {
	a := newAuthority(t, "")
	target := a.target("")
	target.JIT.Record = func(context.Context, tools.Credential) error { return errors.New("the disk is full") }
	_, _, err := call(t.Context(), open(t, target), argv("id"), tools.Limits{})
	if down := (*tools.UnreachableError)(nil); !errors.As(err, &down) || down.Problem != problemRecord {
		t.Error(err)
	}
	if strings.Contains(a.log.String(), "Accepted") {
		t.Errorf("a login happened:\n%s", a.log)
	}
}

// The host itself holds whoever has the certificate to what it was issued for.
func TestTheHostEnforcesTheCertificate(t *testing.T) {
	a := newAuthority(t, "")
	h := open(t, a.target("")).hosts["web-1"]
	approved := forced{command: "echo approved", ob: tools.Obligations{CallID: "c1", Session: "s1"}}
	client, err := stolen(t, h, approved)
	if err != nil {
		t.Fatal(err, a.log)
	}
	defer client.Close()
	type text struct{ S string }
	for name, ask := range map[string]struct {
		request string
		payload []byte
	}{
		"another command": {"exec", ssh.Marshal(text{"echo stolen; id"})},
		"a shell":         {"shell", nil},
		"sftp":            {"subsystem", ssh.Marshal(text{"sftp"})},
	} {
		ch, requests, err := client.OpenChannel("session", nil)
		if err != nil {
			t.Fatal(name, err)
		}
		go ssh.DiscardRequests(requests) // ends with the channel
		ok, err := ch.SendRequest(ask.request, true, ask.payload)
		if err != nil || !ok {
			t.Logf("%s was refused", name)
			ch.Close()
			continue
		}
		ch.CloseWrite()
		if out, err := io.ReadAll(ch); string(out) != "approved\n" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		ch.Close()
	}
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err == nil {
		t.Error("a terminal was given")
	}
	s.Close()
	if c, err := client.Dial("tcp", a.Address); err == nil {
		c.Close()
		t.Error("a connection was forwarded")
	}
	if l, err := client.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
		t.Error("a port was forwarded")
	}
	for _, request := range []string{"auth-agent-req@openssh.com", "x11-req"} {
		client, err := stolen(t, h, approved)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		s, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if ok, _ := s.SendRequest(request, true, ssh.Marshal(struct {
			Single          bool
			Protocol, Token string
			Screen          uint32
		}{false, "MIT-MAGIC-COOKIE-1", "00", 0})); ok {
			t.Errorf("%s was accepted", request)
		}
		s.Close()
	}
}

func TestTheHostRefusesOtherCertificates(t *testing.T) {
	a := newAuthority(t, "agents")
	good := a.target("agents")
	other, _, err := sshserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Target, *Config){
		"another source address": func(t *Target, _ *Config) { t.JIT.Source = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
		"another principal":      func(t *Target, _ *Config) { t.JIT.Principal = "root" },
		"another authority": func(t *Target, _ *Config) {
			t.JIT.CA = func(context.Context) ([]byte, []byte, error) { return bytes.Clone(other), nil, nil }
		},
		"expired":       func(_ *Target, c *Config) { c.Now = func() time.Time { return time.Now().Add(-2 * time.Minute) } },
		"not yet valid": func(_ *Target, c *Config) { c.Now = func() time.Time { return time.Now().Add(5 * time.Minute) } },
		"a plain key": func(t *Target, _ *Config) {
			t.JIT, t.Key = nil, keyFrom(a.Key)
		},
	} {
		t.Run(name, func(t *testing.T) {
			target := good
			jit := *good.JIT
			target.JIT = &jit
			cfg := Config{Log: discard, Now: time.Now}
			change(&target, &cfg)
			cfg.Targets = []Target{target}
			h, err := Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			_, _, err = call(t.Context(), h, argv("id"), tools.Limits{})
			if down := (*tools.UnreachableError)(nil); !errors.As(err, &down) || down.Problem != problemAuth {
				t.Error(err)
			}
		})
	}
	if d, _, err := call(t.Context(), open(t, good), argv("echo", "in"), tools.Limits{}); err != nil || d.Stdout != "in\n" {
		t.Error(d, err)
	}
}

// A certificate that was used lets nobody in again once its minute is over, and it names no key of the account.
func TestACertificateIsNarrow(t *testing.T) {
	a := newAuthority(t, "")
	h := open(t, a.target("")).hosts["web-1"]
	wire, err := net.Dial("tcp", a.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	before := time.Now()
	signer, err := h.issue(t.Context(), wire, forced{command: "id", ob: tools.Obligations{
		CallID: "call-1", Session: "session-1", Approval: "approval-1", Caller: "https://login.example.com#maria\nroot", Agent: "bot 7&call=x " + strings.Repeat("é", 200)}})
	if err != nil {
		t.Fatal(err)
	}
	c := signer.PublicKey().(*ssh.Certificate)
	if len(c.Extensions) != 0 {
		t.Errorf("extensions: %v", c.Extensions)
	}
	want := map[string]string{"force-command": "id", "source-address": "127.0.0.1/32"}
	if d := cmp.Diff(want, c.CriticalOptions); d != "" {
		t.Error(d)
	}
	if life := time.Unix(int64(c.ValidBefore), 0).Sub(before); life > time.Minute {
		t.Errorf("it lives %s", life)
	}
	if c.CertType != ssh.UserCert || len(c.ValidPrincipals) != 1 || c.ValidPrincipals[0] != a.User || c.Serial == 0 {
		t.Errorf("%+v", c)
	}
	if strings.ContainsAny(c.KeyId, " \n\"") || len(c.KeyId) > 900 {
		t.Errorf("key id %q", c.KeyId)
	}
	id, ok := ParseKeyID(c.KeyId)
	if want := (KeyID{Session: "session-1", Call: "call-1", Approval: "approval-1", Human: "https://login.example.com#maria\nroot",
		Agent: "bot 7&call=x " + strings.Repeat("é", 41)}); !ok || id != want {
		t.Errorf("%+v", id)
	}
	if _, ok := ParseKeyID("deploy@laptop"); ok {
		t.Error("somebody else's key id was taken for ours")
	}
}

func TestCancelEndsACommandOfItsOwnConnection(t *testing.T) {
	a := newAuthority(t, "")
	h := open(t, a.target(""))
	for name, args := range map[string]func(mark string) map[string]any{
		"argv":     func(mark string) map[string]any { return argv("sleep", mark) },
		"pipeline": func(mark string) map[string]any { return map[string]any{"command": "sleep " + mark + " | cat"} },
		"deaf":     func(mark string) map[string]any { return argv("sh", "-c", "trap '' TERM; sleep "+mark+"; sleep "+mark) },
		"stdin":    func(mark string) map[string]any { return map[string]any{"argv": []string{"sleep", mark}, "stdin": "x"} },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			mark := unique()
			r, err := begin(ctx, h, args(mark), tools.Limits{})
			if err != nil {
				t.Fatal(err, a.log)
			}
			defer r.Close()
			eventually(t, "the command runs", func() bool { return isRunning(mark) })
			began := time.Now()
			cancel()
			if _, err = r.Render(ctx, plainMask{}); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if isRunning(mark) {
				t.Error("the command still runs after Render returned")
			}
			t.Logf("gone %s after cancelling", time.Since(began).Round(time.Millisecond))
		})
	}
}

// The child is a gateway in small: it starts a command and is killed without a chance to clean up.
func TestAKilledGatewayLeavesNoCommandOfACertificate(t *testing.T) {
	if address := os.Getenv("TEST_ADDRESS"); address != "" {
		key, _ := os.ReadFile(os.Getenv("TEST_KEY"))
		a := &authority{Server: &sshserver.Server{Address: address, User: os.Getenv("TEST_USER"), HostKey: os.Getenv("TEST_HOST_KEY")}, key: key, rec: &recorder{}}
		call(context.Background(), open(t, a.target("")), argv("sleep", os.Getenv("TEST_MARK")), tools.Limits{Time: 5 * time.Minute})
		return
	}
	a := newAuthority(t, "")
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, a.key, 0o600); err != nil {
		t.Fatal(err)
	}
	mark := unique()
	child := osexec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "TEST_ADDRESS="+a.Address, "TEST_USER="+a.User, "TEST_HOST_KEY="+a.HostKey, "TEST_KEY="+key, "TEST_MARK="+mark)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	eventually(t, "the command runs", func() bool { return isRunning(mark) })
	began := time.Now()
	child.Process.Kill()
	eventually(t, "the command is gone", func() bool { return !isRunning(mark) })
	t.Logf("gone %s after the gateway was killed", time.Since(began).Round(time.Millisecond))
}

// Input that is not the decided one is not given to the command, even with the certificate in hand.
func TestTheCertificateBindsTheInput(t *testing.T) {
	a := newAuthority(t, "")
	h := open(t, a.target(""))
	p, err := h.Tool().Plan(t.Context(), []byte(`{"target": "web-1", "argv": ["cat"], "stdin": "decided"}`))
	if err != nil {
		t.Fatal(err)
	}
	f, err := h.Tool().Inspect(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	one, stdin := h.hosts["web-1"], "decided"
	script, mark := one.script(command{words: f.Inspected.(*inspected).line, stdin: &stdin, time: time.Minute}, true)
	for input, want := range map[string]string{"decided": "decided", "changed": ""} {
		client, err := stolen(t, one, forced{command: script, ob: tools.Obligations{CallID: "c1"}})
		if err != nil {
			t.Fatal(err, a.log)
		}
		s, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		pipe, _ := s.StdinPipe()
		var out bytes.Buffer
		s.Stdout = &out
		if err = s.Start("whatever"); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(pipe, input+mark)
		err = s.Wait()
		var exit *ssh.ExitError
		if out.String() != want || want == "" && (!errors.As(err, &exit) || exit.ExitStatus() != 125) {
			t.Errorf("%s: %q, %v", input, out.String(), err)
		}
		client.Close()
	}
}

func TestAHostThatIgnoresTheCertificatesCommandIsFound(t *testing.T) {
	s := scriptedHost(t, func(asked string) string { return asked })
	key, _, err := sshserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{Server: s, key: key, rec: &recorder{}}
	_, _, err = call(t.Context(), open(t, a.target("")), argv("id"), tools.Limits{})
	if down := (*tools.UnreachableError)(nil); !errors.As(err, &down) || down.Problem != problemForced {
		t.Error(err)
	}
}

// scriptedHost lets everybody in and answers each command with what say makes of it.
func scriptedHost(t *testing.T, say func(asked string) string) *sshserver.Server {
	t.Helper()
	pem, _, err := sshserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
	cfg.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				_, channels, requests, err := ssh.NewServerConn(c, cfg)
				if err != nil {
					return
				}
				all.Go(func() { ssh.DiscardRequests(requests) })
				for nc := range channels {
					ch, reqs, err := nc.Accept()
					if err != nil {
						return
					}
					for r := range reqs {
						var asked struct{ Command string }
						ssh.Unmarshal(r.Payload, &asked)
						r.Reply(true, nil)
						fmt.Fprint(ch, say(asked.Command))
						ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{}))
						ch.Close()
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return &sshserver.Server{Address: l.Addr().String(), User: "x", HostKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}
}

func TestAnAuthorityThatCannotBeUsed(t *testing.T) {
	a := newAuthority(t, "")
	for name, ca := range map[string]func(context.Context) ([]byte, []byte, error){
		"unreadable": func(context.Context) ([]byte, []byte, error) {
			return nil, nil, errors.New("file:/run/secrets/ca: no such file")
		},
		"no key": func(context.Context) ([]byte, []byte, error) { return []byte("hunter2"), nil, nil },
	} {
		target := a.target("")
		target.JIT.CA = ca
		_, _, err := call(t.Context(), open(t, target), argv("id"), tools.Limits{})
		if down := (*tools.UnreachableError)(nil); !errors.As(err, &down) || down.Problem != problemCA || strings.Contains(fmt.Sprint(down.Err), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(a.rec.all); n != 0 {
		t.Errorf("%d certificates", n)
	}
}

func TestTargetsThatAreBothOrHalf(t *testing.T) {
	a := &authority{Server: &sshserver.Server{Address: "h:22", User: "u", HostKey: hostKeyLine(t)}, rec: &recorder{}}
	for name, change := range map[string]func(*Target){
		"key as well":    func(t *Target) { t.Key = keyFrom(nil) },
		"agent as well":  func(t *Target) { t.AgentSocket = "/run/agent" },
		"no authority":   func(t *Target) { t.JIT.CA = nil },
		"no record":      func(t *Target) { t.JIT.Record = nil },
		"two principals": func(t *Target) { t.JIT.Principal = "a,b" },
		"unknown source": func(t *Target) {
			t.Jump = &Login{Address: "j:22", User: "u", HostKeys: t.HostKeys, Key: keyFrom(nil)}
		},
	} {
		target := a.target("")
		change(&target)
		if _, err := Open(Config{Targets: []Target{target}, Log: discard, Now: time.Now}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func hostKeyLine(t *testing.T) string {
	t.Helper()
	_, line, err := sshserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestACertificateThroughAJumpHost(t *testing.T) {
	a := newAuthority(t, "")
	jump := sshserver.ForTest(t, sshserver.Options{Forwarding: true})
	target := a.target("")
	target.JIT.Source = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	target.Jump = &Login{Address: jump.Address, User: jump.User, HostKeys: []string{jump.HostKey}, Key: keyFrom(jump.Key)}
	if d, _, err := call(t.Context(), open(t, target), argv("echo", "in"), tools.Limits{}); err != nil || d.Stdout != "in\n" {
		t.Error(d, err)
	}
}

func TestAnEncryptedAuthorityKey(t *testing.T) {
	a := newAuthority(t, "")
	raw, err := ssh.ParseRawPrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(raw, "", []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	target := a.target("")
	key := pem.EncodeToMemory(locked)
	var given [][]byte
	target.JIT.CA = func(context.Context) ([]byte, []byte, error) {
		k, p := bytes.Clone(key), []byte("open sesame")
		given = append(given, k, p)
		return k, p, nil
	}
	if d, _, err := call(t.Context(), open(t, target), argv("echo", "in"), tools.Limits{}); err != nil || d.Stdout != "in\n" {
		t.Error(d, err)
	}
	for _, b := range given {
		if len(bytes.Trim(b, "\x00")) != 0 {
			t.Error("key material was left in memory")
		}
	}
	script, err := target.Setup(t.Context())
	if err != nil || !strings.Contains(script, "TrustedUserCAKeys /etc/ssh/sallyport_ca.pub") || strings.Contains(script, "PRIVATE") {
		t.Errorf("%s %v", script, err)
	}
}
