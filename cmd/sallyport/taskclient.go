package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sallyport/gateway"
)

// taskClient makes a call as a task: while people are asked it has a name, by which it can be looked at and withdrawn.
type taskClient struct {
	*mcpClient
	// waiting is told how a call stands that is not over.
	waiting func(id, message string)
}

// rpcError is a JSON-RPC error of the gateway.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return "the gateway refuses: " + visible(e.Message, false) }

// taskResult is what tools/call and tasks/get say.
type taskResult struct {
	Type       string            `json:"resultType"`
	TaskID     string            `json:"taskId"`
	Status     string            `json:"status"`
	Message    string            `json:"statusMessage"`
	PollMs     int64             `json:"pollIntervalMs"`
	Structured *gateway.Envelope `json:"structuredContent"`
	Result     *struct {
		Structured *gateway.Envelope `json:"structuredContent"`
	} `json:"result"`
}

// errWithdrawn is a call that was withdrawn before it ran to its end.
var errWithdrawn = errors.New("the call was withdrawn")

// start makes the call. It returns its envelope, or the id of the task when it is not over yet.
func (c *taskClient) start(ctx context.Context, tool string, args any) (*gateway.Envelope, string, error) {
	var r taskResult
	if err := c.request(ctx, "tools/call", tool, map[string]any{"name": tool, "arguments": args}, &r); err != nil {
		return nil, "", err
	}
	if r.Type == "task" {
		c.waiting(r.TaskID, r.Message)
		return nil, r.TaskID, nil
	}
	if r.Structured == nil {
		return nil, "", errors.New("the gateway's answer holds no result")
	}
	return r.Structured, "", nil
}

// wait stays with a task until it is over or ctx ends. A gateway that is restarted meanwhile is waited for: the task is still there.
func (c *taskClient) wait(ctx context.Context, id string) (*gateway.Envelope, error) {
	pause := time.Second
	for {
		var r taskResult
		err := c.request(ctx, "tasks/get", id, map[string]any{"taskId": id}, &r)
		var refused *rpcError
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &refused) && refused.Code == -32602:
			return nil, fmt.Errorf("the gateway no longer knows call %s", id)
		case err != nil:
			c.waiting(id, "the gateway cannot be asked now: "+err.Error())
		case r.Status == "cancelled":
			return nil, errWithdrawn
		case r.Result != nil && r.Result.Structured != nil:
			return r.Result.Structured, nil
		default:
			c.waiting(id, r.Message)
			pause = min(max(time.Duration(r.PollMs)*time.Millisecond, 100*time.Millisecond), 30*time.Second)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *taskClient) withdraw(ctx context.Context, id string) error {
	return c.request(ctx, "tasks/cancel", id, map[string]any{"taskId": id}, &taskResult{})
}

// request sends one message of the stateless protocol that declares the tasks extension, and decodes its result.
func (c *taskClient) request(ctx context.Context, method, name string, params map[string]any, into any) error {
	token, err := c.token()
	if err != nil {
		return &cliError{code: exitUsage, err: fmt.Errorf("%w: %w", errNoToken, err)}
	}
	const prefix = "io.modelcontextprotocol/"
	params["_meta"] = map[string]any{prefix + "protocolVersion": "2026-07-28", prefix + "clientInfo": map[string]any{"name": "sallyport call", "version": version},
		prefix + "clientCapabilities": map[string]any{"extensions": map[string]any{prefix + "tasks": map[string]any{}}}}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for k, v := range map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name} {
		req.Header.Set(k, v)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("the gateway at %s cannot be reached: %w", strings.TrimSuffix(c.endpoint, "/mcp"), err)
	}
	defer resp.Body.Close()
	answer, err := lastMessage(resp)
	if err != nil {
		return fmt.Errorf("the gateway's answer: %w", err)
	}
	var m struct {
		Result json.RawMessage `json:"result"`
		Error  *rpcError       `json:"error"`
	}
	err = json.Unmarshal(answer, &m)
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return &cliError{code: exitDenied, err: fmt.Errorf("the gateway does not take the token (%s)", resp.Status),
			hints: []string{"it has to be a token for " + c.endpoint + " that has not expired, with the scopes the gateway asks for"}}
	case err != nil:
		return fmt.Errorf("the gateway answered %s", resp.Status)
	case m.Error != nil:
		return m.Error
	}
	return json.Unmarshal(m.Result, into)
}

// lastMessage is the answer itself: of an event stream, what comes last.
func lastMessage(resp *http.Response) ([]byte, error) {
	whole, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return whole, err
	}
	last := []byte(nil)
	for line := range bytes.Lines(whole) {
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			last = bytes.TrimSpace(data)
		}
	}
	return last, nil
}
