package slackfake

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// The client under test is slack-go, as the program uses it.

func start(t *testing.T, cfg Config) (*Workspace, *slack.Client, User, Channel) {
	t.Helper()
	w := Start(t, cfg)
	ann := w.AddUser(User{Name: "ann", RealName: "Ann Example", Email: "ann@example.com", TZ: "UTC"})
	c := w.AddChannel(Channel{Name: "approvals", Members: []string{w.BotUser(), ann.ID}})
	return w, slack.New(w.BotToken(), slack.OptionAPIURL(w.URL()), slack.OptionAppLevelToken(w.AppToken())), ann, c
}

// code is Slack's error code of err.
func code(err error) string {
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return e.Err
	}
	if err != nil {
		return "not a Slack error: " + err.Error()
	}
	return ""
}

func plain(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

func card(text string) slack.MsgOption {
	approve := slack.NewButtonBlockElement("approve", "token-1", plain("Approve")).WithStyle(slack.StylePrimary)
	approve.Confirm = slack.NewConfirmationBlockObject(plain("Approve?"), plain("The call runs at once."), plain("Approve"), plain("Back"))
	return slack.MsgOptionBlocks(
		slack.NewHeaderBlock(plain("A call waits for you")),
		&slack.RichTextBlock{Type: slack.MBTRichText, Elements: []slack.RichTextElement{&slack.RichTextPreformatted{
			Type: slack.RTEPreformatted, Elements: []slack.RichTextSectionElement{slack.NewRichTextSectionTextElement(text, nil)}}}},
		slack.NewActionBlock("answer", approve, slack.NewButtonBlockElement("deny", "token-2", plain("Deny")).WithStyle(slack.StyleDanger)),
	)
}

func TestWebAPIWithSlackGo(t *testing.T) {
	w, api, ann, c := start(t, Config{})
	ctx := t.Context()

	auth, err := api.AuthTestContext(ctx)
	if err != nil || auth.UserID != w.BotUser() || auth.TeamID != w.TeamID() {
		t.Fatalf("auth.test: %+v, %v", auth, err)
	}
	_, ts, err := api.PostMessageContext(ctx, c.ID, slack.MsgOptionText("Approval K7QM-2X9D", false), card("DELETE FROM orders -- <!channel> ```"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := w.Message(ctx, c.ID, 0)
	if err != nil || m.TS != ts || len(m.Buttons()) != 2 || m.Buttons()[0].Confirm == nil {
		t.Fatalf("posted %+v, %v", m, err)
	}
	if got := m.Preformatted(); len(got) != 1 || got[0] != "DELETE FROM orders -- <!channel> ```" || len(m.Pings()) != 0 {
		t.Errorf("preformatted %q, pings %v", got, m.Pings())
	}
	if _, _, _, err = api.UpdateMessageContext(ctx, c.ID, ts, slack.MsgOptionText("Approved", false)); err != nil {
		t.Fatal(err)
	}
	if m, _ = w.Get(c.ID, ts); m.Text != "Approved" || len(m.Buttons()) != 2 {
		t.Errorf("an update without blocks keeps them: %+v", m)
	}
	if _, _, _, err = api.UpdateMessageContext(ctx, c.ID, ts, slack.MsgOptionText("Approved", false), slack.MsgOptionBlocks(slack.NewDividerBlock())); err != nil {
		t.Fatal(err)
	}
	if m, _ = w.Get(c.ID, ts); len(m.Buttons()) != 0 {
		t.Errorf("an update with blocks replaces them: %+v", m)
	}
	if _, err := api.PostEphemeralContext(ctx, c.ID, ann.ID, slack.MsgOptionText("Only you", false)); err != nil {
		t.Fatal(err)
	}
	if got := w.Ephemerals(ann.ID); len(got) != 1 || got[0].VisibleText() != "Only you" {
		t.Errorf("ephemeral %+v", got)
	}
	im, _, _, err := api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{ann.ID}})
	if err != nil || im.ID != w.DirectMessage(ann.ID) {
		t.Fatalf("conversations.open: %+v, %v", im, err)
	}
	u, err := api.GetUserInfoContext(ctx, ann.ID)
	if err != nil || u.TeamID != w.TeamID() || u.Profile.Email != "ann@example.com" || u.IsRestricted {
		t.Errorf("users.info: %+v, %v", u, err)
	}
	if u, err = api.GetUserByEmailContext(ctx, "ann@example.com"); err != nil || u.ID != ann.ID {
		t.Errorf("users.lookupByEmail: %+v, %v", u, err)
	}
	info, err := api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: c.ID})
	if err != nil || info.Name != "approvals" || !info.IsMember || info.IsExtShared {
		t.Errorf("conversations.info: %+v, %v", info, err)
	}
	members, _, err := api.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: c.ID, Limit: 1})
	if err != nil || !slices.Equal(members, []string{w.BotUser()}) {
		t.Errorf("conversations.members: %v, %v", members, err)
	}
	g := w.AddUserGroup(UserGroup{Handle: "dba", Users: []string{ann.ID}})
	if ids, err := api.GetUserGroupMembersContext(ctx, g.ID); err != nil || !slices.Equal(ids, []string{ann.ID}) {
		t.Errorf("usergroups.users.list: %v, %v", ids, err)
	}
	if _, _, err := api.PostMessageContext(ctx, c.ID, slack.MsgOptionText("in the thread", false), slack.MsgOptionTS(ts)); err != nil {
		t.Error(err)
	}
	replies, _, _, err := api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{ChannelID: c.ID, Timestamp: ts})
	if err != nil || len(replies) != 2 {
		t.Errorf("conversations.replies: %v, %v", replies, err)
	}
	page, err := api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: c.ID})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].Timestamp != ts {
		t.Errorf("conversations.history: %+v, %v", page, err)
	}
	if _, _, err := api.DeleteMessageContext(ctx, c.ID, ts); err != nil || code(second(api.DeleteMessageContext(ctx, c.ID, ts))) != "message_not_found" {
		t.Errorf("chat.delete: %v", err)
	}
}

