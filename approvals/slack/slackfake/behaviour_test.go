package slackfake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

var epoch = time.Unix(1_800_000_000, 0)

// ackAll is an app that acknowledges everything and does nothing.
func ackAll(client *socketmode.Client, e socketmode.Event) {
	if e.Request != nil && e.Request.EnvelopeID != "" {
		client.Ack(*e.Request)
	}
}

func posted(t *testing.T, w *Workspace, api *slack.Client, channel string) Message {
	t.Helper()
	_, ts, err := api.PostMessageContext(t.Context(), channel, slack.MsgOptionText("card", false), card("SELECT 1"))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := w.Get(channel, ts)
	return m
}

func modalView() slack.ModalViewRequest {
	return slack.ModalViewRequest{Type: slack.VTModal, Title: plain("Deny"), Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}}}
}

func TestTriggersLiveThreeSecondsAndOnce(t *testing.T) {
	clock := NewClock(epoch)
	w, api, ann, c := start(t, Config{Clock: clock})
	m := posted(t, w, api, c.ID)
	open := func(trigger string, v slack.ModalViewRequest) string {
		_, err := api.OpenViewContext(t.Context(), trigger, v)
		return code(err)
	}
	click := func() string {
		d, err := w.Click(ann.ID, m, "deny") // nobody is connected; the trigger exists all the same
		if err != nil {
			t.Fatal(err)
		}
		return d.TriggerID
	}
	trigger := click()
	if got := open(trigger, slack.ModalViewRequest{Type: slack.VTModal, Title: plain(x(25)), Blocks: modalView().Blocks}); got != "invalid_arguments" {
		t.Errorf("too long a title: %q", got)
	}
	clock.Advance(2999 * time.Millisecond)
	if got := open(trigger, modalView()); got != "" {
		t.Errorf("in time, after a refused try: %q", got)
	}
	if got := open(trigger, modalView()); got != "exchanged_trigger_id" {
		t.Errorf("twice: %q", got)
	}
	trigger = click()
	clock.Advance(3 * time.Second)
	if got := open(trigger, modalView()); got != "expired_trigger_id" {
		t.Errorf("late: %q", got)
	}
	if got := open("1.2.3", modalView()); got != "invalid_arguments" {
		t.Errorf("made up: %q", got)
	}
}

func TestViewsUpdateAndPush(t *testing.T) {
	w, api, ann, c := start(t, Config{})
	m := posted(t, w, api, c.ID)
	trigger := func() string { d, _ := w.Click(ann.ID, m, "deny"); return d.TriggerID }
	v, err := api.OpenViewContext(t.Context(), trigger(), modalView())
	if err != nil {
		t.Fatal(err)
	}
	update := func(hash, id string) string {
		_, err := api.UpdateViewContext(t.Context(), modalView(), "", hash, id)
		return code(err)
	}
	if got := update(v.Hash, v.ID); got != "" {
		t.Error(got)
	}
	if got := update(v.Hash, v.ID); got != "hash_conflict" {
		t.Errorf("an old hash: %q", got)
	}
	if got := update("", "V404"); got != "not_found" {
		t.Errorf("no view: %q", got)
	}
	for i, want := range []string{"", "", "push_limit_reached"} {
		if _, err := api.PushViewContext(t.Context(), trigger(), modalView()); code(err) != want {
			t.Errorf("push %d: %v", i, err)
		}
	}
	withInput := modalView()
	withInput.Blocks.BlockSet = append(withInput.Blocks.BlockSet, slack.NewInputBlock("b", plain("x"), nil, slack.NewPlainTextInputBlockElement(nil, "a")))
	if _, err := api.OpenViewContext(t.Context(), trigger(), withInput); code(err) != "invalid_arguments" {
		t.Errorf("an input without submit: %v", err)
	}
}

