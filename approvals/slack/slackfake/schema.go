package slackfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// problems collects what is wrong with a piece of JSON, in Slack's words and with its pointer to the place:
// "must be less than 3001 characters [json-pointer:/blocks/0/text/text]".
type problems struct {
	list    []string
	surface surface
	focused int // elements with focus_on_load
}

// surface is where blocks are shown: the limits differ.
type surface int

const (
	inMessage surface = iota
	inModal
)

func (p *problems) add(at, format string, a ...any) {
	if len(p.list) < 20 {
		p.list = append(p.list, fmt.Sprintf(format, a...)+" [json-pointer:"+at+"]")
	}
}

// check says what one JSON value must look like. Lengths are in characters (code points).
type check func(p *problems, at string, v any)

// fields is an object: the keys it may have, required ones marked with a leading "!".
type fields map[string]check

// object refuses keys it does not know, as Slack does.
func object(f fields, more ...func(p *problems, at string, o map[string]any)) check {
	known, needed := map[string]check{}, []string{}
	for name, c := range f {
		if n, ok := strings.CutPrefix(name, "!"); ok {
			needed, name = append(needed, n), n
		}
		known[name] = c
	}
	slices.Sort(needed)
	return func(p *problems, at string, v any) {
		o, ok := v.(map[string]any)
		if !ok {
			p.add(at, "must provide an object")
			return
		}
		for _, name := range needed {
			if _, ok := o[name]; !ok {
				p.add(at, "missing required field: %s", name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(o)) {
			if c, ok := known[name]; ok {
				c(p, at+"/"+name, o[name])
			} else {
				p.add(at, "invalid additional property: %s", name)
			}
		}
		for _, m := range more {
			m(p, at, o)
		}
	}
}

// byType picks the check for an object's "type".
func byType(kinds map[string]check) check {
	return func(p *problems, at string, v any) {
		o, ok := v.(map[string]any)
		if !ok {
			p.add(at, "must provide an object")
			return
		}
		kind, ok := o["type"].(string)
		if !ok {
			p.add(at, "missing required field: type")
			return
		}
		c, ok := kinds[kind]
		if !ok {
			p.add(at+"/type", "unsupported type: %s", kind)
			return
		}
		c(p, at, v)
	}
}

// text is a string of min to max characters; max 0 is no limit.
func text(minimum, maximum int) check {
	return func(p *problems, at string, v any) {
		s, ok := v.(string)
		if !ok {
			p.add(at, "must provide a string")
			return
		}
		n := utf8.RuneCountInString(s)
		switch {
		case n < minimum:
			p.add(at, "must be more than %d characters", minimum-1)
		case maximum > 0 && n > maximum:
			p.add(at, "must be less than %d characters", maximum+1)
		case strings.ContainsRune(s, 0):
			p.add(at, "must not contain NUL") // Slack's own words are not known
		}
	}
}

func oneOf(values ...string) check {
	return func(p *problems, at string, v any) {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			p.add(at, "must be a valid enum value")
		}
	}
}

func boolean(p *problems, at string, v any) {
	if _, ok := v.(bool); !ok {
		p.add(at, "must provide a boolean")
	}
}

// integer between the two, both included.
func integer(minimum, maximum int64) check {
	return func(p *problems, at string, v any) {
		n, ok := v.(json.Number)
		if !ok {
			p.add(at, "must provide an integer")
			return
		}
		switch i, err := n.Int64(); {
		case err != nil:
			p.add(at, "must provide an integer")
		case i < minimum:
			p.add(at, "must be greater than %d", minimum-1)
		case i > maximum:
			p.add(at, "must be less than %d", maximum+1)
		}
	}
}

// list of min to max items; max 0 is no limit.
func list(minimum, maximum int, item check) check {
	return func(p *problems, at string, v any) {
		items, ok := v.([]any)
		if !ok {
			p.add(at, "must provide an array")
			return
		}
		switch {
		case len(items) < minimum:
			p.add(at, "no fewer than %d items required", minimum)
		case maximum > 0 && len(items) > maximum:
			p.add(at, "no more than %d items allowed", maximum)
		}
		for i, it := range items {
			item(p, fmt.Sprintf("%s/%d", at, i), it)
		}
	}
}

// link is an absolute URL of at most maximum characters.
func link(maximum int) check {
	return func(p *problems, at string, v any) {
		text(1, maximum)(p, at, v)
		s, _ := v.(string)
		if u, err := url.Parse(s); err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "" {
			p.add(at, "invalid url")
		}
	}
}

// exactlyOne of the keys is there.
func exactlyOne(names ...string) func(*problems, string, map[string]any) {
	return func(p *problems, at string, o map[string]any) {
		n := 0
		for _, name := range names {
			if _, ok := o[name]; ok {
				n++
			}
		}
		if n != 1 {
			p.add(at, "must provide exactly one of: %s", strings.Join(names, ", "))
		}
	}
}

func atLeastOne(names ...string) func(*problems, string, map[string]any) {
	return func(p *problems, at string, o map[string]any) {
		if !slices.ContainsFunc(names, func(n string) bool { _, ok := o[n]; return ok }) {
			p.add(at, "must provide at least one of: %s", strings.Join(names, ", "))
		}
	}
}

// also adds fields to a set.
func (f fields) also(more ...fields) fields {
	out := maps.Clone(f)
	for _, m := range more {
		maps.Copy(out, m)
	}
	return out
}
