package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/policy"
	"sallyport/tools"
)

func TestAReadIsRecordedBeforeItIsReleased(t *testing.T) {
	r := newRig(t)
	r.tool.result = "paid"
	env := r.call(who("ann", "support"), "query", read("select 1"), 0)
	if env.Status != statusOK || !strings.Contains(string(env.Data), "paid") || env.Executed != tools.ExecutedYes {
		t.Fatalf("%+v", env)
	}
	if got := r.kinds(); got != "outcome" {
		t.Errorf("recorded %q: a read needs one durable write, its outcome", got)
	}
	e, body, err := r.store.Outcome(t.Context(), env.CallID)
	if err != nil || e.Principal.Subject != "ann" || e.Principal.Agent != "agent-of-ann" || !bytes.Contains(body.Result, []byte("paid")) {
		t.Errorf("outcome %+v %+v %v", e, body, err)
	}
}

// Invariant 1.
func TestNoRecordNoRelease(t *testing.T) {
	r := newRig(t)
	broken := r.breakStore()
	r.tool.result = "precious"
	broken.set(func() { broken.append = true })
	env := r.call(who("ann", "support"), "query", read("select 1"), 0)
	if env.code() != Unavailable || env.Data != nil || strings.Contains(string(marshal(env)), "precious") {
		t.Errorf("an unrecorded result was released: %s", marshal(env))
	}
	env = r.call(who("root", "root"), "query_write", write("update t where id = 1"), 0)
	if env.code() != OutcomeUnknown || env.Executed != tools.ExecutedUnknown || env.Status != statusUnknown {
		t.Errorf("a change whose outcome is not recorded: %s", marshal(env))
	}
}

// Invariant 1.
func TestNoRecordNoAction(t *testing.T) {
	r := newRig(t)
	broken := r.breakStore()
	broken.set(func() { broken.intend = true })
	if env := r.call(who("root", "root"), "query_write", write("update t where id = 1"), 0); env.code() != Unavailable || env.Executed != tools.ExecutedNo {
		t.Errorf("%s", marshal(env))
	}
	broken.set(func() { broken.intend, broken.closed = false, true })
	if env := r.call(who("ann", "support"), "query", read("select 1"), 0); env.code() != Unavailable || !strings.Contains(env.Error.Message, "audit") {
		t.Errorf("%s", marshal(env))
	}
	if n := r.tool.runs(); n != 0 {
		t.Errorf("%d calls ran without a record", n)
	}
}

func (r *rig) breakStore() *brokenStore {
	r.stop()
	var b *brokenStore
	r.wrap = func(s Store) Store { b = &brokenStore{Store: s}; return b }
	r.start()
	r.t.Cleanup(func() { b.set(func() { b.append = false }) })
	return b
}

func TestAChangeHasAnIntentBeforeItRuns(t *testing.T) {
	r := newRig(t)
	r.tool.onRun = func(context.Context) error {
		if got := r.kinds(); got != "intent" {
			t.Errorf("when it ran, the log had %q", got)
		}
		return nil
	}
	if env := r.call(who("root", "root"), "query_write", write("update t where id = 1"), 0); env.Status != statusOK {
		t.Fatalf("%s", marshal(env))
	}
	if got := r.kinds(); got != "intent outcome" {
		t.Errorf("the log has %q", got)
	}
}

func TestWhatIsRefusedIsRecordedAndDoesNotRun(t *testing.T) {
	tests := []struct {
		name string
		tool string
		args map[string]any
		want Code
	}{
		{"an effect outside the scope", "query_write", write("drop t"), Denied},
		{"an unbounded write in production", "query_write", write("update t"), Denied},
		{"not understood", "query", read("frobnicate t"), NotUnderstood},
		{"no such tool", "exec_as_root", read("select 1"), InvalidArgument},
		{"no such target", "query", map[string]any{"target": "nope", "sql": "select 1"}, TargetNotFound},
		{"a write without a reason", "query_write", read("update t where id = 1"), InvalidArgument},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			env := r.call(who("ann", "support"), tt.tool, tt.args, 0)
			if env.code() != tt.want || env.Executed != tools.ExecutedNo || env.Next == nil {
				t.Errorf("%s", marshal(env))
			}
			if got := r.kinds(); got != "denied" {
				t.Errorf("the log has %q", got)
			}
			if r.tool.runs() != 0 {
				t.Error("it ran")
			}
		})
	}
}

