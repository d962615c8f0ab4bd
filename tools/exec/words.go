package exec

import (
	"net/url"
	"regexp"
	"strings"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

// item classifies one simple command of a line.
func (k *Knowledge) item(item shparse.Item, f *finding) {
	f.at = item.Position
	if item.Op != "" {
		f.shape = append(f.shape, item.Op)
	}
	k.command(item.Words, f)
	for _, r := range item.Redirects {
		if r.Kind == "<" {
			k.word("path_read", shparse.Word{Text: r.File}, f)
		}
		f.shape = append(f.shape, r.Kind)
	}
}

// lookup finds the entry of a program, and the absolute path that will run.
func (k *Knowledge) lookup(program string) (*entry, string) {
	name := program[strings.LastIndexByte(program, '/')+1:]
	e := k.commands[name]
	if e == nil {
		return nil, program
	}
	if name == program {
		return e, e.Paths[0]
	}
	for _, p := range e.Paths {
		if p == program {
			return e, p
		}
	}
	return nil, program // another file of the same name is another program
}

// command classifies one argument vector.
func (k *Knowledge) command(words []shparse.Word, f *finding) {
	program, args := words[0].Text, words[1:]
	e, file := k.lookup(program)
	f.programs = append(f.programs, file)
	if e == nil {
		f.shape = append(f.shape, "<unknown>")
		f.does = append(f.does, "runs a program that is not known")
		f.object(tools.Object{Type: "command", Name: printable(program), Access: tools.Write})
		f.unknown("the program %s", printable(program))
		return
	}
	f.shape = append(f.shape, e.Name)
	if e.Refuse != "" {
		f.does = append(f.does, e.Name+" "+e.Does)
		f.object(tools.Object{Type: "command", Name: e.Name, Access: tools.Write})
		f.raise(tools.Unknown, "runs_code")
		f.unknown("%s %s", e.Name, e.Refuse)
		return
	}
	before := f.kinds
	f.kinds, f.tree = nil, false
	f.raise(e.Effect, e.Kinds...)
	name := e.Name
	switch {
	case e.Grammar != "":
		grammars[e.Grammar](k, e, args, f)
	case e.Subcommands != nil:
		name = k.subcommand(e, args, f)
	case e.Wraps != nil:
		k.wrapped(e, args, f)
	case e.Raw:
		for _, a := range args {
			k.word("text", a, f)
		}
	default:
		p := parser{k: k, f: f, name: e.Name, options: e.options, posix: e.Posix, digits: e.Digits}
		p.place(p.parse(args), e.operands)
	}
	// Access: what this command alone does, as far as its name says.
	access := tools.Write
	if f.effect == tools.Read {
		access = tools.Read
	}
	f.object(tools.Object{Type: "command", Name: name, Access: access})
	f.does = append(f.does, name+" "+e.Does)
	for _, kind := range f.kinds {
		switch kind {
		case "unbounded":
			f.blocked("%s that does not end by itself", name)
		case "interactive":
			f.blocked("%s, which wants a terminal", name)
		}
	}
	own := f.kinds
	f.kinds = before
	f.raise(tools.Read, own...)
	f.unbounded = f.unbounded || f.tree && f.effect != tools.Read
}

// subcommand classifies the words after a program that has subcommands. It returns the name with the subcommand.
func (k *Knowledge) subcommand(e *entry, args []shparse.Word, f *finding) string {
	p := parser{k: k, f: f, name: e.Name, options: e.options, posix: true}
	rest := p.parse(args)
	if len(rest) == 0 {
		rest = []shparse.Word{{Text: ""}} // the subcommand "" is the program alone
	}
	name, sub, n := "", (*subcommand)(nil), 0
	for i := range min(len(rest), 3) {
		if rest[i].Glob {
			break
		}
		if i > 0 {
			name += " "
		}
		name += rest[i].Text
		if s := e.Subcommands[name]; s != nil {
			sub, n = s, i+1
		}
	}
	if sub == nil {
		f.unknown("%s %s", e.Name, printable(rest[0].Text))
		return e.Name
	}
	full := e.Name
	for _, w := range rest[:n] {
		full = strings.TrimSpace(full + " " + w.Text)
		f.shape = append(f.shape, w.Text)
	}
	f.raise(sub.effect, sub.kinds...)
	if sub.effect == tools.Unknown {
		f.unknown("%s", full)
	}
	options := sub.options
	if e.Persistent {
		options = map[string]*option{}
		for n, o := range e.options {
			options[n] = o
		}
		for n, o := range sub.options {
			options[n] = o
		}
	}
	after := parser{k: k, f: f, name: full, options: options}
	after.place(after.parse(rest[n:]), sub.operands)
	return full
}

// wrapped classifies the command that a wrapper starts.
func (k *Knowledge) wrapped(e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options, posix: true}
	rest := p.parse(args)
	switch *e.Wraps {
	case "number":
		if len(rest) > 0 {
			k.word("number", rest[0], f)
			rest = rest[1:]
		}
	case "assignments":
		for len(rest) > 0 && strings.Contains(rest[0].Text, "=") {
			name, value, _ := strings.Cut(rest[0].Text, "=")
			if !harmless[name] || strings.Contains(value, "..") || strings.HasPrefix(strings.TrimPrefix(value, ":"), "/") {
				f.unknown("the variable %s, which may change what a program runs", printable(name))
			}
			f.shape = append(f.shape, "<assignment>")
			rest = rest[1:]
		}
	}
	if len(rest) == 0 {
		if *e.Wraps != "assignments" { // env alone prints the environment that we set
			f.unknown("%s without a command", e.Name)
		}
		return
	}
	k.command(rest, f)
}

