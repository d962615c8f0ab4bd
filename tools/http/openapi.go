package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"sallyport/tools"
)

// effectKey is the extension by which a document says what an operation does: read, write, define or admin. A POST that
// only searches is a read; a GET that has effects exists too.
const effectKey = "x-sallyport-effect"

// operations is an OpenAPI document compiled to a table. Read-only.
type operations struct {
	list []*operation // literal segments before parameters, so that the first match is the right one
	// patterns is false when a pattern in the document is not one that Go's regular expressions know; no pattern is then
	// checked, the rest of each schema is.
	patterns bool
	options  []openapi3.SchemaValidationOption
}

// operation is one method on one path template.
type operation struct {
	id       string // operationId; may be ""
	method   string
	template string // "/v1/invoices/{id}"
	segments []segment
	effect   tools.Effect
	spec     *openapi3.Operation
	params   openapi3.Parameters // those of the path and of the operation
	body     *openapi3.RequestBody
}

// name is the operation as policy sees it beside its id.
func (o *operation) name() string { return o.method + " " + o.template }

// loadOperations reads and checks a document. References to other files are refused: the document is one configured text.
func loadOperations(doc []byte) (*operations, error) {
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = false
	t, err := loader.LoadFromData(doc)
	if err != nil {
		return nil, err
	}
	ops := &operations{patterns: true}
	options := []openapi3.ValidationOption{openapi3.DisableExamplesValidation()}
	if err := t.Validate(context.Background(), options...); err != nil {
		options = append(options, openapi3.DisableSchemaPatternValidation())
		if err := t.Validate(context.Background(), options...); err != nil {
			return nil, err
		}
		ops.patterns = false
	}
	ops.options = []openapi3.SchemaValidationOption{openapi3.VisitAsRequest()}
	if t.IsOpenAPI31OrLater() {
		ops.options = append(ops.options, openapi3.EnableJSONSchema2020())
	}
	if !ops.patterns {
		ops.options = append(ops.options, openapi3.DisablePatternValidation())
	}
	ids := map[string]bool{}
	for template, item := range t.Paths.Map() {
		for method, spec := range item.Operations() {
			o, err := newOperation(method, template, item, spec)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, template, err)
			}
			if o.id != "" && ids[o.id] {
				return nil, fmt.Errorf("operationId %q is used twice", o.id)
			}
			ids[o.id] = true
			ops.list = append(ops.list, o)
		}
	}
	if len(ops.list) == 0 {
		return nil, errors.New("describes no operation")
	}
	slices.SortFunc(ops.list, func(a, b *operation) int {
		if c := compareSegments(a.segments, b.segments); c != 0 {
			return c
		}
		return strings.Compare(a.name(), b.name())
	})
	return ops, nil
}

func newOperation(method, template string, item *openapi3.PathItem, spec *openapi3.Operation) (*operation, error) {
	o := &operation{id: spec.OperationID, method: method, template: template, effect: methodEffect(method), spec: spec}
	if strings.ContainsAny(o.id, " :*") {
		return nil, fmt.Errorf("operationId %q: spaces, colons and stars have a meaning in scopes; rename it", o.id)
	}
	for _, s := range strings.Split(strings.TrimPrefix(template, "/"), "/") {
		seg, err := newSegment(s)
		if err != nil {
			return nil, err
		}
		o.segments = append(o.segments, seg)
	}
	if v, ok := spec.Extensions[effectKey]; ok {
		e, _ := v.(string)
		o.effect = tools.Effect(e)
		if !slices.Contains([]tools.Effect{tools.Read, tools.Write, tools.Define, tools.Admin}, o.effect) {
			return nil, fmt.Errorf("%s is %v; use read, write, define or admin", effectKey, v)
		}
	}
	o.params = append(slices.Clone(item.Parameters), spec.Parameters...)
	if spec.RequestBody != nil {
		o.body = spec.RequestBody.Value
	}
	return o, nil
}

