package exec

import (
	"strings"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

// parser takes options off a list of words by the rules of getopt_long, with known options only and no abbreviations.
type parser struct {
	k             *Knowledge
	f             *finding
	name          string
	options       map[string]*option
	posix, digits bool
	replaced      bool // an option took the place of the first operand
}

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
			p.value(name, o, shparse.Word{Text: value})
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
	p.value(name, o, next[0])
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
		p.value(name, o, shparse.Word{Text: rest})
		return 0
	}
	return 0
}

func (p *parser) use(name string, o *option) {
	p.f.shape = append(p.f.shape, name)
	p.f.used[name] = ""
	p.f.raise(stronger(tools.Read, o.effect), o.kinds...)
	p.f.tree = p.f.tree || o.tree
	p.replaced = p.replaced || o.replaces
}

func (p *parser) value(name string, o *option, w shparse.Word) {
	p.f.used[name] = w.Text
	p.k.word(o.value, w, p.f)
}

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
		if o.many && n+extra == 0 && p.f.tree && o.kind == "path_read" { // grep -r alone
			p.k.word(o.kind, shparse.Word{Text: "."}, p.f)
		}
		switch {
		case o.many:
			n += extra
			extra = 0
		case o.min == 0 && extra > 0:
			n++
			extra--
		}
		for range n {
			if o.many {
				p.k.operand(o.kind, words[0], p.f)
			} else {
				p.k.word(o.kind, words[0], p.f)
			}
			words = words[1:]
		}
	}
	if len(words) > 0 {
		p.f.unknown("%s with more arguments than it takes", p.name)
	}
}
