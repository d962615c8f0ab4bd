package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Rego is the operator's own rules, which decide beside the base module. They are asked first; what they answer is then combined with
// the decision of the base module, in Go, and the guards are held against the result.
//
// Package sallyport.operator may define four rules, each a set of objects; packages below it are libraries.
//
//	votes     {"decision": allow, ask or deny, "id", "reason"}
//	contrib   {"id", "points": 1 to 100, "text"}                          counted before the thresholds
//	limits    {"rows"?, "bytes"?, "time_ms"?, "affected_rows"?}           the lowest of all, and of the scope's, holds
//	approval  {"from": [group], "count", "within_s"?, "assurance"?}       all groups, the highest count, the shortest time
type Rego struct {
	Modules []Module
	Data    map[string]any // documents of a bundle; everything in it is below sallyport.operator
	// Override lets votes replace what the score decided. Otherwise the strictest of all votes and the base module's decision holds.
	Override bool
	// Timeout bounds one evaluation; reaching it is a denial. 0 means DefaultRegoTimeout.
	Timeout time.Duration
}

// Module is one file of Rego. Tests are in files that end in _test.rego.
type Module struct {
	Path string // as problems name it
	Text string
}

func (m Module) isTest() bool { return strings.HasSuffix(m.Path, "_test.rego") }

// DefaultRegoTimeout is a thousand times what a few rules cost.
const DefaultRegoTimeout = 50 * time.Millisecond

// entries are the rules that decide.
var entries = []string{"votes", "contrib", "limits", "approval"}

// operator is the operator's Rego, compiled. Safe for concurrent use.
type operator struct {
	query    rego.PreparedEvalQuery
	override bool
	timeout  time.Duration
	places   map[string]string // where each entry is defined, for errors
	reads    reads
}

// newOperator compiles and checks. The error is Problems when the modules were read.
func newOperator(ctx context.Context, r *Rego) (*operator, error) {
	modules := slices.DeleteFunc(slices.Clone(r.Modules), Module.isTest)
	c, err := compileOperator(modules, r.Data, capabilities(operatorBuiltins...))
	if err != nil {
		return nil, err
	}
	o := &operator{override: r.Override, timeout: r.Timeout, places: map[string]string{}, reads: readsOf(c)}
	if o.timeout == 0 {
		o.timeout = DefaultRegoTimeout
	}
	for _, name := range slices.Sorted(maps.Keys(c.Modules)) {
		for _, rule := range c.Modules[name].Rules {
			entry := string(rule.Head.Name)
			if !rule.Module.Package.Path.Equal(operatorPackage) || !slices.Contains(entries, entry) {
				continue
			}
			if o.places[entry] != "" {
				o.places[entry] += ", "
			}
			o.places[entry] += fmt.Sprintf("%s:%d", rule.Location.File, rule.Location.Row)
		}
	}
	if len(o.places) == 0 {
		return nil, errors.New("policy: no rule of package sallyport.operator decides anything: define votes, contrib, limits or approval")
	}
	var fields []string
	for _, entry := range slices.Sorted(maps.Keys(o.places)) {
		fields = append(fields, fmt.Sprintf("%q: data.sallyport.operator.%s", entry, entry))
	}
	asTerm := func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t, nil }
	o.query, err = rego.New(rego.Query("{"+strings.Join(fields, ", ")+"}"), rego.Compiler(c), rego.Store(inmem.NewFromObject(r.documents())),
		rego.StrictBuiltinErrors(true), rego.GenerateJSON(asTerm)).PrepareForEval(ctx)
	return o, err
}

// answer asks the modules about one call. An error names the place in them.
func (o *operator) answer(ctx context.Context, in *Input) (answer, error) {
	if o == nil {
		return answer{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	interrupt := topdown.NewCancel()
	defer context.AfterFunc(ctx, interrupt.Cancel)()
	results, err := o.query.Eval(ctx, rego.EvalParsedInput(object(inputFields(in)...).Value), rego.EvalExternalCancel(interrupt), rego.EvalMetrics(metrics.NoOp()))
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return answer{}, fmt.Errorf("the operator's Rego took longer than %s", o.timeout)
	case err != nil:
		return answer{}, fmt.Errorf("the operator's Rego: %w", err)
	case len(results) != 1 || len(results[0].Expressions) != 1:
		return answer{}, fmt.Errorf("the operator's Rego: %d results instead of one", len(results))
	}
	value, _ := results[0].Expressions[0].Value.(*ast.Term)
	return readAnswer(value, o.places)
}

// revised is what of the operator's Rego a decision depends on; nil when there is none. Tests are not among it.
func (r *Rego) revised() any {
	if r == nil {
		return nil
	}
	var texts []string // where they lie decides nothing
	for _, m := range r.Modules {
		if !m.isTest() {
			texts = append(texts, m.Text)
		}
	}
	slices.Sort(texts)
	data, err := json.Marshal(r.Data)
	if err != nil {
		data = []byte(err.Error()) // compileOperator has refused it
	}
	return []any{texts, string(data), r.Override}
}

func (r *Rego) documents() map[string]any {
	if r.Data == nil {
		return map[string]any{}
	}
	return r.Data
}
