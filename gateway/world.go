package gateway

import (
	"context"
	"sync"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/masking"
	"sallyport/policy"
	"sallyport/tools"
)

// World is everything a reload of the configuration replaces as one: a call sees one World from its plan to its release,
// except that it is decided again under the newest one after people were asked.
type World struct {
	Tools   map[string]Tool // by tool name
	Targets map[string]Target
	Policy  *policy.Engine
	// Decisions is a copy of every decision for tools that read OPA's logs. Nil: none is written.
	Decisions *policy.DecisionLog
	Masking   *masking.Engine
	Describe  Describer
	// Close ends what this World holds (connections, workers). Called once, when it was replaced and its last call ended.
	Close func()

	mu      sync.Mutex
	calls   int
	retired bool
}

// Target is what the stages need to know of one target. Read-only.
type Target struct {
	Kind        string // postgres
	Environment string
	Labels      []string
	Revision    string
	Tools       []string // names of the tools that work on it
}

// Describer answers describe_target for one target: what the caller may see of its catalog.
type Describer interface {
	Describe(ctx context.Context, target, path, detail string) (any, error)
}

// Mask is the masking of one call.
type Mask interface {
	tools.Mask
	String(s string) string
	Report() []masking.Count
}

// Store is what the pipeline needs of the durable state; *store.Store is the implementation. One method is one transaction.
type Store interface {
	Writable() error
	Append(ctx context.Context, recs ...audit.Record) error
	RecoverIntents(ctx context.Context, mk func(intent audit.Entry) audit.Record) (int, error)
	Spent(ctx context.Context, scope, issuer, subject string) ([]audit.Spent, error)
	Outcome(ctx context.Context, callID string) (audit.Entry, *audit.Body, error)
	ApprovalStore
	LockStore
}

// ApprovalStore keeps the requests for approval.
type ApprovalStore interface {
	OpenApproval(ctx context.Context, req approvals.Request, rec audit.Record) (approvals.Request, bool, error)
	ApprovalByKey(ctx context.Context, attachKey string) (approvals.Request, error)
	ApprovalByCall(ctx context.Context, callID string) (approvals.Request, error)
	Approval(ctx context.Context, idOrCode string) (approvals.Request, error)
	Approvals(ctx context.Context, states ...approvals.State) ([]approvals.Request, error)
	CloseApproval(ctx context.Context, id string, from []approvals.State, to approvals.State, rec audit.Record) (approvals.Request, error)
	ConsumeAndIntend(ctx context.Context, use *approvals.Use, intent audit.Record) error
	Watch(id string) (changed <-chan struct{}, stop func())
	VoteStore
}

// Replace makes w the world of every call that begins from now on. The old one is closed when its last call ended.
func (g *Gateway) Replace(w *World) {
	g.world.Swap(w).retire()
}

// World is the current one, for what is not a call: readiness, the admin API's listing.
func (g *Gateway) World() *World { return g.world.Load() }

func (g *Gateway) acquire() *World {
	for {
		w := g.world.Load()
		if w.enter() {
			return w
		}
	}
}

func (w *World) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.retired {
		return false
	}
	w.calls++
	return true
}

func (w *World) release() {
	w.mu.Lock()
	w.calls--
	last := w.retired && w.calls == 0
	w.mu.Unlock()
	if last && w.Close != nil {
		w.Close()
	}
}

func (w *World) retire() {
	w.mu.Lock()
	idle := !w.retired && w.calls == 0
	w.retired = true
	w.mu.Unlock()
	if idle && w.Close != nil {
		w.Close()
	}
}
