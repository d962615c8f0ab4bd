package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// answer is what the operator's Rego says about one call, decoded strictly. The zero answer says nothing.
type answer struct {
	votes     []vote // sorted: the strictest first, then by id
	contrib   []*contribution
	limits    Limits       // 0: not limited here
	approvals *Requirement // nil: none; WithinS 0 and Assurance "" are not stated
}

type vote struct {
	decision Verdict
	id       string
	reason   string
}

// Bounds of an answer: more is not a policy but an accident.
const (
	maxElements = 64
	maxText     = 1000 // bytes
)

var regoID = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]{0,62}$`)

// strictness orders verdicts.
func strictness(v Verdict) int { return slices.Index([]Verdict{Allow, Ask, Deny}, v) }

// readAnswer decodes. places says where each entry is defined.
func readAnswer(value *ast.Term, places map[string]string) (answer, error) {
	var a answer
	r := &reader{}
	top := r.object("answer", value, len(entries))
	for _, entry := range entries {
		if r.err != nil || places[entry] == "" {
			continue
		}
		r.elements(entry, r.field(top, entry), func(t *ast.Term) {
			switch entry {
			case "votes":
				a.vote(r, t)
			case "contrib":
				a.contribution(r, t)
			case "limits":
				a.limit(r, t)
			case "approval":
				a.approval(r, t)
			}
		})
		if r.err != nil {
			return answer{}, fmt.Errorf("%s: %w", places[entry], r.err)
		}
	}
	slices.SortFunc(a.votes, func(x, y vote) int {
		return cmp.Or(cmp.Compare(strictness(y.decision), strictness(x.decision)), cmp.Compare(x.id, y.id))
	})
	return a, r.err
}

func (r *reader) elements(entry string, t *ast.Term, read func(*ast.Term)) {
	if r.err != nil {
		return
	}
	s, ok := t.Value.(ast.Set)
	switch {
	case !ok:
		r.fail("%s is %s, not a set", entry, kindOf(t))
	case s.Len() > maxElements:
		r.fail("%s has %d elements, more than %d", entry, s.Len(), maxElements)
	default:
		for _, e := range s.Slice() {
			read(e)
		}
	}
}

// known refuses fields with other names.
func (r *reader) known(o record, names ...string) {
	if r.err != nil {
		return
	}
	for _, k := range o.fields.Keys() {
		if s, ok := k.Value.(ast.String); !ok || !slices.Contains(names, string(s)) {
			r.fail("%s: unknown field %s; known are %s", o.name, k, strings.Join(names, ", "))
		}
	}
}

func (r *reader) id(o record, taken bool, id string) {
	switch {
	case r.err != nil:
	case !regoID.MatchString(id):
		r.fail("%s: id %q is not lower-case letters, digits and . _ - /, at most 63", o.name, id)
	case taken:
		r.fail("%s: id %q stands there twice with different values", o.name, id)
	}
}

func (r *reader) sentence(o record, key string) string {
	s := r.text(o, key)
	if r.err == nil && (strings.TrimSpace(s) == "" || len(s) > maxText) {
		r.fail("%s: %s is empty or longer than %d bytes", o.name, key, maxText)
	}
	return s
}

// within reads a whole number in bounds.
func (r *reader) within(o record, key string, low, high int) int {
	n := r.number(o, key)
	if r.err == nil && (n < low || n > high) {
		r.fail("%s: %s is %d, not in %d to %d", o.name, key, n, low, high)
	}
	return n
}

func (a *answer) vote(r *reader, t *ast.Term) {
	o := r.object("votes", t, 3)
	r.known(o, "decision", "id", "reason")
	v := vote{Verdict(r.text(o, "decision")), r.text(o, "id"), r.sentence(o, "reason")}
	r.id(o, slices.ContainsFunc(a.votes, func(w vote) bool { return w.id == v.id }), v.id)
	if r.err == nil && strictness(v.decision) < 0 {
		r.fail("votes: decision %q is not one of allow, ask, deny", v.decision)
	}
	a.votes = append(a.votes, v)
}

func (a *answer) contribution(r *reader, t *ast.Term) {
	o := r.object("contrib", t, 3)
	r.known(o, "id", "points", "text")
	id, points, text := r.text(o, "id"), r.within(o, "points", 1, 100), r.sentence(o, "text")
	r.id(o, slices.ContainsFunc(a.contrib, func(c *contribution) bool { return c.ID == "rego:"+id }), id)
	if r.err == nil {
		a.contrib = append(a.contrib, newContribution("rego:"+id, points, text))
	}
}

func (a *answer) limit(r *reader, t *ast.Term) {
	o := r.object("limits", t, 4)
	r.known(o, "rows", "bytes", "time_ms", "affected_rows")
	if r.err == nil && o.fields.Len() == 0 {
		r.fail("limits: an object without a limit")
	}
	read := func(key string) (n int) {
		if r.err == nil && o.fields.Get(keys[key]) != nil {
			n = r.within(o, key, 1, 1<<31-1)
		}
		return n
	}
	a.limits = lowest(a.limits, Limits{read("rows"), read("bytes"), read("time_ms"), read("affected_rows")})
}

func (a *answer) approval(r *reader, t *ast.Term) {
	o := r.object("approval", t, 4)
	r.known(o, "from", "count", "within_s", "assurance")
	q := Requirement{Count: r.within(o, "count", 1, 100)}
	r.each("from", r.field(o, "from"), func(_ int, v *ast.Term) { q.From = append(q.From, r.asText("from[]", v)) })
	if r.err == nil && (len(q.From) == 0 || slices.Contains(q.From, "")) {
		r.fail("approval: from names no group, or an empty one")
	}
	if r.err == nil && o.fields.Get(keys["within_s"]) != nil {
		q.WithinS = r.within(o, "within_s", 1, 7*24*3600)
	}
	if r.err == nil && o.fields.Get(keys["assurance"]) != nil {
		q.Assurance = r.text(o, "assurance")
		if r.err == nil && !slices.Contains(assurances, q.Assurance) {
			r.fail("approval: assurance %q is not one of %s", q.Assurance, strings.Join(assurances, ", "))
		}
	}
	a.approvals = stricter(a.approvals, &q)
}

// assurances from the weakest to the strongest.
var assurances = []string{"chat", "web", "web_fresh"}

// stricter is both: the groups of either, the higher count, the shorter time, the stronger assurance. Neither is changed.
func stricter(a, b *Requirement) *Requirement {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	q := Requirement{From: slices.Clone(a.From), Count: max(a.Count, b.Count), WithinS: lower(a.WithinS, b.WithinS), Assurance: a.Assurance}
	for _, g := range b.From {
		if !slices.Contains(q.From, g) {
			q.From = append(q.From, g)
		}
	}
	if slices.Index(assurances, b.Assurance) > slices.Index(assurances, a.Assurance) {
		q.Assurance = b.Assurance
	}
	return &q
}

// lower is the smaller of two limits, where 0 is none.
func lower(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func lowest(a, b Limits) Limits {
	return Limits{lower(a.Rows, b.Rows), lower(a.Bytes, b.Bytes), lower(a.TimeMS, b.TimeMS), lower(a.AffectedRows, b.AffectedRows)}
}

// appendKey writes down all of a behind the key of its call: a remembered decision is found by both.
func (a *answer) appendKey(dst []byte) []byte {
	if len(dst) == 0 {
		return nil
	}
	k := key(dst)
	k.number(int64(len(a.votes)))
	for _, v := range a.votes {
		k.texts(string(v.decision), v.id, v.reason)
	}
	k.number(int64(len(a.contrib)))
	for _, c := range a.contrib {
		k.texts(c.ID, c.Text)
		k.number(int64(c.Points))
	}
	for _, n := range [...]int{a.limits.Rows, a.limits.Bytes, a.limits.TimeMS, a.limits.AffectedRows} {
		k.number(int64(n))
	}
	k.flags(a.approvals != nil)
	if q := a.approvals; q != nil {
		k.list(q.From)
		k.number(int64(q.Count))
		k.number(int64(q.WithinS))
		k.texts(q.Assurance)
	}
	if len(k) > maxKey {
		return nil
	}
	return k
}
