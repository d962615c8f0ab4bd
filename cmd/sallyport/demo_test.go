package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sallyport/tools/query/pgserver"
)

// TestDemo plays the demo as `make demo ARGS=--yes` does, and looks for the lines a visitor is meant to see. Nothing may be left.
func TestDemo(t *testing.T) {
	_, _ = pgserver.ForTest(t) // skips or fails where there is no PostgreSQL, instead of downloading one
	temp := t.TempDir()
	for dir := temp; dir != filepath.Dir(dir) && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // root's PostgreSQL runs as another user, who has to get in
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", temp)
	before := children(t)
	var out strings.Builder
	if err := runDemo(t.Context(), strings.NewReader(""), &out, true, false); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	said := out.String()
	at := 0
	for _, want := range []string{ // in this order
		"all on loopback", "starting PostgreSQL", "ok", "starting the gateway", "ok",
		"list_targets", "billing", "shop", "web-1",
		"SELECT id, name, email, ssn", "masked: ", "email_", "[us_ssn]",
		"[payment_card]",
		"shipped", "refunded",
		"ssn LIKE", "denied",
		"DELETE FROM orders", "query_write",
		"DROP TABLE customers", "denied",
		"UPDATE orders SET total = 0", "denied",
		"waiting for approval", "the agent claims:", "is approved", "ok", "1042", "refunded",
		"df", "exit code 0", `"rm" "-rf" "/"`, "denied", "cat /etc/shadow", "exit code 2", "systemctl", "waiting for approval", "is denied", "approval_denied",
		"/v1/invoices/1042", "[payment_card]", "[email]", "/v1/whoami", "[secret]", "%2f", "invalid_argument",
		"audit show", "request", "intent", "outcome",
		"audit verify", "integrity     ok", "completeness  ok", "done",
	} {
		found := strings.Index(said[at:], want)
		if found < 0 {
			t.Fatalf("the demo does not say %q after:\n%s", want, said[:at])
		}
		at += found + len(want)
	}
	for _, raw := range []string{"customer40@", "private40@", "380-50-2480", "4111 1111"} {
		if strings.Contains(said, raw) {
			t.Errorf("%s is on the screen", raw)
		}
	}
	if strings.Contains(said, "\x1b[") {
		t.Error("colours although this is no terminal")
	}
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("the demo left %s", entry.Name())
	}
	for pid, name := range children(t) {
		if _, old := before[pid]; !old {
			t.Errorf("the demo left process %d, %s", pid, name)
		}
	}
}

// TestDemoInterrupted: Ctrl-C during the set-up leaves nothing either.
func TestDemoInterrupted(t *testing.T) {
	_, _ = pgserver.ForTest(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if err := runDemo(ctx, strings.NewReader(""), &out, true, false); err == nil {
		t.Errorf("an interrupted demo says it went well:\n%s", out.String())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// children are the processes this one has started and that still run, by pid. Empty where there is no /proc.
func children(t *testing.T) map[int]string {
	t.Helper()
	out := map[int]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // ended meanwhile
		}
		text := string(b) // pid (name) state ppid ...; the name may hold anything
		end := strings.LastIndex(text, ")")
		fields := strings.Fields(text[end+1:])
		if len(fields) > 1 && fields[0] != "Z" && fields[1] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			out[pid] = text[strings.Index(text, "(") : end+1]
		}
	}
	return out
}
