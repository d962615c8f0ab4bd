package httpapi

import (
	"encoding/json"
	"fmt"
	"slices"

	"sallyport/tools"
)

// maxRPCMethod bounds a method name.
const maxRPCMethod = 200

// parseRPC understands the body of a request to a JSON-RPC 2.0 endpoint and returns its method: one object with an id,
// because a notification is never answered and a batch hides its parts.
func parseRPC(body []byte) (string, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return "", unclear("a JSON-RPC request that is not one object (batches are not supported)", `send body: {"jsonrpc": "2.0", "id": 1, "method": "..."}`)
	}
	var version, method string
	for key, raw := range members {
		ok := true
		switch key {
		case "jsonrpc":
			ok = json.Unmarshal(raw, &version) == nil
		case "method":
			ok = json.Unmarshal(raw, &method) == nil
		case "params":
			ok = raw[0] == '{' || raw[0] == '['
		case "id":
			ok = raw[0] == '"' || raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9'
		default:
			ok = false
		}
		if !ok {
			return "", unclear("the member "+fmt.Sprintf("%q", printable(key, 40))+" of a JSON-RPC request", "send jsonrpc, id, method and params, as JSON-RPC 2.0 has them")
		}
	}
	switch {
	case version != "2.0":
		return "", unclear("a JSON-RPC request of another version", `send "jsonrpc": "2.0"`)
	case method == "" || len(method) > maxRPCMethod || printable(method, maxRPCMethod) != method:
		return "", unclear("a JSON-RPC request without a usable method", "")
	case members["id"] == nil:
		return "", unclear("a JSON-RPC notification", "send an id, so that there is an answer")
	}
	return method, nil
}

// effect of a method: a read only if the operator says so.
func (j *JSONRPC) effect(method string) tools.Effect {
	if slices.ContainsFunc(j.Read, func(p string) bool { return globMatch(p, method) }) {
		return tools.Read
	}
	return tools.Write
}
