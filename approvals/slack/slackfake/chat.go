package slackfake

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Message is one posted message, as a snapshot: it does not change afterwards, ask for it again.
type Message struct {
	Channel   string
	TS        string // its id within the channel
	ThreadTS  string // of the message it answers, or empty
	User      string // who posted it; the bot for all but those a test posts
	Text      string // the notification, and what is shown when there are no blocks
	Blocks    []any  // as given, with the ids Slack fills in
	Ephemeral string // the only user who sees it, or empty
	Edits     int
	Deleted   bool
	Unfurl    bool // links in it may unfurl
	ParseFull bool // parse=full or link_names: plain @names are mentions
	Metadata  map[string]any
	Posted    time.Time
}

// Messages posted to a channel so far, deleted and ephemeral ones left out, replies included, oldest first.
func (w *Workspace) Messages(channel string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Message
	for _, m := range w.messages {
		if m.Channel == channel && !m.Deleted && m.Ephemeral == "" {
			out = append(out, *m)
		}
	}
	return out
}

// Message waits for the n-th message of a channel, counted from 0 as Messages lists them.
func (w *Workspace) Message(ctx context.Context, channel string, n int) (Message, error) {
	var found Message
	err := w.wait(ctx, fmt.Sprintf("message %d of %s", n, channel), func() bool {
		i := 0
		for _, m := range w.messages {
			if m.Channel == channel && !m.Deleted && m.Ephemeral == "" {
				if i == n {
					found = *m
					return true
				}
				i++
			}
		}
		return false
	})
	return found, err
}

// WaitMessage waits for a message of channel for which want is true, now or after a later change. The oldest one wins.
// want must not call the workspace.
func (w *Workspace) WaitMessage(ctx context.Context, channel string, want func(Message) bool) (found Message, err error) {
	err = w.wait(ctx, "a message in "+channel, func() bool {
		for _, m := range w.messages {
			if m.Channel == channel && !m.Deleted && m.Ephemeral == "" && want(*m) {
				found = *m
				return true
			}
		}
		return false
	})
	return found, err
}

// Get is the message's state of now, in case it was edited or deleted.
func (w *Workspace) Get(channel, ts string) (Message, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.find(channel, ts); m != nil {
		return *m, true
	}
	return Message{}, false
}

// Ephemerals are the messages that only user sees, oldest first.
func (w *Workspace) Ephemerals(user string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Message
	for _, m := range w.messages {
		if m.Ephemeral == user {
			out = append(out, *m)
		}
	}
	return out
}

// WaitEphemeral waits for the n-th of Ephemerals, counted from 0.
func (w *Workspace) WaitEphemeral(ctx context.Context, user string, n int) (found Message, err error) {
	err = w.wait(ctx, "an ephemeral message to "+user, func() bool {
		i := 0
		for _, m := range w.messages {
			if m.Ephemeral == user {
				if i == n {
					found = *m
					return true
				}
				i++
			}
		}
		return false
	})
	return found, err
}

// Post is a message a person types, in Slack's own format; the app hears nothing of it.
func (w *Workspace) Post(user, channel, text string) Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := &Message{Channel: channel, TS: w.ts(), User: user, Text: text, Posted: w.now()}
	w.messages = append(w.messages, m)
	w.touch()
	return *m
}

// find needs mu. A deleted message is kept for tests but not found here.
func (w *Workspace) find(channel, ts string) *Message {
	for _, m := range w.messages {
		if m.Channel == channel && m.TS == ts && !m.Deleted {
			return m
		}
	}
	return nil
}

// messageChannel is the conversation an app may post to: by id, or of a user for a direct message. mu is held.
func (w *Workspace) messageChannel(tok *token, id string) (*Channel, *apiError) {
	if strings.HasPrefix(id, "U") {
		u := w.users[id]
		if u == nil || u.Deleted {
			return nil, fail("channel_not_found")
		}
		return w.openIM(id), nil
	}
	c := w.channels[id]
	switch member := c != nil && slices.Contains(c.Members, w.bot); {
	case c == nil, c.Private && !member:
		return nil, fail("channel_not_found")
	case !member && !slices.Contains(tok.scopes, "chat:write.public"):
		return nil, fail("not_in_channel")
	case c.Archived:
		return nil, fail("is_archived")
	}
	return c, nil
}

// content checks the text and blocks of a message. Without blocks given it returns nil blocks.
func content(a args) ([]any, *apiError) {
	if utf8.RuneCountInString(a.text("text")) > lim("message.text") {
		return nil, fail("msg_too_long")
	}
	blocks, _ := a["blocks"].([]any)
	p := &problems{surface: inMessage}
	checkBlocks(p, "/blocks", blocks)
	if len(p.list) > 0 {
		return nil, failAt("invalid_blocks", p.list...)
	}
	if blocksLength(blocks) > lim("msg_blocks.total") {
		return nil, fail("msg_blocks_too_long")
	}
	return blocks, nil
}

// compose builds the message of a call. mu is held.
func (w *Workspace) compose(a args, c *Channel) (*Message, *apiError) {
	blocks, err := content(a)
	if err != nil {
		return nil, err
	}
	if a.text("text") == "" && len(blocks) == 0 {
		return nil, fail("no_text")
	}
	m := &Message{Channel: c.ID, TS: w.ts(), ThreadTS: a.text("thread_ts"), User: w.bot, Text: a.text("text"), Posted: w.now()}
	m.Unfurl = !a.has("unfurl_links") || a.flag("unfurl_links")
	m.ParseFull = a.text("parse") == "full" || a.flag("link_names")
	m.Metadata, _ = a["metadata"].(map[string]any)
	if len(blocks) > 0 {
		m.Blocks = w.completeBlocks(blocks)
	}
	if m.ThreadTS != "" && w.find(c.ID, m.ThreadTS) == nil {
		return nil, fail("thread_not_found")
	}
	return m, nil
}

