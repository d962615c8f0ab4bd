package policy

import (
	"strings"
	"testing"
	"time"
)

func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

var (
	workdays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	office   = Hours{Days: workdays, From: 8 * 60, To: 18 * 60, Zone: "Europe/Berlin"}
	night    = Hours{Days: workdays, From: 22 * 60, To: 6 * 60, Zone: "Europe/Berlin"}
)

func during(h Hours) func(*Scope)  { return func(s *Scope) { s.Hours = &h } }
func at(when string) func(*Input)  { return func(in *Input) { in.Call.Time = instant(when) } }
func minutes(hour, minute int) int { return hour*60 + minute }
func berlin(from, to int, days ...time.Weekday) Hours {
	return Hours{Days: days, From: from, To: to, Zone: "Europe/Berlin"}
}

// TestHours: in 2026 clocks in Berlin go from 02:00 to 03:00 on March 29 and from 03:00 back to 02:00 on October 25, at 01:00 UTC.
func TestHours(t *testing.T) {
	tests := []struct {
		name  string
		hours Hours
		at    string
		opens string // "" is open
	}{
		{"in the middle", office, "2026-08-03T10:00:00Z", ""},
		{"summer time counts", office, "2026-08-03T06:00:00Z", ""},
		{"one second before", office, "2026-08-03T05:59:59Z", "2026-08-03T06:00:00Z"},
		{"winter time counts", office, "2026-12-01T07:00:00Z", ""},
		{"winter, an hour too early", office, "2026-12-01T06:30:00Z", "2026-12-01T07:00:00Z"},
		{"the last second", office, "2026-08-03T15:59:59Z", ""},
		{"the end is not in it", office, "2026-08-03T16:00:00Z", "2026-08-04T06:00:00Z"},
		{"Friday evening", office, "2026-07-31T16:00:00Z", "2026-08-03T06:00:00Z"},
		{"over the change to winter time", office, "2026-10-23T16:00:00Z", "2026-10-26T07:00:00Z"},
		{"over the change to summer time", office, "2026-03-27T18:00:00Z", "2026-03-30T06:00:00Z"},
		{"the day is the one on the wall there", Hours{Days: []time.Weekday{time.Monday}, From: 0, To: 1440, Zone: "Pacific/Auckland"}, "2026-08-02T12:30:00Z", ""},

		{"night, before midnight", night, "2026-08-03T20:30:00Z", ""},
		{"night, after midnight", night, "2026-08-04T03:59:00Z", ""},
		{"night, over", night, "2026-08-04T04:00:00Z", "2026-08-04T20:00:00Z"},
		{"the night from Friday is Saturday's morning", night, "2026-08-01T01:00:00Z", ""},
		{"the night from Sunday is not in it", night, "2026-08-03T01:00:00Z", "2026-08-03T20:00:00Z"},
		{"until midnight", berlin(minutes(20, 0), 1440), "2026-08-03T21:59:00Z", ""},
		{"midnight itself", berlin(minutes(20, 0), 1440), "2026-08-03T22:00:00Z", "2026-08-04T18:00:00Z"},

		{"skipped: the window begins in the hour that is not there", berlin(minutes(2, 30), minutes(4, 0)), "2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"},
		{"skipped: the whole window is not there", berlin(minutes(2, 10), minutes(2, 50)), "2026-03-29T00:30:00Z", "2026-03-30T00:10:00Z"},
		{"skipped: the only day of the week", berlin(minutes(2, 10), minutes(2, 50), time.Sunday), "2026-03-28T12:00:00Z", "2026-04-05T00:10:00Z"},
		{"repeated: the first time", berlin(minutes(2, 10), minutes(2, 50)), "2026-10-25T00:20:00Z", ""},
		{"repeated: between", berlin(minutes(2, 10), minutes(2, 50)), "2026-10-25T00:55:00Z", "2026-10-25T01:10:00Z"},
		{"repeated: the second time", berlin(minutes(2, 10), minutes(2, 50)), "2026-10-25T01:20:00Z", ""},
		{"a zone with half an hour", Hours{From: minutes(9, 0), To: minutes(10, 0), Zone: "Asia/Kolkata"}, "2026-08-03T03:29:00Z", "2026-08-03T03:30:00Z"},
		{"no zone is UTC", Hours{From: minutes(9, 0), To: minutes(10, 0)}, "2026-08-03T08:59:59Z", "2026-08-03T09:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := decide(t, newTestEngine(t, scoped("a", during(tt.hours))), call(at(tt.at)))
			if tt.opens == "" {
				if d.Verdict != Allow {
					t.Errorf("%+v", d)
				}
				return
			}
			if d.Verdict != Deny || d.Rule != "no-scope" || !strings.Contains(d.Reasons[0].Text, "opens next at "+tt.opens) {
				t.Errorf("%+v", d)
			}
			if w := must(newWindow(tt.hours)); !w.open(instant(tt.opens)) || w.open(instant(tt.opens).Add(-time.Second)) {
				t.Errorf("it does not open at %s", tt.opens)
			}
			sound(t, d)
		})
	}
}

