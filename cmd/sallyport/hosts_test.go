package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
}
