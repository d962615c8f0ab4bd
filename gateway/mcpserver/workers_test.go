package mcpserver

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWorkersAreKeptAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(time.Second)
		ran := 0
		for range 3 {
			w.run(func() { ran++ })
			synctest.Wait() // it waits for more work now, and so takes the next
		}
		if ran != 3 {
			t.Errorf("%d of 3 ran", ran)
		}
		time.Sleep(2 * time.Second)
		w.all.Wait() // blocks for ever when one is left
		w.run(func() { ran++ })
		w.close()
		if ran != 4 {
			t.Error("nothing ran after the idle goroutines had ended")
		}
	})
}

func TestClosingWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(time.Second)
		finished := false
		w.run(func() { time.Sleep(time.Minute); finished = true })
		w.close()
		if !finished {
			t.Error("closed while a function ran")
		}
		w.close() // again is harmless
	})
}
