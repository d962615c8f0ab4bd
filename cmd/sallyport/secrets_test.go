package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"sallyport/masking"
)

// newVault is a fake with one secret at kv/shop, whose version and password follow a counter.
func newVault(t *testing.T, version *atomic.Int64) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != "vault-token-1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		switch r.URL.Path {
		case "/v1/auth/token/lookup-self":
			fmt.Fprint(w, `{"data": {"ttl": 3600, "renewable": true}}`)
		case "/v1/sys/internal/ui/mounts/kv/shop":
			fmt.Fprint(w, `{"data": {"path": "kv/", "type": "kv", "options": {"version": "2"}}}`)
		case "/v1/kv/data/shop":
			fmt.Fprintf(w, `{"data": {"data": {"password": "vaulted-pw-%d"}, "metadata": {"version": %d}}}`, version.Load(), version.Load())
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestASecretOfVaultIsUsedMaskedAndItsVersionRecorded (issue #6): late, rotated without a restart, never in the log.
func TestASecretOfVaultIsUsedMaskedAndItsVersionRecorded(t *testing.T) {
	var version atomic.Int64
	version.Store(1)
	fake := newVault(t, &version)
	w := newWorld(t, "200ms")
	yaml, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(yaml), "password: \"file:")
	end := at + strings.Index(string(yaml)[at:], ",")
	text := string(yaml)[:at] + "password: \"vault:kv/shop#password\"" + string(yaml)[end:]
	text += fmt.Sprintf("vault: {address: %q, token: %q, cache: 1s}\n", fake.URL, "file:"+w.file("vault.token", "vault-token-1"))
	if err := os.WriteFile(w.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	env := w.query("shop", "SELECT 'vaulted-pw-1' AS a, 'vault-token-1' AS b")
	if data := string(env.Data); env.Status != "ok" || strings.Contains(data, "vaulted-pw") || strings.Contains(data, "vault-token") {
		t.Errorf("%+v %+v %s", env, env.Error, data)
	}
	record := w.cliOK(w.apiToken("olga", "security"), "audit", "export", "--kind", "credential")
	if !strings.Contains(record, "vault read: vault:kv/shop#password version 1; for targets.shop.postgres.password") || strings.Contains(record, "vaulted") {
		t.Errorf("record: %s", record)
	}

	// A new version is used by what is opened from then on, and recorded.
	engine, err := masking.New(masking.Config{Key: w.server.store.MaskingKey()})
	if err != nil {
		t.Fatal(err)
	}
	read, err := w.server.newSecrets(engine).resolve(t.Context(), "targets.shop.postgres.password", w.server.file.Targets["shop"].Postgres.Password)
	if err != nil {
		t.Fatal(err)
	}
	version.Store(2)
	eventually(t, "the new version is read", func() bool {
		v, err := read(t.Context())
		return err == nil && v == "vaulted-pw-2"
	})
	if record := w.cliOK(w.apiToken("olga", "security"), "audit", "export", "--kind", "credential"); !strings.Contains(record, "#password version 2;") {
		t.Errorf("record: %s", record)
	}
	var none server
	if _, _, err := none.read(t.Context(), w.server.file.Targets["shop"].Postgres.Password); err == nil {
		t.Error("read without a Vault")
	}
}
