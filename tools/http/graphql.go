package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"sallyport/tools"
)

// Bounds of one GraphQL document: what it may ask a server to do, not only how long it is.
const (
	maxGraphQLTokens  = 5000
	maxGraphQLDepth   = 12
	maxGraphQLFields  = 1000 // after fragments are spread
	maxGraphQLAliases = 30
	maxGraphQLName    = 128 // bytes of a field's name; it is shown to people and kept in records
)

// graphqlCall is what a GraphQL request does.
type graphqlCall struct {
	mutation bool
	fields   []string // root fields by their real names, sorted, without duplicates
	unclear  []tools.Unclear
}

func (c *graphqlCall) kind() string {
	if c.mutation {
		return "mutation"
	}
	return "query"
}

// parseGraphQL understands the body of a request to a GraphQL endpoint: one document with exactly one operation, as
// {"query", "variables"?, "operationName"?}. Batches, persisted queries and everything else are not understood.
func parseGraphQL(body []byte, introspection bool) (*graphqlCall, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return nil, unclear("a GraphQL request that is not one JSON object", `send body: {"query": "...", "variables": {...}}`)
	}
	var query, name string
	for key, raw := range members {
		var err error
		switch key {
		case "query":
			err = json.Unmarshal(raw, &query)
		case "operationName":
			err = json.Unmarshal(raw, &name)
		case "variables":
			var object map[string]json.RawMessage
			err = json.Unmarshal(raw, &object)
		default:
			return nil, unclear("the member "+fmt.Sprintf("%q", printable(key, 40))+" of a GraphQL request", "send query, variables and operationName only; persisted queries are not supported")
		}
		if err != nil {
			return nil, unclear("the member "+key+" of a GraphQL request has the wrong type", "query is a string, variables an object")
		}
	}
	if strings.ContainsFunc(strings.ReplaceAll(query, "\r\n", "\n"), notGraphQL) {
		return nil, unclear("a control character or an invisible line end in a GraphQL document", "use spaces, tabs and line feeds only")
	}
	if query == "" {
		return nil, unclear("a GraphQL request without a document", "put the whole document into query; persisted queries are not supported")
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, maxGraphQLTokens)
	if err != nil {
		return nil, graphqlSyntax(query, err)
	}
	if len(doc.Operations) != 1 {
		return nil, unclear(fmt.Sprintf("a GraphQL document with %d operations", len(doc.Operations)), "send exactly one operation")
	}
	op := doc.Operations[0]
	switch {
	case name != "" && name != op.Name:
		return nil, unclear("an operationName that the document does not hold", "leave operationName out")
	case op.Operation == ast.Subscription:
		return nil, &tools.WrongToolError{Construct: "a GraphQL subscription"}
	case op.Operation != ast.Query && op.Operation != ast.Mutation:
		return nil, unclear("a GraphQL operation that is neither query nor mutation", "")
	}
	return walkGraphQL(doc, op, introspection)
}

// notGraphQL are characters that end a comment for some lexers and not for others, or that none of them allows.
func notGraphQL(r rune) bool {
	return r == '\r' || r == '\uFEFF' || unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.In(r, unicode.Zl, unicode.Zp)
}

func unclear(construct, fix string) error {
	return &tools.NotUnderstoodError{Unclear: tools.Unclear{Construct: construct}, Suggestion: fix}
}

// graphqlSyntax says where the document stops making sense, in our own words: the parser's message quotes the document.
func graphqlSyntax(query string, err error) error {
	e := &tools.NotUnderstoodError{Unclear: tools.Unclear{Construct: "the GraphQL document (syntax, or longer than " + fmt.Sprint(maxGraphQLTokens) + " tokens)"}}
	var g *gqlerror.Error
	if errors.As(err, &g) && len(g.Locations) > 0 {
		line := 1
		for i, r := range []rune(query) {
			if line == g.Locations[0].Line {
				e.Position = i + max(g.Locations[0].Column, 1)
				break
			}
			if r == '\n' {
				line++
			}
		}
	}
	return e
}

// walker visits a document with its fragments spread.
type walker struct {
	doc           *ast.QueryDocument
	introspection bool
	open          []string // fragments being spread
	fields        int
	aliases       int
	call          *graphqlCall
}

