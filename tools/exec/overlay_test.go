package exec

import (
	"strings"
	"testing"
)

func TestALaterOverlayReplacesEntries(t *testing.T) {
	first := Overlay{"first.yaml", []byte("commands:\n  - name: deployctl\n    paths: [/opt/bin/deployctl]\n    does: asks about deployments\n    effect: read\n    flags: \"v\"\n    match: {\"deployctl -v\": read}\n")}
	second := Overlay{"second.yaml", []byte(strings.NewReplacer("effect: read", "effect: write", ": read}", ": write}").Replace(string(first.Text)))}
	k, err := LoadKnowledge(first, second)
	if err != nil {
		t.Fatal(err)
	}
	if e, file := k.lookup("deployctl"); e == nil || e.Effect != "write" || file != "/opt/bin/deployctl" {
		t.Errorf("deployctl is %+v at %s", e, file)
	}
	if _, err := LoadKnowledge(Overlay{"bad.yaml", []byte("commands:\n  - name: x\n    effects: read\n")}); err == nil || !strings.Contains(err.Error(), "bad.yaml") {
		t.Errorf("a misspelt key: %v", err)
	}
}
