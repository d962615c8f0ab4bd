package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/tools"
	"sallyport/tools/exec/sshserver"
)

// isRunning reports whether a process on this machine has the word among its arguments.
func isRunning(word string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, arg := range strings.Split(string(b), "\x00") {
			if arg == word {
				return true
			}
		}
	}
	return false
}

// eventually waits for a condition. How long it may take is a promise to people, measured in bench; here it only must happen.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("never: " + what)
}

// unique is a number of seconds no other test sleeps.
func unique() string { return fmt.Sprintf("%d.%d", 500+os.Getpid()%100, time.Now().UnixNano()) }

func TestCancelEndsTheWholeProcessGroup(t *testing.T) {
	h := open(t, target(sshserver.ForTest(t, sshserver.Options{})))
	mark := unique()
	for name, args := range map[string]map[string]any{
		"argv":     argv("sleep", mark),
		"pipeline": {"command": "sleep " + mark + " | cat"},
		"deaf":     argv("sh", "-c", "trap '' TERM; sleep "+mark+"; sleep "+mark),
		"timeout":  {"command": "timeout 60 sleep " + mark + " | cat"}, // would make a group of its own
		"stdin":    {"argv": []string{"sleep", mark}, "stdin": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r, err := begin(ctx, h, args, tools.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			eventually(t, "the command runs", func() bool { return isRunning(mark) })
			cancel()
			if _, err = r.Render(ctx, plainMask{}); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if isRunning(mark) {
				t.Error("the command still runs after Render returned")
			}
		})
	}
}

func TestAChangeThatWasCancelledHasAnUnknownOutcome(t *testing.T) {
	h := open(t, target(sshserver.ForTest(t, sshserver.Options{})))
	mark := unique()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := begin(ctx, h, map[string]any{"command": "touch /tmp/sallyport-test; sleep " + mark + "; rm /tmp/sallyport-test"}, tools.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	eventually(t, "the command runs", func() bool { return isRunning(mark) })
	cancel()
	_, err = r.Render(ctx, plainMask{})
	if lost := (*tools.OutcomeUnknownError)(nil); !errors.As(err, &lost) {
		t.Error(err)
	}
	os.Remove("/tmp/sallyport-test")
}

func TestTheTimeLimitKeepsWhatWasPrinted(t *testing.T) {
	h := open(t, target(sshserver.ForTest(t, sshserver.Options{})))
	mark := unique()
	d, out, err := call(context.Background(), h, map[string]any{"command": "echo before; sleep " + mark}, tools.Limits{Time: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if d.Stdout != "before\n" || !d.Stopped || out.Truncated == nil || out.Truncated.By != "time" {
		t.Errorf("%+v %+v", d, out.Truncated)
	}
	if isRunning(mark) {
		t.Error("the command still runs")
	}
}

func TestTheByteLimitStopsAReadAtALine(t *testing.T) {
	h := open(t, target(sshserver.ForTest(t, sshserver.Options{})))
	d, out, err := call(context.Background(), h, argv("seq", "1", "100000000"), tools.Limits{Bytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if out.Truncated == nil || out.Truncated.By != "bytes" || len(d.Stdout) > 1000 || !strings.HasSuffix(d.Stdout, "\n") || !d.OutCut {
		t.Errorf("%d bytes, %+v", len(d.Stdout), out.Truncated)
	}
}

// The child is a gateway in small: it starts a command and is killed without a chance to clean up.
func TestAKilledGatewayLeavesNoCommand(t *testing.T) {
	if address := os.Getenv("TEST_ADDRESS"); address != "" {
		key, _ := os.ReadFile(os.Getenv("TEST_KEY"))
		s := &sshserver.Server{Address: address, User: os.Getenv("TEST_USER"), HostKey: os.Getenv("TEST_HOST_KEY"), Key: key}
		call(context.Background(), open(t, target(s)), argv("sleep", os.Getenv("TEST_MARK")), tools.Limits{Time: 5 * time.Minute})
		return
	}
	s := sshserver.ForTest(t, sshserver.Options{})
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, s.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	mark := unique()
	child := osexec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "TEST_ADDRESS="+s.Address, "TEST_USER="+s.User, "TEST_HOST_KEY="+s.HostKey, "TEST_KEY="+key, "TEST_MARK="+mark)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	eventually(t, "the command runs", func() bool { return isRunning(mark) })
	child.Process.Kill()
	eventually(t, "the command is gone", func() bool { return !isRunning(mark) })
}
