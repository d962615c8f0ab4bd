package configs

import (
	"reflect"
	"slices"
	"strings"
)

// field is one key of a mapping, as the struct tags describe it.
type field struct {
	name     string
	index    []int // for reflect.Value.FieldByIndex
	typ      reflect.Type
	doc      string // Go name of the struct and the field, to find the comment: "Issuer.URL"
	def      string // YAML of the default; "" is none
	enum     []string
	later    []string // words or forms that are known and not supported yet
	min, max string
	required bool
	path     bool
	notYet   bool // the whole key
}

// fieldsOf lists the keys of a struct type in their order; an inlined struct's are among them.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		name := sf.Tag.Get("yaml")
		switch {
		case name == ",inline":
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				out = append(out, f)
			}
			continue
		case name == "" || name == "-":
			continue
		}
		check := strings.Split(sf.Tag.Get("check"), ",")
		out = append(out, field{
			name: name, index: []int{i}, typ: sf.Type, doc: t.Name() + "." + sf.Name, def: sf.Tag.Get("default"),
			enum: strings.Fields(sf.Tag.Get("enum")), later: strings.Fields(sf.Tag.Get("later")), min: sf.Tag.Get("min"), max: sf.Tag.Get("max"),
			required: slices.Contains(check, "required"), path: slices.Contains(check, "path"), notYet: slices.Contains(check, "later"),
		})
	}
	return out
}

// element is the field that describes an item of a list or the value of a map.
func (f field) element() field {
	f.typ, f.def = f.typ.Elem(), ""
	return f
}
