package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/gateway/adminapi"
)

// One question, answered late, must reach every kind of client: with the result of one execution, whatever was killed in between. The times
// are scaled down; SALLYPORT_WAIT (5m) is how long people take to answer.

// raise is a change that shows how often it ran.
func raise(order int, reason string) map[string]any {
	return map[string]any{"target": "shop", "sql": "UPDATE public.orders SET total = total + 1 WHERE id = $1", "params": []any{order}, "reason": reason}
}

// raised holds when order 1044 was raised once, and only once.
const raised = "SELECT (SELECT total FROM orders WHERE id = 1044) = (SELECT total + 1 FROM before WHERE id = 1044)"

// beforeRaise remembers what the orders are.
func (w *world) beforeRaise() { w.sql("CREATE TABLE before AS SELECT id, total FROM orders") }

// waiter is a client that was started and prints what happens to it.
type waiter struct {
	events chan clientEvent
	kill   func()
}

type clientEvent struct {
	Event, Status, Executed, Message, Call string
}

// UnmarshalJSON also takes null codes and names the call as the envelope does.
func (e *clientEvent) UnmarshalJSON(b []byte) error {
	var m struct {
		Event, Status, Executed, Message string
		CallID                           string `json:"call_id"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	*e = clientEvent{m.Event, m.Status, m.Executed, m.Message, m.CallID}
	return nil
}

func (c *waiter) next(t *testing.T, want string) clientEvent {
	t.Helper()
	for {
		select {
		case e, open := <-c.events:
			if !open {
				t.Fatalf("the client ended without %s", want)
			}
			if e.Event == want {
				return e
			}
		case <-time.After(2 * time.Minute):
			t.Fatalf("no %s", want)
		}
	}
}

// typescript starts a client of the TypeScript SDK.
func (w *world) typescript(mode string, timeout time.Duration, args map[string]any) *waiter {
	w.t.Helper()
	home := os.Getenv("CLIENTS")
	script := filepath.Join(home, "wait.mjs") // imports are looked up beside the script
	source, err := os.ReadFile(filepath.Join("testdata", "clients", "wait.mjs"))
	if err == nil {
		err = os.WriteFile(script, source, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	call, _ := json.Marshal(map[string]any{"name": "query_write", "arguments": args})
	cmd := exec.Command(os.Getenv("CLIENTS_NODE"), script, w.url+"/mcp", w.agentToken("maria", "support"), mode, fmt.Sprint(timeout.Milliseconds()), string(call))
	cmd.Stderr = &w.logs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	c := &waiter{events: make(chan clientEvent, 1000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(c.events)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e clientEvent
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				c.events <- e
			}
		}
	}()
	c.kill = func() {
		cmd.Process.Kill()
		<-ended
		cmd.Wait()
	}
	w.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			c.kill()
		}
	})
	return c
}

// task is one request of a client that takes tasks: the members of its result.
func (w *world) task(method, name string, params map[string]any) (result map[string]any, code any) {
	w.t.Helper()
	const prefix = "io.modelcontextprotocol/"
	params["_meta"] = map[string]any{prefix + "protocolVersion": "2026-07-28",
		prefix + "clientCapabilities": map[string]any{"extensions": map[string]any{prefix + "tasks": map[string]any{}}}}
	body, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/mcp", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for k, v := range map[string]string{"Authorization": "Bearer " + w.agentToken("maria", "support"), "Content-Type": "application/json",
		"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err.Error()
	}
	if s := string(text); strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		_, s, _ = strings.Cut(s[strings.LastIndex(s, "data: "):], "data: ")
		text = []byte(s)
	}
	m := decode[struct {
		Result map[string]any
		Error  *struct{ Code any }
	}](w.t, string(text))
	if m.Error != nil {
		return nil, m.Error.Code
	}
	return m.Result, nil
}

func TestATaskOutlivesItsClientAndTheGateway(t *testing.T) {
	w := newWorld(t, "10m")
	w.beforeRaise()
	gateway := w.child()
	bob := w.apiToken("bob", "dba")
	created, _ := w.task("tools/call", "query_write", map[string]any{"name": "query_write", "arguments": raise(1044, "task")})
	id, _ := created["taskId"].(string)
	if created["resultType"] != "task" || id == "" || created["status"] != "working" || created["ttlMs"] == nil {
		t.Fatalf("%+v", created)
	}
	again, _ := w.task("tools/call", "query_write", map[string]any{"name": "query_write", "arguments": raise(1044, "task")})
	if again["taskId"] != id {
		t.Fatalf("the identical call became another task: %+v", again)
	}
	restart := func() {
		gateway.Process.Kill()
		gateway.Wait()
		gateway = w.child()
	}
	restart()
	if now, code := w.task("tasks/get", id, map[string]any{"taskId": id}); now["status"] != "working" {
		t.Fatalf("%+v %v", now, code)
	}
	items := decode[[]adminapi.Item](t, w.cliOK(bob, "approvals", "list", "--json"))
	if len(items) != 1 {
		t.Fatalf("people were asked %d times", len(items))
	}
	// The answer reaches a client that looks at that moment.
	looked := make(chan map[string]any, 1)
	go func() {
		now, _ := w.task("tasks/get", id, map[string]any{"taskId": id})
		looked <- now
	}()
	w.cliOK(bob, "approvals", "approve", items[0].ID)
	now := <-looked
	for now["status"] == "working" {
		now, _ = w.task("tasks/get", id, map[string]any{"taskId": id})
	}
	result, _ := now["result"].(map[string]any)
	envelope, _ := result["structuredContent"].(map[string]any)
	if now["status"] != "completed" || envelope["status"] != "ok" || envelope["executed"] != "yes" || envelope["call_id"] != id {
		t.Fatalf("%+v", now)
	}
	restart()
	if now, _ := w.task("tasks/get", id, map[string]any{"taskId": id}); now["status"] != "completed" {
		t.Errorf("after another restart: %+v", now)
	}
	w.holds(raised)
}

func TestATaskIsWithdrawn(t *testing.T) {
	w := running(t, "10m")
	created, _ := w.task("tools/call", "query_write", map[string]any{"name": "query_write", "arguments": raise(1045, "withdrawn")})
	id := created["taskId"].(string)
	if ack, code := w.task("tasks/cancel", id, map[string]any{"taskId": id}); code != nil || len(ack) != 1 || ack["resultType"] != "complete" {
		t.Errorf("%+v %v", ack, code)
	}
	if now, code := w.task("tasks/get", id, map[string]any{"taskId": id}); now["status"] != "cancelled" {
		t.Errorf("%+v %v", now, code)
	}
	const nobodys = "01a21263-bd92-74c1-a740-d204b2e25eed"
	for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
		if _, code := w.task(method, nobodys, map[string]any{"taskId": nobodys}); code != float64(-32602) {
			t.Errorf("%s of no task: %v", method, code)
		}
	}
}

// TestWaitingReachesClients needs the TypeScript SDK: .ci/conformance installs it and says where in CLIENTS and CLIENTS_NODE.
func TestWaitingReachesClients(t *testing.T) {
	if os.Getenv("CLIENTS") == "" {
		t.Skip("CLIENTS is not set: .ci/conformance installs the TypeScript SDK and runs this")
	}
	late := 3 * time.Second
	if v := os.Getenv("SALLYPORT_WAIT"); v != "" {
		var err error
		if late, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, mode string
		hold       string
		timeout    time.Duration
		before     string // what the client sees while people think
	}{
		{"the gateway stops holding first", "default", "1s", time.Minute, "pending"},
		{"the client gives up first", "default", "15m", time.Second, "error"},
		{"progress keeps the client waiting", "progress", "15m", 12 * time.Second, "progress"}, // a heartbeat comes every 10 s
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.hold)
			w.beforeRaise()
			gateway := w.child()
			bob := w.apiToken("bob", "dba")
			args := raise(1044, c.name)
			client := w.typescript(c.mode, c.timeout, args)
			client.next(t, c.before)
			client.kill() // and its successor knows nothing but the call
			gateway.Process.Kill()
			gateway.Wait()
			w.child()
			client = w.typescript(c.mode, c.timeout, args)
			client.next(t, c.before)
			time.Sleep(late)
			items := decode[[]adminapi.Item](t, w.cliOK(bob, "approvals", "list", "--json"))
			if len(items) != 1 {
				t.Fatalf("people were asked %d times", len(items))
			}
			w.cliOK(bob, "approvals", "approve", items[0].ID)
			if e := client.next(t, "answer"); e.Status != "ok" || e.Executed != "yes" {
				t.Errorf("%+v", e)
			}
			w.holds(raised)
		})
	}
}
