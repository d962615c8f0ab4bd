package policy

import (
	"context"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// uncached is newTestEngine without a memory.
func uncached(t testing.TB, scopes ...Scope) *Engine {
	t.Helper()
	e := newTestEngine(t, scopes...)
	e.cache = nil
	return e
}

// What is remembered is what would be decided again, whatever the calls before it were.
func TestCachedIsUncached(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 40 {
		scopes := randomScopes(r)
		e, fresh := newTestEngine(t, scopes...), uncached(t, scopes...)
		var calls []Input
		for range 30 {
			in := randomCall(r, "public.orders", []string{"read", "write", "define", "unknown"}[r.Intn(4)], "email", "select")
			calls = append(calls, in)
		}
		for i := range 90 {
			in := calls[r.Intn(len(calls))]
			in.Call.ID, in.Call.Time = fmt.Sprintf("call-%d", i), in.Call.Time.Add(time.Duration(i)*time.Hour)
			if diff := cmp.Diff(decide(t, fresh, in), decide(t, e, in)); diff != "" {
				t.Fatalf("%+v:\n%s", in, diff)
			}
		}
	}
}

// An approval is neither answered from memory nor remembered.
func TestApprovalIsNeverCached(t *testing.T) {
	e := newTestEngine(t, onCall())
	asked, agreed := call(update, rows(1, 1000)), call(update, rows(1, 1000), approved(1))
	for range 3 {
		if d := decide(t, e, asked); d.Verdict != Ask {
			t.Errorf("without an approval: %s", d.Verdict)
		}
		if d := decide(t, e, agreed); d.Verdict != Allow || d.Rule != "approved" {
			t.Errorf("with an approval: %+v", d)
		}
	}
	if n := e.cache.used.Len(); n != 1 {
		t.Errorf("%d decisions remembered, want the one without an approval", n)
	}
	for _, a := range []*Approval{{}, {State: "pending"}, {State: "approved"}} {
		if in := call(func(in *Input) { in.Approval = a }); len(appendKey(nil, &in)) != 0 {
			t.Errorf("%+v has a key", a)
		}
	}
}

// TestKeyHoldsTheWholeInput changes every field of Input, one by one: each has to change the key, but for those the modules of an engine
// that remembers do not see. A field added to Input fails here until it is in the key.
func TestKeyHoldsTheWholeInput(t *testing.T) {
	whole := func() Input {
		return call(rows(1, 9), labelled("email"), targetLabels("eu"), func(in *Input) {
			in.Plan.Unknown, in.Plan.Functions, in.Plan.Objects[0].Columns = []string{"u"}, []string{"f"}, []string{"c"}
		})
	}
	base := whole()
	want := string(appendKey(nil, &base))
	var fields []string
	for i := 0; ; i++ {
		in := whole()
		n := i
		path, ok := changeLeaf(reflect.ValueOf(&in).Elem(), "", &n)
		if !ok {
			break
		}
		fields = append(fields, path)
		hidden := path == ".Call.ID" || path == ".Call.Time"
		if same := string(appendKey(nil, &in)) == want; same != hidden && path != ".Approval" {
			t.Errorf("%s changes the key: %v", path, !same)
		}
	}
	if len(fields) < 26 {
		t.Errorf("only %d fields: %v", len(fields), fields)
	}
}

// changeLeaf changes the n-th value in v that has no values in it. Lists count as one more, to be made longer.
func changeLeaf(v reflect.Value, path string, n *int) (string, bool) {
	here := func(change func()) (string, bool) {
		if *n--; *n >= 0 {
			return "", false
		}
		change()
		return path, true
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		return here(func() { v.Set(reflect.ValueOf(v.Interface().(time.Time).Add(time.Second))) })
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if p, ok := changeLeaf(v.Field(i), path+"."+v.Type().Field(i).Name, n); ok {
				return p, true
			}
		}
	case v.Type() == reflect.TypeFor[Claims]():
		return here(func() { v.Set(reflect.ValueOf(Claims{"x": []byte("1")})) })
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			if p, ok := changeLeaf(v.Index(i), path+"[]", n); ok {
				return p, true
			}
		}
		return here(func() { v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem()))) })
	case v.Kind() == reflect.Pointer && v.IsNil():
		return here(func() { v.Set(reflect.New(v.Type().Elem())) })
	case v.Kind() == reflect.Pointer:
		if p, ok := changeLeaf(v.Elem(), path, n); ok {
			return p, true
		}
		return here(func() { v.SetZero() })
	case v.Kind() == reflect.String:
		return here(func() { v.SetString(v.String() + "x") })
	case v.Kind() == reflect.Bool:
		return here(func() { v.SetBool(!v.Bool()) })
	case v.CanInt():
		return here(func() { v.SetInt(v.Int() + 1) })
	default:
		panic(path)
	}
	return "", false
}

