package slackfake

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Click is user clicking the button with actionID on a message, and confirming its dialog if it has one. The error says why a
// person could not have done that; what the app makes of it is in the Delivery.
func (w *Workspace) Click(user string, m Message, actionID string) (*Delivery, error) {
	payload, err := w.ClickPayload(user, m, actionID)
	if err != nil {
		return nil, err
	}
	return w.deliver(&Delivery{Kind: "interactive", Payload: payload, TriggerID: payload["trigger_id"].(string), ResponseURL: payload["response_url"].(string)}), nil
}

// ClickPayload is what Click would send, for a test to alter before Deliver. m may be an older state of the message: somebody can
// click what his client still shows.
func (w *Workspace) ClickPayload(user string, m Message, actionID string) (map[string]any, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.person(user)
	if err != nil {
		return nil, err
	}
	c := w.channels[m.Channel]
	if err := canSee(u, c, m); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(m.Buttons(), func(b Button) bool { return b.ActionID == actionID })
	if i < 0 {
		return nil, fmt.Errorf("slackfake: the message has no button %q; it has %v", actionID, actionIDs(m.Buttons()))
	}
	payload := w.interaction(u, "block_actions")
	container := map[string]any{"type": "message", "message_ts": m.TS, "channel_id": m.Channel, "is_ephemeral": m.Ephemeral != ""}
	if m.ThreadTS != "" {
		container["thread_ts"] = m.ThreadTS
	}
	payload["container"] = container
	payload["channel"] = map[string]any{"id": c.ID, "name": c.Name}
	if m.Ephemeral == "" {
		payload["message"] = m.json(w)
	}
	payload["state"] = map[string]any{"values": map[string]any{}}
	payload["response_url"] = w.newResponseURL(c.ID, u.ID, m.TS)
	payload["actions"] = []any{w.action(m.Buttons()[i])}
	return payload, nil
}

// ClickView is user clicking a button inside the modal he has on top.
func (w *Workspace) ClickView(user, actionID string) (*Delivery, error) {
	w.mu.Lock()
	u, err := w.person(user)
	if err != nil {
		w.mu.Unlock()
		return nil, err
	}
	stack := w.stack(user)
	if len(stack) == 0 {
		w.mu.Unlock()
		return nil, fmt.Errorf("slackfake: %s has no modal open", user)
	}
	v := stack[len(stack)-1]
	buttons := buttonsOf(v.Blocks)
	i := slices.IndexFunc(buttons, func(b Button) bool { return b.ActionID == actionID })
	if i < 0 {
		w.mu.Unlock()
		return nil, fmt.Errorf("slackfake: the modal has no button %q; it has %v", actionID, actionIDs(buttons))
	}
	payload := w.interaction(u, "block_actions")
	payload["container"] = map[string]any{"type": "view", "view_id": v.ID}
	payload["view"] = v.json(w, nil)
	payload["actions"] = []any{w.action(buttons[i])}
	w.mu.Unlock()
	return w.deliver(&Delivery{Kind: "interactive", Payload: payload, TriggerID: payload["trigger_id"].(string)}), nil
}

// SlashCommand is user typing a command in a channel: "/sallyport link". The answer is shown to him alone unless it says in_channel.
func (w *Workspace) SlashCommand(user, channel, typed string) (*Delivery, error) {
	w.mu.Lock()
	u, err := w.person(user)
	c := w.channels[channel]
	if err == nil && (c == nil || !slices.Contains(c.Members, user)) {
		err = fmt.Errorf("slackfake: %s is not in channel %s", user, channel)
	}
	if err != nil {
		w.mu.Unlock()
		return nil, err
	}
	command, rest, _ := strings.Cut(typed, " ")
	payload := map[string]any{
		"token": "verification", "team_id": w.cfg.TeamID, "team_domain": w.cfg.TeamDomain, "channel_id": c.ID, "channel_name": c.Name, "user_id": u.ID,
		"user_name": u.Name, "command": command, "text": strings.TrimSpace(rest), "api_app_id": w.cfg.AppID, "is_enterprise_install": "false",
		"response_url": w.newResponseURL(c.ID, u.ID, ""), "trigger_id": w.newTrigger(u.ID),
	}
	w.mu.Unlock()
	d := &Delivery{Kind: "slash_commands", Payload: payload, TriggerID: payload["trigger_id"].(string), ResponseURL: payload["response_url"].(string), accepts: true}
	d.onAnswer = func(answer map[string]any) []string { return w.respond(w.responses[responseID(d.ResponseURL)], answer) }
	return w.deliver(d), nil
}

// SubmitView is user pressing submit in the modal he has on top, with values by action id: the text typed, or the value of the
// option chosen. What the client itself would not send (an empty required field, a text that is too long) is an error.
func (w *Workspace) SubmitView(user string, values map[string]string) (*Delivery, error) {
	w.mu.Lock()
	u, err := w.person(user)
	if err != nil {
		w.mu.Unlock()
		return nil, err
	}
	stack := w.stack(user)
	if len(stack) == 0 {
		w.mu.Unlock()
		return nil, fmt.Errorf("slackfake: %s has no modal open", user)
	}
	v := stack[len(stack)-1]
	state, err := v.typed(values)
	if err != nil {
		w.mu.Unlock()
		return nil, err
	}
	payload := w.interaction(u, "view_submission")
	payload["view"], payload["response_urls"] = v.json(w, state), []any{}
	w.mu.Unlock()
	d := &Delivery{Kind: "interactive", Payload: payload, TriggerID: payload["trigger_id"].(string), accepts: true}
	d.onAnswer = func(answer map[string]any) []string { return w.submitted(v, answer) }
	return w.deliver(d), nil
}

