package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// inputValue is what Rego sees of a call: the JSON of Input, with [] for a nil list, and one key more, "derived", with what Go looked up
// for the base module (see coverage.rego). It is built by hand because encoding to JSON and back costs more than the decision; a test
// holds it against encoding/json.
//
// Modules that are blind see no more than the base module reads: neither who calls nor when, nor the name of the call. What is not there
// cannot have decided, which is what lets a decision be remembered.
func inputValue(c *callFacts, blind bool) ast.Value {
	fields := make([]field, 0, 8)
	fields = append(fields,
		field{"plan", planTerm(&c.in.Plan, blind)}, field{"target", targetTerm(&c.in.Target, blind)},
		field{"approval", approvalTerm(c.in.Approval)}, field{"derived", derivedTerm(c)},
	)
	if !blind {
		fields = append(inputFields(c.in), field{"derived", derivedTerm(c)})
	}
	return object(fields...).Value
}

// inputFields is all of in: what the operator's Rego sees.
func inputFields(in *Input) []field {
	p, call := in.Principal, in.Call
	return []field{
		{"v", ast.InternedTerm(in.Version)},
		{"call", object(field{"id", text(call.ID)}, field{"tool", text(call.Tool)}, field{"time", text(call.Time.Format(time.RFC3339Nano))})},
		{"principal", object(
			field{"issuer", text(p.Issuer)}, field{"subject", text(p.Subject)}, field{"groups", texts(p.Groups)}, field{"agent", text(p.Agent)},
			field{"client", text(p.Client)}, field{"claims", p.Claims.term()},
		)},
		{"target", targetTerm(&in.Target, false)}, {"plan", planTerm(&in.Plan, false)}, {"approval", approvalTerm(in.Approval)},
	}
}

func targetTerm(t *Target, blind bool) *ast.Term {
	if blind && len(t.Labels) == 0 {
		return noLabels
	}
	if blind {
		return object(field{"labels", texts(t.Labels)})
	}
	return object(field{"name", text(t.Name)}, field{"kind", text(t.Kind)}, field{"environment", text(t.Environment)}, field{"labels", texts(t.Labels)})
}

var noLabels = ast.ObjectTerm([2]*ast.Term{ast.StringTerm("labels"), ast.ArrayTerm()}) // read-only

func planTerm(p *Plan, blind bool) *ast.Term {
	objects := make([]*ast.Term, len(p.Objects))
	for i := range p.Objects {
		o := &p.Objects[i]
		fields := [5]field{{"name", text(o.Name)}, {"access", text(o.Access)}, {"labels", texts(o.Labels)}}
		n := 3
		if !blind {
			fields[3], fields[4] = field{"type", text(o.Type)}, field{"columns", texts(o.Columns)}
			n = 5
		}
		objects[i] = object(fields[:n]...)
	}
	fields := [11]field{
		{"understood", ast.InternedTerm(p.Understood)}, {"unknown", texts(p.Unknown)}, {"effect", text(p.Effect)}, {"objects", ast.ArrayTerm(objects...)},
	}
	if blind {
		return object(fields[:4]...)
	}
	rows := ast.InternedNullTerm
	if p.Rows != nil {
		cascade := ast.InternedEmptyArray
		if len(p.Rows.Cascade) > 0 {
			terms := make([]*ast.Term, len(p.Rows.Cascade))
			for i, c := range p.Rows.Cascade {
				terms[i] = object(field{"table", text(c.Table)}, field{"rows", whole(c.Rows)})
			}
			cascade = ast.ArrayTerm(terms...)
		}
		rows = object(field{"exact", whole(p.Rows.Exact)}, field{"table", whole(p.Rows.Table)}, field{"cascade", cascade}, field{"source", text(p.Rows.Source)})
	}
	fields[4], fields[5], fields[6] = field{"kinds", texts(p.Kinds)}, field{"functions", texts(p.Functions)}, field{"bounded", ast.InternedTerm(p.Bounded)}
	fields[7], fields[8] = field{"reversible", ast.InternedTerm(p.Reversible)}, field{"rows", rows}
	fields[9], fields[10] = field{"triggers", ast.InternedTerm(p.Triggers)}, field{"external", texts(p.External)}
	return object(fields[:]...)
}

func approvalTerm(a *Approval) *ast.Term {
	if a == nil {
		return ast.InternedNullTerm
	}
	return object(field{"state", text(a.State)}, field{"votes", ast.InternedTerm(a.Votes)})
}

