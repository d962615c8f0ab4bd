package exec

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/tools"
)

// finding collects what is found out about the commands of one call.
type finding struct {
	cwd       string // where relative paths start; "" when that is not known
	effect    tools.Effect
	kinds     []string
	objects   []tools.Object
	unclear   []tools.Unclear
	does      []string // sentences about each command
	programs  []string // absolute paths, or names of unknown ones
	shape     []string // the commands without literals
	unbounded bool     // a change of whole trees

	at int // position of the command in the text; 0 in argv mode
	// Of the command that is looked at now: whether its files are whole trees, and its options.
	tree bool
	used map[string]string // by spelling, with the value
}

func newFinding(cwd string) *finding {
	return &finding{cwd: cwd, effect: tools.Read, used: map[string]string{}}
}

func (f *finding) raise(effect tools.Effect, kinds ...string) {
	f.effect = stronger(f.effect, effect)
	for _, k := range kinds {
		if !slices.Contains(f.kinds, k) {
			f.kinds = append(f.kinds, k)
		}
	}
}

// unknown notes a construct that is not understood. The effect is unknown with it.
func (f *finding) unknown(format string, args ...any) {
	f.effect = tools.Unknown
	f.blocked(format, args...)
}

// blocked notes what is understood well enough and still cannot run here: it does not end, it wants a terminal.
func (f *finding) blocked(format string, args ...any) {
	u := tools.Unclear{Construct: fmt.Sprintf(format, args...), Position: f.at}
	if !slices.Contains(f.unclear, u) {
		f.unclear = append(f.unclear, u)
	}
}

func (f *finding) object(o tools.Object) {
	same := func(other tools.Object) bool {
		return o.Type == other.Type && o.Name == other.Name && o.Access == other.Access
	}
	if i := slices.IndexFunc(f.objects, same); i >= 0 {
		for _, l := range o.Labels {
			if !slices.Contains(f.objects[i].Labels, l) {
				f.objects[i].Labels = append(f.objects[i].Labels, l)
			}
		}
		return
	}
	f.objects = append(f.objects, o)
}

// describe is for messages about examples.
func (f *finding) describe(err error) string {
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	b.WriteString(string(f.effect))
	for _, u := range f.unclear {
		b.WriteString(", not understood: " + u.Construct)
	}
	return b.String()
}
