package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The tree is the architecture (CONTRIBUTING.md). These tests read import lines with go/parser. They do not run the go
// command: Go's test cache cannot see what a subprocess reads, and would keep answering "ok".

const module = "sallyport/"

// arrows is what each package of the program may import of the others, "/..." being everything below. A package that is not
// here may import nothing of ours, so a new one has to be drawn in first.
var arrows = map[string][]string{
	"cmd/sallyport":        {"..."},
	"bench":                {"audit", "gateway/...", "identity/...", "masking", "policy", "store", "tools/..."},
	"configs":              nil,
	"configs/vault":        nil,
	"gateway":              {"identity", "tools", "policy", "approvals", "masking", "audit"},
	"gateway/mcpserver":    {"gateway", "identity"},
	"gateway/adminapi":     {"gateway", "identity", "approvals", "audit"},
	"identity":             nil,
	"identity/devissuer":   nil,
	"tools":                nil,
	"tools/query":          {"tools", "tools/query/sqlparse"},
	"tools/query/sqlparse": {"tools"},
	"tools/query/pgserver": nil,
	"tools/exec":           {"tools", "tools/exec/shparse"},
	"tools/exec/shparse":   nil,
	"tools/exec/sshserver": nil,
	"tools/http":           {"tools"},
	"policy":               nil,
	"approvals":            nil,
	"approvals/slack":      {"approvals"},
	"approvals/web":        {"approvals", "identity"},
	"masking":              nil,
	"audit":                nil,
	"store":                {"approvals", "audit", "identity"},

	"approvals/slack/slackfake": nil,
}

// owners is which packages may import a library: one owner each. A second entry says why.
var owners = map[string][]string{
	"github.com/coreos/go-oidc/v3":               {"identity"},
	"github.com/fergusstrange/embedded-postgres": {"tools/query/pgserver"},
	"github.com/getkin/kin-openapi":              {"tools/http"},
	"github.com/go-jose/go-jose/v4":              {"identity", "identity/devissuer"}, // the issuer signs what identity verifies
	"github.com/goccy/go-yaml":                   {"configs", "tools/exec"},          // exec's knowledge base is YAML as well
	"github.com/google/uuid":                     {"gateway", "store"},               // ids of calls, ids of entries
	"github.com/gorilla/websocket":               {"approvals/slack/slackfake"},      // the server's side of Socket Mode; slack-go needs it too
	"github.com/jackc/pgx/v5":                    {"tools/query", "tools/query/pgserver", "store", "bench"},
	"github.com/mark3labs/mcp-go":                {"gateway/mcpserver"},
	"github.com/open-policy-agent/opa":           {"policy"},
	"github.com/pganalyze/pg_query_go/v6":        {"tools/query/sqlparse"},
	"github.com/prometheus/client_golang":        {"gateway"},
	"github.com/slack-go/slack":                  {"approvals/slack"},
	"github.com/spf13/cobra":                     {"cmd/sallyport"},
	"github.com/spf13/pflag":                     {"cmd/sallyport"},
	"github.com/vektah/gqlparser/v2":             {"tools/http"},
	"golang.org/x/crypto":                        {"tools/exec", "tools/exec/sshserver", "bench"},
	"golang.org/x/mod":                           {"audit", "store"},                         // store keeps the hashes that audit computes
	"golang.org/x/oauth2":                        {"tools/http", "identity"},                 // the gateway's own credentials, people's logins
	"golang.org/x/sys":                           {"store", "tools/query/sqlparse", "bench"}, // limits of processes and of files
	"golang.org/x/term":                          {"cmd/sallyport"},
	"golang.org/x/text":                          {"masking", "tools/http"}, // normal forms of Unicode
	"google.golang.org/protobuf":                 {"tools/query/sqlparse"},
	"modernc.org/sqlite":                         {"store"},
	"mvdan.cc/sh/v3":                             {"tools/exec/shparse"},
}

// testOnly are libraries that no package of the program may import.
var testOnly = []string{"github.com/google/go-cmp", "github.com/rogpeppe/go-internal", "github.com/santhosh-tekuri/jsonschema", "github.com/google/jsonschema-go"}

