package mcpserver

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
)

// tool is one line of what an agent can call: its contract in words and schema, and what is promised about its effect.
type tool struct {
	name        string
	title       string
	description string
	parameters  string // JSON: the members of the input schema's properties
	required    string // JSON: an array of names

	// The annotations. They drive what clients run without asking their user, so they must be true; the gateway's own
	// classification decides, whatever they say. destructive also decides which OAuth scope a call needs.
	readOnly, destructive, idempotent, openWorld bool
	// explains: the parameter "arguments" holds the arguments of the tool named by the parameter "tool".
	explains bool

	byFold map[string]string // parameter names by their folded form; set by prepared
}

// table is every tool, in the order of a first conversation. Adding a tool is adding a line; the golden list and its token
// budget are in tools_test.go. Nothing that approves, grants or administers is ever a tool.
var table = []tool{
	{
		name: "list_targets", title: "List targets", readOnly: true, idempotent: true,
		description: "Lists the targets (databases) you can use: name, kind, environment, the tools and effects allowed on each, the limits of one call " +
			"(rows, bytes, seconds) and whether a person may have to approve. Start here: names cannot be guessed, and what is not listed does not exist for you.",
		parameters: `"kind":{"type":"string","description":"Only this kind, for example postgres"},` +
			`"text":{"type":"string","description":"Only targets with this in name, environment or labels"}`,
	},
	{
		name: "describe_target", title: "Describe a target", readOnly: true, idempotent: true,
		description: "Describes one target in depth, from its catalog only; for rows use query. Go step by step: without `path` the schemas, with " +
			"`path: \"sales\"` its tables, with `path: \"sales.orders\"` its columns, with types, keys and which are masked.",
		parameters: `"target":{"type":"string","description":"A name from list_targets"},` +
			`"path":{"type":"string","description":"schema, or schema.table"},` +
			`"detail":{"type":"string","enum":["names","summary","full"],"default":"summary"}`,
		required: `["target"]`,
	},
	{
		name: "query", title: "Read from a database", readOnly: true,
		description: "Runs one read-only SQL statement on a PostgreSQL target and returns rows as JSON. For changes use query_write. Qualify tables with their schema " +
			"(describe_target shows them); values go in `params` as $1, $2: `sql: \"select id, total from sales.orders where customer_id = $1 limit 50\", params: [42]`. " +
			"Rows, bytes and seconds are limited per target (often 200 rows, 256 KiB, 10 s; list_targets says); you cannot raise them. `truncated` says there is more: narrow " +
			"or aggregate, do not page through everything. Masked columns return placeholders: select them plainly, never write them back. " +
			"If status is approval_pending nothing has run: follow `next`.",
		parameters: `"target":{"type":"string","description":"A name from list_targets"},` +
			`"sql":{"type":"string","description":"One SELECT statement, no trailing second one"},` +
			`"params":{"type":"array","items":{},"description":"Values of $1, $2, ..."},` +
			`"reason":{"type":"string","maxLength":500,"description":"Why, for the people who may be asked"}`,
		required: `["target","sql"]`,
	},
	{
		name: "query_write", title: "Change a database", destructive: true,
		description: "Runs one SQL statement that changes data or schema on a PostgreSQL target; for reading use query. People may be asked first, which can take minutes: " +
			"the call waits up to 45 s, then returns status approval_pending, and nothing has run until a result says executed: yes. Then repeat the identical call or use " +
			"get_call; it runs once. Always bound it: `sql: \"update sales.orders set status = $1 where id = $2\", params: [\"shipped\", 42]`. " +
			"If executed is unknown, check before you send it again.",
		parameters: `"target":{"type":"string","description":"A name from list_targets"},` +
			`"sql":{"type":"string","description":"One statement"},` +
			`"params":{"type":"array","items":{},"description":"Values of $1, $2, ..."},` +
			`"reason":{"type":"string","maxLength":500,"description":"Why; shown to the approvers as your claim"}`,
		required: `["target","sql","reason"]`,
	},
	{
		name: "explain_access", title: "Would it be allowed?", readOnly: true, idempotent: true,
		description: "Says what would happen to a call of query or query_write: allowed, asked (of whom) or denied, why, and which objects it touches. Runs nothing, asks nobody. " +
			"Use it when a call was denied or before a risky one, not before every call.",
		parameters: `"tool":{"type":"string","description":"query or query_write"},` +
			`"arguments":{"type":"object","description":"Exactly the arguments of that call"}`,
		required: `["tool","arguments"]`,
		explains: true,
	},
	{
		name: "get_call", title: "Result of an earlier call", readOnly: true, idempotent: true,
		description: "Returns the state or the result of an earlier call of yours, for example one that waits for approval, and waits up to `wait_seconds` for news. " +
			"Once people have approved, the call itself runs, once. Results are kept for some minutes only.",
		parameters: `"call_id":{"type":"string","description":"From an earlier result"},` +
			`"wait_seconds":{"type":"integer","minimum":0,"maximum":55,"default":0}`,
		required: `["call_id"]`,
	},
	{
		name: "cancel_call", title: "Withdraw a call", idempotent: true,
		description: "Withdraws a call of yours that waits for approval, or cancels it on the target while it runs. A call that is over stays as it is.",
		parameters:  `"call_id":{"type":"string","description":"From an earlier result"}`,
		required:    `["call_id"]`,
	},
}

