package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/tools"
)

// exchanger is a strict fake of an issuer that exchanges (RFC 8693) and revokes (RFC 7009).
type exchanger struct {
	*httptest.Server
	mu      sync.Mutex
	issued  int
	alive   map[string]string // token -> the subject token it was exchanged for
	down    bool              // of revocation
	refuse  bool
	kind    string // token_type of answers
	expires int
}

func newExchanger(t *testing.T) *exchanger {
	e := &exchanger{alive: map[string]string{}, kind: "Bearer", expires: 600}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		user, pass, ok := r.BasicAuth()
		if err := r.ParseForm(); err != nil || !ok || user != "gateway" || pass != "cl1ent-s3cret" || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		f := r.PostForm
		switch r.URL.Path {
		case "/token":
			if f.Get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" || f.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:access_token" ||
				f.Get("audience") != "https://billing.internal" || !strings.HasPrefix(f.Get("subject_token"), "agent-token-") || e.refuse {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"error": "invalid_request", "error_description": %q}`, f.Encode()) // the worst it could say
				return
			}
			e.issued++
			tok := fmt.Sprintf("exchanged-token-%d", e.issued)
			e.alive[tok] = f.Get("subject_token")
			json.NewEncoder(w).Encode(map[string]any{"access_token": tok, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": e.kind, "expires_in": e.expires})
		case "/revoke":
			if e.down {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			delete(e.alive, f.Get("token"))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *exchanger) left() (n int) { e.mu.Lock(); defer e.mu.Unlock(); return len(e.alive) }

// credentials keeps what was recorded.
type credentials struct {
	mu   sync.Mutex
	all  []tools.Credential
	fail error
}

func (c *credentials) record(_ context.Context, one tools.Credential) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail == nil {
		c.all = append(c.all, one)
	}
	return c.fail
}

func (c *credentials) events() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.all {
		out = append(out, one.Session+" "+one.Event)
	}
	return out
}

type delegatedWorld struct {
	*world
	issuer *exchanger
	api    *upstream
	rec    *credentials
	now    *time.Time
}

func newDelegatedWorld(t *testing.T, change func(*Exchange)) *delegatedWorld {
	t.Helper()
	now := time.Now()
	d := &delegatedWorld{issuer: newExchanger(t), rec: &credentials{}, now: &now}
	d.api = newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, r.Header.Get("Authorization")) // an API that repeats its credential
	})
	x := &Exchange{TokenURL: d.issuer.URL + "/token", RevokeURL: d.issuer.URL + "/revoke", ClientID: "gateway", ClientSecret: secret("cl1ent-s3cret"), Audience: "https://billing.internal"}
	if change != nil {
		change(x)
	}
	d.world = newWorld(t, Target{BaseURL: d.api.URL, Auth: Auth{Exchange: x}}, func(c *Config) {
		c.Record, c.Now = d.rec.record, func() time.Time { return *d.now }
	})
	return d
}

// as calls GET /x in a session, with the caller's token.
func (d *delegatedWorld) as(session, token string) error {
	ob := tools.Obligations{Session: session, CallID: "c-" + session}
	if token != "" {
		ob.Token = func() string { return token }
	}
	p, f, err := d.facts(get("/x").json())
	if err != nil {
		return err
	}
	r, err := d.Tool().Run(context.Background(), p, f, ob)
	if err != nil {
		return err
	}
	r.Close()
	return nil
}

func TestEachSessionHasATokenOfItsOwn(t *testing.T) {
	d := newDelegatedWorld(t, nil)
	for _, call := range []struct{ session, token, want string }{
		{"s1", "agent-token-maria", "exchanged-token-1"},
		{"s1", "agent-token-maria", "exchanged-token-1"},
		{"s2", "agent-token-bob", "exchanged-token-2"},
		{"s1", "agent-token-maria-2", "exchanged-token-3"}, // another token may have other rights
		{"s1", "agent-token-maria", "exchanged-token-1"},
		{"s2", "agent-token-bob", "exchanged-token-2"},
	} {
		if err := d.as(call.session, call.token); err != nil {
			t.Fatal(err)
		}
		if got := d.api.last(t).header.Get("Authorization"); got != "Bearer "+call.want {
			t.Errorf("%s with %s: %q, want %s", call.session, call.token, got, call.want)
		}
		if d.issuer.alive[call.want] != call.token {
			t.Errorf("%s was exchanged for %s", call.want, d.issuer.alive[call.want])
		}
	}
	for _, want := range []string{"exchanged-token-1", "exchanged-token-2", "exchanged-token-3", "cl1ent-s3cret"} {
		found := false
		for _, v := range d.mask.values {
			found = found || v == want
		}
		if !found {
			t.Errorf("masking does not know %s", want)
		}
	}

	// The end of one session takes its tokens, and nobody else's.
	if err := d.Tool().EndSession(t.Context(), "s1"); err != nil || d.issuer.left() != 1 {
		t.Errorf("%v, %d tokens live", err, d.issuer.left())
	}
	if err := d.Tool().EndSession(t.Context(), "s1"); err != nil {
		t.Errorf("a second end: %v", err)
	}
	d.Close() // a reload, a stop
	if d.issuer.left() != 0 {
		t.Error("a token outlives the configuration")
	}
	want := []string{"s1 issued", "s2 issued", "s1 issued", "s1 revoked", "s1 revoked", "s2 revoked"}
	if got := d.rec.events(); !slices.Equal(got, want) {
		t.Errorf("recorded %q", got)
	}
	for _, c := range d.rec.all {
		if text := fmt.Sprintf("%+v", c); strings.Contains(text, "token-") || c.Target != "api" || c.Mode != "exchange" || !strings.HasPrefix(c.ID, "access token sha256:") {
			t.Errorf("%s", text)
		}
	}
}

func TestWhatCannotBeRevokedIsTriedAgain(t *testing.T) {
	d := newDelegatedWorld(t, nil)
	if err := d.as("s1", "agent-token-maria"); err != nil {
		t.Fatal(err)
	}
	d.issuer.down = true
	err := d.Tool().EndSession(t.Context(), "s1")
	if err == nil || strings.Contains(err.Error(), "token-1") || strings.Contains(err.Error(), "cl1ent") {
		t.Errorf("%v", err)
	}
	d.issuer.down = false
	if err := d.Tool().EndSession(t.Context(), "s1"); err != nil || d.issuer.left() != 0 {
		t.Errorf("%v, %d tokens live", err, d.issuer.left())
	}
	// One that has ended by itself needs no issuer.
	if err := d.as("s2", "agent-token-bob"); err != nil {
		t.Fatal(err)
	}
	d.issuer.down = true
	*d.now = d.now.Add(time.Hour)
	if err := d.Tool().EndSession(t.Context(), "s2"); err != nil {
		t.Error(err)
	}
}

func TestAnIssuerThatCannotRevoke(t *testing.T) {
	d := newDelegatedWorld(t, func(x *Exchange) { x.RevokeURL = "" })
	if err := d.as("s1", "agent-token-maria"); err != nil {
		t.Fatal(err)
	}
	if err := d.Tool().EndSession(t.Context(), "s1"); err != nil {
		t.Error(err)
	}
	if got := d.rec.events(); !slices.Equal(got, []string{"s1 issued", "s1 forgotten"}) {
		t.Errorf("recorded %q", got)
	}
}

func TestExchangesThatFailSendNothing(t *testing.T) {
	for name, break_ := range map[string]func(*delegatedWorld) (session, token string){
		"no token":        func(*delegatedWorld) (string, string) { return "s1", "" },
		"no session":      func(*delegatedWorld) (string, string) { return "", "agent-token-maria" },
		"refused":         func(d *delegatedWorld) (string, string) { d.issuer.refuse = true; return "s1", "agent-token-maria" },
		"no bearer token": func(d *delegatedWorld) (string, string) { d.issuer.kind = "N_A"; return "s1", "agent-token-maria" },
		"not recorded": func(d *delegatedWorld) (string, string) {
			d.rec.fail = errors.New("the disk is full")
			return "s1", "agent-token-maria"
		},
	} {
		d := newDelegatedWorld(t, nil)
		err := d.as(break_(d))
		var down *tools.UnreachableError
		if !errors.As(err, &down) || len(d.api.requests()) != 0 {
			t.Errorf("%s: %v, %d requests", name, err, len(d.api.requests()))
			continue
		}
		if text := fmt.Sprint(down.Problem, down.Err); strings.Contains(text, "agent-token") || strings.Contains(text, "exchanged-token") || strings.Contains(text, "cl1ent") {
			t.Errorf("%s: the error holds a token: %s", name, text)
		}
	}
}

func TestATokenThatEndsIsExchangedAnew(t *testing.T) {
	d := newDelegatedWorld(t, nil)
	for i, later := range []time.Duration{0, 9 * time.Minute, time.Minute, 9*time.Minute + 40*time.Second} {
		*d.now = d.now.Add(later)
		if err := d.as("s1", "agent-token-maria"); err != nil {
			t.Fatal(i, err)
		}
	}
	if d.issuer.issued != 3 {
		t.Errorf("%d tokens", d.issuer.issued)
	}
	// However often a caller comes with a new token, a session holds a few.
	for i := range 20 {
		if err := d.as("s1", fmt.Sprintf("agent-token-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.targets["api"].cred.delegated.held); n > maxDelegated {
		t.Errorf("%d tokens are held", n)
	}
}
