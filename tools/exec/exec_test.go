package exec

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/tools"
	"sallyport/tools/exec/sshserver"
)

// plainMask masks one word, so that a test can see that everything passed it.
type plainMask struct{}

func (plainMask) Text(dst, src []byte) []byte {
	return append(dst, strings.ReplaceAll(string(src), "s3cret-token", "[masked]")...)
}
func (m plainMask) JSON(dst, src []byte) []byte { return m.Text(dst, src) }
func (plainMask) Labelled(dst, _ []byte, _, _ string) ([]byte, bool) {
	return dst, false
}

var discard = slog.New(slog.DiscardHandler)

// target is a target on a test server.
func target(s *sshserver.Server) Target {
	return Target{Name: "web-1", Revision: "r1", Login: Login{
		Address: s.Address, User: s.User, HostKeys: []string{s.HostKey},
		Key: func(context.Context) (key, pass []byte, err error) { return s.Key, nil, nil },
	}}
}

func open(t testing.TB, targets ...Target) *Hosts {
	t.Helper()
	h, err := Open(Config{Targets: targets, Log: discard, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// call takes one call through plan, inspection and execution. What it is allowed to do is not asked.
func call(ctx context.Context, h *Hosts, args map[string]any, limits tools.Limits) (*data, *tools.Rendered, error) {
	r, err := begin(ctx, h, args, limits)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	out, err := r.Render(ctx, plainMask{})
	if err != nil {
		return nil, nil, err
	}
	var d data
	return &d, out, json.Unmarshal(out.Data, &d)
}

func begin(ctx context.Context, h *Hosts, args map[string]any, limits tools.Limits) (tools.Result, error) {
	args["target"] = "web-1"
	raw, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	tool := h.Tool()
	p, err := tool.Plan(ctx, raw)
	if err != nil {
		return nil, err
	}
	f, err := tool.Inspect(ctx, p)
	if err != nil {
		return nil, err
	}
	return tool.Run(ctx, p, f, tools.Obligations{CallID: "c1", Limits: limits, Changes: f.Effect != tools.Read})
}

func argv(words ...string) map[string]any { return map[string]any{"argv": words} }

func code(n int) *int { return &n }

func TestACommandRunsAndAnswers(t *testing.T) {
	h := open(t, target(sshserver.ForTest(t, sshserver.Options{})))
	for _, c := range []struct {
		name string
		args map[string]any
		want data
	}{
		{"argv", argv("echo", "a  b", "$HOME", "*", "it's"), data{ExitCode: code(0), Stdout: "a  b $HOME * it's\n"}},
		{"masked", argv("echo", "the s3cret-token"), data{ExitCode: code(0), Stdout: "the [masked]\n"}},
		{"secret behind colours", argv("printf", `s3cret-\033[31mtoken\033[0m\n`), data{ExitCode: code(0), Stdout: "[masked]\n"}},
		{"failure is a result", argv("ls", "/nonexistent"), data{ExitCode: code(2), Stderr: "/usr/bin/ls: cannot access '/nonexistent': No such file or directory\n"}},
		{"no such program", argv("no-such-program"), data{ExitCode: code(127), Stderr: "env: 'no-such-program': No such file or directory\n"}},
		{"pipe", map[string]any{"command": "printf 'b\\na\\n' | sort | head -n 1"}, data{ExitCode: code(0), Stdout: "a\n"}},
		{"and, or, redirection", map[string]any{"command": "ls /nonexistent 2>/dev/null || echo 'none here' && false"}, data{ExitCode: code(1), Stdout: "none here\n"}},
		{"cwd", map[string]any{"argv": []string{"pwd"}, "cwd": "/usr/share"}, data{ExitCode: code(0), Stdout: "/usr/share\n"}},
		{"environment", argv("env", "-u", "HOME"), data{ExitCode: code(0), Stdout: "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C.UTF-8\n"}},
		{"stdin", map[string]any{"argv": []string{"wc", "-c"}, "stdin": "four\n\n"}, data{ExitCode: code(0), Stdout: "6\n"}},
		{"stdin is closed", argv("cat"), data{ExitCode: code(0)}},
		{"signal", argv("sh", "-c", "kill -KILL $$"), data{Signal: "KILL"}},
		{"binary", argv("head", "-c", "64", "/usr/bin/env"), data{ExitCode: code(0), Binary: &binary{"application/octet-stream", 64}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := call(context.Background(), h, c.args, tools.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWordsTooLongOnceQuotedAreRefused(t *testing.T) {
	h := open(t, target(sshserver.ForTest(t, sshserver.Options{})))
	_, _, err := call(context.Background(), h, argv("echo", strings.Repeat("'", 30<<10)), tools.Limits{})
	if arg := (*tools.ArgError)(nil); !errors.As(err, &arg) {
		t.Error(err)
	}
	d, _, err := call(context.Background(), h, argv("echo", strings.Repeat("x", 30<<10)), tools.Limits{})
	if err != nil || len(d.Stdout) != 30<<10+1 {
		t.Error(err)
	}
}

func TestProblemsNameWhoCanFixThem(t *testing.T) {
	s := sshserver.ForTest(t, sshserver.Options{})
	strange, other, err := sshserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	mangled := sshserver.ForTest(t, sshserver.Options{Settings: map[string]string{
		"ForceCommand": `/bin/bash -c "$(printf %%s "$SSH_ORIGINAL_COMMAND" | tr b B)"`}})
	for _, c := range []struct {
		name, problem string
		change        func(*Target)
	}{
		{"nobody listens", problemNetwork, func(t *Target) { t.Address = "127.0.0.1:1" }},
		{"another host key", problemHostKey, func(t *Target) { t.HostKeys = []string{other} }},
		{"no host key of that type", problemHostKey, func(t *Target) {
			t.HostKeys = []string{"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg="}
		}},
		{"another key", problemAuth, func(t *Target) {
			t.Key = func(context.Context) ([]byte, []byte, error) { return strange, nil, nil }
		}},
		{"unreadable key", problemKey, func(t *Target) {
			t.Key = func(context.Context) ([]byte, []byte, error) { return nil, nil, errors.New("vault is sealed") }
		}},
		{"a shell that changes words", problemShell, func(t *Target) { t.Login = target(mangled).Login }},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := target(s)
			c.change(&to)
			_, _, err := call(context.Background(), open(t, to), argv("true"), tools.Limits{})
			var down *tools.UnreachableError
			if !errors.As(err, &down) || down.Problem != c.problem {
				t.Errorf("got %v (%v)", err, errors.Unwrap(err))
			}
		})
	}
}
