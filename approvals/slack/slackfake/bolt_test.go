package slackfake

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bolt starts testdata/bolt/app.js against w and returns what follows "ready" in its output. BOLT names the folder in which
// .ci/bolt installed the framework.
func bolt(t *testing.T, w *Workspace, mode string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a stuck Node must not hang CI
	cmd := exec.CommandContext(ctx, "node", filepath.Join("testdata", "bolt", "app.js"), mode)
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(boltHome(t), "node_modules"), "SLACK_API_URL="+w.URL(), "SLACK_BOT_TOKEN="+w.BotToken(),
		"SLACK_APP_TOKEN="+w.AppToken(), "SLACK_SIGNING_SECRET="+w.SigningSecret())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			select {
			case lines <- s.Text():
			default:
			}
		}
	}()
	t.Cleanup(func() {
		stdin.Close()
		for range lines { // read to its end before Wait closes it
		}
		cmd.Wait()
		cancel()
	})
	for line := range lines {
		if rest, ok := strings.CutPrefix(line, "ready"); ok {
			return strings.TrimSpace(rest)
		}
		t.Log(line)
	}
	t.Fatal("Bolt ended before it was ready")
	return ""
}

func boltHome(t *testing.T) string {
	t.Helper()
	home := os.Getenv("BOLT")
	if home == "" {
		t.Skip("BOLT is not set: .ci/bolt installs Slack's framework and runs this")
	}
	return home
}

// TestBoltOverSocketMode: Slack's own framework connects to the fake, gets clicks, forms and commands, answers them and calls the
// Web API, and comes back when the fake ends the connection.
func TestBoltOverSocketMode(t *testing.T) {
	boltHome(t)
	w, api, ann, c := start(t, Config{})
	bolt(t, w, "socket")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.WaitConnections(ctx, 1); err != nil {
		t.Fatal(err)
	}
	m := posted(t, w, api, c.ID)
	outcome := func(d *Delivery, err error) Outcome {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		o, err := d.Wait(ctx)
		if err != nil || !o.Acked || len(o.Problems) > 0 {
			t.Fatalf("%+v, %v", o, err)
		}
		return o
	}
	outcome(w.Click(ann.ID, m, "approve"))
	want := "Approved by @" + ann.ID + " with token-1"
	if _, err := w.WaitMessage(ctx, c.ID, func(m Message) bool { return m.VisibleText() == want }); err != nil {
		t.Fatal(err)
	}
	outcome(w.Click(ann.ID, m, "deny"))
	if v, err := w.WaitView(ctx, ann.ID, nil); err != nil || v.PrivateMetadata != "request-1" {
		t.Fatalf("%+v, %v", v, err)
	}
	outcome(w.SubmitView(ann.ID, map[string]string{"reason": "no"}))
	if v, open := w.View(ann.ID); !open || v.Errors["why"] != "say more" {
		t.Errorf("%+v", v)
	}
	outcome(w.SubmitView(ann.ID, map[string]string{"reason": "no ticket"}))
	if _, open := w.View(ann.ID); open {
		t.Error("the modal is still open")
	}
	if err := w.wait(ctx, "a direct message", func() bool { return w.findIM(ann.ID) != nil }); err != nil {
		t.Fatal(err)
	}
	if dm, err := w.Message(ctx, w.DirectMessage(ann.ID), 0); err != nil || dm.Text != "Denied request-1: no ticket" {
		t.Errorf("%+v, %v", dm, err)
	}
	outcome(w.SlashCommand(ann.ID, c.ID, "/sallyport link"))
	for n, want := range []string{"you said link", "and you are Ann Example"} {
		if e, err := w.WaitEphemeral(ctx, ann.ID, n); err != nil || e.Text != want {
			t.Errorf("%+v, %v", e, err)
		}
	}
	o := outcome(w.SlashCommand(ann.ID, c.ID, "/errors"))
	if got := o.Answer["text"]; got != "invalid_blocks channel_not_found invalid_arguments user_not_found" {
		t.Errorf("errors as Bolt sees them: %v", got)
	}
	for _, call := range w.Calls("") {
		if strings.HasPrefix(call.Error, "unknown_") {
			t.Errorf("Bolt called %s with %v: %s", call.Method, call.Args, call.Error)
		}
	}
	w.Disconnect(RefreshNeeded)
	if err := w.WaitDialled(ctx, 2); err != nil {
		t.Fatal(err)
	}
	outcome(w.SlashCommand(ann.ID, c.ID, "/sallyport again"))
}

// TestBoltOverHTTP: its receiver takes what the fake signs, and nothing that was altered.
func TestBoltOverHTTP(t *testing.T) {
	boltHome(t)
	w, api, ann, c := start(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	url := fmt.Sprintf("http://127.0.0.1:%s/slack/events", bolt(t, w, "http"))
	m := posted(t, w, api, c.ID)
	p, err := w.ClickPayload(ann.ID, m, "approve")
	if err != nil {
		t.Fatal(err)
	}
	d := &Delivery{Kind: "interactive", Payload: p}
	now := time.Now()
	altered := w.Sign(url, d.Form()+"&x=1", now)
	altered.Header.Set("X-Slack-Signature", w.Sign(url, d.Form(), now).Header.Get("X-Slack-Signature"))
	for _, tc := range []struct {
		name string
		r    *http.Request
		want int
	}{
		{"altered", altered, 401},
		{"another secret", SignWith("other", url, d.Form(), now), 401},
		{"six minutes old", w.Sign(url, d.Form(), now.Add(-6*time.Minute)), 401},
		{"as it should be", w.Sign(url, d.Form(), now), 200},
		{"again", w.Sign(url, d.Form(), now), 200}, // nothing in a signature stops a repetition: the app has to
	} {
		if o := w.Send(ctx, tc.r); o.Status != tc.want {
			t.Errorf("%s: %+v", tc.name, o)
		}
	}
	if _, err := w.WaitMessage(ctx, c.ID, func(m Message) bool { return strings.HasPrefix(m.VisibleText(), "Approved by") }); err != nil {
		t.Fatal(err)
	}
}
