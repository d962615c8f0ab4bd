// Package slackfake answers: would real Slack have taken this, and what would a person have seen?
//
// A [Workspace] is one Slack team on loopback for tests: people, channels, tokens with scopes, the part of the Web API that an
// approval app needs, Socket Mode and signed HTTP callbacks. It is strict where Slack is strict (limits of Block Kit, kinds of
// tokens, trigger ids that live three seconds) and stricter where Slack is vague: an argument or a key it does not know is
// refused. A test drives it as people would ([Workspace.Click], [Workspace.SubmitView], [Workspace.SlashCommand]) and reads
// what they would see ([Message.VisibleText], [Message.Pings], [Message.Links]).
//
// It does not model: files, reactions, unfurling, legacy attachments, the Events API, Enterprise Grid. Limits and types are those
// of docs.slack.dev and of the npm package @slack/types; Slack's own Bolt framework is run against it in testdata/bolt. What is
// known only from reports of users, or is guessed, says so where it stands. Nothing but tests may import it.
package slackfake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// Config describes a workspace; the zero value is a good one.
type Config struct {
	TeamID, TeamDomain string // default T0TEAM, "example"
	AppID              string // default A0APP
	BotScopes          []string
	// Clock is the time Slack goes by: ids of messages, expiry of triggers and response URLs, the wait for an answer. Nil is the
	// real one. A test moves its own with Clock.Advance.
	Clock *Clock
	// RateLimit turns on one message a second and channel, as Slack promises at least. The excess gets 429 with Retry-After.
	RateLimit bool
	// PingInterval of Socket Mode, in real time whatever Clock says, because clients use real time. Default 5s.
	PingInterval time.Duration
	// RequestURL and CommandURL make Slack send interactions and slash commands there, signed, instead of over Socket Mode.
	RequestURL, CommandURL string
}

// DefaultScopes are what the bot token has when Config.BotScopes is empty: everything the fake knows.
var DefaultScopes = []string{"channels:history", "channels:read", "chat:write", "commands", "groups:history", "groups:read", "im:history",
	"im:read", "im:write", "usergroups:read", "users:read", "users:read.email"}

// botID is the bot's other id, which messages and profiles show.
const botID = "B0BOT"

// Workspace is one team and one app installed in it. Safe for concurrent use. Close it.
type Workspace struct {
	cfg    Config
	clock  *Clock
	server *httptest.Server
	secret string // signs HTTP callbacks
	botTok string
	appTok string
	bot    string // user id of the bot

	ctx    context.Context // ends at Close; owns every goroutine below
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu         sync.Mutex // guards everything below
	changed    chan struct{}
	serial     int
	lastTS     time.Time
	users      map[string]*User
	channels   map[string]*Channel
	groups     map[string]*UserGroup
	tokens     map[string]*token
	messages   []*Message // in the order they were posted
	views      map[string]*View
	triggers   map[string]*trigger
	responses  map[string]*responseURL
	tickets    map[string]time.Time // of sockets not dialled yet, with their expiry
	sockets    []*socket
	nextSocket int
	deliveries map[string]*Delivery // sent and not answered, by envelope id
	posted     map[string]time.Time // last message per channel, for the rate limit
	calls      []Call
	faults     []*fault
	down       bool
}

