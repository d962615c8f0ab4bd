package masking

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const planted = "Tr0ub4dor&3"

func seeds(f *testing.F, add func(string)) {
	for _, class := range slices.Sorted(mapKeys(detections)) {
		for _, c := range detections[class] {
			add(c[0])
		}
	}
	for _, text := range lookalikes {
		add(text)
	}
	for _, name := range slices.Sorted(mapKeys(renderings)) {
		add(renderings[name]("ann@example.com"))
	}
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// A secret planted anywhere does not survive, masking twice changes nothing, and text stays text.
func FuzzText(f *testing.F) {
	seeds(f, func(s string) { f.Add(s, "") })
	seeds(f, func(s string) { f.Add(s, s) })
	m := newEngine(f, planted).For("s")
	f.Fuzz(func(t *testing.T, before, after string) {
		once := m.String(before + planted + after)
		if strings.Contains(once, planted) {
			t.Errorf("the secret survives in %q", once)
		}
		if twice := m.String(once); twice != once {
			t.Errorf("%q became %q when masked again", once, twice)
		}
		if utf8.ValidString(before) && utf8.ValidString(after) && !utf8.ValidString(once) {
			t.Errorf("%q is not UTF-8 any more: %q", before+planted+after, once)
		}
	})
}

// JSON stays JSON of the same shape, without the secret however its strings are escaped; masking twice changes nothing.
func FuzzJSON(f *testing.F) {
	seeds(f, func(s string) {
		quoted, _ := json.Marshal(s)
		f.Add([]byte(s), uint64(1))
		f.Add(append(append([]byte(`{"a":[1,`), quoted...), `],"ssn":123456789}`...), uint64(2))
	})
	m := newEngine(f, planted).For("s")
	f.Fuzz(func(t *testing.T, doc []byte, seed uint64) {
		doc = bytes.ReplaceAll(doc, []byte("SECRET"), escaped(planted, seed))
		once := m.JSON(nil, doc)
		if !json.Valid(once) {
			t.Fatalf("%q became %q, which is not JSON", doc, once)
		}
		if twice := m.JSON(nil, once); !bytes.Equal(twice, once) {
			t.Errorf("%q became %q when masked again", once, twice)
		}
		var before, after any
		if err := json.Unmarshal(once, &after); err != nil {
			return // nested too deep for the decoder
		}
		if holdsSecret(after) {
			t.Errorf("the secret survives in %q", once)
		}
		if json.Unmarshal(doc, &before) == nil && !sameShape(before, after) {
			t.Errorf("%q became %q, of another shape", doc, once)
		}
	})
}

// escaped spells s as the body of a JSON string, some characters as \u.
func escaped(s string, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	var b []byte
	for _, c := range []byte(s) {
		if r.IntN(2) == 0 {
			b = append(b, spellBytes(string(c), `\u00`, "")...)
		} else {
			b = append(b, c)
		}
	}
	return b
}

func holdsSecret(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, planted)
	case []any:
		return slices.ContainsFunc(v, holdsSecret)
	case map[string]any:
		for k, e := range v {
			if strings.Contains(k, planted) || holdsSecret(e) {
				return true
			}
		}
	}
	return false
}

func sameShape(a, b any) bool {
	switch a := a.(type) {
	case string:
		_, ok := b.(string)
		return ok
	case float64:
		_, ok := b.(float64)
		return ok || b == nil
	case []any:
		list, ok := b.([]any)
		if !ok || len(a) != len(list) {
			return false
		}
		for i := range a {
			if !sameShape(a[i], list[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		_, ok := b.(map[string]any)
		return ok // names can be masked, and then be equal
	}
	return a == b
}
