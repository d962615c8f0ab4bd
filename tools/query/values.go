package query

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"unicode/utf8"
)

// writer appends one value, given as the text PostgreSQL sends for its type, as JSON to the renderer's buffer. A value that
// the mask changes is written as a JSON string, whatever its type was.
//
// Booleans are JSON booleans and numbers JSON numbers, as long as a double holds them exactly: beyond 15 digits (bigint beyond
// 2^53), and for NaN and Infinity, they are strings. json and jsonb are embedded; arrays are JSON arrays; bytea is "\x..." in
// hexadecimal; everything else (dates, uuid, enums, ranges, rows) is the server's text.
type writer func(r *renderer, v []byte)

func (c *catalog) writer(typ uint32) writer {
	switch typ {
	case oidBool:
		return writeBool
	case oidInt2, oidInt4, oidOID, oidInt8, oidFloat4, oidFloat8, oidNumeric:
		return writeNumber
	case oidJSON, oidJSONB:
		return writeJSON
	case oidBytea:
		return writeBytes
	}
	t := c.types[typ]
	switch {
	case t != nil && t.kind == 'd':
		return c.writer(t.base)
	case t != nil && t.isArray() && t.name != "oidvector" && t.name != "int2vector":
		return arrayWriter(c.writer(t.elem), t.delimiter)
	}
	return writeText
}

func writeText(r *renderer, v []byte) {
	r.scratch = r.mask.Text(r.scratch[:0], v)
	r.string(r.scratch)
}

// string appends text as a JSON string.
func (r *renderer) string(text []byte) {
	if !utf8.Valid(text) {
		text = validUTF8(text)
	}
	r.buf = appendString(r.buf, text)
}

func writeBool(r *renderer, v []byte) {
	switch {
	case len(v) == 1 && v[0] == 't':
		r.buf = append(r.buf, "true"...)
	case len(v) == 1 && v[0] == 'f':
		r.buf = append(r.buf, "false"...)
	default:
		writeText(r, v)
	}
}

func writeNumber(r *renderer, v []byte) {
	r.scratch = r.mask.Text(r.scratch[:0], v)
	if bytes.Equal(r.scratch, v) && exactNumber(v) {
		r.buf = append(r.buf, v...)
		return
	}
	r.string(r.scratch)
}

// exactNumber reports whether v is a JSON number that a double holds without loss: at most 15 significant digits, or a whole
// number up to 2^53. Floats are sent in their shortest exact form (17 digits at most), which reads back the same.
func exactNumber(v []byte) bool {
	digits, i, whole := 0, 0, true
	if i < len(v) && v[i] == '-' {
		i++
	}
	if i == len(v) || v[i] < '0' || v[i] > '9' || v[i] == '0' && i+1 < len(v) && v[i+1] >= '0' && v[i+1] <= '9' {
		return false
	}
	for ; i < len(v); i++ {
		switch b := v[i]; {
		case b >= '0' && b <= '9':
			if digits > 0 || b != '0' {
				digits++
			}
		case b == '.' && whole && i+1 < len(v):
			whole = false
		case b == 'e' || b == 'E':
			return floatForm(v)
		default:
			return false
		}
	}
	if digits <= 15 {
		return true
	}
	if whole {
		n, err := strconv.ParseInt(string(v), 10, 64)
		return err == nil && n >= -1<<53 && n <= 1<<53
	}
	return floatForm(v)
}

// floatForm reports whether v is what a double prints as.
func floatForm(v []byte) bool {
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		return false
	}
	for _, format := range []byte{'f', 'e'} {
		if strconv.FormatFloat(f, format, -1, 64) == string(v) {
			return true
		}
	}
	return false
}

func writeJSON(r *renderer, v []byte) { r.buf = r.mask.JSON(r.buf, v) }

// writeBytes shows bytea in hexadecimal. Where the bytes are text, the text is looked at: secrets do not get through in another
// notation.
func writeBytes(r *renderer, v []byte) {
	if raw, err := hex.DecodeString(string(bytes.TrimPrefix(v, []byte(`\x`)))); err == nil {
		r.scratch = r.mask.Text(r.scratch[:0], raw)
		if !bytes.Equal(r.scratch, raw) {
			r.string(r.scratch)
			return
		}
	}
	writeText(r, v)
}

// arrayWriter writes {1,2,NULL} as [1,2,null]. A text that is not an array of this form is written as it is.
func arrayWriter(elem writer, delimiter byte) writer {
	return func(r *renderer, v []byte) {
		body := v
		if len(body) > 0 && body[0] == '[' { // [0:2]={...}: other lower bounds
			if i := bytes.IndexByte(body, '='); i > 0 {
				body = body[i+1:]
			}
		}
		start := len(r.buf)
		a := arrayReader{r: r, in: body, elem: elem, delimiter: delimiter}
		if !a.array(0) || len(a.in) != 0 {
			r.buf = r.buf[:start]
			writeText(r, v)
		}
	}
}

type arrayReader struct {
	r         *renderer
	in        []byte
	elem      writer
	delimiter byte
}

// array reads one level; false when it is not of the form expected.
func (a *arrayReader) array(depth int) bool {
	if len(a.in) == 0 || a.in[0] != '{' || depth > 6 {
		return false
	}
	a.in = a.in[1:]
	a.r.buf = append(a.r.buf, '[')
	for first := true; ; first = false {
		if len(a.in) == 0 {
			return false
		}
		if a.in[0] == '}' && first {
			break
		}
		if !a.item(depth) || len(a.in) == 0 {
			return false
		}
		if a.in[0] == '}' {
			break
		}
		if a.in[0] != a.delimiter {
			return false
		}
		a.in = a.in[1:]
		a.r.buf = append(a.r.buf, ',')
	}
	a.in = a.in[1:]
	a.r.buf = append(a.r.buf, ']')
	return true
}

func (a *arrayReader) item(depth int) bool {
	switch a.in[0] {
	case '{':
		return a.array(depth + 1)
	case '"':
		var text []byte
		for i := 1; i < len(a.in); i++ {
			switch a.in[i] {
			case '\\':
				if i++; i == len(a.in) {
					return false
				}
				text = append(text, a.in[i])
			case '"':
				a.in = a.in[i+1:]
				a.elem(a.r, text)
				return true
			default:
				text = append(text, a.in[i])
			}
		}
		return false
	}
	i := bytes.IndexFunc(a.in, func(c rune) bool { return c == rune(a.delimiter) || c == '}' })
	if i <= 0 {
		return false
	}
	text := a.in[:i]
	a.in = a.in[i:]
	if string(text) == "NULL" {
		a.r.buf = append(a.r.buf, "null"...)
	} else {
		a.elem(a.r, text)
	}
	return true
}
