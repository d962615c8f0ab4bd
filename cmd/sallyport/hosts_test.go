package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/gateway"
	"sallyport/tools/exec/sshserver"
)

// TestACommandRunsUnderACertificateOfItsOwn: from the configuration to the host's own log and the record (issue #6).
func TestACommandRunsUnderACertificateOfItsOwn(t *testing.T) {
	w := newWorld(t, "200ms")
	key, public, err := sshserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sallyport-ca-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	if err := os.WriteFile(filepath.Join(dir, "ca.pub"), []byte(public+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var sshd buffer
	host := sshserver.ForTest(t, sshserver.Options{Log: &sshd, Settings: map[string]string{"TrustedUserCAKeys": filepath.Join(dir, "ca.pub"), "AuthorizedKeysFile": "none"}})

	yaml, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	target := fmt.Sprintf("targets:\n  web-1:\n    ssh: {address: %q, user: %s, ca: %q, host_key: %q}\n    mode: jit\n    environment: development\n",
		host.Address, host.User, "file:"+w.file("ca", string(key)), host.HostKey)
	scope := "scopes:\n  commands:\n    who: {groups: [support]}\n    targets: [web-1]\n    allow: [read]\n"
	text := strings.Replace(strings.Replace(string(yaml), "targets:\n", target, 1), "scopes:\n", scope, 1)
	if err := os.WriteFile(w.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()

	env := w.call(w.agent(), "exec", map[string]any{"target": "web-1", "argv": []string{"echo", "hello"}})
	if env.Status != "ok" || !strings.Contains(string(env.Data), `"stdout":"hello\n"`) {
		t.Fatalf("%+v %+v %s\n%s", env, env.Error, env.Data, sshd.String())
	}
	olga := w.apiToken("olga", "security")
	found := false
	for _, line := range strings.Split(strings.TrimSpace(w.cliOK(olga, "audit", "export", "--kind", "credential")), "\n") {
		var e struct{ Call, Session, Target, Tool, Detail string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err, line)
		}
		if e.Call != env.CallID || e.Session == "" || e.Target != "web-1" || e.Tool != "exec" || strings.Contains(line, "PRIVATE") {
			t.Errorf("%s", line)
		}
		serial, _, _ := strings.Cut(strings.TrimPrefix(e.Detail, "jit issued: ssh certificate "), ",")
		found = found || strings.Contains(sshd.String(), "(serial "+serial+")") && strings.Contains(sshd.String(), "call="+env.CallID)
	}
	if !found {
		t.Errorf("the certificate in the log is not the one of sshd's:\n%s", sshd.String())
	}

	// An operator ends the session: the command is gone before he is told that it is.
	mark := fmt.Sprintf("599.%d", os.Getpid())
	done := make(chan *gateway.Envelope, 1)
	go func() {
		env, err := w.agent().call(t.Context(), "exec", map[string]any{"target": "web-1", "argv": []string{"sleep", mark}}, nil)
		if err != nil {
			t.Error(err)
		}
		done <- env
	}()
	eventually(t, "the command runs", func() bool { return isRunning(mark) })
	paul := w.apiToken("paul", "platform")
	sessions := decode[[]struct{ ID string }](t, w.cliOK(paul, "sessions", "list", "--json"))
	if len(sessions) != 1 {
		t.Fatalf("%+v", sessions)
	}
	began := time.Now()
	w.cliOK(paul, "sessions", "end", sessions[0].ID)
	if isRunning(mark) {
		t.Error("the command outlives its session")
	}
	t.Logf("ended %s after the operator asked", time.Since(began).Round(time.Millisecond))
	if env := <-done; env != nil && env.Status == "ok" {
		t.Errorf("the call of an ended session: %+v", env)
	}
}

// isRunning reports whether a process on this machine has the word among its arguments.
func isRunning(word string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		if slices.Contains(strings.Split(string(b), "\x00"), word) {
			return true
		}
	}
	return false
}
