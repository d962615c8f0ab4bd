package slack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"sallyport/approvals"
)

// longWait is how long a posting may wait for its channel before another one is taken up meanwhile.
const longWait = 5 * time.Second

// postNext brings one card up to what is true: it posts or edits it, then tells its thread. Each step is durable before the next, and a
// step that was sent but not recorded is sent again: an approver may see a note twice, never none.
func (b *Bridge) postNext(ctx context.Context) (worked bool, err error) {
	p, ok, err := b.Store.ClaimPosting(ctx, postingLease)
	if err != nil || !ok {
		return false, err
	}
	again := b.Now()
	if err = b.post(ctx, &p); err != nil {
		again, err = b.postponed(ctx, &p, err)
	}
	if e := b.Store.ReleasePosting(context.WithoutCancel(ctx), p, again); e != nil && !errors.Is(e, approvals.ErrClaim) {
		err = errors.Join(err, e)
	}
	return true, err
}

func (b *Bridge) post(ctx context.Context, p *approvals.Posting) error {
	card, err := b.card(ctx, p)
	if err != nil {
		return err
	}
	r := &card.Request
	if r.State == approvals.Pending {
		if card.Buttons, err = b.arm(ctx, p, r); err != nil {
			return err
		}
	}
	if err := b.show(ctx, p, card); err != nil {
		return err
	}
	for notes := card.notes(); p.Told < len(notes); {
		if err := b.turn(ctx, p.Channel); err != nil {
			return err
		}
		if _, _, err := b.api.PostMessageContext(ctx, p.Channel, slackgo.MsgOptionTS(p.Message), said("An approval changed", preformatted(notes[p.Told]))); err != nil {
			return fmt.Errorf("thread of %s: %w", r.Code, err)
		}
		p.Told++
		if err := b.Store.SavePosting(ctx, *p, false); err != nil {
			return err
		}
	}
	p.Shown = p.Version
	b.Observe("card_" + string(r.State))
	return b.Store.SavePosting(ctx, *p, r.State != approvals.Pending && r.State != approvals.Approved && (r.State != approvals.Consumed || card.Outcome != ""))
}

// card is what the posting has to show.
func (b *Bridge) card(ctx context.Context, p *approvals.Posting) (Card, error) {
	r, err := b.Store.Approval(ctx, p.Request)
	if err != nil {
		return Card{}, err
	}
	route := b.Route(r)
	c := Card{Request: r, Preview: route.Preview, Mention: route.Mention, Page: route.Page}
	if p.Channel == "" {
		p.Channel = route.Channel // the first channel stays, whatever is configured later
	}
	if r.State == approvals.Consumed && strings.HasSuffix(p.Version, "/ended") {
		c.Outcome, err = b.Outcome(ctx, r.CallID)
	}
	return c, err
}

// arm makes the tokens of the buttons, durable before anybody can press one.
func (b *Bridge) arm(ctx context.Context, p *approvals.Posting, r *approvals.Request) (Buttons, error) {
	buttons := Buttons{Approve: rand.Text(), Deny: rand.Text()} // 130 bits each
	token := func(text, act string) approvals.Token {
		return approvals.Token{Hash: approvals.TokenHash(text), Request: r.ID, Digest: r.Digest, Act: act}
	}
	return buttons, b.Store.ArmPosting(ctx, *p, token(buttons.Approve, actionApprove), token(buttons.Deny, actionDeny))
}

