package slack

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/approvals/slack/slackfake"
	"sallyport/audit"
)

// TestApproveFromCardToOutcome is the main path: the card, a click, the edited card, the thread.
func TestApproveFromCardToOutcome(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.person("bob", "dba")
	o.start()
	r := o.request(nil)
	card := o.card(r, "Approval needed")
	if len(card.Pings()) > 0 || len(card.Links()) > 0 || card.Unfurl {
		t.Errorf("pings %v links %v unfurl %v", card.Pings(), card.Links(), card.Unfurl)
	}
	o.click(bob, card, actionApprove)
	edited := o.card(r, "Approved: ")
	if edited.TS != card.TS || len(edited.Buttons()) > 0 {
		t.Errorf("another message, or buttons that stay: %s %v", edited.TS, edited.Buttons())
	}
	got := o.get(r)
	if got.State != approvals.Approved || len(got.Votes) != 1 || got.Votes[0].By.Subject != "bob" || got.Votes[0].Via != "slack" || got.Votes[0].Digest != r.Digest {
		t.Errorf("%+v", got)
	}
	o.execute(r)
	o.card(r, "Approved and executed")
	o.waitThread(card, "outcome: ok")
	if notes := o.thread(card); !has(notes, "bob") || !has(notes, "approved: 1 of 1") || !has(notes, "executed") {
		t.Errorf("%q", notes)
	}
}

func TestDenyWithAReason(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.person("bob", "dba")
	o.start()
	r := o.request(nil)
	card := o.card(r, "Approval needed")
	o.click(bob, card, actionDeny)
	if _, err := o.ws.WaitView(o.ctx(), bob.ID, func(v slackfake.View) bool { return !v.Closed }); err != nil {
		t.Fatal(err)
	}
	d, err := o.ws.SubmitView(bob.ID, map[string]string{fieldReason: "wrong order <!channel>"})
	o.must(err)
	if out, err := d.Wait(o.ctx()); err != nil || !out.Acked || len(out.Problems) > 0 {
		t.Fatalf("%+v %v", out, err)
	}
	denied := o.card(r, "Denied: ")
	if got := o.get(r); got.State != approvals.Denied || got.Votes[0].Reason != "wrong order <!channel>" {
		t.Errorf("%+v", got)
	}
	o.waitThread(card, "wrong order <!channel>")
	for _, m := range append(o.ws.Messages(o.channel.ID), denied) {
		if len(m.Pings()) > 0 {
			t.Errorf("a reason pings: %v", m.Pings())
		}
	}
}

// TestAPersonInTwoGroupsCountsOnce is a weakness found elsewhere: who is in both groups fulfilled both.
func TestAPersonInTwoGroupsCountsOnce(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob, cat := o.person("bob", "dba", "sre"), o.person("cat", "sre")
	second := o.ws.AddUser(slackfake.User{Name: "bobs-other-account"}) // one human, two accounts
	o.ws.Join(o.channel.ID, second.ID)
	o.link(second, "bob", "dba", "sre")
	o.start()
	r := o.request(func(r *approvals.Request) { r.Count, r.From = 2, []string{"dba", "sre"} })
	card := o.card(r, "has 0")
	o.click(bob, card, actionApprove)
	card = o.card(r, "has 1")
	o.click(bob, card, actionApprove)
	o.told(bob, 0, "counts already")
	o.click(second, card, actionApprove)
	o.told(second, 0, "counts already")
	if got := o.get(r); got.State != approvals.Pending || got.Yes() != 1 {
		t.Errorf("one person counts for two: %+v", got)
	}
	o.click(cat, card, actionApprove)
	o.card(r, "Approved: ")
}

// TestAdministratorsCannotApproveTheirOwn is a weakness found elsewhere.
func TestAdministratorsCannotApproveTheirOwn(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	maria, agent := o.person("maria", "dba"), o.person("claude-code", "dba")
	o.ws.ChangeUser(maria.ID, func(u *slackfake.User) { u.Admin = true })
	o.start()
	r := o.request(nil)
	card := o.card(r, "Approval needed")
	for _, action := range []string{actionApprove, actionDeny} {
		o.click(maria, card, action)
	}
	o.told(maria, 0, "Somebody else has to answer")
	o.told(maria, 1, "Somebody else has to answer")
	o.click(agent, card, actionApprove)
	o.told(agent, 0, "Somebody else has to answer")
	if got := o.get(r); got.State != approvals.Pending || len(got.Votes) > 0 {
		t.Errorf("%+v", got)
	}
}

