package mcpserver

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/identity/devissuer"
)

// TestConformance runs the official suite against this transport. The suite cannot send a token, so a handler in front of
// the whole chain (authentication, limits, strict parsing) adds one. CONFORMANCE names the folder that .ci/conformance
// prepared: one folder per version of the runner; CONFORMANCE_NODE the Node to run it with.
func TestConformance(t *testing.T) {
	root := os.Getenv("CONFORMANCE")
	if root == "" {
		t.Skip("CONFORMANCE is not set: .ci/conformance installs the suite and runs this")
	}
	issuer, err := devissuer.Start(t.Context(), devissuer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer issuer.Close()
	for _, run := range []struct {
		name, runner string
		args         []string
	}{
		{"0.1.16", "stable", []string{"--suite", "active"}},
		{"2025-11-25", "alpha", []string{"--requirements", "2025-11-25"}},
		{"2026-07-28", "alpha", []string{"--requirements", "2026-07-28"}},
	} {
		t.Run(run.name, func(t *testing.T) {
			url := withToken(t, issuer, run.runner == "stable" || run.name == "2025-11-25")
			home := filepath.Join(root, run.runner)
			expected, err := filepath.Abs(filepath.Join("testdata", "conformance", run.name+".yml"))
			if err != nil {
				t.Fatal(err)
			}
			args := append([]string{filepath.Join(home, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js"), "server",
				"--url", url + "/mcp", "--expected-failures", expected, "--verbose", "-o", t.TempDir()}, run.args...)
			cmd := exec.CommandContext(t.Context(), os.Getenv("CONFORMANCE_NODE"), args...)
			cmd.Dir = home
			out, err := cmd.CombinedOutput()
			for _, line := range strings.Split(string(out), "\n") {
				if strings.Contains(line, "passed") || strings.Contains(line, "Total") {
					t.Log(line)
				}
			}
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// withToken serves the fixtures behind a handler that adds a token to every request, and returns the URL.
func withToken(t *testing.T, issuer *devissuer.Issuer, subscribe bool) string {
	front := httptest.NewUnstartedServer(nil)
	core := conformanceCore(subscribe)
	tasks := newFixtureTasks(t.Context())
	t.Cleanup(tasks.all.Wait)
	addTaskTools(core, tasks)
	e := endpointWith(t, issuer, core, func(c *Config) { c.AllowedOrigins = []string{"http://" + front.Listener.Addr().String()} })
	e.keeper = tasks
	token := e.token("conformance")
	front.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+token)
		e.ServeHTTP(w, r)
	})
	front.Start()
	t.Cleanup(front.Close)
	return front.URL
}
