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
		description: "Lists the targets (databases, hosts, APIs) you can use: name, kind, environment, the tools and effects allowed on each, the limits of one call " +
			"(rows, bytes, seconds) and whether a person may have to approve. Start here: what is not listed does not exist for you.",
		parameters: `"kind":{"type":"string","enum":["postgres","ssh","http"]},` +
			`"text":{"type":"string","description":"Only targets with this in name, environment or labels"}`,
	},
	{
		name: "describe_target", title: "Describe a target", readOnly: true, idempotent: true,
		description: "Describes one target in depth, without touching its data. Databases, step by step: without `path` the schemas, with " +
			"`path: \"sales\"` its tables, with `path: \"sales.orders\"` its columns, with types, keys and which are masked. Hosts: the commands that are understood, with " +
			"`path` one of them. APIs: the operations, with `path` one of them.",
		parameters: `"target":{"type":"string","description":"A name from list_targets"},` +
			`"path":{"type":"string","description":"schema, schema.table; a command; an operation"},` +
			`"detail":{"type":"string","enum":["names","summary","full"],"default":"summary"}`,
		required: `["target"]`,
	},
	{
		name: "query", title: "Read from a database", readOnly: true,
		description: "Runs one read-only SQL statement on a PostgreSQL target and returns rows as JSON. For changes use query_write. Qualify tables with their schema " +
			"(describe_target shows them); values go in `params` as $1, $2: `sql: \"select id, total from sales.orders where customer_id = $1 limit 50\", params: [42]`. " +
			"Limits (often 200 rows, 256 KiB, 10 s; list_targets says) cannot be raised. `truncated` says there is more: narrow " +
			"or aggregate. Masked columns return placeholders: select them plainly, never write them back. " +
			"On approval_pending nothing has run: follow `next`.",
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
			"If executed is unknown, check first.",
		parameters: `"target":{"type":"string","description":"A name from list_targets"},` +
			`"sql":{"type":"string","description":"One statement"},` +
			`"params":{"type":"array","items":{},"description":"Values of $1, $2, ..."},` +
			`"reason":{"type":"string","maxLength":500,"description":"Why; shown to the approvers as your claim"}`,
		required: `["target","sql","reason"]`,
	},
	{
		name: "exec", title: "Run a command on a host", destructive: true, openWorld: true,
		description: "Runs one command on an SSH target, without a terminal; returns exit code, stdout and stderr. Prefer `argv`, one word an element, nothing is expanded: " +
			"`argv: [\"journalctl\", \"-u\", \"nginx\", \"-n\", \"100\"]`. `command` takes text: literal words with | && || ; between commands, no variables or globs, where the scope allows it. " +
			"What is not understood is refused (describe_target lists commands). Changes need `reason` and may wait for a person: on approval_pending nothing has run. A non-zero exit is a result.",
		parameters: `"target":{"type":"string","description":"A name from list_targets"},` +
			`"argv":{"type":"array","items":{"type":"string"},"description":"The program and its arguments"},` +
			`"command":{"type":"string","description":"Instead of argv"},` +
			`"stdin":{"type":"string"},` +
			`"cwd":{"type":"string","description":"Absolute directory"},` +
			`"reason":{"type":"string","maxLength":500,"description":"Why; needed for changes, shown to the approvers as your claim"}`,
		required: `["target"]`,
	},
	{
		name: "http", title: "Call an HTTP API", destructive: true, openWorld: true,
		description: "Sends one request to an HTTP target; returns status, headers and body. `path` is relative to the target, never a URL, with its query string: " +
			"`method: \"GET\", path: \"/v1/invoices?status=open&limit=20\"`. The gateway adds the credential. Redirects are not followed. Other methods than GET and HEAD need `reason` " +
			"and may wait for a person: on approval_pending nothing was sent. A 4xx or 5xx is a result: read its body.",
		parameters: `"target":{"type":"string","description":"A name from list_targets"},` +
			`"method":{"type":"string","enum":["GET","HEAD","POST","PUT","PATCH","DELETE"]},` +
			`"path":{"type":"string","description":"Begins with /"},` +
			`"headers":{"type":"object","additionalProperties":{"type":"string"}},` +
			`"body":{"description":"JSON, or a string as text"},` +
			`"reason":{"type":"string","maxLength":500,"description":"Why; needed for changes, shown to the approvers as your claim"}`,
		required: `["target","method","path"]`,
	},
	{
		name: "explain_access", title: "Would it be allowed?", readOnly: true, idempotent: true,
		description: "Says what would happen to a call of query, query_write, exec or http: allowed, asked (of whom) or denied, why, what it touches, and what to do instead (`alternatives`). Runs nothing, asks nobody. " +
			"Use it when a call was denied, not before every call.",
		parameters: `"tool":{"type":"string","enum":["query","query_write","exec","http"]},` +
			`"arguments":{"type":"object","description":"Exactly the arguments of that call"}`,
		required: `["tool","arguments"]`,
		explains: true,
	},
	{
		name: "get_call", title: "Result of an earlier call", readOnly: true, idempotent: true,
		description: "Returns the state or the result of an earlier call of yours, and waits up to `wait_seconds` for news. " +
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
const output = `{"type":"object","required":["status","call_id","executed"],"properties":{"status":{"type":"string"},"call_id":{"type":"string"},` +
	`"executed":{"enum":["yes","no","unknown"]},"data":{"type":"object"},"error":{"type":"object"},"next":{"type":"object"}}}`

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