func walkGraphQL(doc *ast.QueryDocument, op *ast.OperationDefinition, introspection bool) (*graphqlCall, error) {
	w := &walker{doc: doc, introspection: introspection, call: &graphqlCall{mutation: op.Operation == ast.Mutation}}
	w.directives(op.Directives)
	for _, v := range op.VariableDefinitions {
		w.directives(v.Directives)
	}
	if err := w.set(op.SelectionSet, 1, true); err != nil {
		return nil, err
	}
	slices.Sort(w.call.fields)
	w.call.fields = slices.Compact(w.call.fields)
	return w.call, nil
}

func (w *walker) set(set ast.SelectionSet, depth int, root bool) error {
	if depth > maxGraphQLDepth {
		return unclear(fmt.Sprintf("a GraphQL document nested more than %d levels", maxGraphQLDepth), "ask for less depth")
	}
	for _, s := range set {
		var err error
		switch s := s.(type) {
		case *ast.Field:
			err = w.field(s, depth, root)
		case *ast.InlineFragment:
			w.directives(s.Directives)
			err = w.set(s.SelectionSet, depth, root)
		case *ast.FragmentSpread:
			err = w.spread(s, depth, root)
		default:
			err = unclear("a GraphQL selection of an unknown kind", "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) field(f *ast.Field, depth int, root bool) error {
	if w.fields++; w.fields > maxGraphQLFields {
		return unclear(fmt.Sprintf("a GraphQL document with more than %d fields", maxGraphQLFields), "ask for fewer fields")
	}
	if len(f.Name) > maxGraphQLName {
		return unclear(fmt.Sprintf("a GraphQL field with a name longer than %d bytes", maxGraphQLName), "")
	}
	if f.Alias != "" && f.Alias != f.Name {
		if w.aliases++; w.aliases > maxGraphQLAliases {
			return unclear(fmt.Sprintf("a GraphQL document with more than %d aliases", maxGraphQLAliases), "send several calls")
		}
	}
	if (f.Name == "__schema" || f.Name == "__type") && !w.introspection {
		return unclear("GraphQL introspection ("+f.Name+")", "this target does not allow it; describe_target shows what is known")
	}
	if root {
		w.call.fields = append(w.call.fields, f.Name)
	}
	w.directives(f.Directives)
	return w.set(f.SelectionSet, depth+1, false)
}

func (w *walker) spread(s *ast.FragmentSpread, depth int, root bool) error {
	f := w.doc.Fragments.ForName(s.Name)
	switch {
	case f == nil:
		return unclear("a GraphQL fragment that is not defined", "define it in the same document")
	case slices.Contains(w.open, s.Name):
		return unclear("a GraphQL fragment that contains itself", "")
	case len(w.open) >= maxGraphQLDepth:
		return unclear("GraphQL fragments nested too deeply", "")
	}
	w.directives(s.Directives)
	w.directives(f.Directives)
	// An empty chain of fragments costs fields too, or it could double at every level for nothing.
	if w.fields++; w.fields > maxGraphQLFields {
		return unclear(fmt.Sprintf("a GraphQL document with more than %d fields", maxGraphQLFields), "ask for fewer fields")
	}
	w.open = append(w.open, s.Name)
	defer func() { w.open = w.open[:len(w.open)-1] }()
	return w.set(f.SelectionSet, depth, root)
}

// directives notes those that the specification does not define: a server gives them any meaning it likes.
func (w *walker) directives(list ast.DirectiveList) {
	for _, d := range list {
		u := tools.Unclear{Construct: "GraphQL directive @" + d.Name}
		if d.Name != "include" && d.Name != "skip" && !slices.Contains(w.call.unclear, u) {
			w.call.unclear = append(w.call.unclear, u)
		}
	}
}

// objects are the root fields, for policy.
func (c *graphqlCall) objects() []tools.Object {
	var out []tools.Object
	for _, f := range c.fields {
		if f != "__typename" || len(c.fields) == 1 {
			out = append(out, tools.Object{Type: typeGraphQL, Name: "graphql:" + c.kind() + "." + f})
		}
	}
	return out
}

func (c *graphqlCall) summary() string { return "GraphQL " + c.kind() + " of " + c.names(", ") }

// names are the first root fields: a document can ask for hundreds, and its objects list them all.
func (c *graphqlCall) names(separator string) string {
	if n := len(c.fields); n > 12 {
		return strings.Join(c.fields[:12], separator) + fmt.Sprintf("%sand %d more", separator, n-12)
	}
	return strings.Join(c.fields, separator)
}
