package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sallyport/audit"
	"sallyport/tools"
)

// recordCredential appends that a credential was made, read or given up: its name on the target, never itself.
func (s *server) recordCredential(ctx context.Context, c tools.Credential) error {
	e := audit.Entry{Kind: audit.KindCredential, Session: c.Session, Call: c.Call, Tool: c.Tool, Target: c.Target, Detail: credentialDetail(c)}
	if err := s.store.Append(ctx, audit.Record{Entry: e}); err != nil {
		return fmt.Errorf("record a credential of %s: %w", c.Target, err)
	}
	return nil
}

// credentialDetail is c in one line: "jit issued: certificate 7, until 2026-01-02T03:04:05Z; source 192.0.2.1".
func credentialDetail(c tools.Credential) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", c.Mode, c.Event, c.ID)
	if !c.Until.IsZero() {
		fmt.Fprintf(&b, ", until %s", c.Until.UTC().Format(time.RFC3339))
	}
	if c.Detail != "" {
		b.WriteString("; " + c.Detail)
	}
	return b.String()
}
