package tools

import (
	"bytes"
	"encoding/json"
)

// Strings returns every string of a JSON document, decoded, keys included, in order; of something that is not JSON, its text.
// It is how a tool fills [Facts.Values].
func Strings(document []byte) []string {
	var all []string
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if err != nil {
			break
		}
		if s, ok := token.(string); ok {
			all = append(all, s)
		}
	}
	if !json.Valid(document) {
		return []string{string(document)}
	}
	return all
}