// TestTwoAtOnceBothCount is a weakness found elsewhere: the second of two votes overwrote the first. Also a double click.
func TestTwoAtOnceBothCount(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	people := []slackfake.User{o.person("bob", "dba"), o.person("cat", "dba"), o.person("dan", "dba")}
	o.start()
	r := o.request(func(r *approvals.Request) { r.Count = 3 })
	card := o.card(r, "has 0")
	var wg sync.WaitGroup
	for _, u := range append(people, people...) {
		wg.Go(func() {
			d, err := o.ws.Click(u.ID, card, actionApprove)
			if err != nil {
				t.Error(err)
				return
			}
			if out, err := d.Wait(o.ctx()); err != nil || !out.Acked {
				t.Errorf("%+v %v", out, err)
			}
		})
	}
	wg.Wait()
	o.card(r, "Approved: ")
	if got := o.get(r); got.Yes() != 3 || len(got.Votes) != 3 {
		t.Errorf("%+v", got.Votes)
	}
}

// TestAYesIsForOneCallOnce is a weakness found elsewhere: an approval that let anything pass for an hour.
func TestAYesIsForOneCallOnce(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.person("bob", "dba")
	o.start()
	one := o.request(nil)
	other := o.request(nil)
	o.click(bob, o.card(one, "Approval needed"), actionApprove)
	o.card(one, "Approved: ")
	if got := o.get(other); got.State != approvals.Pending {
		t.Errorf("the other is %s", got.State)
	}
	o.execute(one)
	err := o.store.ConsumeAndIntend(context.Background(), &approvals.Use{ID: one.ID, Digest: one.Digest}, audit.Record{Entry: audit.Entry{Kind: audit.KindIntent, Call: "again"}})
	if err == nil {
		t.Error("it was used twice")
	}
}

// TestDialogsAndCardsSurviveARestart is a weakness found elsewhere: open dialogs and sent messages lived in memory.
func TestDialogsAndCardsSurviveARestart(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.person("bob", "dba")
	o.start()
	r := o.request(nil)
	card := o.card(r, "Approval needed")
	o.click(bob, card, actionDeny)
	if _, err := o.ws.WaitView(o.ctx(), bob.ID, func(v slackfake.View) bool { return !v.Closed }); err != nil {
		t.Fatal(err)
	}
	o.restart()
	d, err := o.ws.SubmitView(bob.ID, map[string]string{fieldReason: "after the restart"})
	o.must(err)
	if out, err := d.Wait(o.ctx()); err != nil || !out.Acked {
		t.Fatalf("%+v %v", out, err)
	}
	if m := o.card(r, "Denied: "); m.TS != card.TS {
		t.Error("the old card is not the one that was edited")
	}
	if n := len(o.ws.Calls("chat.postMessage")) - len(o.thread(card)) - 1; n > 1 { // one direct message: linked
		t.Errorf("%d messages too many", n)
	}
}

// TestARestartBetweenAckAndVote: what was acknowledged counts, once.
func TestARestartBetweenAckAndVote(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.person("bob", "dba")
	o.start()
	r := o.request(nil)
	card := o.card(r, "Approval needed")
	o.stop()
	o.stop = func() {}
	o.must(o.ws.WaitConnections(o.ctx(), 0))

	// A gateway that only listens: it stores and acknowledges, and ends before it votes.
	ctx, cancel := context.WithCancel(context.Background())
	b, done := o.bridge(nil), make(chan struct{})
	go func() { b.listen(ctx); close(done) }()
	o.must(o.ws.WaitConnections(o.ctx(), 1))
	o.click(bob, card, actionApprove)
	cancel()
	<-done
	if got := o.get(r); got.State != approvals.Pending {
		t.Fatalf("%s", got.State)
	}
	o.restart()
	o.card(r, "Approved: ")
	if got := o.get(r); len(got.Votes) != 1 {
		t.Errorf("%+v", got.Votes)
	}
}

// TestWhatCannotBeStoredIsNotAcknowledged is a weakness found elsewhere: a click was acknowledged, then lost.
func TestWhatCannotBeStoredIsNotAcknowledged(t *testing.T) {
	clock := slackfake.NewClock(time.Now())
	o := newOffice(t, slackfake.Config{Clock: clock})
	bob := o.person("bob", "dba")
	o.start()
	r := o.request(nil)
	card := o.card(r, "Approval needed")
	o.store.setDown(true)
	d, err := o.ws.Click(bob.ID, card, actionApprove)
	o.must(err)
	for o.count("not_kept") == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	clock.Advance(4 * time.Second)
	if out, err := d.Wait(o.ctx()); err != nil || out.Acked || out.Failure != "operation_timeout" {
		t.Errorf("%+v %v", out, err)
	}
	if got := o.get(r); len(got.Votes) > 0 {
		t.Errorf("it counts all the same: %+v", got.Votes)
	}
	o.store.setDown(false)
	o.click(bob, card, actionApprove)
	o.card(r, "Approved: ")
}

