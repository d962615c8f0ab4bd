package main

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestAnAnswerInABrowser: from the agent's call over the login at the issuer to the execution, with a restart in the middle that the browser
// does not notice.
func TestAnAnswerInABrowser(t *testing.T) {
	w := running(t, "200ms")
	asked := w.ask(refund(1047, "browser"))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	bob := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/authorize" { // what bob clicks there
			q := r.URL.Query()
			q.Set("login_hint", "bob")
			r.URL.RawQuery = q.Encode()
		}
		return nil
	}}
	read := func(resp *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %v\n%s", resp.Status, err, b)
		}
		return string(b)
	}
	page := w.url + "/approvals/" + asked.Approval.Code
	if list := read(bob.Get(w.url + "/approvals")); !strings.Contains(list, asked.Approval.Code) {
		t.Fatalf("not in the list:\n%s", list)
	}
	card := read(bob.Get(page))
	if !strings.Contains(card, "UPDATE public.orders SET status = &#39;refunded&#39;") {
		t.Errorf("the page does not show the statement:\n%s", card)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.start()
	token := regexp.MustCompile(`name="token" value="([^"]*)"`).FindStringSubmatch(card)
	if token == nil {
		t.Fatalf("no form:\n%s", card)
	}
	form := url.Values{"token": {html.UnescapeString(token[1])}, "answer": {"approve"}, "reason": {"seen the ticket"}}
	req, err := http.NewRequest(http.MethodPost, page, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", w.url)
	if after := read(bob.Do(req)); !strings.Contains(after, "seen the ticket") || !strings.Contains(after, "approved") {
		t.Errorf("after the yes:\n%s", after)
	}
	if done := w.call(w.agent(), "query_write", refund(1047, "browser")); done.Status != "ok" || done.CallID != asked.CallID {
		t.Errorf("%+v %+v", done, done.Error)
	}
	w.holds("SELECT status = 'refunded' FROM orders WHERE id = 1047")
}
