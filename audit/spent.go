package audit

import "time"

// Spent is what a call uses of the budgets of a scope. The store counts it in the transaction that appends the record it comes with, so
// that neither is there without the other. Negative amounts give back what an intent took and its outcome did not need.
type Spent struct {
	Scope, Issuer, Subject string        // whose: all agents and clients of a person share one count
	Per                    time.Duration // length of the windows it is counted in; they begin at multiples of it, UTC
	Start                  time.Time     // of the window that is counted; filled in by the store
	Amounts
}

// Amounts are what is counted.
type Amounts struct {
	Calls, Rows, MaskedValues, Bytes int64
}

// Plus is a with b added; Minus is a with b taken away.
func (a Amounts) Plus(b Amounts) Amounts {
	return Amounts{a.Calls + b.Calls, a.Rows + b.Rows, a.MaskedValues + b.MaskedValues, a.Bytes + b.Bytes}
}

func (a Amounts) Minus(b Amounts) Amounts {
	return a.Plus(Amounts{-b.Calls, -b.Rows, -b.MaskedValues, -b.Bytes})
}
