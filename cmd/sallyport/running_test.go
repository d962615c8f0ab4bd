package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/gateway"
	"sallyport/gateway/adminapi"
)

// refund is a change of one row in production, which asks.
func refund(order int, reason string) map[string]any {
	return map[string]any{"target": "shop", "sql": "UPDATE public.orders SET status = 'refunded' WHERE id = $1", "params": []any{order}, "reason": reason}
}

// ask makes a call that has to end up pending, and returns its envelope.
func (w *world) ask(args map[string]any) *gateway.Envelope {
	w.t.Helper()
	env := w.call(w.agent(), "query_write", args)
	if env.Status != "approval_pending" || env.Executed != "no" || env.Error != nil || env.Approval == nil {
		w.t.Fatalf("want approval_pending, got %+v %+v", env, env.Error)
	}
	return env
}

// TestAReadIsAnsweredMaskedAndRecorded is the main job, from token to record.
func TestAReadIsAnsweredMaskedAndRecorded(t *testing.T) {
	w := running(t, "10m")
	env := w.query("shop", "SELECT id, name, email, ssn, notes FROM public.customers WHERE id = $1", 40)
	if env.Status != "ok" || env.Executed != "yes" {
		t.Fatalf("%+v %+v", env, env.Error)
	}
	var rows struct {
		Rows [][]any `json:"rows"`
	}
	if err := json.Unmarshal(env.Data, &rows); err != nil || len(rows.Rows) != 1 {
		t.Fatalf("%v %s", err, env.Data)
	}
	data := string(env.Data)
	for _, raw := range []string{"customer40@", "private40@example.net", "380-50-2480"} {
		if strings.Contains(data, raw) {
			t.Errorf("%s came out: %s", raw, data)
		}
	}
	if env.Masking == nil || env.Masking.Assurance == "" {
		t.Errorf("masking: %+v", env.Masking)
	}

	olga := w.apiToken("olga", "security")
	entries := decode[[]auditLine](t, w.cliOK(olga, "audit", "show", env.CallID, "--json"))
	if len(entries) != 1 || entries[0].Kind != "outcome" || entries[0].Principal.Subject != "maria" || entries[0].Outcome.Status != "ok" || entries[0].Outcome.Rows != 1 {
		t.Errorf("entries of a read: %+v", entries)
	}
	if strings.Contains(string(entries[0].Body), "customer40@") {
		t.Errorf("the record holds what was masked: %s", entries[0].Body)
	}
}