func second(_, _ string, err error) error { return err }

func TestErrorsWithSlackGo(t *testing.T) {
	w, api, ann, c := start(t, Config{})
	ctx := t.Context()
	gone := w.AddUser(User{Deleted: true, Email: "gone@example.com"})
	secret := w.AddChannel(Channel{Private: true, Members: []string{ann.ID}})
	open := w.AddChannel(Channel{})
	old := w.AddChannel(Channel{Members: []string{w.BotUser()}, Archived: true})
	theirs := w.Post(ann.ID, c.ID, "hello")
	text := slack.MsgOptionText("x", false)
	as := func(token string) *slack.Client {
		return slack.New(token, slack.OptionAPIURL(w.URL()), slack.OptionAppLevelToken(token))
	}
	post := func(api *slack.Client, channel string, o ...slack.MsgOption) error {
		return second(api.PostMessageContext(ctx, channel, append(o, text)...))
	}
	update := func(channel, ts string) error {
		_, _, _, err := api.UpdateMessageContext(ctx, channel, ts, text)
		return err
	}
	narrow := w.NewToken(BotToken, "chat:write", "commands")
	revoked := w.NewToken(BotToken, DefaultScopes...)
	w.RevokeToken(revoked)
	connect := func(api *slack.Client) error { _, _, err := api.StartSocketModeContext(ctx); return err }
	info := func(api *slack.Client, id string) error { _, err := api.GetUserInfoContext(ctx, id); return err }
	email := func(e string) error { _, err := api.GetUserByEmailContext(ctx, e); return err }
	channel := func(api *slack.Client, id string) error {
		_, err := api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
		return err
	}
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"no token", info(as(""), ann.ID), "not_authed"},
		{"unknown token", info(as("xoxb-1"), ann.ID), "invalid_auth"},
		{"revoked token", info(as(revoked), ann.ID), "token_revoked"},
		{"an app token posts", post(as(w.AppToken()), c.ID), "not_allowed_token_type"},
		{"a bot token connects", connect(as(w.BotToken())), "not_allowed_token_type"},
		{"no scope", info(as(narrow), ann.ID), "missing_scope"},
		{"no scope for the kind of channel", channel(as(narrow), c.ID), "missing_scope"},
		{"no channel", post(api, "C404"), "channel_not_found"},
		{"not a member", post(api, open.ID), "not_in_channel"},
		{"private and not a member", post(api, secret.ID), "channel_not_found"},
		{"archived", post(api, old.ID), "is_archived"},
		{"no thread", post(api, c.ID, slack.MsgOptionTS("1.000001")), "thread_not_found"},
		{"no text", second(api.PostMessageContext(ctx, c.ID)), "no_text"},
		{"somebody else's message", update(c.ID, theirs.TS), "cant_update_message"},
		{"no such message", update(c.ID, "1.000001"), "message_not_found"},
		{"deactivated user by email", email("gone@example.com"), "users_not_found"},
		{"deactivated user gets a message", post(api, gone.ID), "channel_not_found"},
		{"no such user", info(api, "U404"), "user_not_found"},
		{"ephemeral to a stranger", func() error { _, err := api.PostEphemeralContext(ctx, c.ID, gone.ID, text); return err }(), "user_not_in_channel"},
		{"a method that does not exist", func() error { _, err := api.GetTeamInfoContext(ctx); return err }(), "unknown_method"},
		{"an argument that does not exist", post(api, c.ID, slack.MsgOptionAsUser(true)), "invalid_arguments"},
		{"too long a text", second(api.PostMessageContext(ctx, c.ID, slack.MsgOptionText(strings.Repeat("x", 40001), false))), "msg_too_long"},
	} {
		if got := code(tc.err); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if e, _ := errors.AsType[slack.SlackErrorResponse](info(as(narrow), ann.ID)); e.Needed != "users:read" || e.Provided != "chat:write,commands" {
		t.Errorf("missing_scope says needed %q, provided %q", e.Needed, e.Provided)
	}
}

