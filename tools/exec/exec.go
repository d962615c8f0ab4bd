// Package exec answers: what would this command do to that host? And then runs it there, over SSH.
//
// A call is an argument vector, or one line of shell text made of literal words. Either is classified word by word against
// a knowledge base of commands ([Knowledge]): what is not known, down to the option, is not understood. What is sent is
// rendered again from what was understood, every word quoted, in an empty environment, without a terminal and without
// forwarding, so that the host's shell has nothing left to interpret.
//
// Promises: a command ends with its call (cancelled, timed out, or with the gateway itself), its whole process group
// included; memory is bounded by the call's byte limit; every byte of output passes the mask. It is no sandbox: a process
// that leaves its process group on purpose outlives the call, and a symbolic link on the host is seen by the host only.
package exec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"sallyport/tools"
)

// The built-in maxima: a scope's limit may be lower, never higher.
const (
	MaxTime  = 10 * time.Minute
	MaxBytes = 4 << 20
)

// What holds when neither scope nor target says anything.
const (
	defaultTime     = 30 * time.Second
	defaultBytes    = 256 << 10
	defaultSessions = 8 // sshd's own default is 10
	defaultPath     = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// Login is how one host is reached and who the gateway is there.
type Login struct {
	Address string // host:port
	User    string
	// Key returns the private key in PEM and, when it is encrypted, its passphrase. It is called for each new connection, so
	// that a rotated key is used without a restart. Nil when AgentSocket is set.
	Key func(ctx context.Context) (key, passphrase []byte, err error)
	// Certificate is the OpenSSH certificate that goes with Key, as an authorized_keys line; "" for none.
	Certificate string
	// AgentSocket is the Unix socket of an ssh-agent; all of its keys are offered.
	AgentSocket string
	// HostKeys are the keys the host may have, as authorized_keys lines. KnownHosts is a known_hosts file instead.
	HostKeys   []string
	KnownHosts string
}

// Target is one host.
type Target struct {
	Name string // as in sallyport.yaml
	Login
	// JIT issues a certificate for each call; nil for the key, certificate or agent of Login.
	JIT *JIT
	// Jump is the host through which this one is reached; nil for a direct connection.
	Jump *Login
	// Path is the search path of commands; "" is the usual directories of root's.
	Path string
	// Cwd is where commands start when the call names no directory; "" is the login's home.
	Cwd string
	// MaxSessions bounds the commands that share one connection; 0 is 8. It must not exceed sshd's MaxSessions.
	MaxSessions int
	// Revision changes when the definition of the target does.
	Revision string
}

// Overlay is a file of knowledge, in the form of the embedded one.
type Overlay struct {
	File string // for messages
	Text []byte
}

// Config is what Open needs.
type Config struct {
	Targets []Target
	// Overlays are further knowledge. A later one replaces the entries of an earlier one, name by name.
	Overlays []Overlay
	Log      *slog.Logger
	Now      func() time.Time
}

// Hosts are the targets and their open connections. Safe for concurrent use.
type Hosts struct {
	known *Knowledge
	log   *slog.Logger
	now   func() time.Time
	hosts map[string]*host // read-only after Open
}

// Open checks the configuration and the knowledge; it connects to nothing. All problems are reported at once.
func Open(cfg Config) (*Hosts, error) {
	known, err := LoadKnowledge(cfg.Overlays...)
	problems := []error{err}
	h := &Hosts{known: known, log: cfg.Log, now: cfg.Now, hosts: map[string]*host{}}
	if h.log == nil || h.now == nil {
		problems = append(problems, errors.New("exec: Log and Now are required"))
	}
	for _, t := range cfg.Targets {
		if _, twice := h.hosts[t.Name]; twice || t.Name == "" {
			problems = append(problems, fmt.Errorf("targets: the name %q is empty or stands twice", t.Name))
		}
		one, err := newHost(t, cfg.Log, cfg.Now)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		h.hosts[t.Name] = one
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return h, nil
}

// Close ends all connections, and with them every command that still runs.
func (h *Hosts) Close() {
	for _, one := range h.hosts {
		one.close()
	}
}

// Tool is the gateway's tool "exec".
func (h *Hosts) Tool() *Tool { return &Tool{h} }

// Tool implements gateway.Tool.
type Tool struct{ *Hosts }

// Inspect classifies the command. It needs nothing from the host: what cannot be told from the words alone is unknown.
func (t *Tool) Inspect(_ context.Context, p *tools.Plan) (*tools.Facts, error) {
	one, parsed, err := t.find(p)
	if err != nil {
		return nil, err
	}
	cwd := parsed.Cwd
	if cwd == "" {
		cwd = one.Cwd
	}
	f := t.known.classify(parsed, cwd)
	f.Revision = one.Revision
	return f, nil
}

// Run starts the command. Nothing of it has run when it returns [*tools.UnreachableError]. When ctx ends, the command's
// process group is gone before Render returns, or the error says that this was not seen.
func (t *Tool) Run(ctx context.Context, p *tools.Plan, f *tools.Facts, ob tools.Obligations) (tools.Result, error) {
	one, parsed, err := t.find(p)
	if err != nil {
		return nil, err
	}
	return one.start(ctx, command{ob: ob,
		words: f.Inspected.(*inspected).line, cwd: parsed.Cwd, stdin: parsed.Stdin, changes: f.Effect != tools.Read || ob.Changes,
		time: limit(ob.Limits.Time, defaultTime, MaxTime), bytes: limit(ob.Limits.Bytes, defaultBytes, MaxBytes),
	}, t.now)
}

func (t *Tool) find(p *tools.Plan) (*host, *parsed, error) {
	one, ok := t.hosts[p.Target]
	mine, isOurs := p.Parsed.(*parsed)
	if !ok || !isOurs {
		return nil, nil, tools.ErrNoSuchTarget
	}
	return one, mine, nil
}

func limit[N int | time.Duration](asked, otherwise, most N) N {
	if asked <= 0 {
		return otherwise
	}
	return min(asked, most)
}

func newHost(t Target, log *slog.Logger, now func() time.Time) (*host, error) {
	fail := func(field, format string, args ...any) (*host, error) {
		return nil, fmt.Errorf("targets.%s.ssh.%s: %s", t.Name, field, fmt.Sprintf(format, args...))
	}
	if t.Path == "" {
		t.Path = defaultPath
	}
	if t.MaxSessions == 0 {
		t.MaxSessions = defaultSessions
	}
	if t.Cwd != "" && (!path.IsAbs(t.Cwd) || path.Clean(t.Cwd) != t.Cwd) {
		return fail("cwd", "%q is not a clean absolute path", t.Cwd)
	}
	if t.MaxSessions < 0 {
		return fail("max_sessions", "%d is negative", t.MaxSessions)
	}
	one := &host{Target: t, log: log, now: now, dialing: make(chan struct{}, 1), logins: make(chan struct{}, maxLogins)}
	var err error
	if one.trust, err = newTrust(t.Login); err != nil {
		return fail("host_key", "%v", err)
	}
	if t.JIT != nil {
		if err = t.JIT.check(&t); err != nil {
			return fail("ca", "%v", err)
		}
	} else if err = t.Login.needsKey(); err != nil {
		return fail("key", "%v", err)
	}
	if err = t.Login.check(); err != nil {
		return fail("key", "%v", err)
	}
	if t.Jump != nil {
		if one.jumpTrust, err = newTrust(*t.Jump); err != nil {
			return fail("jump.host_key", "%v", err)
		}
		if err = errors.Join(t.Jump.needsKey(), t.Jump.check()); err != nil {
			return fail("jump.key", "%v", err)
		}
	}
	return one, nil
}
