// Package shparse answers: which words would a shell make of this line, whatever shell it is?
//
// It understands simple commands of literal words joined by | && || ; and newlines, with redirections to /dev/null, of
// stderr into stdout, and from a plain file. Everything else is refused with its place: the point is not to run much, but
// to be sure of the words. The line is parsed as bash and as POSIX and both must agree; what runs is [Render] of the
// result, never the text itself, so that the parser's view and the host's shell cannot differ.
package shparse

import (
	"fmt"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Word is one word as the program will see it.
type Word struct {
	Text string
	Glob bool // holds * or ? for the shell to expand, in its last path component only
}

// Item is one simple command of a line and what joins it to the one before.
type Item struct {
	Op        string // "" for the first, else one of | && || ;
	Words     []Word
	Redirects []Redirect
	Position  int // 1-based character position of the command in the text
}

// Redirect is one of the redirections that are understood.
type Redirect struct {
	Kind string // "<", ">" and "2>" (to /dev/null), or "2>&1"
	File string // of "<"; the others have a fixed one
}

// Error is a construct that is not understood.
type Error struct {
	Construct string // in our words
	Position  int    // 1-based character position; 0 when unknown
}

func (e *Error) Error() string { return fmt.Sprintf("%s at position %d", e.Construct, e.Position) }

// Parse returns the commands of text in order, or an [*Error].
func Parse(text string) ([]Item, error) {
	// Before any parser: it drops CR and NUL, and a character that looks like a space or a quote deceives people. Without
	// bytes above 0x7E a byte position is a character position.
	for i := range len(text) {
		if b := text[i]; b > 0x7e || b < ' ' && b != '\n' && b != '\t' {
			return nil, &Error{fmt.Sprintf("the byte 0x%02x", b), i + 1}
		}
	}
	bash, err := parseAs(text, syntax.LangBash)
	if err != nil {
		return nil, err
	}
	posix, err := parseAs(text, syntax.LangPOSIX)
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(bash, posix, same) {
		return nil, &Error{"text that bash and POSIX shells read differently", 1}
	}
	return bash, nil
}

func same(a, b Item) bool {
	return a.Op == b.Op && slices.Equal(a.Words, b.Words) && slices.Equal(a.Redirects, b.Redirects)
}

func parseAs(text string, lang syntax.LangVariant) ([]Item, error) {
	file, err := syntax.NewParser(syntax.Variant(lang)).Parse(strings.NewReader(text), "")
	if err != nil {
		e := &Error{Construct: "a line that is not complete shell syntax"}
		if at, ok := err.(syntax.ParseError); ok { // its message quotes the text; ours does not
			e.Position = int(at.Pos.Offset()) + 1
		}
		return nil, e
	}
	var w walker
	for i, st := range file.Stmts {
		op := ";"
		if i == 0 {
			op = ""
		}
		w.statement(st, op)
	}
	if w.err != nil {
		return nil, w.err
	}
	if len(w.items) == 0 {
		return nil, &Error{"an empty line", 1}
	}
	return w.items, nil
}

// walker collects the items of a tree; the first error stays.
type walker struct {
	items []Item
	err   *Error
}

func (w *walker) fail(construct string, at syntax.Pos) {
	if w.err == nil {
		w.err = &Error{construct, int(at.Offset()) + 1}
	}
}

func (w *walker) statement(st *syntax.Stmt, op string) {
	switch {
	case w.err != nil:
		return
	case st.Background || st.Coprocess || st.Disown:
		w.fail("a command in the background", st.Pos())
		return
	case st.Negated:
		w.fail("a negated command", st.Pos())
		return
	}
	switch cmd := st.Cmd.(type) {
	case *syntax.CallExpr:
		w.simple(st, cmd, op)
	case *syntax.BinaryCmd:
		if len(st.Redirs) > 0 {
			w.fail("a redirection of several commands", st.Pos())
			return
		}
		joint, ok := operators[cmd.Op]
		if !ok {
			w.fail("the operator "+cmd.Op.String(), cmd.OpPos)
			return
		}
		w.statement(cmd.X, op)
		w.statement(cmd.Y, joint)
	default:
		w.fail("a construct other than a simple command", st.Pos())
	}
}

var operators = map[syntax.BinCmdOperator]string{syntax.AndStmt: "&&", syntax.OrStmt: "||", syntax.Pipe: "|"}

func (w *walker) simple(st *syntax.Stmt, cmd *syntax.CallExpr, op string) {
	item := Item{Op: op, Position: int(st.Pos().Offset()) + 1}
	if len(cmd.Assigns) > 0 {
		w.fail("an assignment", cmd.Assigns[0].Pos())
		return
	}
	if len(cmd.Args) == 0 {
		w.fail("a redirection without a command", st.Pos())
		return
	}
	for i, arg := range cmd.Args {
		word, bare := w.word(arg)
		if i == 0 && bare && reserved[word.Text] {
			w.fail("a reserved word", arg.Pos()) // one shell's name is another one's grammar
		}
		if i == 0 && (word.Glob || word.Text == "") {
			w.fail("a program name that is not literal", arg.Pos())
		}
		item.Words = append(item.Words, word)
	}
	for _, r := range st.Redirs {
		item.Redirects = append(item.Redirects, w.redirect(r))
	}
	w.items = append(w.items, item)
}

// reserved are words that some shell takes as grammar where a program's name stands.
var reserved = map[string]bool{
	"!": true, "{": true, "}": true, "[[": true, "]]": true, "case": true, "coproc": true, "do": true, "done": true, "elif": true, "else": true,
	"esac": true, "fi": true, "for": true, "function": true, "if": true, "in": true, "select": true, "then": true, "time": true, "until": true, "while": true,
}

// redirect accepts the few redirections that write nothing.
func (w *walker) redirect(r *syntax.Redirect) (out Redirect) {
	n := ""
	if r.N != nil {
		n = r.N.Value
	}
	if r.Hdoc != nil || r.Word == nil {
		w.fail("a here-document", r.Pos())
		return out
	}
	word, _ := w.word(r.Word)
	if w.err != nil || word.Glob {
		w.fail("a redirection to a name that is not literal", r.Pos())
		return out
	}
	null := word.Text == "/dev/null"
	switch {
	case r.Op == syntax.RdrIn && (n == "" || n == "0"):
		return Redirect{"<", word.Text}
	case r.Op == syntax.RdrOut && (n == "" || n == "1") && null:
		return Redirect{Kind: ">"}
	case r.Op == syntax.RdrOut && n == "2" && null:
		return Redirect{Kind: "2>"}
	case r.Op == syntax.DplOut && n == "2" && word.Text == "1":
		return Redirect{Kind: "2>&1"}
	}
	w.fail("a redirection other than to /dev/null, of stderr into stdout or from a file", r.Pos())
	return out
}

// word returns the one string a word stands for; bare tells that it has no quotes.
func (w *walker) word(word *syntax.Word) (out Word, bare bool) {
	bare = true
	var text strings.Builder
	for _, part := range word.Parts {
		switch p := part.(type) {
		case *syntax.Lit:
			w.literal(p, &out)
			text.WriteString(p.Value)
		case *syntax.SglQuoted:
			if bare = false; p.Dollar {
				w.fail("a quote with escapes ($'...')", p.Pos())
			}
			text.WriteString(p.Value)
		case *syntax.DblQuoted:
			bare = false
			w.double(p, &text)
		default:
			w.fail("an expansion", part.Pos())
		}
	}
	out.Text = text.String()
	if out.Glob && (len(word.Parts) != 1 || !globInLast(out.Text)) {
		w.fail("a wildcard other than in the last part of an unquoted path", word.Pos())
	}
	return out, bare
}

// literal accepts unquoted characters that no shell gives a meaning: everything else has one somewhere.
func (w *walker) literal(p *syntax.Lit, out *Word) {
	for _, r := range p.Value {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_./:=@%+,^-", r):
		case r == '*' || r == '?':
			out.Glob = true
		default:
			w.fail(fmt.Sprintf("an unquoted %q", r), p.Pos())
			return
		}
	}
}