// Text moved from one field to the next is another input.
func TestKeysDoNotRunTogether(t *testing.T) {
	keys := map[string]int{}
	for i, change := range []func(*Input){
		func(in *Input) { in.Principal.Groups = []string{"ab"} },
		func(in *Input) { in.Principal.Groups = []string{"a", "b"} },
		func(in *Input) { in.Principal.Groups = []string{"a", "b", ""} },
		func(in *Input) { in.Principal.Groups = []string{"a"}; in.Target.Labels = []string{"b"} },
		func(in *Input) { in.Principal.Subject, in.Principal.Agent = "annb", "ot" },
		func(in *Input) { in.Principal.Subject, in.Principal.Agent = "ann", "bot" },
		func(in *Input) { in.Plan.Objects = append(in.Plan.Objects, Object{}) },
		func(in *Input) { in.Plan.Objects[0].Labels = []string{"x"} },
		func(in *Input) { in.Plan.Objects[0].Columns = []string{"x"} },
	} {
		in := call(change)
		k := string(appendKey(nil, &in))
		if j, ok := keys[k]; ok {
			t.Errorf("inputs %d and %d have one key", j, i)
		}
		keys[k] = i
	}
}

// Modules of an engine that remembers see nothing that is not in the key, and nothing is remembered of others.
func TestOnlyBlindModulesAreCached(t *testing.T) {
	e := newTestEngine(t, onCall())
	in := call()
	later := call(func(in *Input) {
		in.Call = Call{ID: "other", Tool: in.Call.Tool, Time: in.Call.Time.Add(time.Hour)}
	})
	matching := e.scopes.matching(in.Principal, in.Target.Name)
	a, b := e.facts(&in, matching, nil), e.facts(&later, matching, nil)
	if x, y := inputValue(&a, true), inputValue(&b, true); x.Compare(y) != 0 {
		t.Errorf("%v\n%v", x, y)
	}
	if h := hostile(t, says("allow", "null"), onCall()); h.cache != nil || h.blind {
		t.Error("decisions of modules that see the clock are remembered")
	}
	if u := must(New(context.Background(), Config{Uncached: true})); u.cache != nil {
		t.Error("Uncached remembers")
	}
}

// A caller that changes what he was given changes nothing for the next one.
func TestCachedDecisionIsACopy(t *testing.T) {
	e := newTestEngine(t, onCall())
	want := decide(t, uncached(t, onCall()), call(update))
	for range 3 {
		d := decide(t, e, call(update))
		if diff := cmp.Diff(want, d); diff != "" {
			t.Fatal(diff)
		}
		d.Reasons[0].Text, d.Approval.From[0], d.Approval.Count = "changed", "nobody", 0
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2 * cacheSize {
				k := []byte(fmt.Sprint(i*4 + g))
				c.put(k, Decision{Score: i})
				c.put([]byte("hot"), Decision{Scope: "hot"})
				c.get([]byte("hot"))
			}
		})
	}
	wg.Wait()
	if len(c.byKey) != cacheSize || c.used.Len() != cacheSize {
		t.Errorf("%d keys, %d decisions", len(c.byKey), c.used.Len())
	}
	if d, ok := c.get([]byte("hot")); !ok || d.Scope != "hot" {
		t.Error("what was used last is gone")
	}
	in := call(func(in *Input) { in.Plan.Objects[0].Columns = slices.Repeat([]string{"a_column"}, maxKey/8) })
	if len(appendKey(nil, &in)) != 0 {
		t.Error("a very long key")
	}
}

// An error is not remembered.
func TestErrorIsNotCached(t *testing.T) {
	e := newTestEngine(t, onCall())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	failsClosed(t, e, ctx, call(), "cancel")
	if d := decide(t, e, call()); d.Verdict != Allow {
		t.Errorf("%+v", d)
	}
}
