package policy

import (
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// inputValue is in as Rego sees it: the JSON of Input, with [] for a nil list, and one key more. "derived" holds what Go looked up
// for the base module: the names of the matching scopes, of those with deny rules, and for each object of the plan the patterns that
// would match its name (where a matching scope has patterns; without them nothing covers an object but a scope that has none).
//
// It is built by hand because encoding to JSON and back costs as much as the decision; a test holds it against encoding/json.
func inputValue(in Input, matching []*scope) ast.Value {
	names, ruled, patterns := make([]string, 0, len(matching)), []string(nil), false
	for _, s := range matching {
		names = append(names, s.Name)
		if len(s.rules) > 0 {
			ruled = append(ruled, s.Name)
		}
		patterns = patterns || s.hasPatterns()
	}
	objects, derived := make([]*ast.Term, 0, len(in.Plan.Objects)), make([]*ast.Term, 0, len(in.Plan.Objects))
	for _, o := range in.Plan.Objects {
		objects = append(objects, object(
			field{"type", text(o.Type)}, field{"name", text(o.Name)}, field{"columns", texts(o.Columns)}, field{"access", text(o.Access)},
			field{"labels", texts(o.Labels)},
		))
		if !patterns {
			continue
		}
		derived = append(derived, object(field{"allow", texts(allowForms(o.Name))}, field{"deny", texts(denyForms(o.Name))}))
	}
	return object(
		field{"v", ast.InternedTerm(in.Version)},
		field{"call", object(field{"id", text(in.Call.ID)}, field{"tool", text(in.Call.Tool)}, field{"time", text(in.Call.Time.Format(time.RFC3339Nano))})},
		field{"principal", object(
			field{"issuer", text(in.Principal.Issuer)}, field{"subject", text(in.Principal.Subject)}, field{"groups", texts(in.Principal.Groups)},
			field{"agent", text(in.Principal.Agent)}, field{"client", text(in.Principal.Client)},
		)},
		field{"target", object(
			field{"name", text(in.Target.Name)}, field{"kind", text(in.Target.Kind)}, field{"environment", text(in.Target.Environment)},
			field{"labels", texts(in.Target.Labels)},
		)},
		field{"plan", planTerm(in.Plan, objects)},
		field{"approval", approvalTerm(in.Approval)},
		field{"derived", object(field{"scopes", texts(names)}, field{"ruled", texts(ruled)}, field{"objects", ast.ArrayTerm(derived...)})},
	).Value
}

func planTerm(p Plan, objects []*ast.Term) *ast.Term {
	rows := ast.InternedNullTerm
	if p.Rows != nil {
		rows = object(field{"exact", whole(p.Rows.Exact)}, field{"table", whole(p.Rows.Table)})
	}
	return object(
		field{"understood", ast.InternedTerm(p.Understood)}, field{"unknown", texts(p.Unknown)}, field{"effect", text(p.Effect)},
		field{"kinds", texts(p.Kinds)}, field{"objects", ast.ArrayTerm(objects...)}, field{"functions", texts(p.Functions)},
		field{"bounded", ast.InternedTerm(p.Bounded)}, field{"reversible", ast.InternedTerm(p.Reversible)}, field{"rows", rows},
	)
}

func approvalTerm(a *Approval) *ast.Term {
	if a == nil {
		return ast.InternedNullTerm
	}
	return object(field{"state", text(a.State)}, field{"votes", ast.InternedTerm(a.Votes)})
}

type field struct {
	key   string
	value *ast.Term
}

func object(fields ...field) *ast.Term {
	pairs := make([][2]*ast.Term, 0, len(fields))
	for _, f := range fields {
		key, ok := keys[f.key]
		if !ok {
			key = ast.StringTerm(f.key)
		}
		pairs = append(pairs, [2]*ast.Term{key, f.value})
	}
	return ast.ObjectTerm(pairs...)
}

// keys are the terms of the object keys above, made once. Read-only.
var keys = func() map[string]*ast.Term {
	m := map[string]*ast.Term{}
	for _, k := range strings.Fields(`v call id tool time principal issuer subject groups agent client target name kind environment labels plan understood
		unknown effect kinds objects type columns access functions bounded reversible rows exact table approval state votes
		derived scopes ruled allow deny`) {
		m[k] = ast.StringTerm(k)
	}
	return m
}()

func text(s string) *ast.Term { return ast.InternedTerm(s) }

func whole(n int64) *ast.Term { return ast.NewTerm(ast.Number(jsonNumber(n))) }

func texts(list []string) *ast.Term {
	terms := make([]*ast.Term, 0, len(list))
	for _, s := range list {
		terms = append(terms, text(s))
	}
	return ast.ArrayTerm(terms...)
}
