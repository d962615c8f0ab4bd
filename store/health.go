package store

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// health knows whether writing works. After a failure the writer probes, with growing pauses, so that a full disk that was cleared
// heals without a restart and without a call.
type health struct {
	log     *slog.Logger
	failure atomic.Pointer[error] // nil: the last write was durable

	// only touched by the writer's goroutine
	pause time.Duration
	timer *time.Timer
}

const (
	firstProbe = 200 * time.Millisecond
	lastProbe  = 15 * time.Second
)

// err is why nothing can be recorded now, or nil.
func (h *health) err() error {
	if p := h.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// wrote takes note of how a commit ended, and sets the next probe.
func (h *health) wrote(err error) {
	failed := err != nil && engineFailed(err)
	was := h.failure.Load() != nil
	switch {
	case failed:
		if !was {
			h.log.Error("the state cannot be written; calls are refused until it can", "err", err)
			h.pause = firstProbe
		} else {
			h.pause = min(2*h.pause, lastProbe)
		}
		h.failure.Store(&err)
		h.stopTimer()
		h.timer = time.NewTimer(h.pause)
	case was && err == nil:
		h.log.Info("the state can be written again")
		h.failure.Store(nil)
		h.stopTimer()
	}
}

// probeNow fires when it is time to probe; never while writing works.
func (h *health) probeNow() <-chan time.Time {
	if h.timer == nil {
		return nil
	}
	return h.timer.C
}

func (h *health) stopTimer() {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}

// probeRoom is how many bytes a probe writes: about what a call needs for its records, so that a disk with room for the probe
// only does not count as healed.
const probeRoom = 256 << 10

// probe writes and commits like a call does, and leaves nothing but a few empty pages.
func probe() *operation {
	return &operation{finished: make(chan struct{}), run: func(t *transaction) error {
		if _, err := t.ExecContext(background, "INSERT OR REPLACE INTO probe (id, room) VALUES (1, zeroblob(?))", probeRoom); err != nil {
			return err
		}
		_, err := t.ExecContext(background, "DELETE FROM probe")
		return err
	}}
}