func TestRateLimitPerChannel(t *testing.T) {
	clock := NewClock(time.Unix(1_800_000_000, 0))
	w, api, _, c := start(t, Config{Clock: clock, RateLimit: true})
	other := w.AddChannel(Channel{Members: []string{w.BotUser()}})
	post := func(id string) error {
		return second(api.PostMessageContext(t.Context(), id, slack.MsgOptionText("x", false)))
	}
	if post(c.ID) != nil || post(other.ID) != nil {
		t.Fatal("the first message of each channel is refused")
	}
	if e, ok := errors.AsType[*slack.RateLimitedError](post(c.ID)); !ok || e.RetryAfter != time.Second {
		t.Errorf("the second within a second: %v", e)
	}
	clock.Advance(time.Second)
	if err := post(c.ID); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

// app runs slack-go's Socket Mode client, acknowledging everything, until the test ends.
func app(t *testing.T, api *slack.Client, w *Workspace, handle func(*socketmode.Client, socketmode.Event)) *socketmode.Client {
	t.Helper()
	client := socketmode.New(api)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { client.RunContext(ctx); done <- struct{}{} }()
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			select {
			case e := <-client.Events:
				handle(client, e)
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); w.Cut(); <-done; <-done })
	return client
}

func TestClickModalAndCommandOverSocketMode(t *testing.T) {
	w, api, ann, c := start(t, Config{})
	ctx := t.Context()
	app(t, api, w, func(client *socketmode.Client, e socketmode.Event) {
		switch data := e.Data.(type) {
		case slack.InteractionCallback:
			switch {
			case data.Type == slack.InteractionTypeBlockActions && data.ActionCallback.BlockActions[0].ActionID == "deny":
				client.Ack(*e.Request)
				input := slack.NewInputBlock("why", plain("Reason"), nil, slack.NewPlainTextInputBlockElement(nil, "reason"))
				input.Optional = true
				if _, err := api.OpenViewContext(ctx, data.TriggerID, slack.ModalViewRequest{Type: slack.VTModal, CallbackID: "deny", PrivateMetadata: data.Message.Timestamp,
					Title: plain("Deny"), Submit: plain("Deny"), Blocks: slack.Blocks{BlockSet: []slack.Block{input}}}); err != nil {
					t.Error(err)
				}
			case data.Type == slack.InteractionTypeBlockActions:
				client.Ack(*e.Request)
				if data.User.ID != ann.ID || data.Team.ID != w.TeamID() || data.ActionCallback.BlockActions[0].Value != "token-1" || data.Channel.ID != c.ID {
					t.Errorf("callback %+v", data)
				}
				api.UpdateMessageContext(ctx, data.Channel.ID, data.Message.Timestamp, slack.MsgOptionText("Approved", false), slack.MsgOptionBlocks(slack.NewSectionBlock(plain("Approved"), nil, nil)))
			case data.Type == slack.InteractionTypeViewSubmission:
				if reason := data.View.State.Values["why"]["reason"].Value; reason != "no ticket" {
					client.Ack(*e.Request, slack.NewErrorsViewSubmissionResponse(map[string]string{"why": "say more"}))
				} else {
					client.Ack(*e.Request)
				}
			}
		case slack.SlashCommand:
			client.Ack(*e.Request, map[string]any{"text": "a link for " + data.UserID + ": " + data.Text})
		}
	})
	if err := w.WaitConnections(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if err := second(api.PostMessageContext(ctx, c.ID, slack.MsgOptionText("card", false), card("SELECT 1"))); err != nil {
		t.Fatal(err)
	}
	m, _ := w.Message(ctx, c.ID, 0)

	outcome := func(d *Delivery, err error) Outcome {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		o, err := d.Wait(ctx)
		if err != nil || o.Failure != "" || len(o.Problems) > 0 {
			t.Fatalf("%+v, %v", o, err)
		}
		return o
	}
	outcome(w.Click(ann.ID, m, "approve"))
	if _, err := w.WaitMessage(ctx, c.ID, func(m Message) bool { return m.VisibleText() == "Approved" }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Click(ann.ID, m, "later"); err == nil {
		t.Error("a button that is not there was clicked")
	}

	outcome(w.Click(ann.ID, m, "deny"))
	v, err := w.WaitView(ctx, ann.ID, nil)
	if err != nil || v.CallbackID != "deny" || v.PrivateMetadata != m.TS {
		t.Fatalf("view %+v, %v", v, err)
	}
	outcome(w.SubmitView(ann.ID, map[string]string{"reason": "no"}))
	if v, _ = w.View(ann.ID); v.Errors["why"] != "say more" {
		t.Errorf("errors %v", v.Errors)
	}
	outcome(w.SubmitView(ann.ID, map[string]string{"reason": "no ticket"}))
	if _, open := w.View(ann.ID); open {
		t.Error("the modal is still open")
	}

	outcome(w.SlashCommand(ann.ID, c.ID, "/sallyport link"))
	if e := w.Ephemerals(ann.ID); len(e) != 1 || e[0].Text != "a link for "+ann.ID+": link" {
		t.Errorf("ephemerals %+v", e)
	}
}
