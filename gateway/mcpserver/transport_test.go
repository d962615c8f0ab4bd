package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/gateway"
	"sallyport/identity/devissuer"
)

// The tests named TestDefect… each try a fault that mcp-go's own HTTP transport has (v1.2.1) and that this one must not.

// holding is a gateway whose calls run until their context ends or release is closed.
func holding(e *endpoint) (started chan string, ended chan string, release chan struct{}) {
	started, ended, release = make(chan string, 100), make(chan string, 100), make(chan struct{})
	e.gateway.do = func(ctx context.Context, r *gateway.Request) *gateway.Reply {
		started <- r.Principal.Subject
		select {
		case <-ctx.Done():
			ended <- r.Principal.Subject
			return &gateway.Reply{Structured: json.RawMessage(`{"status":"failed","call_id":"c","executed":"no"}`), Text: "cancelled", IsError: true}
		case <-release:
			return okReply()
		}
	}
	return started, ended, release
}

func (e *endpoint) cancelled(v era, token, id string) answer {
	body := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`
	if v.modern {
		body = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `,` + metaModern + `}}`
	}
	return e.send(request{token: token, header: v.headers("notifications/cancelled", ""), body: body})
}

func TestDefect1AStrangersCancelDoesNotReachACall(t *testing.T) {
	inBothEras(t, func(t *testing.T, v era) {
		e := newEndpoint(t, nil)
		started, ended, release := holding(e)
		done := make(chan answer, 1)
		go func() { done <- e.call(v, e.token("ann"), "query", "{}") }()
		<-started
		for _, stranger := range []string{
			e.token("eve"),
			e.token("ann", devissuer.Claims{"azp": "another-client"}),
			e.token("ann", devissuer.Claims{"act": map[string]any{"sub": "another-agent"}}),
		} {
			if a := e.cancelled(v, stranger, "1"); a.status != 202 {
				t.Errorf("notification: %s", a)
			}
		}
		close(release)
		if a := <-done; a.status != 200 || strings.Contains(a.body, "cancelled") {
			t.Errorf("the call was cancelled: %s", a)
		}
		if len(ended) > 0 {
			t.Error("the handler's context ended")
		}
	})
}

func TestOwnCancelEndsTheCallOfALegacyClient(t *testing.T) {
	e := newEndpoint(t, nil)
	started, ended, _ := holding(e)
	token := e.token("ann")
	done := make(chan answer, 1)
	go func() { done <- e.call(eras[0], token, "query", "{}") }()
	<-started
	e.cancelled(eras[0], token, "1")
	<-ended
	<-done
}

func TestHangingUpEndsTheCall(t *testing.T) {
	inBothEras(t, func(t *testing.T, v era) {
		e := newEndpoint(t, func(c *Config) { c.Heartbeat = 5 * time.Millisecond })
		started, ended, _ := holding(e)
		ctx, hangUp := context.WithCancel(t.Context())
		resp := make(chan error, 1)
		go func() {
			r, err := e.open(ctx, request{token: e.token("ann"), header: v.headers("tools/call", "query"), body: v.body("1", "tools/call", `"name":"query","arguments":{}`)})
			if err == nil {
				r.Body.Close()
			}
			resp <- err
		}()
		<-started
		hangUp()
		if who := <-ended; who != "ann" {
			t.Errorf("%s's call ended", who)
		}
		<-resp
	})
}

func TestDefect2And3ProgressGoesToItsOwnCallOnly(t *testing.T) {
	e := newEndpoint(t, nil)
	var meet sync.WaitGroup
	meet.Add(2)
	e.gateway.do = func(_ context.Context, r *gateway.Request) *gateway.Reply {
		meet.Done()
		meet.Wait() // both run at the same time
		for i := range 5 {
			r.Progress(fmt.Sprintf("%s %d", r.Principal.Subject, i))
			time.Sleep(time.Millisecond)
		}
		return okReply()
	}
	get := e.send(request{method: "GET", token: e.token("eve"), header: eras[0].headers("", "")})
	if get.status != 405 {
		t.Fatalf("a stream could be opened: %s", get)
	}
	var both sync.WaitGroup
	for _, who := range []string{"ann", "bob"} {
		both.Go(func() {
			a := e.send(request{token: e.token(who), header: eras[0].headers("tools/call", "query"),
				body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{},"_meta":{"progressToken":"` + who + `"}}}`})
			messages := a.messages(t)
			if len(messages) < 2 {
				t.Errorf("%s: no progress: %s", who, a)
			}
			for i, m := range messages {
				if i == len(messages)-1 {
					if m["result"] == nil {
						t.Errorf("%s: the last message is no result: %v", who, m)
					}
					continue
				}
				p := m["params"].(map[string]any)
				if p["progressToken"] != who || !strings.HasPrefix(p["message"].(string), who) && p["message"] != "working" {
					t.Errorf("%s was told %v", who, p)
				}
				if want := float64(i + 1); p["progress"] != want {
					t.Errorf("%s: progress %v, want %v", who, p["progress"], want)
				}
			}
		})
	}
	both.Wait()
}

