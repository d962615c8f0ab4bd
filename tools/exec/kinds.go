package exec

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

var number = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?[a-zA-Z%]{0,3}$`)

// socketFilter is ss's expression made of its own words, numbers and addresses.
var socketFilter = regexp.MustCompile(`^\s*(?:` + socketWord + `)(?:\s+(?:` + socketWord + `))*\s*$`)

const socketWord = `(?:state|exclude|sport|dport|src|dst|and|or|not|eq|neq|gt|ge|lt|le|all|connected|synchronized|bucket|big|established|syn-sent|syn-recv|` +
	`fin-wait-1|fin-wait-2|time-wait|closed|close-wait|last-ack|listening|closing|listen)|[=!<>()&|]+|:[0-9*]+|[0-9.]+(?:/[0-9]+)?(?::[0-9*]+)?|\[[0-9a-fA-F:.]+\](?::[0-9*]+)?`

// operand notes what a word touches in a place that takes any number of them. Only there, and only where all are read or
// listed, may a wildcard stand: elsewhere the second file it finds has another meaning than the first (uniq IN OUT).
func (k *Knowledge) operand(kind string, w shparse.Word, f *finding) {
	if w.Glob && (kind == "path_read" || kind == "path_list") {
		f.shape = append(f.shape, "<path>")
		k.path(kind, w, f)
		return
	}
	k.word(kind, w, f)
}

// word notes what one value or operand touches.
func (k *Knowledge) word(kind string, w shparse.Word, f *finding) {
	f.shape = append(f.shape, "<"+strings.TrimSuffix(strings.TrimSuffix(kind, "_read"), "_write")+">")
	if w.Glob {
		f.unknown("a wildcard in a place that is not for any number of files to read")
		return
	}
	switch kind {
	case "path_read", "path_write", "path_list":
		k.path(kind, w, f)
	case "number":
		if !number.MatchString(w.Text) {
			f.unknown("%s where a number stands", printable(w.Text))
		}
	case "seconds":
		if n, err := strconv.ParseFloat(strings.TrimSuffix(w.Text, "s"), 64); err != nil || !(n >= 0 && n <= MaxTime.Seconds()) {
			f.unknown("a time that is not a number of seconds within the longest call")
		}
	case "socket_filter":
		if !socketFilter.MatchString(w.Text) {
			f.unknown("a socket filter with a name in it, which a name server would be asked for")
		}
	case "format": // date: anything else sets the clock
		if !strings.HasPrefix(w.Text, "+") {
			f.raise(tools.Admin)
		}
	case "plain": // curl: after an @ comes the name of a file to send
		if strings.HasPrefix(w.Text, "@") {
			f.unknown("a value that names a file")
		}
	case "url":
		u, err := url.Parse(w.Text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			f.unknown("an address that is not http:// or https://")
			return
		}
		f.object(tools.Object{Type: "host", Name: printable(u.Host), Access: tools.Write, Literal: true})
	case "columns": // ps, systemctl: the environment of processes is not for everybody
		if strings.Contains(strings.ToLower(w.Text), "environ") {
			f.object(tools.Object{Type: "path", Name: "/proc/*/environ", Access: tools.Read, Labels: []string{"credential"}})
		}
	case "unit", "host", "package", "container":
		access := tools.Read
		if f.effect != tools.Read {
			access = tools.Write
		}
		f.object(tools.Object{Type: kind, Name: printable(w.Text), Access: access, Literal: true})
	}
}
