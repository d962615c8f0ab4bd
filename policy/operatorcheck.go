package policy

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

var (
	operatorPackage = ast.MustParseRef("data.sallyport.operator")
	operatorTests   = ast.MustParseRef("data.sallyport.operator_test")
)

// operatorBuiltins are what the operator's modules may call beside what the base module may: pure functions of time and text. What the
// time is stands in the input.
var operatorBuiltins = []string{
	"time.parse_rfc3339_ns", "time.parse_duration_ns", "time.clock", "time.date", "time.weekday", "time.diff", "time.add_date",
	"strings.any_prefix_match", "strings.any_suffix_match", "strings.count", "strings.reverse",
}

// compileOperator parses and checks modules: their packages, the names of what decides, that every path of the input exists, and that they
// read no data but their own. The error is Problems.
func compileOperator(modules []Module, data map[string]any, can *ast.Capabilities) (*ast.Compiler, error) {
	var ps Problems
	parsed := map[string]*ast.Module{}
	for _, m := range modules {
		p, err := ast.ParseModuleWithOpts(m.Path, m.Text, ast.ParserOptions{Capabilities: can, RegoVersion: ast.RegoV1})
		switch {
		case err != nil:
			ps.fromOPA(err)
		case p == nil:
			ps.add(&ast.Location{File: m.Path}, "the file is empty; begin with package sallyport.operator")
		case parsed[m.Path] != nil:
			ps.add(&ast.Location{File: m.Path}, "the file is named twice")
		default:
			parsed[m.Path] = p
			ps.checkModule(m, p)
		}
	}
	if len(ps) > 0 {
		return nil, ps.err()
	}
	schemas := ast.NewSchemaSet()
	var schema map[string]any
	if err := json.Unmarshal(InputSchema(), &schema); err != nil {
		return nil, err
	}
	schemas.Put(ast.SchemaRootRef, schema)
	c := ast.NewCompiler().WithCapabilities(can).WithStrict(true).WithSchemas(schemas).WithUseTypeCheckAnnotations(false).
		WithPathConflictsCheck(func(path []string) (bool, error) { return hasDocument(data, path), nil })
	if c.Compile(parsed); c.Failed() {
		ps.fromOPA(c.Errors)
		return nil, ps.err()
	}
	for _, name := range slices.Sorted(maps.Keys(c.Modules)) {
		ps.checkData(c, c.Modules[name], data)
		ps.checkInput(c.Modules[name], schema)
	}
	if err := ps.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// checkModule holds the package and the names of rules against what decides. What is spelled almost right would decide nothing.
func (ps *Problems) checkModule(m Module, p *ast.Module) {
	path := p.Package.Path
	own, tests := path.HasPrefix(operatorPackage), m.isTest() && path.HasPrefix(operatorTests)
	if !own && !tests {
		ps.add(p.Package.Location, "%s: modules of yours belong in package sallyport.operator or below it, their tests also in sallyport.operator_test", p.Package)
		return
	}
	for _, rule := range p.Rules {
		name := string(rule.Head.Name)
		if len(rule.Head.Reference) > 0 {
			if v, ok := rule.Head.Reference[0].Value.(ast.Var); ok {
				name = string(v)
			}
		}
		set := rule.Head.RuleKind() == ast.MultiValue
		entry := slices.Contains(entries, name)
		switch near := nearest(name, entries); {
		case tests || m.isTest() && !entry:
		case m.isTest():
			ps.add(rule.Location, "%s in a file of tests would not be there when calls are decided; move it to another file", name)
		case name == "masking":
			ps.add(rule.Location, "masking is not decided by Rego; label columns of the target instead")
		case entry && !path.Equal(operatorPackage):
			ps.add(rule.Location, "%s counts in package sallyport.operator only; this is %s", name, p.Package)
		case entry && (!set || len(rule.Head.Ref()) > 1):
			ps.add(rule.Location, "%s has to be a set of objects; write %s contains {...} if {...}", name, name)
		case !entry && set && near != "" && path.Equal(operatorPackage):
			ps.add(rule.Location, "%s decides nothing; did you mean %s? (a set with a name this close is refused)", name, near)
		}
	}
}

// checkData refuses what would be undefined for good: data that is neither a rule nor a document of the modules' own.
func (ps *Problems) checkData(c *ast.Compiler, m *ast.Module, data map[string]any) {
	ast.WalkRefs(m, func(ref ast.Ref) bool {
		if !ref.HasPrefix(ast.DefaultRootRef) || ref.Equal(m.Package.Path) {
			return false
		}
		if !ref.HasPrefix(operatorPackage) && !ref.HasPrefix(operatorTests) {
			ps.add(ref[0].Location, "%s: there is no such data; a module sees input and what is below data.sallyport.operator", ref)
			return false
		}
		if !defined(c, ref, data) {
			ps.add(ref[0].Location, "%s: there is no such rule and no such document", ref)
		}
		return false
	})
}

// checkInput finds paths that OPA's type checker leaves open: below a value that may be null it accepts everything.
func (ps *Problems) checkInput(m *ast.Module, schema map[string]any) {
	ast.WalkRefs(m, func(ref ast.Ref) bool {
		at := schema
		for i := 1; i < len(ref) && ref.HasPrefix(ast.InputRootRef); i++ {
			if either, ok := at["anyOf"].([]any); ok {
				at = either[len(either)-1].(map[string]any)
			}
			properties, _ := at["properties"].(map[string]any)
			key, constant := ref[i].Value.(ast.String)
			items, isList := at["items"].(map[string]any)
			switch {
			case isList:
				at = items
			case properties == nil || !constant:
				return false
			case properties[string(key)] == nil:
				ps.add(ref[0].Location, "%s", unknownFact(ref, string(key), slices.Sorted(maps.Keys(properties))))
				return false
			default:
				at = properties[string(key)].(map[string]any)
			}
		}
		return false
	})
}

// defined follows the constant part of ref through the rules and the documents.
func defined(c *ast.Compiler, ref ast.Ref, data map[string]any) bool {
	constant := ref.ConstantPrefix()
	for n := len(constant); n > 0; n-- {
		if len(c.GetRulesExact(constant[:n])) > 0 {
			return true
		}
	}
	if len(c.GetRulesWithPrefix(constant)) > 0 {
		return true
	}
	return hasDocument(data, constants(constant[1:]))
}

func hasDocument(data map[string]any, path []string) bool {
	var at any = data
	for _, key := range path {
		object, ok := at.(map[string]any)
		if !ok {
			return false
		}
		if at, ok = object[key]; !ok {
			return false
		}
	}
	return true
}

// reads is what the modules read of the input that a remembered decision is not found by.
type reads struct{ hidden bool }

// readsOf: the call's id and time, the approval, or the input as a whole, however it was spelled.
func readsOf(c *ast.Compiler) (r reads) {
	for _, m := range c.Modules {
		ast.WalkTerms(m, func(t *ast.Term) bool {
			switch v := t.Value.(type) {
			case ast.Var:
				r.hidden = r.hidden || v == ast.InputRootDocument.Value.(ast.Var)
			case ast.Ref:
				if !v.HasPrefix(ast.InputRootRef) {
					return false
				}
				path := strings.Join(constants(v[1:]), ".")
				r.hidden = r.hidden || !strings.HasPrefix(path, "principal") && !strings.HasPrefix(path, "target") && !strings.HasPrefix(path, "plan") &&
					path != "call.tool" && path != "v"
				for _, part := range v[1:] { // the head is seen to; what is in the brackets is not
					ast.WalkTerms(part, func(t *ast.Term) bool {
						r.hidden = r.hidden || t.Value.Compare(ast.InputRootDocument.Value) == 0
						return false
					})
				}
				return true
			}
			return false
		})
	}
	return r
}

func constants(ref ast.Ref) []string {
	var out []string
	for _, t := range ref {
		s, ok := t.Value.(ast.String)
		if !ok {
			break
		}
		out = append(out, string(s))
	}
	return out
}
