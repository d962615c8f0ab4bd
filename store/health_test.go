package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
)

// onWriter runs a statement on the writer's connection, beside its transactions.
func onWriter(t *testing.T, s *Store, text string) {
	t.Helper()
	if _, err := s.conn.ExecContext(ctx, text); err != nil {
		t.Fatal(err)
	}
}

// TestAFullDiskRefusesAndHeals uses SQLite's own bound of the file's size, which fails like a full disk.
func TestAFullDiskRefusesAndHeals(t *testing.T) {
	refusesAndHeals(t, "PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", "full")
}

func TestAReadOnlyStateRefusesAndHeals(t *testing.T) {
	refusesAndHeals(t, "PRAGMA query_only = 1", "PRAGMA query_only = 0", "readonly")
}

func refusesAndHeals(t *testing.T, spoil, heal, want string) {
	s := open(t, config(t.TempDir()))
	st := &suite{state: s, clock: newClock()}
	st.clock.at.Store(time.Now().UnixNano())
	req := st.approved(t, "c1")
	onWriter(t, s, spoil)
	big := withBody(record(audit.KindOutcome, "c2"), strings.Repeat("x", 1<<20), "")
	if err := s.Append(ctx, big); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("Append = %v, want %q", err, want)
	}
	if err := s.Writable(); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("Writable = %v, want %q", err, want)
	}
	if err := s.ConsumeAndIntend(ctx, &approvals.Use{ID: req.ID, Digest: req.Digest}, withBody(record(audit.KindIntent, "c1"), strings.Repeat("x", 1<<20), "")); err == nil {
		t.Error("an intent was acknowledged that could not be written")
	}
	if got, err := s.Approval(ctx, req.ID); err != nil || got.State != approvals.Approved {
		t.Errorf("the approval of a call that did not run is %s, %v", got.State, err)
	}
	onWriter(t, s, heal)
	deadline, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for s.Writable() != nil && deadline.Err() == nil { // a probe heals it, without a call
		time.Sleep(10 * time.Millisecond)
	}
	if err := s.Writable(); err != nil {
		t.Fatalf("not healed: %v", err)
	}
	if err := s.ConsumeAndIntend(ctx, &approvals.Use{ID: req.ID, Digest: req.Digest}, record(audit.KindIntent, "c1")); err != nil {
		t.Errorf("after healing: %v", err)
	}
	if r, err := s.Verify(ctx); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestOneBadTransactionDoesNotFailItsGroup: what the engine itself refuses is tried again one by one.
func TestOneBadTransactionDoesNotFailItsGroup(t *testing.T) {
	s := open(t, config(t.TempDir()))
	boom := errors.New("boom")
	group := make([]*operation, 5)
	for i := range group {
		group[i] = &operation{finished: make(chan struct{}), run: func(tx *transaction) error {
			if err := tx.append(sealed{entry: record(audit.KindConfig, fmt.Sprint(i)).Entry}); err != nil {
				return err
			}
			if i == 2 {
				return boom
			}
			return nil
		}}
	}
	hold := make(chan struct{}) // so that they share a commit
	go s.writer.do(ctx, false, func(*transaction) error { <-hold; return nil })
	for _, op := range group {
		s.writer.queue <- op
	}
	close(hold)
	for i, op := range group {
		<-op.finished
		if (op.err != nil) != (i == 2) {
			t.Errorf("operation %d: %v", i, op.err)
		}
	}
	r, err := s.Verify(ctx)
	if err != nil || !r.OK() || r.Entries != 4 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCheckpointsComeByThemselves(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.CheckpointEvery = 10
	s := open(t, cfg)
	for range 25 {
		if err := s.Append(ctx, record(audit.KindConfig, "")); err != nil {
			t.Fatal(err)
		}
	}
	proven := func() int64 {
		r, err := s.Verify(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return r.ProvenSize
	}
	deadline, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for proven() < 16 && deadline.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	if n := proven(); n < 16 {
		t.Errorf("%d entries of 25 are under a checkpoint; every 10 one was asked for", n)
	}
	first, err := s.Checkpoint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Checkpoint(ctx)
	if err != nil || first != again {
		t.Errorf("a log that did not grow was signed again: %v", err)
	}
	if proven() != 25 {
		t.Errorf("%d proven, want 25", proven())
	}
}
