package mcpserver

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/mark3labs/mcp-go/mcp"
)

// message is one JSON-RPC message of a client, as far as the transport needs to know it. The slices point into body.
type message struct {
	body   []byte
	id     []byte // as it was written; nil in a notification
	idKey  string // the id decoded: two spellings of one id are one key
	method string
	params []byte // an object, or nil
	at     int    // where params stands in body

	name             string // of the tool, prompt
	args             []byte // arguments of tools/call as they were written; nil when absent or null
	argsFrom, argsTo int    // where they stand in body
	cancels          string // idKey of what notifications/cancelled names; "" when it names nothing

	metaVersion   string // protocol version in _meta; "" in a legacy message
	clientName    string // self-reported: for display and waiting, never security
	tasks         bool   // the client takes a task in place of a result, for this request
	taskID        string // of tasks/get, tasks/update, tasks/cancel
	progressToken []byte // as it was written; nil when the client wants no progress
}

// The keys the protocol gives a meaning, by their folded form. mcp-go matches keys in any letter case, others do not.
var protocolKeys = func() map[string]string {
	m := map[string]string{}
	for _, k := range []string{"jsonrpc", "id", "method", "params", "result", "error", "name", "arguments", "_meta", "cursor", "uri", "protocolVersion",
		"capabilities", "clientInfo", "requestId", "reason", "task", "inputResponses", "requestState", "level", "ref", "argument", "context",
		"notifications", "progressToken", "taskId", mcp.MetaKeyProtocolVersion, mcp.MetaKeyClientInfo, mcp.MetaKeyClientCapabilities, mcp.MetaKeyLogLevel} {
		m[fold(k)] = k
	}
	return m
}()

func protocolKey(key string) error {
	if want, ok := protocolKeys[fold(key)]; ok && want != key {
		return errProtoCase
	}
	return nil
}

// parse reads a body strictly. The message it returns with an error holds the id, when there was one to read, so that the
// refusal can name it.
func parse(body []byte) (m message, err error) {
	m.body = body
	if err := checkStrict(body); err != nil {
		return m, err
	}
	var version, method []byte
	err = members(body, func(key string, from, to int) error {
		switch v := body[from:to]; key {
		case "jsonrpc":
			version = v
		case "id":
			m.id = v
		case "method":
			method = v
		case "params":
			m.params, m.at = v, from
		case "result", "error":
			return errAnswer
		default:
			return protocolKey(key)
		}
		return nil
	})
	if m.id != nil {
		if m.idKey = idKey(m.id); m.idKey == "" {
			m.id = nil
			return m, errBadID
		}
	}
	switch {
	case err != nil:
		return m, err
	case !bytes.Equal(version, []byte(`"2.0"`)):
		return m, errNotVersion
	case method == nil || method[0] != '"':
		return m, errNoMethod
	}
	m.method = decodeKey(method)
	if m.params == nil {
		return m, nil
	}
	if m.params[0] != '{' {
		return m, errBadParams
	}
	return m, m.parseParams()
}

func (m *message) parseParams() error {
	return members(m.params, func(key string, from, to int) error {
		v := m.params[from:to]
		switch key {
		case "name":
			m.name = text(v)
		case "arguments":
			if m.method == string(mcp.MethodToolsCall) && string(v) != "null" {
				m.args, m.argsFrom, m.argsTo = v, m.at+from, m.at+to
			}
		case "requestId":
			m.cancels = idKey(v)
		case "taskId":
			m.taskID = text(v)
		case "_meta":
			if v[0] == '{' {
				return m.parseMeta(v)
			}
		default:
			return protocolKey(key)
		}
		return nil
	})
}

func (m *message) parseMeta(meta []byte) error {
	return members(meta, func(key string, from, to int) error {
		v := meta[from:to]
		switch key {
		case "progressToken":
			if idKey(v) != "" { // same shape: a string or an integer
				m.progressToken = v
			}
		case mcp.MetaKeyProtocolVersion:
			m.metaVersion = text(v)
		case mcp.MetaKeyClientInfo:
			if v[0] == '{' {
				return members(v, func(key string, from, to int) error {
					if key == "name" {
						m.clientName = printable(text(v[from:to]))
					}
					return nil
				})
			}
		case mcp.MetaKeyClientCapabilities:
			m.tasks = has(v, "extensions", extensionTasks)
		default:
			return protocolKey(key)
		}
		return nil
	})
}

// has reports whether v is an object that holds an object under each of the keys, one inside the other.
func has(v []byte, keys ...string) (found bool) {
	if v[0] != '{' || len(keys) == 0 {
		return v[0] == '{'
	}
	_ = members(v, func(key string, from, to int) error { // v was read strictly before: there is nothing left to refuse
		if key == keys[0] {
			found = has(v[from:to], keys[1:]...)
		}
		return nil
	})
	return found
}

// forDispatch is the body with the arguments of tools/call taken out: the handler gets their exact bytes, and mcp-go, which
// decodes a message six times and loses precision on the way, has nothing of them to read.
func (m *message) forDispatch() []byte {
	if m.args == nil {
		return m.body
	}
	out := make([]byte, 0, len(m.body)-len(m.args)+2)
	out = append(append(out, m.body[:m.argsFrom]...), "{}"...)
	return append(out, m.body[m.argsTo:]...)
}

// idKey decodes a JSON-RPC id: a string or an integer. "" says it is neither, or unreasonably long.
func idKey(raw []byte) string {
	switch {
	case len(raw) == 0 || len(raw) > 256:
		return ""
	case raw[0] == '"':
		return "s" + decodeKey(raw)
	case bytes.ContainsAny(raw, ".eE") || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9'):
		return ""
	}
	return "n" + string(raw)
}

// text decodes a raw value that should be a string; "" when it is not.
func text(raw []byte) string {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// printable cuts what a client says of itself to something that can stand in a log line.
func printable(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		if n++; n > 64 || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}
