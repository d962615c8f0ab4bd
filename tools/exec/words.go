package exec

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

// item classifies one simple command of a line. It returns the words that will run.
func (k *Knowledge) item(item shparse.Item, f *finding) []shparse.Word {
	f.at = item.Position
	if item.Op != "" {
		f.shape = append(f.shape, item.Op)
	}
	words := k.command(item.Words, f)
	for _, r := range item.Redirects {
		if r.Kind == "<" {
			k.word("path_read", shparse.Word{Text: r.File}, f)
		}
		f.shape = append(f.shape, r.Kind)
	}
	return words
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

// command classifies one argument vector. It returns what will run instead: programs as absolute paths, also those that a
// wrapper starts, and what a grammar wrote again from what it understood.
func (k *Knowledge) command(words []shparse.Word, f *finding) []shparse.Word {
	words = slices.Clone(words)
	program, args := words[0].Text, words[1:]
	e, file := k.lookup(program)
	words[0].Text = file
	f.programs = append(f.programs, file)
	if e == nil {
		f.shape = append(f.shape, "<unknown>")
		f.does = append(f.does, "runs a program that is not known")
		name := printable(program)
		if strings.ContainsFunc(name, unicode.IsSpace) { // a space would look like that between a program and its subcommand
			name = strconv.QuoteToGraphic(program)
		}
		f.object(tools.Object{Type: "command", Name: name, Access: tools.Write, Literal: true})
		f.unknown("the program %s", printable(program))
		return words
	}
	f.shape = append(f.shape, e.Name)
	if e.Refuse != "" {
		f.does = append(f.does, e.Name+" "+e.Does)
		f.object(tools.Object{Type: "command", Name: e.Name, Access: tools.Write})
		f.raise(tools.Unknown, "runs_code")
		f.unknown("%s %s", e.Name, e.Refuse)
		return words
	}
	before := f.kinds
	f.kinds, f.tree, f.used = nil, e.Tree, map[string]string{}
	f.raise(e.Effect, e.Kinds...)
	name := e.Name
	if e.ResponseFiles && slices.ContainsFunc(args, func(w shparse.Word) bool { return strings.HasPrefix(w.Text, "@") }) {
		f.unknown("%s with a file of arguments", name)
	}
	switch {
	case e.Grammar != "":
		grammars[e.Grammar](k, e, args, f)
	case e.Subcommands != nil:
		name = k.subcommand(e, args, f)
	case e.Wraps != nil:
		words = append(words[:1:1], k.wrapped(e, args, f)...)
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
	return words
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
	if sub.Reads != "" && !f.has(strings.Fields(sub.Unless)...) {
		k.word("path_read", shparse.Word{Text: sub.Reads}, f)
	}
	return full
}

// wrapped classifies the command that a wrapper starts. It returns the wrapper's words with that command as it will run.
func (k *Knowledge) wrapped(e *entry, args []shparse.Word, f *finding) []shparse.Word {
	p := parser{k: k, f: f, name: e.Name, options: e.options, posix: true}
	rest := p.parse(args)
	switch *e.Wraps {
	case "seconds":
		if len(rest) > 0 {
			k.word("seconds", rest[0], f)
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
		return args
	}
	var always []shparse.Word
	for _, text := range e.Always {
		always = append(always, shparse.Word{Text: text})
	}
	own := args[:len(args)-len(rest)] // the command is the last words
	return slices.Concat(always, own, k.command(rest, f))
}

// harmless are variables that change only how output looks, unless their value names a file (TZ=/dev/x).
var harmless = map[string]bool{"LC_ALL": true, "LANG": true, "TZ": true, "COLUMNS": true, "NO_COLOR": true}
