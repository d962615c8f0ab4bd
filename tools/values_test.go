package tools

import (
	"slices"
	"testing"
)

func TestStringsOfADocument(t *testing.T) {
	tests := []struct {
		document string
		want     []string
	}{
		{`"a\u005bb"`, []string{"a[b"}},
		{`{"k":["v",1,null,{"deep":"w"}]}`, []string{"k", "v", "deep", "w"}},
		{`12`, nil},
		{`not JSON`, []string{"not JSON"}},
		{`{"k":"v"`, []string{`{"k":"v"`}},
		{``, []string{""}},
	}
	for _, tt := range tests {
		if got := Strings([]byte(tt.document)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.document, got, tt.want)
		}
	}
}