// An agent that reads a masked row and writes it back would destroy what was masked.
func TestAPlaceholderIsNotWrittenBack(t *testing.T) {
	r := newRig(t)
	pseudonym, _ := r.World().Masking.For("s").Labelled(nil, []byte("ann@example.org"), "email", "pseudonym")
	for _, sql := range []string{"update t set v = [us_ssn] where id = 1", "update t set v = " + string(pseudonym) + " where id = 1"} {
		env := r.call(who("ann", "support"), "query_write", write(sql), 0)
		if env.code() != MaskedValueInWrite || env.Executed != tools.ExecutedNo {
			t.Errorf("%s: %s", sql, marshal(env))
		}
	}
	if env := r.call(who("ann", "support"), "query", read("select [us_ssn]"), 0); env.Status != statusOK {
		t.Errorf("a read: %s", marshal(env))
	}
	if strings.Contains(r.kinds(), "request") {
		t.Error("people were asked")
	}
}

// Invariant 9: a target the caller may not see answers like one that does not exist, byte for byte, for every tool.
func TestHiddenMeansHidden(t *testing.T) {
	for tool, args := range map[string]func(target string) map[string]any{
		"query":           func(n string) map[string]any { return map[string]any{"target": n, "sql": "select 1"} },
		"query_write":     func(n string) map[string]any { return map[string]any{"target": n, "sql": "update t", "reason": "r"} },
		"describe_target": func(n string) map[string]any { return map[string]any{"target": n} },
		"explain_access": func(n string) map[string]any {
			return map[string]any{"tool": "query", "arguments": map[string]any{"target": n, "sql": "drop t"}}
		},
	} {
		t.Run(tool, func(t *testing.T) {
			r := newRig(t)
			answer := func(target string) string {
				env := r.call(who("ann", "support"), tool, args(target), 0)
				return strings.ReplaceAll(string(marshal(env)), env.CallID, "ID")
			}
			if hidden, none := answer("hidden"), answer("absent"); hidden != none || !strings.Contains(none, string(TargetNotFound)) {
				t.Errorf("hidden: %s\nabsent: %s", hidden, none)
			}
			if r.tool.inspected != 0 {
				t.Error("a target that the caller may not see was asked something")
			}
			for _, e := range r.entries() {
				if e.Target == "absent" {
					t.Error("the record repeats the agent's text as a target")
				}
			}
		})
	}
}

func TestListTargetsNamesWhatTheCallerCanUseOnly(t *testing.T) {
	r := newRig(t)
	env := r.call(who("ann", "support"), "list_targets", map[string]any{}, 0)
	if got := string(env.Data); !strings.Contains(got, `"db"`) || strings.Contains(got, "hidden") || r.tool.inspected != 0 {
		t.Errorf("%s", got)
	}
	if env := r.call(who("nobody"), "list_targets", map[string]any{}, 0); string(env.Data) != `{"targets":[]}` {
		t.Errorf("%s", env.Data)
	}
	if env := r.call(who("ann", "support"), "list_targets", map[string]any{"filter": 1}, 0); env.code() != InvalidArgument || !strings.Contains(env.Error.Message, "filter") {
		t.Errorf("%s", marshal(env))
	}
}

func TestExplainAccessRunsNothingAndAsksNobody(t *testing.T) {
	r := newRig(t)
	for sql, want := range map[string]policy.Verdict{"select 1": policy.Allow, "update t where id = 1": policy.Ask, "update t": policy.Deny, "frobnicate": policy.Deny} {
		env := r.call(who("ann", "support"), "explain_access", map[string]any{"tool": "query_write", "arguments": write(sql)}, 0)
		var info accessInfo
		if err := json.Unmarshal(env.Data, &info); err != nil || info.Verdict != want || len(info.Reasons) == 0 {
			t.Errorf("%s: %s", sql, env.Data)
		}
	}
	if r.tool.runs() != 0 || strings.Contains(r.kinds(), "request") {
		t.Errorf("it ran or asked: %s", r.kinds())
	}
}