func (w *walker) double(p *syntax.DblQuoted, text *strings.Builder) {
	if p.Dollar {
		w.fail(`a translated string ($"...")`, p.Pos())
	}
	for _, part := range p.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok {
			w.fail("an expansion inside double quotes", part.Pos())
			return
		}
		if strings.ContainsAny(lit.Value, "\\$`!") {
			w.fail("one of \\ $ ` ! inside double quotes", lit.Pos())
		}
		text.WriteString(lit.Value)
	}
}

func globInLast(text string) bool {
	slash := strings.LastIndexByte(text, '/')
	return slash >= 0 && !strings.ContainsAny(text[:slash], "*?")
}

// Quote makes s one word of any POSIX shell: nothing inside single quotes has a meaning. A single quote itself stands in
// double quotes, which [Parse] understands again, where the usual \' would be a lone backslash.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'" }

// Render writes a line again from its words. Parsing the result gives the same words.
func Render(line []Item) string {
	var b strings.Builder
	for i, item := range line {
		switch {
		case i == 0:
		case item.Op == ";":
			b.WriteString("; ")
		default:
			b.WriteString(" " + item.Op + " ")
		}
		for j, word := range item.Words {
			if j > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(word.render())
		}
		for _, r := range item.Redirects {
			switch r.Kind {
			case "<":
				b.WriteString(" <" + Quote(r.File))
			case "2>&1":
				b.WriteString(" 2>&1")
			default:
				b.WriteString(" " + r.Kind + "/dev/null")
			}
		}
	}
	return b.String()
}

// render quotes a word. One with a wildcard stays as it is: besides * and ? it holds only characters that mean themselves.
func (w Word) render() string {
	if w.Glob {
		return w.Text
	}
	return Quote(w.Text)
}
