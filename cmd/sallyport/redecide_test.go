package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReplayUnderTheSameConfigurationChangesNothing: what a running gateway recorded is decided again, from its log alone, as it was
// decided then. With one rule more, the call that people approved would be refused.
func TestReplayUnderTheSameConfigurationChangesNothing(t *testing.T) {
	w := running(t, "200ms")
	olga, bob := w.apiToken("olga", "security"), w.apiToken("bob", "dba")
	w.query("shop", "SELECT id, ssn FROM customers WHERE id = $1", 7)
	w.query("shop", "SELECT pg_sleep(1)")
	w.query("sandbox", "SELECT count(*) FROM orders")
	change := map[string]any{"target": "shop", "sql": "UPDATE orders SET status = 'refunded' WHERE id = $1", "params": []any{1042}, "reason": "ticket 7731"}
	w.call(w.agent(), "query_write", map[string]any{"target": "shop", "sql": "UPDATE orders SET status = 'paid' WHERE id = $1", "params": []any{1}, "reason": "never answered"})
	env := w.call(w.agent(), "query_write", change)
	if env.Approval == nil {
		t.Fatalf("nobody was asked: %+v", env)
	}
	w.cliOK(bob, "approvals", "approve", env.Approval.Code)
	if env = w.call(w.agent(), "query_write", change); env.Status != "ok" {
		t.Fatalf("approved, and still %+v", env)
	}

	got := decode[replayed](t, w.cliOK(olga, "policy", "replay", "--since", "7d", "--config", w.config(), "--json"))
	if got.Calls != 5 || got.Changed != 0 || got.Without != 0 {
		t.Errorf("under the same configuration: %+v", got)
	}

	yaml, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Replace(string(yaml), "    approval: {from: [dba], count: 1, within: 30m}\n",
		"    approval: {from: [dba], count: 1, within: 30m}\n    deny:\n      - {when: {effects: [write]}, reason: no changes this week}\n", 1)
	code, out, errs := w.cli(olga, "policy", "replay", "--since", "7d", "--config", w.file("stricter.yaml", f), "--json")
	if got = decode[replayed](t, out); code != exitDenied || got.Changed != 2 || got.Opposite != 1 || len(got.Changes) != 2 || !strings.Contains(errs, "1 of 5 calls") {
		t.Fatalf("with a rule more: exit %d, %+v\n%s", code, got, errs)
	}
	if c := got.Changes[0]; !c.Opposite || c.Before.Rule != "approved" || c.After.Rule != "deny:support/1" || c.Why != "no changes this week" || len(c.Calls) != 1 || c.Calls[0] != env.CallID {
		t.Errorf("%+v", c)
	}
}

// TestTheDecisionLog: a line for each decision, also after the file was moved away and the configuration read again.
func TestTheDecisionLog(t *testing.T) {
	w := newWorld(t, "10m")
	path := filepath.Join(w.dir, "decisions.jsonl")
	yaml, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	w.file("sallyport.yaml", string(yaml)+"policy: {decision_log: "+path+"}\n")
	w.start()
	w.query("shop", "SELECT id FROM public.customers WHERE id = 40")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := w.server.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.query("shop", "SELECT id FROM public.customers WHERE id = 41")
	for _, name := range []string{path + ".1", path} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Split(strings.TrimSpace(string(b)), "\n"); len(lines) != 1 || !strings.Contains(lines[0], `"decision_id"`) || strings.Contains(lines[0], "SELECT") {
			t.Errorf("%s: %s", name, b)
		}
	}
}
