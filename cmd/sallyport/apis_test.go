package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestAnAgentsTokenIsExchangedAndKeptNowhere (issue #6): it reaches the issuer of the API, and no log, record, file or answer.
func TestAnAgentsTokenIsExchangedAndKeptNowhere(t *testing.T) {
	w := newWorld(t, "200ms")
	var mu sync.Mutex
	var subjects, revoked []string
	api := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		r.ParseForm()
		switch r.URL.Path {
		case "/token":
			subjects = append(subjects, r.PostForm.Get("subject_token"))
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprint(rw, `{"access_token": "exchanged-for-maria", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": 300}`)
		case "/revoke":
			revoked = append(revoked, r.PostForm.Get("token"))
		default:
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(rw, `{"you sent": %q}`, r.Header.Get("Authorization"))
		}
	}))
	defer api.Close()
	yaml, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	target := fmt.Sprintf("targets:\n  billing:\n    http:\n      base_url: %s\n      auth:\n        exchange: {token_url: %s/token, revoke_url: %s/revoke, client_id: gateway, client_secret: %q, audience: billing}\n    environment: development\n",
		api.URL, api.URL, api.URL, "file:"+w.file("client", "cl1ent-s3cret"))
	scope := "scopes:\n  apis:\n    who: {groups: [support]}\n    targets: [billing]\n    allow: [read]\n"
	text := strings.Replace(strings.Replace(string(yaml), "targets:\n", target, 1), "scopes:\n", scope, 1)
	if err := os.WriteFile(w.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()

	token := w.agentToken("maria", "support")
	agent := &mcpClient{endpoint: w.url + "/mcp", http: &http.Client{}, token: func() (string, error) { return token, nil }}
	for range 2 {
		env := w.call(agent, "http", map[string]any{"target": "billing", "method": "GET", "path": "/invoices"})
		if env.Status != "ok" || strings.Contains(string(env.Data), "exchanged-for") {
			t.Fatalf("%+v %+v %s", env, env.Error, env.Data)
		}
	}
	mu.Lock()
	if len(subjects) != 1 || subjects[0] != token {
		t.Errorf("%d exchanges, not one of the agent's own token", len(subjects))
	}
	mu.Unlock()
	olga := w.apiToken("olga", "security")
	record := w.cliOK(olga, "audit", "export")
	if !strings.Contains(record, "exchange issued: access token sha256:") {
		t.Errorf("no entry of the token")
	}
	paul := w.apiToken("paul", "platform")
	sessions := decode[[]struct{ ID string }](t, w.cliOK(paul, "sessions", "list", "--json"))
	if len(sessions) != 1 {
		t.Fatalf("%+v", sessions)
	}
	w.cliOK(paul, "sessions", "end", sessions[0].ID)
	mu.Lock()
	defer mu.Unlock()
	if len(revoked) != 1 || revoked[0] != "exchanged-for-maria" {
		t.Errorf("revoked: %q", revoked)
	}
	signature := token[strings.LastIndexByte(token, '.')+1:]
	for name, text := range map[string]string{"log": w.logs.String(), "record": record} {
		if strings.Contains(text, signature) || strings.Contains(text, "exchanged-for") {
			t.Errorf("the %s has a token", name)
		}
	}
	filepath.WalkDir(w.state(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if b, _ := os.ReadFile(path); strings.Contains(string(b), signature) || strings.Contains(string(b), "exchanged-for") {
				t.Errorf("%s has a token", path)
			}
		}
		return nil
	})
}
