package main

import (
	"testing"

	"sallyport/configs"
	"sallyport/policy"
)

// TestDenyRulesByOperationsAndCommands goes from the YAML to the decision: the patterns of deny rules are those of the tools, and a rule
// for APIs says nothing of hosts.
func TestDenyRulesByOperationsAndCommands(t *testing.T) {
	f, err := configs.Parse("sallyport.yaml", []byte(suggestHead+`scopes:
  ops:
    who: {groups: [ops]}
    targets: [web-1, billing]
    allow: [read, write]
    risk: {ask: 100, deny: 100}
    deny:
      - when: {commands: [systemctl restart, reboot]}
        reason: hosts are restarted by the platform team
      - when: {operations: ["DELETE /v1/invoices/*", "graphql:mutation.*", "rpc:drop_*", "* /internal/**"]}
        reason: invoices are not deleted
`))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := policyConfig(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		target, typ string
		names       []string
		rule        string
	}{
		{"web-1", "command", []string{"systemctl restart"}, "deny:ops/1"},
		{"web-1", "command", []string{"systemctl status"}, "score"},
		{"web-1", "command", []string{"systemctl"}, "score"},
		{"web-1", "command", []string{"rebooter"}, "score"},
		{"web-1", "command", []string{"uptime", "reboot"}, "deny:ops/1"},
		{"web-1", "command", []string{"DELETE /v1/invoices/7"}, "score"},

		{"billing", "request", []string{"DELETE /v1/invoices/7"}, "deny:ops/2"},
		{"billing", "request", []string{"GET /v1/invoices/7"}, "score"},
		{"billing", "request", []string{"DELETE /v1/invoices/7/lines"}, "score"},
		{"billing", "request", []string{"GET /internal/a/b"}, "deny:ops/2"},
		{"billing", "graphql", []string{"graphql:query.invoices", "graphql:mutation.pay"}, "deny:ops/2"},
		{"billing", "graphql", []string{"graphql:query.invoices"}, "score"},
		{"billing", "rpc", []string{"rpc:drop_invoice"}, "deny:ops/2"},
		{"billing", "request", []string{"GET /reboot"}, "score"},
	} {
		in := policy.Input{Version: 1, Principal: policy.Principal{Subject: "ann", Groups: []string{"ops"}},
			Target: policy.Target{Name: tt.target, Kind: map[string]string{"web-1": "ssh", "billing": "http"}[tt.target], Environment: "development"},
			Plan:   policy.Plan{Understood: true, Effect: "read", Bounded: true, Reversible: true}}
		for _, n := range tt.names {
			in.Plan.Objects = append(in.Plan.Objects, policy.Object{Type: tt.typ, Name: n, Access: "read"})
		}
		if d, err := engine.Decide(t.Context(), in); err != nil || d.Rule != tt.rule {
			t.Errorf("%s %s on %s: rule %q, want %q: %v %v", tt.typ, tt.names, tt.target, d.Rule, tt.rule, d.Reasons, err)
		}
	}
}
