package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
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

	sql := func(text string) map[string]any { return map[string]any{"target": "shop", "sql": text} }
	for _, s := range []act{
		{"What is there?", "list_targets", map[string]any{}},
		{"A read: labelled columns come back masked, and so does an address hidden in free text",
			"query", sql("SELECT id, name, email, ssn, city, notes FROM customers WHERE id IN (40, 41, 80) ORDER BY id")},
		{"Card numbers are found by their content; nobody labelled this column",
			"query", sql("SELECT id, card, amount FROM payments ORDER BY id LIMIT 3")},
		{"Aggregates stay useful",
			"query", sql("SELECT status, count(*) AS orders, sum(total) AS total FROM orders GROUP BY status ORDER BY status")},
		{"A question that would tell a masked value is refused",
			"query", sql("SELECT count(*) FROM customers WHERE ssn LIKE '107%'")},
		{"A write sent to the reading tool is sent elsewhere",
			"query", sql("WITH gone AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM gone")},
		{"DROP is not something this agent can do",
			"query_write", because("cleaning up", sql("DROP TABLE customers"))},
		{"An UPDATE of every row is denied outright",
			"query_write", because("cleaning up", sql("UPDATE orders SET total = 0"))},
	} {
		if err := d.show(ctx, agent, s); err != nil {
			return err
		}
	}
	callID, err := d.asked(ctx, agent, in, yes, question{
		act: act{"A write in production waits for a person", "query_write", because("customer 40 returned order 1042, ticket 7731",
			map[string]any{"target": "shop", "sql": "UPDATE orders SET status = 'refunded' WHERE id = $1 RETURNING id, status, total", "params": []any{1042}})},
		person: "bob", group: "dba", yes: true, reason: "ticket checked",
	})
	if err != nil {
		return err
	}
	if err := d.onHost(ctx, agent, in, yes); err != nil {
		return err
	}
	for _, s := range []act{
		{"An API answers through the gateway: JSON stays JSON, what detectors find is masked", "http",
			map[string]any{"target": "billing", "method": "GET", "path": "/v1/invoices/1042"}},
		{"A service that echoes its caller's credential does not give it away", "http",
			map[string]any{"target": "billing", "method": "GET", "path": "/v1/whoami"}},
		{"A path that two servers could read in two ways is not sent", "http",
			map[string]any{"target": "billing", "method": "GET", "path": "/v1/invoices/..%2f..%2fadmin"}},
	} {
		if err := d.show(ctx, agent, s); err != nil {
			return err
		}
	}
	return d.evidence(ctx, callID)
}

// onHost is what the agent does on the host, where there is one.
func (d *stage) onHost(ctx context.Context, agent *mcpClient, in io.Reader, yes bool) error {
	if d.host == nil {
		return nil
	}
	argv := func(words ...string) map[string]any { return map[string]any{"target": "web-1", "argv": words} }
	for _, s := range []act{
		{"A command on a host: every word arrives as it is, no shell in between", "exec", argv("df", "-h", "/")},
		{"Removing everything is denied", "exec", because("freeing space", argv("rm", "-rf", "/"))},
		{"A shell inside a word stays a word", "exec", argv("ls", "/etc/hostname; cat /etc/shadow")},
	} {
		if err := d.show(ctx, agent, s); err != nil {
			return err
		}
	}
	_, err := d.asked(ctx, agent, in, yes, question{
		act:    act{"A restart asks a person, who may say no", "exec", because("the shop answers slowly", argv("systemctl", "restart", "nginx"))},
		person: "eva", group: "sre-leads", yes: false, reason: "not during the sale; it is the database",
	})
	return err
}

// act is one call of the scripted agent.
type act struct {
	title, tool string
	args        map[string]any
}

// because adds the agent's reason.
func because(reason string, args map[string]any) map[string]any {
	args["reason"] = reason
	return args
}

// question is a call that people are asked about, and the person who answers it by himself when nobody else does.
type question struct {
	act
	person, group string
	yes           bool
	reason        string
}

func (d *stage) say(text string) { fmt.Fprintf(d.out, "\n%s\n", d.style.dim(text)) }

// show makes one call and prints it as a person would like to read it.
func (d *stage) show(ctx context.Context, agent *mcpClient, a act) error {
	d.announce(a)
	env, err := agent.call(ctx, a.tool, a.args, nil)
	if err != nil {
		return err
	}
	d.printEnvelope(env)
	return nil
}

