package shparse

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func words(w ...string) (list []Word) {
	for _, s := range w {
		list = append(list, Word{Text: s})
	}
	return list
}

func TestParse(t *testing.T) {
	for text, want := range map[string][]Item{
		"ls -l":            {{Words: words("ls", "-l"), Position: 1}},
		" ls\t'a  b' ":     {{Words: words("ls", "a  b"), Position: 2}},
		`echo "it's" 'x'y`: {{Words: words("echo", "it's", "xy"), Position: 1}},
		"ls # a comment":   {{Words: words("ls"), Position: 1}},
		"a | b && c || d; e\nf": {
			{Words: words("a"), Position: 1}, {Op: "|", Words: words("b"), Position: 5}, {Op: "&&", Words: words("c"), Position: 10},
			{Op: "||", Words: words("d"), Position: 15}, {Op: ";", Words: words("e"), Position: 18}, {Op: ";", Words: words("f"), Position: 20},
		},
		"ls /var/log/*.log":                            {{Words: []Word{{Text: "ls"}, {Text: "/var/log/*.log", Glob: true}}, Position: 1}},
		"ls '/var/log/*.log'":                          {{Words: words("ls", "/var/log/*.log"), Position: 1}},
		"ls 2>/dev/null >'/dev/null' 2>&1 </etc/hosts": {{Words: words("ls"), Redirects: []Redirect{{Kind: "2>"}, {Kind: ">"}, {Kind: "2>&1"}, {"<", "/etc/hosts"}}, Position: 1}},
		"X=1": nil, "X=1 ls": nil, "": nil, "# nothing": nil, "ls &": nil, "! ls": nil, "ls |& cat": nil, "a\rb": nil, "ls\r": nil, "ls \x00": nil,
		"é": nil, "ls ~": nil, "ls {a,b}": nil, `ls \a`: nil, "ls $'a'": nil, `ls $"a"`: nil, "ls $x": nil, "ls `x`": nil, `ls "a$b"`: nil, `ls "a!"`: nil,
		"ls [a]": nil, "ls */x": nil, "ls '/a/'*": nil, "l? x": nil, "'' x": nil, "time ls": nil, "in x": nil, "ls <<x\nx": nil, "ls <<<x": nil, "ls >x": nil,
		"ls >>/dev/null": nil, "ls <x*": nil, "ls 3</etc/hosts": nil, "(ls)": nil, "{ ls; }": nil, "a && (b)": nil, "ls 'a": nil, "function f { a; }": nil,
		"ls &>/dev/null": nil, "ls #a\x7f": nil, "a b=(c)": nil, "a;;b": nil, "declare x": nil, "let x=1": nil, "[[ a ]]": nil, "ls %1 @x ^y": {{Words: words("ls", "%1", "@x", "^y"), Position: 1}},
	} {
		got, err := Parse(text)
		var unclear *Error
		if err != nil && !errors.As(err, &unclear) {
			t.Errorf("%q: an error of another kind: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (%v): %s", text, err, diff)
		}
	}
}

func TestRender(t *testing.T) {
	line, err := Parse(`printf "it's" | cat /var/log/*.log 2>&1 </etc/hosts && ls >/dev/null; id`)
	if err != nil {
		t.Fatal(err)
	}
	want := `'printf' 'it'"'"'s' | 'cat' /var/log/*.log 2>&1 <'/etc/hosts' && 'ls' >/dev/null; 'id'`
	if got := Render(line); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`a 'b' "c" | d; e && f 2>&1`)
	f.Fuzz(func(t *testing.T, text string) {
		line, err := Parse(text)
		if err != nil {
			return
		}
		text = Render(line)
		again, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if Render(again) != text {
			t.Fatalf("%q is rendered as %q", text, Render(again))
		}
	})
}
