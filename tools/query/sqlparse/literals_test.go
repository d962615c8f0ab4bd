package sqlparse

import (
	"slices"
	"testing"
)

func TestLiteralsAreDecoded(t *testing.T) {
	st, err := analyse(`UPDATE t SET a = '[us''ssn]', b = E'\x5bcard]', c = $$[email]$$, d = U&'\005Bx', n = 7 WHERE e = $1 AND f IN ('y')`)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"[us'ssn]", "[card]", "[email]", "[x", "y"}; !slices.Equal(st.Literals, want) {
		t.Errorf("got %q, want %q", st.Literals, want)
	}
}
