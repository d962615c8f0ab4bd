package configs

import (
	"fmt"
	"regexp"
)

// Slack is an app in a Slack workspace. Exactly one of app_token and signing_secret says how Slack reaches the gateway.
type Slack struct {
	// AppToken is the app-level token (xapp-) of Socket Mode: the gateway connects to Slack, and no port is open to it.
	AppToken Secret `yaml:"app_token"`
	// SigningSecret is for callbacks over HTTP instead: Slack calls public_url + "/slack".
	SigningSecret Secret `yaml:"signing_secret"`
	// BotToken is the bot token (xoxb-).
	BotToken Secret `yaml:"bot_token" check:"required"`
	// Channel is the id of the channel that is asked (C0123456789), unless approval.channel of the scope names another.
	Channel string `yaml:"channel" check:"required"`
	// Teams are the ids of the workspaces whose members may answer (T0123456789). Absent: the one the app is installed in.
	Teams []string `yaml:"teams"`
	// MaxGroupAge is how old the groups of a linked account may be; then its person signs in again with sallyport approvals link.
	MaxGroupAge Duration `yaml:"max_group_age" default:"8h" min:"1m" max:"168h"`
	// URL of Slack's Web API, for other clouds of Slack. Plain http is accepted on loopback only.
	URL string `yaml:"url" default:"https://slack.com/api/"`
}

var (
	slackChannel = regexp.MustCompile(`^[CG][A-Z0-9]{2,20}$`)
	slackTeam    = regexp.MustCompile(`^T[A-Z0-9]{2,20}$`)
	slackGroup   = regexp.MustCompile(`^S[A-Z0-9]{2,20}$`)
)

func (r *report) slack(s *Slack) {
	if s == nil {
		return
	}
	const path = "approvals.slack"
	if s.AppToken.IsZero() == s.SigningSecret.IsZero() {
		r.problem(path, "one of app_token (Socket Mode) and signing_secret (callbacks over HTTP) is needed, and not both")
	}
	if s.Channel != "" && !slackChannel.MatchString(s.Channel) {
		r.problem(path+".channel", "%q is not the id of a channel; open the channel's details in Slack and copy the id, such as C0123456789", s.Channel)
	}
	for i, t := range s.Teams {
		if !slackTeam.MatchString(t) {
			r.problem(fmt.Sprintf("%s.teams[%d]", path, i), "%q is not the id of a workspace, such as T0123456789", t)
		}
	}
	switch _, err := secureURL(s.URL); {
	case err != nil:
		r.problem(path+".url", "%s", err)
	case s.URL[len(s.URL)-1] != '/':
		r.problem(path+".url", "has no slash at its end; write %s/", s.URL)
	}
}

// slackOf checks what an approval says about Slack.
func (r *report) slackOf(f *File, a *Approval, path string) {
	if a.Channel != "" && !slackChannel.MatchString(a.Channel) {
		r.problem(path+".channel", "%q is not the id of a channel, such as C0123456789", a.Channel)
	}
	if a.Mention != "" && !slackGroup.MatchString(a.Mention) {
		r.problem(path+".mention", "%q is not the id of a user group, such as S0123456789", a.Mention)
	}
	if f.Approvals.Slack != nil {
		return
	}
	for key, value := range map[string]string{"channel": a.Channel, "mention": a.Mention} {
		if value != "" {
			r.problem(path+"."+key, "names a channel or a group of Slack, but there is no approvals.slack; add it")
		}
	}
}
