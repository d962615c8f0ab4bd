package policy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxModules bounds the operator's Rego as a whole, in bytes of text.
const maxModules = 4 << 20

// ReadModules reads files of Rego, and folders with everything that ends in .rego below them. Names that begin with a dot are passed over.
// A folder without any is an error, as are files that everybody on the machine may write. Paths below the working directory are
// named relative to it.
func ReadModules(paths []string) ([]Module, error) {
	var out []Module
	left := int64(maxModules)
	add := func(path string) error {
		text, err := readModule(path, &left)
		if err == nil {
			out = append(out, Module{relative(path), text})
		}
		return err
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, err
		case !info.IsDir():
			if !strings.HasSuffix(path, ".rego") {
				return nil, fmt.Errorf("%s is neither a folder nor a file that ends in .rego", relative(path))
			}
			if err := add(path); err != nil {
				return nil, err
			}
			continue
		}
		before := len(out)
		if err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case p != path && strings.HasPrefix(d.Name(), ".") && d.IsDir():
				return filepath.SkipDir
			case d.IsDir() || strings.HasPrefix(d.Name(), ".") || !strings.HasSuffix(p, ".rego"):
				return nil
			}
			return add(p)
		}); err != nil {
			return nil, err
		}
		if len(out) == before {
			return nil, fmt.Errorf("%s: no file below it ends in .rego", relative(path))
		}
	}
	return out, nil
}

func readModule(path string, left *int64) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a plain file", relative(path))
	case info.Mode().Perm()&0o002 != 0:
		return "", fmt.Errorf("everybody may write %s, so anybody may have; run chmod o-w on it", relative(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, *left+1))
	if err != nil {
		return "", err
	}
	if *left -= int64(len(b)); *left < 0 {
		return "", errors.New("the modules are larger than 4 MiB together")
	}
	return string(b), nil
}

// relative is path as people would type it here.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