// CloseView is user closing the modal on top. The app hears of it when it asked to; the Delivery is nil otherwise.
func (w *Workspace) CloseView(user string) (*Delivery, error) {
	w.mu.Lock()
	u, err := w.person(user)
	stack := w.stack(user)
	if err == nil && len(stack) == 0 {
		err = fmt.Errorf("slackfake: %s has no modal open", user)
	}
	if err != nil {
		w.mu.Unlock()
		return nil, err
	}
	v := stack[len(stack)-1]
	v.Closed = true
	if v.ClearOnClose {
		for _, below := range stack {
			below.Closed = true
		}
	}
	payload := w.interaction(u, "view_closed")
	delete(payload, "trigger_id")
	payload["view"], payload["is_cleared"] = v.json(w, nil), v.ClearOnClose
	w.touch()
	w.mu.Unlock()
	if !v.NotifyOnShut {
		return nil, nil
	}
	return w.deliver(&Delivery{Kind: "interactive", Payload: payload}), nil
}

// typed turns values into the state of a submission.
func (v *View) typed(values map[string]string) (map[string]any, error) {
	state, used := map[string]any{}, map[string]bool{}
	for _, b := range v.Blocks {
		b := b.(map[string]any)
		if b["type"] != "input" {
			continue
		}
		e := b["element"].(map[string]any)
		id, kind := e["action_id"].(string), e["type"].(string)
		given, ok := values[id]
		used[id] = true
		if given == "" && b["optional"] != true {
			return nil, fmt.Errorf("slackfake: %q is a required field and empty; the client does not submit", id)
		}
		value := map[string]any{"type": kind}
		switch kind {
		case "static_select", "radio_buttons":
			value["selected_option"] = nil
			if ok {
				o, err := choose(e, given)
				if err != nil {
					return nil, err
				}
				value["selected_option"] = o
			}
		default:
			n := int64(utf8.RuneCountInString(given))
			most := number(e["max_length"])
			if most == 0 {
				most = int64(lim("plain_text_input.max"))
			}
			if given != "" && (n < number(e["min_length"]) || n > most) {
				return nil, fmt.Errorf("slackfake: %q has %d characters; the client wants %d to %d", id, n, number(e["min_length"]), most)
			}
			value["value"] = nil
			if given != "" {
				value["value"] = given
			}
		}
		block := b["block_id"].(string)
		if state[block] == nil {
			state[block] = map[string]any{}
		}
		state[block].(map[string]any)[id] = value
	}
	for id := range values {
		if !used[id] {
			return nil, fmt.Errorf("slackfake: the modal has no input %q", id)
		}
	}
	return state, nil
}

func choose(e map[string]any, value string) (any, error) {
	options, _ := e["options"].([]any)
	for _, o := range options {
		if o, _ := o.(map[string]any); o["value"] == value {
			return o, nil
		}
	}
	return nil, fmt.Errorf("slackfake: %v has no option %q", e["action_id"], value)
}

// canSee says whether u could have m in front of him.
func canSee(u *User, c *Channel, m Message) error {
	switch {
	case c == nil:
		return fmt.Errorf("slackfake: there is no channel %s", m.Channel)
	case m.Ephemeral != "" && m.Ephemeral != u.ID:
		return fmt.Errorf("slackfake: the message is shown to %s only", m.Ephemeral)
	case slices.Contains(c.Members, u.ID):
		return nil
	case c.Private, u.Restricted, u.UltraRestricted, u.Stranger:
		return fmt.Errorf("slackfake: %s cannot see channel %s", u.ID, c.ID)
	}
	return nil // members of the workspace can look into any public channel, and click there
}

// interaction is what all interactions have. mu is held. For somebody from a connected workspace user.team_id is his own.
func (w *Workspace) interaction(u *User, kind string) map[string]any {
	return map[string]any{
		"type": kind, "api_app_id": w.cfg.AppID, "token": "verification", "trigger_id": w.newTrigger(u.ID), "enterprise": nil, "is_enterprise_install": false,
		"team": map[string]any{"id": w.cfg.TeamID, "domain": w.cfg.TeamDomain},
		"user": map[string]any{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": u.TeamID},
	}
}

// action is one entry of "actions". mu is held.
func (w *Workspace) action(b Button) map[string]any {
	out := map[string]any{"type": "button", "action_id": b.ActionID, "block_id": b.BlockID, "action_ts": w.ts(),
		"text": map[string]any{"type": "plain_text", "text": b.Text, "emoji": true}}
	if b.Value != "" {
		out["value"] = b.Value
	}
	if b.Style != "" {
		out["style"] = b.Style
	}
	if b.Confirm != nil {
		out["confirm"] = b.Confirm
	}
	return out
}

func actionIDs(buttons []Button) []string {
	var out []string
	for _, b := range buttons {
		out = append(out, b.ActionID)
	}
	return out
}
