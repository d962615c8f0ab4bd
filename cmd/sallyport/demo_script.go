package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sallyport/gateway"
	"sallyport/gateway/adminapi"
)

// play is the scripted agent's conversation with the gateway, and the people around it.
func (d *stage) play(ctx context.Context, in io.Reader, yes bool) error {
	agent := &mcpClient{endpoint: d.server.URL() + "/mcp", http: &http.Client{}, token: func() (string, error) { return d.agentToken(), nil }}
	d.say("maria, of support, has an agent. It holds no password; it has her token and the gateway's tools.")

	for _, s := range []struct{ title, tool, sql string }{
		{"What is there?", "list_targets", ""},
		{"A read: labelled columns come back masked, and so does an address hidden in free text",
			"query", "SELECT id, name, email, ssn, city, notes FROM customers WHERE id IN (40, 41, 80) ORDER BY id"},
		{"Card numbers are found by their content; nobody labelled this column",
			"query", "SELECT id, card, amount FROM payments ORDER BY id LIMIT 3"},
		{"Aggregates stay useful",
			"query", "SELECT status, count(*) AS orders, sum(total) AS total FROM orders GROUP BY status ORDER BY status"},
		{"A question that would tell a masked value is refused",
			"query", "SELECT count(*) FROM customers WHERE ssn LIKE '107%'"},
		{"A write sent to the reading tool is sent elsewhere",
			"query", "WITH gone AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM gone"},
		{"DROP is not something this agent can do",
			"query_write", "DROP TABLE customers"},
		{"An UPDATE of every row is denied outright",
			"query_write", "UPDATE orders SET total = 0"},
	} {
		args := map[string]any{}
		if s.sql != "" {
			args = map[string]any{"target": "shop", "sql": s.sql}
		}
		if s.tool == "query_write" {
			args["reason"] = "cleaning up"
		}
		if err := d.show(ctx, agent, s.title, s.tool, args); err != nil {
			return err
		}
	}
	callID, err := d.approvedWrite(ctx, agent, in, yes)
	if err != nil {
		return err
	}
	return d.evidence(ctx, callID)
}

func (d *stage) say(text string) { fmt.Fprintf(d.out, "\n%s\n", d.style.dim(text)) }

// show makes one call and prints it as a person would like to read it.
func (d *stage) show(ctx context.Context, agent *mcpClient, title, tool string, args map[string]any) error {
	d.announce(title, tool, args)
	env, err := agent.call(ctx, tool, args, nil)
	if err != nil {
		return err
	}
	d.printEnvelope(env)
	return nil
}

func (d *stage) announce(title, tool string, args map[string]any) {
	fmt.Fprintf(d.out, "\n%s\n", d.style.bold(title))
	sql, _ := args["sql"].(string)
	fmt.Fprintf(d.out, "  %s %s\n", d.style.cyan("agent> "+tool), sql)
}

func (d *stage) printEnvelope(env *gateway.Envelope) {
	s := d.style
	fmt.Fprintf(d.out, "  %s %s", s.cyan("gate >"), s.verdict(env.Status))
	if e := env.Error; e != nil {
		fmt.Fprintf(d.out, " %s: %s\n", s.yellow(string(e.Code)), visible(e.Message, false))
		if e.Suggestion != "" {
			fmt.Fprintf(d.out, "         %s\n", s.dim(visible(e.Suggestion, false)))
		}
		return
	}
	if m := env.Masking; m != nil {
		var what []string
		for _, c := range m.Columns {
			what = append(what, fmt.Sprintf("%s (%s, %s)", c.Name, c.Class, c.Method))
		}
		for _, class := range slices.Sorted(maps.Keys(m.Counts)) {
			what = append(what, fmt.Sprintf("%d x %s", m.Counts[class], class))
		}
		fmt.Fprintf(d.out, "  %s", s.dim("masked: "+strings.Join(what, ", ")))
	}
	fmt.Fprintln(d.out)
	d.printData(env.Data)
}

// printData prints rows as an aligned table, and anything else as JSON.
func (d *stage) printData(data json.RawMessage) {
	var rows struct {
		Columns []struct {
			Name string `json:"name"`
		} `json:"columns"`
		Rows [][]json.RawMessage `json:"rows"`
	}
	if json.Unmarshal(data, &rows) != nil || len(rows.Columns) == 0 {
		fmt.Fprintf(d.out, "%s\n", indent(clipText(visible(string(data), false), 600), "         "))
		return
	}
	var t table
	for _, c := range rows.Columns {
		t.header = append(t.header, visible(c.Name, false))
	}
	for _, r := range rows.Rows {
		var cells []string
		for _, v := range r {
			text := string(v)
			var unquoted string
			if json.Unmarshal(v, &unquoted) == nil && text != "null" {
				text = unquoted
			}
			cells = append(cells, visible(clipText(text, 48), false))
		}
		t.add(cells...)
	}
	var b strings.Builder
	t.print(&b, d.style, func(_ int, c string) string { return c })
	fmt.Fprintln(d.out, indent(b.String(), "         "))
}

