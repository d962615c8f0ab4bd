package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// agent calls tools over streamable HTTP as a client of the 2025-11-25 revision does: one POST a call, connections kept open. Safe for
// concurrent use.
type agent struct {
	endpoint, token string
	http            *http.Client
	bodies          sync.Pool // of *bytes.Buffer: what a client does with an answer is not what is measured
}

func newAgent(base, token string) *agent {
	return &agent{endpoint: base + "/mcp", token: token, bodies: sync.Pool{New: func() any { return new(bytes.Buffer) }},
		http: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConns: 2 * callers, MaxIdleConnsPerHost: 2 * callers, DisableCompression: true}}}
}

// call runs one tool. use gets the body of an answer without isError; it is valid until use returns.
func (a *agent) call(ctx context.Context, tool string, args any, use func(body []byte) error) error {
	message, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{"name": tool, "arguments": args}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint, bytes.NewReader(message))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2025-11-25")
	resp, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body := a.bodies.Get().(*bytes.Buffer)
	defer a.bodies.Put(body)
	body.Reset()
	if _, err := io.Copy(body, resp.Body); err != nil {
		return err
	}
	head := body.Bytes()[:min(body.Len(), 400)]
	if resp.StatusCode != http.StatusOK || bytes.Contains(head, []byte(`"isError":true`)) || !bytes.Contains(head, []byte(`"result"`)) {
		return fmt.Errorf("%s was answered %s: %s", tool, resp.Status, head)
	}
	if use == nil {
		return nil
	}
	return use(body.Bytes())
}

// query asks the target whose limits are ordinary ones.
func (a *agent) query(ctx context.Context, sql string, use func([]byte) error) error {
	return a.queryOn(ctx, "bench", sql, use)
}

func (a *agent) queryOn(ctx context.Context, target, sql string, use func([]byte) error) error {
	return a.call(ctx, "query", struct {
		Target string `json:"target"`
		SQL    string `json:"sql"`
	}{target, sql}, use)
}

// complete is a use that checks that an answer to query is whole: a result that was cut would be fast.
func complete(rows int) func([]byte) error {
	return func(body []byte) error {
		var m struct {
			Result struct {
				Structured struct {
					Status string
					Data   struct{ Rows []json.RawMessage }
				} `json:"structuredContent"`
			}
		}
		if err := json.Unmarshal(body, &m); err != nil {
			return err
		}
		if s := m.Result.Structured; s.Status != "ok" || len(s.Data.Rows) != rows {
			return errors.New("the answer is not what was asked for: status " + s.Status + fmt.Sprintf(", %d rows of %d", len(s.Data.Rows), rows))
		}
		return nil
	}
}
