package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
	"sallyport/policy"
	"sallyport/tools"
)

// budgeted is a rig whose scope support has budgets. Its clock stands at noon, so that an hour and a day are far from their ends.
func budgeted(t *testing.T, budgets ...policy.Budget) *rig {
	r := newRig(t)
	r.clock.mu.Lock()
	r.clock.now = r.clock.now.Truncate(24 * time.Hour).Add(36 * time.Hour)
	r.clock.mu.Unlock()
	r.budgets(budgets...)
	return r
}

func (r *rig) budgets(budgets ...policy.Budget) {
	r.Replace(r.newWorld(func(c *policy.Config) { c.Scopes[0].Budgets = budgets }))
}

func hourly(calls int64) policy.Budget { return policy.Budget{Per: time.Hour, Calls: calls} }

func (r *rig) reads(n int) (codes []Code) {
	for range n {
		codes = append(codes, r.call(who("ann", "support"), "query", read("select 1"), 0).code())
	}
	return codes
}

func TestCallsBeyondABudgetAreRefused(t *testing.T) {
	r := budgeted(t, hourly(2))
	if got := fmt.Sprint(r.reads(3)); got != "[  budget_exceeded]" {
		t.Fatal(got)
	}
	env := r.call(who("ann", "support"), "query", read("select 1"), 0)
	e := env.Error
	if !e.Retryable || e.RetryAfter != 3600 || !strings.Contains(e.Message, "scope support is used up: 2 of 2 calls per hour") ||
		!strings.Contains(e.Suggestion, "T13:00:00Z (3600 seconds)") || env.Executed != tools.ExecutedNo || env.Next.Act != "wait" {
		t.Errorf("%+v %+v", e, env)
	}
	if r.tool.runs() != 2 {
		t.Errorf("%d ran", r.tool.runs())
	}
	if code := r.call(who("bob", "support"), "query", read("select 1"), 0).code(); code != "" {
		t.Errorf("somebody else: %s", code)
	}
	other := who("ann", "support")
	other.Client, other.Agent = "another", "another"
	if code := r.call(other, "query", read("select 1"), 0).code(); code != BudgetExceeded {
		t.Errorf("the same person through another client: %s", code)
	}
	r.clock.add(time.Hour)
	if got := fmt.Sprint(r.reads(3)); got != "[  budget_exceeded]" {
		t.Errorf("an hour later: %s", got)
	}
}

// Fifty calls at once do not pass a budget of ten.
func TestCallsAtOnceDoNotPassABudget(t *testing.T) {
	r := budgeted(t, hourly(10))
	gate := make(chan struct{})
	r.tool.onRun = func(context.Context) error { <-gate; return nil }
	var wg sync.WaitGroup
	var mu sync.Mutex
	count := map[Code]int{}
	for range 50 {
		wg.Go(func() {
			code := r.call(who("ann", "support"), "query", read("select 1"), 0).code()
			mu.Lock()
			defer mu.Unlock()
			count[code]++
		})
	}
	eventually(t, "forty refusals", func() bool { mu.Lock(); defer mu.Unlock(); return count[BudgetExceeded] == 40 })
	close(gate)
	wg.Wait()
	if count[""] != 10 || r.tool.runs() != 10 {
		t.Errorf("%v, %d ran", count, r.tool.runs())
	}
	if got := r.reads(1)[0]; got != BudgetExceeded {
		t.Errorf("afterwards: %s", got)
	}
	if len(r.held.by) != 0 {
		t.Errorf("still held: %v", r.held.by)
	}
}

// A budget survives a restart, and a clock that is set back does not refill it.
func TestABudgetSurvives(t *testing.T) {
	r := budgeted(t, hourly(2))
	r.reads(2)
	r.stop()
	r.start()
	r.budgets(hourly(2))
	if got := r.reads(1)[0]; got != BudgetExceeded {
		t.Errorf("after a restart: %s", got)
	}
	r.clock.add(-90 * time.Minute)
	env := r.call(who("ann", "support"), "query", read("select 1"), 0)
	if env.code() != BudgetExceeded || env.Error.RetryAfter != 9000 {
		t.Errorf("after the clock was set back: %+v", env.Error)
	}
	r.clock.add(90 * time.Minute)
	if got := r.reads(1)[0]; got != BudgetExceeded {
		t.Errorf("after it was set right again: %s", got)
	}
}

// What is left of a budget of rows bounds the next call.
func TestRowsThatAreLeftBoundACall(t *testing.T) {
	r := budgeted(t, policy.Budget{Per: 24 * time.Hour, Rows: 15})
	for i, want := range []int{10, 10, 6} { // the scope allows 10
		r.tool.rows = []int64{4, 5, 6}[i]
		if env := r.call(who("ann", "support"), "query", read("select 1"), 0); env.code() != "" || r.tool.limits.Rows != want {
			t.Errorf("call %d: %s, at most %d rows, want %d", i, env.code(), r.tool.limits.Rows, want)
		}
	}
	env := r.call(who("ann", "support"), "query", read("select 1"), 0)
	if env.code() != BudgetExceeded || env.Error.RetryAfter != 12*3600 || !strings.Contains(env.Error.Message, "15 of 15 rows per day") {
		t.Errorf("%+v", env.Error)
	}
}

