package exec

import (
	"path"
	"slices"
	"strings"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

// pathLabel gives the files of a pattern a label. ** stands for any number of components, * and ? stay within one.
type pathLabel struct{ pattern, label string }

// path notes one file that a command reads, writes or lists. What a symbolic link leads to only the host can see.
func (k *Knowledge) path(kind string, w shparse.Word, f *finding) {
	if w.Text == "-" && kind != "path_list" {
		return // the standard streams, in every program that we let read or write "-"
	}
	if len(w.Text) > 4096 { // no kernel takes it
		f.unknown("a path longer than any can be")
		return
	}
	if strings.ContainsAny(w.Text, "\n\t") { // programs that are scripts (zgrep) have split names at them
		f.unknown("a path with a line break or a tab in it")
		return
	}
	if slices.Contains(strings.Split(w.Text, "/"), "..") {
		f.unknown("a path with .. in it") // after a symbolic link it leads elsewhere than it looks
		return
	}
	name := w.Text
	if strings.HasPrefix(name, "+") || strings.HasPrefix(name, "@") { // some programs take it for an option, or for a file of them
		f.unknown("a file whose name begins with + or @")
		return
	}
	if host, _, found := strings.Cut(strings.Split(name, "/")[0], ":"); found && kind != "path_list" {
		f.unknown("the file %s, which may be one of another host", printable(host+":")) // tar, kubectl apply
		return
	}
	if w.Glob && !path.IsAbs(name) && !strings.HasPrefix(name, "./") {
		f.unknown("a wildcard that may find a file named like an option; begin it with / or ./")
		return
	}
	if !path.IsAbs(name) {
		switch {
		case f.cwd != "":
			name = path.Join(f.cwd, name)
		case kind == "path_list":
			name = path.Join("~", name)
		default:
			f.unknown("a relative path; give cwd, or the whole path")
			return
		}
	}
	name = path.Clean(name)
	if w.Glob && !slices.ContainsFunc(k.globs, func(root string) bool { return strings.HasPrefix(name, root+"/") }) {
		f.unknown("a wildcard below %s", printable(path.Dir(name)))
		return
	}
	o := tools.Object{Type: "path", Name: printable(name), Access: tools.Read, Literal: true}
	if kind == "path_list" { // names, sizes and owners; not what is in the files
		f.object(o)
		return
	}
	o.Labels = k.labelsOf(name, f.tree, w.Glob)
	if kind == "path_write" {
		o.Access = tools.Write
		f.raise(writing(name, len(o.Labels) > 0))
	}
	f.object(o)
}

// writing is the effect of changing a file: what the system is made of is configuration, and who may do what is
// administration.
func writing(name string, labelled bool) tools.Effect {
	if name == "/dev/null" {
		return tools.Read
	}
	if labelled || strings.Count(name, "/") == 1 { // the root and the directories in it
		return tools.Admin
	}
	if startUp[path.Base(name)] || strings.Contains(name, "/.config/systemd/") || strings.Contains(name, "/.config/autostart/") {
		return tools.Admin // what is written there runs at the next login, the gateway's own included
	}
	switch top, _, _ := strings.Cut(name[1:], "/"); top {
	case "etc", "usr", "bin", "sbin", "lib", "lib64", "boot", "proc", "sys", "dev", "root":
		return tools.Define
	}
	return tools.Write
}

// startUp are files in home directories that shells and daemons run or obey.
var startUp = map[string]bool{
	".bashrc": true, ".bash_profile": true, ".bash_login": true, ".bash_logout": true, ".bash_aliases": true, ".profile": true, ".zshrc": true, ".zshenv": true,
	".zprofile": true, ".zlogin": true, ".kshrc": true, ".cshrc": true, ".login": true, ".inputrc": true, ".pam_environment": true, ".forward": true,
	".rhosts": true, ".shosts": true, ".xprofile": true, ".xsession": true, ".vimrc": true,
}

// shallow is how deep a directory may be so that reading the whole tree of it counts as reading every labelled kind of
// file: nobody reads all of /etc or /srv for one thing. Deeper, only patterns with a fixed place count.
const shallow = 1

// labelsOf returns the labels of a cleaned path: of the file, of what a wildcard can stand for, or of anything in a tree.
func (k *Knowledge) labelsOf(name string, tree, glob bool) (labels []string) {
	parts := components(runDirectory(name))
	for _, l := range k.labels {
		pattern := components(l.pattern)
		hit := false
		switch {
		case tree && pattern[0] == "**":
			hit = len(parts) <= shallow || overlap(pattern, parts, glob)
		case tree:
			hit = overlap(pattern, parts, glob) || overlap(pattern[:min(len(parts), len(pattern))], parts, glob)
		default:
			hit = overlap(pattern, parts, glob)
		}
		if hit && !slices.Contains(labels, l.label) {
			labels = append(labels, l.label)
		}
	}
	return labels
}

// runDirectory is the same path below /run, where /var/run leads on every system of the last ten years.
func runDirectory(p string) string {
	if rest, ok := strings.CutPrefix(p+"/", "/var/run/"); ok {
		return path.Join("/run", rest)
	}
	return p
}

func components(p string) []string {
	return slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" })
}

// overlap reports whether some file fits both the pattern and the path. With glob the path's last component is a pattern.
func overlap(pattern, parts []string, glob bool) bool {
	switch {
	case len(pattern) == 0:
		return len(parts) == 0
	case pattern[0] == "**":
		if overlap(pattern[1:], parts, glob) {
			return true
		}
		return len(parts) > 0 && overlap(pattern, parts[1:], glob)
	case len(parts) == 0:
		return false
	}
	both := glob && len(parts) == 1
	if both && pattern[0][0] == '.' && parts[0][0] != '.' {
		return false // the shell's wildcards leave out hidden files
	}
	if !meets(pattern[0], parts[0], both) {
		return false
	}
	return overlap(pattern[1:], parts[1:], glob)
}

// meets reports whether a component fits a pattern with * and ?; when both are patterns, whether any name fits both. It
// fills a table, row by row, because trying all splits of two patterns full of stars takes for ever.
func meets(a, b string, both bool) bool {
	if !both && !strings.ContainsAny(a, "*?") {
		return a == b
	}
	// next[j] is whether a[i+1:] meets b[j:], here[j] whether a[i:] does.
	here, next := make([]bool, len(b)+1), make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				here[j] = true
			case i < len(a) && a[i] == '*':
				here[j] = next[j] || j < len(b) && here[j+1]
			case both && j < len(b) && b[j] == '*':
				here[j] = here[j+1] || i < len(a) && next[j]
			case i == len(a) || j == len(b):
				here[j] = false
			default:
				here[j] = (a[i] == b[j] || a[i] == '?' || both && b[j] == '?') && next[j+1]
			}
		}
		here, next = next, here
	}
	return next[0]
}
