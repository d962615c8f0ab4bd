package exec

import (
	"regexp"
	"strings"

	"sallyport/tools/exec/shparse"
)

// environ is what stands for the environments of processes.
var environ = shparse.Word{Text: "/proc/*/environ"}

// ps takes options in three styles. When it does not understand the words with a dash it reads all of them again as BSD's,
// without the dash, and there e prints the environments of processes. Whether it understands a word may depend on the host
// (is there such a user?), so an e counts as BSD's unless all that stands beside it is certain to be understood.
func ps(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	bsd := len(args) > 0 && args[0].Text != "" && args[0].Text[0] != '-'
	if bsd {
		word := args[0].Text
		f.shape = append(f.shape, "<bsd>")
		if rest, ok := strings.CutSuffix(word, "o"); ok && len(args) > 1 { // ps axo pid,args
			word = rest
			k.word("columns", args[1], f)
			args = args[1:]
		}
		for _, r := range word {
			switch {
			case r == 'e':
				k.word("path_read", environ, f)
			case !strings.ContainsRune("aAxuwflrjvhTSHm", r):
				f.unknown("option %q of ps", r)
			}
		}
		args = args[1:]
	}
	letters, certain := psLetters(e, args, f)
	if strings.Contains(letters, "e") && (bsd || !certain) {
		k.word("path_read", environ, f)
	}
	withOptions(k, e, args, f)
}

// psLetters returns the letters of all words with one dash, and whether every ps is certain to take them in the standard
// style. Values in the same word as their option are not understood, for as BSD's they are options themselves.
func psLetters(e *entry, args []shparse.Word, f *finding) (letters string, certain bool) {
	certain = true
	for i := 0; i < len(args); i++ {
		text := args[i].Text
		name, value, attached := strings.Cut(text, "=")
		o := e.options[name]
		if !strings.HasPrefix(text, "--") && len(text) > 1 && text[0] == '-' {
			letters += text[1:]
			if o = e.options[text]; o == nil {
				for j, r := range text[1:] {
					if o = e.options["-"+string(r)]; o != nil && o.value != "" && j+2 < len(text) {
						f.unknown("a value of ps in the same word as its option")
						return letters, false
					}
				}
			}
			attached = false
			name = "-" + text[len(text)-1:]
		}
		if o == nil || o.value == "" {
			continue
		}
		if !attached {
			if i++; i == len(args) {
				break // for the parser to say
			}
			if value = args[i].Text; strings.HasPrefix(value, "-") && name != "--sort" {
				f.unknown("a value of ps that begins with a dash")
			}
		}
		certain = certain && psCertain(name, value)
	}
	if strings.Trim(letters, "eAfFlLjHTwoyp") != "" {
		return letters, false
	}
	// More than one style of columns, or of threads and trees, do not go together; y changes only l.
	styles := 0
	for _, one := range []string{"fFl", "j", "o"} {
		if strings.ContainsAny(letters, one) {
			styles++
		}
	}
	shown := strings.Count(letters, "H") + strings.Count(letters, "L") + strings.Count(letters, "T")
	return letters, certain && styles <= 1 && shown <= 1 && (!strings.Contains(letters, "y") || strings.Contains(letters, "l") && !strings.ContainsAny(letters, "fF"))
}

var psProcesses = regexp.MustCompile(`^[1-9][0-9]{0,6}(?:,[1-9][0-9]{0,6})*$`)

// psColumns are columns that every ps of the last ten years knows, each perhaps with a width and a heading.
var psColumns = regexp.MustCompile(`^[+-]?` + psColumn + `(?:,[+-]?` + psColumn + `)*$`)

const psColumn = `(?:pid|ppid|pgid|pgrp|sid|sess|user|uid|euser|euid|ruser|ruid|group|gid|egroup|egid|rgroup|comm|cmd|args|command|ucmd|ucomm|fname|tty|tt|tname|stat|s|` +
	`state|pcpu|%cpu|c|pmem|%mem|rss|rssize|rsz|vsz|vsize|sz|time|cputime|etime|etimes|start|lstart|start_time|stime|ni|nice|pri|psr|nlwp|thcount|lwp|spid|tid|wchan|` +
	`cgroup|label|cls|class|policy|rtprio|maj_flt|min_flt|size)(?::[0-9]{1,3})?=?`

// psCertain reports whether ps is certain to understand the value of an option.
func psCertain(name, value string) bool {
	switch name {
	case "-o", "--format", "--sort":
		return psColumns.MatchString(value)
	case "-p", "--pid":
		return psProcesses.MatchString(value)
	}
	return name == "--cols" && psProcesses.MatchString(value)
}
