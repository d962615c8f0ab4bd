package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"sallyport/gateway"
)

// The tasks extension (io.modelcontextprotocol/tasks, SEP-2663): a client that says so per request gets a handle in place of a call that
// waits for people, and asks with the handle how it stands. The handle is the call's id, which is durable before the client sees it and
// means nothing to anybody but its caller.

const extensionTasks = "io.modelcontextprotocol/tasks"

const (
	methodTaskGet    = "tasks/get"
	methodTaskUpdate = "tasks/update"
	methodTaskCancel = "tasks/cancel"
)

var taskMethods = map[string]bool{methodTaskGet: true, methodTaskUpdate: true, methodTaskCancel: true}

const (
	// holdForTask is how long a call is held before a task answers it: some decisions come at once.
	holdForTask = 2 * time.Second
	// lookTask bounds tasks/get: it waits this long for news, so that an answer of people reaches the client when it is given and not
	// when the client happens to ask next.
	lookTask = 5 * time.Second
	// pollTask is how soon a client may ask again.
	pollTask = time.Second
)

// The states of a task.
const (
	taskWorking   = "working"
	taskInput     = "input_required"
	taskCompleted = "completed" // also with a result that is an error of the tool
	taskFailed    = "failed"    // with a JSON-RPC error
	taskCancelled = "cancelled"
)

// task is one piece of work as a client sees it.
type task struct {
	id      string
	state   string
	message string // one sentence, for people
	began   time.Time
	updated time.Time
	kept    time.Duration // after began; zero when not known
	result  [][]byte      // when completed: the members of the result, without its closing brace
	fault   *fault        // when failed
	inputs  any           // when input is required: the requests by key
}

// keeper is who keeps the work behind tasks. Each method answers for the caller and the task id of c, and a task of somebody else like
// one that never was: with errNoTask.
type keeper interface {
	// get waits a moment for news and tells how the task stands.
	get(ctx context.Context, c *call) (*task, *fault)
	// update takes answers to what a task asked for.
	update(ctx context.Context, c *call) *fault
	// cancel asks the task to end; one that is over stays as it is.
	cancel(ctx context.Context, c *call) *fault
}

func errNoTask() *fault { return &fault{Code: mcp.INVALID_PARAMS, Message: "no such task of yours"} }

func errNeedsTasks() *fault {
	return &fault{Code: mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, Message: "the request does not declare the tasks extension",
		Data: map[string]any{"requiredCapabilities": map[string]any{"extensions": map[string]any{extensionTasks: map[string]any{}}}}}
}

// answerTask answers a request about a task.
func (s *Server) answerTask(ctx context.Context, w http.ResponseWriter, c *call) {
	id, f := c.message.id, (*fault)(nil)
	var t *task
	switch {
	case !c.message.tasks:
		f = errNeedsTasks()
	case c.message.taskID == "":
		f = &fault{Code: mcp.INVALID_PARAMS, Message: "taskId is missing or not a string"}
	case c.message.method == methodTaskGet:
		t, f = s.keeper.get(ctx, c)
	case c.message.method == methodTaskUpdate:
		f = s.keeper.update(ctx, c)
	default:
		f = s.keeper.cancel(ctx, c)
	}
	if f != nil {
		s.refused(ctx, c.principal, c.message.method, RefusedTask)
		f.write(w, statusOf(f.Code, true), id)
		return
	}
	out := newStream(w, id, nil)
	if t == nil {
		out.finish(http.StatusOK, []byte(`{"jsonrpc":"2.0","id":`), id, []byte(`,"result":{"resultType":"complete"}}`+"\n"))
		return
	}
	out.finish(http.StatusOK, t.standing(id)...)
}

// taskOf is the task of a call that waits.
func (s *Server) taskOf(w *gateway.Waiting) *task {
	t := &task{id: w.CallID, state: taskWorking, message: w.Message, began: gateway.Began(w.CallID), updated: s.cfg.Now()}
	if !w.Expires.IsZero() {
		t.kept = w.Expires.Sub(t.began) + s.cfg.Replay
	}
	return t
}

// created is the answer to the call that became t.
func (t *task) created(id []byte) [][]byte {
	return [][]byte{[]byte(`{"jsonrpc":"2.0","id":`), id, []byte(`,"result":{"resultType":"task",`), t.members(), []byte("}}\n")}
}

// standing is the answer to tasks/get.
func (t *task) standing(id []byte) [][]byte {
	pieces := [][]byte{[]byte(`{"jsonrpc":"2.0","id":`), id, []byte(`,"result":{"resultType":"complete",`), t.members()}
	switch t.state {
	case taskCompleted:
		pieces = append(append(append(pieces, []byte(`,"result":{`)), t.result...), []byte("}"))
	case taskFailed:
		pieces = append(pieces, []byte(`,"error":`), encoded(t.fault))
	case taskInput:
		pieces = append(pieces, []byte(`,"inputRequests":`), encoded(t.inputs))
	}
	return append(pieces, []byte("}}\n"))
}

// members are the fields every task shows: times in RFC 3339, durations in whole milliseconds.
func (t *task) members() []byte {
	shown := struct {
		TaskID         string `json:"taskId"`
		Status         string `json:"status"`
		StatusMessage  string `json:"statusMessage,omitempty"`
		CreatedAt      string `json:"createdAt"`
		LastUpdatedAt  string `json:"lastUpdatedAt"`
		TTLMs          *int64 `json:"ttlMs"`
		PollIntervalMs int64  `json:"pollIntervalMs,omitempty"`
	}{
		TaskID: t.id, Status: t.state, StatusMessage: t.message,
		CreatedAt: t.began.UTC().Format(time.RFC3339Nano), LastUpdatedAt: t.updated.UTC().Format(time.RFC3339Nano),
	}
	if ms := t.kept.Milliseconds(); ms > 0 {
		shown.TTLMs = &ms
	}
	if t.state == taskWorking || t.state == taskInput {
		shown.PollIntervalMs = pollTask.Milliseconds()
	}
	b := encoded(shown)
	return b[1 : len(b)-1]
}

// encoded is v as JSON, without HTML escapes. What is given here always marshals.
func encoded(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return []byte("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