// TestApprovalsOnTheCommandLine: DESIGN §7, from the question to the record, with every exit code on the way.
func TestApprovalsOnTheCommandLine(t *testing.T) {
	w := running(t, "200ms")
	bob, eve, olga := w.apiToken("bob", "dba"), w.apiToken("eve", "sales"), w.apiToken("olga", "security")
	env := w.ask(refund(1042, "ticket 7731"))

	// Everybody sees what belongs to his role.
	var items []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(w.cliOK(bob, "approvals", "list", "--json")), &items); err != nil || len(items) != 1 {
		t.Fatalf("%v %v", err, items)
	}
	for _, key := range []string{"id", "code", "state", "tool", "target", "requester", "agent", "risk", "reasons", "summary", "created", "expires"} {
		if _, ok := items[0][key]; !ok {
			t.Errorf("approvals list --json has no %s", key)
		}
	}
	if code, out, errs := w.cli(eve, "approvals", "list"); code != exitDenied || out != "" || !strings.Contains(errs, "role") {
		t.Errorf("a person without a role: %d %q %q", code, out, errs)
	}
	agentsToken := w.file("agent.token", w.agentToken("bob", "dba"))
	if code, _, errs := w.cli(agentsToken, "approvals", "approve", env.Approval.Code); code != exitDenied || !strings.Contains(errs, "hint: ") {
		t.Errorf("an agent's token at the admin API: %d %q", code, errs)
	}

	show := w.cliOK(bob, "approvals", "show", env.Approval.Code)
	for _, want := range []string{env.Approval.Code, "shop (production)", "maria, through test-agent", "UPDATE public.orders", "1042", `the agent claims: "ticket 7731"`} {
		if !strings.Contains(show, want) {
			t.Errorf("show lacks %q:\n%s", want, show)
		}
	}
	d := decode[adminapi.Detail](t, w.cliOK(bob, "approvals", "show", env.Approval.Code, "--json"))
	if d.State != "pending" || d.Needed != 1 || d.Given != 0 || d.Digest == "" || !strings.Contains(d.Text, "UPDATE public.orders") {
		t.Errorf("show --json: %+v", d)
	}

	// A yes to something else than what was shown, or by somebody who was not asked, counts for nothing.
	if code, _, errs := w.cli(bob, "approvals", "approve", env.Approval.Code, "--digest", strings.Repeat("0", 64)); code != exitFailed || !strings.Contains(errs, "show the request again") {
		t.Errorf("another digest: %d %q", code, errs)
	}
	for name, token := range map[string]string{"an auditor": olga, "the requester": w.apiToken("maria", "dba")} {
		if code, _, errs := w.cli(token, "approvals", "approve", env.Approval.Code); code != exitDenied || errs == "" {
			t.Errorf("%s approves: %d %q", name, code, errs)
		}
	}
	if code, _, errs := w.cli(bob, "approvals", "show", "AAAA-AAAA"); code != exitUsage || !strings.Contains(errs, "hint: ") {
		t.Errorf("a code that is nobody's: %d %q", code, errs)
	}
	if again := w.ask(refund(1042, "ticket 7731")); again.CallID != env.CallID {
		t.Errorf("the identical call asked again: %s and %s", again.CallID, env.CallID)
	}
	w.holds("SELECT status <> 'refunded' FROM orders WHERE id = 1042")

	// Yes: it runs once, when the agent comes back for it, and a second coming gets the same answer.
	if out := w.cliOK(bob, "approvals", "approve", env.Approval.Code, "--reason", "checked"); !strings.Contains(out, "is now approved (1 of 1)") {
		t.Errorf("approve: %s", out)
	}
	done := w.call(w.agent(), "query_write", refund(1042, "ticket 7731"))
	if done.Status != "ok" || done.Executed != "yes" || done.CallID != env.CallID {
		t.Fatalf("after the yes: %+v %+v", done, done.Error)
	}
	if replay := w.call(w.agent(), "query_write", refund(1042, "ticket 7731")); !replay.Replayed || string(replay.Data) != string(done.Data) {
		t.Errorf("the same call again: %+v", replay)
	}
	w.holds("SELECT status = 'refunded' FROM orders WHERE id = 1042")
	if code, _, errs := w.cli(bob, "approvals", "approve", env.Approval.Code); code != exitFailed || errs == "" {
		t.Errorf("a yes to what is over: %d %q", code, errs)
	}

	// No: the agent is told, and told not to press.
	no := w.ask(refund(1043, "because"))
	if out := w.cliOK(bob, "approvals", "deny", no.Approval.Code, "--reason", "wrong order"); !strings.Contains(out, "is now denied") {
		t.Errorf("deny: %s", out)
	}
	if denied := w.call(w.agent(), "query_write", refund(1043, "because")); denied.Error == nil || denied.Error.Code != "approval_denied" || denied.Executed != "no" {
		t.Errorf("after the no: %+v %+v", denied, denied.Error)
	}
	w.holds("SELECT status = 'paid' FROM orders WHERE id = 1043")
	if out := w.cliOK(bob, "approvals", "list"); !strings.Contains(out, "no requests") {
		t.Errorf("list after everything was answered:\n%s", out)
	}
	if items := decode[[]adminapi.Item](t, w.cliOK(bob, "approvals", "list", "--state", "all", "--json")); len(items) != 2 {
		t.Errorf("list --state all: %+v", items)
	}

	// The whole story of the call, in order, bound to the person who said yes.
	var kinds []string
	for _, e := range decode[[]auditLine](t, w.cliOK(olga, "audit", "show", env.CallID, "--json")) {
		kinds = append(kinds, e.Kind)
		if e.Kind == "vote" && (e.Approval == nil || !strings.Contains(e.Approval.By, "#bob")) {
			t.Errorf("the vote is not bob's: %+v", e.Approval)
		}
	}
	kinds = slices.Compact(kinds)
	if want := []string{"request", "vote", "approval", "intent", "outcome"}; !slices.Equal(kinds, want) {
		t.Errorf("the record of the call is %v, want %v", kinds, want)
	}
}

