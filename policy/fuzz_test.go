package policy

import (
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// FuzzDecide decides random calls under random scopes. Whatever they are: no call runs that was not understood, that touches
// credentials without people, whose effect is outside the covering scope, or that touches an object outside of it. The
// conditions are written down here once more, the slow and obvious way.
func FuzzDecide(f *testing.F) {
	for seed := range int64(40) {
		f.Add(seed, "public.orders", []string{"read", "read", "write", "define", "admin", "unknown"}[seed%6], "email", "select")
	}
	f.Add(int64(1), `app."a.b"`, "unknown", "credential", "delete")
	f.Add(int64(2), "a.b.c.d.e", "write", "Credential", "")
	f.Add(int64(3), "*", "admin", "\x00", "drop_table")
	f.Fuzz(func(t *testing.T, seed int64, name, effect, label, kind string) {
		r := rand.New(rand.NewSource(seed))
		scopes := randomScopes(r)
		in := randomCall(r, name, effect, label, kind)
		e := newTestEngine(t, scopes...)
		d := decide(t, e, in)
		sound(t, d)
		if again := decide(t, e, in); again.Verdict != d.Verdict || again.Score != d.Score || again.Rule != d.Rule {
			t.Errorf("decided differently the second time: %+v, %+v", d, again)
		}
		if d.Verdict != Allow {
			return
		}
		i := slices.IndexFunc(scopes, func(s Scope) bool { return s.Name == d.Scope })
		if i < 0 {
			t.Fatalf("allowed by no scope: %+v", d)
		}
		s := scopes[i]
		agreed := s.Approval != nil && in.Approval != nil && in.Approval.State == "approved" && in.Approval.Votes >= s.Approval.Count
		clear := in.Plan.Understood && len(in.Plan.Unknown) == 0 && slices.Contains(effects, in.Plan.Effect)
		if !clear && !(agreed && s.NotUnderstoodAsk) {
			t.Errorf("not understood and allowed: %+v", in)
		}
		if slices.Contains(effects, in.Plan.Effect) && !slices.Contains(s.Allow, in.Plan.Effect) {
			t.Errorf("effect %s allowed by %v", in.Plan.Effect, s.Allow)
		}
		if d.Score >= s.Risk.Ask && !agreed || d.Score >= s.Risk.Deny {
			t.Errorf("score %d allowed by %+v", d.Score, s.Risk)
		}
		for _, o := range in.Plan.Objects {
			if slices.ContainsFunc(o.Labels, func(l string) bool { return strings.EqualFold(l, "credential") }) && !agreed {
				t.Error("credentials without people")
			}
			matches := func(p string) bool { return obviouslyMatches(p, o.Name) }
			if len(s.ObjectsAllow) > 0 && !slices.ContainsFunc(s.ObjectsAllow, matches) || slices.ContainsFunc(s.ObjectsDeny, matches) {
				t.Errorf("object %q allowed by %v, %v", o.Name, s.ObjectsAllow, s.ObjectsDeny)
			}
		}
	})
}

// obviouslyMatches is the meaning of a pattern for a name without quotes.
func obviouslyMatches(pattern, name string) bool {
	if strings.Contains(name, `"`) {
		name = strings.ReplaceAll(name, `"`, "")
	}
	p, n := strings.Split(pattern, "."), strings.Split(name, ".")
	if pattern == "*" {
		return true
	}
	return slices.EqualFunc(p, n, func(p, n string) bool { return p == "*" || p == n })
}

func randomScopes(r *rand.Rand) []Scope {
	pick := func(from ...string) (out []string) {
		for _, s := range from {
			if r.Intn(3) == 0 {
				out = append(out, s)
			}
		}
		return out
	}
	var scopes []Scope
	for _, name := range []string{"a", "b", "c"}[:1+r.Intn(3)] {
		s := scoped(name, asking(r.Intn(60), 60+r.Intn(42)), needing(1+r.Intn(3)))
		s.Allow = append(pick(effects...), effects[r.Intn(4)])
		s.ObjectsAllow = pick("public.orders", "app.*", "*", "*.secrets")
		s.ObjectsDeny = pick("app.secrets", "public.x")
		s.NotUnderstoodAsk = r.Intn(2) == 0
		if r.Intn(3) == 0 {
			s.Approval = nil
		}
		if r.Intn(4) == 0 {
			s.Deny = []DenyRule{{Effects: pick(effects...), Objects: pick("app.*", "public.y")}}
		}
		scopes = append(scopes, s)
	}
	return scopes
}

func randomCall(r *rand.Rand, name, effect, label, kind string) Input {
	one := func(from ...string) string { return from[r.Intn(len(from))] }
	in := call()
	in.Plan.Effect, in.Plan.Kinds = effect, []string{kind, one("select", "update", "delete", "insert")}
	in.Plan.Understood = r.Intn(4) > 0
	in.Plan.Bounded, in.Plan.Reversible = r.Intn(2) == 0, r.Intn(2) == 0
	if r.Intn(5) == 0 {
		in.Plan.Unknown = []string{kind}
	}
	if r.Intn(2) == 0 {
		in.Plan.Rows = &Rows{Exact: r.Int63() >> r.Intn(63), Table: r.Int63() >> r.Intn(63)}
	}
	if r.Intn(2) == 0 {
		in.Approval = &Approval{State: one("approved", "pending"), Votes: r.Intn(4)}
	}
	in.Target.Environment = one("production", "development", "staging", "", kind)
	in.Plan.Objects = nil
	for range r.Intn(4) {
		in.Plan.Objects = append(in.Plan.Objects, Object{Type: "table", Name: one(name, "public.orders", "app.secrets", "app.t", "public.x"),
			Access: one("read", "write", effect), Labels: []string{one(label, "email", "public", "credential")}})
	}
	return in
}