func TestResponseURLFiveTimesThirtyMinutes(t *testing.T) {
	clock := NewClock(epoch)
	w, api, ann, c := start(t, Config{Clock: clock})
	m := posted(t, w, api, c.ID)
	click := func() string { d, _ := w.Click(ann.ID, m, "deny"); return d.ResponseURL }
	answer := func(url, body string) int {
		resp, err := http.Post(url, jsonType, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	url := click()
	for i, want := range []int{200, 200, 200, 200, 200, 404} {
		if got := answer(url, `{"text":"no"}`); got != want {
			t.Errorf("use %d: %d", i+1, got)
		}
	}
	if got := len(w.Ephemerals(ann.ID)); got != 5 {
		t.Errorf("%d answers are shown to ann", got)
	}
	url = click()
	clock.Advance(30 * time.Minute)
	if got := answer(url, `{"text":"no"}`); got != http.StatusNotFound {
		t.Errorf("after 30 minutes: %d", got)
	}
	if got := answer(click(), `{"replace_original":true,"text":"done"}`); got != 200 {
		t.Error(got)
	}
	if m, _ = w.Get(c.ID, m.TS); m.Text != "done" || len(m.Buttons()) != 0 {
		t.Errorf("replaced: %+v", m)
	}
}

// Slack does not send an interaction again: who does not answer in three seconds has failed in front of the person.
func TestNoAnswerFailsAfterThreeSeconds(t *testing.T) {
	clock := NewClock(epoch)
	w, api, ann, c := start(t, Config{Clock: clock})
	m := posted(t, w, api, c.ID)
	got := make(chan string, 10)
	app(t, api, w, func(_ *socketmode.Client, e socketmode.Event) {
		if e.Request != nil && e.Request.EnvelopeID != "" {
			got <- e.Request.EnvelopeID
		}
	})
	if err := w.WaitConnections(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	d, err := w.Click(ann.ID, m, "deny")
	if err != nil || <-got != d.Envelope {
		t.Fatal("the click did not arrive", err)
	}
	clock.Advance(3 * time.Second)
	if o, _ := d.Wait(t.Context()); o.Acked || o.Failure != "operation_timeout" {
		t.Errorf("%+v", o)
	}
	if len(got) != 0 {
		t.Error("it was sent again")
	}
	again := w.Repeat(d)
	if id := <-got; id != again.Envelope || id == d.Envelope {
		t.Error("a duplicate on demand has its own envelope")
	}
}

func TestEachEnvelopeGoesToOneOfTheConnections(t *testing.T) {
	w, api, ann, c := start(t, Config{})
	m := posted(t, w, api, c.ID)
	var mu sync.Mutex
	seen := map[int]int{}
	for i := range 3 {
		app(t, api, w, func(client *socketmode.Client, e socketmode.Event) {
			if e.Request != nil && e.Request.EnvelopeID != "" {
				mu.Lock()
				seen[i]++
				mu.Unlock()
				client.Ack(*e.Request)
			}
		})
	}
	if err := w.WaitConnections(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		d, err := w.Click(ann.ID, m, "deny")
		if err != nil {
			t.Fatal(err)
		}
		if o, err := d.Wait(t.Context()); err != nil || !o.Acked {
			t.Fatalf("%+v, %v", o, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if seen[0] != 2 || seen[1] != 2 || seen[2] != 2 {
		t.Errorf("envelopes by connection: %v", seen)
	}
}

func TestNobodyConnected(t *testing.T) {
	w, api, ann, c := start(t, Config{})
	d, err := w.Click(ann.ID, posted(t, w, api, c.ID), "deny")
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := d.Wait(t.Context()); o.Failure != "dispatch_failed" {
		t.Errorf("%+v", o)
	}
}

func TestClientsComeBackAfterARefreshAndACut(t *testing.T) {
	for name, end := range map[string]func(*Workspace){
		"refresh": func(w *Workspace) { w.Disconnect(RefreshNeeded) }, "warning": func(w *Workspace) { w.Disconnect(Warning) }, "cut": (*Workspace).Cut,
	} {
		t.Run(name, func(t *testing.T) {
			w, api, ann, c := start(t, Config{})
			m := posted(t, w, api, c.ID)
			app(t, api, w, ackAll)
			if err := w.WaitDialled(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			end(w)
			if err := w.WaitDialled(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			if err := w.WaitConnections(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			d, _ := w.Click(ann.ID, m, "deny")
			if o, err := d.Wait(t.Context()); err != nil || !o.Acked {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// A half-open connection is the fault most often reported of Socket Mode: Slack counts it, the client believes in it, nothing
// arrives. Only the missing pings show it.
func TestHalfOpenLosesEnvelopesUntilTheClientNoticesTheMissingPings(t *testing.T) {
	clock := NewClock(epoch)
	w, api, ann, c := start(t, Config{Clock: clock, PingInterval: 50 * time.Millisecond})
	m := posted(t, w, api, c.ID)
	client := socketmode.New(api, socketmode.OptionPingInterval(time.Second))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { client.RunContext(ctx) })
	running.Go(func() {
		for {
			select {
			case e := <-client.Events:
				ackAll(client, e)
			case <-ctx.Done():
				return
			}
		}
	})
	defer func() { cancel(); w.Cut(); running.Wait() }()
	if err := w.WaitDialled(ctx, 1); err != nil {
		t.Fatal(err)
	}
	w.HalfOpen()
	d, _ := w.Click(ann.ID, m, "deny")
	clock.Advance(3 * time.Second)
	if o, _ := d.Wait(ctx); o.Failure != "operation_timeout" {
		t.Errorf("%+v", o)
	}
	if err := w.WaitDialled(ctx, 2); err != nil {
		t.Fatal(err)
	}
}

func TestTicketsAreForOneConnection(t *testing.T) {
	w, api, _, _ := start(t, Config{})
	_, url, err := api.StartSocketModeContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	http1 := "http" + strings.TrimPrefix(url, "ws")
	for i, want := range []int{http.StatusBadRequest, http.StatusUnauthorized} { // 400: the ticket is taken, but this is no websocket
		resp, err := http.Get(http1)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("use %d: %d", i+1, resp.StatusCode)
		}
	}
	_ = w
}

// WhoCanClick: the driver does only what Slack's clients would let a person do.
func TestWhoCanClick(t *testing.T) {
	w, api, ann, c := start(t, Config{})
	m := posted(t, w, api, c.ID)
	member := w.AddUser(User{Name: "member"})
	guest := w.AddUser(User{Name: "guest", Restricted: true})
	gone := w.AddUser(User{Name: "gone", Deleted: true})
	external := w.AddUser(User{Name: "external", TeamID: "T0OTHER", Stranger: true})
	for who, want := range map[string]bool{ann.ID: true, member.ID: true, guest.ID: false, gone.ID: false, external.ID: false, w.BotUser(): false, "U404": false} {
		if _, err := w.Click(who, m, "deny"); (err == nil) != want {
			t.Errorf("%s: %v", who, err)
		}
	}
	w.Join(c.ID, guest.ID, external.ID) // then they see it, and refusing them is the app's task
	for _, who := range []User{guest, external} {
		p, err := w.ClickPayload(who.ID, m, "deny")
		if err != nil || p["user"].(map[string]any)["team_id"] != who.TeamID {
			t.Errorf("%s: %v, %v", who.Name, p, err)
		}
	}
}

// seeing is an app over HTTP that checks signatures with slack-go.
func seeing(t *testing.T, secret *string, answer string) (url string, bodies func() []string) {
	t.Helper()
	var mu sync.Mutex
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		v, err := slack.NewSecretsVerifier(r.Header, *secret)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(io.TeeReader(r.Body, &v))
		if err := v.Ensure(); err != nil {
			http.Error(rw, err.Error(), http.StatusUnauthorized)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		mu.Lock()
		got = append(got, string(body))
		mu.Unlock()
		if cb, err := slack.InteractionCallbackParse(r); err == nil && cb.Type != slack.InteractionTypeBlockActions {
			t.Errorf("callback %+v", cb)
		}
		io.WriteString(rw, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(got) }
}

func TestSignedCallbacksOverHTTP(t *testing.T) {
	secret := ""
	url, bodies := seeing(t, &secret, "")
	w, api, ann, c := start(t, Config{RequestURL: url, CommandURL: url})
	secret = w.SigningSecret()
	m := posted(t, w, api, c.ID)
	d, err := w.Click(ann.ID, m, "approve")
	if err != nil {
		t.Fatal(err)
	}
	if o, err := d.Wait(t.Context()); err != nil || !o.Acked || o.Status != 200 {
		t.Errorf("%+v, %v", o, err)
	}
	if d, err = w.SlashCommand(ann.ID, c.ID, "/sallyport link"); err != nil {
		t.Fatal(err)
	}
	if o, err := d.Wait(t.Context()); err != nil || !o.Acked {
		t.Errorf("%+v, %v", o, err)
	}
	if got := bodies(); len(got) != 2 || !strings.HasPrefix(got[0], "payload=") || !strings.Contains(got[1], "command=%2Fsallyport") {
		t.Errorf("bodies %v", got)
	}
	now := time.Now()
	altered := w.Sign(url, d.Form(), now)
	altered.Body = io.NopCloser(strings.NewReader(strings.Replace(d.Form(), "link", "deny", 1)))
	altered.ContentLength = int64(len(d.Form()))
	for name, tc := range map[string]struct {
		r    *http.Request
		want int
	}{
		"as it should be": {w.Sign(url, d.Form(), now), 200},
		"again":           {w.Sign(url, d.Form(), now), 200}, // the signature alone does not stop a repetition
		"another secret":  {SignWith("other", url, d.Form(), now), 401},
		"six minutes old": {w.Sign(url, d.Form(), now.Add(-6*time.Minute)), 401},
		"altered":         {altered, 401},
	} {
		if o := w.Send(t.Context(), tc.r); o.Status != tc.want {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestOrderedFaults(t *testing.T) {
	w, api, ann, _ := start(t, Config{})
	info := func() error { _, err := api.GetUserInfoContext(t.Context(), ann.ID); return err }
	w.FailNext("users.info", 500)
	if e, ok := errors.AsType[slack.StatusCodeError](info()); !ok || e.Code != 500 {
		t.Error("no 500")
	}
	w.RateLimitNext("users.info", 30*time.Second)
	if e, ok := errors.AsType[*slack.RateLimitedError](info()); !ok || e.RetryAfter != 30*time.Second {
		t.Error("no 429")
	}
	w.CutNext("users.info")
	if info() == nil {
		t.Error("not cut")
	}
	w.SetDown(true)
	if info() == nil {
		t.Error("not down")
	}
	w.SetDown(false)
	if err := info(); err != nil {
		t.Error(err)
	}
	if calls := w.Calls("users.info"); len(calls) != 1 || calls[0].Args["user"] != ann.ID { // those that failed were not carried out
		t.Errorf("calls %+v", calls)
	}
}

func TestAnAnswerThatSlackWouldNotTake(t *testing.T) {
	w, api, ann, c := start(t, Config{})
	var answer any
	app(t, api, w, func(client *socketmode.Client, e socketmode.Event) {
		if e.Request != nil && e.Request.EnvelopeID != "" {
			client.Ack(*e.Request, answer)
		}
	})
	if err := w.WaitConnections(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	m := posted(t, w, api, c.ID)
	for name, tc := range map[string]struct {
		answer any
		act    func() (*Delivery, error)
	}{
		"to a click":                  {o{"text": "done"}, func() (*Delivery, error) { return w.Click(ann.ID, m, "deny") }},
		"to a command, too long":      {o{"blocks": []any{o{"type": "header", "text": pt(x(151))}}}, func() (*Delivery, error) { return w.SlashCommand(ann.ID, c.ID, "/x") }},
		"to a command, an odd key":    {o{"txt": "done"}, func() (*Delivery, error) { return w.SlashCommand(ann.ID, c.ID, "/x") }},
		"to a form, an unknown block": {o{"response_action": "errors", "errors": o{"no": "x"}}, func() (*Delivery, error) { return w.SubmitView(ann.ID, nil) }},
		"to a form, unknown action":   {o{"response_action": "close"}, func() (*Delivery, error) { return w.SubmitView(ann.ID, nil) }},
	} {
		w.mu.Lock()
		trigger := w.newTrigger(ann.ID)
		w.mu.Unlock()
		if _, err := api.OpenViewContext(t.Context(), trigger, modalView()); err != nil {
			t.Fatal(err)
		}
		answer = tc.answer
		d, err := tc.act()
		if err != nil {
			t.Fatal(err)
		}
		if o, err := d.Wait(t.Context()); err != nil || len(o.Problems) == 0 {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

func TestMessageIDsAreUniqueThoughTheClockStandsStill(t *testing.T) {
	w, api, _, c := start(t, Config{Clock: NewClock(epoch)})
	seen := map[string]bool{}
	for range 50 {
		m := posted(t, w, api, c.ID)
		if seen[m.TS] {
			t.Fatal(m.TS)
		}
		seen[m.TS] = true
	}
	if b, err := json.Marshal(w.Messages(c.ID)); err != nil || len(b) == 0 {
		t.Error(err)
	}
}
