package exec

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/tools"
)

var offline = Target{Name: "web-1", Login: Login{Address: "127.0.0.1:1", User: "deploy", AgentSocket: "/nonexistent",
	HostKeys: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"}}}

// facts are what is found out about one call without a host.
func facts(t testing.TB, h *Hosts, args map[string]any) (*tools.Facts, error) {
	t.Helper()
	args["target"] = "web-1"
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Tool().Plan(context.Background(), raw)
	if err != nil {
		return nil, err
	}
	return h.Tool().Inspect(context.Background(), p)
}

// runsAsRead is what a scope that allows reads and nothing else lets run without asking anybody.
func runsAsRead(f *tools.Facts) bool {
	return f.Effect == tools.Read && f.Understood() &&
		!slices.ContainsFunc(f.Objects, func(o tools.Object) bool { return slices.Contains(o.Labels, "credential") })
}

func TestSampleCommandsHaveNoMiss(t *testing.T) {
	h := open(t, offline)
	file, err := os.Open("testdata/shell.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var c struct{ ID, Command, Must, Why string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		f, err := facts(t, h, map[string]any{"command": c.Command})
		if got := err == nil && runsAsRead(f); got != (c.Must == "ok_as_read") {
			t.Errorf("%s %q (%s): runs as read: %t, %v %+v", c.ID, c.Command, c.Why, got, err, f)
		}
	}
}

func TestFactsOfACall(t *testing.T) {
	h := open(t, offline)
	f, err := facts(t, h, map[string]any{"command": "sudo cp /srv/my\"  \"file /etc/cron.d/x && rm -r /srv/app/old", "stdin": "x"})
	if err != nil {
		t.Fatal(err)
	}
	f.Inspected = nil
	want := &tools.Facts{
		Effect: tools.Define, Kinds: []string{"command_text", "stdin", "deletes", "privilege"},
		Objects: []tools.Object{
			{Type: "path", Name: "/srv/my  file", Access: tools.Read, Literal: true}, {Type: "path", Name: "/etc/cron.d/x", Access: tools.Write, Literal: true},
			{Type: "command", Name: "cp", Access: tools.Write}, {Type: "command", Name: "sudo", Access: tools.Write},
			{Type: "path", Name: "/srv/app/old", Access: tools.Write, Literal: true}, {Type: "command", Name: "rm", Access: tools.Write},
		},
		Functions: []string{"/usr/bin/cp", "/usr/bin/rm", "/usr/bin/sudo"},
		Summary:   "cp copies files; sudo starts a command as another user; rm deletes files",
		Text: "  [0] /usr/bin/sudo\n  [1] /usr/bin/cp\n  [2] /srv/my  file\n  [3] /etc/cron.d/x\n&&\n  [0] /usr/bin/rm\n  [1] -r\n  [2] /srv/app/old\n" +
			"as one line: '/usr/bin/sudo' '/usr/bin/cp' '/srv/my  file' '/etc/cron.d/x' && '/usr/bin/rm' '-r' '/srv/app/old'\nstandard input, 1 bytes: \"x\"\n",
		Values:      []string{"sudo", "cp", "/srv/my  file", "/etc/cron.d/x", "rm", "-r", "/srv/app/old", "x"},
		Fingerprint: "sudo cp <path> <path> && rm -r <path>",
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
}

func TestArgumentsAreStrict(t *testing.T) {
	h := open(t, offline)
	for field, raw := range map[string]string{
		"target":    `{"argv":["ls"]}`,
		"argv":      `{"target":"web-1"}`,
		"command":   `{"target":"web-1","argv":["ls"],"command":"ls"}`,
		"shell":     `{"target":"web-1","argv":["ls"],"shell":true}`,
		"arguments": `["web-1"]`,
		"argv[0]":   `{"target":"web-1","argv":[""]}`,
		"argv[1]":   `{"target":"web-1","argv":["ls","a\u0000b"]}`,
		"argv[2]":   `{"target":"web-1","argv":["ls","a","\u001b[2J"]}`,
		"cwd":       `{"target":"web-1","argv":["ls"],"cwd":"/srv/../etc"}`,
		"stdin":     `{"target":"web-1","argv":["cat"],"stdin":"\u0000"}`,
		"reason":    `{"target":"web-1","argv":["ls"],"reason":"` + strings.Repeat("x", 501) + `"}`,
	} {
		_, err := h.Tool().Plan(context.Background(), tools.Args(raw))
		var arg *tools.ArgError
		if !errors.As(err, &arg) || arg.Field != field {
			t.Errorf("%s: got %v", raw, err)
		}
	}
}

func TestPathLabels(t *testing.T) {
	k := open(t, offline).known
	for path, want := range map[string]bool{
		"/etc/shadow": true, "/etc/shadow-": true, "/etc/hosts": false, "/home/ann/.ssh/config": true, "/proc/1/environ": true,
		"/proc/meminfo": false, "/root/.bashrc": true, "/dev/sda": true, "/srv/app/.env": true, "/srv/app/server.key": true, "/var/log/syslog": false,
		"/proc/self/root/etc/shadow": true, "/srv/app/config.yaml": false,
	} {
		if got := len(k.labelsOf(path, false, false)) > 0; got != want {
			t.Errorf("%s: labelled %t, want %t", path, got, want)
		}
	}
	for tree, want := range map[string]bool{"/": true, "/etc": true, "/home": true, "/home/ann": true, "/home/ann/project": false, "/srv/app": false, "/etc/ssh": true, "/proc": true} {
		if got := len(k.labelsOf(tree, true, false)) > 0; got != want {
			t.Errorf("tree %s: labelled %t, want %t", tree, got, want)
		}
	}
}

func TestEffectsOfChanges(t *testing.T) {
	h := open(t, offline)
	for text, want := range map[string]tools.Effect{
		"tee /srv/app/x": tools.Write, "tee /etc/app.conf": tools.Define, "tee /home/ann/.bashrc": tools.Admin, "tee /home/ann/.ssh/authorized_keys": tools.Admin,
		"rm -rf /": tools.Admin, "rm -rf /home": tools.Admin, "rm -rf /home/ann": tools.Admin, "rm -r /srv/app/old": tools.Write, "cp /srv/x /usr/bin/ls": tools.Define,
		"install -m 4755 /srv/x /srv/y": tools.Admin, "chmod 4755 /srv/y": tools.Admin, "dd if=/srv/x of=/dev/sda": tools.Admin, "sort -o /etc/hosts /srv/x": tools.Define,
		"sudo tee /srv/x": tools.Write, "sudo tee /etc/sudoers.d/x": tools.Admin, "systemctl restart nginx && reboot": tools.Admin, "mv /etc/shadow /srv/x": tools.Admin,
	} {
		f, err := facts(t, h, map[string]any{"command": text})
		if err != nil || f.Effect != want || !f.Understood() {
			t.Errorf("%q: got %s %v %v, want %s", text, f.Effect, f.Unknown, err, want)
		}
	}
}