// TestAHeldCallIsAnsweredAtOnce: within approvals.hold the agent just waits, and is told of whom.
func TestAHeldCallIsAnsweredAtOnce(t *testing.T) {
	w := running(t, "10m")
	bob := w.apiToken("bob", "dba")
	told := make(chan string, 10)
	type answer struct {
		env *gateway.Envelope
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		env, err := w.agent().call(context.Background(), "query_write", refund(1044, "held"), func(m string) { told <- m })
		answered <- answer{env, err}
	}()
	message := <-told
	items := decode[[]adminapi.Item](t, w.cliOK(bob, "approvals", "list", "--json"))
	if len(items) != 1 || !strings.Contains(message, items[0].Code) || !strings.Contains(message, "dba") {
		t.Fatalf("told %q of %+v", message, items)
	}
	w.cliOK(bob, "approvals", "approve", items[0].ID)
	if a := <-answered; a.err != nil || a.env.Status != "ok" || a.env.Executed != "yes" {
		t.Errorf("%+v %v", a.env, a.err)
	}
}

// TestAnApprovalSurvivesARestart: the request is durable, so is the yes, and the call runs once after both.
func TestAnApprovalSurvivesARestart(t *testing.T) {
	w := running(t, "200ms")
	bob := w.apiToken("bob", "dba")
	env := w.ask(refund(1046, "restart"))
	restart := func() {
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.start()
	}
	restart()
	w.cliOK(bob, "approvals", "approve", env.Approval.Code)
	restart()
	for i := range 2 {
		done := w.call(w.agent(), "query_write", refund(1046, "restart"))
		if done.Status != "ok" || done.CallID != env.CallID || done.Replayed != (i == 1) {
			t.Errorf("call %d after the restarts: %+v %+v", i, done, done.Error)
		}
	}
}

