package exec

import (
	"regexp"
	"slices"
	"strings"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

// grammars are the programs whose words have rules of their own.
var grammars map[string]func(*Knowledge, *entry, []shparse.Word, *finding)

func init() { // a grammar may classify a further command, and so refers to the table
	grammars = map[string]func(*Knowledge, *entry, []shparse.Word, *finding){
		"find": find, "sed": sed, "awk": awk, "ps": ps, "kill": kill, "dd": dd, "test": test, "interval": interval, "lsof": lsof,
		"copied": copied, "link": link, "tar": tar, "fetch": fetch, "unzip": unzip, "gzip": gzip, "split": split,
	}
}

func withOptions(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options, posix: e.Posix, digits: e.Digits}
	p.place(p.parse(args), e.operands)
}

// findTests are find's tests and options with the kind of their arguments ("" for none).
var findTests = map[string]string{
	"-name": "pattern", "-iname": "pattern", "-path": "pattern", "-ipath": "pattern", "-wholename": "pattern", "-regex": "pattern", "-iregex": "pattern",
	"-lname": "pattern", "-ilname": "pattern", "-regextype": "text", "-type": "text", "-xtype": "text", "-size": "number", "-mtime": "number",
	"-mmin": "number", "-atime": "number", "-amin": "number", "-ctime": "number", "-cmin": "number", "-newer": "path_list", "-anewer": "path_list",
	"-cnewer": "path_list", "-perm": "text", "-user": "text", "-group": "text", "-uid": "number", "-gid": "number", "-links": "number", "-inum": "number",
	"-maxdepth": "number", "-mindepth": "number", "-printf": "text", "-fstype": "text", "-used": "number",
	"-print": "", "-print0": "", "-ls": "", "-prune": "", "-quit": "", "-empty": "", "-readable": "", "-writable": "", "-executable": "", "-nouser": "",
	"-nogroup": "", "-true": "", "-false": "", "-depth": "", "-d": "", "-daystart": "", "-follow": "", "-mount": "", "-xdev": "", "-noleaf": "",
	"-ignore_readdir_race": "", "-noignore_readdir_race": "", "-warn": "", "-nowarn": "", "-and": "", "-a": "", "-or": "", "-o": "", "-not": "", "!": "",
	"(": "", ")": "", ",": "",
}

// find lists names; only actions that are known to do nothing else may stand in its expression.
func find(k *Knowledge, _ *entry, args []shparse.Word, f *finding) {
	i := 0
	for ; i < len(args) && slices.Contains([]string{"-H", "-L", "-P"}, args[i].Text); i++ {
		f.shape = append(f.shape, args[i].Text)
	}
	var roots []shparse.Word
	for ; i < len(args) && !strings.ContainsAny(args[i].Text[:min(1, len(args[i].Text))], "-(!,)"); i++ {
		k.operand("path_list", args[i], f)
		roots = append(roots, args[i])
	}
	for ; i < len(args); i++ {
		name := args[i].Text
		switch kind, known := findTests[name]; {
		case args[i].Glob:
			f.unknown("a wildcard in find's expression")
		case name == "-delete":
			f.raise(tools.Write, "deletes")
			f.unbounded = true
			for _, r := range roots {
				f.tree = true
				k.path("path_write", r, f)
			}
		case slices.Contains([]string{"-fprint", "-fprint0", "-fls"}, name) && i+1 < len(args):
			i++
			f.raise(tools.Write)
			k.word("path_write", args[i], f)
		case !known:
			f.unknown("find with %s", printable(name))
			return
		case kind == "":
			f.shape = append(f.shape, name)
		case i+1 == len(args):
			f.unknown("find's %s without its value", name)
		default:
			i++
			f.shape = append(f.shape, name)
			k.word(kind, args[i], f)
		}
	}
}

// The commands of sed that only print: an optional address (a line, a range, a pattern), then p, d, = or q, or a plain
// substitution whose flags neither execute nor write.
var sedScript = regexp.MustCompile(`^(?:` + sedCommand + `)(?:;\s*(?:` + sedCommand + `))*$`)

const (
	sedAddress = `(?:\d+|\$|/` + simpleRegex + `/)`
	sedCommand = `(?:` + sedAddress + `(?:,\+?` + sedAddress + `)?)?(?:[pd=q]|s/` + simpleRegex + `/[^][/\\\n;{}]*/[gIip0-9]*)`
)

func sed(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options}
	rest := p.parse(args)
	if len(rest) == 0 {
		f.unknown("sed without a script")
		return
	}
	if !sedScript.MatchString(rest[0].Text) {
		f.unknown("a sed script other than plain addresses with p, d, q or s/a/b/")
	}
	f.shape = append(f.shape, "<script>")
	kind := "path_read"
	if f.effect != tools.Read { // -i
		kind = "path_write"
	}
	for _, w := range rest[1:] {
		k.operand(kind, w, f)
		for _, suffix := range []string{f.used["-i"], f.used["--in-place"]} {
			if suffix != "" { // the file as it was
				k.path("path_write", shparse.Word{Text: w.Text + suffix, Glob: w.Glob}, f)
			}
		}
	}
}

var signalName = regexp.MustCompile(`^-(?:[0-9]{1,2}|(?:SIG)?[A-Z]+[0-9]?)$`)

// kill takes its signal as an option of any name.
func kill(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	if len(args) > 0 && signalName.MatchString(args[0].Text) {
		f.shape = append(f.shape, "<signal>")
		args = args[1:]
	}
	for _, w := range args {
		if w.Text == "1" { // what all others were started by
			f.unbounded = true
			f.raise(tools.Admin)
		}
	}
	withOptions(k, e, args, f)
}

// interval: one number alone means for ever.
func interval(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options}
	rest := p.parse(args)
	if len(rest) == 1 {
		f.raise(tools.Read, "unbounded")
	}
	p.place(rest, e.operands)
}

// dd takes name=value words.
func dd(k *Knowledge, _ *entry, args []shparse.Word, f *finding) {
	for _, w := range args {
		name, value, _ := strings.Cut(w.Text, "=")
		f.shape = append(f.shape, name)
		switch name {
		case "if":
			k.word("path_read", shparse.Word{Text: value, Glob: w.Glob}, f)
		case "of":
			k.word("path_write", shparse.Word{Text: value, Glob: w.Glob}, f)
		case "bs", "ibs", "obs", "count", "skip", "seek", "status", "conv", "iflag", "oflag":
		default:
			f.unknown("operand %s of dd", printable(name))
		}
	}
}

// test takes its expression as words. Everything it can do is look.
func test(k *Knowledge, _ *entry, args []shparse.Word, f *finding) {
	for i := 0; i < len(args); i++ {
		if len(args[i].Text) == 2 && args[i].Text[0] == '-' && i+1 < len(args) && strings.Contains("bcdefghkLprsSuwxGNO", args[i].Text[1:]) {
			f.shape = append(f.shape, args[i].Text)
			i++
			k.word("path_list", args[i], f)
			continue
		}
		k.word("text", args[i], f)
	}
}

// lsof takes what stands after -i, in the same word or the next, for the sockets to list.
func lsof(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	var rest []shparse.Word
	for i := 0; i < len(args); i++ {
		rest = append(rest, args[i])
		flags, isLast := strings.CutSuffix(args[i].Text, "i")
		if isLast && strings.HasPrefix(flags, "-") && strings.Trim(flags[1:], e.Flags) == "" && i+1 < len(args) && !strings.HasPrefix(args[i+1].Text, "-") {
			i++
			k.word("sockets", args[i], f)
		}
	}
	withOptions(k, e, rest, f)
}
