package httpapi

import (
	"encoding/json"
	"mime"
	"strings"

	"sallyport/tools"
)

// jsonBody requires the body to be strict JSON and sent as such.
func (t *api) jsonBody(r *request, in *inspected) error {
	if r.body == nil {
		return &tools.ArgError{Field: "body", Problem: "is missing", Fix: "send a JSON object"}
	}
	ct, given := r.header("Content-Type")
	if given && mediaOf(ct) != "application/json" {
		return &tools.ArgError{Field: "headers.Content-Type", Problem: "is not application/json", Fix: "leave it out"}
	}
	if in.contentType = "application/json"; given {
		in.contentType = ct
	}
	return t.checkContent(r, in.contentType)
}

// checkBody decides how a body is sent and holds it against the operation, if one is known.
func (t *api) checkBody(r *request, in *inspected, op *operation) error {
	ct, given := r.header("Content-Type")
	if r.body == nil {
		if given {
			return &tools.ArgError{Field: "headers.Content-Type", Problem: "is set, but there is no body", Fix: "leave it out"}
		}
		if op != nil {
			return op.checkBody(t.operations, r, "")
		}
		return nil
	}
	documented := op != nil && op.body != nil
	switch {
	case documented:
	case r.method == "GET", r.method == "HEAD", r.method == "DELETE", r.method == "OPTIONS":
		return &tools.ArgError{Field: "body", Problem: "has no meaning on " + r.method + " here", Fix: "leave body out; put filters into the query string"}
	}
	switch {
	case given:
		in.contentType = ct
	case !r.text || documented && op.onlyJSON():
		in.contentType = "application/json"
	default:
		in.contentType = "text/plain; charset=utf-8"
	}
	if err := t.checkContent(r, in.contentType); err != nil {
		return err
	}
	if op != nil {
		return op.checkBody(t.operations, r, mediaOf(in.contentType))
	}
	return nil
}

// checkContent checks that a body has the one reading its content type promises, and sets nothing that only the gateway
// may set.
func (t *api) checkContent(r *request, contentType string) error {
	media, params, err := mime.ParseMediaType(contentType)
	cs := strings.ToLower(params["charset"])
	switch {
	case err != nil || !strings.Contains(media, "/"):
		return &tools.ArgError{Field: "headers.Content-Type", Problem: "is not a media type", Fix: "leave it out, or send one such as application/json"}
	case strings.HasPrefix(media, "multipart/"):
		return &tools.ArgError{Field: "headers.Content-Type", Problem: "multipart bodies are not supported", Fix: "send JSON, text or a form"}
	case cs != "" && cs != "utf-8" && cs != "utf8":
		return &tools.ArgError{Field: "headers.Content-Type", Problem: "names another charset than UTF-8", Fix: "leave the charset out"}
	case !isJSON(media) && !r.text:
		return &tools.ArgError{Field: "body", Problem: "is JSON, but Content-Type says " + media, Fix: "send the body as a string, or leave Content-Type out"}
	case media == formMedia:
		pairs, err := parseQuery(string(r.body))
		if err != nil {
			return &tools.ArgError{Field: "body", Problem: err.Error(), Fix: "send a form as name=value&name=value"}
		}
		for _, p := range pairs {
			if t.queryNames[foldName(p.name)] {
				return &tools.ArgError{Field: "body", Problem: "sets the parameter that carries the target's credential", Fix: "leave it out"}
			}
		}
	case isJSON(media):
		if err := strictJSON(r.body); err != nil {
			return &tools.ArgError{Field: "body", Problem: err.Error(), Fix: "send one JSON value without duplicate keys"}
		}
		return t.checkMembers(r.body)
	}
	return nil
}

// checkMembers refuses top-level members that frameworks take for the method or the credential.
func (t *api) checkMembers(body []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil // not an object
	}
	for name := range members {
		if n := foldName(name); strings.HasPrefix(n, "_") && overrideParameters[n] || t.queryNames[n] {
			return &tools.ArgError{Field: "body." + printable(name, 60), Problem: "is taken by frameworks for the method or the credential", Fix: "leave it out"}
		}
	}
	return nil
}
