package mcpserver

import (
	"context"
	"sync"

	"sallyport/identity"
)

// caller is whose a request is. A request id is unique within one caller at best, and means nothing outside.
type caller struct{ issuer, subject, client string }

func callerOf(p *identity.Principal) caller { return caller{p.Issuer, p.Subject, p.Client} }

// flights are the requests being answered: they are counted, bounded, can be cancelled by their own caller, and a shutdown
// waits for them.
type flights struct {
	max, maxPerCaller int

	mu      sync.Mutex
	all     map[*flight]struct{}
	perUser map[caller]int
	byID    map[flightID][]*flight // of legacy clients only
	idle    chan struct{}          // non-nil when stopping; closed when nothing is left
}

type flightID struct {
	caller
	agent string
	id    string // message.idKey
}

// flight is one request being answered.
type flight struct {
	caller caller
	cancel context.CancelCauseFunc
	id     flightID // zero when it has none
}

func newFlights(max, maxPerCaller int) *flights {
	return &flights{max: max, maxPerCaller: maxPerCaller, all: map[*flight]struct{}{}, perUser: map[caller]int{}, byID: map[flightID][]*flight{}}
}

// start admits a request of c, or says why not. cancel must be safe to call at any time until end returned.
func (f *flights) start(c caller, cancel context.CancelCauseFunc) (fl *flight, refused string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.idle != nil:
		return nil, RefusedShutdown
	case len(f.all) >= f.max:
		return nil, RefusedBusy
	case f.perUser[c] >= f.maxPerCaller:
		return nil, RefusedTooMany
	}
	fl = &flight{caller: c, cancel: cancel}
	f.all[fl] = struct{}{}
	f.perUser[c]++
	return fl, ""
}

// name makes fl cancellable by its caller's notifications/cancelled for id.
func (f *flights) name(fl *flight, agent, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.id = flightID{fl.caller, agent, id}
	f.byID[fl.id] = append(f.byID[fl.id], fl)
}

func (f *flights) end(fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, fl)
	if f.perUser[fl.caller]--; f.perUser[fl.caller] == 0 {
		delete(f.perUser, fl.caller)
	}
	if fl.id.id != "" {
		same := f.byID[fl.id]
		for i, other := range same {
			if other == fl {
				same[i] = same[len(same)-1]
				same = same[:len(same)-1]
				break
			}
		}
		if f.byID[fl.id] = same; len(same) == 0 {
			delete(f.byID, fl.id)
		}
	}
	if f.idle != nil && len(f.all) == 0 {
		close(f.idle)
	}
}

// cancel ends the request of this very caller and agent with this id. Two clients of one caller number their requests
// alike: when more than one request has the id, none is cancelled. Who hangs up is cancelled anyway.
func (f *flights) cancel(p *identity.Principal, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if same := f.byID[flightID{callerOf(p), p.Agent, id}]; len(same) == 1 {
		same[0].cancel(errCancelled)
	}
}

// stop refuses new requests; the channel is closed when none is left.
func (f *flights) stop() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle == nil {
		f.idle = make(chan struct{})
		if len(f.all) == 0 {
			close(f.idle)
		}
	}
	return f.idle
}

func (f *flights) cancelAll(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for fl := range f.all {
		fl.cancel(why)
	}
}
