package httpapi

import (
	"mime"
	"strings"
)

// mediaOf is the media type of a Content-Type, lower case, without parameters; "" when it is not one.
func mediaOf(contentType string) string {
	m, _, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.Contains(m, "/") {
		return ""
	}
	return m
}

func isJSON(media string) bool {
	return media == "application/json" || strings.HasSuffix(media, "+json") || media == "text/json"
}

const formMedia = "application/x-www-form-urlencoded"

// mediaTypes are the types of responses that are shown.
type mediaTypes []string

// textTypes are shown unless the target says otherwise: what can be masked as text or by structure.
var textTypes = mediaTypes{"application/json", "+json", "text/*", "application/xml", "+xml", "application/yaml", "application/x-yaml",
	"application/x-ndjson", "application/jsonl", "application/javascript", "application/graphql-response+json", "application/toml", formMedia}

func newMediaTypes(list []string) mediaTypes {
	if len(list) == 0 {
		return textTypes
	}
	out := make(mediaTypes, len(list))
	for i, m := range list {
		out[i] = strings.ToLower(m)
	}
	return out
}

// shows reports whether bodies of a type may be shown: exactly listed, "text/*", or by suffix "+json".
func (t mediaTypes) shows(media string) bool {
	for _, m := range t {
		switch {
		case media == "":
			return false
		case m == media:
			return true
		case strings.HasSuffix(m, "/*") && strings.HasPrefix(media, m[:len(m)-1]):
			return true
		case strings.HasPrefix(m, "+") && strings.HasSuffix(media, m):
			return true
		}
	}
	return false
}
