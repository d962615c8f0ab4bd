package slack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"sallyport/approvals"
)

// The deny dialog.
const (
	dialogDeny  = "deny"
	blockReason = "reason"
	fieldReason = "reason"
	actDialog   = "deny_dialog"
	maxReason   = 500
)

// act is what somebody did, reduced to what is believed of it: who, and the token of what he pressed. channel and message only have to be the
// card's.
type act struct {
	team, userTeam, user string
	channel, message     string
	action               string // "" for what is nothing of ours
	token                string
	trigger              string
	reason               string
}

// answerNext deals with one interaction. It may be dealt with twice, when a worker dies in between; what it does has one effect all the
// same, because a person has one vote on a request.
func (b *Bridge) answerNext(ctx context.Context) (worked bool, err error) {
	i, ok, err := b.Store.ClaimInteraction(ctx, inboxLease)
	if err != nil || !ok {
		return false, err
	}
	a, err := understand(i.Payload)
	if err != nil {
		b.Observe("not_understood")
		b.Log.Warn("slack: an interaction was not understood", "err", err)
		return true, b.Store.CloseInteraction(ctx, i)
	}
	err = b.answer(ctx, a)
	var no *refusal
	switch {
	case errors.As(err, &no):
		b.Observe("refused")
		if err := b.whisper(ctx, a, no); err != nil {
			b.Log.Warn("slack: telling somebody why not", "err", err) // he presses again and is told then
		}
	case err != nil && b.Now().Sub(i.Received) < giveUp:
		return false, err // it stays, and is taken up again when the lease ends
	case err != nil:
		b.Observe("given_up")
		b.Log.Error("slack: an interaction could not be dealt with and is dropped", "err", err)
		if err := b.whisper(ctx, a, &refusal{text: "Your answer could not be counted. Press again, or use: sallyport approvals"}); err != nil {
			b.Log.Warn("slack: telling somebody that his answer was lost", "err", err)
		}
	}
	return true, b.Store.CloseInteraction(ctx, i)
}

// understand reads an interaction. What is nothing of ours is an empty action; what cannot be read is an error.
func understand(payload []byte) (act, error) {
	var k kept
	if err := json.Unmarshal(payload, &k); err != nil {
		return act{}, err
	}
	if k.Kind == string(socketmode.EventTypeSlashCommand) {
		var c slackgo.SlashCommand
		if err := json.Unmarshal(k.Payload, &c); err != nil {
			return act{}, err
		}
		return act{team: c.TeamID, user: c.UserID, action: actionLink}, nil
	}
	var c slackgo.InteractionCallback
	if err := json.Unmarshal(k.Payload, &c); err != nil {
		return act{}, err
	}
	a := act{team: c.Team.ID, userTeam: c.User.TeamID, user: c.User.ID, trigger: c.TriggerID}
	switch c.Type {
	case slackgo.InteractionTypeBlockActions:
		if len(c.ActionCallback.BlockActions) != 1 {
			return a, errors.New("not one action")
		}
		press := c.ActionCallback.BlockActions[0]
		a.channel, a.message = c.Container.ChannelID, c.Container.MessageTs
		a.action, a.token = press.ActionID, press.Value
	case slackgo.InteractionTypeViewSubmission:
		if c.View.CallbackID != dialogDeny || c.View.State == nil {
			return a, nil
		}
		a.action, a.token = actDialog, c.View.PrivateMetadata
		a.reason = c.View.State.Values[blockReason][fieldReason].Value
	}
	return a, nil
}

// answer does what somebody asked for, or returns a *refusal for him; other errors are worth another try.
func (b *Bridge) answer(ctx context.Context, a act) error {
	switch a.action {
	case actionApprove, actionDeny, actDialog, actionLink:
	default:
		return nil
	}
	who, err := b.account(ctx, a.team, a.userTeam, a.user)
	if err != nil {
		return err
	}
	if a.action == actionLink {
		return b.pair(ctx, who)
	}
	tok, err := b.token(ctx, a, who)
	if err != nil {
		return err
	}
	voter, err := b.voter(ctx, who)
	if err != nil {
		return err
	}
	if a.action == actionDeny {
		return b.askReason(ctx, a, tok, who, voter)
	}
	_, err = b.Vote(ctx, tok.Request, Answer{Voter: voter, Digest: tok.Digest, Yes: a.action == actionApprove, Reason: a.reason})
	if err == nil {
		b.Observe("vote")
	}
	return explained(err)
}

