package exec

import (
	"path"
	"slices"
	"strings"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

// Some commands write files that no word names: below the directory they start in, or, when the last word is a directory,
// below that one. What they may write counts as if it had been named.

// into notes that files of any name may appear in a directory.
func (k *Knowledge) into(dir shparse.Word, f *finding) {
	tree := f.tree
	f.tree = true // of all that may be in it
	k.word("path_write", dir, f)
	f.tree = tree
}

// named notes that a file may appear in a directory under the name that another one has, if that says more than the
// directory does.
func (k *Knowledge) named(dir, file shparse.Word, f *finding) {
	base := path.Base(file.Text)
	if file.Glob && base[0] == '.' { // any hidden file
		k.into(dir, f)
		return
	}
	full := path.Join(dir.Text, base)
	if !path.IsAbs(full) {
		full = path.Join("/", f.cwd, full)
	}
	labels := k.labelsOf(full, false, file.Glob)
	if effect := writing(full, len(labels) > 0); len(labels) > 0 || stronger(effect, f.effect) != f.effect {
		k.path("path_write", shparse.Word{Text: full}, f)
	}
}

// copied is for cp, mv and install: the last word is a file or a directory.
func copied(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options}
	rest := p.parse(args)
	p.place(rest, e.operands)
	for i := 0; i+1 < len(rest); i++ {
		k.named(rest[len(rest)-1], rest[i], f)
	}
}

// link is for ln. What a link leads to can be read through it from then on, all of a directory; a relative one starts
// where the link is.
func link(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options}
	rest := p.parse(args)
	if len(rest) != 2 {
		f.unknown("ln without both names")
		return
	}
	from, to := rest[0], rest[1]
	sources := []shparse.Word{from}
	if f.has("-s") && !f.has("-r") && !path.IsAbs(from.Text) {
		if slices.Contains(strings.Split(from.Text, "/"), "..") {
			f.unknown("a link to a path with .. in it")
			return
		}
		sources = []shparse.Word{{Text: path.Join(path.Dir(to.Text), from.Text)}, {Text: path.Join(to.Text, from.Text)}}
	}
	f.tree = true
	for _, s := range sources {
		k.word("path_read", s, f)
	}
	f.tree = false
	k.word("path_write", to, f)
	k.named(to, from, f)
}

// tar unpacks into the directory of -C, and packs from there. Its old style, options without a dash, is not understood.
func tar(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	if len(args) > 0 && !strings.HasPrefix(args[0].Text, "-") {
		f.unknown("options of tar without a dash")
		return
	}
	p := parser{k: k, f: f, name: e.Name, options: e.options}
	rest := p.parse(args)
	dir := f.used["-C"] + f.used["--directory"]
	if f.has("-x", "--extract") && dir == "" {
		k.into(shparse.Word{Text: "."}, f)
	}
	for _, w := range rest {
		switch {
		case !f.has("-c", "--create"): // names in the archive
			k.word("text", w, f)
		case dir != "" && w.Glob: // the shell looks for it in another directory
			f.unknown("a wildcard among the files that tar -C packs")
		case dir != "" && !path.IsAbs(w.Text) && !slices.Contains(strings.Split(w.Text, "/"), ".."):
			k.word("path_read", shparse.Word{Text: path.Join(dir, w.Text)}, f)
		default:
			k.operand("path_read", w, f)
		}
	}
}

// fetch is for wget, which names files as the address or the server does.
func fetch(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options}
	rest := p.parse(args)
	p.place(rest, e.operands)
	if f.has("-O", "--output-document", "--spider") {
		return
	}
	here := shparse.Word{Text: "."}
	k.into(here, f)
	for _, w := range rest {
		k.named(here, shparse.Word{Text: strings.Split(w.Text, "?")[0]}, f)
	}
}

// gzip names what it unpacks by its file, without the ending.
func gzip(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options}
	rest := p.parse(args)
	p.place(rest, e.operands)
	for _, w := range rest {
		base := path.Base(w.Text)
		k.named(shparse.Word{Text: path.Dir(w.Text)}, shparse.Word{Text: strings.TrimSuffix(base, path.Ext(base))}, f)
	}
}

func unzip(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options}
	p.place(p.parse(args), e.operands)
	if !f.has("-d", "-l", "-t", "-v") {
		k.into(shparse.Word{Text: "."}, f)
	}
}

// split writes files whose names begin with its second word.
func split(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options}
	rest := p.parse(args)
	p.place(rest, e.operands)
	dir := "."
	if len(rest) > 1 {
		dir = path.Dir(rest[1].Text)
	}
	k.into(shparse.Word{Text: dir}, f)
}

// has reports whether one of the options stands in the command that is looked at now.
func (f *finding) has(options ...string) bool {
	return slices.ContainsFunc(options, func(o string) bool { _, ok := f.used[o]; return ok })
}

// secret notes that something is read which is no file and holds secrets.
func (f *finding) secret(kind, name string) {
	f.object(tools.Object{Type: kind, Name: printable(name), Access: tools.Read, Literal: true, Labels: []string{"credential"}})
}
