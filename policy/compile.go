package policy

import (
	"bytes"
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
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

//go:embed rego/base.rego rego/coverage.rego rego/facts.rego rego/risk.rego rego/points.json
var embedded embed.FS

const decisionQuery = "data.sallyport.base.decision"

// modules is what decides: Rego by file name, and the rating of risks (points.json).
type modules struct {
	rego   map[string]string
	points map[string]any
}

// baseModules are the embedded ones.
func baseModules() (modules, error) {
	m := modules{rego: map[string]string{}}
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
	points, err := embedded.ReadFile("rego/points.json")
	if err != nil {
		return m, err
	}
	t, err := readTable(points)
	if err != nil {
		return m, err
	}
	m.points = t.document()
	return m, nil
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

func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return !slices.Contains(builtins, b.Name) })
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
// and "not too_many" allows.
func prepare(ctx context.Context, sources map[string]string, doc map[string]any) (rego.PreparedEvalQuery, error) {
	c, err := compile(sources)
	if err != nil {
		return rego.PreparedEvalQuery{}, err
	}
	if doc, err = plain(doc); err != nil {
		return rego.PreparedEvalQuery{}, err
	}
	store := inmem.NewFromObjectWithOpts(doc, inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
	return rego.New(rego.Query(decisionQuery), rego.Compiler(c), rego.Store(store), rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
}

// document is the data the modules decide over.
func document(cfg Config, points map[string]any) map[string]any {
	scopes := map[string]any{}
	for _, s := range cfg.Scopes {
		scopes[s.Name] = scopeDocument(s)
	}
	return map[string]any{"sallyport": map[string]any{"scopes": scopes, "points": points}}
}

// plain is doc in JSON's own types: the store would turn some Go types (a nil pointer) into a panic.
func plain(doc map[string]any) (out map[string]any, err error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	err = dec.Decode(&out)
	return out, err
}

// scopeDocument is one scope without who it is for and where: those are looked up before.
func scopeDocument(s Scope) map[string]any {
	rules := []any{}
	for _, d := range s.Deny {
		r := map[string]any{"name": d.Name, "reason": d.Reason} // an absent condition holds
		if len(d.Effects) > 0 {
			r["effects"] = d.Effects
		}
		if len(d.Objects) > 0 {
			r["objects"] = newDenyPatterns(d.Objects)
		}
		rules = append(rules, r)
	}
	return map[string]any{
		"name": s.Name, "allow": set(s.Allow), "not_understood_ask": s.NotUnderstoodAsk, "ask": s.Risk.Ask, "deny": s.Risk.Deny,
		"limits": s.Limits, "approval": s.Approval, "rules": rules,
		"objects": map[string]any{"unrestricted": len(s.ObjectsAllow)+len(s.ObjectsDeny) == 0, "all": len(s.ObjectsAllow) == 0, "allow": newPatterns(s.ObjectsAllow), "deny": newDenyPatterns(s.ObjectsDeny)},
	}
}

// revision hashes everything a decision depends on beside its input.
func revision(cfg Config, m modules, doc map[string]any) (string, error) {
	b, err := json.Marshal([]any{cfg.Targets, cfg.Scopes, m.rego, doc}) // map keys are sorted
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), nil
}