func TestHoursAsText(t *testing.T) {
	for want, h := range map[string]Hours{
		"mon-fri 08:00-18:00 Europe/Berlin":     office,
		"mon-sun 00:00-24:00 UTC":               {To: 1440},
		"mon, wed-thu, sun 22:30-06:00 UTC":     {Days: []time.Weekday{time.Sunday, time.Thursday, time.Wednesday, time.Monday}, From: minutes(22, 30), To: 360},
		"sat-sun 08:00-09:00 America/Sao_Paulo": {Days: []time.Weekday{time.Saturday, time.Sunday}, From: 480, To: 540, Zone: "America/Sao_Paulo"},
	} {
		if got := must(newWindow(h)).text; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, h := range []Hours{{}, {From: 60, To: 60}, {From: -1, To: 60}, {From: 60, To: 1441}, {From: 1440, To: 60}, {To: 60, Zone: "Mars/Base"}, {To: 60, Zone: "Local"}, {To: 60, Days: []time.Weekday{7}}} {
		if w, err := newWindow(h); err == nil {
			t.Errorf("%+v is accepted as %s", h, w.text)
		}
	}
}

// What was decided inside is not remembered outside, and the reverse; a yes given inside does not run outside.
func TestHoursAreDecidedEachTime(t *testing.T) {
	e := newTestEngine(t, scoped("a", during(office), asking(0, 95)))
	inside, outside := "2026-08-03T10:00:00Z", "2026-08-03T17:00:00Z"
	for range 2 {
		if d := decide(t, e, call(at(inside))); d.Verdict != Ask {
			t.Errorf("inside: %+v", d)
		}
		if d := decide(t, e, call(at(inside), approved(1))); d.Verdict != Allow {
			t.Errorf("inside, approved: %+v", d)
		}
		for _, changes := range [][]func(*Input){{at(outside)}, {at(outside), approved(9)}} {
			if d := decide(t, e, call(changes...)); d.Verdict != Deny || d.Scope != "" {
				t.Errorf("outside: %+v", d)
			}
		}
		if d := decide(t, e, call(at("2026-08-04T17:00:00Z"))); !strings.Contains(d.Reasons[0].Text, "2026-08-05T06:00:00Z") {
			t.Errorf("the day after it opens at another time: %+v", d)
		}
	}
}

// A scope that is closed still forbids, and does not stand in the way of another.
func TestClosedScopes(t *testing.T) {
	closed := at("2026-08-03T17:00:00Z")
	tests := []struct {
		name    string
		scopes  []Scope
		verdict Verdict
		scope   string
		rule    string
	}{
		{"another is open", []Scope{scoped("a", during(office)), scoped("b")}, Allow, "b", "score"},
		{"both closed", []Scope{scoped("a", during(office)), scoped("b", during(office))}, Deny, "", "no-scope"},
		{"its deny rules hold", []Scope{scoped("a", during(office), forbidding("x", nil, nil)), scoped("b")}, Deny, "", "deny:x"},
		{"by day and by night", []Scope{scoped("day", during(office)), scoped("night", during(berlin(minutes(18, 0), minutes(8, 0))), asking(0, 95))}, Ask, "night", "score"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := decide(t, newTestEngine(t, tt.scopes...), call(closed))
			if d.Verdict != tt.verdict || d.Scope != tt.scope || d.Rule != tt.rule {
				t.Errorf("%+v", d)
			}
			sound(t, d)
		})
	}
}

// The guard holds hours whatever Rego answers.
func TestGuardHoldsHours(t *testing.T) {
	d := decide(t, hostile(t, says("allow", "null"), onCall(during(office))), call(at("2026-08-03T17:00:00Z")))
	if d.Verdict != Deny || d.Rule != "guard:objects" {
		t.Errorf("%+v", d)
	}
}