// fakes are packages of ours that only tests may import, whatever arrows says.
var fakes = []string{"approvals/slack/slackfake"}

// anywhere are small libraries that belong to the language rather than to a subject.
var anywhere = []string{"golang.org/x/sync", "golang.org/x/net"}

func TestArrowsOnlyGoOneWay(t *testing.T) {
	eachFile(t, func(dir, name string, f *ast.File) {
		allowed, drawn := arrows[dir]
		if !drawn {
			t.Errorf("%s: package %s is not in arrows; draw it in, and in CONTRIBUTING.md", name, dir)
			return
		}
		for _, imported := range imports(f) {
			to, ours := strings.CutPrefix(imported, module)
			switch {
			case !ours || to == dir:
			case strings.HasSuffix(name, "_test.go"):
				// A test may build the real thing around its package, but only the program reads configuration.
				if to == "configs" && dir != "cmd/sallyport" || strings.HasPrefix(to, "cmd/") {
					t.Errorf("%s: a test of %s must not import %s", name, dir, to)
				}
			case slices.Contains(fakes, to):
				t.Errorf("%s: %s is for tests only", name, to)
			case !slices.ContainsFunc(allowed, func(p string) bool { return covers(p, to) }):
				t.Errorf("%s: %s must not import %s; it may import %v", name, dir, to, allowed)
			}
		}
	})
}

func TestEachLibraryHasOneOwner(t *testing.T) {
	eachFile(t, func(dir, name string, f *ast.File) {
		for _, imported := range imports(f) {
			first, _, _ := strings.Cut(imported, "/")
			if !strings.Contains(first, ".") { // the standard library, or ours
				continue
			}
			isTest := strings.HasSuffix(name, "_test.go")
			under := func(lib string) bool { return imported == lib || strings.HasPrefix(imported, lib+"/") }
			switch {
			case slices.ContainsFunc(anywhere, under), isTest && slices.ContainsFunc(testOnly, under):
				continue
			case slices.ContainsFunc(testOnly, under):
				t.Errorf("%s: %s is for tests only", name, imported)
				continue
			}
			known := false
			for lib, who := range owners {
				if !under(lib) {
					continue
				}
				known = true
				// What an owner tests, its neighbours in the same folder may check with the same library.
				if !slices.Contains(who, dir) && !(isTest && slices.ContainsFunc(who, func(w string) bool { return covers(w+"/...", dir) })) {
					t.Errorf("%s: %s belongs to %v", name, imported, who)
				}
			}
			if !known {
				t.Errorf("%s: %s has no owner; name one in owners, and what it replaces in the commit", name, imported)
			}
		}
	})
}

// TestEveryPackageSaysWhatItIsFor: each package has a comment, and none has a name that says nothing.
func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	documented := map[string]bool{}
	eachFile(t, func(dir, name string, f *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		documented[dir] = documented[dir] || f.Doc != nil && len(f.Doc.Text()) > 20
		for _, empty := range []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "shared", "lib", "pkg", "internal"} {
			if f.Name.Name == empty || slices.Contains(strings.Split(dir, "/"), empty) {
				t.Errorf("%s: the name %q does not say what is inside", name, empty)
			}
		}
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: the package has no comment; begin with the question it answers", dir)
		}
	}
}

// covers reports whether a pattern of arrows means dir.
func covers(pattern, dir string) bool {
	folder, all := strings.CutSuffix(pattern, "...")
	folder = strings.TrimSuffix(folder, "/")
	return folder == dir || all && (folder == "" || strings.HasPrefix(dir, folder+"/"))
}

func imports(f *ast.File) []string {
	var out []string
	for _, i := range f.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// eachFile parses the head of every Go file of the repository: its folder and name are relative to the root, with slashes.
func eachFile(t *testing.T, fn func(dir, name string, f *ast.File)) {
	t.Helper()
	root, n := filepath.Join("..", ".."), 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		n++
		name := filepath.ToSlash(rel)
		fn(path.Dir(name), name, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 50 {
		t.Fatalf("only %d files were read; is the test in the wrong place?", n)
	}
}
