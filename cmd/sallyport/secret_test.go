package main

import (
	"os"
	"strings"
	"testing"
)

// TestAReloadWithoutASecret: a secret that cannot be read any more refuses the reload and names its place; the gateway goes on.
func TestAReloadWithoutASecret(t *testing.T) {
	w := running(t, "200ms")
	good, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	w.file("sallyport.yaml", strings.Replace(string(good), `password: "file:`, `password: "file:/nowhere`, 1))
	if err := w.server.reload(t.Context()); err == nil || !strings.Contains(err.Error(), "targets.shop.postgres.password") {
		t.Errorf("reload says %v", err)
	}
	if env := w.query("shop", "SELECT count(*) FROM public.orders"); env.Status != "ok" {
		t.Errorf("the call after it: %+v %+v", env, env.Error)
	}
}