// New starts a workspace with its bot and an empty channel list. The caller closes it.
func New(cfg Config) *Workspace {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&cfg.TeamID, "T0TEAM")
	def(&cfg.TeamDomain, "example")
	def(&cfg.AppID, "A0APP")
	if cfg.PingInterval == 0 {
		cfg.PingInterval = 5 * time.Second
	}
	if cfg.BotScopes == nil {
		cfg.BotScopes = DefaultScopes
	}
	w := &Workspace{
		cfg: cfg, clock: cfg.Clock, secret: random(16), bot: "U0BOT", changed: make(chan struct{}),
		users: map[string]*User{}, channels: map[string]*Channel{}, groups: map[string]*UserGroup{}, tokens: map[string]*token{},
		views: map[string]*View{}, triggers: map[string]*trigger{}, responses: map[string]*responseURL{}, tickets: map[string]time.Time{},
		deliveries: map[string]*Delivery{}, posted: map[string]time.Time{},
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.users[w.bot] = &User{ID: w.bot, TeamID: cfg.TeamID, Name: "sallyport", RealName: "Sallyport", Bot: true}
	w.botTok = w.NewToken(BotToken, cfg.BotScopes...)
	w.appTok = w.NewToken(AppToken, "connections:write")
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", w.serveAPI)
	mux.HandleFunc("/link/", w.serveSocket)
	mux.HandleFunc("/response/{id}", w.serveResponseURL)
	w.server = httptest.NewServer(mux)
	return w
}

// T is the part of testing.TB that Start needs.
type T interface {
	Helper()
	Cleanup(func())
}

// Start is New, closed with the test.
func Start(t T, cfg Config) *Workspace {
	t.Helper()
	w := New(cfg)
	t.Cleanup(w.Close)
	return w
}

// Close ends all sockets and waits for everything the workspace started. Deliveries still open fail.
func (w *Workspace) Close() {
	w.cancel()
	w.mu.Lock()
	for _, s := range w.sockets {
		s.close()
	}
	w.mu.Unlock()
	w.server.Close()
	w.wg.Wait()
}

// URL of the Web API, with the slash at its end that slack.OptionAPIURL wants.
func (w *Workspace) URL() string { return w.server.URL + "/api/" }

// BotToken of the installed app (xoxb-), AppToken (xapp-) for Socket Mode, SigningSecret of HTTP callbacks. Random per workspace.
func (w *Workspace) BotToken() string      { return w.botTok }
func (w *Workspace) AppToken() string      { return w.appTok }
func (w *Workspace) SigningSecret() string { return w.secret }

// BotUser is the id of the app's own user.
func (w *Workspace) BotUser() string { return w.bot }

// TeamID and AppID as configured.
func (w *Workspace) TeamID() string { return w.cfg.TeamID }
func (w *Workspace) AppID() string  { return w.cfg.AppID }

// now is the workspace's time, UTC.
func (w *Workspace) now() time.Time { return w.clock.Now().UTC() }

// id makes a new id with Slack's prefix for its kind. mu is held.
func (w *Workspace) id(prefix string) string {
	w.serial++
	return fmt.Sprintf("%s0%06d", prefix, w.serial)
}

// ts makes the id of a message: seconds and microseconds, unique and rising in the workspace. mu is held.
func (w *Workspace) ts() string {
	t := w.now().Truncate(time.Microsecond)
	if !t.After(w.lastTS) {
		t = w.lastTS.Add(time.Microsecond)
	}
	w.lastTS = t
	return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000)
}

// touch wakes everybody who waits for a change. mu is held.
func (w *Workspace) touch() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// wait calls done, with mu held, now and after each change until it is true or ctx ends.
func (w *Workspace) wait(ctx context.Context, what string, done func() bool) error {
	for {
		w.mu.Lock()
		ok, changed := done(), w.changed
		w.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("slackfake: waiting for %s: %w", what, context.Cause(ctx))
		case <-w.ctx.Done():
			return fmt.Errorf("slackfake: waiting for %s: the workspace was closed", what)
		}
	}
}

func random(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// TokenKind is what a token begins with.
type TokenKind string

const (
	BotToken TokenKind = "xoxb"
	AppToken TokenKind = "xapp"
)

type token struct {
	kind    TokenKind
	scopes  []string
	revoked bool
}

// NewToken issues a token of the app with just these scopes.
func (w *Workspace) NewToken(kind TokenKind, scopes ...string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := string(kind) + "-" + random(12)
	w.tokens[text] = &token{kind: kind, scopes: scopes}
	return text
}

// RevokeToken makes calls with it fail with token_revoked.
func (w *Workspace) RevokeToken(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.tokens[text]; t != nil {
		t.revoked = true
	}
}
