package configs

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the generated files again")

// generator makes a JSON Schema from the types, their tags and their comments.
type generator struct {
	docs map[string]string
	defs map[string]any
}

type object = map[string]any

func (g *generator) file() object {
	s := g.structure(reflect.TypeFor[File]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "sallyport.yaml"
	s["$defs"] = g.defs
	return s
}

func (g *generator) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range fieldsOf(t) {
		p := object{"not": object{}}
		if !f.notYet {
			p = g.value(f.typ, f)
		}
		p["description"] = f.comment(g.docs)
		if f.notYet {
			p["description"] = "Not supported yet. " + f.comment(g.docs)
		}
		if f.def != "" {
			var def any
			if err := yaml.Unmarshal([]byte(f.def), &def); err != nil {
				panic(err)
			}
			p["default"] = def
		}
		properties[f.name] = p
		if f.required {
			required = append(required, f.name)
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	switch t {
	case reflect.TypeFor[HTTPAuth]():
		s["minProperties"], s["maxProperties"] = 1, 1
	case reflect.TypeFor[Target]():
		s["oneOf"] = []object{{"required": []string{"postgres"}}, {"required": []string{"ssh"}}, {"required": []string{"http"}}}
	}
	return s
}

func (g *generator) value(t reflect.Type, f field) object {
	text := func(pattern string) object { return object{"type": "string", "pattern": pattern} }
	switch {
	case t == reflect.TypeFor[Duration]():
		return text(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)
	case t == reflect.TypeFor[ClockTime]():
		return text(`^([01][0-9]|2[0-4]):[0-5][0-9]$`)
	case t == reflect.TypeFor[Size]():
		return text(`^[0-9]+(B|KiB|MiB|GiB)$`)
	case t == reflect.TypeFor[Secret]():
		return text(`^(env:[A-Za-z_][A-Za-z0-9_]*$|file:/|exec:\s*[/\[])`)
	case t == reflect.TypeFor[netip.Prefix]():
		return text(`^[0-9a-fA-F.:]+(/[0-9]{1,3})?$`)
	case t == reflect.TypeFor[ClaimValues]():
		one := object{"type": []string{"string", "boolean", "number"}}
		return object{"oneOf": []object{one, {"type": "array", "items": one, "minItems": 1, "uniqueItems": true}}}
	case t == reflect.TypeFor[Selector]():
		return object{"oneOf": []object{{"type": "array", "items": object{"type": "string"}, "minItems": 1, "uniqueItems": true}, g.reference(t)}}
	case isScalar(t) && len(f.enum) > 0, t == reflect.TypeFor[slog.Level]():
		words := []any{}
		for _, w := range f.enum {
			if words = append(words, w); w == "null" {
				words = append(words, nil) // as YAML reads the word without quotes
			}
		}
		return object{"enum": words}
	case t.Kind() == reflect.String:
		return text(`^\S(.*\S)?$`)
	case t.Kind() == reflect.Bool:
		return object{"type": "boolean"}
	case t.Kind() == reflect.Int:
		s := object{"type": "integer"}
		for key, bound := range map[string]string{"minimum": f.min, "maximum": f.max} {
			if n, err := strconv.Atoi(bound); err == nil {
				s[key] = n
			}
		}
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.value(t.Elem(), f)
	case reflect.Slice:
		return object{"type": "array", "items": g.value(t.Elem(), f.element()), "minItems": 1, "uniqueItems": true}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": g.value(t.Elem(), f.element())}
	}
	return g.reference(t)
}

func (g *generator) reference(t reflect.Type) object {
	if g.defs[t.Name()] == nil {
		g.defs[t.Name()] = true // so that a type within itself ends
		s := g.structure(t)
		s["description"] = g.docs[t.Name()]
		g.defs[t.Name()] = s
	}
	return object{"$ref": "#/$defs/" + t.Name()}
}

func TestSchemaIsCurrent(t *testing.T) {
	g := &generator{docs: comments(t), defs: object{}}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(g.file()); err != nil {
		t.Fatal(err)
	}
	golden(t, "schema.json", b.Bytes())
}

// golden compares got with a file, or writes the file with -update.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not current; run go test ./configs -run Current -update\n%s", file, diff)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sallyport.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("sallyport.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML text as a JSON value.
func asJSON(text []byte) (any, error) {
	b, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(b))
}

func TestSchemaAcceptsTheExamples(t *testing.T) {
	s := compiled(t)
	files, _ := filepath.Glob("examples/*.yaml")
	if len(files) < 3 {
		t.Fatal("no examples")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v, err := asJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := compiled(t)
	good, err := os.ReadFile("examples/team.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"listen: 10.0.4.7:7400", "lisen: 10.0.4.7:7400"},
		{"allow: [read]", "allow: [delete]"},
		{"within: 30m", "within: 30"},
		{"bytes: 256KiB", "bytes: 256"},
		{`"env:STAGING_PASSWORD"`, `"hunter2"`},
		{"count: 1", "count: 0"},
		{"    who: {groups: [support-agents]}\n", ""},
		{"environment: staging}", "envronment: staging}"},
		{"metrics:", "policy: {rego: []}\nmetrics:"},
	} {
		text := strings.Replace(string(good), change[0], change[1], 1)
		if text == string(good) {
			t.Fatal("nothing to change:", change[0])
		}
		v, err := asJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(v) == nil {
			t.Errorf("accepted with %s", change[1])
		}
	}
}
