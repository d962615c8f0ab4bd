package gateway

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"sallyport/audit"
	"sallyport/policy"
	"sallyport/tools"
)

// This file keeps callers within the budgets of their scopes. What was used is counted in the store, in the transaction that records the
// call; what running calls may use is held here meanwhile, so that calls made at once cannot pass a budget together. With several
// gateways over one state, what the others' reads are holding is not seen: they can pass it by that much.

// Without a limit of the scope, these are what a call may use: the tools' own maxima.
const (
	mostRows    = 1000
	mostBytes   = 1 << 20
	mostChanged = 100
)

// account is whose use is counted together: whatever the agent and the client.
type account struct{ scope, issuer, subject string }

// held are the amounts that running calls may still use.
type held struct {
	mu sync.Mutex
	by map[account]audit.Amounts // guarded by mu; no zero amounts
}

// add returns what is held with it.
func (h *held) add(a account, n audit.Amounts) audit.Amounts {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := h.by[a].Plus(n)
	if sum == (audit.Amounts{}) {
		delete(h.by, a)
	} else {
		h.by[a] = sum
	}
	return sum
}

// spending is what one call uses of the budgets of its scope. It belongs to the call's goroutine.
type spending struct {
	account
	budgets []policy.Budget
	held    audit.Amounts // in Gateway.held
	counted audit.Amounts // durable, with the intent
	used    audit.Amounts // in the end
	rows    int64         // that it may return or change; -1: no budget bounds it
}

// budget takes what call may use at most out of the budgets of its scope, or refuses it. What is left caps its rows.
func (g *Gateway) budget(ctx context.Context, call *Call) error {
	s := &spending{account: call.account(call.Decision.Scope), budgets: call.world.Policy.Budgets(call.Decision.Scope), rows: -1}
	if len(s.budgets) == 0 {
		return nil
	}
	s.held = call.atMost(s.budgets)
	all := g.held.add(s.account, s.held) // before reading: a call that is counted meanwhile is seen in either place
	others := all.Minus(s.held)
	windows, err := g.windows(ctx, s.account, s.budgets)
	if err != nil {
		g.held.add(s.account, audit.Amounts{}.Minus(s.held))
		return unavailable("budgets", err)
	}
	allowed := s.held
	for _, w := range windows {
		left := w.left.Minus(others)
		for _, m := range meters {
			if m.limit(&w.Budget) == 0 {
				continue
			}
			if *m.of(&left) <= 0 {
				g.held.add(s.account, audit.Amounts{}.Minus(s.held))
				return w.exhausted(m, *m.of(&w.left) > 0, s.scope, g.Now())
			}
			*m.of(&allowed) = min(*m.of(&allowed), *m.of(&left))
		}
		if w.Rows > 0 {
			s.rows = allowed.Rows
		}
	}
	g.held.add(s.account, allowed.Minus(s.held))
	s.held, s.used = allowed, allowed
	call.spending = s
	return nil
}

// account of a caller under a scope.
func (c *Call) account(scope string) account {
	return account{scope, c.Principal.Issuer, c.Principal.Subject}
}

// atMost is what the call can use. Masked values are not known before they are masked; see settle.
func (c *Call) atMost(budgets []policy.Budget) audit.Amounts {
	l := c.Decision.Limits
	n := audit.Amounts{Calls: 1, Bytes: orElse(l.Bytes, mostBytes), Rows: orElse(l.Rows, mostRows)}
	if c.Facts.Effect != tools.Read {
		n.Rows = orElse(l.AffectedRows, mostChanged)
		if c.Approval != nil && l.AffectedRows == 0 {
			n.Rows = math.MaxInt32 // see obligations; what is left bounds it
		}
	}
	var counted audit.Amounts // only what some budget counts
	for i := range budgets {
		for _, m := range meters {
			if m.limit(&budgets[i]) > 0 {
				*m.of(&counted) = *m.of(&n)
			}
		}
	}
	return counted
}

