package configs

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
)

// Secret is a reference to a secret: the file says where it is, never what it is. In YAML it is one of
//
//	env:NAME                        an environment variable of the gateway
//	file:/run/secrets/orders        a file, by absolute path
//	exec:/usr/bin/op read op://x/y  a program and its arguments, separated by blanks; no shell
//	exec:["/usr/bin/op", "read"]    the same with arguments that hold blanks (a JSON array)
//	vault:kv/orders/db#password     a key of a secret in Vault or OpenBao, see vault
//
// Everything else is refused as a literal secret. The zero value refers to nothing.
//
// Formatting a Secret or a [Value] in any way (fmt, JSON, log/slog) prints [redacted]: arguments of a program can be secret too.
// Both keep what they hold behind a pointer, because fmt goes around every method for %p and for unexported fields of others,
// and prints an address then.
type Secret struct{ *reference }

type reference struct {
	kind string   // env, file, exec, vault
	arg  string   // the name or the path
	key  string   // of vault
	argv []string // of exec
}

const redacted = "[redacted]"

var errLiteral = errors.New("a secret written out in this file is refused; " +
	"put it into a file or a variable of the gateway and write file:/path or env:NAME here")

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// What names in Vault are made of, here: letters, digits and what does not mean anything in a URL.
var (
	vaultPath = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$`)
	vaultKey  = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// parse reads a reference. Its errors never hold the text: it may be the secret.
func (s *Secret) parse(text string) error {
	kind, arg, _ := strings.Cut(text, ":")
	switch kind {
	case "env":
		if !envName.MatchString(arg) {
			return errors.New("what follows env: is not the name of a variable; write env:NAME")
		}
		s.reference = &reference{kind: kind, arg: arg}
	case "file":
		if !filepath.IsAbs(arg) {
			return errors.New("what follows file: is not an absolute path; write file:/run/secrets/NAME")
		}
		s.reference = &reference{kind: kind, arg: filepath.Clean(arg)}
	case "exec":
		argv, err := splitArgv(arg)
		if err != nil {
			return err
		}
		s.reference = &reference{kind: kind, arg: argv[0], argv: argv}
	case "vault":
		path, key, _ := strings.Cut(arg, "#")
		if !vaultPath.MatchString(path) || strings.Contains("/"+path+"/", "/../") || strings.Contains("/"+path+"/", "/./") || !vaultKey.MatchString(key) {
			return errors.New("what follows vault: is not a path with its mount and a key; write vault:kv/orders/db#password")
		}
		s.reference = &reference{kind: kind, arg: path, key: key}
	default:
		return errLiteral
	}
	return nil
}

func splitArgv(arg string) ([]string, error) {
	var argv []string
	if strings.HasPrefix(arg, "[") {
		if err := json.Unmarshal([]byte(arg), &argv); err != nil {
			return nil, errors.New(`what follows exec: is not a JSON array of strings; write exec:["/usr/bin/op", "read"]`)
		}
	} else if strings.ContainsAny(arg, "'\"`$;|&<>\\") {
		return nil, errors.New(`exec: has no shell, so quotes and operators mean nothing; write exec:["/path", "argument"]`)
	} else {
		argv = strings.Fields(arg)
	}
	if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
		return nil, errors.New("what follows exec: is not the absolute path of a program; write exec:/usr/bin/op read op://vault/item")
	}
	for _, a := range argv {
		if strings.ContainsRune(a, 0) {
			return nil, errors.New("an argument of exec: holds a zero byte; remove it")
		}
	}
	return argv, nil
}

// IsZero reports whether s refers to nothing.
func (s Secret) IsZero() bool { return s.reference == nil }

// Reference names the place for error messages: env:NAME, file:/path, vault:path#key, or exec: and the program without its arguments.
func (s Secret) Reference() string {
	if s.IsZero() {
		return ""
	}
	if s.kind == "vault" {
		return "vault:" + s.arg + "#" + s.key
	}
	return s.kind + ":" + s.arg
}

// Vault is where in Vault the secret is: a path with its mount, and a key. ok is false for every other kind.
func (s Secret) Vault() (path, key string, ok bool) {
	if s.IsZero() || s.kind != "vault" {
		return "", "", false
	}
	return s.arg, s.key, true
}

func (s Secret) String() string { return redactedUnless(s.IsZero()) }

// Format implements [fmt.Formatter], so that no verb prints the fields.
func (s Secret) Format(st fmt.State, _ rune) { st.Write([]byte(s.String())) }

// MarshalText implements [encoding.TextMarshaler], for JSON and log/slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Value is a secret that was read. The zero value is no secret.
type Value struct{ v *string }

// Reveal returns the secret itself. Every call of it is a place to review.
func (v Value) Reveal() string {
	if v.v == nil {
		return ""
	}
	return *v.v
}

func (v Value) String() string { return redactedUnless(v.v == nil) }

// Format implements [fmt.Formatter], so that no verb prints the secret.
func (v Value) Format(st fmt.State, _ rune) { st.Write([]byte(v.String())) }

// MarshalText implements [encoding.TextMarshaler], for JSON and log/slog.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// LogValue implements [slog.LogValuer].
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

func redactedUnless(nothing bool) string {
	if nothing {
		return ""
	}
	return redacted
}
