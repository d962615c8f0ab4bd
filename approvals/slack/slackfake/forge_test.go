package slackfake

import (
	"testing"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

func TestButtonsInModalsAndClosingThem(t *testing.T) {
	w, api, ann, c := start(t, Config{})
	got := make(chan slack.InteractionCallback, 10)
	app(t, api, w, func(client *socketmode.Client, e socketmode.Event) {
		if cb, ok := e.Data.(slack.InteractionCallback); ok {
			client.Ack(*e.Request)
			got <- cb
		}
	})
	if err := w.WaitConnections(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	d, err := w.Click(ann.ID, posted(t, w, api, c.ID), "deny")
	if err != nil {
		t.Fatal(err)
	}
	<-got
	v := modalView()
	v.NotifyOnClose = true
	v.Blocks.BlockSet = append(v.Blocks.BlockSet, slack.NewActionBlock("more", slack.NewButtonBlockElement("show", "1", plain("Show"))))
	if _, err := api.OpenViewContext(t.Context(), d.TriggerID, v); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ClickView(ann.ID, "hide"); err == nil {
		t.Error("a button that is not there was clicked")
	}
	if _, err := w.ClickView(ann.ID, "show"); err != nil {
		t.Fatal(err)
	}
	if cb := <-got; cb.Type != slack.InteractionTypeBlockActions || cb.Container.Type != "view" || cb.ActionCallback.BlockActions[0].ActionID != "show" {
		t.Errorf("%+v", cb)
	}
	if _, err := w.CloseView(ann.ID); err != nil {
		t.Fatal(err)
	}
	if cb := <-got; cb.Type != slack.InteractionTypeViewClosed {
		t.Errorf("%+v", cb)
	}
	if _, open := w.View(ann.ID); open {
		t.Error("the modal is still open")
	}
}

// A forged payload reaches the app as it is: whom to believe is what is tested with it.
func TestDeliverForges(t *testing.T) {
	w, api, ann, c := start(t, Config{})
	got := make(chan slack.InteractionCallback, 1)
	app(t, api, w, func(client *socketmode.Client, e socketmode.Event) {
		if cb, ok := e.Data.(slack.InteractionCallback); ok {
			client.Ack(*e.Request)
			got <- cb
		}
	})
	if err := w.WaitConnections(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	p, err := w.ClickPayload(ann.ID, posted(t, w, api, c.ID), "approve")
	if err != nil {
		t.Fatal(err)
	}
	p["user"] = o{"id": "U0EVIL", "team_id": "T0OTHER"}
	if out, err := w.Deliver("interactive", p).Wait(t.Context()); err != nil || !out.Acked {
		t.Errorf("%+v, %v", out, err)
	}
	if cb := <-got; cb.User.ID != "U0EVIL" || cb.User.TeamID != "T0OTHER" {
		t.Errorf("%+v", cb.User)
	}
}

func TestAnAppHasTenConnections(t *testing.T) {
	_, api, _, _ := start(t, Config{})
	greeting := func() string {
		_, url, err := api.StartSocketModeContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		var hello struct{ Type, Reason string }
		if err := conn.ReadJSON(&hello); err != nil {
			t.Fatal(err)
		}
		return hello.Type + hello.Reason
	}
	for range 10 {
		if got := greeting(); got != "hello" {
			t.Errorf("%q", got)
		}
	}
	if got := greeting(); got != "disconnecttoo_many_websockets" {
		t.Errorf("%q", got)
	}
}
