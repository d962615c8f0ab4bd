package exec

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/tools"
	"sallyport/tools/exec/sshserver"
)

// stuckHost lets everybody in, passes the self-test of the login, answers keep-alives, and then does what it is told for every
// further session.
func stuckHost(t *testing.T, further func(ssh.NewChannel)) Target {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
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
				_, channels, requests, err := ssh.NewServerConn(c, cfg)
				if err != nil {
					return
				}
				all.Go(func() {
					for r := range requests {
						r.Reply(true, nil)
					}
				})
				first := true
				for nc := range channels {
					if !first {
						further(nc)
						continue
					}
					first = false
					all.Go(func() { passSelfTest(nc) })
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	private, _, err := sshserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return Target{Name: "web-1", Revision: "1", Login: Login{Address: l.Addr().String(), User: "deploy",
		Key:      func(context.Context) ([]byte, []byte, error) { return private, nil, nil },
		HostKeys: []string{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}}}
}

func passSelfTest(nc ssh.NewChannel) {
	channel, requests, err := nc.Accept()
	if err != nil {
		return
	}
	for r := range requests {
		if r.Type != "exec" {
			continue
		}
		r.Reply(true, nil)
		var out strings.Builder
		for _, w := range nasty {
			out.WriteString(w + "\n|")
		}
		channel.Write([]byte(out.String() + "1\n"))
		channel.SendRequest("exit-status", false, ssh.Marshal(struct{ S uint32 }{0}))
		channel.Close()
	}
}

// Whatever a host leaves out, a call ends with its context or its limit, and nothing of it stays behind.
func TestAStuckHostHoldsNoCall(t *testing.T) {
	hosts := map[string]func(ssh.NewChannel){
		"never opens a session": func(ssh.NewChannel) {},
		"never answers the command": func(nc ssh.NewChannel) {
			if _, requests, err := nc.Accept(); err == nil {
				go func() { // ends with the connection
					for range requests {
					}
				}()
			}
		},
		"takes the command and says nothing more": func(nc ssh.NewChannel) {
			if _, requests, err := nc.Accept(); err == nil {
				go func() { // ends with the connection
					for r := range requests {
						r.Reply(true, nil)
					}
				}()
			}
		},
	}
	for name, further := range hosts {
		for _, how := range []string{"cancelled", "time limit"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				h := open(t, stuckHost(t, further))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				limits := tools.Limits{Time: 500 * time.Millisecond}
				if how == "cancelled" {
					limits.Time = time.Hour
					time.AfterFunc(500*time.Millisecond, cancel)
				}
				_, _, err := call(ctx, h, argv("true"), limits) // the test's own time limit is what fails when this hangs
				if err == nil {
					t.Error("a command that never ended is answered")
				}
			})
		}
	}
}

func TestASignalIsAName(t *testing.T) {
	for s, want := range map[string]string{"KILL": "KILL", "RTMIN1": "RTMIN1", "": "unknown", "kill": "unknown", "TERM\x1b[31m": "unknown", strings.Repeat("A", 17): "unknown"} {
		if got := endedBy(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}
