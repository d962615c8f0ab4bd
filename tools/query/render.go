package query

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"sallyport/tools"
)

// renderer writes rows as the envelope's data object, each value through the mask on its way:
//
//	{"columns":[{"name":"id","type":"integer"},{"name":"ssn","type":"text","masked":true}],"rows":[[1,"***"]]}
//
// It works on the text the server sends, in one buffer. It belongs to one call.
type renderer struct {
	mask   tools.Mask
	f      *finding
	limits tools.Limits

	buf       []byte
	scratch   []byte
	fields    []field
	rows      int64
	masked    []tools.MaskedColumn
	truncated *tools.Truncated
}

// field is one column of the result.
type field struct {
	name  string
	write writer
	label *labelled
}

// tail is what closes the object; room for it is kept.
const tail = "]}"

func newRenderer(m tools.Mask, f *finding, limits tools.Limits) *renderer {
	return &renderer{mask: m, f: f, limits: limits}
}

// columns writes the head. A column that comes from a labelled one is recognised by its origin, which the server states
// for each column of the result; a statement that selects labelled columns and gets fewer with such an origin is refused.
func (r *renderer) columns(described []pgconn.FieldDescription) error {
	r.buf = append(r.buf, `{"columns":[`...)
	found := 0
	for i, d := range described {
		f := field{name: d.Name, write: r.f.cat.writer(d.DataTypeOID)}
		if l, ok := r.f.cat.labels[d.TableOID][int16(d.TableAttributeNumber)]; ok {
			f.label = &l
			found++
			r.masked = append(r.masked, tools.MaskedColumn{Name: d.Name, Class: l.Class, Method: l.Method, Why: "column label"})
		}
		if i > 0 {
			r.buf = append(r.buf, ',')
		}
		r.buf = append(r.buf, `{"name":`...)
		r.buf = appendString(r.buf, r.text([]byte(d.Name)))
		r.buf = append(r.buf, `,"type":`...)
		r.buf = appendString(r.buf, r.text([]byte(r.f.cat.typeName(d.DataTypeOID))))
		if f.label != nil {
			r.buf = append(r.buf, `,"masked":true`...)
		}
		r.buf = append(r.buf, '}')
		r.fields = append(r.fields, f)
	}
	r.buf = append(r.buf, `],"rows":[`...)
	if found < r.f.masked {
		return &tools.LabelledError{Column: "a labelled column", Class: "labelled", Where: "where the server does not say which column the result comes from"}
	}
	return nil
}

// text passes a short text of the target through the mask; the result is valid until the next call.
func (r *renderer) text(src []byte) []byte {
	r.scratch = r.mask.Text(r.scratch[:0], src)
	return r.scratch
}

// row writes one row; more is false when a limit is reached, and the row is left out.
func (r *renderer) row(values [][]byte) (more bool, err error) {
	if r.rows >= int64(r.limits.Rows) {
		r.truncated = &tools.Truncated{By: "rows", Returned: r.rows, Hint: "there are more rows; narrow with WHERE, aggregate, or page with ORDER BY and LIMIT"}
		return false, nil
	}
	start := len(r.buf)
	if r.rows > 0 {
		r.buf = append(r.buf, ',')
	}
	r.buf = append(r.buf, '[')
	for i, v := range values {
		if i > 0 {
			r.buf = append(r.buf, ',')
		}
		if len(v) > r.limits.ValueBytes {
			return false, &tools.TooLargeError{What: fmt.Sprintf("the value in row %d, column %d", r.rows+1, i+1), Bytes: len(v), Limit: r.limits.ValueBytes}
		}
		r.value(&r.fields[i], v)
	}
	r.buf = append(r.buf, ']')
	if len(r.buf)+len(tail) > r.limits.Bytes {
		r.buf = r.buf[:start]
		r.truncated = &tools.Truncated{By: "bytes", Returned: r.rows, Hint: "the result is larger than allowed; select fewer columns or rows, or aggregate"}
		return false, nil
	}
	r.rows++
	return true, nil
}

func (r *renderer) value(f *field, v []byte) {
	switch {
	case v == nil:
		r.buf = append(r.buf, "null"...)
	case f.label != nil:
		out, ok := r.mask.Labelled(r.scratch[:0], v, f.label.Class, f.label.Method)
		if !ok {
			r.buf = append(r.buf, "null"...)
			return
		}
		r.scratch = out
		r.buf = appendString(r.buf, out)
	default:
		f.write(r, v)
	}
}

// finish closes the object.
func (r *renderer) finish(affected int64, code string) *tools.Rendered {
	if r.buf == nil {
		r.buf = append(r.buf, `{"columns":[],"rows":[`...)
	}
	r.buf = append(r.buf, ']')
	if affected >= 0 {
		r.buf = fmt.Appendf(r.buf, `,"affected":%d`, affected)
	}
	r.buf = append(r.buf, '}')
	return &tools.Rendered{Data: json.RawMessage(r.buf), Rows: r.rows, Affected: affected, Truncated: r.truncated, Columns: r.masked, Code: code}
}

const hexDigits = "0123456789abcdef"

// appendString appends text as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i, b := range text {
		if b >= 0x20 && b != '"' && b != '\\' && b < 0x7f {
			continue
		}
		if b >= 0x80 {
			continue
		}
		dst = append(dst, text[start:i]...)
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		}
		start = i + 1
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// validUTF8 is text, with what is not UTF-8 replaced.
func validUTF8(text []byte) []byte { return bytes.ToValidUTF8(text, []byte("\uFFFD")) }
