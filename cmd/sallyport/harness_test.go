package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sallyport/configs"
	"sallyport/gateway"
	"sallyport/identity/devissuer"
	"sallyport/tools/query/pgserver"
)

// TestMain lets the test binary be three programs: the tests; sallyport, for scripts and for children that are killed; and
// the SQL parser's child, because a gateway in a test starts os.Executable for that.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == parseWorkerCommand {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	testscript.Main(withCluster{m}, map[string]func(){
		"sallyport": func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// withCluster stops the PostgreSQL of the tests after them. pgserver.Main would exit before the scripts' programs are removed.
type withCluster struct{ *testing.M }

var cluster struct {
	sync.Mutex
	server *pgserver.Server
}

func (m withCluster) Run() int {
	code := m.M.Run()
	cluster.Lock()
	defer cluster.Unlock()
	if cluster.server != nil {
		if err := cluster.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
			return max(code, 1)
		}
	}
	return code
}

// worldYAML has a production target that asks before it changes, and a development one that does not. Both are the same shop.
const worldYAML = `listen: {{.Address}}
public_url: http://{{.Address}}
metrics: {{.Metrics}}
log: {level: debug, format: json}
identity:
  issuers:
    - url: {{.Issuer}}
      audience: http://{{.Address}}/mcp
      api_audience: http://{{.Address}}/api
      web: {client_id: pages}
roles:
  approver: {groups: [dba]}
  operator: {groups: [platform]}
  auditor: {groups: [security]}
state: {{.State}}
approvals:
  hold: {{.Hold}}
targets:
  shop:
    postgres: {address: "{{.Database}}", user: sallyport, password: "file:{{.Password}}", tls: "off"}
    environment: production
    columns:
      customers.ssn: {class: us_ssn, mask: redact}
      customers.email: {class: email, mask: pseudonym}
  sandbox:
    postgres: {address: "{{.Database}}", user: sallyport, password: "file:{{.Password}}", tls: "off", max_connections: 8}
    environment: development
scopes:
  support:
    who: {groups: [support]}
    targets: [shop]
    allow: [read, write]
    limits: {rows: 200, bytes: 256KiB, time: 30s}
    approval: {from: [dba], count: 1, within: 30m}
  builders:
    who: {groups: [support]}
    targets: [sandbox]
    allow: [read, write]
    limits: {rows: 2000, bytes: 1MiB, time: 60s, affected_rows: 10}
    risk: {ask: 100, deny: 100}
`

// world is everything around a gateway: a real PostgreSQL with the demo's shop, a real OIDC issuer, and a configuration file.
type world struct {
	t        *testing.T
	pg       *pgserver.Server
	database string
	issuer   *devissuer.Issuer
	dir      string // of the configuration file, the secrets, the tokens and state
	url      string // public base
	metrics  string // address of the metrics
	password string // of the target; the server trusts everybody, so it only has to stay secret
	logs     buffer // of every gateway started here

	server *server // the one running, or nil
	stop   func() error
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}
func (b *buffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.buf.String() }

// newWorld prepares everything but starts no gateway. hold is approvals.hold.
func newWorld(t *testing.T, hold string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), password: "target-password-" + randomHex(8)}
	w.pg, w.database = pgserver.ForTest(t)
	cluster.Lock()
	cluster.server = w.pg
	cluster.Unlock()
	w.loadShop()
	var err error
	if w.issuer, err = devissuer.Start(t.Context(), devissuer.Options{People: map[string]devissuer.Claims{"bob": {"groups": []string{"dba"}}}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.issuer.Close() })
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	if w.metrics, err = freeAddress(); err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + address
	w.issuer.Register("pages", devissuer.Client{Redirects: []string{w.url + "/approvals/callback"}})
	secret := w.file("password", w.password)
	var yaml strings.Builder
	if err := template.Must(template.New("").Parse(worldYAML)).Execute(&yaml, map[string]string{
		"Address": address, "Metrics": w.metrics, "Issuer": w.issuer.URL(), "State": w.state(), "Hold": hold,
		"Database": net.JoinHostPort("127.0.0.1", strconv.Itoa(int(w.pg.Port))) + "/" + w.database, "Password": secret,
	}); err != nil {
		t.Fatal(err)
	}
	w.file("sallyport.yaml", yaml.String())
	return w
}