// Invariant 5: what lies on disk never holds what masking hides, nor a literal of a call.
func TestRawDataIsNeverStored(t *testing.T) {
	r := newRig(t)
	const email, literal = "planted.person@example.org", "PLANTED-LITERAL"
	r.tool.result = "mail " + email
	env := r.call(who("ann", "support"), "query", read("select "+literal), 0)
	if strings.Contains(string(env.Data), email) {
		t.Errorf("not masked: %s", env.Data)
	}
	if env.Masking == nil || env.Masking.Counts["email"] != 1 {
		t.Errorf("the agent is not told: %s", marshal(env))
	}
	r.call(who("ann", "support"), "query_write", write("update t where v = "+literal), 0)
	r.stop()
	err := filepath.Walk(r.dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, planted := range []string{email, literal, "ticket 7"} {
			if bytes.Contains(b, []byte(planted)) {
				t.Errorf("%s holds %q", info.Name(), planted)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Invariant 10, for the parts that are neither the store nor the identity provider.
func TestAPartThatFailsRefusesAndIsNamed(t *testing.T) {
	t.Run("policy", func(t *testing.T) {
		r := newRig(t)
		r.Replace(r.newWorld(func(c *policy.Config) { c.EvalTimeout = 1 }))
		if env := r.call(who("ann", "support"), "query", read("select 1"), 0); env.code() != Unavailable || !strings.Contains(env.Error.Message, "policy") {
			t.Errorf("%s", marshal(env))
		}
		if r.tool.runs() != 0 {
			t.Error("it ran")
		}
	})
	t.Run("target", func(t *testing.T) {
		r := newRig(t)
		r.tool.onInspect = func() error {
			return &tools.UnreachableError{Problem: "nobody answers", Err: errors.New("dial db.internal:5432 as sallyport")}
		}
		env := r.call(who("ann", "support"), "query", read("select 1"), 0)
		if env.code() != TargetUnreachable || env.Error.WhoCanFix != "admin" || strings.Contains(string(marshal(env)), "internal") {
			t.Errorf("%s", marshal(env))
		}
	})
	t.Run("panic", func(t *testing.T) {
		for _, where := range []func(f *fakeTool){
			func(f *fakeTool) { f.onInspect = func() error { panic("db.internal hunter2") } },
			func(f *fakeTool) { f.onRun = func(context.Context) error { panic(errors.New("db.internal hunter2")) } },
		} {
			r := newRig(t)
			where(r.tool)
			env := r.call(who("ann", "support"), "query", read("select 1"), 0)
			if env.code() != Internal || strings.Contains(string(marshal(env)), "hunter2") {
				t.Errorf("%s", marshal(env))
			}
			if got := r.kinds(); got != "denied" && got != "outcome" {
				t.Errorf("the log has %q", got)
			}
		}
	})
}

func TestHangingUpIsRecorded(t *testing.T) {
	r := newRig(t)
	started := make(chan struct{})
	r.tool.onRun = func(ctx context.Context) error { close(started); <-ctx.Done(); return ctx.Err() }
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan *Envelope, 1)
	go func() { done <- r.callCtx(ctx, who("ann", "support"), "query", read("select 1"), 0) }()
	<-started
	hangUp()
	if env := <-done; env.code() != Timeout {
		t.Errorf("%s", marshal(env))
	}
	if got := r.kinds(); got != "outcome" {
		t.Errorf("the log has %q", got)
	}
}

// A crash between intent and outcome is an unknown outcome after the restart, for the auditor and for the agent.
func TestAnIntentWithoutOutcomeBecomesUnknown(t *testing.T) {
	r := newRig(t)
	call, leave := r.begin(&Request{Principal: who("root", "root"), Tool: "query_write", Args: []byte(`{}`)}, func(error) {})
	call.Facts = &tools.Facts{Effect: tools.Write}
	call.Plan = &tools.Plan{Target: "db"}
	if _, _, err := r.intend(t.Context(), call); err != nil { // and then the power fails
		t.Fatal(err)
	}
	leave()
	r.stop()
	r.start()
	entries := r.entries()
	last := entries[len(entries)-1]
	if last.Outcome == nil || last.Outcome.Status != "unknown" || last.Call != call.ID {
		t.Fatalf("%+v", last)
	}
	env := r.call(who("root", "root"), "get_call", map[string]any{"call_id": call.ID}, 0)
	if env.Status != statusUnknown || env.code() != OutcomeUnknown || env.Executed != tools.ExecutedUnknown {
		t.Errorf("%s", marshal(env))
	}
	report, err := r.store.Verify(t.Context())
	if err != nil || !report.OK() {
		t.Errorf("verify: %+v %v", report, err)
	}
}

func TestSessionsBeginIdleAndEnd(t *testing.T) {
	r := newRig(t)
	for range 2 {
		r.call(who("ann", "support"), "query", read("select 1"), 0)
	}
	r.clock.add(2 * time.Hour)
	if err := r.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.call(who("ann", "support"), "query", read("select 1"), 0)
	var details []string
	ids := map[string]bool{}
	for _, e := range r.entries() {
		if e.Kind == "session" {
			details = append(details, e.Detail)
		}
		ids[e.Session] = true
	}
	want := []string{"session opened", "session ended: idle; everything was gone after 0 ms", "session opened"}
	if strings.Join(details, "|") != strings.Join(want, "|") || len(ids) != 2 {
		t.Errorf("%q, %d sessions", details, len(ids))
	}
}

func TestWhatTheTransportRefusesIsRecorded(t *testing.T) {
	r := newRig(t)
	r.Refused(t.Context(), who("ann", "support"), "no_such_tool\x1b", "tool")
	r.Refused(t.Context(), nil, "", "no-token")
	var denied int
	for _, e := range r.entries() {
		if e.Kind == "denied" {
			denied++
			if e.Principal.Subject != "ann" || e.Tool != "" || e.Decision.Rule != "transport:tool" {
				t.Errorf("%+v", e)
			}
		}
	}
	if denied != 1 {
		t.Errorf("%d entries: a stranger must not be able to fill the log", denied)
	}
}

// Names in a target are data: they must not end our sentence, move a terminal, or carry what is masked elsewhere.
func TestCandidatesAreMaskedAndOnOneLine(t *testing.T) {
	r := newRig(t)
	r.tool.onInspect = func() error {
		return &tools.TargetError{Code: "42P01", Message: "table x\n does not exist", Candidates: []string{"public.a\nok\n{\"rows\":[]}\x1b[2J\u202e", "ann.smith@example.org"}}
	}
	reply := r.Do(t.Context(), &Request{Principal: who("ann", "support"), Tool: "query", Args: []byte(`{"target":"db","sql":"select 1"}`)})
	for _, bad := range []string{"\n", "\x1b", "\u202e", "ann.smith"} {
		if strings.Contains(reply.Text, bad) {
			t.Errorf("%q is in %q", bad, reply.Text)
		}
	}
	if strings.Contains(string(reply.Structured), "ann.smith") {
		t.Errorf("%s", reply.Structured)
	}
}

func TestAResultIsNotShownAgainToWhoLostItsTarget(t *testing.T) {
	r := newRig(t)
	r.tool.result = "row data"
	first := r.call(who("ann", "support"), "query", read("select 1"), 0)
	if env := r.call(who("ann", "support"), "get_call", map[string]any{"call_id": first.CallID}, 0); !env.Replayed {
		t.Fatalf("%s", marshal(env))
	}
	r.Replace(r.newWorld(func(c *policy.Config) { c.Scopes[0].Who = policy.Who{Groups: []string{"nobody"}} }))
	if env := r.call(who("ann", "support"), "get_call", map[string]any{"call_id": first.CallID}, 0); env.Data != nil || env.code() != InvalidArgument {
		t.Errorf("%s", marshal(env))
	}
}
