package configs

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on hosts without a zone database
)

// Hours are the times of a week, by the clock on the wall in a zone. What begins at 22:00 and ends at 06:00 ends on the next morning, and
// days are then those on which it begins.
type Hours struct {
	// Days are mon, tue, wed, thu, fri, sat, sun, or from one to another: mon-fri. Absent: every day.
	Days []string `yaml:"days"`
	// From is the first minute, "08:00".
	From ClockTime `yaml:"from" check:"required"`
	// To is the minute at which it ends, "18:00"; 24:00 is the end of the day.
	To ClockTime `yaml:"to" check:"required"`
	// Zone is a name of the IANA time zone database: Europe/Berlin, UTC.
	Zone string `yaml:"zone" check:"required"`
}

// ClockTime is a time of day, in minutes after midnight. In YAML it is "HH:MM" of 24 hours.
type ClockTime int

// String is how it is written in YAML.
func (c ClockTime) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

func (c *ClockTime) parse(text string) error {
	var hour, minute int
	if n, err := fmt.Sscanf(text, "%02d:%02d", &hour, &minute); err != nil || n != 2 || fmt.Sprintf("%02d:%02d", hour, minute) != text || minute > 59 || hour*60+minute > 24*60 {
		return fmt.Errorf(`%q is not a time of day; write "08:00"`, text)
	}
	*c = ClockTime(hour*60 + minute)
	return nil
}

// Weekdays are the days of h, sorted; none for every day. They are known to be right once the file was checked.
func (h *Hours) Weekdays() []time.Weekday {
	var out []time.Weekday
	for _, text := range h.Days {
		days, _ := dayRange(text)
		out = append(out, days...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// dayRange reads "mon" or "mon-fri"; the second may come earlier in the week: "sat-mon".
func dayRange(text string) ([]time.Weekday, error) {
	from, to, isRange := strings.Cut(text, "-")
	first, last := slices.Index(dayNames, from), slices.Index(dayNames, to)
	if !isRange {
		last = first
	}
	if first < 0 || last < 0 {
		return nil, fmt.Errorf("%q is not a day; write mon, tue, wed, thu, fri, sat, sun, or mon-fri", text)
	}
	out := []time.Weekday{time.Weekday(first)}
	for d := first; d != last; {
		d = (d + 1) % 7
		out = append(out, time.Weekday(d))
	}
	return out, nil
}

func (r *report) hours(h *Hours, path string) {
	if h == nil {
		return
	}
	for i, text := range h.Days {
		if _, err := dayRange(text); err != nil {
			r.problem(fmt.Sprintf("%s.days[%d]", path, i), "%s", err)
		}
	}
	switch {
	case h.From >= 24*60:
		r.problem(path+".from", "24:00 is not a beginning; write 00:00 and the next day")
	case h.From == h.To && h.Zone != "":
		r.problem(path+".to", "is the same time as from, which is either never or always; write 00:00 and 24:00 for a whole day")
	}
	if _, err := time.LoadLocation(h.Zone); h.Zone != "" && (err != nil || h.Zone == "Local") {
		r.problem(path+".zone", "%q is not in the IANA time zone database; write one such as Europe/Berlin, or UTC", h.Zone)
	}
}
