package configs

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// scalar is a type that reads its own text. Its errors say what is wrong and the way out.
type scalar interface{ parse(text string) error }

func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[scalar]()) || t == reflect.TypeFor[netip.Prefix]() {
		return true
	}
	return t.Kind() == reflect.String || t.Kind() == reflect.Int || t.Kind() == reflect.Bool
}

// scalar decodes one word, number or switch.
func (d *decoder) scalar(n ast.Node, v reflect.Value, f field, path string) {
	if len(f.later) > 0 && mappingOf(n) != nil { // a form to come
		d.problem(path, "the form {%s: ...} is not supported yet; write one value", strings.Join(f.later, ", "))
		return
	}
	if err := setScalar(n, v, f); err != nil {
		d.problem(path, "%s", err)
		return
	}
	if f.path && v.Kind() == reflect.String {
		if strings.HasPrefix(v.String(), "~") {
			d.problem(path, "~ means nothing here; write the whole path")
		}
		if !filepath.IsAbs(v.String()) {
			v.SetString(filepath.Join(d.dir, v.String()))
		}
	}
}

func setScalar(n ast.Node, v reflect.Value, f field) error {
	_, isSecret := v.Addr().Interface().(*Secret)
	text, isText, ok := textOf(n)
	switch {
	case !ok && isSecret:
		return errLiteral
	case !ok:
		return fmt.Errorf("this has to be one value, not %s", kindOf(n))
	}
	if isText {
		if err := clean(text); err != nil {
			return err
		}
	}
	if s, ok := v.Addr().Interface().(scalar); ok {
		if err := s.parse(text); err != nil {
			return err
		}
		return within(v, f, text)
	}
	if len(f.enum) > 0 {
		switch {
		case slices.Contains(f.later, text):
			return fmt.Errorf("%q is not supported yet; write %s", text, strings.Join(f.enum, " or "))
		case !slices.Contains(f.enum, text):
			return fmt.Errorf("%q is not one of %s", text, strings.Join(f.enum, ", "))
		}
	}
	switch p := v.Addr().Interface().(type) {
	case *slog.Level:
		return p.UnmarshalText([]byte(text))
	case *netip.Prefix:
		return parsePrefix(p, text)
	}
	switch v.Kind() {
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b.Value)
	case reflect.Int:
		i, err := strconv.Atoi(text)
		if _, ok := n.(*ast.IntegerNode); !ok || err != nil || i > math.MaxInt32 {
			return fmt.Errorf("%q is not a whole number; write digits without quotes", text)
		}
		v.SetInt(int64(i))
		return within(v, f, text)
	default:
		if !isText && len(f.enum) == 0 {
			return fmt.Errorf("%s is not a text to YAML; write %q with its quotes", text, text)
		}
		v.SetString(text)
	}
	return nil
}

// within holds a number, size or span against the bounds of its field.
func within(v reflect.Value, f field, text string) error {
	bound := func(s string) int64 {
		b := reflect.New(v.Type())
		if p, ok := b.Interface().(scalar); ok {
			if err := p.parse(s); err != nil {
				panic("configs: bound of " + f.doc + ": " + err.Error())
			}
			return b.Elem().Int()
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			panic("configs: bound of " + f.doc + ": " + err.Error())
		}
		return n
	}
	switch {
	case f.min != "" && v.Int() < bound(f.min) && f.max != "":
		return fmt.Errorf("%s is too small; write %s to %s", text, f.min, f.max)
	case f.min != "" && v.Int() < bound(f.min):
		return fmt.Errorf("%s is too small; write at least %s", text, f.min)
	case f.max != "" && v.Int() > bound(f.max):
		return fmt.Errorf("%s is too large; write at most %s", text, f.max)
	}
	return nil
}

// parsePrefix reads a network, or one address as the network of itself.
func parsePrefix(p *netip.Prefix, text string) error {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		*p = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	n, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a network; write 10.0.0.0/8 or one address", text)
	case n.Masked() != n:
		return fmt.Errorf("%s has bits beyond its length; write %s or %s", text, n.Masked(), netip.PrefixFrom(n.Addr(), n.Addr().BitLen()))
	}
	*p = n
	return nil
}

// clean refuses texts that look different from what they are. The error does not hold the text: it may be a secret.
func clean(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("is empty; give it a value or remove the key")
	case strings.TrimSpace(text) != text:
		return errors.New("begins or ends with blanks or a line break; remove them")
	case strings.ContainsFunc(text, unreadable):
		return errors.New("holds a control or invisible character; remove it")
	}
	return nil
}

func unreadable(r rune) bool {
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar || r == '\u2028' || r == '\u2029'
}
