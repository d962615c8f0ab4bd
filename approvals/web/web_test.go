package web

import (
	"context"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/identity"
	"sallyport/identity/devissuer"
)

// site is the pages in front of a real issuer and requests in memory.
type site struct {
	t      *testing.T
	url    string
	issuer *devissuer.Issuer

	mu       sync.Mutex
	requests []approvals.Request
	votes    []approvals.Voter
	now      time.Duration // how far the clock of the pages is ahead
}

func (s *site) Approval(_ context.Context, idOrCode string) (approvals.Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r.ID == idOrCode || r.Code == idOrCode {
			return r, nil
		}
	}
	return approvals.Request{}, approvals.ErrNotFound
}

func (s *site) Approvals(context.Context, ...approvals.State) ([]approvals.Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests), nil
}

func (s *site) vote(_ context.Context, id string, v approvals.Voter, digest string, yes bool, reason string) (approvals.Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.requests {
		r := &s.requests[i]
		if r.ID != id {
			continue
		}
		if err := approvals.Eligible(*r, v); err != nil && (yes || !errors.Is(err, approvals.ErrAssurance)) {
			return *r, err
		}
		vote := approvals.Vote{By: v.Identity, Name: v.Name, Yes: yes, Reason: reason, Via: "web", Digest: digest, Time: time.Now()}
		state, err := approvals.Apply(*r, vote, time.Now())
		if err == nil {
			r.State, r.Votes = state, append(r.Votes, vote)
			s.votes = append(s.votes, v)
		}
		return *r, err
	}
	return approvals.Request{}, approvals.ErrNotFound
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.now)
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t}
	web := httptest.NewUnstartedServer(nil)
	s.url = "http://" + web.Listener.Addr().String()
	var err error
	if s.issuer, err = devissuer.Start(t.Context(), devissuer.Options{
		People:  map[string]devissuer.Claims{"bob": {"groups": []string{"dba"}, "name": "Bob <b>"}, "ann": {"groups": []string{"dba"}}, "eve": {"groups": []string{"cooks"}}},
		Clients: map[string]devissuer.Client{"pages": {Redirects: []string{s.url + "/approvals/callback"}}},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.issuer.Close() })
	v, err := identity.New(t.Context(), identity.Config{Issuers: []identity.Issuer{{URL: s.issuer.URL(), Audience: s.url + "/mcp", Web: &identity.WebClient{ID: "pages"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	pages, err := New(Config{PublicURL: s.url, Logins: v, Requests: s, Vote: s.vote, Secret: make([]byte, 32), Now: s.clock, Log: slog.New(slog.DiscardHandler),
		Sees: func(p *identity.Principal, r approvals.Request) bool { return p.InGroup(r.From...) }, Answers: func(p *identity.Principal) bool { return p.InGroup("dba") }})
	if err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = pages
	web.Start()
	t.Cleanup(web.Close)
	s.requests = []approvals.Request{{
		ID: "01a21263-bd92-74c1-a740-d204b2e25eed", Code: "K7QM-2X9D", State: approvals.Pending, Digest: strings.Repeat("d", 64), Tool: "query_write", Target: "orders-db",
		Environment: "production", Requester: approvals.Identity{Issuer: s.issuer.URL(), Subject: "ann"}, Agent: "claude", From: []string{"dba"}, Count: 1, Assurance: "chat",
		Summary: "updates public.orders", Text: "UPDATE public.orders SET a = '<script>alert(1)</script>\u202e'", Claim: "<img src=x onerror=alert(1)>", Risk: 65,
		Reasons: []string{"changes data: +30"}, Created: time.Now(), Expires: time.Now().Add(time.Hour),
		Impact: &approvals.Impact{Object: "public.orders", Rows: approvals.Count{N: 12, Is: approvals.Exact}, Of: approvals.Count{N: 1300, Is: approvals.Exact},
			Sample: &approvals.Sample{Columns: []string{"id"}, Before: [][]*string{{nil}}}},
	}}
	return s
}

// browser is one person's.
type browser struct {
	*site
	http *http.Client
	who  string
}

func (s *site) browser(who string) *browser {
	jar, _ := cookiejar.New(nil)
	b := &browser{site: s, who: who}
	b.http = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/authorize" { // what the person would click
			q := r.URL.Query()
			q.Set("login_hint", who)
			r.URL.RawQuery = q.Encode()
		}
		return nil
	}}
	return b
}

func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	return b.read(b.http.Get(b.url + path))
}

