package exec

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

//go:embed commands.yaml
var defaultKnowledge []byte

// Knowledge is what is known about commands: which there are, what each option and operand of them means, and which
// files hold secrets. Read-only after LoadKnowledge.
type Knowledge struct {
	commands map[string]*entry // by name
	labels   []pathLabel
	globs    []string // directories below which a wildcard may stand
}

// knowledgeFile is the YAML form. Unknown keys are errors.
type knowledgeFile struct {
	// Commands are the programs. In an overlay an entry replaces the whole earlier one of the same name.
	Commands []*entry `yaml:"commands"`
	// Labels adds path patterns to a label: {credential: ["/srv/*/secrets/**"]}. ** stands for any number of components.
	Labels map[string][]string `yaml:"labels"`
	// Globs adds directories below which the last component of a path may hold * or ?.
	Globs []string `yaml:"globs"`
}

// entry is one program. Either Operands (with Options), Subcommands, Grammar, Wraps or Refuse says what its words mean.
type entry struct {
	Name string `yaml:"name"`
	// Paths are the files the program may be; the first is what runs when the call names no directory. Default:
	// /usr/bin/NAME and /bin/NAME.
	Paths []string `yaml:"paths"`
	Does  string   `yaml:"does"` // for people, continues "the command": "lists processes"
	// Effect is what it does without options; Kinds are deletes, runs_code, net, privilege, interactive, unbounded.
	Effect tools.Effect `yaml:"effect"`
	Kinds  []string     `yaml:"kinds"`
	// Flags are one-letter options without value. Options are all others, see parseOption. An option that stands in neither
	// makes the call not understood; long ones must be spelled in full.
	Flags    string   `yaml:"flags"`
	Options  []string `yaml:"options"`
	Operands string   `yaml:"operands"` // see parseOperands
	// Posix: options end at the first operand. Digits: -5 is an option. Raw: there are no options at all.
	Posix  bool `yaml:"posix"`
	Digits bool `yaml:"digits"`
	Raw    bool `yaml:"raw"`
	// Subcommands by name ("status", "image ls"): "EFFECT [+KIND...] [OPERANDS]", or a map with the keys is, flags, options,
	// reads, unless.
	// The longest name that fits counts. Persistent: the program's own options may also stand after the subcommand.
	Subcommands map[string]*subcommand `yaml:"subcommands"`
	Persistent  bool                   `yaml:"persistent"`
	// Grammar is a parser in Go for words that do not follow the usual rules.
	Grammar string `yaml:"grammar"`
	// Wraps: the operands are another command, after "" nothing, "assignments" or "seconds". Its effect counts too. Always are
	// options that a wrapper runs with whether the call has them or not.
	Wraps  *string  `yaml:"wraps"`
	Always []string `yaml:"always"`
	// Tree: a directory among its files is read as a whole. ResponseFiles: any word @FILE stands for the words in a file.
	Tree          bool `yaml:"tree"`
	ResponseFiles bool `yaml:"response_files"`
	// Refuse says why the program is never understood: "runs any code it is given".
	Refuse string `yaml:"refuse"`
	// Match are commands and the effect they must get; NotMatch must not be understood. Checked at load.
	Match    map[string]tools.Effect `yaml:"match"`
	NotMatch []string                `yaml:"not_match"`

	options  map[string]*option
	operands []operand
}

// subcommand is what follows the name of one.
type subcommand struct {
	Is      string   `yaml:"is"`
	Flags   string   `yaml:"flags"`
	Options []string `yaml:"options"`
	// Reads is a file that counts as read, unless one of the options Unless stands in the call.
	Reads  string `yaml:"reads"`
	Unless string `yaml:"unless"`

	effect   tools.Effect
	kinds    []string
	options  map[string]*option
	operands []operand
}

// UnmarshalYAML takes the short form, a string, too.
func (s *subcommand) UnmarshalYAML(decode func(any) error) error {
	if decode(&s.Is) == nil {
		return nil
	}
	type plain subcommand
	return decode((*plain)(s))
}

// option is one option in one spelling.
type option struct {
	value    string // kind of its value; "" for none
	optional bool   // the value is attached (-iX, --color=X) or absent
	effect   tools.Effect
	kinds    []string
	tree     bool // makes path operands whole trees
	replaces bool // stands for the first operand (grep -e)
}

