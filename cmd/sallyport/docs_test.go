package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"sallyport/configs"
)

// block is a fenced block of a page.
type block struct {
	place string // README.md:31
	tag   string
	text  string
}

// blocks are the fenced blocks of README.md, CONTRIBUTING.md and docs/*.md.
func blocks(t *testing.T) []block {
	t.Helper()
	root := filepath.Join("..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md"))
	var out []block
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(root, page)
		var open *block
		indent := ""
		for i, line := range strings.Split(string(b), "\n") {
			text := strings.TrimLeft(line, " ")
			switch tag, fence := strings.CutPrefix(text, "```"); {
			case fence && open == nil:
				indent = line[:len(line)-len(text)]
				open = &block{place: fmt.Sprintf("%s:%d", filepath.ToSlash(name), i+1), tag: strings.TrimSpace(tag)}
			case fence:
				out = append(out, *open)
				open = nil
			case open != nil:
				open.text += strings.TrimPrefix(line, indent) + "\n"
			}
		}
		if open != nil {
			t.Errorf("%s: the block is never closed", open.place)
		}
	}
	return out
}

// TestCommandsOnPagesExist: whoever copies a command from a page finds that it exists, with these flags and arguments.
func TestCommandsOnPagesExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z][a-z-]*):`).FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	commands, makes := 0, 0
	for _, b := range blocks(t) {
		switch b.tag {
		case "", "sh", "console", "shell", "bash":
		default:
			continue
		}
		for _, line := range strings.Split(strings.ReplaceAll(b.text, "\\\n", " "), "\n") {
			words := shellWords(strings.TrimPrefix(strings.TrimSpace(line), "$ "))
			if len(words) < 2 {
				continue
			}
			switch words[0] {
			case "sallyport", "./bin/sallyport", "bin/sallyport":
				commands++
				if err := knownCommand(words[1:]); err != nil {
					t.Errorf("%s: %s: %v", b.place, line, err)
				}
			case "make":
				makes++
				if !targets[words[1]] {
					t.Errorf("%s: %s: the Makefile has no such target", b.place, line)
				}
			}
		}
	}
	if commands < 5 || makes < 3 {
		t.Errorf("only %d commands and %d make targets were found; does the test still read the pages?", commands, makes)
	}
}

// knownCommand checks words against the program itself, without running anything.
func knownCommand(words []string) error {
	root := newRoot()
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if cmd == root {
		return cobra.NoArgs(cmd, rest)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// shellWords splits a line of a page: quotes group, a comment and what is piped or redirected end it.
func shellWords(line string) []string {
	var words []string
	for _, w := range regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`).FindAllString(line, -1) {
		if strings.HasPrefix(w, "#") || w == "|" || w == "&&" || w == ";" || strings.HasPrefix(w, ">") {
			break
		}
		words = append(words, strings.Trim(w, `"'`))
	}
	return words
}

// TestFilesOnPagesLoad: a block that is a whole sallyport.yaml is accepted as it stands.
func TestFilesOnPagesLoad(t *testing.T) {
	n := 0
	for _, b := range blocks(t) {
		if b.tag != "yaml" || !strings.Contains(b.text, "\nlisten: ") && !strings.HasPrefix(b.text, "listen: ") || !strings.Contains(b.text, "\npublic_url: ") {
			continue // an excerpt; those of configuration.md are tested in configs
		}
		n++
		if _, err := configs.Parse("sallyport.yaml", []byte(b.text)); err != nil {
			t.Errorf("%s: the file is refused:\n%v", b.place, err)
		}
	}
	if n < 2 {
		t.Errorf("only %d files were found; does the test still read the pages?", n)
	}
}
