package policy

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// InputSchema is the JSON Schema of Input, made from its types: a field added there is in it. The operator's Rego is checked against it
// when it is loaded, and editors and "opa check --schema" can use it.
func InputSchema() []byte {
	s := schemaOf(reflect.TypeFor[Input]())
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = "input of sallyport.operator"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("policy: " + err.Error()) // maps, strings and booleans always encode
	}
	return append(b, '\n')
}

// schemaOf knows the kinds of fields that Input has. A nil list is [] in Rego, a nil pointer null.
func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return map[string]any{} // whatever it is
	case t.Kind() == reflect.Pointer:
		return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, schemaOf(t.Elem())}}
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Interface:
		return map[string]any{}
	case reflect.Struct:
		properties := map[string]any{}
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
				properties[name] = schemaOf(t.Field(i).Type)
			}
		}
		return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	}
	panic("policy: no schema for " + t.String()) // a field of a kind that no test has covered
}
