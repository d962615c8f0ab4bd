package slack

import (
	"context"
	"errors"
	"fmt"

	slackgo "github.com/slack-go/slack"

	"sallyport/approvals"
)

// refusal is an answer to a person: a sentence of ours, and whether linking would help.
type refusal struct {
	text string
	link bool
}

func (r *refusal) Error() string { return r.text }

// account says who acted: the ids come from Slack's authenticated transport, all else is asked of Slack at this moment. It refuses who is
// not a full member of one of our workspaces.
func (b *Bridge) account(ctx context.Context, team, userTeam, user string) (approvals.Account, error) {
	none := approvals.Account{}
	if userTeam == "" { // commands name the workspace only
		userTeam = team
	}
	for _, t := range []string{team, userTeam} {
		ok, err := b.ours(ctx, t)
		if err != nil {
			return none, err
		}
		if !ok {
			b.Observe("foreign")
			return none, &refusal{text: "Only members of this workspace can answer."}
		}
	}
	info, err := b.api.GetUserInfoContext(ctx, user)
	if err != nil {
		var answer slackgo.SlackErrorResponse
		if errors.As(err, &answer) && (answer.Err == "user_not_found" || answer.Err == "user_not_visible") {
			return none, &refusal{text: "Slack does not know you as a member of this workspace."}
		}
		return none, fmt.Errorf("users.info: %w", err)
	}
	home, err := b.ours(ctx, info.TeamID)
	if err != nil {
		return none, err
	}
	switch {
	case info.ID != user:
		return none, &refusal{text: "Slack answered about somebody else."}
	case !home || info.IsStranger:
		b.Observe("foreign")
		return none, &refusal{text: "Only members of this workspace can answer."}
	case info.Deleted:
		return none, &refusal{text: "This account is deactivated."}
	case info.IsBot || info.IsAppUser || info.IsConnectorBot || info.IsWorkflowBot || user == "USLACKBOT":
		return none, &refusal{text: "Only people can answer."}
	case info.IsRestricted || info.IsUltraRestricted || info.IsInvitedUser:
		return none, &refusal{text: "Guests cannot answer."}
	}
	return approvals.Account{Team: info.TeamID, User: info.ID, Name: info.Name}, nil
}

// voter is whose account it is, with groups that are fresh enough.
func (b *Bridge) voter(ctx context.Context, a approvals.Account) (approvals.Voter, error) {
	link, err := b.Store.Link(ctx, a)
	if errors.Is(err, approvals.ErrNoLink) {
		return approvals.Voter{}, &refusal{text: "This Slack account is not linked to your login. Link it once, then press again.", link: true}
	}
	if err != nil {
		return approvals.Voter{}, err
	}
	v, err := link.Voter(b.Now(), b.MaxGroupAge)
	if errors.Is(err, approvals.ErrGroupsOld) {
		return v, &refusal{text: fmt.Sprintf("Your groups were read more than %s ago. Sign in again with: sallyport approvals link", b.MaxGroupAge)}
	}
	return v, err
}

// pair sends a code to the account alone. Whoever types it with his own token proves both sides: only the account got it, and only he has
// the token.
func (b *Bridge) pair(ctx context.Context, a approvals.Account) error {
	code := approvals.NewPairingCode()
	if err := b.Store.StartPairing(ctx, approvals.PairingHash(code), a, pairWithin); err != nil {
		return err
	}
	b.Observe("pairing")
	return b.tell(ctx, a.User, fmt.Sprintf("To link this Slack account to your login, run this within %s:\n\n    sallyport approvals link %s\n\n"+
		"It shows both accounts and asks before it links them. Give the code to nobody: who runs it with his own login would answer through your Slack account.",
		pairWithin, code))
}