// operand is one place for words without a dash.
type operand struct {
	kind string
	min  int
	many bool
}

// kindsOfWords are what a value or an operand can be.
var kindsOfWords = map[string]bool{
	"path_read": true, "path_write": true, "path_list": true, "text": true, "pattern": true, "host": true, "unit": true, "command": true,
	"number": true, "format": true, "signal": true, "pid": true, "user": true, "package": true, "container": true, "columns": true, "plain": true, "url": true,
	"seconds": true, "socket_filter": true, "sockets": true, "path_into": true, "download": true, "suffix": true, "write_out": true,
	"kube_output": true, "kube_resource": true,
}

// kindsOfEffects are what a command can do besides its effect.
var kindsOfEffects = []string{"deletes", "runs_code", "net", "privilege", "interactive", "unbounded"}

var effects = []tools.Effect{tools.Read, tools.Write, tools.Define, tools.Admin, tools.Unknown}

// stronger returns the stronger of two effects.
func stronger(a, b tools.Effect) tools.Effect {
	return effects[max(slices.Index(effects, a), slices.Index(effects, b), 0)]
}

// LoadKnowledge reads the embedded knowledge and the overlays, in their order, and checks
// every example in them.
func LoadKnowledge(overlays ...Overlay) (*Knowledge, error) {
	k := &Knowledge{commands: map[string]*entry{}}
	problems := []error{k.add("commands.yaml", defaultKnowledge)}
	for _, o := range overlays {
		problems = append(problems, k.add(o.File, o.Text))
	}
	problems = append(problems, k.checkExamples()...)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *Knowledge) add(file string, text []byte) error {
	var f knowledgeFile
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var problems []error
	for i, e := range f.Commands {
		if e == nil || e.Name == "" {
			problems = append(problems, fmt.Errorf("%s: commands[%d]: name is missing", file, i))
			continue
		}
		if err := e.compile(); err != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", file, e.Name, err))
		}
		k.commands[e.Name] = e
	}
	for label, patterns := range f.Labels {
		for _, p := range patterns {
			if !strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "**/") {
				problems = append(problems, fmt.Errorf("%s: labels.%s: %q starts neither with / nor with **/", file, label, p))
			}
			k.labels = append(k.labels, pathLabel{runDirectory(p), label})
		}
	}
	k.globs = append(k.globs, f.Globs...)
	return errors.Join(problems...)
}

// compile checks an entry and prepares it for use.
func (e *entry) compile() (err error) {
	if len(e.Paths) == 0 {
		e.Paths = []string{"/usr/bin/" + e.Name, "/bin/" + e.Name}
	}
	if e.Does == "" {
		return errors.New("does is missing: say what the command does")
	}
	if e.Refuse != "" {
		return nil
	}
	if e.Effect == "" && e.Subcommands != nil {
		e.Effect = tools.Read // the subcommand says more
	}
	if err = checkEffect(e.Effect, e.Kinds); err != nil {
		return err
	}
	if e.Grammar != "" && grammars[e.Grammar] == nil {
		return fmt.Errorf("grammar %q is not known", e.Grammar)
	}
	if e.Wraps != nil && !slices.Contains([]string{"", "assignments", "seconds"}, *e.Wraps) {
		return fmt.Errorf("wraps: %q is not one of \"\", assignments, seconds", *e.Wraps)
	}
	if e.options, err = parseOptions(e.Flags, e.Options); err != nil {
		return err
	}
	if e.operands, err = parseOperands(strings.Fields(e.Operands)); err != nil {
		return err
	}
	for name, s := range e.Subcommands {
		if err = s.compile(); err != nil {
			return fmt.Errorf("subcommands.%s: %w", name, err)
		}
	}
	return nil
}

func (s *subcommand) compile() (err error) {
	words := strings.Fields(s.Is)
	if len(words) == 0 {
		return errors.New("the effect is missing")
	}
	s.effect = tools.Effect(words[0])
	words = words[1:]
	for len(words) > 0 && words[0][0] == '+' {
		s.kinds = append(s.kinds, words[0][1:])
		words = words[1:]
	}
	if err = checkEffect(s.effect, s.kinds); err != nil {
		return err
	}
	if s.options, err = parseOptions(s.Flags, s.Options); err != nil {
		return err
	}
	s.operands, err = parseOperands(words)
	return err
}