func orElse(n, otherwise int) int64 {
	if n == 0 {
		return int64(otherwise)
	}
	return int64(n)
}

// counting is what s holds, as the record of an intent counts it.
func (s *spending) counting(n audit.Amounts) (out []audit.Spent) {
	if s == nil || n == (audit.Amounts{}) {
		return nil
	}
	seen := map[time.Duration]bool{}
	for _, b := range s.budgets {
		if !seen[b.Per] {
			seen[b.Per] = true
			out = append(out, audit.Spent{Scope: s.scope, Issuer: s.issuer, Subject: s.subject, Per: b.Per, Amounts: n})
		}
	}
	return out
}

// counted: the intent that counted what call may use is durable. From here on a call that is never heard of again has used it.
func (g *Gateway) counted(call *Call) {
	if s := call.spending; s != nil {
		s.counted = s.held
		g.held.add(s.account, audit.Amounts{}.Minus(s.held))
		s.held = audit.Amounts{}
	}
}

// settle replaces what a call may use by what it used. A read that goes past a budget with it is withheld: who asks for less gets it. A
// change has happened; what it used is counted, and the next call is refused.
func (g *Gateway) settle(ctx context.Context, call *Call, out *tools.Rendered) error {
	s := call.spending
	if s == nil {
		return nil
	}
	s.used = audit.Amounts{Calls: 1, Rows: max(int64(out.Rows), int64(out.Affected), 0), Bytes: int64(len(out.Data))}
	for _, c := range call.mask.Report() {
		s.used.MaskedValues += c.N
	}
	if call.Facts.Effect != tools.Read {
		return nil
	}
	more := s.used.Minus(s.counted).Minus(s.held)
	s.held = s.held.Plus(more)
	all := g.held.add(s.account, more)
	windows, err := g.windows(ctx, s.account, s.budgets)
	if err != nil {
		s.used = audit.Amounts{Calls: 1}
		return unavailable("budgets", err)
	}
	for _, w := range windows {
		left := w.left.Minus(all)
		for _, m := range meters {
			if m.limit(&w.Budget) > 0 && *m.of(&left) < 0 && m.name != "calls" {
				s.used = audit.Amounts{Calls: 1}
				return w.passed(m, s.scope, g.Now())
			}
		}
	}
	return nil
}

// spent is what the record of the end of call counts. Without an outcome it has used all that it could.
func (c *Call) spent(a *answer) []audit.Spent {
	s := c.spending
	switch {
	case s == nil:
		return nil
	case !c.reached:
		s.used = audit.Amounts{}
	case a.IsError && a.executed != tools.ExecutedUnknown:
		s.used = audit.Amounts{Calls: 1}
	}
	return s.counting(s.used.Minus(s.counted))
}

// released gives back what call holds; its use is counted by now, or nothing was used.
func (g *Gateway) released(call *Call) {
	if s := call.spending; s != nil {
		g.held.add(s.account, audit.Amounts{}.Minus(s.held))
		call.spending = nil
	}
}

// window is a budget and how far it is used.
type window struct {
	policy.Budget
	left   audit.Amounts
	resets time.Time // UTC
}

// windows are the budgets of an account at this time. A window that the store has is over when its own time is; so a clock that is set
// back makes it last longer, and refills nothing.
func (g *Gateway) windows(ctx context.Context, a account, budgets []policy.Budget) ([]window, error) {
	used, err := g.Store.Spent(ctx, a.scope, a.issuer, a.subject)
	if err != nil {
		return nil, err
	}
	now := g.Now().UTC()
	out := make([]window, len(budgets))
	for i, b := range budgets {
		w := window{Budget: b, left: audit.Amounts{Calls: b.Calls, Rows: b.Rows, MaskedValues: b.MaskedValues, Bytes: b.Bytes}, resets: now.Truncate(b.Per).Add(b.Per)}
		for _, u := range used {
			if u.Per == b.Per && now.Before(u.Start.Add(u.Per)) {
				w.left, w.resets = w.left.Minus(u.Amounts), u.Start.Add(u.Per)
			}
		}
		out[i] = w
	}
	return out, nil
}