func postMessage(w *Workspace, tok *token, a args) (map[string]any, *apiError) {
	c, err := w.messageChannel(tok, a.text("channel"))
	if err != nil {
		return nil, err
	}
	if err := w.limitRate(c.ID); err != nil {
		return nil, err
	}
	m, err := w.compose(a, c)
	if err != nil {
		return nil, err
	}
	w.messages = append(w.messages, m)
	return map[string]any{"channel": c.ID, "ts": m.TS, "message": m.json(w)}, nil
}

// limitRate allows one message a second in a channel. Slack tolerates short bursts; the fake does not. mu is held.
func (w *Workspace) limitRate(channel string) *apiError {
	if !w.cfg.RateLimit {
		return nil
	}
	now := w.now()
	if last, ok := w.posted[channel]; ok && now.Sub(last) < time.Second {
		return &apiError{code: "ratelimited", retry: time.Second - now.Sub(last)}
	}
	w.posted[channel] = now
	return nil
}

func postEphemeral(w *Workspace, tok *token, a args) (map[string]any, *apiError) {
	c, err := w.messageChannel(tok, a.text("channel"))
	if err != nil {
		return nil, err
	}
	u := w.users[a.text("user")]
	if u == nil || u.Deleted || !slices.Contains(c.Members, u.ID) {
		return nil, fail("user_not_in_channel")
	}
	m, err := w.compose(a, c)
	if err != nil {
		return nil, err
	}
	m.Ephemeral = u.ID
	w.messages = append(w.messages, m)
	return map[string]any{"message_ts": m.TS}, nil
}

// updateMessage keeps the blocks when none are given, as Slack documents it: text alone does not take the buttons away.
func updateMessage(w *Workspace, _ *token, a args) (map[string]any, *apiError) {
	if w.channels[a.text("channel")] == nil {
		return nil, fail("channel_not_found")
	}
	m := w.find(a.text("channel"), a.text("ts"))
	switch {
	case m == nil || m.Ephemeral != "": // an ephemeral one cannot be updated but through its response URL
		return nil, fail("message_not_found")
	case m.User != w.bot:
		return nil, fail("cant_update_message")
	}
	blocks, err := content(a)
	if err != nil {
		return nil, err
	}
	if !a.has("text") && !a.has("blocks") {
		return nil, fail("no_text")
	}
	w.edit(m, a, blocks)
	return map[string]any{"channel": m.Channel, "ts": m.TS, "text": m.Text, "message": m.json(w)}, nil
}

// edit needs mu. Messages are handed out by value, so an edit replaces what they point to.
func (w *Workspace) edit(m *Message, a args, blocks []any) {
	if a.has("text") {
		m.Text = a.text("text")
	}
	if a.has("blocks") {
		m.Blocks = w.completeBlocks(blocks)
	}
	m.Edits++
}

func deleteMessage(w *Workspace, _ *token, a args) (map[string]any, *apiError) {
	m := w.find(a.text("channel"), a.text("ts"))
	switch {
	case w.channels[a.text("channel")] == nil:
		return nil, fail("channel_not_found")
	case m == nil || m.Ephemeral != "":
		return nil, fail("message_not_found")
	case m.User != w.bot:
		return nil, fail("cant_delete_message")
	}
	m.Deleted = true
	return map[string]any{"channel": m.Channel, "ts": m.TS}, nil
}

// json is the message as Slack shows it to the app. mu is held.
func (m *Message) json(w *Workspace) map[string]any {
	out := map[string]any{"type": "message", "ts": m.TS, "user": m.User, "text": m.Text, "team": w.cfg.TeamID}
	if m.User == w.bot {
		out["bot_id"], out["app_id"] = botID, w.cfg.AppID
	}
	if len(m.Blocks) > 0 {
		out["blocks"] = clone(m.Blocks)
	}
	if m.ThreadTS != "" {
		out["thread_ts"] = m.ThreadTS
	}
	if m.Edits > 0 {
		out["edited"] = map[string]any{"user": m.User, "ts": m.TS}
	}
	if m.Metadata != nil {
		out["metadata"] = clone(m.Metadata)
	}
	return out
}

// Button is a button of a message or view that a person can click.
type Button struct {
	Text, ActionID, BlockID, Value, URL, Style string
	Confirm                                    map[string]any // its dialog, or nil
}

// Buttons of the message, in the order they are shown.
func (m Message) Buttons() []Button { return buttonsOf(m.Blocks) }

func buttonsOf(blocks []any) []Button {
	var out []Button
	for _, b := range blocks {
		b := b.(map[string]any)
		for _, e := range elementsOf(b) {
			if e["type"] != "button" {
				continue
			}
			get := func(k string) string { s, _ := e[k].(string); return s }
			label, _ := e["text"].(map[string]any)
			confirm, _ := e["confirm"].(map[string]any)
			out = append(out, Button{Text: fmt.Sprint(label["text"]), ActionID: get("action_id"), BlockID: fmt.Sprint(b["block_id"]), Value: get("value"),
				URL: get("url"), Style: get("style"), Confirm: confirm})
		}
	}
	return out
}
