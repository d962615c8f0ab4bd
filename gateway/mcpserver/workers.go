package mcpserver

import (
	"sync"
	"time"
)

// workerIdle is how long a goroutine that ran a call waits for the next one.
const workerIdle = 5 * time.Second

// workers run functions on goroutines that are kept for a while. A call goes deep (mcp-go, the policy's evaluator, the target's client):
// on a new goroutine the stack would grow to that depth by copying itself several times, for every call again.
type workers struct {
	idle time.Duration // a goroutine without work ends after this long
	work chan func()   // not buffered: taken only by a goroutine that waits
	stop chan struct{} // closed by close
	once sync.Once
	all  sync.WaitGroup
}

func newWorkers(idle time.Duration) *workers {
	return &workers{idle: idle, work: make(chan func()), stop: make(chan struct{})}
}

// run starts f and returns at once. Not to be called after close.
func (w *workers) run(f func()) {
	select {
	case w.work <- f:
	default:
		w.all.Go(func() { w.serve(f) })
	}
}

func (w *workers) serve(f func()) {
	quiet := time.NewTimer(w.idle)
	defer quiet.Stop()
	for {
		f()
		quiet.Reset(w.idle)
		select {
		case f = <-w.work:
		case <-quiet.C:
			return
		case <-w.stop:
			return
		}
	}
}

// close ends the goroutines without work and waits for all of them.
func (w *workers) close() {
	w.once.Do(func() { close(w.stop) })
	w.all.Wait()
}
