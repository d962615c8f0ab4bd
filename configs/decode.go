package configs

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// decoder fills Go values from a YAML tree and reports what does not fit. It knows nothing of the schema but the struct tags.
type decoder struct {
	*report
	dir string // relative paths are joined with it
}

// value decodes n into v. at is where the key stands, for values that are empty.
func (d *decoder) value(n ast.Node, v reflect.Value, f field, path string, at place) {
	if why := refusedNode(n); why != "" {
		d.problemAt(placeOf(n, at), path, "%s", why)
		return
	}
	d.places[path] = at
	if isEmpty(n, f) {
		d.problem(path, "is empty; give it a value or remove the key")
		return
	}
	switch t := v.Type(); {
	case t == reflect.TypeFor[Selector]():
		d.selector(n, v.Addr().Interface().(*Selector), path, at)
	case t == reflect.TypeFor[ClaimValues]():
		d.claimValues(n, v.Addr().Interface().(*ClaimValues), path, at)
	case isScalar(t):
		d.places[path] = placeOf(n, at)
		d.scalar(n, v, f, path)
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.value(n, v.Elem(), f, path, at)
	case t.Kind() == reflect.Struct:
		d.mapping(n, v, path)
	case t.Kind() == reflect.Map:
		d.table(n, v, f, path)
	case t.Kind() == reflect.Slice:
		d.list(n, v, f, path, at)
	default:
		panic("configs: no way to decode " + t.String()) // a field of a kind that no test has covered
	}
}

// isEmpty reports whether there is no value. The word null is one where it is among the words that are accepted.
func isEmpty(n ast.Node, f field) bool {
	null, ok := n.(*ast.NullNode)
	return n == nil || ok && !(slices.Contains(f.enum, "null") && null.Token.Type == token.NullType && null.Token.Value == "null")
}

// mapping decodes the keys of a struct.
func (d *decoder) mapping(n ast.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	entries, ok := d.entries(n, path)
	if !ok {
		if mappingOf(n) == nil {
			d.problem(path, "this has to be a mapping with some of the keys %s", strings.Join(names(fields), ", "))
		}
		return
	}
	given := map[string]bool{}
	for _, e := range entries {
		given[e.key] = true
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == e.key })
		switch {
		case i < 0 && strings.Contains(e.key, ":"): // what follows may be a secret
			name, _, _ := strings.Cut(e.key, ":")
			d.problemAt(e.at, join(path, name), "write a blank after the colon: KEY: VALUE")
		case i < 0:
			d.problemAt(e.at, join(path, e.key), "%s", unknownKey(e.key, names(fields)))
		case fields[i].notYet:
			d.problemAt(e.at, join(path, e.key), "is not supported yet; remove it")
		default:
			d.value(e.value, v.FieldByIndex(fields[i].index), fields[i], join(path, e.key), e.at)
		}
	}
	for _, f := range fields {
		if given[f.name] {
			continue
		}
		if f.required {
			d.missing(path, f.name)
			continue
		}
		d.fallback(v.FieldByIndex(f.index), f, join(path, f.name))
	}
}

// missing reports a key that has to be there, at the place of the mapping that lacks it.
func (d *decoder) missing(path, key string) {
	d.problemAt(d.place(path), join(path, key), "is missing; add the key %s", key)
}

// fallback sets an absent key to its default, and so on for the keys of an absent mapping.
func (d *decoder) fallback(v reflect.Value, f field, path string) {
	if f.def != "" {
		file, err := parser.ParseBytes([]byte(f.def), 0)
		if err != nil {
			panic("configs: default of " + path + ": " + err.Error())
		}
		inner := &decoder{report: newReport(d.file), dir: d.dir}
		inner.value(file.Docs[0].Body, v, f, path, place{1, 1})
		if len(inner.problems) > 0 {
			panic("configs: default of " + inner.problems.Error())
		}
		return
	}
	if v.Kind() != reflect.Struct || isScalar(v.Type()) || v.Type() == reflect.TypeFor[Selector]() {
		return
	}
	for _, sub := range fieldsOf(v.Type()) {
		d.fallback(v.FieldByIndex(sub.index), sub, join(path, sub.name))
	}
}

