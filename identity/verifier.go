package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Surface is the door a token is shown at. Each has its own audience, and no token opens both. The zero value is no door.
type Surface uint8

const (
	MCP Surface = 1 // agents: the MCP endpoint
	API Surface = 2 // people: the admin API. No delegated tokens, and only with a recent interactive login

	web Surface = 3 // people: the ID token at the end of a login in a browser, see [Verifier.FinishLogin]. Nobody can show one
)

// Config says whose tokens are believed. The zero value of a duration means its default.
type Config struct {
	Issuers []Issuer // at least one

	Now func() time.Time // the clock that tokens are judged by; nil means time.Now
	Log *slog.Logger     // for the operator: issuers that fail and recover. nil means none

	APIMaxAge   time.Duration // API: how long after auth_time a login counts; 12h
	KeyRefresh  time.Duration // how often each issuer's keys are read again, and so how long a removed key goes on working; 5m
	KeyRefetch  time.Duration // at most one fetch in this time because a token names an unknown key; 10s
	KeyMaxStale time.Duration // known keys go on working this long when the issuer cannot be reached; 24h
}

// Issuer is one OpenID Connect issuer.
type Issuer struct {
	URL         string        // exactly the iss of its tokens; https, or http on loopback
	Audience    string        // the aud of tokens for MCP: an exact string, never a pattern
	APIAudience string        // the aud of tokens for the API; "" means people of this issuer cannot use the API
	Claims      []string      // top-level claims that go into [Principal.Claims]
	Web         *WebClient    // with which people log in from a browser; nil means that this issuer's people cannot
	GroupsClaim string        // top-level claim with the groups, a list of strings or one string; "groups"
	MaxLifetime time.Duration // exp minus iat may not be larger; 1h
	HTTPClient  *http.Client  // nil means our own. Timeout, redirects and answer size are bounded either way
}

const firstFetch = 5 * time.Second

// Verifier turns bearer tokens into principals. Safe for concurrent use.
type Verifier struct {
	issuers      map[string]*issuer // by URL; read-only after New, as are the next two
	order        []*issuer          // as configured
	mcpAudiences []string
	apiAudiences []string
	apiMaxAge    time.Duration
	now          func() time.Time
	caches       [API + 1]cache // by surface; ID tokens are used once

	cancel context.CancelFunc // ends the issuers' goroutines
	done   sync.WaitGroup     // of the issuers' goroutines
}

// New checks cfg and reads each issuer's discovery document and keys, waiting for them at most a few seconds or until ctx
// ends. An issuer that cannot be reached is no error: its tokens are refused with [ErrUnavailable] while it is retried. ctx does not
// outlive the call; [Verifier.Close] ends what New started.
func New(ctx context.Context, cfg Config) (*Verifier, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	orDefault(&cfg.APIMaxAge, 12*time.Hour)
	orDefault(&cfg.KeyRefresh, 5*time.Minute)
	orDefault(&cfg.KeyRefetch, 10*time.Second)
	orDefault(&cfg.KeyMaxStale, 24*time.Hour)

	life, cancel := context.WithCancel(context.Background())
	v := &Verifier{issuers: map[string]*issuer{}, apiMaxAge: cfg.APIMaxAge, now: cfg.Now, cancel: cancel}
	if err := v.add(cfg, life.Done()); err != nil {
		cancel()
		return nil, err
	}
	first := make([]chan struct{}, 0, len(v.order))
	for _, i := range v.order {
		i.running = make(chan struct{}) // the first fetch, from before its goroutine exists: nobody can overlook it
		first = append(first, i.running)
		v.done.Go(func() { i.run(life) })
	}
	timer := time.NewTimer(firstFetch)
	defer timer.Stop()
	for _, fetched := range first {
		select {
		case <-fetched:
		case <-timer.C:
			return v, nil
		case <-ctx.Done():
			return v, nil
		}
	}
	return v, nil
}