// running is a world whose gateway runs in this process until the test ends.
func running(t *testing.T, hold string) *world {
	t.Helper()
	w := newWorld(t, hold)
	w.start()
	return w
}

func (w *world) state() string  { return filepath.Join(w.dir, "state") }
func (w *world) config() string { return filepath.Join(w.dir, "sallyport.yaml") }

// file writes a file beside the configuration and returns its path.
func (w *world) file(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// loadShop loads the demo's data. The role is the cluster's, and an earlier test may have made it.
func (w *world) loadShop() {
	w.t.Helper()
	sql, err := demoFiles.ReadFile("demo/shop.sql")
	if err != nil {
		w.t.Fatal(err)
	}
	lines := strings.Split(string(sql), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "CREATE ROLE ") {
			lines[i] = "DO $$ BEGIN " + line + " EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
		}
	}
	w.sql(strings.Join(lines, "\n"))
}

// sql runs statements as the superuser, past the gateway.
func (w *world) sql(text string) {
	w.t.Helper()
	if err := w.pg.ExecIn(context.Background(), w.database, text); err != nil {
		w.t.Fatal(err)
	}
}

// holds fails the test unless a condition on the database is true, past the gateway.
func (w *world) holds(condition string) {
	w.t.Helper()
	if err := w.pg.ExecIn(context.Background(), w.database, "DO $$ BEGIN ASSERT ("+condition+"), 'it does not hold'; END $$"); err != nil {
		w.t.Errorf("in the database, %s: %v", condition, err)
	}
}

// start runs a gateway in this process; w.stop ends it and returns what run returned.
func (w *world) start() {
	w.t.Helper()
	f, err := configs.Load(w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	if w.server, err = newServer(w.t.Context(), serverConfig{file: f, path: w.config(), log: newLogger(f, &w.logs)}); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.server.run(ctx) }()
	w.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	stop := w.stop
	w.t.Cleanup(func() {
		if err := stop(); err != nil {
			w.t.Errorf("the gateway ended with: %v", err)
		}
	})
	if err := waitReady(w.t.Context(), w.url); err != nil {
		w.t.Fatalf("%v\n%s", err, w.logs.String())
	}
}

// agent is a client with a token of maria's, of support.
func (w *world) agent() *mcpClient {
	return w.agentOf("maria", "support")
}

func (w *world) agentOf(subject string, groups ...string) *mcpClient {
	token := w.agentToken(subject, groups...)
	return &mcpClient{endpoint: w.url + "/mcp", http: &http.Client{}, token: func() (string, error) { return token, nil }}
}

func (w *world) agentToken(subject string, groups ...string) string {
	return w.issuer.Mint(devissuer.Claims{"sub": subject, "aud": w.url + "/mcp", "groups": groups, "azp": "test-agent"})
}

// apiToken is the file with a person's token for the admin API.
func (w *world) apiToken(subject string, groups ...string) string {
	w.t.Helper()
	return w.file(subject+".token", w.issuer.Mint(devissuer.Claims{"sub": subject, "aud": w.url + "/api", "groups": groups, "azp": "sallyport-cli", "auth_time": time.Now().Unix()}))
}

// call makes one call that must be answered with an envelope.
func (w *world) call(c *mcpClient, tool string, args map[string]any) *gateway.Envelope {
	w.t.Helper()
	env, err := c.call(w.t.Context(), tool, args, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return env
}

// query reads through the gateway.
func (w *world) query(target, sql string, params ...any) *gateway.Envelope {
	w.t.Helper()
	return w.call(w.agent(), "query", map[string]any{"target": target, "sql": sql, "params": append([]any{}, params...)})
}

// cli runs sallyport in this process, as the person whose token file is given.
func (w *world) cli(tokenFile string, args ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	var out, errs bytes.Buffer
	code = run(append(args, "--url", w.url, "--api-token-file", tokenFile), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// cliOK is cli for what must succeed.
func (w *world) cliOK(tokenFile string, args ...string) string {
	w.t.Helper()
	code, out, errs := w.cli(tokenFile, args...)
	if code != exitDone {
		w.t.Fatalf("sallyport %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// get is a plain GET: status and body.
func (w *world) get(url string) (int, string) {
	w.t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// decode is JSON into a value of type T.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return v
}

// eventually waits until ok, for what another goroutine or process is about to do. It gives up when the test is about to be
// killed anyway: how long things take is measured in bench/.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
