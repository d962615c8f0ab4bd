package configs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/configs"
)

func parsed(t *testing.T, text string) *configs.File {
	t.Helper()
	f, err := configs.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func changed(t *testing.T, old, new string) *configs.File {
	t.Helper()
	text := strings.Replace(whole, old, new, 1)
	if text == whole {
		t.Fatalf("%q changes nothing", old)
	}
	return parsed(t, text)
}

func TestRevisionsFollowTheMeaning(t *testing.T) {
	base := parsed(t, whole)
	if len(base.Revision()) != 32 || len(base.TargetRevision("orders-db")) != 32 || base.TargetRevision("nope") != "" {
		t.Fatal(base.Revision(), base.TargetRevision("orders-db"))
	}
	for _, c := range []struct {
		old, new     string
		file, target bool // differ
	}{
		{"roles:", "# a remark\nroles:", false, false},
		{"{ask: 40, deny: 95}", "{deny: 95, ask: 40}", false, false},
		{"{ask: 40, deny: 95}", "{ask: 40}", false, false}, // the default
		{"{ask: 40, deny: 95}", "{ask: 41}", true, false},
		{"mask: redact", "mask: partial", true, true},
		{`"env:PW"`, `"env:PW2"`, true, true},
		{`"env:PW"`, `"exec:/bin/a b"`, true, true},
		{"environment: production", "environment: staging", true, true},
		{"targets: [orders-db]", "targets: {environment: production}", true, false},
	} {
		f := changed(t, c.old, c.new)
		if got := f.Revision() != base.Revision(); got != c.file {
			t.Errorf("%s: the file's revision changed: %v", c.new, got)
		}
		if got := f.TargetRevision("orders-db") != base.TargetRevision("orders-db"); got != c.target {
			t.Errorf("%s: the target's revision changed: %v", c.new, got)
		}
	}
}

func TestTargetsOfAScope(t *testing.T) {
	const more = `    environment: production
    labels: [eu, orders]
  staging-db:
    postgres: {address: "s/orders", user: u, password: "env:PW"}
    environment: staging
    labels: [eu]
  unnamed-db:
    postgres: {address: "u/orders", user: u, password: "env:PW"}
`
	text := strings.Replace(whole, "    environment: production\n    columns:\n      customers.ssn: {class: us_ssn, mask: redact}\n", more, 1)
	for selector, want := range map[string][]string{
		"[unnamed-db, orders-db]":                  {"orders-db", "unnamed-db"},
		"{environment: production}":                {"orders-db", "unnamed-db"}, // none named counts as production
		"{environment: staging}":                   {"staging-db"},
		"{labels: [eu]}":                           {"orders-db", "staging-db"},
		"{labels: [eu, orders]}":                   {"orders-db"},
		"{environment: staging, labels: [orders]}": nil,
	} {
		f := parsed(t, strings.Replace(text, "targets: [orders-db]", "targets: "+selector, 1))
		if diff := cmp.Diff(want, f.TargetsOf(f.Scopes["support"])); diff != "" {
			t.Errorf("%s: %s", selector, diff)
		}
	}
}

func TestDefaultsStandInTheFile(t *testing.T) {
	text := whole[strings.Index(whole, "public_url"):]
	text = strings.Replace(text, "    risk: {ask: 40, deny: 95}\n    approval: {from: [dba], count: 1, within: 30m}\n", "    approval: {from: [dba]}\n", 1)
	f := parsed(t, text)
	s, pg := f.Scopes["support"], f.Targets["orders-db"].Postgres
	got := []any{f.Listen, f.Log.Level.String(), f.Log.Format, f.Identity.Issuers[0].Groups, f.Identity.Issuers[0].MaxTokenLifetime.String(),
		f.Approvals.Hold.String(), f.Sessions.Idle.String(), f.Sessions.Max.String(), pg.TLS, pg.SearchPath, pg.MaxConnections,
		s.Risk.Ask, s.Risk.Deny, s.Approval.Count, s.Approval.Within.String(), s.Approval.Assurance, s.NotUnderstood, f.Masking.Detect.Default}
	want := []any{"127.0.0.1:7400", "INFO", "text", "groups", "1h", "45s", "15m", "8h", "verify-full", []string{"public"}, 8,
		40, 95, 1, "30m", "chat", "deny", "on"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if f := changed(t, "{ask: 40, deny: 95}", "{ask: 0}"); f.Scopes["support"].Risk != (configs.Risk{Ask: 0, Deny: 95}) {
		t.Error("ask: 0 always asks, but is read as", f.Scopes["support"].Risk)
	}
}

func TestAddressesAreSplit(t *testing.T) {
	for address, want := range map[string][]any{
		"db:6432/orders":      {"db", uint16(6432), "orders"},
		"db/orders":           {"db", uint16(5432), "orders"},
		"[2001:db8::1]:1/x":   {"2001:db8::1", uint16(1), "x"},
		"[::1]/x":             {"::1", uint16(5432), "x"},
		"127.0.0.1:5432/a-b.": {"127.0.0.1", uint16(5432), "a-b."},
	} {
		pg := changed(t, "db.internal:5432/orders", address).Targets["orders-db"].Postgres
		if diff := cmp.Diff(want, []any{pg.Host(), pg.Port(), pg.Database()}); diff != "" {
			t.Errorf("%s: %s", address, diff)
		}
	}
}

func TestDisabledDetectors(t *testing.T) {
	for detect, want := range map[string][]string{
		"{}":                        nil,
		"{off: [ipv4]}":             {"ipv4"},
		"{default: on, off: [jwt]}": {"jwt"},
		"{default: off}":            configs.Detectors(),
		"{default: off, on: [email, private_key]}": {"api_key", "iban", "ipv4", "jwt", "password", "payment_card", "us_itin", "us_ssn"},
	} {
		f := changed(t, "state:", "masking: {detect: "+detect+"}\nstate:")
		if diff := cmp.Diff(want, f.Masking.Detect.Disabled()); diff != "" {
			t.Errorf("%s: %s", detect, diff)
		}
	}
}

func TestTheWordNullIsAMask(t *testing.T) {
	for _, text := range []string{"mask: null", `mask: "null"`} {
		if got := changed(t, "mask: redact", text).Targets["orders-db"].Columns["customers.ssn"].Mask; got != "null" {
			t.Errorf("%s is read as %q", text, got)
		}
	}
}

func TestLineEndsOfWindows(t *testing.T) {
	parsed(t, strings.ReplaceAll(whole, "\n", "\r\n"))
	p := parseBad(t, strings.ReplaceAll(strings.Replace(whole, "count: 1", "count: 0", 1), "\n", "\r\n"))
	if len(p) != 1 || p[0].Line != 23 || p[0].Column != 36 {
		t.Error(p)
	}
}

func TestObjectPatternsThatPolicyUnderstands(t *testing.T) {
	for _, list := range []string{`allow: ["*"]`, `allow: ["app.*", "*.orders", "db.app.orders"]`, `allow: ['public."odd.name"', '"Odd".x']`, "deny: [secrets]"} {
		changed(t, "    risk:", "    objects: {"+list+"}\n    risk:")
	}
}

func TestWarningsDoNotStop(t *testing.T) {
	for change, want := range map[[2]string]string{
		{"listen: 127.0.0.1:7400", "listen: 0.0.0.0:7400"}:           "f.yaml:1:9: listen: tokens reach this address unencrypted",
		{"state:", "metrics: :7401\nstate:"}:                         "f.yaml:10:10: metrics: everybody who reaches this address can read the metrics",
		{"audience: https://gate.example.com/mcp", "audience: a"}:    `f.yaml:6:17: identity.issuers[0].audience: clients ask for tokens for https://gate.example.com/mcp`,
		{"      api_audience: https://gate.example.com/api\n", ""}:   "f.yaml:22:5: scopes.support.approval: no issuer has an api_audience",
		{"{groups: [dba]}", "{groups: [others]}"}:                    `f.yaml:23:23: scopes.support.approval.from[0]: "dba" is not in roles.approver.groups`,
		{"user: sallyport", "user: sallyport, tls: require"}:         "f.yaml:13:74: targets.orders-db.postgres.tls: require does not check who answers",
		{"    approval: {from: [dba], count: 1, within: 30m}\n", ""}: "f.yaml:18:3: scopes.support: has no approval",
		{"targets: [orders-db]", "targets: {environment: test}"}:     "f.yaml:12:3: targets.orders-db: no scope selects this target",
	} {
		f := changed(t, change[0], change[1])
		if len(f.Warnings) == 0 || !strings.HasPrefix(f.Warnings[0], want) {
			t.Errorf("%s\n got %s\nwant %s...", change[1], strings.Join(f.Warnings, "\n"), want)
		}
	}
}

func TestLoadLooksAtSecretFilesAndPaths(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, closed := write("open", "x", 0o644), write("closed", "x", 0o600)
	text := strings.Replace(whole, "state: /var/lib/sallyport", "state: state", 1)
	f, err := configs.Load(write("a.yaml", strings.Replace(text, "env:PW", "file:"+open, 1), 0o600))
	if err != nil || len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0], "run chmod o-r on it") {
		t.Errorf("open file: %+v, %v", f, err)
	}
	f, err = configs.Load(write("b.yaml", strings.Replace(text, "env:PW", "file:"+closed, 1), 0o600))
	if err != nil || len(f.Warnings) != 0 || f.State != filepath.Join(dir, "state") {
		t.Errorf("closed file: %+v, %v", f, err)
	}
	if _, err := configs.Load(filepath.Join(dir, "none.yaml")); !os.IsNotExist(err) {
		t.Error(err)
	}
}
