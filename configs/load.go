package configs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxFile  = 1 << 20 // bytes
	maxDepth = 32      // of brackets, and of indicators on one line; the schema needs six
)

// Load reads and checks the file at path. The error is [Problems] when the file could be read. Beside what [Parse] does it looks
// at the modes of secret files, without reading them, and warns of those that others may read.
func Load(path string) (*File, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	return parse(path, filepath.Dir(abs), b, secretFileModes)
}

// Parse checks the text of a file. name stands in problems, and relative paths are joined with its folder. Nothing but b is
// read. The error is [Problems].
func Parse(name string, b []byte) (*File, error) {
	return parse(name, filepath.Dir(name), b)
}

func parse(name, dir string, b []byte, further ...func(*report, *File)) (*File, error) {
	r := newReport(name)
	f := &File{}
	if body := r.tree(b); body != nil {
		d := &decoder{report: r, dir: dir}
		if mappingOf(body) == nil {
			r.problemAt(placeOf(body, place{1, 1}), "", "this has to be a mapping that begins with keys like listen: and targets:")
		} else {
			d.value(body, reflect.ValueOf(f).Elem(), field{}, "", place{1, 1})
			r.check(f)
			for _, look := range further {
				look(r, f)
			}
		}
	}
	if len(r.problems) > 0 {
		r.problems.sort()
		return nil, r.problems
	}
	r.warnings.sort()
	for _, w := range r.warnings {
		f.Warnings = append(f.Warnings, w.String())
	}
	f.setRevisions()
	return f, nil
}

// tree reads the text into the one document's root, or reports why not.
func (r *report) tree(b []byte) ast.Node {
	if at, why := badText(b); why != "" {
		r.problemAt(at, "", "%s", why)
		return nil
	}
	file, at, err := parseYAML(string(b))
	switch {
	case err != nil:
		r.problemAt(at, "", "not YAML: %s", err)
		return nil
	case len(file.Docs) > 1:
		at := place{1, 1}
		if tk := file.Docs[1].Start; tk != nil && tk.Position != nil {
			at = place{tk.Position.Line, tk.Position.Column}
		}
		r.problemAt(at, "", "a second document begins here; one file is one configuration")
		return nil
	case len(file.Docs) == 0 || file.Docs[0].Body == nil:
		r.problem("", "the file is empty; configs/examples has files to start from")
		return nil
	}
	return file.Docs[0].Body
}

// badText finds what no configuration holds: bytes that are not UTF-8, and characters that make a line look different from what
// it says (https://trojansource.codes).
func badText(b []byte) (place, string) {
	if len(b) > maxFile {
		return place{1, 1}, fmt.Sprintf("the file is larger than %s", Size(maxFile))
	}
	at := place{1, 1}
	for i := 0; i < len(b); {
		c, n := utf8.DecodeRune(b[i:])
		switch {
		case c == utf8.RuneError && n == 1:
			return at, "this byte is not UTF-8; save the file as UTF-8"
		case c == '\n':
			at = place{at.line + 1, 0}
		case c == '\t', c == '\r' && i+1 < len(b) && b[i+1] == '\n':
		case unreadable(c):
			return at, fmt.Sprintf("the character %U cannot be seen or changes what is seen; remove it", c)
		}
		at.column++
		i += n
	}
	return place{}, ""
}

// parseYAML wraps the library's parser, which recurses: deep nesting is refused before it, and a panic of it is an error.
func parseYAML(text string) (file *ast.File, at place, err error) {
	at = place{1, 1}
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, errors.New("the parser gave up on this text")
		}
	}()
	tokens := lexer.Tokenize(text)
	if tk := tooDeep(tokens); tk != nil {
		return nil, placeOfToken(tk), fmt.Errorf("nested deeper than %d", maxDepth)
	}
	file, err = parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return file, at, nil
	}
	// The library's message with its excerpt would show the text around the mistake, which may be a secret.
	var syntax interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &syntax) {
		return nil, at, errors.New("the text cannot be read")
	}
	return nil, placeOfToken(syntax.GetToken()), errors.New(syntaxText(syntax.GetMessage()))
}

// tooDeep finds the token at which brackets, or indicators on one line, are nested too deep.
func tooDeep(tokens token.Tokens) *token.Token {
	flow, line, onLine := 0, 0, 0
	for _, tk := range tokens {
		if tk.Position.Line != line {
			line, onLine = tk.Position.Line, 0
		}
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.AliasType, token.TagType:
			onLine++
		}
		if flow > maxDepth || onLine > maxDepth {
			return tk
		}
	}
	return nil
}

func placeOfToken(tk *token.Token) place {
	if tk == nil || tk.Position == nil {
		return place{1, 1}
	}
	return place{max(tk.Position.Line, 1), max(tk.Position.Column, 1)}
}