// token finds what was pressed. It has to be the button or dialog it says it is, on the card that is ours, by who may hold it.
func (b *Bridge) token(ctx context.Context, a act, who approvals.Account) (approvals.Token, error) {
	tok, err := b.Store.Token(ctx, approvals.TokenHash(a.token))
	if errors.Is(err, approvals.ErrNotFound) {
		return tok, errReplaced
	}
	if err != nil {
		return tok, err
	}
	if tok.Act != a.action || tok.Holder != "" && tok.Holder != holder(who) {
		b.Observe("forged")
		return tok, errReplaced
	}
	if tok.Act == actDialog {
		return tok, nil
	}
	p, err := b.Store.Posted(ctx, tok.Request)
	if err != nil && !errors.Is(err, approvals.ErrNotFound) {
		return tok, err
	}
	// A card may be clicked before it is recorded where Slack put it. Its token is good: those of a card that got lost are deleted.
	if p.Message != "" && (p.Channel != a.channel || p.Message != a.message) {
		b.Observe("forged")
		return tok, errReplaced
	}
	return tok, nil
}

var errReplaced = &refusal{text: "This card is not the current one. Look for the newest, or use: sallyport approvals list"}

func holder(a approvals.Account) string { return a.Team + "/" + a.User }

// askReason opens the dialog in which a no gets its reason, for somebody who may say no. The dialog's token is his alone.
func (b *Bridge) askReason(ctx context.Context, a act, tok approvals.Token, who approvals.Account, voter approvals.Voter) error {
	r, err := b.Store.Approval(ctx, tok.Request)
	if err != nil {
		return explained(err)
	}
	if err := approvals.Eligible(r, voter); err != nil && !errors.Is(err, approvals.ErrAssurance) { // a no needs no stronger login
		return explained(err)
	}
	if !r.Open(b.Now()) || r.State != approvals.Pending {
		return explained(approvals.ErrClosed)
	}
	secret := rand.Text()
	dialog := approvals.Token{Hash: approvals.TokenHash(secret), Request: tok.Request, Digest: tok.Digest, Act: actDialog, Holder: holder(who)}
	if err := b.Store.AddToken(ctx, dialog); err != nil {
		return err
	}
	if _, err := b.api.OpenViewContext(ctx, a.trigger, denyDialog(r.Code, secret)); err != nil {
		var answer slackgo.SlackErrorResponse
		if errors.As(err, &answer) {
			return &refusal{text: "The dialog came too late. Press Deny again."} // a trigger lives three seconds
		}
		return fmt.Errorf("views.open: %w", err)
	}
	return nil
}

func denyDialog(code, secret string) slackgo.ModalViewRequest {
	input := slackgo.NewPlainTextInputBlockElement(plain("wrong order, see the ticket"), fieldReason)
	input.Multiline, input.MaxLength = true, maxReason
	reason := slackgo.NewInputBlock(blockReason, plain("Why?"), plain("The agent sees it."), input)
	reason.Optional = true
	return slackgo.ModalViewRequest{
		Type: slackgo.VTModal, CallbackID: dialogDeny, PrivateMetadata: secret, Title: plain("Deny " + code),
		Submit: plain("Deny"), Close: plain("Back"), Blocks: slackgo.Blocks{BlockSet: []slackgo.Block{reason}},
	}
}

// explained turns an error of the rules into an answer for the person; others stay what they are.
func explained(err error) error {
	for rule, text := range map[error]string{
		approvals.ErrSelf:        "You asked for this, or it was asked on your behalf. Somebody else has to answer.",
		approvals.ErrNotEligible: "You are in none of the groups that are asked.",
		approvals.ErrClosed:      "This request is closed.",
		approvals.ErrDigest:      "This is no longer the request you were shown. Look at the newest card.",
		approvals.ErrVoted:       "Your answer counts already.",
		approvals.ErrStale:       "Policy, target or masking changed since it was asked. The agent has to ask again.",
		approvals.ErrNotFound:    "There is no such request.",
		ErrRole:                  "None of your groups has the role approver.",
		approvals.ErrAssurance:   "It takes a stronger login than Slack.",
	} {
		if errors.Is(err, rule) {
			return &refusal{text: text}
		}
	}
	return err
}

// whisper tells only who acted, where he acted; who acted in a dialog or with a command gets a direct message.
func (b *Bridge) whisper(ctx context.Context, a act, no *refusal) error {
	if a.channel == "" {
		return b.tell(ctx, a.user, no.text)
	}
	blocks := []slackgo.Block{slackgo.NewRichTextBlock("said", words(no.text))}
	if no.link {
		blocks = append(blocks, slackgo.NewActionBlock("link", slackgo.NewButtonBlockElement(actionLink, "link", plain("Link my account"))))
	}
	_, err := b.api.PostEphemeralContext(ctx, a.channel, a.user, slackgo.MsgOptionText(no.text, false), slackgo.MsgOptionBlocks(blocks...))
	return wrapped("ephemeral message", err)
}
