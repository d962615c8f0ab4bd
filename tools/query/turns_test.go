package query

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"sallyport/tools"
)

// ended is a context in which nothing is waited for.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestTurnsAreSharedBetweenCallers(t *testing.T) {
	turns := newTurns(4)
	var held []func()
	for range 2 {
		give, err := turns.take(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, give)
	}
	if _, err := turns.take(ended(t), "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller took more than half: %v", err)
	}
	give, err := turns.take(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := turns.take(ended(t), "c"); !errors.Is(err, context.Canceled) {
		t.Errorf("calls took the last connection: %v", err)
	}
	give()
	for _, give := range held {
		give()
	}
	if len(turns.callers) != 0 || len(turns.all) != 0 {
		t.Errorf("left behind: %v, %d", turns.callers, len(turns.all))
	}
	for _, conns := range []int{1, 2} {
		if _, err := newTurns(conns).take(t.Context(), "a"); err != nil {
			t.Error(err)
		}
	}
}

// TestOneCallerCannotTakeAllConnections: while one caller's long reads hold all they may, others read, look at a parameter's type
// and describe.
func TestOneCallerCannotTakeAllConnections(t *testing.T) {
	f := open(t, "CREATE TABLE t (id int, j jsonb); INSERT INTO t VALUES (1, '{}')", func(t *Target) { t.MaxConns = 4 })
	if _, err := f.read("SELECT id FROM t"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			_, err := f.do(ctx, f.db.Reads(), request{caller: "greedy", sql: fmt.Sprintf("SELECT count(*) FROM generate_series(1, 100000000000) g WHERE g > %d", i)})
			var unreachable *tools.UnreachableError
			if err == nil || !errors.Is(err, context.Canceled) && !errors.As(err, &unreachable) {
				t.Errorf("a long read: %v", err)
			}
		})
	}
	pool := f.db.targets["db"].pool
	for len(f.db.targets["db"].turns.all) < 2 && ctx.Err() == nil {
		if _, err := f.do(ctx, f.db.Reads(), request{caller: "other", sql: "SELECT id FROM t"}); err != nil {
			t.Error(err)
			break
		}
	}
	for range 5 {
		if _, err := f.do(ctx, f.db.Reads(), request{caller: "other", sql: "SELECT id FROM t WHERE j = $1", params: []any{map[string]any{}}}); err != nil {
			t.Error(err)
		}
		if _, err := f.db.Describe(ctx, "db", "public.t", "full"); err != nil {
			t.Error(err)
		}
		if n := pool.Stat().AcquiredConns(); n > 2 {
			t.Errorf("%d connections are held", n)
		}
	}
	cancel()
	group.Wait()
}
