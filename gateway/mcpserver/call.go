package mcpserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"sallyport/gateway"
	"sallyport/identity"
)

// call is one request on its way through mcp-go to a handler and back. It travels to the handler under one private
// context key, and is written by one goroutine at a time: the handler's until its answer is sent over done, then the request's.
type call struct {
	server    *Server
	principal *identity.Principal
	message   *message
	client    string
	session   string      // random: no other request has it
	tasks     bool        // a task may answer it
	say       chan string // what the gateway says while the call waits

	notes   chan mcp.JSONRPCNotification // what a handler sends through mcp-go
	refusal *gateway.Reply               // the arguments were refused here; the handler answers with this
	reply   *gateway.Reply               // the gateway's
	task    *task                        // answers in place of a result that is not there yet
	fault   *fault                       // answers instead of whatever mcp-go says
}

type callKey struct{}

func (s *Server) newCall(ctx context.Context, p *identity.Principal, m *message, h http.Header) *call {
	c := &call{server: s, principal: p, message: m, client: m.clientName, session: rand.Text(), say: make(chan string, 8), notes: make(chan mcp.JSONRPCNotification, 16)}
	if c.client == "" {
		c.client = printable(h.Get("User-Agent"))
	}
	if m.method != methodCall {
		return c
	}
	t, known := s.tools[m.name]
	if !known {
		s.refused(ctx, p, printable(m.name), RefusedTool) // mcp-go answers
		return c
	}
	if problem := t.wrongArguments(s, m.args); problem != "" {
		c.refusal = refusal(problem)
		s.refused(ctx, p, m.name, RefusedArguments)
	}
	return c
}

// A call is also its own session towards mcp-go: used for this one message, known by a random id, registered nowhere.
func (c *call) Initialize()                                         {}
func (c *call) Initialized() bool                                   { return true }
func (c *call) NotificationChannel() chan<- mcp.JSONRPCNotification { return c.notes }
func (c *call) SessionID() string                                   { return c.session }

// answer dispatches c and writes what comes back. It returns when nothing of the call runs any more.
func (s *Server) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, c *call, modern bool) {
	ctx = context.WithValue(s.core.WithContext(ctx, c), callKey{}, c)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := newStream(w, c.message.id, c.message.progressToken)
	done := make(chan mcp.JSONRPCMessage, 1)
	s.workers.run(func() { done <- s.dispatch(ctx, c) })

	silence := time.NewTimer(s.cfg.Heartbeat)
	defer silence.Stop()
	last := "working"
	for {
		select {
		case last = <-c.say:
			out.progress(last)
		case note := <-c.notes:
			out.notify(note)
		case <-silence.C:
			out.progress(last)
		case resp := <-done: // nothing is said any more; what was said before comes first
			for len(c.say) > 0 {
				out.progress(<-c.say)
			}
			for len(c.notes) > 0 {
				out.notify(<-c.notes)
			}
			status, pieces := c.encode(resp, modern)
			out.finish(status, pieces...)
			return
		}
		silence.Reset(s.cfg.Heartbeat)
		if out.err != nil { // nobody listens: end the call, and wait for its end
			cancel()
		}
	}
}

func (s *stream) notify(n mcp.JSONRPCNotification) {
	if b, err := json.Marshal(n); err == nil {
		s.event(b)
	}
}

// dispatch hands c to mcp-go. Whatever breaks there stays there.
func (s *Server) dispatch(ctx context.Context, c *call) (resp mcp.JSONRPCMessage) {
	defer func() {
		if p := recover(); p != nil {
			s.logPanic(c, p, rand.Text())
			c.fault = &fault{Code: mcp.INTERNAL_ERROR, Message: "internal error"}
		}
	}()
	return s.core.HandleMessage(ctx, c.message.forDispatch())
}

// handle is the handler of every tool of ours. It never returns a Go error: mcp-go would print it to the client.
func handle(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{mcp.NewTextContent("internal error")}}, nil
	}
	c.reply = c.refusal
	if c.reply == nil {
		c.reply = c.server.do(ctx, c)
	}
	return &mcp.CallToolResult{}, nil // filled in by encode, past mcp-go's own encoding
}

