package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// maxMessage bounds one JSON-RPC message in either direction.
const maxMessage = 64 << 20

// lastAnswers is how long calls in flight may still be answered after standard input ended, so that a pipe with one call in it gets
// its answer. A client that is gone does not keep its calls running for longer.
const lastAnswers = 5 * time.Second

func newStdio() *cobra.Command {
	var flagURL, tokenFile string
	cmd := &cobra.Command{
		Use: "stdio", Short: "The shim a local MCP client starts: forwards every message to the gateway, with your token", Args: cobra.NoArgs,
		Long: "stdio reads JSON-RPC messages from standard input, one a line, and forwards each to the gateway's /mcp endpoint with a\n" +
			"bearer token. It holds no credentials of targets and no policy. The token is read again when the gateway refuses it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			base, err := gatewayURL(flagURL)
			if err != nil {
				return err
			}
			s := &shim{endpoint: base + "/mcp", token: agentToken(tokenFile, base), http: &http.Client{}, out: cmd.OutOrStdout(), calls: map[string]context.CancelFunc{}}
			if _, err := s.token(); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "sallyport: %s: %s\n", errNoToken, err) // the client shows its server's stderr; calls answer with the same
			}
			return s.serve(cmd.Context(), cmd.InOrStdin())
		},
	}
	cmd.Flags().StringVar(&flagURL, "url", "", "public base URL of the gateway, without /mcp (or SALLYPORT_URL)")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file with the agent's token, read again when it changes (or SALLYPORT_TOKEN_FILE, SALLYPORT_TOKEN)")
	return cmd
}

// shim forwards messages. One goroutine per message, all waited for by serve.
type shim struct {
	endpoint string
	token    func() (string, error)
	http     *http.Client

	outMu sync.Mutex
	out   io.Writer

	mu      sync.Mutex
	version string                        // negotiated by initialize; guarded by mu
	calls   map[string]context.CancelFunc // requests in flight by JSON-RPC id; guarded by mu
}

// message is what the shim needs to know of a JSON-RPC message; everything is forwarded as it came.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name      string          `json:"name"`
		URI       string          `json:"uri"`
		TaskID    string          `json:"taskId"`
		RequestID json.RawMessage `json:"requestId"`
		Meta      struct {
			Version string `json:"io.modelcontextprotocol/protocolVersion"`
		} `json:"_meta"`
	} `json:"params"`
	Result struct {
		Version string `json:"protocolVersion"`
	} `json:"result"`
}

// serve forwards until standard input ends or ctx does; then it cancels what is in flight, at the end of input after lastAnswers,
// and waits for it.
func (s *shim) serve(ctx context.Context, in io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxMessage)
	scanned := make(chan []byte)
	go func() { // not waited for: a blocked read of a terminal cannot be interrupted, and ends with the process
		defer close(scanned)
		for lines.Scan() {
			if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
				select {
				case scanned <- bytes.Clone(line):
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-scanned:
			if !ok {
				finished := make(chan struct{})
				go func() { wg.Wait(); close(finished) }() // serve waits for the same, so it does not outlive it
				select {
				case <-finished:
				case <-ctx.Done():
				case <-time.After(lastAnswers):
				}
				cancel()
				wg.Wait()
				s.leave()
				return lines.Err()
			}
			var m message
			var other *json.UnmarshalTypeError // a field of another type is for the gateway to judge
			if err := json.Unmarshal(line, &m); err != nil && !(errors.As(err, &other) && line[0] == '{') {
				s.fail(nil, -32700, "not a JSON-RPC message: one JSON object a line")
				continue
			}
			s.cancelled(m)
			call, done := s.begin(ctx, m)
			if m.Method == "initialize" { // later messages need the version it negotiates
				s.forward(call, line, m)
				done()
				continue
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer done()
				s.forward(call, line, m)
			}()
		}
	}
}

// leave tells the gateway that this client is gone, so that its session does not have to idle before what targets hold for it is given up.
// Where another client of the same caller has a call running, the session stays. It is a courtesy: nothing depends on its success.
func (s *shim) leave() {
	token, err := s.token()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, s.endpoint+"?idle=1", nil)
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if resp, err := s.http.Do(req); err == nil {
		resp.Body.Close()
	}
}

// cancelled ends the HTTP request of a call the client gives up: over HTTP that is what cancels it.
func (s *shim) cancelled(m message) {
	if m.Method != "notifications/cancelled" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop, ok := s.calls[string(m.Params.RequestID)]; ok {
		stop()
	}
}

// begin registers a request before the next message is read, so that a cancellation right behind it finds it.
func (s *shim) begin(ctx context.Context, m message) (call context.Context, done func()) {
	call, stop := context.WithCancel(ctx)
	if m.ID == nil {
		return call, stop
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[string(m.ID)] = stop
	return call, func() {
		stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.calls, string(m.ID))
	}
}

