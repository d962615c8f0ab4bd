package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"sallyport/gateway"
)

// shimmed is sallyport stdio with pipes, as a local MCP client starts it.
type shimmed struct {
	t     *testing.T
	in    *io.PipeWriter
	out   *bufio.Reader
	ended chan int
	errs  buffer
}

func startShim(t *testing.T, args ...string) *shimmed {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	s := &shimmed{t: t, in: inW, out: bufio.NewReader(outR), ended: make(chan int, 1)}
	go func() {
		s.ended <- run(append([]string{"stdio"}, args...), inR, outW, &s.errs)
		outW.Close()
	}()
	return s
}

// rpc is one JSON-RPC answer.
type rpc struct {
	ID     json.RawMessage `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// toolResult is what a tools/call answers with.
type toolResult struct {
	IsError bool `json:"isError"`
	Content []struct {
		Text string `json:"text"`
	} `json:"content"`
	Structured *gateway.Envelope `json:"structuredContent"`
}

func (s *shimmed) send(line string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

// line reads one line of the shim's output.
func (s *shimmed) line() string {
	s.t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		s.t.Fatalf("%v; stderr: %s", err, s.errs.String())
	}
	return line
}

// ask sends a request and reads its answer, which must be one line with its id.
func (s *shimmed) ask(id int, method, params string) rpc {
	s.t.Helper()
	s.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params))
	line := s.line()
	answer := decode[rpc](s.t, line)
	if string(answer.ID) != fmt.Sprint(id) {
		s.t.Fatalf("%s: the answer is for %s, not %d: %s", method, answer.ID, id, line)
	}
	return answer
}

func (s *shimmed) tool(id int, name, args string) toolResult {
	s.t.Helper()
	a := s.ask(id, "tools/call", fmt.Sprintf(`{"name":%q,"arguments":%s}`, name, args))
	if a.Error != nil {
		s.t.Fatalf("a tool call got a JSON-RPC error, which models do not read: %+v", a.Error)
	}
	return decode[toolResult](s.t, string(a.Result))
}

const handshake = `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}`

// TestStdioForwards: the shim adds the token, forwards, and reads a rotated token without a restart.
func TestStdioForwards(t *testing.T) {
	w := running(t, "200ms")
	token := w.file("agent.token", w.agentToken("maria", "support")+"\n")
	s := startShim(t, "--url", w.url+"/mcp", "--token-file", token)
	if a := s.ask(1, "initialize", handshake); a.Error != nil || !strings.Contains(string(a.Result), `"protocolVersion":"2025-11-25"`) {
		t.Fatalf("initialize: %s %+v", a.Result, a.Error)
	}
	s.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	if a := s.ask(2, "tools/list", `{}`); a.Error != nil || !strings.Contains(string(a.Result), `"query_write"`) {
		t.Fatalf("tools/list: %s %+v", a.Result, a.Error)
	}
	count := `{"target":"shop","sql":"SELECT count(*) FROM public.orders"}`
	if r := s.tool(3, "query", count); r.IsError || r.Structured == nil || r.Structured.Status != "ok" || !strings.Contains(string(r.Structured.Data), "1500") {
		t.Fatalf("query: %+v", r)
	}
	for _, no := range []string{`this is not JSON`, `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, `"ping"`} {
		s.send(no)
		if line := s.line(); decode[rpc](t, line).Error == nil {
			t.Errorf("%s is answered with %s", no, line)
		}
	}
	if a := s.ask(30, "tools/call", `{"name":7,"arguments":{}}`); a.Error == nil && !decode[toolResult](t, string(a.Result)).IsError {
		t.Errorf("a name that is a number: %s", a.Result)
	}

	// The file now holds the token of somebody who may not see the target.
	w.file("agent.token", w.agentToken("nina", "sales"))
	if r := s.tool(4, "query", count); !r.IsError || r.Structured == nil || r.Structured.Error.Code != "target_not_found" {
		t.Errorf("with nina's token: %+v", r)
	}
	// One that is refused: the model reads an error result, and the next token works.
	w.file("agent.token", "not.a.token")
	if r := s.tool(5, "query", count); !r.IsError || len(r.Content) == 0 || !strings.Contains(r.Content[0].Text, "unauthenticated") {
		t.Errorf("with a token that is none: %+v", r)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if r := s.tool(6, "query", count); !r.IsError || len(r.Content) == 0 || !strings.Contains(r.Content[0].Text, "token") {
		t.Errorf("without a token file: %+v", r)
	}
	w.file("agent.token", w.agentToken("maria", "support"))
	if r := s.tool(7, "query", count); r.IsError {
		t.Errorf("with the file back: %+v", r)
	}

	// The gateway is gone: an error result for a tool call, a JSON-RPC error for anything else.
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if r := s.tool(8, "query", count); !r.IsError || len(r.Content) == 0 || !strings.Contains(r.Content[0].Text, "cannot be reached") {
		t.Errorf("without a gateway: %+v", r)
	}
	if a := s.ask(9, "tools/list", `{}`); a.Error == nil || !strings.Contains(a.Error.Message, "cannot be reached") {
		t.Errorf("tools/list without a gateway: %+v", a)
	}
	s.in.Close()
	if code := <-s.ended; code != exitDone {
		t.Errorf("at the end of standard input: exit %d, %s", code, s.errs.String())
	}
}

// TestStdioCancels: a cancelled request gets no answer, the gateway is told, and the request for approval stays.
func TestStdioCancels(t *testing.T) {
	w := running(t, "10m")
	s := startShim(t, "--url", w.url, "--token-file", w.file("agent.token", w.agentToken("maria", "support")))
	args, err := json.Marshal(refund(1042, "cancelled"))
	if err != nil {
		t.Fatal(err)
	}
	s.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":"held","method":"tools/call","params":{"name":"query_write","arguments":%s,"_meta":{"progressToken":1}}}`, args))
	if line := s.line(); !strings.Contains(line, "notifications/progress") || !strings.Contains(line, "waiting for approval") {
		t.Fatalf("want to hear of the waiting, got %s", line)
	}
	s.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"held"}}`)
	s.ask(2, "tools/list", `{}`) // the next line is its answer
	eventually(t, "the gateway is told", func() bool {
		_, metrics := w.get("http://" + w.metrics + "/metrics")
		return strings.Contains(metrics, "sallyport_calls_in_flight 0")
	})
	if out := w.cliOK(w.apiToken("bob", "dba"), "approvals", "list"); !strings.Contains(out, "pending") {
		t.Errorf("the request is gone:\n%s", out)
	}
	s.in.Close()
	if code := <-s.ended; code != exitDone {
		t.Errorf("exit %d", code)
	}
}

// TestStdioEndsOnASignal: also while standard input stays open.
func TestStdioEndsOnASignal(t *testing.T) {
	exe, err := exec.LookPath("sallyport")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "stdio", "--url", "http://127.0.0.1:1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, `{"jsonrpc":"2.0","id":1,"method":"ping"}`+"\n")
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it is up, and reads
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}