// TestAuditOnTheCommandLine: search, export and verify, the last also offline, and after somebody changed a bit.
func TestAuditOnTheCommandLine(t *testing.T) {
	w := running(t, "200ms")
	olga, bob := w.apiToken("olga", "security"), w.apiToken("bob", "dba")
	read := w.query("shop", "SELECT count(*) FROM public.orders WHERE total > $1", 100)
	denied := w.call(w.agent(), "query_write", map[string]any{"target": "shop", "sql": "DROP TABLE public.customers", "reason": "tidy up"})
	if denied.Status != "denied" || denied.Executed != "no" {
		t.Fatalf("DROP: %+v %+v", denied, denied.Error)
	}

	if code, _, errs := w.cli(bob, "audit", "search"); code != exitDenied || !strings.Contains(errs, "role") {
		t.Errorf("an approver reads the log: %d %q", code, errs)
	}
	for _, tt := range []struct {
		args []string
		want string // the only call found
	}{
		{[]string{"--kind", "denied"}, denied.CallID},
		{[]string{"--tool", "query"}, read.CallID},
		{[]string{"--call", read.CallID, "--subject", "maria", "--target", "shop", "--since", "1h"}, read.CallID},
		{[]string{"orders"}, read.CallID},
		{[]string{"--kind", "vote"}, ""},
		{[]string{"--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z"}, ""},
	} {
		found := decode[[]auditLine](t, w.cliOK(olga, append([]string{"audit", "search", "--json"}, tt.args...)...))
		var calls []string
		for _, e := range found {
			if len(e.Body) > 0 {
				t.Errorf("search %v opened a body", tt.args)
			}
			if e.Call != "" {
				calls = append(calls, e.Call)
			}
		}
		calls = slices.Compact(calls)
		if tt.want == "" && len(calls) > 0 || tt.want != "" && !slices.Equal(calls, []string{tt.want}) {
			t.Errorf("search %v found %v, want %q", tt.args, calls, tt.want)
		}
	}
	if code, _, errs := w.cli(olga, "audit", "search", "--since", "yesterday"); code != exitUsage || !strings.Contains(errs, "since") {
		t.Errorf("--since yesterday: %d %q", code, errs)
	}
	if code, _, _ := w.cli(olga, "audit", "show", "no-such-call"); code != exitUsage {
		t.Errorf("audit show of nothing: %d", code)
	}
	if table := w.cliOK(olga, "audit", "search", "--kind", "denied"); !strings.Contains(table, "SEQ") || !strings.Contains(table, denied.CallID) {
		t.Errorf("search prints:\n%s", table)
	}

	// The export is JSON lines with the documented keys, oldest first, without gaps.
	export := strings.TrimSpace(w.cliOK(olga, "audit", "export"))
	allowed := []string{"v", "seq", "id", "time", "kind", "call", "session", "principal", "tool", "target", "statement", "objects", "decision", "approval", "masks", "outcome", "detail", "body", "body_ref"}
	kinds := map[string]int{}
	for i, line := range strings.Split(export, "\n") {
		e := decode[map[string]any](t, line)
		for key := range e {
			if !slices.Contains(allowed, key) {
				t.Errorf("export has a key of its own: %s", key)
			}
		}
		if e["seq"] != float64(i) {
			t.Errorf("line %d has seq %v", i, e["seq"])
		}
		kinds[e["kind"].(string)]++
	}
	for _, kind := range []string{"config", "session", "outcome", "denied", "read"} {
		if kinds[kind] == 0 {
			t.Errorf("the export has no %s: %v", kind, kinds)
		}
	}
	if code, _, errs := w.cli(olga, "audit", "export", "--format", "csv"); code != exitUsage || !strings.Contains(errs, "jsonl") {
		t.Errorf("--format csv: %d %q", code, errs)
	}

	if out := w.cliOK(olga, "audit", "verify"); !strings.Contains(out, "integrity     ok") || !strings.Contains(out, "completeness  ok") {
		t.Errorf("verify:\n%s", out)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	verifyOffline(t, w)
}

// verifyOffline checks a copy of the state, whole and with one bit of a recorded envelope changed.
func verifyOffline(t *testing.T, w *world) {
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(w.state())); err != nil {
		t.Fatal(err)
	}
	verify := func() (int, string) {
		var out strings.Builder
		code := run([]string{"audit", "verify", "--state", copied}, strings.NewReader(""), &out, &out)
		return code, out.String()
	}
	if code, out := verify(); code != exitDone || !strings.Contains(out, "integrity     ok") {
		t.Fatalf("offline: %d\n%s", code, out)
	}
	path := filepath.Join(copied, "state.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(b), `"sub":"maria"`) // in an envelope
	if at < 0 {
		t.Fatal("no envelope with maria in the file")
	}
	b[at+len(`"sub":"m`)] ^= 4 // meria
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := verify(); code != exitFailed || !strings.Contains(out, "FAILED") || !strings.Contains(out, "entry ") {
		t.Errorf("after one bit was changed: %d\n%s", code, out)
	}
	var out strings.Builder
	if code := run([]string{"audit", "verify", "--state", filepath.Join(copied, "nothing")}, nil, &out, &out); code != exitUsage {
		t.Errorf("verify of a directory that is not there: %d %s", code, out.String())
	}
}

// TestHiddenMeansHidden: a target that nina may not see and one that does not exist get the same bytes, from every tool that takes a
// target.
func TestHiddenMeansHidden(t *testing.T) {
	w := running(t, "200ms")
	nina := w.agentOf("nina", "sales")
	answer := func(tool, target string) string {
		env := w.call(nina, tool, map[string]map[string]any{
			"query":           {"target": target, "sql": "SELECT count(*) FROM public.orders"},
			"query_write":     {"target": target, "sql": "DELETE FROM public.orders WHERE id = 1", "reason": "x"},
			"describe_target": {"target": target},
			"explain_access":  {"tool": "query", "arguments": map[string]any{"target": target, "sql": "SELECT count(*) FROM public.orders"}},
		}[tool])
		b, err := json.Marshal(env)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer(env.CallID, "CALL", target, "TARGET").Replace(string(b))
	}
	for _, tool := range []string{"query", "query_write", "describe_target", "explain_access"} {
		hidden, missing := answer(tool, "shop"), answer(tool, "pohs")
		if hidden != missing || !strings.Contains(hidden, "target_not_found") {
			t.Errorf("%s: hidden\n%s\nmissing\n%s", tool, hidden, missing)
		}
	}
}
