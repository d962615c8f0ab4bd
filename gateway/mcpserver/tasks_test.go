package mcpserver

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/gateway"
)

const metaTasks = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}`

const someCall = "01a21263-bd92-74c1-a740-d204b2e25eed" // a UUIDv7

// asTask sends a request that declares the tasks extension.
func (e *endpoint) asTask(token, method, name, params string) answer {
	e.t.Helper()
	return e.send(request{token: token, header: eras[1].headers(method, name), body: `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + params + `,` + metaTasks + `}}`})
}

func (e *endpoint) look(token, id string) answer {
	return e.asTask(token, methodTaskGet, id, `"taskId":"`+id+`"`)
}

func waitingReply() *gateway.Reply {
	return &gateway.Reply{Structured: json.RawMessage(`{"status":"approval_pending","call_id":"` + someCall + `","executed":"no"}`), Text: "approval_pending", IsError: true,
		Waiting: &gateway.Waiting{CallID: someCall, Message: "waiting for approval K7QM-2X9D from dba (0 of 1)", Expires: gateway.Began(someCall).Add(30 * time.Minute)}}
}

// member is what stands at a path in the only message of an answer.
func member(t *testing.T, a answer, path ...string) any {
	t.Helper()
	var v any = a.messages(t)[0]
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

func TestACallThatWaitsIsATaskForClientsThatTakeOne(t *testing.T) {
	e := newEndpoint(t, nil)
	e.gateway.do = func(context.Context, *gateway.Request) *gateway.Reply { return waitingReply() }
	token := e.token("ann")
	a := e.asTask(token, methodCall, "query_write", `"name":"query_write","arguments":{}`)
	if member(t, a, "result", "resultType") != "task" || member(t, a, "result", "taskId") != someCall || member(t, a, "result", "status") != taskWorking {
		t.Errorf("no task: %s", a)
	}
	if ttl := member(t, a, "result", "ttlMs"); ttl != float64((40 * time.Minute).Milliseconds()) {
		t.Errorf("ttlMs is %v; the question is open for 30 minutes and the result kept for 10", ttl)
	}
	if strings.Contains(a.body, "structuredContent") {
		t.Errorf("a task carries a result: %s", a)
	}
	if hold := e.gateway.calls()[0].Hold; hold != holdForTask {
		t.Errorf("held %s", hold)
	}
	inBothEras(t, func(t *testing.T, v era) {
		if a := e.call(v, token, "query_write", "{}"); member(t, a, "result", "taskId") != nil || member(t, a, "result", "structuredContent", "status") != "approval_pending" {
			t.Errorf("a task for a client that knows none: %s", a)
		}
	})
	// get_call has its own way to say that it is not over.
	if a := e.asTask(token, methodCall, "get_call", `"name":"get_call","arguments":{}`); member(t, a, "result", "taskId") != nil {
		t.Errorf("%s", a)
	}
}

func TestHowATaskStands(t *testing.T) {
	e := newEndpoint(t, nil)
	var reply *gateway.Reply
	e.gateway.do = func(context.Context, *gateway.Request) *gateway.Reply { return reply }
	failed := func(reason string) *gateway.Reply {
		return &gateway.Reply{Structured: json.RawMessage(`{"status":"failed"}`), Text: "failed", IsError: true, Reason: reason}
	}
	for _, c := range []struct {
		name  string
		reply *gateway.Reply
		state any
		code  any
	}{
		{"waiting", waitingReply(), taskWorking, nil},
		{"done", okReply(), taskCompleted, nil},
		{"an error of the tool is a result", failed("target"), taskCompleted, nil},
		{"an approver said no", failed("approval-denied"), taskCompleted, nil},
		{"withdrawn", failed(gateway.ReasonWithdrawn), taskCancelled, nil},
		{"cancelled while it ran", failed(gateway.ReasonCancelled), taskCancelled, nil},
		{"nobody's, or somebody else's", failed(gateway.ReasonNoSuchCall), nil, float64(-32602)},
		{"the gateway cannot tell: not over", &gateway.Reply{Structured: json.RawMessage("{}"), IsError: true, Unavailable: true}, nil, float64(-32603)},
	} {
		t.Run(c.name, func(t *testing.T) {
			reply = c.reply
			a := e.look(e.token("ann"), someCall)
			if member(t, a, "result", "status") != c.state || member(t, a, "error", "code") != c.code {
				t.Errorf("%s", a)
			}
			if c.state == taskCompleted && (member(t, a, "result", "result", "structuredContent") == nil || member(t, a, "result", "result", "content") == nil) {
				t.Errorf("no result: %s", a)
			}
			if is := member(t, a, "result", "result", "isError"); c.state == taskCompleted && (is == true) != c.reply.IsError {
				t.Errorf("isError: %s", a)
			}
		})
	}
}

// What the gateway is asked is get_call and cancel_call by the caller's own principal: the id alone opens nothing.
func TestATaskIsAskedForByItsCaller(t *testing.T) {
	e := newEndpoint(t, nil)
	e.look(e.token("eve"), someCall)
	e.asTask(e.token("eve"), methodTaskCancel, someCall, `"taskId":"`+someCall+`"`)
	calls := e.gateway.calls()
	if len(calls) != 2 || calls[0].Tool != "get_call" || calls[1].Tool != "cancel_call" || calls[0].Principal.Subject != "eve" || calls[1].Principal.Subject != "eve" {
		t.Fatalf("%+v", calls)
	}
	if !strings.Contains(string(calls[1].Args), someCall) {
		t.Errorf("%s", calls[1].Args)
	}
}

// Invariant 6 and the client's patience: who looks and hangs up must neither end the execution nor begin a second one.
func TestALookThatHangsUpDoesNotEndTheExecution(t *testing.T) {
	e := newEndpoint(t, nil)
	var runs atomic.Int32
	started, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	e.gateway.do = func(ctx context.Context, r *gateway.Request) *gateway.Reply {
		if runs.Add(1) == 1 {
			close(started)
		}
		<-release
		ended <- ctx.Err()
		return okReply()
	}
	token := e.token("ann")
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		<-started
		hangUp()
	}()
	if resp, err := e.open(ctx, request{token: token, header: eras[1].headers(methodTaskGet, someCall),
		body: `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"` + someCall + `",` + metaTasks + `}}`}); err == nil {
		resp.Body.Close()
		t.Fatal("the first look was answered")
	}
	second := make(chan answer, 1)
	go func() { second <- e.look(token, someCall) }()
	eventually(t, "the second look arrives", func() bool { e.flights.mu.Lock(); defer e.flights.mu.Unlock(); return len(e.flights.all) >= 2 })
	time.Sleep(20 * time.Millisecond) // it would begin a second run now
	close(release)
	if a := <-second; member(t, a, "result", "status") != taskCompleted {
		t.Errorf("%s", a)
	}
	if err := <-ended; err != nil {
		t.Errorf("the run was cancelled: %v", err)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

func TestShutdownEndsWhatTasksRun(t *testing.T) {
	e := newEndpoint(t, nil)
	started, ended := make(chan struct{}), make(chan struct{})
	e.gateway.do = func(ctx context.Context, r *gateway.Request) *gateway.Reply {
		close(started)
		<-ctx.Done()
		close(ended)
		return waitingReply()
	}
	token := e.token("ann")
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		<-started
		hangUp()
	}()
	if resp, err := e.open(ctx, request{token: token, header: eras[1].headers(methodTaskGet, someCall),
		body: `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"` + someCall + `",` + metaTasks + `}}`}); err == nil {
		resp.Body.Close()
	}
	now, cancel := context.WithCancel(t.Context())
	cancel()
	_ = e.Shutdown(now) // its time is over already: it cancels, and waits
	select {
	case <-ended:
	default:
		t.Error("it still runs")
	}
}

func TestTasksAreRefusedToWhoDidNotDeclareThem(t *testing.T) {
	e := newEndpoint(t, nil)
	token := e.token("ann")
	for _, method := range []string{methodTaskGet, methodTaskUpdate, methodTaskCancel} {
		params := `"taskId":"` + someCall + `"`
		a := e.send(request{token: token, header: eras[1].headers(method, someCall), body: eras[1].body("1", method, params)})
		if member(t, a, "error", "code") != float64(-32021) || member(t, a, "error", "data", "requiredCapabilities", "extensions", extensionTasks) == nil {
			t.Errorf("%s: %s", method, a)
		}
		if a := e.send(request{token: token, header: eras[0].headers(method, ""), body: eras[0].body("1", method, params)}); member(t, a, "error", "code") != float64(-32601) {
			t.Errorf("%s, legacy: %s", method, a)
		}
		for _, name := range []string{"", "01a21263-bd92-74c1-a740-000000000000"} { // a proxy routed by the header
			if a := e.asTask(token, method, name, params); member(t, a, "error", "code") != float64(-32020) {
				t.Errorf("%s with Mcp-Name %q: %s", method, name, a)
			}
		}
	}
	if n := len(e.gateway.calls()); n != 0 {
		t.Errorf("%d of them reached the gateway", n)
	}
}

func TestTheExtensionIsAdvertised(t *testing.T) {
	e := newEndpoint(t, nil)
	a := e.send(request{token: e.token("ann"), header: eras[1].headers("server/discover", ""), body: eras[1].body("1", "server/discover", "")})
	if member(t, a, "result", "capabilities", "extensions", extensionTasks) == nil {
		t.Errorf("%s", a)
	}
}