// table decodes a mapping whose keys the operator chooses.
func (d *decoder) table(n ast.Node, v reflect.Value, f field, path string) {
	entries, ok := d.entries(n, path)
	if !ok {
		if mappingOf(n) == nil {
			d.problem(path, "this has to be a mapping from names of your own")
		}
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range entries {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, item, f.element(), join(path, e.key), e.at)
		if item.Kind() == reflect.Pointer && item.IsNil() {
			continue // reported; nobody has to look out for nil
		}
		v.SetMapIndex(reflect.ValueOf(e.key), item)
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, f field, path string, at place) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.problemAt(placeOf(n, at), path, "this has to be a list; write [a, b]")
		return
	}
	if seq.IsFlowStyle {
		d.places[path] = placeOf(n, at)
	}
	if len(seq.Values) == 0 {
		d.problem(path, "is an empty list; remove the key, or name something")
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, len(seq.Values)))
	seen := map[string]int{}
	for i, item := range seq.Values {
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(item, e, f.element(), itemPath, placeOf(item, d.place(path)))
		if isScalar(e.Type()) && !d.seen[itemPath] {
			text := fmt.Sprint(e.Interface())
			if first, twice := seen[text]; twice {
				d.problem(itemPath, "%q is already at [%d]; remove one", text, first)
			}
			seen[text] = i
		}
		v.Set(reflect.Append(v, e))
	}
}

// selector accepts a list of names or a mapping.
func (d *decoder) selector(n ast.Node, s *Selector, path string, at place) {
	if _, ok := n.(*ast.SequenceNode); ok {
		d.list(n, reflect.ValueOf(&s.Names).Elem(), field{typ: reflect.TypeFor[[]string]()}, path, at)
		return
	}
	if mappingOf(n) == nil {
		d.problemAt(placeOf(n, at), path, "this has to be a list of targets, [orders-db], or what they are, {environment: production}")
		return
	}
	d.mapping(n, reflect.ValueOf(s).Elem(), path)
}

// claimValues accepts one value or a list. A text, a number and true are different values, whatever their letters.
func (d *decoder) claimValues(n ast.Node, values *ClaimValues, path string, at place) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		seq = &ast.SequenceNode{Values: []ast.Node{n}}
	} else if len(seq.Values) == 0 {
		d.problem(path, "is an empty list; name a value")
	}
	for i, item := range seq.Values {
		itemPath := path
		if ok {
			itemPath = fmt.Sprintf("%s[%d]", path, i)
		}
		d.places[itemPath] = placeOf(item, at)
		v, err := claimValue(item)
		switch {
		case err != nil:
			d.problem(itemPath, "%s", err)
		case slices.Contains(*values, v):
			d.problem(itemPath, "%s is there twice; remove one", v)
		default:
			*values = append(*values, v)
		}
	}
}

func claimValue(n ast.Node) (string, error) {
	if why := refusedNode(n); why != "" {
		return "", errors.New(why)
	}
	text, isText, ok := textOf(n)
	if !ok {
		return "", fmt.Errorf("this has to be one value, not %s", kindOf(n))
	}
	switch n := n.(type) {
	case *ast.BoolNode:
		return strconv.FormatBool(n.Value), nil
	case *ast.IntegerNode, *ast.FloatNode:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f >= 1<<53 || f <= -(1<<53) {
			return "", fmt.Errorf("%s cannot be compared exactly; write it in decimal, at most 15 digits", text)
		}
		return strconv.FormatFloat(f+0, 'f', -1, 64), nil
	}
	if !isText {
		return "", fmt.Errorf("%s is neither a text, a number, true nor false", text)
	}
	if strings.Contains(text, "*") {
		return "", errors.New("* is not a pattern here; write the values out")
	}
	b, err := json.Marshal(text)
	return string(b), errors.Join(err, clean(text))
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func names(fields []field) []string {
	var out []string
	for _, f := range fields {
		out = append(out, f.name)
	}
	return out
}

func unknownKey(key string, known []string) string {
	if n := nearest(key, known); n != "" {
		return fmt.Sprintf("unknown key; did you mean %s?", n)
	}
	return "unknown key; known here: " + strings.Join(known, ", ")
}
