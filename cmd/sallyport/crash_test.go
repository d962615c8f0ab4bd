package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// child starts `sallyport serve` as a process of its own and waits until it is ready.
func (w *world) child() *exec.Cmd {
	w.t.Helper()
	exe, err := exec.LookPath("sallyport") // the test binary under another name, see TestMain
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(exe, "serve", "--config", w.config())
	cmd.Stdout, cmd.Stderr = &w.logs, &w.logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	if err := waitReady(w.t.Context(), w.url); err != nil {
		w.t.Fatalf("%v\n%s", err, w.logs.String())
	}
	return cmd
}

// ack is what a writer was told about one change.
type ack struct{ call, status string }

// TestKillUnderWriteLoad (issue #2): whatever was acknowledged is recorded, nothing happened that was not intended first, and
// what is not known is said to be unknown.
func TestKillUnderWriteLoad(t *testing.T) {
	w := newWorld(t, "200ms")
	const writers = 6
	acks := map[string]ack{} // by the marker of the change
	for round := range 2 {
		gateway := w.child()
		var mu sync.Mutex
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for writer := range writers {
			wg.Go(func() {
				agent := w.agentOf(fmt.Sprint("maria", writer), "support")
				for i := 0; ctx.Err() == nil; i++ {
					marker := fmt.Sprintf("r%d-w%d-%d", round, writer, i)
					env, err := agent.call(ctx, "query_write", map[string]any{"target": "sandbox", "reason": "load",
						"sql": "INSERT INTO public.customers (id, name, email, joined) VALUES ($1, $2, $2, '2026-01-01')", "params": []any{round*1_000_000 + writer*100_000 + i + 1000, marker}}, nil)
					if err != nil {
						return // the gateway is gone
					}
					mu.Lock()
					acks[marker] = ack{env.CallID, env.Status}
					if env.Status != "ok" {
						t.Errorf("%s: %+v %+v", marker, env, env.Error)
					}
					mu.Unlock()
				}
			})
		}
		eventually(t, "the writers are busy", func() bool { mu.Lock(); defer mu.Unlock(); return len(acks) >= (round+1)*60 })
		if err := gateway.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		gateway.Wait()
		wg.Wait()
		cancel()
	}
	// What the target was told and had not finished ends when it notices that its client is gone.
	w.eventuallyHolds("NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'sallyport' AND datname = current_database())")

	last := w.child()
	olga := w.apiToken("olga", "security")
	if out := w.cliOK(olga, "audit", "verify"); strings.Contains(out, "FAILED") || !strings.Contains(out, "(0 calls are running)") {
		t.Errorf("verify:\n%s", out)
	}
	intents, outcomes := map[string]bool{}, map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(w.cliOK(olga, "audit", "export", "--tool", "query_write", "--bodies=false")), "\n") {
		switch e := decode[auditLine](t, line); e.Kind {
		case "intent":
			if intents[e.Call] {
				t.Errorf("call %s was intended twice", e.Call)
			}
			intents[e.Call] = true
		case "outcome":
			if outcomes[e.Call] != "" {
				t.Errorf("call %s ended twice", e.Call)
			}
			outcomes[e.Call] = e.Outcome.Status
		}
	}
	ok, unknown := 0, 0
	for call := range intents {
		switch outcomes[call] {
		case "ok":
			ok++
		case "unknown":
			unknown++
		default:
			t.Errorf("intent of %s ended as %q", call, outcomes[call])
		}
	}
	for call := range outcomes {
		if !intents[call] {
			t.Errorf("an outcome of %s without an intent", call)
		}
	}
	var names []string
	for marker, a := range acks {
		if outcomes[a.call] != a.status {
			t.Errorf("%s was acknowledged as %s and is recorded as %q", marker, a.status, outcomes[a.call])
		}
		names = append(names, "'"+marker+"'")
	}
	w.holds(fmt.Sprintf("SELECT count(*) = %d AND count(DISTINCT name) = count(*) FROM customers WHERE name IN (%s)", len(names), strings.Join(names, ",")))
	t.Logf("%d acknowledged, %d recorded as ok, %d unknown", len(acks), ok, unknown)
	if ok < len(acks) || unknown > 2*writers {
		t.Errorf("%d ok and %d unknown for %d acknowledged calls of %d writers", ok, unknown, len(acks), writers)
	}
	// Never a change without an intent; and what is known to be done is done.
	w.holds(fmt.Sprintf("SELECT count(*) BETWEEN %d AND %d FROM customers WHERE name LIKE 'r_-w%%'", ok, ok+unknown))

	// SIGHUP reads the file again, SIGTERM ends the program with 0.
	if err := last.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the configuration is reloaded", func() bool { return strings.Contains(w.logs.String(), "configuration reloaded") })
	if err := last.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := last.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, w.logs.String())
	}
}

// eventuallyHolds waits until a condition on the database is true, past the gateway.
func (w *world) eventuallyHolds(condition string) {
	w.t.Helper()
	eventually(w.t, condition, func() bool {
		return w.pg.ExecIn(context.Background(), w.database, "DO $$ BEGIN ASSERT ("+condition+"); END $$") == nil
	})
}

// TestAStatementThatKillsTheParser: 200 KB of nesting overflow the grammar's stack in the child process. The call is refused, and the
// next one is answered.
func TestAStatementThatKillsTheParser(t *testing.T) {
	w := running(t, "200ms")
	for _, tt := range []struct{ name, sql string }{
		{"parentheses", "SELECT " + strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000)},
		{"sub-selects", strings.Repeat("SELECT * FROM (", 13_000) + "SELECT 1" + strings.Repeat(") q", 1) + strings.Repeat(")", 12_999)},
		{"operators", "SELECT 1" + strings.Repeat("+1", 100_000)},
		{"not", "SELECT " + strings.Repeat("NOT ", 50_000) + "true"},
		{"arrays", "SELECT " + strings.Repeat("ARRAY[", 33_000) + "1" + strings.Repeat("]", 33_000)},
	} {
		env := w.query("shop", tt.sql)
		if env.Error == nil || env.Error.Code != "not_understood" && env.Error.Code != "invalid_argument" || env.Executed != "no" {
			t.Errorf("%s: %s %+v", tt.name, env.Status, env.Error)
		}
		if next := w.query("shop", "SELECT count(*) FROM public.orders"); next.Status != "ok" {
			t.Errorf("the call after %s: %+v %+v", tt.name, next, next.Error)
		}
	}
	if strings.Contains(w.logs.String(), "panic") {
		t.Errorf("the log speaks of a panic:\n%s", w.logs.String())
	}
}

// TestNobodyElseUsesTheState: a second gateway on the same state does not start, and says whose it is.
func TestNobodyElseUsesTheState(t *testing.T) {
	w := running(t, "200ms")
	b, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	second := strings.ReplaceAll(string(b), strings.TrimPrefix(w.url, "http://"), address)
	second = strings.ReplaceAll(second, w.metrics, "127.0.0.1:0")
	var errs strings.Builder
	if code := run([]string{"serve", "--config", w.file("second.yaml", second)}, nil, &errs, &errs); code != exitFailed || !strings.Contains(errs.String(), "another gateway uses this state directory") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	if code, _ := w.get(w.url + "/readyz"); code != http.StatusOK {
		t.Errorf("the first one is not ready any more: %d", code)
	}
}
