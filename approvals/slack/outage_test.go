package slack

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/approvals/slack/slackfake"
)

// TestSlackDownLosesNothing: cards wait for Slack, whichever call fails; and when it is back each is there once.
func TestSlackDownLosesNothing(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	o.ws.SetDown(true)
	o.run(o.bridge(func(c *Config) { c.AppToken, c.SigningSecret = "", "secret" }))
	r := o.request(nil)
	for o.count("outbox_error") == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	vote := approvals.Vote{By: approvals.Identity{Issuer: "https://idp", Subject: "bob"}, Yes: true, Via: "cli", Digest: r.Digest, Time: time.Now()}
	if _, err := o.store.CastVote(context.Background(), r.ID, vote, approvals.Apply, noRecords); err != nil {
		t.Fatal(err)
	}
	if got := o.get(r); got.State != approvals.Approved {
		t.Errorf("not decidable while Slack is down: %+v", got)
	}
	o.ws.SetDown(false)
	second := o.request(nil) // the first was over before anybody saw it
	o.card(second, "Approval needed")
	for _, m := range o.ws.Messages(o.channel.ID) {
		if strings.Contains(m.Text, r.Code) {
			t.Errorf("a card of what is over: %s", m.Text)
		}
	}
}

// TestRateLimitsAreKept: one message a second in a channel, and Retry-After; nothing is dropped. The fake answers 429 to whoever does not.
func TestRateLimitsAreKept(t *testing.T) {
	o := newOffice(t, slackfake.Config{RateLimit: true})
	o.ws.RateLimitNext("chat.postMessage", time.Second)
	o.run(o.bridge(func(c *Config) { c.Gap = 1100 * time.Millisecond }))
	var requests []approvals.Request
	for range 3 {
		requests = append(requests, o.request(nil))
	}
	for _, r := range requests {
		o.card(r, "Approval needed")
	}
	if n := o.count("rate_limited"); n != 1 {
		t.Errorf("told to wait %d times, want once", n)
	}
	if n := len(o.ws.Messages(o.channel.ID)); n != 3 {
		t.Errorf("%d messages", n)
	}
}

// TestADeletedCardComesBack: hiding the question is not a no.
func TestADeletedCardComesBack(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.person("bob", "dba")
	o.start()
	r := o.request(func(r *approvals.Request) { r.Count = 2 })
	card := o.card(r, "has 0")
	if _, _, err := o.bridge(nil).api.DeleteMessage(card.Channel, card.TS); err != nil {
		t.Fatal(err)
	}
	vote := approvals.Vote{By: approvals.Identity{Issuer: "https://idp", Subject: "cat"}, Yes: true, Via: "cli", Digest: r.Digest, Time: time.Now()}
	if _, err := o.store.CastVote(context.Background(), r.ID, vote, approvals.Apply, noRecords); err != nil {
		t.Fatal(err)
	}
	again := o.card(r, "has 1")
	if again.TS == card.TS {
		t.Error("it is the deleted one")
	}
	o.click(bob, again, actionApprove)
	o.card(r, "Approved: ")
}

// TestSocketsComeBack: Slack ends a connection, cuts it, or leaves it half open without a ping.
func TestSocketsComeBack(t *testing.T) {
	o := newOffice(t, slackfake.Config{PingInterval: 50 * time.Millisecond})
	bob := o.person("bob", "dba")
	o.run(o.bridge(func(c *Config) { c.PingInterval = 500 * time.Millisecond }))
	for i, end := range []func(){
		func() { o.ws.Disconnect(slackfake.RefreshNeeded) },
		func() { o.ws.Cut() },
		func() { o.ws.HalfOpen() },
	} {
		end()
		o.must(o.ws.WaitDialled(o.ctx(), i+2))
		o.must(o.ws.WaitConnections(o.ctx(), 1))
		r := o.request(nil)
		o.click(bob, o.card(r, "Approval needed"), actionApprove)
		o.card(r, "Approved: ")
	}
}

// TestABadTokenIsTriedAgain: the gateway goes on without Slack.
func TestABadTokenIsTriedAgain(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	o.ws.RevokeToken(o.ws.AppToken())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b := o.bridge(nil)
	go func() { b.Run(ctx); close(done) }()
	for o.count("socket_failed") == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	r := o.request(nil)
	o.card(r, "Approval needed") // the bot token still works
	cancel()
	<-done
}

