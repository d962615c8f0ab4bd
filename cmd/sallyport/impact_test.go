package main

import (
	"strings"
	"testing"

	"sallyport/approvals"
)

func TestTheCardShowsTheImpact(t *testing.T) {
	one, paid, evil := "1", "paid", "a\x1b[2Jb\u202e\nc"
	var b strings.Builder
	printImpact(&b, style{}, &approvals.Impact{
		Object: "public.customers", Rows: approvals.Count{N: 100, Is: approvals.Exact}, Of: approvals.Count{N: 5000, Is: approvals.Exact},
		Cascades: []approvals.Cascade{{Object: "public.orders", Action: "delete", Level: 1, Rows: approvals.Count{N: 6500, Is: approvals.Exact}},
			{Object: "public.lines", Action: "set null", Level: 2, Rows: approvals.Count{Is: approvals.Unknown}}},
		Involved: []approvals.Involved{{Kind: "row security", Object: "public.orders"}, {Kind: "publication", Object: "public.customers", Name: "all"}},
		Unstable: []string{"random() is different each time"},
		Sample:   &approvals.Sample{Columns: []string{"id", "status"}, Before: [][]*string{{&one, &evil}}, After: [][]*string{{&one, &paid}}},
	})
	want := `  impact     100 of 5,000 rows of public.customers (2.0%)
  cascades   6,500 rows of public.orders: delete
               an unknown number of rows of public.lines: set null
  involved   row security of public.orders
             publication all of public.customers
  may differ random() is different each time
  sample
       id  status
    -  1   a\u{1b}[2Jb\u{202e}\u{a}c
    +  1   paid
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestCountsInWords(t *testing.T) {
	for _, tt := range []struct {
		rows, of approvals.Count
		want     string
	}{
		{approvals.Count{N: 1300000, Is: approvals.Exact}, approvals.Count{N: 1300000, Is: approvals.Exact}, "1,300,000 of 1,300,000 rows of t (100%)"},
		{approvals.Count{N: 1, Is: approvals.Exact}, approvals.Count{N: 1300000, Is: approvals.Exact}, "1 of 1,300,000 rows of t (less than 0.1%)"},
		{approvals.Count{N: 0, Is: approvals.Exact}, approvals.Count{N: 3, Is: approvals.Estimate}, "0 of about 3 rows of t (0%)"},
		{approvals.Count{N: 7, Is: approvals.AtMost}, approvals.Count{}, "at most 7 rows of t"},
		{approvals.Count{N: 1, Is: approvals.AtLeast}, approvals.Count{Is: approvals.Unknown}, "at least 1 row of t"},
		{approvals.Count{Is: approvals.Unknown}, approvals.Count{N: 10, Is: approvals.Estimate}, "an unknown number of about 10 rows of t"},
		{approvals.Count{}, approvals.Count{}, "an unknown number of rows of t"},
		{approvals.Count{N: 999, Is: approvals.Exact}, approvals.Count{N: 1000, Is: approvals.Exact}, "999 of 1,000 rows of t (99%)"},
	} {
		if got := rowsOf(&approvals.Impact{Object: "t", Rows: tt.rows, Of: tt.of}); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