func (s *shim) forward(ctx context.Context, line []byte, m message) {
	resp, err := s.post(ctx, line, m)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		resp.Body.Close() // the token may have been renewed in its file meanwhile
		resp, err = s.post(ctx, line, m)
	}
	if ctx.Err() != nil {
		if resp != nil {
			resp.Body.Close()
		}
		return // the client gave up: it expects no answer
	}
	switch {
	case errors.Is(err, errNoToken):
		s.refuse(m, "unauthenticated", err.Error())
		return
	case err != nil:
		s.refuse(m, "unavailable", err.Error())
		return
	}
	defer resp.Body.Close()
	s.relay(ctx, resp, m)
}

func (s *shim) post(ctx context.Context, line []byte, m message) (*http.Response, error) {
	token, err := s.token()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoToken, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, bytes.NewReader(line))
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("Authorization", "Bearer "+token)
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json, text/event-stream")
	if v := m.Params.Meta.Version; v != "" { // the stateless protocol: headers repeat what the message says
		h.Set("MCP-Protocol-Version", v)
		h.Set("Mcp-Method", m.Method)
		for _, name := range []string{m.Params.TaskID, m.Params.URI, m.Params.Name} {
			if name != "" {
				h.Set("Mcp-Name", name)
			}
		}
	} else {
		s.mu.Lock()
		if s.version != "" {
			h.Set("MCP-Protocol-Version", s.version)
		}
		s.mu.Unlock()
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, errors.New("the gateway cannot be reached")
	}
	return resp, nil
}

// relay copies the gateway's answer, one JSON object or a stream of events, to standard output, a message a line.
func (s *shim) relay(ctx context.Context, resp *http.Response, m message) {
	if resp.StatusCode == http.StatusAccepted {
		return
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		s.relayEvents(ctx, resp.Body, m)
		return
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	if err == nil && s.seen(body, m) {
		s.write(body)
		return
	}
	// Not an answer to m: a proxy's page, or a refusal before the message was read, whose id is null. The client waits for its own id.
	code, why := "unavailable", "the gateway answered "+resp.Status
	if resp.StatusCode == http.StatusUnauthorized {
		code = "unauthenticated"
	}
	if _, after, ok := strings.Cut(resp.Header.Get("WWW-Authenticate"), `error_description="`); ok {
		reason, _, _ := strings.Cut(after, `"`)
		why += " (" + visible(reason, false) + ")"
	}
	var refusal struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &refusal) == nil && refusal.Error.Message != "" {
		why += ": " + visible(refusal.Error.Message, false)
	}
	s.refuse(m, code, why)
}

func (s *shim) relayEvents(ctx context.Context, body io.Reader, m message) {
	events := bufio.NewScanner(body)
	events.Buffer(make([]byte, 64<<10), maxMessage)
	var data []byte
	answered := false
	for events.Scan() {
		line := events.Bytes()
		if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, bytes.TrimPrefix(rest, []byte(" "))...)
			continue
		}
		if len(line) == 0 && len(data) > 0 {
			answered = s.seen(data, m) || answered
			s.write(data)
			data = nil
		}
	}
	if !answered && ctx.Err() == nil { // a client that gave up expects no answer
		s.refuse(m, "unavailable", "the connection to the gateway was lost before it answered")
	}
}

// seen notes what the shim has to know of an answer, and reports whether it is the answer to m.
func (s *shim) seen(body []byte, m message) bool {
	var a message
	if json.Unmarshal(body, &a) != nil {
		return false
	}
	if m.Method == "initialize" && a.Result.Version != "" {
		s.mu.Lock()
		s.version = a.Result.Version
		s.mu.Unlock()
	}
	return a.Method == "" && bytes.Equal(a.ID, m.ID)
}

// refuse answers m when the gateway could not: a tool call with an error result, which models read, anything else with a
// JSON-RPC error. Notifications get nothing. code is one of the gateway's error codes.
func (s *shim) refuse(m message, code, why string) {
	switch {
	case m.ID == nil:
	case m.Method == "tools/call":
		text := code + ": " + why + ". Nothing was executed by this shim; tell the user to check the gateway and the token."
		result := map[string]any{"isError": true, "content": []any{map[string]any{"type": "text", "text": text}}}
		if m.Params.Meta.Version != "" {
			result["resultType"] = "complete"
		}
		b, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": result})
		s.write(b)
	default:
		s.fail(m.ID, -32000, why)
	}
}

func (s *shim) fail(id json.RawMessage, code int, why string) {
	if id == nil {
		id = json.RawMessage("null")
	}
	b, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "error": map[string]any{"code": code, "message": why}})
	s.write(b)
}

func (s *shim) write(message []byte) {
	var line bytes.Buffer
	if json.Compact(&line, message) != nil { // a message must not span lines
		return
	}
	line.WriteByte('\n')
	s.outMu.Lock()
	defer s.outMu.Unlock()
	s.out.Write(line.Bytes())
}
