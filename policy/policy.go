package policy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Engine decides under one revision of the policy: what the operator wrote, the rating of risks and the base module. It never
// changes after New; a new configuration is a new Engine. Safe for concurrent use.
type Engine struct {
	scopes   *index
	targets  []TargetInfo        // sorted by name
	kinds    map[string]string   // of targets, by name
	narrow   map[string]Narrower // by kind
	match    map[string]Matcher  // by kind
	budgets  map[string][]Budget // by scope
	ratings  *ratings
	query    rego.PreparedEvalQuery
	operator *operator // nil without Rego of the operator's own
	blind    bool      // the modules do not see who calls and when
	cache    *cache    // nil when nothing is remembered
	timeout  time.Duration
	fresh    func() error // nil: the policy does not age
	revision string
}

// New checks cfg, compiles the base module over it and returns the engine. All problems of cfg are reported at once.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	modules, err := baseModules()
	if err != nil {
		return nil, err
	}
	return newEngine(ctx, cfg, modules)
}

// newEngine is New for any modules. What they decide is held against the guards whoever wrote them.
func newEngine(ctx context.Context, cfg Config, modules modules) (*Engine, error) {
	cfg, err := cfg.normalized()
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	scopes, err := newIndex(cfg.Scopes)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	e := &Engine{scopes: scopes, match: maps.Clone(cfg.Match), budgets: map[string][]Budget{}, targets: cfg.Targets, kinds: map[string]string{}, narrow: maps.Clone(cfg.Narrow), timeout: cfg.EvalTimeout, blind: modules.blind}
	e.fresh = cfg.Fresh
	for _, s := range cfg.Scopes {
		if len(s.Budgets) > 0 {
			e.budgets[s.Name] = slices.Clone(s.Budgets)
		}
	}
	for _, t := range cfg.Targets {
		e.kinds[t.Name] = t.Kind
	}
	if modules.blind && !cfg.Uncached {
		e.cache = newCache()
	}
	if e.ratings, err = readRatings(modules.points); err != nil {
		return nil, err
	}
	if e.query, err = prepare(ctx, modules.rego); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if cfg.Rego != nil {
		if err := cfg.Rego.test(ctx); err != nil {
			return nil, err
		}
		if e.operator, err = newOperator(ctx, cfg.Rego); err != nil {
			return nil, err
		}
	}
	if e.revision, err = revision(cfg, modules); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return e, nil
}

// Budgets are those of a scope, by its name; none when it has none or does not exist.
func (e *Engine) Budgets(scope string) []Budget { return e.budgets[scope] }

// Revision names the policy: a hash over the modules, the ratings and the configuration. Two engines with the same revision
// decide the same about the same Input.
func (e *Engine) Revision() string { return e.revision }

// Decide answers for one call. It is a function of in and the revision alone (and Config.Fresh): no clock, no state (what is remembered is what would be
// decided again). An error means that no decision was reached, and the caller must treat it as a denial; the Decision returned with it
// is one.
func (e *Engine) Decide(ctx context.Context, in Input) (Decision, error) {
	d, err := e.decide(ctx, in)
	if err != nil {
		return Decision{Verdict: Deny, Score: 100, Rule: "error", Revision: e.revision,
			Reasons: []Reason{{ID: "error", Points: 100, Text: "policy could not decide"}}}, err
	}
	return d, nil
}

func (e *Engine) decide(ctx context.Context, in Input) (Decision, error) {
	if in.Version != 1 {
		return Decision{}, fmt.Errorf("policy: input has version %d, this engine knows 1", in.Version)
	}
	var buf [1 << 10]byte
	matching := e.scopes.matching(in.Principal, in.Target.Name)
	key := appendKey(buf[:0], &in)
	if len(key) > 0 && anyTimed(matching) {
		key = append(key, timedKey(matching, in.Call.Time)...)
	}
	if e.fresh != nil {
		if err := e.fresh(); err != nil {
			return Decision{}, fmt.Errorf("policy: decide call %s: %w", in.Call.ID, err)
		}
	}
	pure := e.operator == nil || !e.operator.reads.hidden // all that decides is in the key
	if d, ok := e.cache.get(key); ok && pure {
		return d, nil
	}
	answer, err := e.operator.answer(ctx, &in)
	if err != nil {
		return Decision{}, fmt.Errorf("policy: decide call %s: %w", in.Call.ID, err)
	}
	if !pure {
		key = answer.appendKey(key)
		if d, ok := e.cache.get(key); ok {
			return d, nil
		}
	}
	facts := e.facts(&in, matching, answer.contrib)
	value, err := e.eval(ctx, inputValue(&facts, e.blind))
	if err != nil {
		return Decision{}, fmt.Errorf("policy: decide call %s: %w", in.Call.ID, err)
	}
	d, err := decode(value)
	if err != nil {
		return Decision{}, fmt.Errorf("policy: decision about call %s: %w", in.Call.ID, err)
	}
	if d, err = guard(d, &facts, nothing); err == nil && e.operator != nil {
		d, err = guard(e.operator.combine(d, &facts, &answer), &facts, &answer)
	}
	if err != nil {
		return Decision{}, fmt.Errorf("policy: decision about call %s: %w", in.Call.ID, err)
	}
	slices.SortStableFunc(d.Reasons, inOrder)
	d.Revision = e.revision
	e.cache.put(key, d)
	return d, nil
}

// eval runs the modules. Anything but exactly one value is an error.
func (e *Engine) eval(ctx context.Context, input ast.Value) (*ast.Term, error) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("cancelled: %w", err)
	}
	// OPA would start a goroutine for each evaluation to wait for ctx.
	interrupt := topdown.NewCancel()
	defer context.AfterFunc(ctx, interrupt.Cancel)()
	results, err := e.query.Eval(ctx, rego.EvalParsedInput(input), rego.EvalExternalCancel(interrupt), rego.EvalMetrics(metrics.NoOp()))
	if err != nil {
		return nil, err
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return nil, fmt.Errorf("%d results instead of one", len(results))
	}
	value, _ := results[0].Expressions[0].Value.(*ast.Term)
	return value, nil
}

// inOrder puts the sentences behind the verdict first, as they came, then the contributions, the heaviest first.
func inOrder(a, b Reason) int {
	if a.Points == 0 || b.Points == 0 {
		return cmp.Compare(min(1, abs(a.Points)), min(1, abs(b.Points)))
	}
	return cmp.Or(cmp.Compare(b.Points, a.Points), cmp.Compare(a.ID, b.ID))
}

func abs(n int) int { return max(n, -n) }
