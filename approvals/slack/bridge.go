package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	slackgo "github.com/slack-go/slack"

	"sallyport/approvals"
)

// Requests are the questions that are asked.
type Requests interface {
	Approval(ctx context.Context, idOrCode string) (approvals.Request, error)
	Watch(id string) (changed <-chan struct{}, stop func()) // "": any
}

// Outbox is what is shown, and whose turn it is to show more.
type Outbox interface {
	ClaimPosting(ctx context.Context, lease time.Duration) (approvals.Posting, bool, error)
	ArmPosting(ctx context.Context, p approvals.Posting, tokens ...approvals.Token) error
	SavePosting(ctx context.Context, p approvals.Posting, final bool) error
	ReleasePosting(ctx context.Context, p approvals.Posting, before time.Time) error
	ReserveChannel(ctx context.Context, channel string, gap time.Duration) (time.Time, error)
	DelayChannel(ctx context.Context, channel string, wait time.Duration) error
	ClaimNote(ctx context.Context, lease time.Duration) (approvals.Note, bool, error)
	CloseNote(ctx context.Context, n approvals.Note) error
}

// Inbox is what people did, durable before it is acknowledged.
type Inbox interface {
	KeepInteraction(ctx context.Context, payload []byte) (first bool, err error)
	ClaimInteraction(ctx context.Context, lease time.Duration) (approvals.Interaction, bool, error)
	CloseInteraction(ctx context.Context, i approvals.Interaction) error
	Token(ctx context.Context, hash string) (approvals.Token, error)
	AddToken(ctx context.Context, tok approvals.Token) error
	Posted(ctx context.Context, request string) (approvals.Posting, error)
}

// Links is whose an account is.
type Links interface {
	Link(ctx context.Context, a approvals.Account) (approvals.Link, error)
	StartPairing(ctx context.Context, hash string, a approvals.Account, within time.Duration) error
}

// Store is the durable state: one transaction a method.
type Store interface {
	Requests
	Outbox
	Inbox
	Links
}

// Route is where and how a request is shown.
type Route struct {
	Channel string // id
	Preview string // PreviewFull or PreviewLink
	Mention string // id of a user group, or ""
	Page    string // address of the page that shows the request, or ""
}

// Answer is what a person said in Slack.
type Answer struct {
	Voter  approvals.Voter
	Digest string // of the request his card showed
	Yes    bool
	Reason string
}

// Config is what New needs. Either AppToken (Socket Mode) or SigningSecret (callbacks over HTTP) is given; Teams, Gap, PingInterval and
// Client may be left out.
type Config struct {
	URL           string // of the Web API, with a slash at its end
	BotToken      string
	AppToken      string
	SigningSecret string
	// Teams are the workspaces whose members are believed. None: the one the bot is in.
	Teams []string
	// MaxGroupAge is how old the groups of a link may be when its person answers.
	MaxGroupAge time.Duration

	Store Store
	// Vote counts an answer under the rules of every way in, or returns one of approvals' errors, [ErrRole] among them.
	Vote func(ctx context.Context, request string, a Answer) (approvals.Request, error)
	// Route is asked whenever a card is made, so that a reloaded configuration counts.
	Route func(r approvals.Request) Route
	// Outcome says how the execution of a call ended: "ok", "error", "unknown".
	Outcome func(ctx context.Context, call string) (string, error)
	// Observe counts what happens, for metrics: words of ours.
	Observe func(event string)
	Log     *slog.Logger
	Now     func() time.Time

	Gap          time.Duration // between two messages to one channel; default 1s, which is what Slack promises
	PingInterval time.Duration // a socket without a ping for this long is dead; default 30s
	Client       *http.Client
}

// ErrRole is Vote's answer for somebody whose groups do not hold the role to approve.
var ErrRole = errors.New("none of your groups has the role approver")

// leases end the turn of a worker that does not come back.
const (
	postingLease = 3 * time.Minute
	inboxLease   = 30 * time.Second
	noteLease    = time.Minute

	apiTimeout = 10 * time.Second
	pairWithin = 10 * time.Minute
	// giveUp is after what time an interaction that could not be dealt with is dropped, and the person told.
	giveUp = 15 * time.Minute
)

