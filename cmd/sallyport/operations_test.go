package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"sallyport/gateway"
	"sallyport/gateway/adminapi"
)

func TestHealthAndMetrics(t *testing.T) {
	w := running(t, "200ms")
	if code, body := w.get(w.url + "/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("healthz: %d %q", code, body)
	}
	if code, body := w.get(w.url + "/readyz"); code != http.StatusOK || body != "ready\n" {
		t.Errorf("readyz: %d %q", code, body)
	}
	if code, _ := w.get(w.url + "/metrics"); code != http.StatusNotFound {
		t.Errorf("metrics on the public listener: %d", code)
	}
	w.query("shop", "SELECT count(*) FROM public.orders")
	w.query("shop", "DELETE FROM public.orders WHERE id = 1")
	_, body := w.get("http://" + w.metrics + "/metrics")
	for _, want := range []string{
		`sallyport_calls_total{code="",status="ok",tool="query"} 1`, `sallyport_calls_total{code="write_not_allowed_here",status="denied",tool="query"} 1`,
		"sallyport_call_seconds_bucket", "sallyport_stage_seconds", "sallyport_calls_in_flight 0", "go_goroutines",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// TestReload: a good file is in force for the next call, a bad one changes nothing and says what is wrong where.
func TestReload(t *testing.T) {
	w := running(t, "200ms")
	good, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	change := map[string]any{"target": "sandbox", "sql": "UPDATE public.orders SET total = 1 WHERE id = 1001", "reason": "test"}
	works := func(when, want string) {
		t.Helper()
		if env := w.call(w.agent(), "query_write", change); env.Status != want {
			t.Errorf("%s: %s %+v, want %s", when, env.Status, env.Error, want)
		}
	}
	works("at first", "ok")
	for _, tt := range []struct{ name, old, new, want string }{
		{"an unknown key", "allow: [read, write]", "alow: [read]", "did you mean allow?"},
		{"broken YAML", "targets:", "targets: [", "sallyport.yaml:"},
		{"another address", "listen: ", "listen: 127.0.0.1:1 # ", "restart it"},
		{"another identity provider", "audience: ", "max_token_lifetime: 5m\n      audience: ", "restart it"},
	} {
		w.file("sallyport.yaml", strings.Replace(string(good), tt.old, tt.new, 1))
		if err := w.server.reload(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: reload says %v, want %q", tt.name, err, tt.want)
		}
		works("after "+tt.name, "ok")
	}
	// Tighter: the development target can only be read now.
	at := strings.LastIndex(string(good), "allow: [read, write]")
	w.file("sallyport.yaml", string(good[:at])+strings.Replace(string(good[at:]), "allow: [read, write]", "allow: [read]", 1))
	if err := w.server.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	works("after a tighter file", "denied")
	w.file("sallyport.yaml", string(good))
	if err := w.server.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	works("after the old file", "ok")
	n := strings.Count(w.cliOK(w.apiToken("olga", "security"), "audit", "search", "--kind", "config"), "configuration reloaded")
	if n != 2 {
		t.Errorf("%d reloads are recorded, want the 2 that came into force", n)
	}
}

// TestShutdownFinishesCallsInFlight: a call that runs is finished, answered and recorded before the gateway ends; one that waits for
// people is told to come back, and its request stays.
func TestShutdownFinishesCallsInFlight(t *testing.T) {
	w := running(t, "10m")
	type answer struct {
		env *gateway.Envelope
		err error
	}
	asked, waited, ran := make(chan string, 10), make(chan answer, 1), make(chan answer, 1)
	go func() {
		env, err := w.agent().call(context.Background(), "query_write", refund(1007, "in flight"), func(m string) { asked <- m })
		waited <- answer{env, err}
	}()
	<-asked
	go func() {
		env, err := w.agent().call(context.Background(), "query", map[string]any{"target": "shop", "sql": "SELECT count(*) FROM generate_series(1, 15000000)"}, nil)
		ran <- answer{env, err}
	}()
	w.eventuallyHolds("EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND usename = 'sallyport')")
	if err := w.stop(); err != nil {
		t.Error(err)
	}
	if a := <-waited; a.err != nil || a.env.Status != "approval_pending" || a.env.Next.Tool != "get_call" {
		t.Errorf("the call that waits: %+v %v", a.env, a.err)
	}
	if a := <-ran; a.err != nil || a.env.Status != "ok" || !strings.Contains(string(a.env.Data), "15000000") {
		t.Errorf("the call that runs: %+v %v", a.env, a.err)
	}
	var out strings.Builder
	if code := run([]string{"audit", "verify", "--state", w.state()}, nil, &out, &out); code != exitDone || strings.Contains(out.String(), "FAILED") {
		t.Errorf("verify after the stop: %d\n%s", code, out.String())
	}
	w.start()
	bob := w.apiToken("bob", "dba")
	items := decode[[]adminapi.Item](t, w.cliOK(bob, "approvals", "list", "--json"))
	w.cliOK(bob, "approvals", "approve", items[0].ID)
	if env := w.call(w.agent(), "query_write", refund(1007, "in flight")); env.Status != "ok" || env.Executed != "yes" {
		t.Errorf("after the restart: %+v", env)
	}
	w.holds("(SELECT status FROM orders WHERE id = 1007) = 'refunded'")
}

// TestAStateThatCannotBeWritten: no record, no action; no record, no release; and /readyz says which part it is. The limit on
// the size of files makes every write to the disk fail, for root too.
func TestAStateThatCannotBeWritten(t *testing.T) {
	w := running(t, "200ms")
	change := map[string]any{"target": "sandbox", "sql": "UPDATE public.orders SET total = 9 WHERE id = 1009", "reason": "no disk"}
	w.query("shop", "SELECT count(*) FROM public.orders") // warm, so that nothing else has to be written

	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 0, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer restore()
	agent := w.agent()
	read, readErr := agent.call(t.Context(), "query", map[string]any{"target": "shop", "sql": "SELECT 4711 AS id FROM public.orders LIMIT 1"}, nil)
	write, writeErr := agent.call(t.Context(), "query_write", change, nil)
	code, ready := w.get(w.url + "/readyz")
	alive, _ := w.get(w.url + "/healthz")
	restore()

	for name, env := range map[string]*gateway.Envelope{"a read": read, "a write": write} {
		if env == nil {
			t.Fatalf("%v %v", readErr, writeErr)
		}
		if env.Error == nil || env.Error.Code != "unavailable" || strings.Contains(string(env.Data), "4711") {
			t.Errorf("%s without a record: %+v %+v", name, env, env.Error)
		}
	}
	if write.Executed != "no" {
		t.Errorf("the write says executed %s", write.Executed)
	}
	w.holds("SELECT total <> 9 FROM orders WHERE id = 1009")
	if code != http.StatusServiceUnavailable || !strings.Contains(ready, "audit: ") {
		t.Errorf("readyz: %d %q", code, ready)
	}
	if alive != http.StatusOK {
		t.Errorf("healthz: %d; a restart would not help", alive)
	}
	if err := waitReady(t.Context(), w.url); err != nil { // heals by itself
		t.Fatalf("not ready again: %v", err)
	}
	if env := w.call(w.agent(), "query_write", change); env.Status != "ok" {
		t.Errorf("after healing: %+v %+v", env, env.Error)
	}
}

// TestIssuerDown: known keys go on working, and what needs a new key is refused.
func TestIssuerDown(t *testing.T) {
	w := running(t, "200ms")
	known := w.agent()
	w.call(known, "list_targets", nil)
	if err := w.issuer.Rotate("", true); err != nil {
		t.Fatal(err)
	}
	w.issuer.Down(true)
	if env := w.call(known, "list_targets", nil); env.Status != "ok" {
		t.Errorf("a token of a known key: %+v", env)
	}
	if _, err := w.agent().call(t.Context(), "list_targets", nil, nil); err == nil {
		t.Error("a token of a key nobody has seen was believed")
	}
}

// TestNothingOfACallIsInLogsOrMetrics plants a word wherever a caller can write, in calls that succeed, fail and are refused, and
// looks for it in the log at level debug and in the metrics.
func TestNothingOfACallIsInLogsOrMetrics(t *testing.T) {
	const word = "pl4ntedw0rd"
	w := running(t, "200ms")
	agent, bob := w.agent(), w.apiToken("bob", "dba")
	for _, c := range []struct {
		tool string
		args map[string]any
	}{
		{"query", map[string]any{"target": "shop", "sql": "SELECT id FROM public.orders WHERE details->>'channel' = '" + word + "'", "reason": word}},
		{"query", map[string]any{"target": "shop", "sql": "SELECT id FROM public.orders WHERE details->>'channel' = $1", "params": []any{word}}},
		{"query", map[string]any{"target": "shop", "sql": "SELECT " + word + " FROM public.orders"}},
		{"query", map[string]any{"target": "shop", "sql": "SELECT '" + word + "'::int"}},
		{"query", map[string]any{"target": "shop", "sql": "SELECT '" + word}},
		{"query", map[string]any{"target": "shop", "sql": "SELECT id FROM public.orders WHERE id = $1", "params": []any{word}}},
		{"query", map[string]any{"target": word, "sql": "SELECT 1"}},
		{"query", map[string]any{"target": "shop", "sql": "SELECT 1", word: word}},
		{"query_write", map[string]any{"target": "shop", "sql": "UPDATE public.orders SET details = '{\"a\": \"" + word + "\"}' WHERE id = 1001", "reason": word}},
		{"query_write", map[string]any{"target": "sandbox", "sql": "UPDATE public.orders SET details = $1 WHERE id = 1001", "params": []any{`{"a": "` + word + `"}`}, "reason": word}},
		{"query_write", map[string]any{"target": "sandbox", "sql": "UPDATE public.products SET name = '" + word + "', price = -1 WHERE id = 1", "reason": word}},
		{"query_write", map[string]any{"target": "shop", "sql": "DELETE FROM public.orders WHERE details->>'a' <> '" + word + "'", "reason": word}},
		{"describe_target", map[string]any{"target": "shop", "path": word}},
		{"explain_access", map[string]any{"tool": "query", "arguments": map[string]any{"target": "shop", "sql": "SELECT '" + word + "'"}}},
		{"get_call", map[string]any{"call_id": word}},
		{"cancel_call", map[string]any{"call_id": word}},
		{word, map[string]any{word: word}},
	} {
		agent.call(t.Context(), c.tool, c.args, nil) // whatever the answer is
	}
	env := w.ask(refund(1049, word))
	w.cliOK(bob, "approvals", "deny", env.Approval.Code, "--reason", word)
	w.cli(bob, "approvals", "show", word)
	w.cli(w.apiToken("olga", "security"), "audit", "search", word)
	w.cli(w.file("bad.token", word), "approvals", "list")
	for _, token := range []string{word, "a." + word + ".c", w.agentToken("maria", word)} {
		(&mcpClient{endpoint: w.url + "/mcp", http: &http.Client{}, token: func() (string, error) { return token, nil }}).call(t.Context(), "list_targets", nil, nil)
	}
	for _, body := range []string{word, `{"jsonrpc":"2.0","id":"` + word + `","method":"` + word + `"}`} {
		req, err := http.NewRequest("POST", w.url+"/mcp?"+word+"="+word, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		token, _ := agent.token()
		for name, value := range map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", "X-Own": word, "Mcp-Session-Id": word} {
			req.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	token, _ := agent.token()
	_, metrics := w.get("http://" + w.metrics + "/metrics")
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	logs := w.logs.String()
	if !strings.Contains(logs, "gateway ready") || !strings.Contains(logs, "approval requested") {
		t.Fatalf("this is not the log:\n%s", logs)
	}
	for what, secret := range map[string]string{"the planted word": word, "the token": token, "the token's signature": token[strings.LastIndex(token, ".")+1:], "the target's password": w.password} {
		for name, text := range map[string]string{"log": logs, "metrics": metrics} {
			for _, line := range strings.Split(text, "\n") {
				if strings.Contains(line, secret) {
					t.Errorf("%s is in the %s: %s", what, name, line)
				}
			}
		}
	}
}