func (b *browser) read(resp *http.Response, err error) (int, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, h := range []string{"Content-Security-Policy", "X-Frame-Options", "Referrer-Policy"} {
		if resp.Request.URL.Host == strings.TrimPrefix(b.url, "http://") && resp.Header.Get(h) == "" {
			b.t.Errorf("%s lacks %s", resp.Request.URL, h)
		}
	}
	return resp.StatusCode, string(body)
}

func (b *browser) post(path, origin string, form url.Values) (int, string) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	return b.read(b.http.Do(req))
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]*)"`)

func token(t *testing.T, page string) string {
	t.Helper()
	m := tokenField.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no form in:\n%s", page)
	}
	return html.UnescapeString(m[1])
}

const page = "/approvals/K7QM-2X9D"

func TestAPersonLogsInAndAnswers(t *testing.T) {
	for word, want := range map[string]approvals.State{"approve": approvals.Approved, "deny": approvals.Denied} {
		s := newSite(t)
		bob := s.browser("bob")
		if status, list := bob.get("/approvals"); status != 200 || !strings.Contains(list, "K7QM-2X9D") || !strings.Contains(list, "updates public.orders") {
			t.Fatalf("%d %s", status, list)
		}
		status, card := bob.get(page)
		for _, part := range []string{"12", "of 1,300 rows", "orders-db", "production", "changes data: &#43;30", "null", "Bob &lt;b&gt;"} {
			if status != 200 || !strings.Contains(card, part) {
				t.Errorf("%d, no %q in\n%s", status, part, card)
			}
		}
		if status, after := bob.post(page, s.url, url.Values{"token": {token(t, card)}, "answer": {word}, "reason": {"ticket 7"}}); status != 200 || !strings.Contains(after, "ticket 7") {
			t.Errorf("%d %s", status, after)
		}
		if got := s.requests[0]; got.State != want || len(s.votes) != 1 || s.votes[0].Subject != "bob" || s.votes[0].Assurance != approvals.WebFresh {
			t.Errorf("%s: %s %+v", word, got.State, s.votes)
		}
	}
}

// What agents write is text: it neither becomes markup nor hides, nor passes for ours.
func TestTextOfAgentsIsText(t *testing.T) {
	_, card := newSite(t).browser("bob").get(page)
	for _, bad := range []string{"<script", "<img", "\u202e", "<b>"} {
		if i := strings.Index(card, bad); i >= 0 && bad != "<b>" {
			t.Errorf("%q in the page: %s", bad, card[max(0, i-40):i+40])
		}
	}
	if !strings.Contains(card, `\u{202e}`) || !strings.Contains(card, "cannot be seen") {
		t.Error("hidden characters are not shown")
	}
}