// A result with more masked values than are left is withheld; who asks for less gets it.
func TestMaskedValuesBeyondABudgetAreWithheld(t *testing.T) {
	r := budgeted(t, policy.Budget{Per: 24 * time.Hour, MaskedValues: 3})
	ask := func(addresses int) *Envelope {
		r.tool.result = strings.Repeat("ann@example.com ", addresses)
		return r.call(who("ann", "support"), "query", read("select 1"), 0)
	}
	if env := ask(2); env.code() != "" || env.Masking == nil {
		t.Fatalf("%+v", env)
	}
	env := ask(2)
	if env.code() != BudgetExceeded || env.Executed != tools.ExecutedYes || env.Data != nil || !strings.Contains(env.Error.Message, "more masked values") {
		t.Errorf("%+v %+v", env, env.Error)
	}
	if env := ask(1); env.code() != "" {
		t.Errorf("less: %+v", env.Error)
	}
	if env := ask(0); env.code() != BudgetExceeded || env.Executed != tools.ExecutedNo {
		t.Errorf("used up: %+v", env)
	}
}

func TestBytesBeyondABudgetAreWithheld(t *testing.T) {
	r := budgeted(t, policy.Budget{Per: time.Hour, Bytes: 200})
	r.tool.result = strings.Repeat("x", 300)
	if env := r.call(who("ann", "support"), "query", read("select 1"), 0); env.code() != BudgetExceeded || env.Data != nil {
		t.Errorf("%+v", env)
	}
	r.tool.result = "x"
	if code := r.reads(1)[0]; code != "" {
		t.Errorf("less: %s", code)
	}
}

// Calls that were denied, or waited for people, use nothing; those that reached the target do, whatever came of them.
func TestWhatUsesABudget(t *testing.T) {
	r := budgeted(t, hourly(4))
	ann := who("ann", "support")
	left := func() int64 {
		t.Helper()
		call, leave := r.begin(&Request{Principal: ann}, func(error) {})
		defer leave()
		defer call.world.release()
		b, err := r.budgetsLeft(t.Context(), call, "support")
		if err != nil || len(b) != 1 {
			t.Fatal(b, err)
		}
		return b[0].Left["calls"]
	}
	r.call(ann, "query", read("vacuum"), 0)       // not understood
	r.call(ann, "query_write", write(bounded), 0) // waits
	r.call(ann, "explain_access", map[string]any{"tool": "query", "arguments": read("select 1")}, 0)
	if n := left(); n != 4 {
		t.Errorf("%d left after calls that did not run", n)
	}
	if err := r.vote("dan", true, "dba"); err != nil {
		t.Fatal(err)
	}
	r.tool.onRun = func(context.Context) error { return &tools.OutcomeUnknownError{Check: "look", Err: errors.New("gone")} }
	if env := r.call(ann, "query_write", write(bounded), time.Minute); env.Executed != tools.ExecutedUnknown {
		t.Fatalf("%+v", env)
	}
	if n := left(); n != 3 {
		t.Errorf("%d left after an unknown outcome", n)
	}
	r.call(ann, "query_write", write(bounded), 0) // the same answer again
	if n := left(); n != 3 {
		t.Errorf("%d left after a replay", n)
	}
	r.tool.onRun = func(context.Context) error { return &tools.TargetError{Code: "42P01", Message: "no such table"} }
	r.reads(1)
	if n := left(); n != 2 {
		t.Errorf("%d left after an error of the target", n)
	}
}

// A change counts with its intent, in one transaction: a gateway that dies before the outcome has used it.
func TestAnIntentCounts(t *testing.T) {
	r := budgeted(t, hourly(5), policy.Budget{Per: 24 * time.Hour, Rows: 40})
	ann := who("ann", "support")
	r.call(ann, "query_write", write(bounded), 0)
	if err := r.vote("dan", true, "dba"); err != nil {
		t.Fatal(err)
	}
	r.tool.onRun = func(ctx context.Context) error {
		all, err := r.store.Spent(ctx, "support", "https://idp.test", "ann")
		if err != nil || len(all) != 2 || all[0].Calls != 1 || all[0].Rows != 40 {
			t.Errorf("while it runs: %+v, %v", all, err)
		}
		return nil
	}
	if env := r.call(ann, "query_write", write(bounded), time.Minute); env.code() != "" {
		t.Fatalf("%+v", env.Error)
	}
	if all, err := r.store.Spent(t.Context(), "support", "https://idp.test", "ann"); err != nil || all[0].Calls != 1 || all[0].Rows != 1 {
		t.Errorf("afterwards: %+v, %v", all, err)
	}
}

