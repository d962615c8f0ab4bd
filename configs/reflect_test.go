package configs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// comments reads the doc comments of this package's types ("Issuer") and fields ("Issuer.URL"), a line each.
func comments(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		commentsOf(f, docs)
	}
	return docs
}

func commentsOf(f *ast.File, docs map[string]string) {
	ast.Inspect(f, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok {
			return true
		}
		for _, spec := range decl.Specs {
			ts, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			docs[ts.Name.Name] = oneLine(decl.Doc.Text())
			if st, ok := ts.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, name := range f.Names {
						docs[ts.Name.Name+"."+name.Name] = oneLine(f.Doc.Text())
					}
				}
			}
		}
		return true
	})
}

func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "\n\nHow the struct tags work")
	return strings.Join(strings.Fields(s), " ")
}

// comment of a field, beginning with its key instead of its Go name.
func (f field) comment(docs map[string]string) string {
	_, goName, _ := strings.Cut(f.doc, ".")
	text := docs[f.doc]
	if rest, ok := strings.CutPrefix(text, goName); ok && rest != "" && !('a' <= rest[0] && rest[0] <= 'z') {
		text = f.name + rest
	}
	return text
}

// visitKeys calls visit for every key of the schema with its path; NAME stands for names of the operator's own, [] for the items of a list.
func visitKeys(t reflect.Type, path string, visit func(path string, f field)) {
	for _, f := range fieldsOf(t) {
		at := join(path, f.name)
		visit(at, f)
		inner := f.typ
		for !isScalar(inner) {
			switch inner.Kind() {
			case reflect.Pointer:
				inner = inner.Elem()
				continue
			case reflect.Map:
				at, inner = at+".NAME", inner.Elem()
				continue
			case reflect.Slice:
				at, inner = at+"[]", inner.Elem()
				continue
			}
			break
		}
		if inner.Kind() == reflect.Struct && !isScalar(inner) {
			visitKeys(inner, at, visit)
		}
	}
}

func TestEveryKeyIsExplained(t *testing.T) {
	docs := comments(t)
	visitKeys(reflect.TypeFor[File](), "", func(path string, f field) {
		if docs[f.doc] == "" {
			t.Errorf("%s (%s) has no comment", path, f.doc)
		}
	})
}

func TestNoKeyIsWrittenTwice(t *testing.T) {
	seen := map[string]bool{}
	visitKeys(reflect.TypeFor[File](), "", func(path string, _ field) {
		if seen[path] {
			t.Errorf("%s stands in the types twice", path)
		}
		seen[path] = true
	})
	if len(seen) < 100 {
		t.Errorf("only %d keys", len(seen))
	}
}

// kindName says what a value is, for people.
func kindName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Duration]():
		return "time span"
	case t == reflect.TypeFor[ClockTime]():
		return "time of day"
	case t == reflect.TypeFor[Size]():
		return "size"
	case t == reflect.TypeFor[Secret]():
		return "secret reference"
	case t == reflect.TypeFor[netip.Prefix]():
		return "network"
	case t == reflect.TypeFor[ClaimValues]():
		return "value, or list of values"
	case t == reflect.TypeFor[Selector]():
		return "list of targets, or mapping"
	case isScalar(t) && t.Kind() == reflect.Int && t.Name() == "int":
		return "number"
	case isScalar(t) && t.Kind() == reflect.Bool:
		return "true or false"
	case isScalar(t):
		return "text"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kindName(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct && t.Elem() != reflect.TypeFor[netip.Prefix]() {
			return "list of mappings"
		}
		return "list of " + strings.Replace(kindName(t.Elem())+"s", "texts", "texts", 1)
	case reflect.Map:
		return "mapping by name"
	}
	return "mapping"
}
