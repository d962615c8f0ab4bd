package main

import (
	"os"
	"strings"
	"testing"
)

// TestReloadOfRego: rules of the operator's own come into force with a reload; wrong ones, and ones whose tests fail, do not.
func TestReloadOfRego(t *testing.T) {
	w := running(t, "200ms")
	config, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	w.file("sallyport.yaml", string(config)+"policy: {rego: [freeze.rego, freeze_test.rego]}\n")
	const test = "package sallyport.operator_test\n\nimport data.sallyport.operator\n\n" +
		"test_reads if count(operator.votes) == 0 with input as {\"plan\": {\"effect\": \"read\"}}\n"
	freeze := func(effect string) string {
		return "package sallyport.operator\n\nvotes contains {\"decision\": \"deny\", \"id\": \"freeze\", \"reason\": \"frozen\"} if input.plan.effect == \"" + effect + "\"\n"
	}
	change := map[string]any{"target": "sandbox", "sql": "UPDATE public.orders SET total = 1 WHERE id = 1001", "reason": "test"}
	for _, step := range []struct{ name, rules, problem, want string }{
		{"a typing mistake", strings.Replace(freeze("write"), "plan.effect", "plan.efect", 1), "did you mean effect", "ok"},
		{"a failing test", freeze("read"), "test_reads fails", "ok"},
		{"a freeze", freeze("write"), "", "denied"},
		{"a failing test later", freeze("read"), "test_reads fails", "denied"},
		{"something else is frozen", freeze("admin"), "", "ok"},
	} {
		w.file("freeze.rego", step.rules)
		w.file("freeze_test.rego", test)
		err := w.server.reload(t.Context())
		if (err == nil) != (step.problem == "") || err != nil && !strings.Contains(err.Error(), step.problem) {
			t.Errorf("%s: reload says %v, want %q", step.name, err, step.problem)
		}
		if env := w.call(w.agent(), "query_write", change); env.Status != step.want {
			t.Errorf("after %s: %s %+v, want %s", step.name, env.Status, env.Error, step.want)
		}
	}
}