// output is the schema of the result envelope, the same for every tool.
const output = `{"type":"object","required":["status","call_id","executed"],"properties":{` +
	`"status":{"type":"string"},"call_id":{"type":"string"},"executed":{"type":"string","enum":["yes","no","unknown"]},` +
	`"data":{"type":"object"},"truncated":{"type":"object"},"masking":{"type":"object"},"approval":{"type":"object"},` +
	`"error":{"type":"object"},"replayed":{"type":"boolean"},"next":{"type":"object"}}}`

func (t tool) input() json.RawMessage {
	required := ""
	if t.required != "" {
		required = `"required":` + t.required + `,`
	}
	return json.RawMessage(`{"type":"object","additionalProperties":false,` + required + `"properties":{` + t.parameters + `}}`)
}

func (t tool) definition() mcp.Tool {
	no := false
	d := mcp.Tool{Name: t.name, Title: t.title, Description: t.description, RawInputSchema: t.input(), RawOutputSchema: json.RawMessage(output)}
	d.Annotations = mcp.ToolAnnotation{ReadOnlyHint: &t.readOnly, OpenWorldHint: &t.openWorld}
	if !t.readOnly { // the other two mean nothing where nothing changes
		d.Annotations.DestructiveHint, d.Annotations.IdempotentHint = &t.destructive, &t.idempotent
	}
	if !t.openWorld {
		d.Annotations.OpenWorldHint = &no
	}
	return d
}

func (t tool) prepared() tool {
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(t.input(), &schema); err != nil {
		panic("tool " + t.name + ": " + err.Error()) // a constant of this package
	}
	t.byFold = map[string]string{}
	for name := range schema.Properties {
		t.byFold[fold(name)] = name
	}
	return t
}

// wrongArguments says what of args, which passed checkStrict, could be read in two ways: Go takes "SQL" for "sql", others
// do not. Whether the arguments make sense is the gateway's to say. "" is fine.
func (t tool) wrongArguments(s *Server, args []byte) string {
	if args == nil {
		return ""
	}
	if args[0] != '{' {
		return "arguments is not a JSON object"
	}
	var named, inner []byte
	err := members(args, func(key string, from, to int) error {
		if want, ok := t.byFold[fold(key)]; ok && want != key {
			return fmt.Errorf("a parameter is written in another letter case: write %q", want)
		}
		switch {
		case t.explains && key == "tool":
			named = args[from:to]
		case t.explains && key == "arguments" && args[from] == '{':
			inner = args[from:to]
		}
		return nil
	})
	if err == nil && inner != nil && named != nil {
		if explained, ok := s.tools[text(named)]; ok && !explained.explains {
			if problem := explained.wrongArguments(s, inner); problem != "" {
				err = errors.New("arguments: " + problem)
			}
		}
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