// harmless are variables that change only how output looks, unless their value names a file (TZ=/dev/x).
var harmless = map[string]bool{"LC_ALL": true, "LANG": true, "TZ": true, "COLUMNS": true, "NO_COLOR": true}

// parser takes options off a list of words by the rules of getopt_long, with known options only and no abbreviations.
type parser struct {
	k             *Knowledge
	f             *finding
	name          string
	options       map[string]*option
	posix, digits bool
	replaced      bool // an option took the place of the first operand
}

var number = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?[a-zA-Z%]{0,3}$`)

// parse returns the operands.
func (p *parser) parse(words []shparse.Word) (operands []shparse.Word) {
	for i := 0; i < len(words); i++ {
		w := words[i]
		text := w.Text
		switch {
		case text == "--":
			return append(operands, words[i+1:]...)
		case len(text) < 2 || text[0] != '-' || w.Glob:
			operands = append(operands, w)
			if p.posix {
				return append(operands, words[i+1:]...)
			}
		case p.digits && strings.Trim(text[1:], "0123456789") == "": // -5f would be more than a number
			p.f.shape = append(p.f.shape, "-<number>")
		case p.options[text] != nil: // long, or one letter, or a long one with a single dash
			i += p.take(text, p.options[text], words[i+1:])
		case strings.HasPrefix(text, "--"):
			name, value, attached := strings.Cut(text, "=")
			o := p.options[name]
			if o == nil || !attached || o.value == "" {
				p.f.unknown("option %s of %s", printable(name), p.name)
				continue
			}
			p.use(name, o)
			p.value(o, shparse.Word{Text: value})
		default:
			i += p.cluster(text, words[i+1:])
		}
	}
	return operands
}

// take uses an option that stands alone, and returns how many words its value took.
func (p *parser) take(name string, o *option, next []shparse.Word) int {
	p.use(name, o)
	if o.value == "" || o.optional {
		return 0
	}
	if len(next) == 0 {
		p.f.unknown("option %s of %s without its value", name, p.name)
		return 0
	}
	p.value(o, next[0])
	return 1
}

// cluster is -abc: letters without value, the last one perhaps with one.
func (p *parser) cluster(text string, next []shparse.Word) int {
	for j := 1; j < len(text); j++ {
		name := "-" + text[j:j+1]
		o := p.options[name]
		if o == nil {
			p.f.unknown("option %s of %s", printable(name), p.name)
			return 0
		}
		rest := text[j+1:]
		if o.value == "" || rest == "" {
			if o.value != "" {
				return p.take(name, o, next)
			}
			p.use(name, o)
			continue
		}
		p.use(name, o)
		p.value(o, shparse.Word{Text: rest})
		return 0
	}
	return 0
}

func (p *parser) use(name string, o *option) {
	p.f.shape = append(p.f.shape, name)
	p.f.raise(stronger(tools.Read, o.effect), o.kinds...)
	p.f.tree = p.f.tree || o.tree
	p.replaced = p.replaced || o.replaces
}

func (p *parser) value(o *option, w shparse.Word) { p.k.word(o.value, w, p.f) }

// place gives each operand its kind. Those before the one that takes many are filled from the front, those after it from
// the back.
func (p *parser) place(words []shparse.Word, places []operand) {
	if p.replaced && len(places) > 0 {
		places = places[1:]
	}
	least := 0
	for _, o := range places {
		least += o.min
	}
	if len(words) < least {
		p.f.unknown("%s with too few arguments", p.name)
		return
	}
	extra := len(words) - least
	for _, o := range places {
		n := o.min
		switch {
		case o.many:
			n += extra
			extra = 0
		case o.min == 0 && extra > 0:
			n++
			extra--
		}
		for range n {
			p.k.word(o.kind, words[0], p.f)
			words = words[1:]
		}
	}
	if len(words) > 0 {
		p.f.unknown("%s with more arguments than it takes", p.name)
	}
}

// word notes what one value or operand touches.
func (k *Knowledge) word(kind string, w shparse.Word, f *finding) {
	f.shape = append(f.shape, "<"+strings.TrimSuffix(strings.TrimSuffix(kind, "_read"), "_write")+">")
	if w.Glob && !strings.HasPrefix(kind, "path_") {
		f.unknown("a wildcard where no path stands")
		return
	}
	switch kind {
	case "path_read", "path_write", "path_list":
		k.path(kind, w, f)
	case "number":
		if !number.MatchString(w.Text) {
			f.unknown("%s where a number stands", printable(w.Text))
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
		f.object(tools.Object{Type: "host", Name: printable(u.Host), Access: tools.Write})
	case "columns": // ps, systemctl: the environment of processes is not for everybody
		if strings.Contains(strings.ToLower(w.Text), "environ") {
			f.object(tools.Object{Type: "path", Name: "/proc/*/environ", Access: tools.Read, Labels: []string{"credential"}})
		}
	case "unit", "host", "package", "container":
		access := tools.Read
		if f.effect != tools.Read {
			access = tools.Write
		}
		f.object(tools.Object{Type: kind, Name: printable(w.Text), Access: access})
	}
}
