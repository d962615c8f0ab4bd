package policy

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

func jsonNumber(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

// decode reads what Rego answered, strictly: every field present, none more, each of its type. The revision is not among them.
func decode(value *ast.Term) (Decision, error) {
	r := &reader{}
	o := r.object("decision", value, 7)
	d := Decision{
		Verdict: Verdict(r.text(o, "verdict")), Score: r.number(o, "score"), Scope: r.text(o, "scope"), Rule: r.text(o, "rule"),
	}
	r.each("reasons", r.field(o, "reasons"), func(n int, v *ast.Term) {
		if d.Reasons == nil {
			d.Reasons = make([]Reason, 0, n)
		}
		c := r.object("reasons[]", v, 3)
		d.Reasons = append(d.Reasons, Reason{r.text(c, "id"), r.number(c, "points"), r.text(c, "text")})
	})
	if approval := r.field(o, "approval"); approval != nil && ast.InternedNullTerm.Value.Compare(approval.Value) != 0 {
		a := r.object("approval", approval, 4)
		d.Approval = &Requirement{Count: r.number(a, "count"), WithinS: r.number(a, "within_s"), Assurance: r.text(a, "assurance")}
		r.each("from", r.field(a, "from"), func(_ int, v *ast.Term) { d.Approval.From = append(d.Approval.From, r.asText("from[]", v)) })
	}
	l := r.object("limits", r.field(o, "limits"), 4)
	d.Limits = Limits{r.number(l, "rows"), r.number(l, "bytes"), r.number(l, "time_ms"), r.number(l, "affected_rows")}
	return d, r.err
}

// reader keeps the first problem; after it everything reads as zero.
type reader struct{ err error }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// record is an object of the decision, with its name for messages.
type record struct {
	name   string
	fields ast.Object // nil after a problem
}

// object wants as many fields as will be read; field says which of them is missing.
func (r *reader) object(name string, t *ast.Term, fields int) record {
	if r.err != nil {
		return record{name: name}
	}
	var o ast.Object
	if t != nil {
		o, _ = t.Value.(ast.Object)
	}
	switch {
	case o == nil:
		r.fail("%s is %s, not an object", name, kindOf(t))
	case o.Len() > fields:
		r.fail("%s has fields nobody knows", name)
	}
	return record{name, o}
}

func (r *reader) field(o record, key string) *ast.Term {
	if r.err != nil || o.fields == nil {
		return nil
	}
	v := o.fields.Get(keys[key])
	if v == nil {
		r.fail("%s has no %s", o.name, key)
	}
	return v
}

func (r *reader) each(name string, t *ast.Term, read func(n int, v *ast.Term)) {
	if r.err != nil {
		return
	}
	l, ok := t.Value.(*ast.Array)
	if !ok {
		r.fail("%s is %s, not a list", name, kindOf(t))
		return
	}
	for i := range l.Len() {
		read(l.Len(), l.Elem(i))
	}
}

func (r *reader) text(o record, key string) string { return r.asText(key, r.field(o, key)) }

func (r *reader) asText(name string, t *ast.Term) string {
	if r.err != nil {
		return ""
	}
	s, ok := t.Value.(ast.String)
	if !ok {
		r.fail("%s is %s, not a string", name, kindOf(t))
	}
	return string(s)
}

// number accepts whole numbers only: a score of 39.5 is neither below nor from 40 on for everybody.
func (r *reader) number(o record, key string) int {
	t := r.field(o, key)
	if r.err != nil {
		return 0
	}
	n, ok := t.Value.(ast.Number)
	if !ok {
		r.fail("%s is %s, not a number", key, kindOf(t))
		return 0
	}
	i, err := strconv.Atoi(string(n))
	if err != nil {
		r.fail("%s is %s, not a whole number", key, n)
	}
	return i
}

func kindOf(t *ast.Term) string {
	if t == nil {
		return "nothing"
	}
	return ast.ValueName(t.Value)
}