// approvedWrite sends a write that has to wait, lets a person answer, and shows what the agent then gets. It returns the call's id.
func (d *stage) approvedWrite(ctx context.Context, agent *mcpClient, in io.Reader, yes bool) (string, error) {
	args := map[string]any{"target": "shop", "sql": "UPDATE orders SET status = 'refunded' WHERE id = $1 RETURNING id, status, total",
		"params": []any{1042}, "reason": "customer 40 returned order 1042, ticket 7731"}
	d.announce("A write in production waits for a person", "query_write", args)

	type result struct {
		env *gateway.Envelope
		err error
	}
	answered, finished := make(chan result, 1), make(chan struct{})
	asked := make(chan string, 1)
	go func() {
		env, err := agent.call(ctx, "query_write", args, func(message string) {
			select {
			case asked <- message:
			default:
			}
		})
		answered <- result{env, err}
		close(finished)
	}()
	select {
	case message := <-asked:
		fmt.Fprintf(d.out, "  %s %s\n", d.style.cyan("gate >"), d.style.yellow(message))
		if err := d.answer(ctx, in, yes, finished); err != nil {
			return "", err
		}
	case <-finished:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	r := <-answered
	if r.err != nil {
		return "", r.err
	}
	d.printEnvelope(r.env)
	return r.env.CallID, nil
}

// answer shows bob, of dba, the request, and approves it as he would: with his own token, through the admin API.
func (d *stage) answer(ctx context.Context, in io.Reader, yes bool, finished <-chan struct{}) error {
	bob := &adminClient{base: d.server.URL(), token: d.apiToken("bob", "dba"), http: &http.Client{Timeout: time.Minute}}
	var items []adminapi.Item
	if err := bob.do(ctx, "GET", "/api/approvals", nil, &items); err != nil || len(items) == 0 {
		return err
	}
	var req adminapi.Detail
	if err := bob.do(ctx, "GET", "/api/approvals/"+url.PathEscape(items[0].ID), nil, &req); err != nil {
		return err
	}
	d.say("bob, of dba, sees what was understood; the agent's story comes last and is marked as such:")
	var card strings.Builder
	printRequest(&card, req)
	fmt.Fprintln(d.out, indent(card.String(), "  "+d.style.dim("║ ")))
	if !yes {
		tokenFile := filepath.Join(d.dir, "approver.token")
		if err := os.WriteFile(tokenFile, []byte(bob.token), 0o600); err != nil {
			return err
		}
		exe, err := os.Executable()
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  Press Enter to approve as bob, or in a second terminal:\n  %s approvals approve %s --url %s --api-token-file %s\n",
			exe, req.Code, d.server.file.PublicURL, tokenFile)
		if !awaitYes(ctx, in, finished) {
			return ctx.Err() // answered elsewhere, or interrupted
		}
	}
	yesVote := true
	if err := bob.do(ctx, "POST", "/api/approvals/"+url.PathEscape(req.ID)+"/votes", adminapi.Ballot{Yes: &yesVote, Digest: req.Digest, Reason: "ticket checked"}, &req); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "  %s %s is %s\n", d.style.cyan("bob  >"), req.Code, d.style.verdict(req.State))
	return nil
}

// evidence replays what was recorded about the approved call, and proves the log.
func (d *stage) evidence(ctx context.Context, callID string) error {
	d.say("olga, of security, reads what was recorded about that call, and checks that nothing was cut or changed:")
	token := filepath.Join(d.dir, "auditor.token")
	if err := os.WriteFile(token, []byte(d.apiToken("olga", "security")), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{{"audit", "show", callID}, {"audit", "verify"}} {
		fmt.Fprintf(d.out, "  %s sallyport %s\n", d.style.cyan("olga >"), strings.Join(args, " "))
		root := newRoot()
		root.SetArgs(append(args, "--url", d.server.URL(), "--api-token-file", token))
		var b strings.Builder
		root.SetOut(&b)
		if err := root.ExecuteContext(ctx); err != nil {
			return err
		}
		fmt.Fprintln(d.out, indent(b.String(), "  "))
	}
	return nil
}