func (v *Verifier) add(cfg Config, closed <-chan struct{}) error {
	if len(cfg.Issuers) == 0 {
		return errors.New("identity: no issuers: nobody could call")
	}
	for n, c := range cfg.Issuers {
		name := fmt.Sprintf("identity.issuers[%d]", n)
		u, err := url.Parse(c.URL)
		switch {
		case err != nil || !secure(u) || u.RawQuery != "" || u.Fragment != "":
			return fmt.Errorf("%s: url must be an https URL without query and fragment (http is accepted on loopback only)", name)
		case v.issuers[c.URL] != nil:
			return fmt.Errorf("%s: url is already configured", name)
		case c.Audience == "":
			return fmt.Errorf("%s: audience is missing: without it a token for any other service would be accepted", name)
		case c.Web != nil && (c.Web.ID == "" || c.Web.ID == c.Audience || c.Web.ID == c.APIAudience):
			return fmt.Errorf("%s: web.client_id is missing or is also an audience: a token of one kind would pass for another", name)
		case c.MaxLifetime < 0:
			return fmt.Errorf("%s: max_token_lifetime is negative", name)
		}
		if c.GroupsClaim == "" {
			c.GroupsClaim = "groups"
		}
		orDefault(&c.MaxLifetime, time.Hour)
		i := &issuer{
			Issuer: c, name: name, client: issuerClient(c.HTTPClient), now: cfg.Now, log: cfg.Log,
			refresh: cfg.KeyRefresh, refetch: cfg.KeyRefetch, stale: cfg.KeyMaxStale,
			closed: closed, wake: make(chan struct{}, 1),
		}
		v.issuers[c.URL] = i
		v.order = append(v.order, i)
		v.mcpAudiences = append(v.mcpAudiences, c.Audience)
		if c.APIAudience != "" {
			v.apiAudiences = append(v.apiAudiences, c.APIAudience)
		}
	}
	for _, a := range v.apiAudiences {
		if slices.Contains(v.mcpAudiences, a) {
			return errors.New("identity: api_audience is also an audience for MCP: agents' tokens would open the admin API")
		}
	}
	return nil
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Verify says who calls with the token raw at s. ctx bounds waiting for the issuer's keys, nothing else. The error is one
// of this package's, wrapped: test with [errors.Is] or [Reason]. A token seen before costs a hash and a lookup until it
// expires or the issuer's keys change.
func (v *Verifier) Verify(ctx context.Context, raw string, s Surface) (*Principal, error) {
	switch {
	case s != MCP && s != API:
		return nil, fmt.Errorf("no such surface: %w", ErrAudience)
	case raw == "":
		return nil, ErrMissing
	case len(raw) > maxToken:
		return nil, fmt.Errorf("longer than 16 KiB: %w", ErrMalformed)
	}
	id := tokenID(sha256.Sum256([]byte(raw)))
	if p := v.caches[s].get(id, v.now()); p != nil {
		return p, nil
	}
	d, err := v.verify(ctx, raw, s)
	if err != nil {
		v.caches[s].drop(id)
		return nil, err
	}
	v.caches[s].put(id, d, v.now())
	return d.principal, nil
}

func (v *Verifier) verify(ctx context.Context, raw string, s Surface) (none verified, err error) {
	t, err := parse(raw)
	if err != nil {
		return none, err
	}
	name, err := t.claims.text("iss")
	iss := v.issuers[name]
	if err != nil || iss == nil {
		return none, ErrIssuer
	}
	// Signature first: nothing a stranger wrote is judged further, and reasons describe tokens the issuer really made.
	sig := &signature{issuer: iss}
	config := &oidc.Config{ClientID: iss.audience(s), SupportedSigningAlgs: []string{t.alg}, Now: v.now}
	_, refused := oidc.NewVerifier(iss.URL, sig, config).Verify(ctx, raw)
	if sig.err != nil {
		return none, sig.err
	}
	now := v.now() // after the wait
	p, until, err := v.accept(t.claims, iss, s, now)
	if err != nil {
		return none, err
	}
	// go-oidc read the same bytes by its own rules. Where it sees less than we do, or something else, the token is
	// ambiguous. Its error names claim values and stays here.
	if refused != nil || sig.keys == nil || string(sig.payload) != string(t.payload) {
		return none, ErrClaims
	}
	return verified{principal: p, since: now.UnixNano(), until: until.UnixNano(), issuer: iss, keys: sig.keys}, nil
}

// signature is the [oidc.KeySet] for one token. It keeps what go-oidc's error would flatten to text.
type signature struct {
	issuer  *issuer
	payload []byte
	keys    *keySet
	err     error
}

func (s *signature) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	s.payload, s.keys, s.err = s.issuer.verify(ctx, raw)
	return s.payload, s.err
}

// Ready is nil as soon as tokens of at least one issuer can be verified; one issuer that is down must not take the others'
// callers with it. Otherwise it names the issuers by their place in the configuration.
func (v *Verifier) Ready() error {
	var all []error
	for _, i := range v.order {
		err := i.ready()
		if err == nil {
			return nil
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// Close ends the fetching of keys and waits for it. Tokens signed with keys known by then still verify. It may be called
// more than once.
func (v *Verifier) Close() {
	v.cancel()
	v.done.Wait()
}
