package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"sallyport/gateway"
)

// TestEndingASessionCancelsItsStatement: on the database, not only in the answer.
func TestEndingASessionCancelsItsStatement(t *testing.T) {
	w := running(t, "10m")
	paul, olga := w.apiToken("paul", "platform"), w.apiToken("olga", "security")
	const slow = "SELECT count(*) FROM generate_series(1, 2000000000)"
	const runs = "FROM pg_stat_activity WHERE state = 'active' AND usename = 'sallyport' AND datname = current_database()"
	begin := func() <-chan *gateway.Envelope {
		answered := make(chan *gateway.Envelope, 1)
		go func() {
			env, err := w.agent().call(context.Background(), "query", map[string]any{"target": "shop", "sql": slow}, nil)
			if err != nil {
				t.Error(err)
			}
			answered <- env
		}()
		w.eventuallyHolds("EXISTS (SELECT " + runs + ")")
		return answered
	}
	for name, end := range map[string]func(id string){
		"by an operator": func(id string) { w.cliOK(paul, "sessions", "end", id) },
		"by a lock": func(string) {
			out := w.cliOK(paul, "sessions", "lock", "--subject", "maria", "--reason", "test")
			if !strings.Contains(out, "1 sessions ended") {
				t.Error(out)
			}
			words := strings.Fields(out)
			w.cliOK(paul, "sessions", "unlock", words[len(words)-1])
		},
		"by the client that leaves": func(string) {
			req, err := http.NewRequest(http.MethodDelete, w.url+"/mcp", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+w.agentToken("maria", "support"))
			resp, err := http.DefaultClient.Do(req)
			if err != nil || resp.StatusCode != http.StatusNoContent {
				t.Fatalf("%v %v", resp, err)
			}
			resp.Body.Close()
		},
	} {
		answered := begin()
		sessions := decode[[]gateway.Session](t, w.cliOK(paul, "sessions", "list", "--json"))
		if len(sessions) != 1 || sessions[0].Running != 1 {
			t.Fatalf("%s: %+v", name, sessions)
		}
		end(sessions[0].ID)
		w.holds("NOT EXISTS (SELECT " + runs + ")")
		if env := <-answered; env == nil || env.Error == nil || env.Error.Reason != "session-ended" {
			t.Errorf("%s: %+v", name, env)
		}
	}
	if log := w.cliOK(olga, "audit", "export", "--kind", "session"); strings.Count(log, "everything was gone after") != 3 {
		t.Errorf("the log:\n%s", log)
	}
}

// TestTheShimLeaves: when its client closes, the session ends, unless another client of the same caller has a call running.
func TestTheShimLeaves(t *testing.T) {
	w := running(t, "10m")
	paul := w.apiToken("paul", "platform")
	open := func() int {
		return len(decode[[]gateway.Session](t, w.cliOK(paul, "sessions", "list", "--json")))
	}
	shim := func() {
		t.Helper()
		s := &shim{endpoint: w.url + "/mcp", token: func() (string, error) { return w.agentToken("maria", "support"), nil }, http: &http.Client{}, out: io.Discard, calls: map[string]context.CancelFunc{}}
		if err := s.serve(t.Context(), strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_targets","arguments":{}}}`+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	shim()
	if n := open(); n != 0 {
		t.Errorf("%d sessions are open", n)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.agent().call(ctx, "query", map[string]any{"target": "shop", "sql": "SELECT count(*) FROM generate_series(1, 2000000000)"}, nil)
	}()
	w.eventuallyHolds("EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND usename = 'sallyport' AND datname = current_database())")
	shim()
	if n := open(); n != 1 {
		t.Errorf("%d sessions are open; another client's call runs in one", n)
	}
	hangUp()
	<-done
}
