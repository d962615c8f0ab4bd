package configs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Revision identifies what the file says: 32 hexadecimal digits. Comments, order and layout do not change it, nor does the
// content of other files it names.
func (f *File) Revision() string { return f.revision }

// TargetRevision identifies what the file says about one target, references to secrets included: 32 hexadecimal digits, "" for a target that
// does not exist. An approval is stale when it changed.
func (f *File) TargetRevision(name string) string { return f.targets[name] }

// TargetsOf lists the names of the targets that a scope of this file selects, sorted.
func (f *File) TargetsOf(s *Scope) []string { return f.Selected(&s.Targets) }

// Selected lists the names of the targets of this file that s chooses, sorted.
func (f *File) Selected(s *Selector) []string {
	var out []string
	for name, t := range f.Targets {
		if s.selects(name, t) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (s *Selector) selects(name string, t *Target) bool {
	if s.Names != nil {
		return slices.Contains(s.Names, name)
	}
	if s.Environment == "" && len(s.Labels) == 0 {
		return false
	}
	environment := t.Environment
	if environment == "" {
		environment = "production" // so that leaving it out never takes a target out of its rules
	}
	if s.Environment != "" && s.Environment != environment {
		return false
	}
	return !slices.ContainsFunc(s.Labels, func(l string) bool { return !slices.Contains(t.Labels, l) })
}

func (f *File) setRevisions() {
	f.revision = digest(reflect.ValueOf(*f))
	f.targets = map[string]string{}
	for name, t := range f.Targets {
		f.targets[name] = digest(reflect.ValueOf(*t))
	}
}

func digest(v reflect.Value) string {
	b, err := json.Marshal(canonical(v))
	if err != nil {
		panic("configs: " + err.Error()) // strings, lists and maps of them always encode
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// canonical turns a decoded value into strings, lists and maps by key. Secrets are their whole references; the result is only
// hashed.
func canonical(v reflect.Value) any {
	switch {
	case v.Type() == reflect.TypeFor[Secret]():
		s := v.Interface().(Secret)
		if s.IsZero() {
			return nil
		}
		return append([]string{s.kind, s.arg, s.key}, s.argv...)
	case isScalar(v.Type()) || v.Kind() == reflect.Bool:
		return fmt.Sprint(v.Interface())
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return canonical(v.Elem())
	case reflect.Struct:
		m := map[string]any{}
		for _, f := range fieldsOf(v.Type()) {
			m[f.name] = canonical(v.FieldByIndex(f.index))
		}
		if s, ok := v.Interface().(Selector); ok {
			m["names"] = s.Names
		}
		return m
	case reflect.Map:
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[k.String()] = canonical(v.MapIndex(k))
		}
		return m
	default: // a list
		list := []any{}
		for i := range v.Len() {
			list = append(list, canonical(v.Index(i)))
		}
		return list
	}
}
