package configs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const planted = "hunter2-planted"

func secretOf(t *testing.T, ref string) Secret {
	t.Helper()
	var s Secret
	if err := s.parse(ref); err != nil {
		t.Fatalf("%s: %v", ref, err)
	}
	return s
}

func write(t *testing.T, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func TestSecretsAreReadWhenTheyAreNeeded(t *testing.T) {
	t.Setenv("SALLYPORT_TEST_SECRET", planted)
	for _, ref := range []string{
		"env:SALLYPORT_TEST_SECRET",
		"file:" + write(t, 0o600, planted),
		"file:" + write(t, 0o600, planted+"\n"),
		"file:" + write(t, 0o400, planted+"\r\n"),
		"exec:/bin/echo " + planted,
		`exec:["/bin/echo", "` + planted + `"]`,
		`exec:["/bin/sh", "-c", "echo $SALLYPORT_TEST_SECRET"]`,
	} {
		v, err := secretOf(t, ref).Resolve(t.Context())
		if err != nil || v.Reveal() != planted {
			t.Errorf("%s: %q, %v", ref, v.Reveal(), err)
		}
	}
	if v, err := (Secret{}).Resolve(t.Context()); err != nil || v.Reveal() != "" {
		t.Error("the reference to nothing:", v.Reveal(), err)
	}
}

func TestARotatedSecretIsFound(t *testing.T) {
	path := write(t, 0o600, "old")
	s := secretOf(t, "file:"+path)
	for _, want := range []string{"old", "new"} {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Resolve(t.Context()); err != nil || v.Reveal() != want {
			t.Errorf("%q, %v; want %s", v.Reveal(), err, want)
		}
	}
}

func TestOneLineBreakIsRemoved(t *testing.T) {
	v, err := secretOf(t, "file:"+write(t, 0o600, " a b \n\n")).Resolve(t.Context())
	if err != nil || v.Reveal() != " a b \n" {
		t.Errorf("%q, %v", v.Reveal(), err)
	}
}

func TestSecretsThatCannotBeRead(t *testing.T) {
	t.Setenv("SALLYPORT_TEST_EMPTY", "")
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"env:SALLYPORT_TEST_ABSENT":               "env:SALLYPORT_TEST_ABSENT: the variable is not set for the gateway",
		"env:SALLYPORT_TEST_EMPTY":                "env:SALLYPORT_TEST_EMPTY: the secret is empty",
		"file:/nonexistent/x":                     "file:/nonexistent/x: no such file or directory",
		"file:/dev/zero":                          "file:/dev/zero: this is not a plain file",
		"file:" + pipe:                            "this is not a plain file",
		"file:/tmp":                               "file:/tmp: this is not a plain file",
		"file:" + write(t, 0o602, planted):        "run chmod o-w on it",
		"file:" + write(t, 0o600, planted+"\x00"): "the secret holds a zero byte; secrets are text",
		"file:" + write(t, 0o600, "\n"):           "the secret is empty",
		"file:" + write(t, 0o600, big()):          "the file is larger than 64KiB",
		"exec:/nonexistent/x":                     "exec:/nonexistent/x: no such file or directory",
		"exec:/bin/cat /dev/zero":                 "exec:/bin/cat: the program printed more than 64KiB",
		`exec:["/bin/sh","-c","echo ` + planted + ` >&2; echo ` + planted + `; exit 3"]`: "exec:/bin/sh: the program failed (exit status 3); run it by hand as the gateway's user to see why",
	} {
		v, err := secretOf(t, ref).Resolve(t.Context())
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", ref, err, want)
			continue
		}
		if v.Reveal() != "" || strings.Contains(err.Error(), planted) {
			t.Errorf("%s: something came through: %q, %v", ref, v.Reveal(), err)
		}
	}
}

func big() string { return strings.Repeat("x", maxSecret+1) }

// A program's child that outlives it keeps the pipe open; Resolve must neither wait for it nor leave it behind.
func TestNothingIsLeftOfAProgramThatIsCancelled(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	ready := filepath.Join(dir, "pid")
	s := secretOf(t, `exec:["/bin/sh", "-c", "sleep 600 & echo $! > `+ready+`.new; mv `+ready+`.new `+ready+`; wait"]`)
	failed := make(chan error, 1)
	go func() {
		_, err := s.Resolve(ctx)
		failed <- err
	}()
	var pid int
	for pid == 0 {
		if b, err := os.ReadFile(ready); err == nil {
			fmt.Sscan(string(b), &pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Error(err)
	}
	for deadline := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the child still runs")
		}
	}
}

// alive reports whether the process runs; one that waits to be reaped does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Setenv("SALLYPORT_TEST_SECRET", planted)
	v, err := secretOf(t, "env:SALLYPORT_TEST_SECRET").Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reference := secretOf(t, "exec:/bin/echo "+planted)
	for _, x := range []any{v, &v, reference, &reference, struct{ V Value }{v}, []Secret{reference}, map[string]Value{"a": v}, struct{ v Value }{v}, struct{ s *Secret }{&reference}, Login{User: "u", Password: reference}} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p"} {
			fmt.Fprintf(&out, verb, x)
		}
		fmt.Fprint(&out, x)
		b, err := json.Marshal(x)
		if err != nil {
			t.Error(err)
		}
		out.Write(b)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "x", x)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "x", x)
		if s := out.String(); strings.Contains(s, planted) || strings.Contains(s, fmt.Sprintf("%x", planted)) {
			t.Errorf("%T shows the secret:\n%s", x, s)
		}
	}
	if got := fmt.Sprintf("%s %v", v, reference); got != redacted+" "+redacted {
		t.Error(got)
	}
	if got := reference.Reference(); got != "exec:/bin/echo" {
		t.Errorf("the reference for messages is %s", got)
	}
}
