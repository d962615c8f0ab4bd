package httpapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"sallyport/tools"
)

// maxDescribed bounds one description.
const maxDescribed = 200

// Description is what an agent is told of a target.
type Description struct {
	Target     string                 `json:"target"`
	Kind       string                 `json:"kind"` // http
	Note       string                 `json:"note,omitempty"`
	Headers    []string               `json:"request_headers"` // those an agent may set
	Operations []OperationDescription `json:"operations,omitempty"`
	More       string                 `json:"more,omitempty"` // how to see what was left out
	GraphQL    *EndpointDescription   `json:"graphql,omitempty"`
	JSONRPC    *EndpointDescription   `json:"jsonrpc,omitempty"`
}

// OperationDescription is one operation of the OpenAPI document.
type OperationDescription struct {
	ID         string                 `json:"id,omitempty"`
	Operation  string                 `json:"operation"` // "GET /v1/invoices/{id}"
	Effect     tools.Effect           `json:"effect"`
	Summary    string                 `json:"summary,omitempty"`
	Parameters []ParameterDescription `json:"parameters,omitempty"` // detail full
	Body       any                    `json:"body,omitempty"`       // detail full: JSON schema by media type
}

// ParameterDescription is one parameter of an operation.
type ParameterDescription struct {
	Name     string `json:"name"`
	In       string `json:"in"` // path, query or header
	Required bool   `json:"required,omitempty"`
	Type     string `json:"type,omitempty"`
	About    string `json:"about,omitempty"`
}

// EndpointDescription is a GraphQL or JSON-RPC endpoint.
type EndpointDescription struct {
	Path  string   `json:"path"`
	Use   string   `json:"use"`
	Reads []string `json:"reads,omitempty"`
}

// Describe lists what is known of a target. path narrows to an operationId, "METHOD /template", or everything at or below
// a path. detail is names, summary (the default) or full. Nothing is sent to the target.
func (a *APIs) Describe(_ context.Context, target, path, detail string) (*Description, error) {
	t, err := a.target(target)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "names", "summary", "full"}, detail) {
		return nil, &tools.ArgError{Field: "detail", Problem: "is not a detail", Fix: "use names, summary or full"}
	}
	d := &Description{Target: target, Kind: "http", Headers: slices.Sorted(maps.Keys(t.headers))}
	if t.GraphQL != nil {
		d.GraphQL = &EndpointDescription{Path: t.GraphQL.Path, Use: "POST {query, variables?}: one document, one operation; queries read, mutations write"}
	}
	if t.JSONRPC != nil {
		d.JSONRPC = &EndpointDescription{Path: t.JSONRPC.Path, Use: `POST {"jsonrpc": "2.0", id, method, params}: one object`, Reads: t.JSONRPC.Read}
	}
	if t.operations == nil {
		d.Note = "no OpenAPI document is configured; paths are relative to the target's base URL; GET and HEAD read, other methods write"
		return d, nil
	}
	matched := 0
	for _, o := range t.operations.list {
		if !o.under(path) {
			continue
		}
		if matched++; matched <= maxDescribed {
			d.Operations = append(d.Operations, o.describe(detail))
		}
	}
	switch {
	case matched == 0:
		return nil, &tools.ArgError{Field: "path", Problem: "matches no operation of this target", Fix: "leave it out to see all, with detail names"}
	case matched > maxDescribed:
		d.More = fmt.Sprintf("%d more; give a path, such as %q", matched-maxDescribed, "/"+t.operations.list[0].segments[0].prefix)
	}
	return d, nil
}

func (o *operation) under(path string) bool {
	switch path = strings.TrimSuffix(path, "/"); {
	case path == "", path == o.id, path == o.name():
		return true
	}
	return o.template == path || strings.HasPrefix(o.template, path+"/")
}

func (o *operation) describe(detail string) OperationDescription {
	d := OperationDescription{ID: o.id, Operation: o.name(), Effect: o.effect}
	if detail == "names" {
		return d
	}
	d.Summary = printable(o.spec.Summary, 200)
	if detail != "full" {
		return d
	}
	if d.Summary == "" {
		d.Summary = printable(o.spec.Description, 400)
	}
	for _, p := range o.params {
		if v := p.Value; v != nil && v.In != "cookie" {
			d.Parameters = append(d.Parameters, ParameterDescription{Name: v.Name, In: v.In, Required: v.Required, Type: typeOf(v.Schema), About: printable(v.Description, 200)})
		}
	}
	if o.body != nil {
		body := map[string]any{}
		for media, c := range o.body.Content {
			body[media] = schemaOf(c.Schema, 0)
		}
		d.Body = body
	}
	return d
}

func typeOf(s *openapi3.SchemaRef) string {
	if s == nil || s.Value == nil || s.Value.Type == nil {
		return ""
	}
	return strings.Join(s.Value.Type.Slice(), " or ")
}

// maxSchemaDepth bounds how far a schema is written out; schemas refer to themselves.
const maxSchemaDepth = 5

// schemaOf writes out what a caller needs of a schema, with references resolved.
func schemaOf(ref *openapi3.SchemaRef, depth int) any {
	if ref == nil || ref.Value == nil {
		return map[string]any{}
	}
	s, out := ref.Value, map[string]any{}
	if t := typeOf(ref); t != "" {
		out["type"] = t
	}
	if depth == maxSchemaDepth {
		return out
	}
	for key, v := range map[string]string{"format": s.Format, "pattern": s.Pattern, "description": printable(s.Description, 200)} {
		if v != "" {
			out[key] = v
		}
	}
	if s.Enum != nil {
		out["enum"] = s.Enum
	}
	if len(s.Required) > 0 {
		out["required"] = s.Required
	}
	if s.Items != nil {
		out["items"] = schemaOf(s.Items, depth+1)
	}
	if len(s.Properties) > 0 {
		properties := map[string]any{}
		for name, p := range s.Properties {
			properties[name] = schemaOf(p, depth+1)
		}
		out["properties"] = properties
	}
	for key, list := range map[string]openapi3.SchemaRefs{"oneOf": s.OneOf, "anyOf": s.AnyOf, "allOf": s.AllOf} {
		for _, p := range list {
			prior, _ := out[key].([]any)
			out[key] = append(prior, schemaOf(p, depth+1))
		}
	}
	return out
}