// TestDuplicatesHaveOneEffect: the same interaction in two envelopes, over two connections.
func TestDuplicatesHaveOneEffect(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.person("bob", "dba")
	o.start()
	r := o.request(func(r *approvals.Request) { r.Count = 2 })
	card := o.card(r, "has 0")
	d, err := o.ws.Click(bob.ID, card, actionApprove)
	o.must(err)
	for range 3 {
		if out, err := o.ws.Repeat(d).Wait(o.ctx()); err != nil || !out.Acked {
			t.Errorf("%+v %v", out, err)
		}
	}
	o.card(r, "has 1")
	if got := o.get(r); len(got.Votes) != 1 || o.count("duplicate") != 3 || len(o.ws.Ephemerals(bob.ID)) != 0 {
		t.Errorf("%d votes, %d duplicates, %d messages", len(got.Votes), o.count("duplicate"), len(o.ws.Ephemerals(bob.ID)))
	}
}

// TestNothingOfACallbackIsTrustedButWho: tokens, messages, channels and names that somebody made up.
func TestNothingOfACallbackIsTrustedButWho(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.person("bob", "dba")
	o.start()
	one, other := o.request(nil), o.request(nil)
	card, otherCard := o.card(one, "Approval needed"), o.card(other, "Approval needed")
	forge := func(m slackfake.Message, change func(p map[string]any)) {
		t.Helper()
		p, err := o.ws.ClickPayload(bob.ID, m, actionApprove)
		o.must(err)
		change(p)
		if out, err := o.ws.Deliver("interactive", p).Wait(o.ctx()); err != nil || !out.Acked {
			t.Fatalf("%+v %v", out, err)
		}
	}
	action := func(p map[string]any) map[string]any { return p["actions"].([]any)[0].(map[string]any) }
	forge(card, func(p map[string]any) { action(p)["value"] = "guess" })
	forge(card, func(p map[string]any) { action(p)["value"] = one.Code })
	forge(card, func(p map[string]any) { action(p)["value"] = approvals.TokenHash(card.Buttons()[0].Value) })
	forge(card, func(p map[string]any) { action(p)["value"] = card.Buttons()[1].Value })      // deny's token, sent as approve
	forge(card, func(p map[string]any) { action(p)["value"] = otherCard.Buttons()[0].Value }) // another card's token on this card
	forge(card, func(p map[string]any) { p["container"].(map[string]any)["message_ts"] = "1.000001" })
	forge(card, func(p map[string]any) { action(p)["action_id"] = "approve_all" })
	forge(card, func(p map[string]any) { action(p)["action_id"] = actDialog })
	forge(card, func(p map[string]any) { p["type"] = "shortcut" })
	forge(card, func(p map[string]any) { p["actions"] = []any{} })
	o.quiet()
	for _, r := range []approvals.Request{one, other} {
		if got := o.get(r); got.State != approvals.Pending || len(got.Votes) > 0 {
			t.Errorf("%+v", got)
		}
	}
	// What is not believed may say anything.
	forge(card, func(p map[string]any) {
		p["user"].(map[string]any)["name"] = "maria"
		p["message"] = map[string]any{"text": "something else"}
	})
	o.card(one, "Approved: ")
	if got := o.get(one); got.Votes[0].By.Subject != "bob" {
		t.Errorf("%+v", got.Votes)
	}
}

// TestOnlyMembersCount: guests, bots, strangers, people of other workspaces, deactivated and unlinked accounts, old groups.
func TestOnlyMembersCount(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	o.start()
	r := o.request(nil)
	card := o.card(r, "Approval needed")
	for name, change := range map[string]func(*slackfake.User){
		"Guests":          func(u *slackfake.User) { u.Restricted = true },
		"Guests cannot":   func(u *slackfake.User) { u.UltraRestricted = true },
		"Only people":     func(u *slackfake.User) { u.Bot = true },
		"deactivated":     func(u *slackfake.User) { u.Deleted = true },
		"Only members":    func(u *slackfake.User) { u.Stranger = true },
		"Only members of": func(u *slackfake.User) { u.TeamID = "T0OTHER" },
	} {
		u := o.person(strings.ToLower(strings.ReplaceAll(name, " ", "-")), "dba")
		p, err := o.ws.ClickPayload(u.ID, card, actionApprove)
		o.must(err)
		o.ws.ChangeUser(u.ID, change)
		if out, err := o.ws.Deliver("interactive", p).Wait(o.ctx()); err != nil || !out.Acked {
			t.Fatalf("%s: %+v %v", name, out, err)
		}
	}
	stranger := o.ws.AddUser(slackfake.User{Name: "nobody-yet"})
	o.ws.Join(o.channel.ID, stranger.ID)
	o.click(stranger, card, actionApprove)
	o.told(stranger, 0, "not linked")
	sales := o.person("eve", "sales")
	o.click(sales, card, actionApprove)
	o.told(sales, 0, "none of the groups")
	o.quiet()
	if got := o.get(r); len(got.Votes) > 0 {
		t.Errorf("%+v", got.Votes)
	}
	if o.count("foreign") < 2 {
		t.Errorf("%v", o.events)
	}
}