// methodEffect is what a method does unless something better is known (RFC 9110 section 9.2.1).
func methodEffect(method string) tools.Effect {
	if method == "GET" || method == "HEAD" {
		return tools.Read
	}
	return tools.Write
}

// match finds the operation of a request. HEAD is answered by GET's operation where the document has none of its own.
func (ops *operations) match(method string, segments []string) *operation {
	for _, o := range ops.list {
		if o.method == method && matchSegments(o.segments, segments) && o.fits(ops, segments) {
			return o
		}
	}
	if method == "HEAD" {
		if o := ops.match("GET", segments); o != nil && o.effect == tools.Read {
			return o
		}
	}
	return nil
}

// fits holds the values in the path against their parameters' schemas: "export" is no {id} that is an integer, so it is
// another operation, and an undocumented one.
func (o *operation) fits(ops *operations, segments []string) bool {
	for _, p := range o.params {
		if p.Value == nil || p.Value.In != openapi3.ParameterInPath || p.Value.Schema == nil || p.Value.Schema.Value == nil {
			continue
		}
		for i, s := range o.segments {
			if s.param && s.name == p.Value.Name && p.Value.Schema.Value.VisitJSON(typed(s.value(segments[i]), p.Value.Schema), ops.options...) != nil {
				return false
			}
		}
	}
	return true
}

// typed is the text of a path parameter as its schema's type.
func typed(text string, schema *openapi3.SchemaRef) any {
	types := schema.Value.Type
	if types != nil && (types.Includes("integer") || types.Includes("number")) && strings.Trim(text, "-0123456789.") == "" && json.Valid([]byte(text)) {
		return json.Number(text)
	}
	if types != nil && types.Includes("boolean") && (text == "true" || text == "false") {
		return text == "true"
	}
	return text
}

// checkBody holds the body against the operation's schema.
func (o *operation) checkBody(ops *operations, r *request, media string) error {
	if r.body == nil {
		if o.body != nil && o.body.Required {
			return &tools.ArgError{Field: "body", Problem: "is required by " + o.name(), Fix: "describe_target with detail full shows its schema"}
		}
		return nil
	}
	if o.body == nil {
		return &tools.ArgError{Field: "body", Problem: o.name() + " takes none", Fix: "leave body out"}
	}
	content := o.body.Content.Get(media)
	if content == nil {
		accepted := make([]string, 0, len(o.body.Content))
		for m := range o.body.Content {
			accepted = append(accepted, m)
		}
		slices.Sort(accepted)
		return &tools.ArgError{Field: "body", Problem: o.name() + " does not take " + media, Fix: "send " + strings.Join(accepted, " or ")}
	}
	if content.Schema == nil || content.Schema.Value == nil || !isJSON(media) {
		return nil
	}
	v, err := decodeNumbers(r.body)
	if err != nil {
		return &tools.ArgError{Field: "body", Problem: errNotJSON.Error()}
	}
	if err := content.Schema.Value.VisitJSON(v, ops.options...); err != nil {
		return schemaError(o, err)
	}
	return nil
}

// schemaError names the place and the rule, never the value.
func schemaError(o *operation, err error) error {
	arg := &tools.ArgError{Field: "body", Problem: "does not fit the schema of " + o.name(), Fix: "describe_target with detail full shows it"}
	var s *openapi3.SchemaError
	if errors.As(err, &s) {
		for _, p := range s.JSONPointer() {
			arg.Field += "." + printable(p, 60)
		}
		reason := s.Reason
		if _, at, ok := strings.Cut(reason, "\n- at '"); ok { // the validator of OpenAPI 3.1 leads with the schema's address
			_, reason, _ = strings.Cut(at, "': ")
		}
		if reason != "" {
			arg.Problem = printable(reason, 200)
		}
	}
	return arg
}

// onlyJSON reports whether JSON is all that the operation takes.
func (o *operation) onlyJSON() bool {
	if o.body == nil || len(o.body.Content) == 0 {
		return false
	}
	for m := range o.body.Content {
		if !isJSON(mediaOf(m)) {
			return false
		}
	}
	return true
}