func derivedTerm(c *callFacts) *ast.Term {
	scopes := make([]*ast.Term, len(c.scopes))
	last, lastTerm := c.risk, riskTerm(&c.risk, c.extra)
	refusal := lastTerm
	var rules, spelled []*ast.Term
	named := false
	for i := range c.scopes {
		s := &c.scopes[i]
		if s.risk != last {
			last, lastTerm = s.risk, riskTerm(&s.risk, c.extra)
		}
		fields := [4]field{{"scope", s.term}, {"objects", ast.InternedTerm(s.covers())}, {"risk", lastTerm}}
		n := 3
		if s.outside != "" {
			fields[3] = field{"outside", text(s.outside)}
			n = 4
		}
		scopes[i] = object(fields[:n]...)
		for _, r := range s.rules {
			rules, named = append(rules, r.term), named || len(r.objects) > 0
		}
	}
	if named {
		for _, f := range c.spelled() {
			spelled = append(spelled, texts(f.deny))
		}
	}
	return object(field{"scopes", ast.ArrayTerm(scopes...)}, field{"rules", ast.ArrayTerm(rules...)}, field{"objects", ast.ArrayTerm(spelled...)}, field{"risk", refusal})
}

func riskTerm(r *risk, extra []*contribution) *ast.Term {
	reasons := make([]*ast.Term, 0, len(r.reasons)+len(extra))
	for _, c := range r.reasons {
		if c != nil {
			reasons = append(reasons, c.term)
		}
	}
	for _, c := range extra {
		reasons = append(reasons, c.term)
	}
	return object(field{"score", ast.InternedTerm(r.score)}, field{"reasons", ast.ArrayTerm(reasons...)})
}

// scopeTerm is one scope without who it is for and where (those are looked up before) and without what its objects are called.
// level is the score from which on its approval is asked for; 0 for that of all.
func scopeTerm(s Scope, level int) *ast.Term {
	approval := ast.InternedNullTerm
	if a := s.Approval; a != nil {
		approval = object(field{"from", texts(a.From)}, field{"count", ast.InternedTerm(a.Count)}, field{"within_s", ast.InternedTerm(a.WithinS)},
			field{"assurance", text(a.Assurance)})
	}
	why := fmt.Sprintf("scope %s asks from a score of %d on", s.Name, s.Risk.Ask)
	if level > 0 {
		why += fmt.Sprintf(", and from %d on %d of %s", level, s.Approval.Count, strings.Join(s.Approval.From, " or "))
	}
	asks := spelledOut(Reason{ID: "score", Text: why})
	return object(
		field{"asks", asks.term}, field{"name", text(s.Name)}, field{"allow", flags(s.Allow)}, field{"not_understood_ask", ast.InternedTerm(s.NotUnderstoodAsk)},
		field{"ask", ast.InternedTerm(s.Risk.Ask)}, field{"deny", ast.InternedTerm(s.Risk.Deny)}, field{"approval", approval},
		field{"limits", object(field{"rows", ast.InternedTerm(s.Limits.Rows)}, field{"bytes", ast.InternedTerm(s.Limits.Bytes)},
			field{"time_ms", ast.InternedTerm(s.Limits.TimeMS)}, field{"affected_rows", ast.InternedTerm(s.Limits.AffectedRows)})},
	)
}

// ruleTerm leaves out the conditions that are not given: an absent condition holds.
func ruleTerm(d DenyRule, objects patterns) *ast.Term {
	fields := []field{{"name", text(d.Name)}, {"reason", text(d.Reason)}}
	if len(d.Effects) > 0 {
		fields = append(fields, field{"effects", texts(d.Effects)})
	}
	if len(objects) > 0 {
		var spellings []string
		for p := range objects {
			spellings = append(spellings, p)
		}
		fields = append(fields, field{"objects", flags(spellings)})
	}
	return object(fields...)
}

type field struct {
	key   string
	value *ast.Term
}

func object(fields ...field) *ast.Term {
	pairs := make([][2]*ast.Term, len(fields))
	for i, f := range fields {
		key, ok := keys[f.key]
		if !ok {
			key = ast.StringTerm(f.key)
		}
		pairs[i] = [2]*ast.Term{key, f.value}
	}
	return ast.ObjectTerm(pairs...)
}

// keys are the terms of the object keys above, made once. Read-only.
var keys = func() map[string]*ast.Term {
	m := map[string]*ast.Term{}
	for _, k := range strings.Fields(`v call id tool time principal issuer subject groups agent client target name kind environment labels plan understood
		unknown effect kinds objects type columns access functions bounded reversible rows exact table cascade source triggers external claims approval state votes
		derived scopes scope rules outside risk score reasons points text allow not_understood_ask ask asks deny limits bytes time_ms affected_rows
		from count within_s assurance verdict rule reason effects votes contrib limits decision`) {
		m[k] = ast.StringTerm(k)
	}
	return m
}()

func text(s string) *ast.Term { return ast.InternedTerm(s) }

func whole(n int64) *ast.Term { return ast.NewTerm(ast.Number(jsonNumber(n))) }

func texts(list []string) *ast.Term {
	if len(list) == 0 {
		return ast.InternedEmptyArray
	}
	terms := make([]*ast.Term, len(list))
	for i, s := range list {
		terms[i] = text(s)
	}
	return ast.ArrayTerm(terms...)
}

// flags is an object with true for each of list: a look-up costs the same however long it is.
func flags(list []string) *ast.Term {
	fields := make([]field, len(list))
	for i, s := range list {
		fields[i] = field{s, ast.InternedTerm(true)}
	}
	return object(fields...)
}
