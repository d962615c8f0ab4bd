package main

import (
	"encoding/json"
	"strings"
	"testing"

	"sallyport/policy"
)

// With --connect the catalog says what a statement touches; the statement does not run, and the points add up to the score.
func TestExplainReadsTheCatalogAndRunsNothing(t *testing.T) {
	w := newWorld(t, "1s")
	for sql, want := range map[string]string{
		"SELECT id, status FROM orders WHERE id = $1":                "read public.orders",
		"UPDATE public.orders SET status = 'refunded' WHERE id = $1": "write public.orders",
	} {
		code, out, errs := program(t, "policy", "explain", "--config", w.config(), "--target", "shop", "--subject", "maria", "--groups", "support", "--sql", sql, "--param", "1", "--connect", "--json")
		if code != 0 {
			t.Fatalf("%s: exit %d: %s", sql, code, errs)
		}
		var x policy.Explanation
		if err := json.Unmarshal([]byte(out), &x); err != nil {
			t.Fatal(err)
		}
		sum := 0
		for _, r := range x.Decision.Reasons {
			sum += r.Points
		}
		if sum != x.Decision.Score || sum == 0 {
			t.Errorf("%s: the points add up to %d, the score is %d", sql, sum, x.Decision.Score)
		}
		if o := x.Input.Plan.Objects; len(o) == 0 || o[0].Access+" "+o[0].Name != want {
			t.Errorf("%s: touches %+v, want %s", sql, o, want)
		}
		if strings.Contains(out+errs, w.password) {
			t.Error("the password is shown")
		}
	}
	w.holds("NOT EXISTS (SELECT 1 FROM orders WHERE id = 1 AND status = 'refunded')")
}
