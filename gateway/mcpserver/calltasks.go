package mcpserver

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"sallyport/gateway"
)

// callTasks are the tasks of the product: calls that wait for people. Nothing of them is kept here but what runs right now; the rest is
// the gateway's, so that a task outlives this process.
type callTasks struct {
	server *Server

	mu   sync.Mutex
	runs map[taskKey]*taskRun // guarded by mu
}

type taskKey struct {
	caller
	id string
}

// taskRun is one get_call on behalf of a task. Once people have said yes it executes the call, and that must not end because a client
// asked with a short patience: it belongs to the server, which waits for it at shutdown, and not to the request that began it.
type taskRun struct {
	done  chan struct{} // closed when reply is there
	reply *gateway.Reply
}

func newCallTasks(s *Server) *callTasks {
	return &callTasks{server: s, runs: map[taskKey]*taskRun{}}
}

func (k *callTasks) get(ctx context.Context, c *call) (*task, *fault) {
	run, f := k.attach(c)
	if f != nil {
		return nil, f
	}
	look := time.NewTimer(lookTask + time.Second) // get_call by itself ends earlier, unless the call is being executed
	defer look.Stop()
	select {
	case <-run.done:
		return k.server.taskFrom(c.message.taskID, run.reply)
	case <-look.C:
	case <-ctx.Done():
	}
	return k.server.taskOf(&gateway.Waiting{CallID: c.message.taskID, Message: "no news yet: it waits for people, or is being executed"}), nil
}

// update has nothing to take: no call of ours asks its client for anything. The task must exist all the same.
func (k *callTasks) update(ctx context.Context, c *call) *fault {
	_, f := k.get(ctx, c)
	return f
}

func (k *callTasks) cancel(ctx context.Context, c *call) *fault {
	reply := k.server.do(ctx, about(c, "cancel_call", map[string]any{"call_id": c.message.taskID}))
	switch {
	case reply.Reason == gateway.ReasonNoSuchCall:
		return errNoTask()
	case reply.IsError:
		return &fault{Code: mcp.INTERNAL_ERROR, Message: "the task could not be cancelled now; ask again"}
	}
	return nil
}

// attach joins the run for c's task, or begins one.
func (k *callTasks) attach(c *call) (*taskRun, *fault) {
	key := taskKey{callerOf(c.principal), c.message.taskID}
	k.mu.Lock()
	defer k.mu.Unlock()
	if run := k.runs[key]; run != nil {
		return run, nil
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	fl, why := k.server.flights.start(key.caller, cancel)
	if fl == nil {
		cancel(nil)
		return nil, &fault{Code: mcp.INTERNAL_ERROR, Message: "the gateway cannot look at the task now (" + why + "); ask again"}
	}
	run := &taskRun{done: make(chan struct{})}
	k.runs[key] = run
	look := about(c, "get_call", map[string]any{"call_id": key.id, "wait_seconds": int(lookTask / time.Second)})
	k.server.workers.run(func() {
		defer k.server.flights.end(fl)
		defer cancel(nil)
		run.reply = k.server.do(ctx, look)
		k.mu.Lock()
		delete(k.runs, key)
		k.mu.Unlock()
		close(run.done)
	})
	return run, nil
}

// about is a call of one of the gateway's own tools on behalf of c.
func about(c *call, tool string, args map[string]any) *call {
	b, _ := json.Marshal(args) // strings and numbers: cannot fail
	return &call{server: c.server, principal: c.principal, client: c.client, say: make(chan string, 1), message: &message{name: tool, args: b}}
}

// taskFrom is the task that a reply of get_call tells of.
func (s *Server) taskFrom(id string, r *gateway.Reply) (*task, *fault) {
	switch {
	case r.Waiting != nil:
		return s.taskOf(r.Waiting), nil
	case r.Unavailable: // of the call itself nothing is known: it must not look finished
		return nil, &fault{Code: mcp.INTERNAL_ERROR, Message: "a part of the gateway is unavailable; ask again"}
	}
	t := &task{id: id, state: taskCompleted, began: gateway.Began(id), updated: s.cfg.Now()}
	t.kept = t.updated.Sub(t.began) + s.cfg.Replay
	switch r.Reason {
	case gateway.ReasonNoSuchCall:
		return nil, errNoTask()
	case gateway.ReasonWithdrawn, gateway.ReasonCancelled:
		t.state = taskCancelled
		return t, nil
	}
	t.result = resultMembers(&mcp.Result{}, r)
	return t, nil
}
