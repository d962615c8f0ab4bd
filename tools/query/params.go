package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Types of PostgreSQL that are treated by number; the numbers are fixed (pg_type.dat).
const (
	oidBool, oidBytea, oidInt8, oidInt2, oidInt4, oidOID        = 16, 17, 20, 21, 23, 26
	oidXML, oidJSON, oidFloat4, oidFloat8, oidNumeric, oidJSONB = 142, 114, 700, 701, 1700, 3802
)

// paramText writes a parameter as text for the type the server inferred. Scalars are sent as they are: the server reads them
// and says so when they do not fit. Objects go to json and jsonb only; arrays to those and to arrays.
func (c *catalog) paramText(p param, typ uint32) ([]byte, error) {
	if p.kind != 'o' && p.kind != 'a' {
		return p.text, nil
	}
	if typ == oidJSON || typ == oidJSONB {
		return p.raw, nil
	}
	t := c.types[typ]
	if p.kind == 'a' && t != nil && t.isArray() {
		var b bytes.Buffer
		if err := writeArray(&b, p.raw, t, 0); err != nil {
			return nil, err
		}
		return b.Bytes(), nil
	}
	kind := map[byte]string{'o': "an object", 'a': "an array"}[p.kind]
	return nil, fmt.Errorf("is %s, and the statement wants %s there", kind, c.typeName(typ))
}

// writeArray writes a JSON array as an array literal of PostgreSQL.
func writeArray(b *bytes.Buffer, raw json.RawMessage, t *pgType, depth int) error {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || depth > 6 {
		return errors.New("is nested too deeply for an array")
	}
	b.WriteByte('{')
	for i, item := range items {
		if i > 0 {
			b.WriteByte(t.delimiter)
		}
		p, err := newParam(item)
		switch {
		case err != nil:
			return err
		case p.kind == 'n':
			b.WriteString("NULL")
		case (p.kind == 'o' || p.kind == 'a') && (t.elem == oidJSON || t.elem == oidJSONB):
			quoteElement(b, p.raw)
		case p.kind == 'a':
			if err := writeArray(b, p.raw, t, depth+1); err != nil {
				return err
			}
		case p.kind == 'o':
			return errors.New("holds an object, and its elements are not JSON")
		default:
			quoteElement(b, p.text)
		}
	}
	b.WriteByte('}')
	return nil
}

var elementQuoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quoteElement(b *bytes.Buffer, text []byte) {
	b.WriteByte('"')
	elementQuoter.WriteString(b, string(text))
	b.WriteByte('"')
}
