package slackfake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"time"
)

// responseURL lets the app answer an interaction: five times within thirty minutes.
type responseURL struct {
	channel, user string
	message       string // ts of the message acted on, or empty
	expires       time.Time
	uses          int
}

const responseLife = 30 * time.Minute

// newResponseURL needs mu.
func (w *Workspace) newResponseURL(channel, user, message string) string {
	id := random(12)
	w.responses[id] = &responseURL{channel: channel, user: user, message: message, expires: w.now().Add(responseLife)}
	return w.server.URL + "/response/" + id
}

func responseID(url string) string { return path.Base(url) }

func (w *Workspace) serveResponseURL(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var answer map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err != nil || r.Method != http.MethodPost || d.Decode(&answer) != nil {
		http.Error(rw, "invalid_payload", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.touch()
	u := w.responses[r.PathValue("id")]
	refuse := func(code string) {
		rw.WriteHeader(http.StatusNotFound)
		json.NewEncoder(rw).Encode(map[string]any{"ok": false, "error": code})
	}
	switch {
	case u == nil, !w.now().Before(u.expires):
		refuse("expired_url")
		return
	case u.uses >= lim("response_url.uses"):
		refuse("used_url")
		return
	}
	u.uses++
	if problems := w.respond(u, answer); len(problems) > 0 {
		rw.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(rw).Encode(map[string]any{"ok": false, "error": "invalid_payload", "response_metadata": map[string]any{"messages": problems}})
		return
	}
	io.WriteString(rw, "ok")
}

var responseKeys = map[string]argKind{"text": argText, "blocks": argArray, "response_type": argText, "replace_original": argBool, "delete_original": argBool,
	"thread_ts": argText, "unfurl_links": argBool, "unfurl_media": argBool, "mrkdwn": argBool}

// respond shows what the app answered through a response URL or an acknowledgement. mu is held.
func (w *Workspace) respond(u *responseURL, answer map[string]any) []string {
	if len(answer) == 0 {
		return nil
	}
	a, err := (&method{args: responseKeys}).parse(answer)
	if err != nil {
		return []string{err.Error()}
	}
	original := w.find(u.channel, u.message)
	if a.flag("delete_original") {
		if original == nil {
			return []string{"there is no message to delete"}
		}
		original.Deleted = true
		return nil
	}
	a["channel"] = u.channel
	if a.flag("replace_original") && original != nil {
		blocks, err := content(a)
		if err != nil {
			return []string{err.Error()}
		}
		if !a.has("blocks") {
			a["blocks"] = []any{} // unlike chat.update, a replacement is the whole message
		}
		w.edit(original, a, blocks)
		return nil
	}
	m, err := w.compose(a, w.channels[u.channel])
	if err != nil {
		return []string{err.Error()}
	}
	switch a.text("response_type") {
	case "in_channel":
	case "", "ephemeral":
		m.Ephemeral = u.user
	default:
		return []string{"response_type must be ephemeral or in_channel"}
	}
	w.messages = append(w.messages, m)
	return nil
}

// submitted applies the app's answer to the submission of v. mu is held.
func (w *Workspace) submitted(v *View, answer map[string]any) []string {
	if len(answer) == 0 {
		v.Closed = true
		return nil
	}
	given, _ := answer["view"].(map[string]any)
	switch answer["response_action"] {
	case "clear":
		for _, s := range w.stack(v.User) {
			s.Closed = true
		}
	case "errors":
		return w.showErrors(v, answer)
	case "update", "push":
		if err := checkView(given); err != nil {
			return err.messages
		}
		if answer["response_action"] == "update" {
			w.fill(v, given)
			return nil
		}
		stack := w.stack(v.User)
		if len(stack) >= lim("views.stacked") {
			return []string{"push_limit_reached"}
		}
		top := &View{ID: w.id("V"), User: v.User, Root: stack[0].ID, Previous: v.ID}
		w.fill(top, given)
		w.views[top.ID] = top
	default:
		return []string{fmt.Sprintf("unknown response_action %v", answer["response_action"])}
	}
	return nil
}

// showErrors marks fields; each error must name an input block.
func (w *Workspace) showErrors(v *View, answer map[string]any) []string {
	errs, _ := answer["errors"].(map[string]any)
	if len(errs) == 0 {
		return []string{"errors must not be empty"}
	}
	v.Errors = map[string]string{}
	for block, words := range errs {
		known := slices.ContainsFunc(v.Blocks, func(b any) bool {
			o := b.(map[string]any)
			return o["type"] == "input" && o["block_id"] == block
		})
		if !known {
			return []string{fmt.Sprintf("errors: %q is not an input block", block)}
		}
		v.Errors[block] = fmt.Sprint(words)
	}
	return nil
}
