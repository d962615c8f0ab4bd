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

	"sallyport/gateway"
)

// mcpClient calls the gateway's tools over streamable HTTP, one POST a call.
type mcpClient struct {
	endpoint string // public base + "/mcp"
	token    func() (string, error)
	http     *http.Client
}

// call runs one tool and returns its envelope; progress gets the sentences that arrive while people are asked.
func (c *mcpClient) call(ctx context.Context, tool string, args any, progress func(string)) (*gateway.Envelope, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{
		"name": tool, "arguments": args, "_meta": map[string]any{"progressToken": "p"}}})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2025-11-25")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", tool, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return nil, fmt.Errorf("call %s: the gateway answered %s: %s", tool, resp.Status, visible(string(text), false))
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return readEvents(resp.Body, progress)
	}
	whole, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	if err != nil {
		return nil, err
	}
	env, done, err := readMessage(whole, progress)
	if err == nil && !done {
		err = errors.New("the gateway's answer holds no result")
	}
	return env, err
}

func readEvents(body io.Reader, progress func(string)) (*gateway.Envelope, error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 64<<10), maxMessage)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if !ok {
			continue
		}
		if env, done, err := readMessage(data, progress); done || err != nil {
			return env, err
		}
	}
	return nil, errors.Join(errors.New("the connection ended before the answer came"), lines.Err())
}

func readMessage(data []byte, progress func(string)) (env *gateway.Envelope, done bool, err error) {
	var m struct {
		Method string `json:"method"`
		Params struct {
			Message string `json:"message"`
		} `json:"params"`
		Result *struct {
			Structured *gateway.Envelope `json:"structuredContent"`
		} `json:"result"`
		Error *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	switch err := json.Unmarshal(data, &m); {
	case err != nil:
		return nil, false, fmt.Errorf("the gateway's answer is not JSON-RPC: %w", err)
	case m.Error != nil:
		return nil, true, errors.New(visible(m.Error.Message, false))
	case m.Result != nil && m.Result.Structured != nil:
		return m.Result.Structured, true, nil
	case m.Method == "notifications/progress" && progress != nil && m.Params.Message != "":
		progress(m.Params.Message)
	}
	return nil, false, nil
}
