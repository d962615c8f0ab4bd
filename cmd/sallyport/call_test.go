package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"sallyport/gateway/adminapi"
)

// calling starts `sallyport call` as a process of its own.
func (w *world) calling(stderr *buffer, args ...string) *exec.Cmd {
	w.t.Helper()
	exe, err := exec.LookPath("sallyport") // the test binary under another name, see TestMain
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(exe, append([]string{"call", "--url", w.url}, args...)...)
	cmd.Env = append(os.Environ(), "SALLYPORT_TOKEN="+w.agentToken("maria", "support"))
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

func (w *world) open(token string) []adminapi.Item {
	w.t.Helper()
	return decode[[]adminapi.Item](w.t, w.cliOK(token, "approvals", "list", "--json"))
}

// TestACallWaitsForPeople: a job that waits survives a restart of the gateway, and ends with the answer; a no ends it with 3.
func TestACallWaitsForPeople(t *testing.T) {
	w := newWorld(t, "10m")
	w.start()
	bob := w.apiToken("bob", "dba")
	for answer, want := range map[string]int{"approve": exitDone, "deny": exitDenied} {
		var said buffer
		cmd := w.calling(&said, "query_write", "--target", "shop", "--sql", "UPDATE public.orders SET status = 'cancelled' WHERE id = 1051", "--reason", answer)
		eventually(t, "it waits", func() bool { return strings.Contains(said.String(), "waiting for approval") })
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.cliOK(bob, "approvals", answer, w.open(bob)[0].Code)
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("%s: exit %d, want %d\n%s", answer, code, want, said.String())
		}
	}
}

// TestAnInterruptedCallIsWithdrawn: nobody is asked about what nobody waits for.
func TestAnInterruptedCallIsWithdrawn(t *testing.T) {
	w := running(t, "10m")
	bob := w.apiToken("bob", "dba")
	var said buffer
	cmd := w.calling(&said, "query_write", "--target", "shop", "--sql", "UPDATE public.orders SET status = 'cancelled' WHERE id = 1052", "--reason", "mistake")
	eventually(t, "it waits", func() bool { return strings.Contains(said.String(), "waiting for approval") })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(said.String(), "withdrawn") {
		t.Errorf("exit %d\n%s", code, said.String())
	}
	if open := w.open(bob); len(open) != 0 {
		t.Errorf("still asked: %+v", open)
	}
}

// TestTheTokenOfAJob: in a GitHub Actions job the runner gives out tokens for the gateway's audience, a new one for each request.
func TestTheTokenOfAJob(t *testing.T) {
	w := running(t, "10m")
	asked := 0
	runner := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked++
		if r.Header.Get("Authorization") != "Bearer of-the-job" || r.URL.Query().Get("api-version") != "2.0" || r.URL.Query().Get("audience") != w.url+"/mcp" {
			http.Error(rw, "no", http.StatusForbidden)
			return
		}
		json.NewEncoder(rw).Encode(map[string]any{"count": 1, "value": w.agentToken("maria", "support")})
	}))
	defer runner.Close()
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", runner.URL+"/token?api-version=2.0")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
	var out, errs strings.Builder
	if code := run([]string{"call", "query", "--url", w.url, "--target", "shop", "--sql", "SELECT 1 AS one"}, strings.NewReader(""), &out, &errs); code != exitDone || asked == 0 {
		t.Errorf("exit %d, asked %d times\n%s%s", code, asked, out.String(), errs.String())
	}
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-another-job")
	errs.Reset()
	if code := run([]string{"call", "query", "--url", w.url, "--target", "shop", "--sql", "SELECT 1"}, strings.NewReader(""), &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "id-token: write") || strings.Contains(errs.String(), "of-another-job") {
		t.Errorf("exit %d\n%s", code, errs.String())
	}
}
