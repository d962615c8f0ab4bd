package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sallyport/approvals"
	"sallyport/approvals/slack"
	"sallyport/approvals/web"
	"sallyport/configs"
	"sallyport/gateway"
)

// slackPath is where Slack sends its callbacks when it does not use Socket Mode.
const slackPath = "/slack"

// newSlack is the bridge to Slack, or nil when none is configured. Slack itself is not asked: an outage there keeps nobody from starting.
func (s *server) newSlack(ctx context.Context, f *configs.File) (*slack.Bridge, error) {
	c := f.Approvals.Slack
	if c == nil {
		return nil, nil
	}
	cfg := slack.Config{
		URL: c.URL, Teams: c.Teams, MaxGroupAge: c.MaxGroupAge.D(), Store: s.store, Vote: s.slackVote, Route: s.current.route,
		Observe: s.gateway.ChatEvent, Log: s.log, Now: time.Now,
		Outcome: func(ctx context.Context, call string) (string, error) {
			e, _, err := s.store.Outcome(ctx, call)
			if err != nil || e.Outcome == nil {
				return "unknown", err
			}
			return e.Outcome.Status, nil
		},
	}
	for _, token := range slackTokens(c) {
		v, _, err := s.read(ctx, token.ref)
		if err != nil {
			return nil, fmt.Errorf("approvals.slack.%s: %w", token.key, err)
		}
		*token.to(&cfg) = v.Reveal()
	}
	b, err := slack.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("approvals.slack: %w", err)
	}
	return b, nil
}

// slackToken is one of the secrets, and where the bridge wants it.
type slackToken struct {
	key string
	ref configs.Secret
	to  func(*slack.Config) *string
}

func slackTokens(c *configs.Slack) []slackToken {
	return []slackToken{
		{"bot_token", c.BotToken, func(to *slack.Config) *string { return &to.BotToken }},
		{"app_token", c.AppToken, func(to *slack.Config) *string { return &to.AppToken }},
		{"signing_secret", c.SigningSecret, func(to *slack.Config) *string { return &to.SigningSecret }},
	}
}

// slackVote counts an answer given in Slack under the rules of every way in: the role, then the pipeline's own.
func (s *server) slackVote(ctx context.Context, request string, a slack.Answer) (approvals.Request, error) {
	holds := func(g string) bool { return slices.Contains(s.current.roles().Approver, g) }
	if !slices.ContainsFunc(a.Voter.Groups, holds) {
		return approvals.Request{}, slack.ErrRole
	}
	return s.gateway.Vote(ctx, request, gateway.Answer{Voter: a.Voter, Digest: a.Digest, Yes: a.Yes, Reason: a.Reason, Via: "slack"})
}

// route says where a request is shown, under the configuration in force. A target that is gone shows nothing of its calls.
func (c *current) route(r approvals.Request) slack.Route {
	c.mu.RLock()
	defer c.mu.RUnlock()
	route := slack.Route{Channel: c.file.Approvals.Slack.Channel, Preview: slack.PreviewLink, Page: c.file.PublicURL + web.Path + "/" + r.Code}
	if t, ok := c.file.Targets[r.Target]; ok {
		route.Preview = t.Preview
	}
	if s, ok := c.file.Scopes[r.Scope]; ok && s.Approval != nil {
		if s.Approval.Channel != "" {
			route.Channel = s.Approval.Channel
		}
		route.Mention = s.Approval.Mention
	}
	return route
}
