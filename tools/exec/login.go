package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"sallyport/tools"
)

// dialTimeout bounds the connection and the login to one host.
const dialTimeout = 15 * time.Second

// The ways in which a host can be out of reach, each with who can fix it. They are told to the agent, so they name no
// host, user or key.
const (
	problemNetwork = "the host does not answer; a network or host administrator can fix it"
	problemHostKey = "the host shows another key than the pinned one, so nothing was sent: it was reinstalled, or someone is in between; " +
		"the gateway's operator must check the host and then its host_key in the configuration"
	problemAuth  = "the host does not accept the gateway's login; the gateway's operator must check the key, its certificate and the account on the host"
	problemKey   = "the gateway cannot read its own key for this host; the gateway's operator must check the secret reference"
	problemShell = "the account's login shell does not keep quoted words as they are, or its start-up files print something; " +
		"the host's administrator must give the account a POSIX shell (bash, dash) with silent start-up files"
	problemCA     = "the gateway cannot read or use the authority's key; the gateway's operator must check the secret reference"
	problemRecord = "the gateway cannot record the certificate it would log in with; the gateway's operator must check its store"
	problemForced = "the host did not run the command of the certificate, or its login shell does not keep quoted words as they are, or its start-up " +
		"files print something; the host's administrator must check sshd's version (OpenSSH enforces it) and the account's shell"
	problemProtocol = "the host does not speak SSH as expected; the host's administrator can fix it"
	problemLost     = "the connection was lost while the command was starting; a network or host administrator can fix it"
)

func unreachable(problem string, err error) error {
	return &tools.UnreachableError{Problem: problem, Err: err}
}

// check reports what of a login is wrong by itself.
func (l *Login) check() error {
	if _, _, err := net.SplitHostPort(l.Address); err != nil {
		return fmt.Errorf("address %q is not host:port", l.Address)
	}
	switch {
	case l.User == "":
		return errors.New("user is missing")
	case l.Certificate != "" && l.Key == nil:
		return errors.New("a certificate needs the key it belongs to")
	}
	if l.Certificate != "" {
		if _, err := parseCertificate(l.Certificate); err != nil {
			return err
		}
	}
	return nil
}

func (l *Login) needsKey() error {
	if l.Key == nil && l.AgentSocket == "" {
		return errors.New("neither a key nor an agent is given")
	}
	return nil
}

func parseCertificate(line string) (*ssh.Certificate, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, errors.New("certificate: this is a plain public key")
	}
	return cert, nil
}

// signers loads what the login proves itself with. done must be called when the login is over.
func (l *Login) signers(ctx context.Context) (signers []ssh.Signer, done func(), err error) {
	done = func() {}
	if l.Key != nil {
		key, pass, err := l.Key(ctx)
		if err != nil {
			return nil, done, err
		}
		var s ssh.Signer
		if len(pass) > 0 {
			s, err = ssh.ParsePrivateKeyWithPassphrase(key, pass)
		} else {
			s, err = ssh.ParsePrivateKey(key)
		}
		if err != nil {
			return nil, done, err
		}
		if l.Certificate != "" {
			cert, err := parseCertificate(l.Certificate)
			if err != nil {
				return nil, done, err
			}
			if s, err = ssh.NewCertSigner(cert, s); err != nil {
				return nil, done, err
			}
		}
		signers = append(signers, s)
	}
	if l.AgentSocket != "" {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", l.AgentSocket)
		if err != nil {
			return nil, done, err
		}
		done = func() { conn.Close() }
		more, err := agent.NewClient(conn).Signers()
		if err != nil {
			return nil, done, err
		}
		signers = append(signers, more...)
	}
	return signers, done, nil
}

// trust is what a host's key must be. Read-only after newTrust.
type trust struct {
	check      ssh.HostKeyCallback
	algorithms func(address string) []string // nil result: all
}

var errHostKey = errors.New("the host's key is not the pinned one")

