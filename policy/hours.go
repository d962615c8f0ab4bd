package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on hosts without a zone database, and the same everywhere
)

// Hours are the times of a week at which something holds, by the clock on the wall in Zone. From 22:00 to 06:00 ends on the next morning;
// Days are then those on which it begins. When clocks are put forward, what is skipped does not happen: a window within the skipped
// hour is not open that day. When they are put back, the repeated hour is in the window twice.
type Hours struct {
	Days     []time.Weekday // none: every day
	From, To int            // minutes after midnight: From 0 to 1439, To 1 to 1440; From is included, To is not
	Zone     string         // of the IANA database, "Europe/Berlin"; "" is UTC
}

// window is Hours with its look-ups prepared.
type window struct {
	days     [7]bool
	from, to int
	zone     *time.Location
	text     string // "mon-fri 08:00-18:00 Europe/Berlin"
}

func newWindow(h Hours) (*window, error) {
	w := &window{from: h.From, to: h.To}
	var err error
	if w.zone, err = time.LoadLocation(h.Zone); err != nil || h.Zone == "Local" {
		return nil, fmt.Errorf("zone %q is not in the IANA database", h.Zone)
	}
	switch {
	case h.From < 0 || h.From > 1439 || h.To < 1 || h.To > 1440:
		return nil, errors.New("from and to are minutes of a day: 0 to 1439, and 1 to 1440")
	case h.From == h.To:
		return nil, errors.New("from and to are the same time, which is either never or always")
	}
	for _, d := range h.Days {
		if d < time.Sunday || d > time.Saturday {
			return nil, fmt.Errorf("day %d", d)
		}
		w.days[d] = true
	}
	if len(h.Days) == 0 {
		w.days = [7]bool{true, true, true, true, true, true, true}
	}
	w.text = fmt.Sprintf("%s %s-%s %s", w.dayNames(), clockText(w.from), clockText(w.to), w.zone)
	return w, nil
}

func clockText(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

// dayNames are the days in the order of the week, from Monday on: "mon-fri", "mon, wed-sun".
func (w *window) dayNames() string {
	var runs []string
	for i := 0; i < 7; i++ {
		if !w.days[(i+1)%7] {
			continue
		}
		first := i
		for i < 6 && w.days[(i+2)%7] {
			i++
		}
		name := dayName(first)
		if i > first {
			name += "-" + dayName(i)
		}
		runs = append(runs, name)
	}
	return strings.Join(runs, ", ")
}

// dayName of the n-th day of the week, Monday being the first.
func dayName(n int) string { return strings.ToLower(time.Weekday((n + 1) % 7).String()[:3]) }

// open: t is within.
func (w *window) open(t time.Time) bool {
	local := t.In(w.zone)
	return w.openOn(local.Weekday(), local.Hour()*60+local.Minute())
}

func (w *window) openOn(day time.Weekday, minute int) bool {
	if w.from < w.to {
		return w.days[day] && w.from <= minute && minute < w.to
	}
	return w.days[day] && minute >= w.from || w.days[(day+6)%7] && minute < w.to
}

// next is when it opens after t, at which it is closed: a whole minute, UTC. ok is false when that is not within fifteen days, so that a
// window of one day a week may be skipped once by a change of clocks.
//
// It walks over the clock on the wall, in steps that end before the next opening by more than clocks are ever put forward, and minute by
// minute as long after From as they are ever put back.
func (w *window) next(t time.Time) (time.Time, bool) {
	const changes = 3 * 60
	t = t.UTC().Truncate(time.Minute)
	for end := t.Add(15 * 24 * time.Hour); t.Before(end); {
		local := t.In(w.zone)
		minute := local.Hour()*60 + local.Minute()
		if w.openOn(local.Weekday(), minute) {
			return t, true
		}
		step := 1
		since := (minute - w.from + 24*60) % (24 * 60) // a clock that is put back passes From a second time
		if until := w.untilFrom(local.Weekday(), minute); until > changes && since > changes {
			step = until - changes
		}
		t = t.Add(time.Duration(step) * time.Minute)
	}
	return time.Time{}, false
}

// untilFrom is the way from a time at which it is closed to From of the next day it opens on, in minutes on the wall.
func (w *window) untilFrom(day time.Weekday, minute int) int {
	for i := range 8 {
		if way := i*24*60 + w.from - minute; way >= 0 && w.days[(int(day)+i)%7] {
			return way
		}
	}
	return 0
}

// closedAt is the sentence for a caller outside of the hours of a scope; "" within.
func (s *scope) closedAt(t time.Time) string {
	if s.window == nil || s.window.open(t) {
		return ""
	}
	opens := "it does not open again in the next two weeks"
	if next, ok := s.window.next(t); ok {
		opens = "it opens next at " + next.Format(time.RFC3339)
	}
	return fmt.Sprintf("scope %s covers calls %s only; %s", s.Name, s.window.text, opens)
}

// timedKey says of the hours of the scopes and rules what a decision at t depends on: which are open, and when the closed ones open. Two
// times with the same answer are decided alike.
func timedKey(scopes []*scope, t time.Time) []byte {
	var k key
	for _, s := range scopes {
		if s.window != nil {
			k.texts(s.closedAt(t))
		}
		for _, r := range s.rules {
			if r.outside != nil {
				k.flags(r.outside.open(t))
			}
		}
	}
	return k
}

// anyTimed: some scope or rule depends on the time.
func anyTimed(scopes []*scope) bool {
	return slices.ContainsFunc(scopes, func(s *scope) bool {
		return s.window != nil || slices.ContainsFunc(s.rules, func(r rule) bool { return r.outside != nil })
	})
}