func checkEffect(effect tools.Effect, kinds []string) error {
	if !slices.Contains(effects, effect) {
		return fmt.Errorf("effect %q is not one of read, write, define, admin, unknown", effect)
	}
	for _, kind := range kinds {
		if !slices.Contains(kindsOfEffects, kind) {
			return fmt.Errorf("kind %q is not one of %s", kind, strings.Join(kindsOfEffects, ", "))
		}
	}
	return nil
}

// parseOptions reads the option lines. One line is spellings, then in any order
//
//	=KIND   takes a value          ?KIND  takes an attached value or none
//	!EFFECT raises the effect      +KIND  adds a kind
//	%tree   works on whole trees   ^      stands for the first operand
func parseOptions(flags string, lines []string) (map[string]*option, error) {
	all := map[string]*option{}
	for _, letter := range flags {
		all["-"+string(letter)] = &option{}
	}
	for _, line := range lines {
		o := &option{}
		var names []string
		for _, w := range strings.Fields(line) {
			rest := w[1:]
			switch w[0] {
			case '-':
				names = append(names, w)
				continue
			case '=', '?':
				if o.value, o.optional = rest, w[0] == '?'; !kindsOfWords[rest] {
					return nil, fmt.Errorf("option %q: %q is not a kind of value", line, rest)
				}
			case '!':
				o.effect = tools.Effect(rest)
			case '+':
				o.kinds = append(o.kinds, rest)
			case '%':
				o.tree = true
			case '^':
				o.replaces = true
			default:
				return nil, fmt.Errorf("option %q: %q is not understood", line, w)
			}
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("option %q has no name", line)
		}
		if err := checkEffect(stronger(tools.Read, o.effect), o.kinds); err != nil || o.effect != "" && !slices.Contains(effects, o.effect) {
			return nil, fmt.Errorf("option %q: its effect or kind is not known", line)
		}
		for _, name := range names {
			all[name] = o
		}
	}
	return all, nil
}

// parseOperands reads kinds with a suffix: none (one), ? (at most one), * (any number), + (at least one). At most one
// of them may take many.
func parseOperands(words []string) (list []operand, err error) {
	many := 0
	for _, w := range words {
		o := operand{min: 1}
		o.kind = strings.TrimRight(w, "?*+")
		switch w[len(o.kind):] {
		case "":
		case "?":
			o.min = 0
		case "*":
			o.min, o.many = 0, true
		case "+":
			o.many = true
		default:
			return nil, fmt.Errorf("operand %q has two suffixes", w)
		}
		if !kindsOfWords[o.kind] {
			return nil, fmt.Errorf("operand %q is not a kind of word", o.kind)
		}
		if o.many {
			many++
		}
		list = append(list, o)
	}
	if many > 1 {
		return nil, errors.New("more than one operand takes many words")
	}
	return list, nil
}

func (k *Knowledge) checkExamples() (problems []error) {
	for _, name := range slices.Sorted(maps.Keys(k.commands)) {
		e := k.commands[name]
		for _, text := range slices.Sorted(maps.Keys(e.Match)) {
			f, err := k.example(text)
			if err != nil || len(f.unclear) > 0 || f.effect != e.Match[text] {
				problems = append(problems, fmt.Errorf("%s: match %q: want %s, got %s", name, text, e.Match[text], f.describe(err)))
			}
		}
		for _, text := range e.NotMatch {
			if f, err := k.example(text); err == nil && len(f.unclear) == 0 {
				problems = append(problems, fmt.Errorf("%s: not_match %q is understood: %s", name, text, f.describe(nil)))
			}
		}
	}
	return problems
}

func (k *Knowledge) example(text string) (*finding, error) {
	line, err := shparse.Parse(text)
	if err != nil {
		return newFinding(""), err
	}
	f := newFinding("")
	for _, item := range line {
		k.item(item, f)
	}
	return f, nil
}
