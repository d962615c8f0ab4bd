package exec

import "testing"

func TestScopesCoverEveryCommandOfACall(t *testing.T) {
	h := open(t, offline)
	narrow := Scope{Commands: []string{"systemctl status", "journalctl", "sudo"}, CommandText: true}
	for _, c := range []struct {
		scope Scope
		args  map[string]any
		want  bool
	}{
		{Scope{}, argv("rm", "/srv/x"), true},
		{Scope{}, map[string]any{"command": "ls"}, false},
		{Scope{}, map[string]any{"argv": []string{"cat"}, "stdin": "x"}, false},
		{Scope{Stdin: true}, map[string]any{"argv": []string{"cat"}, "stdin": "x"}, true},
		{narrow, argv("systemctl", "status", "nginx"), true},
		{narrow, argv("systemctl", "--no-pager", "status", "nginx"), true},
		{narrow, argv("systemctl", "restart", "nginx"), false},
		{narrow, argv("systemctl"), false},
		{narrow, argv("/tmp/journalctl"), false},
		{narrow, argv("journalctl-x"), false},
		{narrow, argv("sudo", "systemctl", "status"), true},
		{narrow, argv("sudo", "systemctl", "stop", "nginx"), false},
		{narrow, map[string]any{"command": "journalctl -n 5 | systemctl status"}, true},
		{narrow, map[string]any{"command": "journalctl -n 5 | head"}, false},
		{narrow, map[string]any{"command": "journalctl -n 5; frobnicate"}, false},
		{narrow, argv("bash", "-c", "journalctl"), false},
		{narrow, argv("journalctl evil"), false},
		{narrow, argv("systemctl status/../x", "y"), false},
		{narrow, argv("journalctl \u00a0x"), false},
		{narrow, argv("sudo", "journalctl x"), false},
	} {
		f, err := facts(t, h, c.args)
		if err != nil {
			t.Fatal(err)
		}
		var commands []string
		for _, o := range f.Objects {
			if o.Type == "command" {
				commands = append(commands, o.Name)
			}
		}
		if ok, why := c.scope.Covers(commands, f.Kinds); ok != c.want {
			t.Errorf("%v %v: %t %s", c.scope, c.args, ok, why)
		}
	}
}
