package gateway

import (
	"strings"
	"testing"
	"time"

	"sallyport/policy"
)

// TestDefinitionsNeedAScopeThatAllowsThemAndPeople: read and write are not enough; define is asked about, runs once after a yes, and
// the next call sees what was made.
func TestDefinitionsNeedAScopeThatAllowsThemAndPeople(t *testing.T) {
	r := newDBRig(t, func(c *policy.Config) {
		builders := c.Scopes[0]
		builders.Name, builders.Who, builders.Allow = "builders", policy.Who{Groups: []string{"builders"}}, []string{"read", "define"}
		c.Scopes = append(c.Scopes, builders)
	})
	r.exec("GRANT CREATE ON SCHEMA public TO gateway_agent; ALTER TABLE customers OWNER TO gateway_agent")
	const sql = "CREATE TABLE made (id int PRIMARY KEY)"

	if env := r.call(who("ann", "support"), "query", write(sql), 0); env.Error == nil || env.Error.Code != WriteNotAllowedHere {
		t.Errorf("through the reading tool: %s", marshal(env))
	}
	if env := r.call(who("ann", "support"), "query_write", write(sql), 0); env.Error == nil || env.Error.Code != Denied || env.Executed != "no" {
		t.Errorf("without define: %s", marshal(env))
	}
	for text, code := range map[string]Code{
		"ALTER TABLE customers RENAME COLUMN email TO x": Denied, "CREATE TABLE x AS SELECT email FROM customers": Denied, // labelled
		"GRANT SELECT ON customers TO PUBLIC": Denied, "TRUNCATE customers": Denied, // admin and write are not in the scope
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'": NotUnderstood, "COPY customers TO PROGRAM 'cat'": NotUnderstood,
	} {
		if env := r.call(who("bo", "builders"), "query_write", write(text), 0); env.Error == nil || env.Error.Code != code || env.Executed != "no" {
			t.Errorf("%s: %s", text, marshal(env))
		}
	}

	env := r.call(who("bo", "builders"), "query_write", write(sql), 0)
	if env.Status != statusPending || env.Executed != "no" {
		t.Fatalf("with define: %s", marshal(env))
	}
	if req := r.pending(); !strings.Contains(req.Summary, "create table: table public.made") || req.Risk < 40 {
		t.Errorf("the card: %+v", req)
	}
	r.yes()
	env = r.call(who("bo", "builders"), "query_write", write(sql), time.Second)
	if env.Status != statusOK || env.Executed != "yes" {
		t.Fatalf("after the yes: %s", marshal(env))
	}
	if got := r.count("made"); got != "0" {
		t.Errorf("%s rows", got)
	}
}