// meter is one of the amounts.
type meter struct {
	name  string
	limit func(*policy.Budget) int64
	of    func(*audit.Amounts) *int64
}

var meters = []meter{
	{"calls", func(b *policy.Budget) int64 { return b.Calls }, func(a *audit.Amounts) *int64 { return &a.Calls }},
	{"rows", func(b *policy.Budget) int64 { return b.Rows }, func(a *audit.Amounts) *int64 { return &a.Rows }},
	{"masked_values", func(b *policy.Budget) int64 { return b.MaskedValues }, func(a *audit.Amounts) *int64 { return &a.MaskedValues }},
	{"bytes", func(b *policy.Budget) int64 { return b.Bytes }, func(a *audit.Amounts) *int64 { return &a.Bytes }},
}

func (m *meter) words() string { return strings.ReplaceAll(m.name, "_", " ") }

func perName(d time.Duration) string {
	if d == time.Hour {
		return "hour"
	}
	return "day"
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// exhausted refuses a call before it runs. running: only what is running now stands in its way.
func (w *window) exhausted(m meter, running bool, scope string, now time.Time) error {
	limit := m.limit(&w.Budget)
	used := limit - *m.of(&w.left)
	e := &budgetError{retryAfter: seconds(w.resets.Sub(now))}
	e.What = fmt.Sprintf("the budget of scope %s is used up: %d of %d %s per %s", scope, used, limit, m.words(), perName(w.Per))
	e.Fix = fmt.Sprintf("wait until %s (%d seconds); repeating the call before does not help", w.resets.Format(time.RFC3339), e.retryAfter)
	if running {
		e.retryAfter = 1
		e.What = fmt.Sprintf("%d of %d %s per %s of scope %s are used, and calls that are running may use the rest", used, limit, m.words(), perName(w.Per), scope)
		e.Fix = fmt.Sprintf("wait for the other calls and send it again; the budget starts again at %s (%d seconds)", w.resets.Format(time.RFC3339), seconds(w.resets.Sub(now)))
	}
	return e
}

// passed refuses to release a result that is larger than what is left.
func (w *window) passed(m meter, scope string, now time.Time) error {
	limit := m.limit(&w.Budget)
	return &budgetError{
		What: fmt.Sprintf("the result has more %s than the budget of scope %s has left (%d of %d per %s are used), so it is withheld", m.words(), scope, limit-*m.of(&w.left), limit, perName(w.Per)),
		Fix:  fmt.Sprintf("ask for less, or wait until %s (%d seconds)", w.resets.Format(time.RFC3339), seconds(w.resets.Sub(now))), retryAfter: seconds(w.resets.Sub(now)), withheld: true,
	}
}

// budgetInfo is one budget in answers of list_targets and explain_access.
type budgetInfo struct {
	Scope  string           `json:"scope"`
	Per    string           `json:"per"`
	Left   map[string]int64 `json:"left"` // what running calls may use is not in it
	Resets string           `json:"resets"`
}

// budgetsLeft tells what a caller has left under a scope.
func (g *Gateway) budgetsLeft(ctx context.Context, call *Call, scope string) ([]budgetInfo, error) {
	budgets := call.world.Policy.Budgets(scope)
	if len(budgets) == 0 {
		return nil, nil
	}
	a := call.account(scope)
	windows, err := g.windows(ctx, a, budgets)
	if err != nil {
		return nil, unavailable("budgets", err)
	}
	holding := g.held.add(a, audit.Amounts{})
	var out []budgetInfo
	for _, w := range windows {
		info := budgetInfo{Scope: scope, Per: perName(w.Per), Left: map[string]int64{}, Resets: w.resets.Format(time.RFC3339)}
		left := w.left.Minus(holding)
		for _, m := range meters {
			if m.limit(&w.Budget) > 0 {
				info.Left[m.name] = max(0, *m.of(&left))
			}
		}
		out = append(out, info)
	}
	return out, nil
}