func TestOldGroupsDoNotCount(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.person("bob", "dba")
	o.run(o.bridge(func(c *Config) { c.MaxGroupAge = time.Millisecond }))
	r := o.request(nil)
	o.click(bob, o.card(r, "Approval needed"), actionApprove)
	o.told(bob, 0, "Sign in again with: sallyport approvals link")
	if got := o.get(r); len(got.Votes) > 0 {
		t.Errorf("%+v", got.Votes)
	}
}

// TestALinkProvesBothAccounts is a weakness found elsewhere: an id in a link's address bound whoever opened it. The code reaches the
// account alone, as a direct message, and it names the account it was sent to; nothing else makes a link.
func TestALinkProvesBothAccounts(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.ws.AddUser(slackfake.User{Name: "bob"})
	o.ws.Join(o.channel.ID, bob.ID)
	o.start()
	r := o.request(nil)
	card := o.card(r, "Approval needed")
	o.click(bob, card, actionApprove)
	o.told(bob, 0, "not linked")
	o.click(bob, o.ws.Ephemerals(bob.ID)[0], actionLink)
	code := o.codeFor(bob)
	if n := len(o.ws.Messages(o.channel.ID)); n != 1 {
		t.Errorf("the channel has %d messages", n)
	}
	a, err := o.store.Pairing(o.ctx(), approvals.PairingHash(strings.ToLower(code)))
	if err != nil || a.User != bob.ID || a.Team != o.ws.TeamID() {
		t.Fatalf("%+v %v", a, err)
	}
	l := approvals.Link{Account: a, Identity: approvals.Identity{Issuer: "https://idp", Subject: "bob"}, Groups: []string{"dba"}}
	o.must(o.store.CompletePairing(o.ctx(), approvals.PairingHash(code), l, audit.Record{Entry: audit.Entry{Kind: audit.KindConfig}}, "It is linked now."))
	if _, err := o.ws.WaitMessage(o.ctx(), o.ws.DirectMessage(bob.ID), func(m slackfake.Message) bool { return strings.Contains(m.VisibleText(), "It is linked now.") }); err != nil {
		t.Fatal(err)
	}
	o.click(bob, card, actionApprove)
	o.card(r, "Approved: ")
}

func TestTheSlashCommandPairsToo(t *testing.T) {
	o := newOffice(t, slackfake.Config{})
	bob := o.ws.AddUser(slackfake.User{Name: "bob"})
	guest := o.ws.AddUser(slackfake.User{Name: "guest", Restricted: true})
	o.start()
	for _, u := range []slackfake.User{guest, bob} {
		o.ws.Join(o.channel.ID, u.ID)
		d, err := o.ws.SlashCommand(u.ID, o.channel.ID, "/sallyport link")
		o.must(err)
		if out, err := d.Wait(o.ctx()); err != nil || !out.Acked || len(out.Problems) > 0 {
			t.Fatalf("%+v %v", out, err)
		}
	}
	o.codeFor(bob)
	if m := o.direct(guest); strings.Contains(m.VisibleText(), "approvals link") || !strings.Contains(m.VisibleText(), "Guests") {
		t.Errorf("a guest is told %q", m.VisibleText())
	}
}

// direct waits for a direct message.
func (o *office) direct(u slackfake.User) slackfake.Message {
	o.t.Helper()
	for o.ws.DirectMessage(u.ID) == "" {
		time.Sleep(5 * time.Millisecond)
	}
	m, err := o.ws.Message(o.ctx(), o.ws.DirectMessage(u.ID), 0)
	o.must(err)
	return m
}

func (o *office) codeFor(u slackfake.User) string {
	o.t.Helper()
	_, rest, ok := strings.Cut(o.direct(u).VisibleText(), "sallyport approvals link ")
	code, _, _ := strings.Cut(rest, "\n")
	if !ok || len(strings.TrimSpace(code)) != 19 {
		o.t.Fatalf("no code in %q", o.direct(u).VisibleText())
	}
	return strings.TrimSpace(code)
}
