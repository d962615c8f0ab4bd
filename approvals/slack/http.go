package slack

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// maxBody is more than Slack sends: an interaction carries the message it is about.
const maxBody = 1 << 20

// Handler serves interactions and slash commands over HTTP, for workspaces without Socket Mode. Every request is signed over its raw body
// and not older than five minutes (https://docs.slack.dev/authentication/verifying-requests-from-slack); a valid one that is sent again
// is known by its content, across replicas and restarts, and has no second effect.
func (b *Bridge) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.SigningSecret == "" || r.Method != http.MethodPost {
			http.NotFound(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if !b.signed(r.Header, body) {
			b.Observe("bad_signature")
			http.Error(w, "not signed", http.StatusUnauthorized)
			return
		}
		kind, payload, ok := callback(r.Header.Get("Content-Type"), body)
		if !ok {
			http.Error(w, "not understood", http.StatusBadRequest)
			return
		}
		if err := b.keep(r.Context(), kind, payload); err != nil {
			b.Observe("not_kept")
			b.Log.Error("slack: an interaction could not be stored and was not acknowledged", "err", err)
			http.Error(w, "not stored", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK) // empty: closes a dialog, shows nothing
	})
}

// signed verifies the signature over exactly the bytes that are parsed afterwards.
func (b *Bridge) signed(h http.Header, body []byte) bool {
	v, err := slackgo.NewSecretsVerifier(h, b.SigningSecret)
	if err != nil {
		return false
	}
	if _, err := v.Write(body); err != nil {
		return false
	}
	return v.Ensure() == nil
}

// callback reads a form. Only the body is read, never the query string: it is not signed.
func callback(contentType string, body []byte) (kind string, payload json.RawMessage, ok bool) {
	if media, _, _ := strings.Cut(contentType, ";"); strings.TrimSpace(media) != "application/x-www-form-urlencoded" {
		return "", nil, false
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, false
	}
	if list, interaction := form["payload"]; interaction {
		if len(list) != 1 || !json.Valid([]byte(list[0])) {
			return "", nil, false
		}
		return string(socketmode.EventTypeInteractive), json.RawMessage(list[0]), true
	}
	if !form.Has("command") {
		return "", nil, false
	}
	flat := map[string]string{}
	for name, values := range form {
		if len(values) != 1 {
			return "", nil, false
		}
		flat[name] = values[0]
	}
	delete(flat, "is_enterprise_install") // a boolean in the JSON of Socket Mode
	text, err := json.Marshal(flat)
	return string(socketmode.EventTypeSlashCommand), text, err == nil
}
