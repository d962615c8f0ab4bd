package slackfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// method is one of the Web API.
type method struct {
	token TokenKind // the only kind it takes; empty for any
	scope string    // what the token needs; empty for none, or when it depends on the conversation
	json  bool      // accepts application/json
	args  map[string]argKind
	run   func(*Workspace, *token, args) (map[string]any, *apiError) // with Workspace.mu held
}

type argKind int

const (
	argText argKind = iota + 1
	argBool
	argInt
	argArray  // JSON, or JSON as text
	argObject // the same

	required argKind = 1 << 8
)

// methods are those the fake has; any other is unknown_method.
var methods map[string]*method

func init() { // breaks the cycle methods -> handlers -> methods
	message := map[string]argKind{
		"channel": argText | required, "text": argText, "blocks": argArray, "thread_ts": argText, "reply_broadcast": argBool, "unfurl_links": argBool,
		"unfurl_media": argBool, "mrkdwn": argBool, "parse": argText, "link_names": argBool, "metadata": argObject, "username": argText,
		"icon_emoji": argText, "icon_url": argText, "client_msg_id": argText,
	}
	view := map[string]argKind{"trigger_id": argText | required, "view": argObject | required}
	methods = map[string]*method{
		"api.test":              {json: true, run: apiTest, token: ""},
		"auth.test":             {json: true, run: authTest},
		"apps.connections.open": {json: true, token: AppToken, scope: "connections:write", run: openConnection},
		"chat.postMessage":      {json: true, token: BotToken, scope: "chat:write", args: message, run: postMessage},
		"chat.postEphemeral":    {json: true, token: BotToken, scope: "chat:write", args: with(message, "user", argText|required), run: postEphemeral},
		"chat.update":           {json: true, token: BotToken, scope: "chat:write", args: with(message, "ts", argText|required), run: updateMessage},
		"chat.delete":           {json: true, token: BotToken, scope: "chat:write", args: map[string]argKind{"channel": argText | required, "ts": argText | required}, run: deleteMessage},
		"views.open":            {json: true, token: BotToken, args: view, run: openView},
		"views.push":            {json: true, token: BotToken, args: view, run: pushView},
		"views.update":          {json: true, token: BotToken, args: map[string]argKind{"view_id": argText, "external_id": argText, "hash": argText, "view": argObject | required}, run: updateView},
		"conversations.open":    {json: true, token: BotToken, scope: "im:write", args: map[string]argKind{"users": argText, "channel": argText, "return_im": argBool, "prevent_creation": argBool}, run: openConversation},
		"conversations.info":    {token: BotToken, args: map[string]argKind{"channel": argText | required, "include_locale": argBool, "include_num_members": argBool}, run: conversationInfo},
		"conversations.members": {token: BotToken, args: map[string]argKind{"channel": argText | required, "cursor": argText, "limit": argInt}, run: conversationMembers},
		"conversations.history": {json: true, token: BotToken, args: history(), run: conversationHistory},
		"conversations.replies": {token: BotToken, args: with(history(), "ts", argText|required), run: conversationReplies},
		"users.info":            {token: BotToken, scope: "users:read", args: map[string]argKind{"user": argText | required, "include_locale": argBool}, run: userInfo},
		"users.lookupByEmail":   {token: BotToken, scope: "users:read.email", args: map[string]argKind{"email": argText | required}, run: lookupByEmail},
		"usergroups.list":       {token: BotToken, scope: "usergroups:read", args: map[string]argKind{"include_users": argBool, "include_count": argBool, "include_disabled": argBool}, run: listUserGroups},
		"usergroups.users.list": {token: BotToken, scope: "usergroups:read", args: map[string]argKind{"usergroup": argText | required, "include_disabled": argBool}, run: listUserGroupUsers},
	}
}

func history() map[string]argKind {
	return map[string]argKind{"channel": argText | required, "cursor": argText, "limit": argInt, "latest": argText, "oldest": argText, "inclusive": argBool,
		"include_all_metadata": argBool}
}

func with(spec map[string]argKind, name string, kind argKind) map[string]argKind {
	out := maps.Clone(spec)
	out[name] = kind
	return out
}

// args are the arguments of a call, each of the Go type of its kind: string, bool, int, []any, map[string]any.
type args map[string]any

func (a args) text(name string) string { s, _ := a[name].(string); return s }
func (a args) flag(name string) bool   { b, _ := a[name].(bool); return b }
func (a args) has(name string) bool    { _, ok := a[name]; return ok }

// parse refuses what the method does not know. Slack itself ignores most unknown arguments; a client that sends one has still
// made a mistake.
func (m *method) parse(raw map[string]any) (args, *apiError) {
	out := args{}
	if m.args == nil {
		maps.Copy(out, raw) // api.test echoes anything, auth.test and apps.connections.open take nothing
		return out, nil
	}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		kind, known := m.args[name]
		if name == "team_id" { // Slack's own client sends it with every call
			kind, known = argText, true
		}
		if !known {
			return out, failAt("invalid_arguments", fmt.Sprintf("slackfake: unknown argument: %s", name))
		}
		value, err := kind.parse(raw[name])
		if err != nil {
			code := "invalid_arguments"
			if name == "blocks" {
				code = "invalid_blocks_format"
			}
			return out, failAt(code, fmt.Sprintf("%v [json-pointer:/%s]", err, name))
		}
		out[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(m.args)) {
		if s, isText := out[name].(string); m.args[name]&required != 0 && (!out.has(name) || isText && s == "") {
			return out, failAt("invalid_arguments", fmt.Sprintf("missing required field: %s", name))
		}
	}
	return out, nil
}

func (k argKind) parse(v any) (any, error) {
	text, isText := v.(string)
	switch k &^ required {
	case argText:
		if n, ok := v.(json.Number); ok {
			return n.String(), nil
		}
		if !isText {
			return nil, fmt.Errorf("must provide a string")
		}
		return text, nil
	case argBool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
		switch text {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return nil, fmt.Errorf("must provide a boolean")
	case argInt:
		if n, ok := v.(json.Number); ok {
			text = n.String()
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("must provide an integer")
		}
		return n, nil
	}
	if isText {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&v); err != nil || d.More() {
			return nil, fmt.Errorf("must be valid JSON")
		}
	}
	switch v.(type) {
	case []any:
		if k&^required == argArray {
			return v, nil
		}
	case map[string]any:
		if k&^required == argObject {
			return v, nil
		}
	}
	if k&^required == argArray {
		return nil, fmt.Errorf("must provide an array")
	}
	return nil, fmt.Errorf("must provide an object")
}

func apiTest(_ *Workspace, _ *token, a args) (map[string]any, *apiError) {
	if code := a.text("error"); code != "" {
		return map[string]any{"args": a}, fail(code)
	}
	return map[string]any{"args": a}, nil
}

func authTest(w *Workspace, tok *token, _ args) (map[string]any, *apiError) {
	if tok.kind == AppToken {
		return map[string]any{"app_id": w.cfg.AppID, "app_name": "sallyport"}, nil
	}
	return map[string]any{
		"url": "https://" + w.cfg.TeamDomain + ".slack.com/", "team": w.cfg.TeamDomain, "team_id": w.cfg.TeamID, "user": w.users[w.bot].Name, "user_id": w.bot,
		"bot_id": botID, "is_enterprise_install": false,
	}, nil
}
