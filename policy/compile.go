package policy

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

//go:embed rego/base.rego rego/coverage.rego rego/facts.rego rego/points.json
var embedded embed.FS

const decisionQuery = "data.sallyport.base.decision"

// modules is what decides: Rego by file name, and the rating of risks.
type modules struct {
	rego   map[string]string
	points []byte // points.json
	// blind modules are not shown who calls, when, and under which id; see inputValue. Decisions of others are never remembered.
	blind bool
}

// baseModules are the embedded ones.
func baseModules() (modules, error) {
	m := modules{rego: map[string]string{}, blind: true}
	files, err := fs.Glob(embedded, "rego/*.rego")
	if err != nil {
		return m, err
	}
	for _, name := range files {
		src, err := embedded.ReadFile(name)
		if err != nil {
			return m, err
		}
		m.rego[name] = string(src)
	}
	m.points, err = embedded.ReadFile("rego/points.json")
	return m, err
}

// builtins are the functions a module may call: pure, and none takes a pattern. Everything else (http.send, net.*, opa.runtime,
// rego.parse_module, rand.*, uuid.*, trace, time.now_ns, regex.*, glob.*, ...) is unknown at load. A list of what is there cannot
// miss what a later OPA adds.
var builtins = []string{
	"abs", "and", "array.concat", "array.reverse", "array.slice", "assign", "ceil", "concat", "contains", "count", "div", "endswith", "eq", "equal",
	"floor", "format_int", "gt", "gte", "indexof", "intersection", "internal.member_2", "internal.member_3", "is_array", "is_boolean", "is_null",
	"is_number", "is_object", "is_set", "is_string", "lower", "lt", "lte", "max", "min", "minus", "mul", "neq", "numbers.range", "object.filter",
	"object.get", "object.keys", "object.remove", "object.union", "or", "plus", "product", "rem", "replace", "round", "sort", "split", "sprintf",
	"startswith", "substring", "sum", "to_number", "trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix", "type_name",
	"union", "upper",
}

func capabilities(further ...string) *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return !slices.Contains(builtins, b.Name) && !slices.Contains(further, b.Name)
	})
	c.AllowNet = []string{}
	return c
}

// compile parses and checks modules under the restricted capabilities.
func compile(sources map[string]string) (*ast.Compiler, error) {
	opts := ast.ParserOptions{Capabilities: capabilities(), RegoVersion: ast.RegoV1}
	parsed := map[string]*ast.Module{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		m, err := ast.ParseModuleWithOpts(name, sources[name], opts)
		if err != nil {
			return nil, err
		}
		parsed[name] = m
	}
	c := ast.NewCompiler().WithCapabilities(capabilities()).WithStrict(true)
	if c.Compile(parsed); c.Failed() {
		return nil, c.Errors
	}
	return c, nil
}

// prepare compiles once. Errors of built-in functions are errors: without that, a rule that fails is a rule that does not hold,
// and "not too_many" allows. The value is not turned into Go's types: decode reads the term.
func prepare(ctx context.Context, sources map[string]string) (rego.PreparedEvalQuery, error) {
	c, err := compile(sources)
	if err != nil {
		return rego.PreparedEvalQuery{}, err
	}
	asTerm := func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t, nil }
	return rego.New(rego.Query(decisionQuery), rego.Compiler(c), rego.StrictBuiltinErrors(true), rego.GenerateJSON(asTerm)).PrepareForEval(ctx)
}

// revision hashes everything a decision depends on beside its input. Of what narrows scopes it is the kinds: a Narrower is code.
func revision(cfg Config, m modules) (string, error) {
	narrowed := slices.Sorted(maps.Keys(cfg.Narrow))
	b, err := json.Marshal([]any{cfg.Targets, cfg.Scopes, narrowed, m.rego, string(m.points), m.blind, cfg.Rego.revised()}) // map keys are sorted
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), nil
}
