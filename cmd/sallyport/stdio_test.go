package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
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

// ask sends a request and reads its answer, which must be one line with its id.
func (s *shimmed) ask(id int, method, params string) rpc {
	s.t.Helper()
	s.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params))
	line, err := s.out.ReadString('\n')
	if err != nil {
		s.t.Fatalf("%s: %v; stderr: %s", method, err, s.errs.String())
	}
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
	s.send(`this is not JSON`)
	if line, err := s.out.ReadString('\n'); err != nil || decode[rpc](t, line).Error == nil {
		t.Errorf("a line that is no JSON: %s %v", line, err)
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
