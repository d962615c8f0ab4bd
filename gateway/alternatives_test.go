package gateway

import (
	"encoding/json"
	"strings"
	"testing"

	"sallyport/policy"
	"sallyport/tools"
)

// explain returns what explain_access says of a call.
func (r *rig) explain(groups []string, tool string, args map[string]any) accessInfo {
	r.t.Helper()
	env := r.call(who("ann", groups...), "explain_access", map[string]any{"tool": tool, "arguments": args}, 0)
	var info accessInfo
	if err := json.Unmarshal(env.Data, &info); err != nil {
		r.t.Fatalf("%s: %v", marshal(env), err)
	}
	return info
}

func (r *rig) replace(change func(*policy.Config)) { r.t.Helper(); r.Replace(r.newWorld(change)) }

func TestADeniedCallSaysWhatToDoInstead(t *testing.T) {
	r := newRig(t)
	// The same change with a WHERE would be asked about.
	env := r.call(who("ann", "support"), "query_write", write("update t"), 0)
	if env.code() != Denied || env.Next.Act != "fix_and_retry" || env.Error.WhoCanFix != "agent" || !strings.Contains(env.Error.Suggestion, "WHERE") || !strings.Contains(env.Error.Suggestion, "1 of dba would be asked") {
		t.Errorf("%s", marshal(env))
	}
	if strings.Contains(env.Error.Message, "in production") && strings.Count(env.Error.Message, ";") > 3 {
		t.Errorf("the message repeats every point: %s", env.Error.Message)
	}
	// Nobody but an administrator can allow an effect; the key is named.
	env = r.call(who("ann", "support"), "query_write", write("drop t"), 0)
	if env.Error.WhoCanFix != "admin" || env.Next.Act != "ask_user" || !strings.Contains(env.Error.Suggestion, "scopes.support.allow: it lacks define") {
		t.Errorf("%s", marshal(env))
	}
	// explain_access says the same, and of an ask who is asked.
	if info := r.explain([]string{"support"}, "query_write", write("update t")); len(info.Instead) == 0 || info.Instead[0].Act != "fix_and_retry" {
		t.Errorf("%+v", info)
	}
	info := r.explain([]string{"support"}, "query_write", write("update t where id = 1"))
	if len(info.Instead) != 1 || info.Instead[0].Act != "use_tool" || !strings.Contains(info.Instead[0].Why, "1 of dba will be asked, for up to 10m0s") {
		t.Errorf("%+v", info.Instead)
	}
	if info := r.explain([]string{"support"}, "query", read("select 1")); len(info.Instead) != 0 {
		t.Errorf("an allowed call has alternatives: %+v", info.Instead)
	}
}

// Another target of the caller's that covers the call is offered; one he may not see never is, in any text.
func TestAlternativesNameOnlyWhatTheCallerMaySee(t *testing.T) {
	r := newRig(t)
	r.replace(func(cfg *policy.Config) {
		cfg.Targets = append(cfg.Targets, policy.TargetInfo{Name: "staging-db", Kind: "postgres", Environment: "staging"})
		cfg.Scopes[0].Allow = []string{"read"}
		cfg.Scopes = append(cfg.Scopes, policy.Scope{Name: "staging", Who: policy.Who{Groups: []string{"support"}}, Targets: []string{"staging-db"}, Allow: []string{"read", "write"}, Approval: cfg.Scopes[0].Approval})
	})
	info := r.explain([]string{"support"}, "query_write", write("update t where id = 1"))
	if len(info.Instead) == 0 || info.Instead[0].Arguments["target"] != "staging-db" || info.Instead[0].Arguments["sql"] != "update t where id = 1" {
		t.Errorf("%s", marshal(info))
	}
	// Arguments that a mask would change are not repeated: they would be another call.
	if masked := r.explain([]string{"support"}, "query_write", write("update t where mail = 'planted.person@example.org'")); len(masked.Instead) == 0 || masked.Instead[0].Arguments != nil {
		t.Errorf("%s", marshal(masked))
	}
	if text := string(marshal(info)); strings.Contains(text, "hidden") || strings.Contains(text, "root") {
		t.Errorf("it names what the caller may not see: %s", text)
	}
	// A caller without the staging scope is not told of it.
	r.replace(func(cfg *policy.Config) { cfg.Scopes[0].Allow = []string{"read"} })
	if text := string(marshal(r.explain([]string{"support"}, "query_write", write("update t where id = 1")))); strings.Contains(text, "staging") || strings.Contains(text, "hidden") {
		t.Errorf("%s", text)
	}
}

func TestTheObjectThatNoScopeCoversIsNamed(t *testing.T) {
	r := newRig(t)
	r.tool.objects = []tools.Object{{Type: "table", Name: "public.orders", Access: tools.Read}, {Type: "table", Name: "public.salaries", Access: tools.Read}}
	r.replace(func(cfg *policy.Config) { cfg.Scopes[0].ObjectsAllow = []string{"public.orders"} })
	env := r.call(who("ann", "support"), "query", read("select 1"), 0)
	if env.Next.Act != "fix_and_retry" || !strings.HasPrefix(env.Error.Suggestion, "leave out public.salaries: ") {
		t.Errorf("%s", marshal(env))
	}
	// Many objects do not make many decisions, nor a wrong hint.
	r.tool.objects = nil
	for range 100 {
		r.tool.objects = append(r.tool.objects, tools.Object{Type: "table", Name: "public.orders", Access: tools.Read})
	}
	r.tool.objects = append(r.tool.objects, tools.Object{Type: "table", Name: "public.salaries", Access: tools.Read})
	if env := r.call(who("ann", "support"), "query", read("select 1"), 0); strings.Contains(env.Error.Suggestion, "leave out") {
		t.Errorf("%s", marshal(env))
	}
}

func TestAScopeThatIsClosedSaysWhenItOpens(t *testing.T) {
	r := newRig(t)
	now := r.clock.Now()
	minute := func(n int) int { return (n + 1440) % 1440 }
	from := now.Hour()*60 + now.Minute()
	r.replace(func(cfg *policy.Config) {
		cfg.Scopes[0].Hours = &policy.Hours{From: minute(from + 120), To: minute(from+180-1) + 1}
	})
	env := r.call(who("ann", "support"), "query", read("select 1"), 0)
	if env.code() != Denied || env.Next.Act != "wait" || !strings.Contains(env.Error.Suggestion, "covers this again from ") {
		t.Errorf("%s", marshal(env))
	}
}

func TestExplainAccessOfNothingSaysHow(t *testing.T) {
	r := newRig(t)
	for _, args := range []map[string]any{{}, {"tool": "query"}} {
		env := r.call(who("ann", "support"), "explain_access", args, 0)
		if env.code() != InvalidArgument || !strings.Contains(env.Error.Message, "is missing") || !strings.Contains(env.Error.Suggestion, `{"tool": "query", "arguments": {`) {
			t.Errorf("%v: %s", args, marshal(env))
		}
	}
}
