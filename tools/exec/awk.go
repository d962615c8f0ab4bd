package exec

import (
	"errors"
	"path"
	"regexp"
	"strings"

	"sallyport/tools/exec/shparse"
)

// awk prints fields of lines: an optional pattern, then nothing or one print. The program that runs is written again from
// what was read here, so that an awk which would have read the agent's text otherwise never sees it.
func awk(k *Knowledge, e *entry, args []shparse.Word, f *finding) {
	p := parser{k: k, f: f, name: e.Name, options: e.options, posix: true}
	rest := p.parse(args)
	if len(rest) == 0 {
		f.unknown("awk without a program")
		return
	}
	program, err := readAwk(rest[0].Text)
	if err != nil || rest[0].Glob {
		f.unknown("an awk program other than printing fields")
		return
	}
	args[len(args)-len(rest)].Text = program // operands are the last words
	f.shape = append(f.shape, "<program>")
	for _, w := range rest[1:] {
		switch name := path.Clean("/" + w.Text); {
		case strings.Contains(w.Text, "="):
			f.unknown("an assignment among awk's files")
		case strings.HasPrefix(name, "/inet"): // gawk opens a connection
			f.unknown("a file below /inet, which some awks connect to")
		default:
			k.operand("path_read", w, f)
		}
	}
}

// awkToken is one token. Between any two of them a space may stand without changing what they are.
var awkToken = regexp.MustCompile(`^(?:\$(?:[0-9]+|NF)\b|(?:NR|NF|FNR|print)\b|[0-9]+\b|"[^"\\\x00-\x1f\x7f]*"|&&|\|\||[!=<>]=|!~|[!~<>{},;])`)

// simpleRegex is one whose end all readers agree on: no slash, a backslash only before punctuation that is no delimiter, and
// a bracket expression only of plain characters, which is closed before the regex is.
const simpleRegex = `(?:[^][/\\{};\x00-\x1f\x7f]|\\[.*+?|()^$-]|\[=\]|\[\^?[A-Za-z0-9 .,_:@%+-]+\])+`

var awkRegex = regexp.MustCompile(`^/` + simpleRegex + `/`)

var errAwk = errors.New("not a program that only prints fields")

// awkReader reads a program by recursive descent and collects the tokens it took.
type awkReader struct {
	text string // what is left
	out  []string
}

// readAwk returns the program as it will run: the same tokens, with one space between them.
//
//	program = [ test { ("&&" | "||") test } ] [ "{" [ "print" [ value { [","] value } ] [";"] ] "}" ]
//	test    = ["!"] regex | value [ ("~" | "!~") regex | compare value ]
func readAwk(text string) (string, error) {
	r := &awkReader{text: text}
	if !r.isNext("{") {
		for ok := r.test(); ; ok = r.test() {
			if !ok {
				return "", errAwk
			}
			if !r.take("&&", "||") {
				break
			}
		}
	}
	if r.take("{") {
		if r.take("print") && r.value() {
			for r.take(",") || r.isValue() {
				if !r.value() {
					return "", errAwk
				}
			}
		}
		r.take(";")
		if !r.take("}") {
			return "", errAwk
		}
	}
	if r.space(); r.text != "" || len(r.out) == 0 {
		return "", errAwk
	}
	return strings.Join(r.out, " "), nil
}

func (r *awkReader) test() bool {
	if r.take("!") {
		return r.regex()
	}
	if r.regex() {
		return true
	}
	switch {
	case !r.value():
		return false
	case r.take("~", "!~"):
		return r.regex()
	case r.take("==", "!=", "<=", ">=", "<", ">"):
		return r.value()
	}
	return true
}

func (r *awkReader) space() { r.text = strings.TrimLeft(r.text, " \t") }

func (r *awkReader) next() string {
	r.space()
	return awkToken.FindString(r.text)
}

func (r *awkReader) isNext(token string) bool { return r.next() == token }

func (r *awkReader) take(tokens ...string) bool {
	next := r.next()
	for _, t := range tokens {
		if next == t {
			return r.keep(next, next)
		}
	}
	return false
}

// isValue reports whether a field, a counter, a number or a string comes next.
func (r *awkReader) isValue() bool {
	next := r.next()
	return next != "" && next != "print" && (strings.IndexByte(`$"`, next[0]) >= 0 || next[0] >= '0' && next[0] <= '9' || next[0] >= 'A' && next[0] <= 'Z')
}

func (r *awkReader) value() bool { return r.isValue() && r.keep(r.next(), r.next()) }

func (r *awkReader) regex() bool {
	r.space()
	text := awkRegex.FindString(r.text)
	if text == "" {
		return false
	}
	as := text
	if text[1] == '=' { // "/=" divides and assigns
		as = "/[=]" + text[2:]
	}
	return r.keep(text, as)
}

func (r *awkReader) keep(token, as string) bool {
	r.text = r.text[len(token):]
	r.out = append(r.out, as)
	return true
}
