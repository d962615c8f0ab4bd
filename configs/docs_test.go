package configs

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const page = "../docs/configuration.md"

const (
	begin = "<!-- The rest of this section is made from configs/*.go: go test ./configs -run Current -update -->\n"
	end   = "<!-- end of what is made -->\n"
)

// keyTables makes the tables of all keys from the types, their tags and their comments.
func keyTables(docs map[string]string) string {
	var b strings.Builder
	done := map[reflect.Type]string{}
	var section func(t reflect.Type, path string)
	section = func(t reflect.Type, path string) {
		if at, twice := done[t]; twice {
			fmt.Fprintf(&b, "### `%s`\n\nThe keys of [`%s`](#%s).\n\n", path, at, anchor(at))
			return
		}
		done[t] = path
		title := "`" + path + "`"
		if path == "" {
			title = "The file"
		}
		fmt.Fprintf(&b, "### %s\n\n", title)
		if path != "" {
			fmt.Fprintf(&b, "%s\n\n", sentence(docs[t.Name()], t.Name(), "This"))
		}
		b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
		type below struct {
			t    reflect.Type
			path string
		}
		var further []below
		for _, f := range fieldsOf(t) {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", join(path, f.name), f.valueText(), f.defaultText(), f.meaning(docs))
			if inner, at := structBelow(f, join(path, f.name)); inner != nil {
				further = append(further, below{inner, at})
			}
		}
		b.WriteString("\n")
		for _, f := range further {
			section(f.t, f.path)
		}
	}
	section(reflect.TypeFor[File](), "")
	return b.String()
}

// structBelow is the mapping that is the value of f, or the values of its items.
func structBelow(f field, path string) (reflect.Type, string) {
	t := f.typ
	for !isScalar(t) {
		switch t.Kind() {
		case reflect.Struct:
			return t, path
		case reflect.Map:
			path += ".NAME"
		case reflect.Slice:
			path += "[]"
		}
		t = t.Elem()
	}
	return nil, ""
}

func (f field) valueText() string {
	text := kindName(f.typ)
	switch {
	case len(f.enum) > 0 && f.typ.Kind() == reflect.Slice:
		text = "list of " + code(f.enum)
	case len(f.enum) > 0:
		text = code(f.enum)
	case f.path:
		text = strings.Replace(text, "text", "path", 1)
	}
	switch {
	case f.min != "" && f.max != "":
		text += fmt.Sprintf(", %s to %s", f.min, f.max)
	case f.min != "":
		text += ", at least " + f.min
	}
	return text
}

func (f field) defaultText() string {
	switch {
	case f.required:
		return "required"
	case f.def != "":
		return "`" + f.def + "`"
	}
	return ""
}

func (f field) meaning(docs map[string]string) string {
	_, goName, _ := strings.Cut(f.doc, ".")
	text := strings.ReplaceAll(sentence(docs[f.doc], goName, "`"+f.name+"`"), "|", `\|`)
	if f.notYet {
		return "*Not supported yet.* " + text
	}
	return text
}

// sentence turns a comment that begins with the Go name into one that stands beside the key: "User is the role." becomes "The
// role.", and "Allow lists effects." becomes "`allow` lists effects."
func sentence(text, goName, key string) string {
	rest, ok := strings.CutPrefix(text, goName)
	if !ok || rest == "" || 'a' <= rest[0] && rest[0] <= 'z' {
		return text
	}
	for _, verb := range []string{" is ", " are ", ": "} {
		after, ok := strings.CutPrefix(rest, verb)
		if !ok {
			continue
		}
		if word, _, _ := strings.Cut(after, " "); strings.ContainsAny(word, ":_,-") { // a form or a key, which stays as it is
			return after
		}
		return strings.ToUpper(after[:1]) + after[1:]
	}
	return key + rest
}

func code(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }

// anchor is how GitHub names a heading.
func anchor(title string) string {
	return regexp.MustCompile(`[^a-z0-9_-]`).ReplaceAllString(strings.ToLower(title), "")
}

func readPage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReferenceIsCurrent(t *testing.T) {
	before, rest, ok := strings.Cut(readPage(t), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the marks are missing in", page)
	}
	golden(t, page, []byte(before+begin+"\n"+keyTables(comments(t))+end+after))
}

func TestReferenceHasEveryKey(t *testing.T) {
	text := readPage(t)
	visitKeys(reflect.TypeFor[File](), "", func(path string, f field) {
		if !strings.Contains(text, "| `"+path+"` |") && !pointsElsewhere(text, path) {
			t.Errorf("%s is not in %s", path, page)
		}
	})
}

// pointsElsewhere reports whether the section of the mapping that holds path says where its keys are.
func pointsElsewhere(text, path string) bool {
	parent := path[:max(strings.LastIndex(path, "."), 0)]
	return strings.Contains(text, "### `"+parent+"`\n\nThe keys of ")
}

var block = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// Every example on the page is a file, or a part of one: what it leaves out is taken from the first example.
func TestExamplesOnThePageLoad(t *testing.T) {
	for _, file := range []string{page, "../README.md"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := block.FindAllSubmatch(b, -1)
		if len(blocks) == 0 {
			t.Fatalf("no example in %s", file)
		}
		first := blocks[0][1]
		for _, m := range blocks {
			if _, err := Parse("example.yaml", completed(m[1], first)); err != nil {
				t.Errorf("%s:\n%s\n%v", file, m[1], err)
			}
		}
	}
}

var topLevel = regexp.MustCompile(`(?m)^([a-z_]+):`)

// completed adds the top-level keys of whole that part does not have.
func completed(part, whole []byte) []byte {
	at := topLevel.FindAllSubmatchIndex(whole, -1)
	out := bytes.Clone(part)
	for i, m := range at {
		stop := len(whole)
		if i+1 < len(at) {
			stop = at[i+1][0]
		}
		if name := whole[m[2]:m[3]]; !regexp.MustCompile(`(?m)^` + string(name) + `:`).Match(part) {
			out = append(out, whole[m[0]:stop]...)
		}
	}
	return out
}
