package gateway

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/audit"
	"sallyport/policy"
)

// TestWhatPolicyDecidedOnIsRecorded: deciding the recorded input again under the same policy gives the recorded decision.
func TestWhatPolicyDecidedOnIsRecorded(t *testing.T) {
	r := newRig(t)
	ann := who("ann", "support")
	r.call(ann, "query", read("select 1"), 0)
	r.call(ann, "query", read("vacuum"), 0)
	r.call(ann, "query", map[string]any{"target": "nowhere", "sql": "select 1"}, 0) // nothing is decided
	r.call(ann, "query_write", write(bounded), 0)
	if err := r.vote("dan", true, "dba"); err != nil {
		t.Fatal(err)
	}
	r.call(ann, "query_write", write(bounded), time.Minute)

	engine := r.newWorld(nil).Policy
	var decided []string
	if err := r.store.Entries(t.Context(), audit.Filter{}, func(e audit.Entry, b *audit.Body) error {
		if e.Decision == nil || b == nil {
			if b != nil && b.Input != nil {
				t.Errorf("%s: an input without a decision: %s", e.Kind, b.Input)
			}
			return nil
		}
		var in policy.Input
		if err := json.Unmarshal(b.Input, &in); err != nil {
			t.Errorf("%s: input %q: %v", e.Kind, b.Input, err)
			return nil
		}
		d, err := engine.Decide(t.Context(), in)
		if err != nil || string(d.Verdict) != e.Decision.Verdict || d.Rule != e.Decision.Rule || d.Score != e.Decision.Score {
			t.Errorf("%s was recorded as %+v and is decided again as %+v, %v", e.Kind, e.Decision, d, err)
		}
		decided = append(decided, string(e.Kind)+" "+e.Decision.Verdict)
		return nil
	}, true); err != nil {
		t.Fatal(err)
	}
	want := []string{"outcome allow", "denied deny", "request ask", "intent allow", "outcome allow"}
	if diff := cmp.Diff(want, decided); diff != "" {
		t.Error(diff)
	}
}
