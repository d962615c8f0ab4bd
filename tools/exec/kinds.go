package exec

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

var number = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?[a-zA-Z%]{0,3}$`)

var (
	suffix     = regexp.MustCompile(`^[A-Za-z0-9._~-]*$`)
	kubeOutput = regexp.MustCompile(`^(?:json|yaml|name|wide|(?:jsonpath|jsonpath-as-json|custom-columns|go-template)=.*)$`)
	processID  = regexp.MustCompile(`^[1-9][0-9]{0,9}$`)
)

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
		if !withinCall(w.Text) {
			f.unknown("a time that is not a number of seconds within the longest call")
		}
	case "sockets": // lsof: [46][protocol][@host][:port]
		_, host, found := strings.Cut(w.Text, "@")
		host, _, _ = strings.Cut(host, ":")
		if _, err := netip.ParseAddr(host); found && err != nil {
			f.unknown("sockets of a host by its name, which a name server would be asked for")
		}
	case "socket_filter":
		if !socketFilter.MatchString(w.Text) {
			f.unknown("a socket filter with a name in it, which a name server would be asked for")
		}
	case "format": // date: anything else sets the clock
		if !strings.HasPrefix(w.Text, "+") {
			f.raise(tools.Admin)
		}
	case "path_into":
		k.into(w, f)
	case "download": // curl: # stands for a part of the address
		if strings.Contains(w.Text, "#") {
			f.unknown("an output file with # in its name")
		}
		k.path("path_write", w, f)
	case "write_out": // curl: a format that may be in a file, or may send what follows to one
		if strings.HasPrefix(w.Text, "@") || strings.Contains(strings.ToLower(w.Text), "%output") {
			f.unknown("a format that names a file")
		}
	case "suffix": // sed: with a slash or a star it names another file
		if !suffix.MatchString(w.Text) {
			f.unknown("a suffix that is more than letters, digits and . _ ~ -")
		}
	case "kube_output":
		if !kubeOutput.MatchString(w.Text) {
			f.unknown("an output format of kubectl that is not known, or is read from a file")
		}
	case "kube_resource":
		if strings.Contains(strings.ToLower(w.Text), "secret") {
			f.secret("resource", w.Text)
		}
	case "pid": // 0, and what is below it or written otherwise, may be a whole group, or all of them
		if !processID.MatchString(w.Text) {
			f.unknown("%s where the number of a process stands", printable(w.Text))
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
		rest := w.Text
		if _, err := netip.ParseAddr(u.Hostname()); err == nil {
			rest = strings.Replace(rest, "["+u.Hostname()+"]", "", 1)
		}
		if strings.ContainsAny(rest, "{}[]") { // curl makes several addresses of it
			f.unknown("an address with braces or brackets in it")
		}
		f.object(tools.Object{Type: "host", Name: printable(u.Host), Access: tools.Write, Literal: true})
	case "columns": // ps, systemctl: the environment of processes is not for everybody
		if w.Text == "" {
			f.unknown("no name where names of columns or properties stand")
		}
		if strings.Contains(strings.ToLower(w.Text), "environ") || strings.Contains(strings.ToLower(w.Text), "credential") {
			k.path("path_read", environ, f)
		}
	case "unit", "host", "package", "container":
		if kind == "unit" && (strings.Contains(w.Text, "/") || strings.Contains(w.Text, "..")) {
			f.unknown("a path where the name of a unit stands")
		}
		access := tools.Read
		if f.effect != tools.Read {
			access = tools.Write
			f.unbounded = f.unbounded || kind == "unit" && strings.ContainsAny(w.Text, "*?[")
		}
		f.object(tools.Object{Type: kind, Name: printable(w.Text), Access: access, Literal: true})
	}
}

// withinCall reports whether a time, in seconds or with one of the units s, m and h, is no longer than any call.
func withinCall(text string) bool {
	unit := time.Second
	if i := len(text) - 1; i > 0 {
		if u, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour}[text[i]]; ok {
			unit, text = u, text[:i]
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	return err == nil && n >= 0 && n*unit.Seconds() <= MaxTime.Seconds()
}