func newTrust(l Login) (*trust, error) {
	switch {
	case len(l.HostKeys) > 0 && l.KnownHosts != "":
		return nil, errors.New("host keys are given twice: in the configuration and as a known_hosts file; keep one")
	case l.KnownHosts != "":
		return fromFile(l.KnownHosts)
	case len(l.HostKeys) == 0:
		return nil, errors.New("is missing; ssh-keyscan shows the host's keys, compare them on the host itself")
	}
	var keys [][]byte
	var algorithms []string
	for _, line := range l.HostKeys {
		key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || len(rest) > 0 {
			return nil, fmt.Errorf("not one public key: %v", err)
		}
		keys = append(keys, key.Marshal())
		algorithms = append(algorithms, algorithmsOf(key)...)
	}
	return &trust{
		check: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if slices.ContainsFunc(keys, func(k []byte) bool { return bytes.Equal(k, key.Marshal()) }) {
				return nil
			}
			return errHostKey
		},
		algorithms: func(string) []string { return algorithms },
	}, nil
}

// algorithmsOf are the host key algorithms to offer for a pinned key: without this a host with several keys may answer
// with another one of its own, which would look like an attack.
func algorithmsOf(key ssh.PublicKey) []string {
	if key.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256} // the same key, without SHA-1 signatures
	}
	return []string{key.Type()}
}

func fromFile(name string) (*trust, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	check, err := knownhosts.New(name)
	if err != nil {
		return nil, fmt.Errorf("known_hosts: %w", err)
	}
	return &trust{
		check: func(host string, addr net.Addr, key ssh.PublicKey) error {
			if err := check(host, addr, key); err != nil {
				return fmt.Errorf("%w: %w", errHostKey, err)
			}
			return nil
		},
		algorithms: func(address string) (list []string) {
			if bytes.Contains(text, []byte("@cert-authority")) { // a host that has a certificate is asked for it first
				list = append(list, ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
					ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01)
			}
			// The file's answer to a key it cannot know tells which keys it has for the host.
			probe, err := ssh.NewPublicKey(probeKey)
			if err != nil {
				return nil
			}
			var known *knownhosts.KeyError
			if errors.As(check(address, &net.TCPAddr{}, probe), &known) {
				for _, w := range known.Want {
					list = append(list, algorithmsOf(w.Key)...)
				}
			}
			return list
		},
	}, nil
}

// connect logs in over conn, which it closes on failure, with the signers that make makes.
func (l *Login) connect(ctx context.Context, conn net.Conn, tr *trust, make func(context.Context) ([]ssh.Signer, func(), error)) (*ssh.Client, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	signers, done, err := make(ctx)
	defer done()
	if err != nil {
		conn.Close()
		var told *tools.UnreachableError
		if errors.As(err, &told) {
			return nil, err
		}
		return nil, unreachable(problemKey, err)
	}
	var keyErr error // x/crypto wraps some of its errors as text only
	cfg := &ssh.ClientConfig{
		User: l.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signers...)}, ClientVersion: "SSH-2.0-Sallyport",
		HostKeyAlgorithms: tr.algorithms(l.Address),
		HostKeyCallback: func(host string, addr net.Addr, key ssh.PublicKey) error {
			keyErr = tr.check(host, addr, key)
			return keyErr
		},
	}
	c, channels, requests, err := ssh.NewClientConn(conn, l.Address, cfg)
	if err != nil {
		conn.Close()
		return nil, unreachable(loginProblem(ctx, err, keyErr), err)
	}
	return ssh.NewClient(c, channels, requests), nil
}

func loginProblem(ctx context.Context, err, keyErr error) string {
	var negotiation *ssh.AlgorithmNegotiationError
	switch {
	case keyErr != nil:
		return problemHostKey
	case ctx.Err() != nil:
		return problemNetwork
	case errors.As(err, &negotiation) && strings.Contains(err.Error(), "host key"):
		return problemHostKey // it has no key of the pinned one's type
	case strings.Contains(err.Error(), "unable to authenticate"):
		return problemAuth
	}
	return problemProtocol
}