// Bridge connects a workspace with the approval requests. Run it; Handler serves callbacks over HTTP. Safe for concurrent use. It keeps nothing
// in memory that cannot be read again.
type Bridge struct {
	Config
	api  *slackgo.Client
	wake chan struct{} // an interaction was kept
	bot  atomic.Pointer[slackgo.AuthTestResponse]
}

// New checks its configuration. It does not talk to Slack: an outage there never keeps a gateway from starting.
func New(cfg Config) (*Bridge, error) {
	switch {
	case cfg.BotToken == "":
		return nil, errors.New("slack: bot_token is empty")
	case !strings.HasPrefix(cfg.BotToken, "xoxb-"):
		return nil, errors.New("slack: bot_token is not a bot token (xoxb-)")
	case (cfg.AppToken == "") == (cfg.SigningSecret == ""):
		return nil, errors.New("slack: one of app_token (Socket Mode) and signing_secret (HTTP) is needed")
	case cfg.AppToken != "" && !strings.HasPrefix(cfg.AppToken, "xapp-"):
		return nil, errors.New("slack: app_token is not an app-level token (xapp-)")
	case cfg.Store == nil || cfg.Vote == nil || cfg.Route == nil || cfg.Outcome == nil || cfg.Observe == nil || cfg.Log == nil || cfg.Now == nil || cfg.URL == "":
		return nil, errors.New("slack: Config is not complete")
	case cfg.MaxGroupAge <= 0:
		return nil, errors.New("slack: MaxGroupAge must be more than nothing")
	}
	if cfg.Gap == 0 {
		cfg.Gap = time.Second
	}
	if cfg.PingInterval == 0 {
		cfg.PingInterval = 30 * time.Second
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: apiTimeout}
	}
	b := &Bridge{Config: cfg, wake: make(chan struct{}, 1)}
	b.api = slackgo.New(cfg.BotToken, slackgo.OptionAPIURL(cfg.URL), slackgo.OptionAppLevelToken(cfg.AppToken), slackgo.OptionHTTPClient(cfg.Client))
	return b, nil
}

// Run posts, listens and answers until ctx ends, and returns when everything it started has ended. Whatever fails is tried again.
func (b *Bridge) Run(ctx context.Context) {
	var wg sync.WaitGroup
	if b.AppToken != "" {
		wg.Go(func() { b.listen(ctx) })
	}
	wg.Go(func() { b.work(ctx, "inbox", b.answerNext) })
	wg.Go(func() { b.work(ctx, "outbox", b.postNext) })
	wg.Go(func() { b.work(ctx, "notes", b.noteNext) })
	wg.Wait()
}

// work calls step as long as there is something to do, then when something changed here, and once a second for what changed elsewhere.
func (b *Bridge) work(ctx context.Context, name string, step func(context.Context) (worked bool, err error)) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	wake := b.wake
	if name != "inbox" {
		wake = nil
	}
	for ctx.Err() == nil {
		changed, stop := b.Store.Watch("") // before looking, so that no change falls between
		worked, err := step(ctx)
		if err != nil && ctx.Err() == nil {
			b.Observe(name + "_error")
			b.Log.Warn("slack: "+name, "err", err)
		}
		if worked && err == nil {
			stop()
			continue
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-changed:
		case <-tick.C:
		}
		stop()
	}
}

// self is who the bot is. It is asked until it answered once.
func (b *Bridge) self(ctx context.Context) (*slackgo.AuthTestResponse, error) {
	if me := b.bot.Load(); me != nil {
		return me, nil
	}
	me, err := b.api.AuthTestContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("auth.test: %w", err)
	}
	b.bot.Store(me)
	return me, nil
}

// ours reports whether a workspace is one whose members are believed.
func (b *Bridge) ours(ctx context.Context, team string) (bool, error) {
	if len(b.Teams) > 0 {
		return team != "" && slices.Contains(b.Teams, team), nil
	}
	me, err := b.self(ctx)
	return err == nil && team != "" && team == me.TeamID, err
}
