package policy

import (
	"encoding/json"
	"fmt"
	"strconv"
)

func jsonNumber(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

// decode reads what Rego answered, strictly: every field present, none more, each of its type. The revision is not among them.
func decode(value any) (Decision, error) {
	r := &reader{}
	o := r.object("decision", value, "verdict", "score", "reasons", "scope", "rule", "approval", "limits")
	d := Decision{
		Verdict: Verdict(r.text("verdict", o["verdict"])), Score: r.number("score", o["score"]),
		Scope: r.text("scope", o["scope"]), Rule: r.text("rule", o["rule"]),
	}
	for _, v := range r.list("reasons", o["reasons"]) {
		c := r.object("reasons[]", v, "id", "points", "text")
		d.Reasons = append(d.Reasons, Reason{r.text("id", c["id"]), r.number("points", c["points"]), r.text("text", c["text"])})
	}
	if o["approval"] != nil {
		a := r.object("approval", o["approval"], "from", "count", "within_s", "assurance")
		d.Approval = &Requirement{Count: r.number("count", a["count"]), WithinS: r.number("within_s", a["within_s"]), Assurance: r.text("assurance", a["assurance"])}
		for _, v := range r.list("from", a["from"]) {
			d.Approval.From = append(d.Approval.From, r.text("from[]", v))
		}
	}
	l := r.object("limits", o["limits"], "rows", "bytes", "time_ms", "affected_rows")
	d.Limits = Limits{r.number("rows", l["rows"]), r.number("bytes", l["bytes"]), r.number("time_ms", l["time_ms"]), r.number("affected_rows", l["affected_rows"])}
	return d, r.err
}

// reader keeps the first problem; after it everything reads as zero.
type reader struct{ err error }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) object(name string, v any, keys ...string) map[string]any {
	o, ok := v.(map[string]any)
	if !ok {
		r.fail("%s is %T, not an object", name, v)
		return nil
	}
	for _, k := range keys {
		if _, ok := o[k]; !ok {
			r.fail("%s has no %s", name, k)
		}
	}
	if len(o) > len(keys) {
		r.fail("%s has fields nobody knows", name)
	}
	return o
}

func (r *reader) list(name string, v any) []any {
	l, ok := v.([]any)
	if !ok {
		r.fail("%s is %T, not a list", name, v)
	}
	return l
}

func (r *reader) text(name string, v any) string {
	s, ok := v.(string)
	if !ok {
		r.fail("%s is %T, not a string", name, v)
	}
	return s
}

// number accepts whole numbers only: a score of 39.5 is neither below nor from 40 on for everybody.
func (r *reader) number(name string, v any) int {
	n, ok := v.(json.Number)
	if !ok {
		r.fail("%s is %T, not a number", name, v)
		return 0
	}
	i, err := strconv.Atoi(n.String())
	if err != nil {
		r.fail("%s is %s, not a whole number", name, n)
	}
	return i
}
