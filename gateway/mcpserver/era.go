package mcpserver

import (
	"errors"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// fault is a JSON-RPC error as it goes to the client.
type fault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func mismatch(why string) *fault { return &fault{Code: mcp.HEADER_MISMATCH, Message: why} }

// era says whether m is of the stateless protocol (2026-07-28), or why headers and body do not belong together. A proxy in
// front may have decided by the headers, so that they must say what the body says.
func (s *Server) era(h http.Header, m *message) (modern bool, f *fault) {
	for _, name := range []string{mcp.HeaderProtocolVersion, mcp.HeaderMethod, mcp.HeaderName} {
		if len(h[http.CanonicalHeaderKey(name)]) > 1 {
			return false, mismatch(name + " header is repeated")
		}
	}
	version := h.Get(mcp.HeaderProtocolVersion)
	if !mcp.IsModernProtocol(version) && !mcp.IsModernProtocol(m.metaVersion) {
		if version != "" && !mcp.IsValidProtocolVersion(version) {
			return false, &fault{Code: mcp.INVALID_REQUEST, Message: "unsupported protocol version"}
		}
		return false, nil
	}
	switch {
	case h.Get(mcp.HeaderLastEventID) != "":
		return true, mismatch("Last-Event-ID is not served: streams are not resumable, send the request again with a new id")
	case version == "":
		return true, mismatch(mcp.HeaderProtocolVersion + " header is missing")
	case m.metaVersion == "" && m.id != nil:
		return true, &fault{Code: mcp.INVALID_PARAMS, Message: "_meta lacks " + mcp.MetaKeyProtocolVersion}
	case m.metaVersion != "" && version != m.metaVersion:
		return true, mismatch(mcp.HeaderProtocolVersion + " header does not match _meta")
	case !mcp.IsValidProtocolVersion(version):
		e := mcp.UnsupportedProtocolVersionError{Version: version, Supported: mcp.ValidProtocolVersions}.JSONRPCError().Error
		return true, &fault{Code: e.Code, Message: e.Message, Data: e.Data}
	case m.id == nil:
		return true, nil // nothing is done with a notification
	}
	err := mcp.ValidateStandardHeaders(h.Get, version, mcp.MCPMethod(m.method), m.params)
	if t := s.inHeaders[m.name]; err == nil && t != nil && m.method == methodCall {
		err = mcp.ValidateParamHeadersLookup(lookup(h), t, m.params)
	}
	if err == nil && taskMethods[m.method] {
		name, ok := mcp.DecodeHeaderValue(h.Get(mcp.HeaderName))
		if !ok || name == "" || name != m.taskID {
			err = mcp.HeaderMismatchError{Header: mcp.HeaderName}
		}
	}
	if wrong := (mcp.HeaderMismatchError{}); errors.As(err, &wrong) {
		return true, mismatch(wrong.Header + " header is missing or does not match the body")
	}
	if err != nil {
		return true, mismatch("the headers do not match the body")
	}
	return true, nil
}

func lookup(h http.Header) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v := h.Values(name)
		if len(v) == 0 {
			return "", false
		}
		return v[0], true
	}
}

// statusOf is the HTTP status the stateless protocol wants with a JSON-RPC error; the older one wants 200.
func statusOf(code int, modern bool) int {
	if !modern {
		return http.StatusOK
	}
	switch code {
	case mcp.METHOD_NOT_FOUND:
		return http.StatusNotFound
	case mcp.HEADER_MISMATCH, mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, mcp.UNSUPPORTED_PROTOCOL_VERSION, mcp.INVALID_REQUEST, mcp.INVALID_PARAMS, mcp.PARSE_ERROR:
		return http.StatusBadRequest
	}
	return http.StatusOK
}