// do calls the gateway. A panic becomes an internal error without its text, which may hold anything.
func (s *Server) do(ctx context.Context, c *call) (reply *gateway.Reply) {
	defer func() {
		p := recover()
		if p != nil || reply == nil {
			id := rand.Text()
			s.logPanic(c, p, id)
			reply = internal(id)
		}
	}()
	req := &gateway.Request{
		ReadOnly:  s.cfg.WriteScope != "" && !slices.Contains(c.principal.Scopes, s.cfg.WriteScope),
		Principal: c.principal, Tool: c.message.name, Args: c.message.args, ClientName: c.client, Hold: s.cfg.Hold,
		Progress: func(message string) {
			select {
			case c.say <- message:
			default: // the client does not read; it will not miss a sentence
			}
		},
	}
	if req.Args == nil {
		req.Args = json.RawMessage("{}")
	}
	switch {
	case c.tasks && c.message.name != "get_call":
		req.Hold = holdForTask
	case c.message.progressToken != nil:
		req.Hold = s.cfg.HoldWithProgress
	}
	reply = s.cfg.Gateway.Do(ctx, req)
	if c.tasks && c.message.name != "get_call" && reply != nil && reply.Waiting != nil {
		c.task = s.taskOf(reply.Waiting)
	}
	return reply
}

func (s *Server) logPanic(c *call, p any, id string) {
	s.cfg.Log.Error("a call broke off", "call", id, "tool", printable(c.message.name), "type", typeName(p), "stack", string(debug.Stack()))
}

// encode renders what goes back: in pieces, so that a large result is copied nowhere.
func (c *call) encode(resp mcp.JSONRPCMessage, modern bool) (status int, pieces [][]byte) {
	id := c.message.id
	if c.fault != nil {
		return statusOf(c.fault.Code, modern), c.fault.encode(id)
	}
	switch resp := resp.(type) {
	case mcp.JSONRPCResponse:
		if c.task != nil {
			return http.StatusOK, c.task.created(id)
		}
		head := []byte(`{"jsonrpc":"2.0","id":`)
		if r, ok := resp.Result.(*mcp.CallToolResult); ok && c.reply != nil {
			return http.StatusOK, append([][]byte{head, id, []byte(`,"result":{`)}, c.result(&r.Result)...)
		}
		if b, err := json.Marshal(resp.Result); err == nil {
			return http.StatusOK, [][]byte{head, id, []byte(`,"result":`), b, []byte("}\n")}
		}
	case mcp.JSONRPCError:
		f := &fault{Code: resp.Error.Code, Message: resp.Error.Message, Data: resp.Error.Data}
		if f.Code == mcp.INTERNAL_ERROR {
			f.Message, f.Data = "internal error", nil
		}
		return statusOf(f.Code, modern), f.encode(id)
	}
	f := &fault{Code: mcp.INTERNAL_ERROR, Message: "internal error"}
	return statusOf(f.Code, modern), f.encode(id)
}

// result renders the members of a CallToolResult whose protocol part is r, and closes it and the message.
func (c *call) result(r *mcp.Result) [][]byte {
	return append(resultMembers(r, c.reply), []byte("}}\n"))
}

// resultMembers are the members of the CallToolResult that tells reply.
func resultMembers(r *mcp.Result, reply *gateway.Reply) [][]byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	part := func(name string, v any) {
		b.WriteString(name)
		if enc.Encode(v) == nil {
			b.Truncate(b.Len() - 1) // the encoder's line end
		} else {
			b.WriteString("null")
		}
	}
	if r.ResultType != "" {
		part(`"resultType":`, r.ResultType)
		b.WriteByte(',')
	}
	if r.Meta != nil {
		part(`"_meta":`, r.Meta)
		b.WriteByte(',')
	}
	if reply.IsError {
		b.WriteString(`"isError":true,`)
	}
	part(`"content":[{"type":"text","text":`, reply.Text)
	b.WriteString(`}],"structuredContent":`)
	return [][]byte{b.Bytes(), reply.Structured}
}
