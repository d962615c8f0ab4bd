package exec

import (
	"context"
	"sync"
	"testing"

	"sallyport/tools"
	"sallyport/tools/exec/sshserver"
)

func (h *host) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

func TestCallsShareConnections(t *testing.T) {
	to := target(sshserver.ForTest(t, sshserver.Options{}))
	to.MaxSessions = 4
	h := open(t, to)
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			if d, _, err := call(context.Background(), h, argv("sleep", "0.3"), tools.Limits{}); err != nil || *d.ExitCode != 0 {
				t.Error(d, err)
			}
		})
	}
	calls.Wait()
	if n := h.hosts["web-1"].open(); n > 3 {
		t.Errorf("8 calls at 4 a connection opened %d", n)
	}
	if _, _, err := call(context.Background(), h, argv("true"), tools.Limits{}); err != nil {
		t.Error(err)
	}
}

func TestAHostThatTakesFewerSessionsGetsAnotherConnection(t *testing.T) {
	h := open(t, target(sshserver.ForTest(t, sshserver.Options{Settings: map[string]string{"MaxSessions": "1"}})))
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			if _, _, err := call(context.Background(), h, argv("sleep", "0.3"), tools.Limits{}); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
}

func TestADeadConnectionIsReplaced(t *testing.T) {
	h := open(t, target(sshserver.ForTest(t, sshserver.Options{})))
	one := h.hosts["web-1"]
	for range 2 {
		if _, _, err := call(context.Background(), h, argv("true"), tools.Limits{}); err != nil {
			t.Fatal(err)
		}
		one.mu.Lock()
		one.conns[0].client.Close()
		one.mu.Unlock()
	}
}

// dash's read has no time limit, so timeout(1) stands in; everything else must be the same.
func TestADashLoginShell(t *testing.T) {
	h := open(t, target(sshserver.ForTest(t, sshserver.Options{Settings: map[string]string{
		"ForceCommand": `exec /bin/dash -c "$SSH_ORIGINAL_COMMAND"`}})))
	mark := unique()
	for _, args := range []map[string]any{argv("sleep", mark), {"argv": []string{"sleep", mark}, "stdin": "x\ny"}} {
		ctx, cancel := context.WithCancel(context.Background())
		r, err := begin(ctx, h, args, tools.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if h.hosts["web-1"].conns[0].timed {
			t.Error("dash is taken for a shell whose read can time out")
		}
		eventually(t, "the command runs", func() bool { return isRunning(mark) })
		cancel()
		r.Render(ctx, plainMask{})
		r.Close()
		if isRunning(mark) {
			t.Error("the command still runs")
		}
	}
	d, _, err := call(context.Background(), h, map[string]any{"argv": []string{"cat"}, "stdin": "it's\n\\n$x\n"}, tools.Limits{})
	if err != nil || d.Stdout != "it's\n\\n$x\n" {
		t.Errorf("%+v %v", d, err)
	}
}
