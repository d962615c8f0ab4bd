package slackfake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Sign makes the request that Slack would send to an app's URL with this form body at that time: header and HMAC-SHA256 of
// "v0:timestamp:body" under the signing secret. A test alters the request, or signs one with an old time, to see it refused.
func (w *Workspace) Sign(target, body string, at time.Time) *http.Request {
	return SignWith(w.secret, target, body, at)
}

// SignWith is Sign under another secret, for a request that must be refused.
func SignWith(secret, target, body string, at time.Time) *http.Request {
	r, err := http.NewRequest(http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		panic(fmt.Sprintf("slackfake: %v", err))
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

// Send sends a request made by Sign, possibly altered, and returns how the app answered.
func (w *Workspace) Send(ctx context.Context, r *http.Request) Outcome { return w.send(ctx, r) }
