package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"sallyport/approvals/slack/slackfake"
)

// slackWorld is a world whose gateway asks in a workspace, which is where bob, of dba, works. He is not linked yet.
func slackWorld(t *testing.T) (w *world, ws *slackfake.Workspace, channel slackfake.Channel, bob slackfake.User) {
	t.Helper()
	ws = slackfake.Start(t, slackfake.Config{})
	bob = ws.AddUser(slackfake.User{Name: "bob"})
	channel = ws.AddChannel(slackfake.Channel{Name: "approvals", Members: []string{ws.BotUser(), bob.ID}})
	w = newWorld(t, "200ms")
	text, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	slack := "  slack: {app_token: \"file:" + w.file("xapp", ws.AppToken()) + "\", bot_token: \"file:" + w.file("xoxb", ws.BotToken()) +
		"\", channel: " + channel.ID + ", url: \"" + ws.URL() + "\"}\n"
	w.file("sallyport.yaml", strings.Replace(string(text), "  hold: 200ms\n", "  hold: 200ms\n"+slack, 1))
	w.start()
	if err := ws.WaitConnections(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	return w, ws, channel, bob
}

// linked links bob's account as people do: a code in a direct message, typed with his own token.
func linked(t *testing.T, w *world, ws *slackfake.Workspace, channel slackfake.Channel, bob slackfake.User) {
	t.Helper()
	if _, err := ws.SlashCommand(bob.ID, channel.ID, "/sallyport link"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the code arrives", func() bool { return ws.DirectMessage(bob.ID) != "" })
	m, err := ws.Message(t.Context(), ws.DirectMessage(bob.ID), 0)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(m.VisibleText(), "sallyport approvals link ")
	code, _, _ := strings.Cut(rest, "\n")
	link := func(answer string) (int, string) {
		var out, errs bytes.Buffer
		exit := run([]string{"approvals", "link", code, "--url", w.url, "--api-token-file", w.apiToken("bob", "dba")}, strings.NewReader(answer), &out, &errs)
		return exit, out.String() + errs.String()
	}
	if exit, out := link("\n"); exit != exitDenied || !strings.Contains(out, bob.ID) {
		t.Fatalf("without a yes: %d %s", exit, out)
	}
	if exit, out := link("yes\n"); exit != exitDone || !strings.Contains(out, "linked: Slack account bob is bob") {
		t.Fatalf("link: %d %s", exit, out)
	}
}

// cardSaying waits for a card in a state.
func cardSaying(t *testing.T, ws *slackfake.Workspace, channel, says string) slackfake.Message {
	t.Helper()
	m, err := ws.WaitMessage(t.Context(), channel, func(m slackfake.Message) bool { return m.ThreadTS == "" && strings.HasPrefix(m.Text, says) })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAnApprovalInSlack: an agent's call, the card, a click, the execution, the edited card and its thread; with a restart in the middle, and
// one execution.
func TestAnApprovalInSlack(t *testing.T) {
	w, ws, channel, bob := slackWorld(t)
	linked(t, w, ws, channel, bob)
	env := w.ask(refund(1042, "ticket 7731 <!channel>"))
	card := cardSaying(t, ws, channel.ID, "Approval needed: "+env.Approval.Code)
	if text := card.VisibleText(); !strings.Contains(text, "UPDATE public.orders") || !strings.Contains(text, "shop (production)") || len(card.Pings()) > 0 {
		t.Errorf("pings %v in\n%s", card.Pings(), text)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.start()
	if err := ws.WaitConnections(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a double click
		d, err := ws.Click(bob.ID, card, "approve")
		if err != nil {
			t.Fatal(err)
		}
		if out, err := d.Wait(t.Context()); err != nil || !out.Acked || len(out.Problems) > 0 {
			t.Fatalf("%+v %v", out, err)
		}
	}
	cardSaying(t, ws, channel.ID, "Approved: ")
	for i := range 2 {
		done := w.call(w.agent(), "query_write", refund(1042, "ticket 7731 <!channel>"))
		if done.Status != "ok" || done.Executed != "yes" || done.CallID != env.CallID || done.Replayed != (i == 1) {
			t.Fatalf("call %d: %+v %+v", i, done, done.Error)
		}
	}
	w.holds("SELECT status = 'refunded' FROM orders WHERE id = 1042")
	if edited := cardSaying(t, ws, channel.ID, "Approved and executed: "); edited.TS != card.TS || len(ws.Messages(channel.ID)) < 2 {
		t.Errorf("another card: %s and %s", edited.TS, card.TS)
	}
	olga := w.apiToken("olga", "security")
	votes := decode[[]auditLine](t, w.cliOK(olga, "audit", "search", "--kind", "vote", "--json"))
	if len(votes) != 1 || !strings.HasSuffix(votes[0].Approval.By, "#bob") {
		t.Errorf("votes: %+v", votes)
	}
	logs := w.logs.String()
	for _, secret := range []string{ws.BotToken(), ws.AppToken()} {
		if strings.Contains(logs, secret) {
			t.Error("a token of Slack is in the log")
		}
	}
}

// TestSlackDownStopsNobody: the gateway starts and works without Slack, and requests are decided on the command line.
func TestSlackDownStopsNobody(t *testing.T) {
	w, ws, channel, _ := slackWorld(t)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	ws.SetDown(true)
	w.start()
	env := w.ask(refund(1043, "Slack is down"))
	w.cliOK(w.apiToken("bob", "dba"), "approvals", "approve", env.Approval.Code)
	if done := w.call(w.agent(), "query_write", refund(1043, "Slack is down")); done.Status != "ok" || done.Executed != "yes" {
		t.Errorf("%+v %+v", done, done.Error)
	}
	ws.SetDown(false)
	w.ask(refund(1044, "Slack is back"))
	cardSaying(t, ws, channel.ID, "Approval needed: ")
}