// show posts the card, or edits the one that is there.
func (b *Bridge) show(ctx context.Context, p *approvals.Posting, card Card) error {
	if err := b.turn(ctx, p.Channel); err != nil {
		return err
	}
	blocks, _ := card.blocks()
	options := slackgo.MsgOptionCompose(slackgo.MsgOptionText(card.notification(), false), slackgo.MsgOptionBlocks(blocks...),
		slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl())
	if p.Message != "" {
		_, _, _, err := b.api.UpdateMessageContext(ctx, p.Channel, p.Message, slackgo.MsgOptionText(card.notification(), false), slackgo.MsgOptionBlocks(blocks...))
		return wrapped("card "+card.Request.Code, err)
	}
	ctx = context.WithoutCancel(ctx) // who stops in between posts the card again; the client's time-out ends it
	channel, message, err := b.api.PostMessageContext(ctx, p.Channel, options)
	if err != nil {
		return wrapped("card "+card.Request.Code, err)
	}
	p.Channel, p.Message = channel, message
	return b.Store.SavePosting(ctx, *p, false)
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// turn waits until the channel may be posted to, for a short while; otherwise it returns a *busyError.
func (b *Bridge) turn(ctx context.Context, channel string) error {
	at, err := b.Store.ReserveChannel(ctx, channel, b.Gap)
	if err != nil {
		return err
	}
	wait := at.Sub(b.Now())
	if wait > longWait {
		return &busyError{at}
	}
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// busyError says when the channel may be posted to.
type busyError struct{ at time.Time }

func (e *busyError) Error() string { return "the channel may not be posted to before " + e.at.String() }

// postponed says when a posting that failed is tried again. It returns nil when the reason is no news.
func (b *Bridge) postponed(ctx context.Context, p *approvals.Posting, err error) (time.Time, error) {
	now := b.Now()
	var busy *busyError
	var limited *slackgo.RateLimitedError
	var answer slackgo.SlackErrorResponse
	switch {
	case errors.As(err, &busy):
		return busy.at, nil
	case errors.Is(err, approvals.ErrClaim):
		return now, nil
	case ctx.Err() != nil:
		return now, nil // the next start goes on
	case errors.As(err, &limited):
		b.Observe("rate_limited")
		return now.Add(limited.RetryAfter), b.Store.DelayChannel(ctx, p.Channel, limited.RetryAfter)
	case errors.As(err, &answer) && (answer.Err == "message_not_found" || answer.Err == "thread_not_found"):
		// Somebody deleted the card. While it can be answered it is posted again; hiding a question is not a no.
		p.Message, p.Shown, p.Told = "", "", 0
		return now, b.Store.SavePosting(ctx, *p, false)
	case errors.As(err, &answer):
		return now.Add(30 * time.Second), fmt.Errorf("%w%s", err, hint(answer.Err))
	}
	return now.Add(5 * time.Second), err
}

// hint says what an operator can do about an answer of Slack.
func hint(code string) string {
	switch code {
	case "not_in_channel", "channel_not_found":
		return " (invite the bot to the channel: /invite @sallyport; approvals.slack.channel is its id, not its name)"
	case "is_archived":
		return " (the channel is archived; choose another)"
	case "invalid_auth", "token_revoked", "account_inactive", "not_authed":
		return " (install the app again and set the new bot_token)"
	case "missing_scope":
		return " (the app lacks a scope; docs/approvals-slack.md has the manifest)"
	}
	return ""
}

// noteNext sends one message to one person.
func (b *Bridge) noteNext(ctx context.Context) (worked bool, err error) {
	n, ok, err := b.Store.ClaimNote(ctx, noteLease)
	if err != nil || !ok {
		return false, err
	}
	if err := b.tell(ctx, n.To.User, n.Text); err != nil {
		return true, err // again when the lease ends
	}
	return true, b.Store.CloseNote(ctx, n)
}

// tell sends a direct message.
func (b *Bridge) tell(ctx context.Context, user, text string) error {
	im, _, _, err := b.api.OpenConversationContext(ctx, &slackgo.OpenConversationParameters{Users: []string{user}, ReturnIM: true})
	if err != nil {
		return fmt.Errorf("direct message: %w", err)
	}
	_, _, err = b.api.PostMessageContext(ctx, im.ID, said("A message from Sallyport", words(text)))
	return wrapped("direct message", err)
}
