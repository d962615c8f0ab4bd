package slackfake

import (
	"sync"
	"time"
)

// Clock is time that moves only when a test says so. A nil *Clock is the real time. Safe for concurrent use.
type Clock struct {
	mu     sync.Mutex
	now    time.Time
	alarms map[chan struct{}]time.Time
}

// NewClock stands still at start.
func NewClock(start time.Time) *Clock {
	return &Clock{now: start, alarms: map[chan struct{}]time.Time{}}
}

// Now is the time on the clock.
func (c *Clock) Now() time.Time {
	if c == nil {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock and rings every alarm that is due.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for ring, at := range c.alarms {
		if !at.After(c.now) {
			close(ring)
			delete(c.alarms, ring)
		}
	}
}

// alarm rings (is closed) after d; stop releases it.
func (c *Clock) alarm(d time.Duration) (ring <-chan struct{}, stop func()) {
	ch := make(chan struct{})
	if c == nil {
		t := time.AfterFunc(d, func() { close(ch) })
		return ch, func() { t.Stop() }
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarms[ch] = c.now.Add(d)
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.alarms, ch)
	}
}
