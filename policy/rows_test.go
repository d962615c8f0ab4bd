package policy

import (
	"math"
	"strings"
	"testing"
)

func TestCountedRowsAreSaid(t *testing.T) {
	written := func(names ...string) func(*Input) {
		return func(in *Input) {
			in.Target.Kind, in.Plan.Effect, in.Plan.Kinds, in.Plan.Bounded, in.Plan.Reversible, in.Plan.Objects = "postgres", "write", []string{"delete"}, true, true, nil
			for _, n := range names {
				in.Plan.Objects = append(in.Plan.Objects, Object{Type: "table", Name: n, Access: "write"})
			}
		}
	}
	ratings, err := readRatings(must(baseModules()).points)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		rows    Rows
		objects []string
		want    string
	}{
		{Rows{Exact: 1300000, Table: 1300000}, []string{"public.orders"}, "changes 1,300,000 of 1,300,000 rows of public.orders: +25"},
		{Rows{Exact: 1}, []string{"public.orders"}, ""},
		{Rows{Exact: 100, Table: 5000}, []string{"public.orders"}, "changes 100 of 5,000 rows of public.orders: +5"},
		{Rows{Exact: 100, Table: 5000, Cascade: []Cascade{{"public.lines", 6500}}}, []string{"public.lines", "public.orders"},
			"changes 100 of 5,000 rows of public.orders and 6,500 of other tables: +10"},
		{Rows{Exact: 5, Table: 5000, Cascade: []Cascade{{"public.lines", math.MaxInt64}}}, []string{"public.lines", "public.orders"},
			"changes 5 of 5,000 rows of public.orders and 9,223,372,036,854,775,802 of other tables: +25"},
		{Rows{Exact: 5, Cascade: []Cascade{{"public.lines", -1}}}, []string{"public.lines", "public.orders"}, "changes 5 rows of public.orders: +25"},
	} {
		in := call(written(tt.objects...), func(in *Input) { in.Plan.Rows = &tt.rows })
		risk := ratings.rate(&in, true, 0)
		got, cascade := "", false
		for _, c := range risk.reasons {
			if c != nil && c.ID == "rows" {
				got = c.Text
			}
			cascade = cascade || c != nil && c.ID == "cascade"
		}
		if got != tt.want || cascade != (len(tt.objects) > 1) {
			t.Errorf("%+v: %q, want %q; cascade %v", tt.rows, got, tt.want, cascade)
		}
		if strings.Contains(got, "-1") {
			t.Error(got)
		}
	}
}
