package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/audit"
)

func spending(per time.Duration, calls, rows int64) []audit.Spent {
	return []audit.Spent{{Scope: "support", Issuer: "https://idp", Subject: "ann", Per: per, Amounts: audit.Amounts{Calls: calls, Rows: rows}}}
}

// testSpent: what records spent is counted with them, in the newest window of each length; windows only move forward.
func testSpent(t *testing.T, s *suite) {
	add := func(spent []audit.Spent) {
		t.Helper()
		rec := record(audit.KindOutcome, "c")
		rec.Spent = spent
		if err := s.Append(ctx, rec); err != nil {
			t.Fatal(err)
		}
	}
	want := func(when string, start time.Time, calls, rows int64) {
		t.Helper()
		got, err := s.Spent(ctx, "support", "https://idp", "ann")
		w := spending(time.Hour, calls, rows)
		w[0].Start = start
		if diff := cmp.Diff(w, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", when, err, diff)
		}
	}
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	add(spending(time.Hour, 1, 10))
	add(spending(time.Hour, 1, 5))
	want("two records", noon, 2, 15)
	add(spending(time.Hour, 0, -3))
	want("some given back", noon, 2, 12)
	s.clock.advance(-2 * time.Hour)
	add(spending(time.Hour, 1, 1))
	want("the clock was set back", noon, 3, 13)
	s.clock.advance(3 * time.Hour)
	want("an hour later, before anything", noon, 3, 13)
	add(spending(time.Hour, 1, -7))
	want("given back what was taken in the window before", noon.Add(time.Hour), 1, 0)

	if got, err := s.Spent(ctx, "support", "https://idp", "bob"); err != nil || got != nil {
		t.Errorf("somebody else: %v, %v", got, err)
	}
	if got, err := s.Spent(ctx, "support", "https://other", "ann"); err != nil || got != nil {
		t.Errorf("another issuer: %v, %v", got, err)
	}

	// A transaction that fails counts nothing.
	intent := record(audit.KindIntent, "twice")
	intent.Spent = spending(time.Hour, 1, 0)
	if err := s.ConsumeAndIntend(ctx, nil, intent); err != nil {
		t.Fatal(err)
	}
	if err := s.ConsumeAndIntend(ctx, nil, intent); err == nil {
		t.Fatal("a second intent")
	}
	want("an intent and one that failed", noon.Add(time.Hour), 2, 0)
	bad := record(audit.KindOutcome, "c")
	bad.Spent = []audit.Spent{{Scope: "support"}}
	if err := s.Append(ctx, bad); err == nil || errors.Is(err, ErrClosed) {
		t.Errorf("a window without a length: %v", err)
	}

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.open()
	want("after a restart", noon.Add(time.Hour), 2, 0)
}
