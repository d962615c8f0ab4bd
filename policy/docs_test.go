package policy

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The Rego on the page loads, its tests pass, and the coverage that the page shows is what it is.
func TestRegoOnThePage(t *testing.T) {
	page, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	r := &Rego{}
	for _, m := range regexp.MustCompile("(?s)```rego\n(package .*?)```").FindAllStringSubmatch(string(page), -1) {
		name := "policies/weekend.rego"
		if strings.HasPrefix(m[1], "package sallyport.operator_test") {
			name = "policies/weekend_test.rego"
		}
		r.Modules = append(r.Modules, Module{name, m[1]})
	}
	tested, err := r.RunTests(context.Background())
	if err != nil || len(tested.Tests) != 2 || len(tested.Failed()) > 0 || tested.Coverage != 100 {
		t.Errorf("%+v, %v", tested, err)
	}
	for _, test := range tested.Tests {
		if !strings.Contains(string(page), test.Place) {
			t.Errorf("%s is at %s, which is not what the page shows", test.Name, test.Place)
		}
	}
	if _, err := newOperator(context.Background(), r); err != nil {
		t.Error(err)
	}
}