func TestForgedAnswers(t *testing.T) {
	s := newSite(t)
	bob, ann := s.browser("bob"), s.browser("ann")
	_, card := bob.get(page)
	good := token(t, card)
	ann.get("/approvals")
	other := s.requests[0]
	other.ID, other.Code = "01a21263-bd92-74c1-a740-000000000000", "AAAA-AAAA"
	s.mu.Lock()
	s.requests = append(s.requests, other)
	s.mu.Unlock()
	yes := func(token string) url.Values { return url.Values{"token": {token}, "answer": {"approve"}} }
	for name, tt := range map[string]struct {
		b            *browser
		path, origin string
		form         url.Values
	}{
		"from another site":                {bob, page, "https://evil.test", yes(good)},
		"without an origin":                {bob, page, "", yes(good)},
		"from a page without one":          {bob, page, "null", yes(good)},
		"without a token":                  {bob, page, s.url, yes("")},
		"with a token that was changed":    {bob, page, s.url, yes(good[:len(good)-2] + "AA")},
		"with another person's form":       {ann, page, s.url, yes(good)},
		"with the form of another request": {bob, "/approvals/AAAA-AAAA", s.url, yes(good)},
		"with a cookie for a token": {bob, page, s.url, yes(func() string {
			u, _ := url.Parse(s.url)
			return bob.http.Jar.Cookies(u)[0].Value
		}())},
		"with a word that is none": {bob, page, s.url, url.Values{"token": {good}, "answer": {"maybe"}}},
		"by nobody":                {s.browser("bob"), page, s.url, yes(good)},
	} {
		if status, body := tt.b.post(tt.path, tt.origin, tt.form); status < 400 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if len(s.votes) != 0 {
		t.Fatalf("%d votes counted", len(s.votes))
	}
	// What was asked changes after the page was shown: the vote carries the digest of what was shown.
	s.mu.Lock()
	s.requests[0].Digest = strings.Repeat("e", 64)
	s.mu.Unlock()
	if status, body := bob.post(page, s.url, yes(good)); status != 409 || !strings.Contains(body, "changed") || len(s.votes) != 0 {
		t.Errorf("%d %s", status, body)
	}
}

func TestWhoMayNotAnswer(t *testing.T) {
	s := newSite(t)
	if _, card := s.browser("ann").get(page); !strings.Contains(card, "your own request") || strings.Contains(card, `value="approve"`) {
		t.Errorf("the requester: %s", card)
	}
	if status, body := s.browser("eve").get(page); status != 404 || strings.Contains(body, "orders") {
		t.Errorf("a stranger sees it: %d %s", status, body)
	}
	if _, list := s.browser("eve").get("/approvals"); strings.Contains(list, "K7QM") {
		t.Errorf("a stranger's list: %s", list)
	}
	if status, unknown := s.browser("eve").get("/approvals/ZZZZ-ZZZZ"); status != 404 || unknown == "" {
		t.Errorf("%d", status)
	}
}

// web_fresh: the login has to be minutes old, and a page that was open for long does not get around that.
func TestAFreshLogin(t *testing.T) {
	s := newSite(t)
	s.requests[0].Assurance = "web_fresh"
	bob := s.browser("bob")
	_, early := bob.get(page)
	s.mu.Lock()
	s.now = 10 * time.Minute
	s.mu.Unlock()
	_, card := bob.get(page)
	if strings.Contains(card, `value="approve"`) || !strings.Contains(card, "Log in again") || !strings.Contains(card, `value="deny"`) {
		t.Errorf("%s", card)
	}
	if status, body := bob.post(page, s.url, url.Values{"token": {token(t, early)}, "answer": {"approve"}}); status != 403 || len(s.votes) != 0 {
		t.Errorf("%d %s", status, body)
	}
	s.mu.Lock()
	s.now = 0
	s.mu.Unlock()
	if status, card := bob.get("/approvals/login?fresh=1&to=" + page); status != 200 || !strings.Contains(card, `value="approve"`) {
		t.Errorf("%d %s", status, card)
	}
}

func TestSessionsEnd(t *testing.T) {
	s := newSite(t)
	bob := s.browser("bob")
	bob.get("/approvals")
	u, _ := url.Parse(s.url)
	before := bob.http.Jar.Cookies(u)[0].Value
	s.mu.Lock()
	s.now = 9 * time.Hour
	s.mu.Unlock()
	bob.get("/approvals") // logs in again, without a word
	if bob.http.Jar.Cookies(u)[0].Value == before {
		t.Error("a session of yesterday still opens the pages")
	}
	if status, _ := bob.post("/approvals/logout", s.url, nil); status != 200 || len(bob.http.Jar.Cookies(u)) != 0 {
		t.Errorf("still logged in: %d", status)
	}
}

// A link of ours leads nowhere else, and an answer of the issuer that this browser did not ask for counts for nothing.
func TestLoginsLeadBackToOurPagesOnly(t *testing.T) {
	for _, to := range []string{"https://evil.test", "//evil.test", "/approvals@evil.test", "/approvals/../admin", "/approvals//evil.test", "/approvalsx", "/approvals/%2e%2e", "/approvals/a?b", "", "/api/approvals"} {
		if got := local(to); got != Path {
			t.Errorf("%q leads to %q", to, got)
		}
	}
	for _, to := range []string{"/approvals", page, "/approvals/01a21263-bd92-74c1-a740-d204b2e25eed"} {
		if got := local(to); got != to {
			t.Errorf("%q leads to %q", to, got)
		}
	}
	s := newSite(t)
	if status, body := s.browser("bob").get("/approvals/callback?code=x&state=y"); status != 400 || !strings.Contains(body, "did not begin a login") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := s.browser("nobody").get(page); status != 403 {
		t.Errorf("%d %s", status, body)
	}
}
