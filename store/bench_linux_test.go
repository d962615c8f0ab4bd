package store

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/audit"
)

// BenchmarkAppend compares durable appends with what the disk gives at best to one record at a time: one fdatasync each. Read the ratio of
// the figures of one run, not the figures. Goal: appends/s at 16 callers at least 5 times fdatasync-each at 16.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16} {
		name := map[int]string{1: "at=1", 16: "at=16"}[callers]
		b.Run("fdatasync-each/"+name, func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "log"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			line := []byte(strings.Repeat("x", 617))
			var mu sync.Mutex
			each(b, callers, func() error {
				mu.Lock()
				defer mu.Unlock()
				if _, err := f.Write(line); err != nil {
					return err
				}
				return unix.Fdatasync(int(f.Fd()))
			})
		})
		b.Run("store/"+name, func(b *testing.B) {
			s := open(b, config(b.TempDir()))
			r := outcome("0199c0de-0000-7000-8000-000000000000", strings.Repeat("x", 300))
			r.Entry.Decision = &audit.Decision{Verdict: "allow", Scope: "support", Rule: "scope", Score: 10, Revision: "0123456789abcdef"}
			r.Entry.Statement, r.Entry.Objects = "SELECT id, total FROM orders WHERE id = $1", []string{"read public.orders"}
			each(b, callers, func() error { return s.Append(ctx, r) })
		})
	}
}

// each shares b.N runs of f among callers.
func each(b *testing.B, callers int, f func() error) {
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	todo := make(chan struct{}, b.N)
	for range b.N {
		todo <- struct{}{}
	}
	close(todo)
	for range callers {
		wg.Go(func() {
			for range todo {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}
