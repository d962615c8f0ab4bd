package configs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/configs"
)

// FuzzParse: whatever the text, either a file with names that are safe to use, or problems that all have a place within the text.
func FuzzParse(f *testing.F) {
	f.Add(whole)
	for _, c := range refused {
		f.Add(strings.Replace(strings.Replace(whole, c.old, c.new, 1), "»", "", 1))
	}
	examples, _ := filepath.Glob("examples/*.yaml")
	for _, file := range examples {
		if b, err := os.ReadFile(file); err == nil {
			f.Add(string(b))
		}
	}
	for _, text := range []string{"", "a", "- ", "? a\n: b\n", "a: |\n", "{{", "a: *b\n", "%YAML 1.2\n---\n", "---\n...\n", "\"", "'", "a:\n\tb: c\n", "!!", "&", "[a, b]: c\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 8<<10 {
			t.Skip() // the library takes quadratic time for some texts
		}
		file, err := configs.Parse("f.yaml", []byte(text))
		if err == nil {
			if len(file.Identity.Issuers) == 0 || file.State == "" || file.Revision() == "" {
				t.Fatalf("accepted without what is required: %+v", file)
			}
			for name, s := range file.Scopes {
				if s == nil || len(s.Allow) == 0 {
					t.Fatalf("scope %q allows nothing and is accepted", name)
				}
			}
			for name, target := range file.Targets {
				if target == nil || target.Postgres == nil && target.SSH == nil && target.HTTP == nil {
					t.Fatalf("target %q is nothing and is accepted", name)
				}
			}
			return
		}
		var problems configs.Problems
		if !errors.As(err, &problems) || file != nil || len(problems) == 0 {
			t.Fatalf("%T %v", err, err)
		}
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Line > lines || p.Text == "" || strings.ContainsAny(p.Text, "\n\r") {
				t.Fatalf("%q in a text of %d lines", p.String(), lines)
			}
		}
	})
}