func TestBudgetsAreTold(t *testing.T) {
	r := budgeted(t, hourly(5), policy.Budget{Per: 24 * time.Hour, Rows: 40, MaskedValues: 7})
	r.reads(2)
	ann := who("ann", "support")
	for tool, args := range map[string]map[string]any{"list_targets": {}, "explain_access": {"tool": "query", "arguments": read("select 1")}} {
		data := string(r.call(ann, tool, args, 0).Data)
		for _, want := range []string{`"per":"hour","left":{"calls":3}`, `"per":"day","left":{"masked_values":7,"rows":38}`, `T13:00:00Z`} {
			if !strings.Contains(data, want) {
				t.Errorf("%s does not say %s: %s", tool, want, data)
			}
		}
	}
}

// Budgets that cannot be read refuse.
func TestBudgetsThatCannotBeRead(t *testing.T) {
	r := budgeted(t, hourly(5))
	r.Gateway.Store = unreadable{r.Gateway.Store}
	if env := r.call(who("ann", "support"), "query", read("select 1"), 0); env.code() != Unavailable || r.tool.runs() != 0 {
		t.Errorf("%+v", env)
	}
}

type unreadable struct{ Store }

func (unreadable) Spent(context.Context, string, string, string) ([]audit.Spent, error) {
	return nil, errDisk
}

// A call gives back what it holds, however it ends before its outcome is counted: otherwise a budget is used up by calls that used nothing.
func TestNothingStaysHeld(t *testing.T) {
	ann := who("ann", "support")
	approved := func(r *rig) {
		r.call(ann, "query_write", write(bounded), 0)
		if err := r.vote("dan", true, "dba"); err != nil {
			t.Fatal(err)
		}
	}
	for name, try := range map[string]func(r *rig) *Envelope{
		"denied":  func(r *rig) *Envelope { return r.call(ann, "query", read("vacuum"), 0) },
		"pending": func(r *rig) *Envelope { return r.call(ann, "query_write", write(bounded), 0) },
		"repeated after it ran": func(r *rig) *Envelope {
			approved(r)
			r.call(ann, "query_write", write(bounded), 0)
			return r.call(ann, "query_write", write(bounded), 0)
		},
		"an identical call was faster to use the approval": func(r *rig) *Envelope {
			approved(r)
			r.Gateway.Store = intendFails{r.Gateway.Store, approvals.ErrNotApproved}
			return r.call(ann, "query_write", write(bounded), 0)
		},
		"withdrawn since it was read": func(r *rig) *Envelope {
			approved(r)
			r.Gateway.Store = intendFails{r.Gateway.Store, approvals.ErrClosed}
			return r.call(ann, "query_write", write(bounded), 0)
		},
		"the intent could not be written": func(r *rig) *Envelope {
			approved(r)
			r.Gateway.Store = intendFails{r.Gateway.Store, errDisk}
			return r.call(ann, "query_write", write(bounded), 0)
		},
		"the target failed": func(r *rig) *Envelope {
			r.tool.onRun = func(context.Context) error { return &tools.TargetError{Code: "42P01", Message: "no such table"} }
			return r.call(ann, "query", read("select 1"), 0)
		},
		"panicked": func(r *rig) *Envelope {
			r.tool.onRun = func(context.Context) error { panic("x") }
			return r.call(ann, "query", read("select 1"), 0)
		},
		"the budget is used up": func(r *rig) *Envelope {
			r.reads(9)
			return r.call(ann, "query", read("select 1"), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := budgeted(t, hourly(9), policy.Budget{Per: 24 * time.Hour, Rows: 400})
			env := try(r)
			if len(r.held.by) != 0 {
				t.Errorf("%s %+v: still held: %v", env.Status, env.Error, r.held.by)
			}
		})
	}
}

// intendFails is a store that cannot take an intent.
type intendFails struct {
	Store
	err error
}

func (s intendFails) ConsumeAndIntend(context.Context, *approvals.Use, audit.Record) error {
	return s.err
}

// Four callers wait for the same yes. It runs once, counts once, and the three that were told the same answer hold nothing.
func TestCallersOfOneApprovalCountOnce(t *testing.T) {
	r := budgeted(t, hourly(9))
	ann := who("ann", "support")
	r.call(ann, "query_write", write(bounded), 0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if env := r.call(ann, "query_write", write(bounded), time.Minute); env.code() != "" {
				t.Errorf("%s %+v", env.Status, env.Error)
			}
		})
	}
	if err := r.vote("dan", true, "dba"); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	all, err := r.store.Spent(t.Context(), "support", "https://idp.test", "ann")
	if err != nil || len(all) != 1 || all[0].Calls != 1 || r.tool.runs() != 1 || len(r.held.by) != 0 {
		t.Errorf("%+v %v, %d ran, held %v", all, err, r.tool.runs(), r.held.by)
	}
}
