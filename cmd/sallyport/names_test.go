package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/configs"
	"sallyport/masking"
)

// TestConfigKnowsWhatMaskingDoes: configs may not import masking, so each has its own list of names, and this compares them.
func TestConfigKnowsWhatMaskingDoes(t *testing.T) {
	// The secrets that the gateway holds are always masked: "secret" is no detector that a file could turn off.
	classes := slices.DeleteFunc(masking.Classes(), func(c string) bool { return c == "secret" })
	if diff := cmp.Diff(classes, configs.Detectors()); diff != "" {
		t.Errorf("detectors: masking has -, configs has +\n%s", diff)
	}
	sorted := func(s []string) []string { s = slices.Clone(s); slices.Sort(s); return s }
	if diff := cmp.Diff(sorted(masking.Methods()), sorted(configs.MaskMethods())); diff != "" {
		t.Errorf("methods: masking has -, configs has +\n%s", diff)
	}
}