// TestSignedCallbacks: the other transport, with the same rules.
func TestSignedCallbacks(t *testing.T) {
	address, serve := overHTTP(t)
	o := newOffice(t, slackfake.Config{RequestURL: address, CommandURL: address})
	bob := o.person("bob", "dba")
	b := o.bridge(func(c *Config) { c.AppToken, c.SigningSecret = "", o.ws.SigningSecret() })
	serve(b.Handler())
	o.run(b)
	r := o.request(func(r *approvals.Request) { r.Count = 2 })
	card := o.card(r, "has 0")
	d, err := o.ws.Click(bob.ID, card, actionApprove)
	o.must(err)
	if out, err := d.Wait(o.ctx()); err != nil || !out.Acked || len(out.Problems) > 0 {
		t.Fatalf("%+v %v", out, err)
	}
	o.card(r, "has 1")

	// The same signed request again is accepted, because its signature is good, and does nothing.
	form := d.Form()
	for range 2 {
		if out := o.ws.Send(o.ctx(), o.ws.Sign(address, form, time.Now())); out.Status != http.StatusOK {
			t.Errorf("%+v", out)
		}
	}
	o.quiet()
	if got := o.get(r); len(got.Votes) != 1 || o.count("duplicate") != 2 || len(o.ws.Ephemerals(bob.ID)) != 0 {
		t.Errorf("votes %d, duplicates %d", len(got.Votes), o.count("duplicate"))
	}

	for name, change := range map[string]func(*http.Request){
		"an old signature":    func(q *http.Request) { *q = *o.ws.Sign(address, form, time.Now().Add(-6*time.Minute)) },
		"one from the future": func(q *http.Request) { *q = *o.ws.Sign(address, form, time.Now().Add(6*time.Minute)) },
		"no signature":        func(q *http.Request) { q.Header.Del("X-Slack-Signature") },
		"another one":         func(q *http.Request) { q.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("0", 64)) },
		"another time":        func(q *http.Request) { q.Header.Set("X-Slack-Request-Timestamp", "1") },
	} {
		q := o.ws.Sign(address, form, time.Now())
		change(q)
		if out := o.ws.Send(o.ctx(), q); out.Status != http.StatusUnauthorized {
			t.Errorf("%s: %+v", name, out)
		}
	}
	for name, body := range map[string]string{"two payloads": form + "&" + form, "no payload": "a=b", "no JSON": "payload=x", "nothing": ""} {
		if out := o.ws.Send(o.ctx(), o.ws.Sign(address, body, time.Now())); out.Status != http.StatusBadRequest {
			t.Errorf("%s: %+v", name, out)
		}
	}
	// What is in the query string is not signed and not read.
	if out := o.ws.Send(o.ctx(), o.ws.Sign(address+"?"+form, "a=b", time.Now())); out.Status != http.StatusBadRequest {
		t.Errorf("a payload in the query string: %+v", out)
	}
	guest := o.ws.AddUser(slackfake.User{Name: "dora"})
	o.ws.Join(o.channel.ID, guest.ID)
	c, err := o.ws.SlashCommand(guest.ID, o.channel.ID, "/sallyport link")
	o.must(err)
	if out, err := c.Wait(o.ctx()); err != nil || !out.Acked {
		t.Fatalf("%+v %v", out, err)
	}
	o.codeFor(guest)
}

// TestHostileTextIsTakenBySlack: whatever a call says, Slack takes the card, nobody is pinged, nothing is a link, nothing is hidden.
func TestHostileTextIsTakenBySlack(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	o.start()
	for _, text := range hostile {
		r := o.request(func(r *approvals.Request) {
			r.Summary, r.Text, r.Claim, r.Agent, r.Requester.Subject, r.Target, r.Environment = text, text, text, text, text, text, text
			r.Reasons, r.From, r.Impact.Object = []string{text}, []string{text}, text
		})
		m := o.card(r, r.Code)
		if len(m.Pings()) > 0 || len(m.Links()) > 0 || len(m.Hidden()) > 0 {
			t.Errorf("%.60q: pings %v, links %v, hidden %v", text, m.Pings(), m.Links(), m.Hidden())
		}
	}
	for _, c := range o.ws.Calls("") {
		if c.Error != "" {
			t.Errorf("%s: %s", c.Method, c.Error)
		}
	}
}

// TestOnCallIsMentioned: the group of the configuration, in the notification and on the card; the channel is that of the route.
func TestOnCallIsMentioned(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	g := o.ws.AddUserGroup(slackfake.UserGroup{Handle: "dba-oncall"})
	o.route.Mention, o.route.Page = g.ID, "https://sallyport.example.com/approvals/K7QM-2X9D"
	o.start()
	r := o.request(nil)
	m := o.card(r, "Approval needed")
	if p := m.Pings(); len(p) == 0 || !strings.Contains(strings.Join(p, " "), g.ID) {
		t.Errorf("pings %v", p)
	}
}
