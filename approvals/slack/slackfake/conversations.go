package slackfake

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// readable finds a conversation the token may read, by the scope for its kind ("read", "history"). mu is held.
func (w *Workspace) readable(tok *token, id, what string) (*Channel, *apiError) {
	c := w.channels[id]
	if c == nil {
		return nil, fail("channel_not_found")
	}
	scope := "channels:" + what
	switch {
	case c.IM:
		scope = "im:" + what
	case c.Private:
		scope = "groups:" + what
	}
	if !slices.Contains(tok.scopes, scope) {
		return nil, missingScope(tok, scope)
	}
	if c.Private && !slices.Contains(c.Members, w.bot) {
		return nil, fail("channel_not_found")
	}
	return c, nil
}

func conversationInfo(w *Workspace, tok *token, a args) (map[string]any, *apiError) {
	c, err := w.readable(tok, a.text("channel"), "read")
	if err != nil {
		return nil, err
	}
	out := c.json(w.bot, w.cfg.TeamID)
	if a.flag("include_num_members") {
		out["num_members"] = len(c.Members)
	}
	return map[string]any{"channel": out}, nil
}

func conversationMembers(w *Workspace, tok *token, a args) (map[string]any, *apiError) {
	c, err := w.readable(tok, a.text("channel"), "read")
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(c.Members, a, 100)
	if err != nil {
		return nil, err
	}
	return map[string]any{"members": page, "response_metadata": map[string]any{"next_cursor": next}}, nil
}

// paginate cuts a page out of all; the cursor is the index it begins at.
func paginate[E any](all []E, a args, most int) ([]E, string, *apiError) {
	from := 0
	if c := a.text("cursor"); c != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(c, "cursor-"))
		if err != nil || n < 0 || n > len(all) {
			return nil, "", fail("invalid_cursor")
		}
		from = n
	}
	size, _ := a["limit"].(int)
	if size < 0 || size > 999 {
		return nil, "", fail("invalid_limit")
	}
	if size == 0 {
		size = most
	}
	to := min(from+size, len(all))
	next := ""
	if to < len(all) {
		next = "cursor-" + strconv.Itoa(to)
	}
	return append([]E{}, all[from:to]...), next, nil
}

func openConversation(w *Workspace, _ *token, a args) (map[string]any, *apiError) {
	if id := a.text("channel"); id != "" {
		c := w.channels[id]
		if c == nil || !c.IM {
			return nil, fail("channel_not_found")
		}
		return map[string]any{"channel": map[string]any{"id": c.ID}}, nil
	}
	users := strings.Split(a.text("users"), ",")
	if a.text("users") == "" {
		return nil, fail("users_list_not_supplied")
	}
	if len(users) > 1 {
		return nil, failAt("invalid_arguments", "slackfake: direct messages with several people are not modelled")
	}
	u := w.users[users[0]]
	switch {
	case u == nil:
		return nil, fail("user_not_found")
	case u.Deleted:
		return nil, fail("user_disabled")
	case u.Bot:
		return nil, fail("cannot_dm_bot")
	}
	old := w.findIM(u.ID) != nil
	c := w.openIM(u.ID)
	return map[string]any{"channel": map[string]any{"id": c.ID}, "already_open": old, "no_op": old}, nil
}

func conversationHistory(w *Workspace, tok *token, a args) (map[string]any, *apiError) {
	return w.historyOf(tok, a, func(m *Message) bool { return m.ThreadTS == "" || m.ThreadTS == m.TS }, true)
}

func conversationReplies(w *Workspace, tok *token, a args) (map[string]any, *apiError) {
	if w.find(a.text("channel"), a.text("ts")) == nil && w.channels[a.text("channel")] != nil {
		return nil, fail("thread_not_found")
	}
	return w.historyOf(tok, a, func(m *Message) bool { return m.TS == a.text("ts") || m.ThreadTS == a.text("ts") }, false)
}

func (w *Workspace) historyOf(tok *token, a args, want func(*Message) bool, newestFirst bool) (map[string]any, *apiError) {
	c, err := w.readable(tok, a.text("channel"), "history")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(c.Members, w.bot) {
		return nil, fail("not_in_channel")
	}
	all := []map[string]any{}
	for _, m := range w.messages {
		if m.Channel == c.ID && !m.Deleted && m.Ephemeral == "" && want(m) && inside(m.TS, a) {
			all = append(all, m.json(w))
		}
	}
	if newestFirst {
		slices.Reverse(all)
	}
	page, next, err := paginate(all, a, 100)
	if err != nil {
		return nil, err
	}
	return map[string]any{"messages": page, "has_more": next != "", "response_metadata": map[string]any{"next_cursor": next}}, nil
}

// inside reports whether ts lies between oldest and latest; they have the same number of digits, so text order is time order.
func inside(ts string, a args) bool {
	edge := func(bound string, wrong int) bool {
		if bound == "" || bound == "0" {
			return true
		}
		c := cmp.Compare(ts, bound)
		return c != wrong && (c != 0 || a.flag("inclusive"))
	}
	return edge(a.text("oldest"), -1) && edge(a.text("latest"), 1)
}

func userInfo(w *Workspace, tok *token, a args) (map[string]any, *apiError) {
	u := w.users[a.text("user")]
	if u == nil {
		return nil, fail("user_not_found")
	}
	return map[string]any{"user": u.json(slices.Contains(tok.scopes, "users:read.email"))}, nil
}

// lookupByEmail finds active accounts of the home workspace only.
func lookupByEmail(w *Workspace, _ *token, a args) (map[string]any, *apiError) {
	for _, id := range slices.Sorted(maps.Keys(w.users)) {
		if u := w.users[id]; u.Email != "" && strings.EqualFold(u.Email, a.text("email")) && !u.Deleted && !u.Stranger && u.TeamID == w.cfg.TeamID {
			return map[string]any{"user": u.json(true)}, nil
		}
	}
	return nil, fail("users_not_found")
}

func listUserGroups(w *Workspace, _ *token, a args) (map[string]any, *apiError) {
	out := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(w.groups)) {
		g := w.groups[id]
		one := map[string]any{"id": g.ID, "team_id": w.cfg.TeamID, "is_usergroup": true, "name": g.Name, "handle": g.Handle}
		if a.flag("include_users") {
			one["users"] = g.Users
		}
		if a.flag("include_count") {
			one["user_count"] = len(g.Users)
		}
		out = append(out, one)
	}
	return map[string]any{"usergroups": out}, nil
}

func listUserGroupUsers(w *Workspace, _ *token, a args) (map[string]any, *apiError) {
	g := w.groups[a.text("usergroup")]
	if g == nil {
		return nil, fail("no_such_subteam")
	}
	return map[string]any{"users": append([]string{}, g.Users...)}, nil
}