func (d *stage) announce(a act) {
	what, _ := a.args["sql"].(string)
	if argv, ok := a.args["argv"].([]string); ok {
		what = fmt.Sprintf("%s %q", a.args["target"], argv)
	}
	if path, ok := a.args["path"].(string); ok {
		what = fmt.Sprintf("%s %s %s", a.args["target"], a.args["method"], path)
	}
	fmt.Fprintf(d.out, "\n%s\n  %s %s\n", d.style.bold(a.title), d.style.cyan("agent> "+a.tool), what)
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

// printData prints what a call answered: rows and targets as aligned tables, output as it came, anything else as JSON.
func (d *stage) printData(data json.RawMessage) {
	var known struct {
		Columns []struct {
			Name string `json:"name"`
		} `json:"columns"`
		Rows    [][]json.RawMessage `json:"rows"`
		Targets []struct {
			Name        string   `json:"name"`
			Kind        string   `json:"kind"`
			Environment string   `json:"environment"`
			Tools       []string `json:"tools"`
			Allow       []string `json:"allow"`
			MayAsk      bool     `json:"may_ask"`
		} `json:"targets"`
		ExitCode       *int `json:"exit_code"`
		Stdout, Stderr string
	}
	var t table
	switch err := json.Unmarshal(data, &known); {
	case err == nil && known.ExitCode != nil:
		fmt.Fprintf(d.out, "%s\n", indent(visible(known.Stdout+known.Stderr, true), "         "))
		fmt.Fprintf(d.out, "         %s\n", d.style.dim(fmt.Sprintf("exit code %d", *known.ExitCode)))
		return
	case err == nil && len(known.Targets) > 0:
		t.header = []string{"TARGET", "KIND", "ENVIRONMENT", "TOOLS", "ALLOWED", "MAY ASK"}
		for _, x := range known.Targets {
			t.add(x.Name, x.Kind, x.Environment, strings.Join(x.Tools, " "), strings.Join(x.Allow, " "), map[bool]string{true: "yes", false: "no"}[x.MayAsk])
		}
	case err == nil && len(known.Columns) > 0:
		for _, c := range known.Columns {
			t.header = append(t.header, visible(c.Name, false))
		}
		for _, r := range known.Rows {
			t.add(cells(r)...)
		}
	default:
		var compact bytes.Buffer
		if json.Compact(&compact, data) == nil {
			fmt.Fprintf(d.out, "%s\n", indent(clipText(visible(compact.String(), false), 600), "         "))
		}
		return
	}
	var b strings.Builder
	t.print(&b, d.style, func(_ int, c string) string { return c })
	fmt.Fprintln(d.out, indent(b.String(), "         "))
}

// cells are the values of a row as text.
func cells(row []json.RawMessage) (out []string) {
	for _, v := range row {
		text := string(v)
		var unquoted string
		if json.Unmarshal(v, &unquoted) == nil && text != "null" {
			text = unquoted
		}
		out = append(out, visible(clipText(text, 48), false))
	}
	return out
}

// asked makes a call that has to wait, lets a person answer, and shows what the agent then gets. It returns the call's id.
func (d *stage) asked(ctx context.Context, agent *mcpClient, in io.Reader, yes bool, q question) (string, error) {
	d.announce(q.act)
	type result struct {
		env *gateway.Envelope
		err error
	}
	answered, finished := make(chan result, 1), make(chan struct{})
	waiting := make(chan string, 1)
	go func() { // its end: the call ends, at the latest with ctx
		env, err := agent.call(ctx, q.tool, q.args, func(message string) {
			select {
			case waiting <- message:
			default:
			}
		})
		answered <- result{env, err}
		close(finished)
	}()
	select {
	case message := <-waiting:
		fmt.Fprintf(d.out, "  %s %s\n", d.style.cyan("gate >"), d.style.yellow(message))
		if err := d.answer(ctx, in, yes, q, finished); err != nil {
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

// answer shows a person the request, and answers it as he would: with his own token, through the admin API.
func (d *stage) answer(ctx context.Context, in io.Reader, auto bool, q question, finished <-chan struct{}) error {
	person := &adminClient{base: d.server.URL(), token: d.apiToken(q.person, q.group), http: &http.Client{Timeout: time.Minute}}
	var items []adminapi.Item
	if err := person.do(ctx, "GET", "/api/approvals", nil, &items); err != nil || len(items) == 0 {
		return err
	}
	var req adminapi.Detail
	if err := person.do(ctx, "GET", "/api/approvals/"+url.PathEscape(items[0].ID), nil, &req); err != nil {
		return err
	}
	d.say(q.person + ", of " + q.group + ", sees what was understood; the agent's story comes last and is marked as such:")
	var card strings.Builder
	printRequest(&card, req)
	fmt.Fprintln(d.out, indent(card.String(), "  "+d.style.dim("║ ")))
	verb := map[bool]string{true: "approve", false: "deny"}[q.yes]
	if !auto {
		tokenFile, err := d.secretFile(q.person+".token", person.token)
		if err != nil {
			return err
		}
		exe, err := os.Executable()
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  Press Enter to %s as %s, or answer in a second terminal (approve or deny):\n  %s approvals %s %s --url %s --api-token-file %s\n",
			verb, q.person, exe, verb, req.Code, d.server.file.PublicURL, tokenFile)
		if !d.awaitEnter(ctx, in, finished) {
			return ctx.Err() // answered elsewhere, or interrupted
		}
	}
	ballot := adminapi.Ballot{Yes: &q.yes, Digest: req.Digest, Reason: q.reason}
	if err := person.do(ctx, "POST", "/api/approvals/"+url.PathEscape(req.ID)+"/votes", ballot, &req); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "  %s %s is %s\n", d.style.cyan(fmt.Sprintf("%-5s>", q.person)), req.Code, d.style.verdict(req.State))
	return nil
}

// evidence replays what was recorded about the approved call, and proves the log.
func (d *stage) evidence(ctx context.Context, callID string) error {
	d.say("olga, of security, reads what was recorded about that call, and checks that nothing was cut or changed:")
	token, err := d.secretFile("auditor.token", d.apiToken("olga", "security"))
	if err != nil {
		return err
	}
	olga := &adminClient{base: d.server.URL(), token: d.apiToken("olga", "security"), http: &http.Client{Timeout: time.Minute}}
	if err := olga.do(ctx, "POST", "/api/audit/checkpoints", nil, nil); err != nil {
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