func TestDefect4NothingSaidBeforeTheResultIsLost(t *testing.T) {
	e := newEndpoint(t, nil)
	e.gateway.do = func(_ context.Context, r *gateway.Request) *gateway.Reply {
		r.Progress("first")
		r.Progress("last")
		return okReply()
	}
	for range 50 {
		a := e.send(request{token: e.token("ann"), header: eras[0].headers("tools/call", "query"),
			body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{},"_meta":{"progressToken":7}}}`})
		messages := a.messages(t)
		if len(messages) != 3 || !strings.Contains(a.body, "last") {
			t.Fatalf("got %d messages: %s", len(messages), a.body)
		}
	}
}

func TestDefect5NoSessionIsOpenedFoundOrDeleted(t *testing.T) {
	e := newEndpoint(t, nil)
	init := e.send(request{token: e.token("ann"), body: `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`})
	if init.status != 200 || init.header.Get("Mcp-Session-Id") != "" {
		t.Fatalf("initialize: %s %v", init, init.header)
	}
	h := eras[0].headers("tools/list", "")
	h.Set("Mcp-Session-Id", "somebody-elses")
	if a := e.send(request{token: e.token("eve"), header: h, body: eras[0].body("1", "tools/list", "")}); a.status != 200 {
		t.Errorf("a session id must mean nothing: %s", a)
	}
	if a := e.send(request{method: "DELETE", token: e.token("eve"), header: h}); a.status != 405 {
		t.Errorf("DELETE: %s", a)
	}
}

func TestDefect6To8NoTasksOfTheLibrary(t *testing.T) {
	e := newEndpoint(t, nil)
	inBothEras(t, func(t *testing.T, v era) {
		for _, method := range []string{"tasks/list", "tasks/get", "tasks/result", "tasks/cancel"} {
			h := v.headers(method, "x")
			a := e.send(request{token: e.token("ann"), header: h, body: v.body("1", method, `"taskId":"x"`)})
			if !strings.Contains(a.body, `"error"`) || strings.Contains(a.body, `"result"`) {
				t.Errorf("%s: %s", method, a)
			}
		}
	})
}

func TestDefect9WhatNeverBecomesACallIsToldToTheRecorder(t *testing.T) {
	e := newEndpoint(t, nil)
	e.call(eras[0], e.token("ann"), "no_such_tool", `{}`)
	e.call(eras[0], e.token("ann"), "query", `{"SQL":"drop table t","target":"t"}`)
	e.call(eras[0], e.token("ann"), "query", `[1]`)
	e.call(eras[0], "abc", "query", `{}`)
	e.send(request{token: e.token("ann"), body: "{"})
	want := []string{RefusedTool, RefusedArguments, RefusedArguments, "token-malformed", RefusedMessage}
	got := e.reasons()
	if len(got) != len(want) {
		t.Fatalf("recorded %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] && want[i] != "token-malformed" {
			t.Errorf("recorded %q, want %q", got, want)
		}
	}
	if n := len(e.gateway.calls()); n != 0 {
		t.Errorf("%d calls reached the gateway", n)
	}
}

func TestDefect10NeitherErrorsNorPanicsReachTheClient(t *testing.T) {
	const secret = "dial db.internal:5432 as sallyport: password hunter2"
	inBothEras(t, func(t *testing.T, v era) {
		e := newEndpoint(t, nil)
		for name, do := range map[string]func(context.Context, *gateway.Request) *gateway.Reply{
			"panic with text":      func(context.Context, *gateway.Request) *gateway.Reply { panic(secret) },
			"panic with an error":  func(context.Context, *gateway.Request) *gateway.Reply { panic(errors.New(secret)) },
			"no reply":             func(context.Context, *gateway.Request) *gateway.Reply { return nil },
			"panic of the runtime": func(_ context.Context, r *gateway.Request) *gateway.Reply { return []*gateway.Reply{}[len(r.Tool)] },
		} {
			e.gateway.do = do
			a := e.call(v, e.token("ann"), "query", "{}")
			if a.status != 200 || !strings.Contains(a.body, `"isError":true`) || !strings.Contains(a.body, `"code":"internal"`) {
				t.Errorf("%s: %s", name, a)
			}
			if strings.Contains(a.body, "hunter2") || strings.Contains(a.body, "index out of range") || strings.Contains(a.body, ".go") {
				t.Errorf("%s leaks: %s", name, a)
			}
		}
	})
}

func TestDefect11ABodyIsBoundedAndItsShapeChecked(t *testing.T) {
	e := newEndpoint(t, func(c *Config) { c.MaxBody = 1 << 10 })
	good := eras[0].body("1", "tools/list", "")
	tests := []struct {
		name   string
		body   string
		header map[string]string
		want   int
	}{
		{"fine", good, nil, 200},
		{"too large", eras[0].body("1", "tools/list", `"x":"`+strings.Repeat("a", 2<<10)+`"`), nil, 413},
		{"no JSON content type", good, map[string]string{"Content-Type": "text/plain"}, 415},
		{"another charset", good, map[string]string{"Content-Type": "application/json; charset=utf-16"}, 415},
		{"compressed", good, map[string]string{"Content-Encoding": "gzip"}, 415},
		{"takes no stream", good, map[string]string{"Accept": "application/json"}, 406},
		{"refuses JSON", good, map[string]string{"Accept": "application/json;q=0, text/event-stream"}, 406},
		{"takes anything", good, map[string]string{"Accept": "*/*"}, 200},
		{"empty", "", nil, 400},
		{"a batch", "[" + good + "]", nil, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := eras[0].headers("tools/list", "")
			for k, v := range tt.header {
				h.Set(k, v)
			}
			if a := e.send(request{token: e.token("ann"), header: h, body: tt.body}); a.status != tt.want {
				t.Errorf("status %d, want %d: %s", a.status, tt.want, a)
			}
		})
	}
}

func TestABodyIsNotReadBeforeTheTokenIsGood(t *testing.T) {
	e := newEndpoint(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer abc\r\nContent-Length: 1000000\r\n\r\n")
	answer := make([]byte, 12)
	if _, err := conn.Read(answer); err != nil || string(answer) != "HTTP/1.1 401" {
		t.Errorf("got %q, %v", answer, err)
	}
}

// What headers say and what the body says must be the same: something in front may have decided by the headers.
func TestHeadersContradictingTheBody(t *testing.T) {
	e := newEndpoint(t, nil)
	v := eras[1]
	body := v.body("1", "tools/call", `"name":"query","arguments":{}`)
	tests := []struct {
		name string
		set  map[string][]string
		want int
	}{
		{"as they should be", nil, 200},
		{"another tool", map[string][]string{"Mcp-Name": {"list_targets"}}, 400},
		{"no tool", map[string][]string{"Mcp-Name": nil}, 400},
		{"another method", map[string][]string{"Mcp-Method": {"tools/list"}}, 400},
		{"method in capitals", map[string][]string{"Mcp-Method": {"TOOLS/CALL"}}, 400},
		{"two names", map[string][]string{"Mcp-Name": {"query", "list_targets"}}, 400},
		{"two versions", map[string][]string{"Mcp-Protocol-Version": {"2026-07-28", "2025-11-25"}}, 400},
		{"an older version than the body", map[string][]string{"Mcp-Protocol-Version": {"2025-11-25"}}, 400},
		{"no version", map[string][]string{"Mcp-Protocol-Version": nil}, 400},
		{"an unknown version", map[string][]string{"Mcp-Protocol-Version": {"2099-01-01"}}, 400},
		{"wants to resume", map[string][]string{"Last-Event-ID": {"7"}}, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := v.headers("tools/call", "query")
			for k, values := range tt.set {
				h.Del(k)
				if values != nil {
					h[http.CanonicalHeaderKey(k)] = values
				}
			}
			before := len(e.gateway.calls())
			a := e.send(request{token: e.token("ann"), header: h, body: body})
			if a.status != tt.want {
				t.Errorf("status %d, want %d: %s", a.status, tt.want, a)
			}
			if called := len(e.gateway.calls()) - before; (called == 1) != (tt.want == 200) {
				t.Errorf("%d calls reached the gateway", called)
			}
		})
	}
}

func TestArgumentsArriveByteForByte(t *testing.T) {
	const args = `{ "sql" : "select '\u00e9', 12345678901234567890.10" ,"params":[1e400, 9007199254740993, -0]}`
	inBothEras(t, func(t *testing.T, v era) {
		e := newEndpoint(t, nil)
		if a := e.call(v, e.token("ann"), "query", args); a.status != 200 {
			t.Fatal(a)
		}
		if got := string(e.gateway.calls()[0].Args); got != args {
			t.Errorf("got  %s\nwant %s", got, args)
		}
	})
}

func TestAResultIsTheGatewaysByteForByte(t *testing.T) {
	const structured = `{"status":"ok","call_id":"c","executed":"yes","data":{"rows":[[12345678901234567890.10,"<&>\u2028"]]}}`
	inBothEras(t, func(t *testing.T, v era) {
		e := newEndpoint(t, nil)
		e.gateway.do = func(context.Context, *gateway.Request) *gateway.Reply {
			return &gateway.Reply{Structured: json.RawMessage(structured), Text: "<b> & more"}
		}
		a := e.call(v, e.token("ann"), "query", "{}")
		if !strings.Contains(a.body, `"structuredContent":`+structured+"}}") {
			t.Errorf("got %s", a)
		}
		if v.modern != strings.Contains(a.body, `"resultType":"complete"`) {
			t.Errorf("resultType belongs to the modern era only: %s", a)
		}
	})
}

// A client that waits sees that somebody is there, and one line end in a message must not become two events.
func TestHeartbeat(t *testing.T) {
	e := newEndpoint(t, func(c *Config) { c.Heartbeat = 5 * time.Millisecond })
	started, _, release := holding(e)
	done := make(chan answer, 1)
	go func() { done <- e.call(eras[0], e.token("ann"), "query", "{}") }()
	<-started
	time.Sleep(30 * time.Millisecond)
	close(release)
	a := <-done
	if !strings.Contains(a.body, ": waiting\n\n") || a.header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("no heartbeat: %s %v", a, a.header)
	}
	if m := a.messages(t); len(m) != 1 || m[0]["result"] == nil {
		t.Errorf("messages: %v", m)
	}
}

func TestCallsInFlightAreBounded(t *testing.T) {
	e := newEndpoint(t, func(c *Config) { c.MaxInFlight, c.MaxInFlightPerPrincipal = 3, 2 })
	started, _, release := holding(e)
	var all sync.WaitGroup
	for _, who := range []string{"ann", "ann", "bob"} {
		all.Go(func() { e.call(eras[0], e.token(who), "query", "{}") })
		<-started
	}
	if a := e.call(eras[0], e.token("cat"), "query", "{}"); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("in total: %s", a)
	}
	close(release)
	all.Wait()
	e.gateway.do = nil
	started, _, release = holding(e)
	for range 2 {
		all.Go(func() { e.call(eras[0], e.token("ann"), "query", "{}") })
		<-started
	}
	if a := e.call(eras[0], e.token("ann"), "query", "{}"); a.status != 429 {
		t.Errorf("of one caller: %s", a)
	}
	if a := e.call(eras[0], e.token("ann"), "list_targets", "{}"); a.status != 429 {
		t.Errorf("of one caller, another tool: %s", a)
	}
	close(release)
	all.Wait()
}

func TestShutdownWaitsForCallsThenEndsThem(t *testing.T) {
	e := newEndpoint(t, nil)
	started, ended, _ := holding(e)
	done := make(chan answer, 1)
	go func() { done <- e.call(eras[0], e.token("ann"), "query", "{}") }()
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- e.Shutdown(ctx) }()
	eventually(t, "new calls are refused", func() bool { return e.call(eras[0], e.token("bob"), "query", "{}").status == 503 })
	select {
	case <-stopped:
		t.Fatal("shutdown did not wait")
	default:
	}
	cancel()
	<-ended
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown = %v", err)
	}
	<-done
}

func TestHoldFollowsTheProgressToken(t *testing.T) {
	e := newEndpoint(t, nil)
	e.call(eras[0], e.token("ann"), "query", "{}")
	e.send(request{token: e.token("ann"), header: eras[0].headers("tools/call", "query"),
		body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","_meta":{"progressToken":1}}}`})
	calls := e.gateway.calls()
	if len(calls) != 2 || calls[0].Hold != 25*time.Second || calls[1].Hold != 45*time.Second {
		t.Errorf("holds: %v", calls)
	}
	if string(calls[1].Args) != "{}" {
		t.Errorf("missing arguments became %s", calls[1].Args)
	}
}
