package mcpserver

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"sallyport/gateway"
)

// The tools that the tasks scenarios of the conformance suite call by name, and a keeper for their tasks: in memory, with what no task of
// the product has (questions to the client, protocol errors).

type fixtureTasks struct {
	stop context.Context // ends what tasks still do
	all  sync.WaitGroup

	mu    sync.Mutex
	tasks map[string]*fixtureTask
	n     int
}

type fixtureTask struct {
	task
	owner    caller
	cancel   context.CancelFunc
	asks     map[string]any
	answered chan struct{} // closed when nothing is asked any more
}

func newFixtureTasks(stop context.Context) *fixtureTasks {
	return &fixtureTasks{stop: stop, tasks: map[string]*fixtureTask{}}
}

// begin makes c a task that runs work. asks is what the task asks the client for first; nil for nothing.
func (k *fixtureTasks) begin(c *call, asks map[string]any, work func(context.Context) (string, *fault, bool)) {
	ctx, cancel := context.WithCancel(k.stop)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.n++
	now := time.Now()
	t := &fixtureTask{owner: callerOf(c.principal), cancel: cancel, asks: asks, answered: make(chan struct{}),
		task: task{id: fmt.Sprintf("task-%d", k.n), state: taskWorking, began: now, updated: now, kept: time.Hour}}
	if asks == nil {
		close(t.answered)
	} else {
		t.state, t.inputs = taskInput, asks
	}
	k.tasks[t.id] = t
	first := t.task
	c.task = &first
	k.all.Go(func() {
		defer cancel()
		select {
		case <-t.answered:
		case <-ctx.Done():
		}
		text, f, isError := work(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		t.updated = time.Now()
		switch {
		case ctx.Err() != nil:
			t.state = taskCancelled
		case f != nil:
			t.state, t.fault = taskFailed, f
		default:
			t.state = taskCompleted
			t.result = resultMembers(&mcp.Result{}, &gateway.Reply{Structured: json.RawMessage("{}"), Text: text, IsError: isError})
		}
	})
}

func (k *fixtureTasks) find(c *call) (*fixtureTask, *fault) {
	t := k.tasks[c.message.taskID]
	if t == nil || t.owner != callerOf(c.principal) {
		return nil, errNoTask()
	}
	return t, nil
}

func (k *fixtureTasks) get(_ context.Context, c *call) (*task, *fault) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, f := k.find(c)
	if f != nil {
		return nil, f
	}
	now := t.task
	return &now, nil
}

func (k *fixtureTasks) update(_ context.Context, c *call) *fault {
	var p struct {
		InputResponses map[string]json.RawMessage `json:"inputResponses"`
	}
	if json.Unmarshal(c.message.params, &p) != nil {
		return &fault{Code: mcp.INVALID_PARAMS, Message: "inputResponses is not an object"}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t, f := k.find(c)
	if f != nil || t.state != taskInput {
		return f
	}
	left := map[string]any{}
	for key, ask := range t.asks {
		if p.InputResponses[key] == nil {
			left[key] = ask
		}
	}
	t.asks, t.inputs, t.updated = left, left, time.Now()
	if len(left) == 0 {
		t.state = taskWorking
		close(t.answered)
	}
	return nil
}

func (k *fixtureTasks) cancel(_ context.Context, c *call) *fault {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, f := k.find(c)
	if f == nil {
		t.cancel()
	}
	return f
}

// addTaskTools adds the tools of the tasks scenarios.
func addTaskTools(core *server.MCPServer, k *fixtureTasks) {
	add := func(name string, f toolFunc) {
		core.AddTool(mcp.NewTool(name, mcp.WithDescription("conformance fixture")), f)
	}
	ofCall := func(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }
	elicit := func(message, field, typ string) any {
		return map[string]any{"method": "elicitation/create", "params": question(message, field, typ)}
	}
	add("greet", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText("Hello, " + argument(ofCall(ctx), "name") + "!"), nil
	})
	add("slow_compute", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		c := ofCall(ctx)
		var args struct{ Seconds float64 }
		_ = json.Unmarshal(c.message.args, &args)
		work := func(ctx context.Context) (string, *fault, bool) {
			select {
			case <-time.After(time.Duration(args.Seconds * float64(time.Second))):
			case <-ctx.Done():
			}
			return "computed", nil, false
		}
		if !c.tasks {
			text, _, _ := work(ctx)
			return mcp.NewToolResultText(text), nil
		}
		k.begin(c, nil, work)
		return &mcp.CallToolResult{}, nil
	})
	// Tools that cannot do without a task.
	for name, work := range map[string]func(context.Context) (string, *fault, bool){
		"failing_job": func(context.Context) (string, *fault, bool) { return "the job failed", nil, true },
		"protocol_error_job": func(context.Context) (string, *fault, bool) {
			return "", &fault{Code: mcp.INTERNAL_ERROR, Message: "internal error"}, false
		},
	} {
		add(name, func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if c := ofCall(ctx); !c.tasks {
				c.fault = errNeedsTasks()
			} else {
				k.begin(c, nil, work)
			}
			return &mcp.CallToolResult{}, nil
		})
	}
	done := func(text string) func(context.Context) (string, *fault, bool) {
		return func(context.Context) (string, *fault, bool) { return text, nil, false }
	}
	add("confirm_delete", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		k.begin(ofCall(ctx), map[string]any{"confirm": elicit("Delete it?", "confirm", "boolean")}, done("deleted"))
		return &mcp.CallToolResult{}, nil
	})
	add("multi_input", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		k.begin(ofCall(ctx), map[string]any{"first": elicit("Who?", "name", "string"), "second": elicit("Sure?", "confirm", "boolean")}, done("both are here"))
		return &mcp.CallToolResult{}, nil
	})
	add("test_tool_with_task", func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		answer, ok := server.InputResponse(r.Params.InputResponses, "user_name")
		if !ok {
			return server.NewInputRequestBuilder("").Elicit("user_name", question("What is your name?", "name", "string")).ToolResult(), nil
		}
		b, err := json.Marshal(answer)
		k.begin(ofCall(ctx), nil, done("Hello "+string(b)))
		return &mcp.CallToolResult{}, err
	})
}

// argument is a text argument of a call; the transport takes arguments out of what mcp-go sees.
func argument(c *call, name string) string {
	var args map[string]any
	_ = json.Unmarshal(c.message.args, &args)
	s, _ := args[name].(string)
	return s
}
