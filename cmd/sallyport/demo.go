package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sallyport/configs"
	"sallyport/identity/devissuer"
	"sallyport/tools/exec/sshserver"
	"sallyport/tools/query/pgserver"
)

//go:embed demo/shop.sql demo/sallyport.yaml
var demoFiles embed.FS

func newDemo() *cobra.Command {
	var yes, keep bool
	cmd := &cobra.Command{
		Use: "demo", Short: "Everything on loopback: a database, a host, an API, an OIDC issuer, the gateway and a scripted agent", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP) // a closed terminal leaves nothing behind either
			defer stop()
			return runDemo(ctx, cmd.InOrStdin(), cmd.OutOrStdout(), yes, keep)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "let the people of the story answer by themselves")
	cmd.Flags().BoolVar(&keep, "keep", false, "stay up afterwards and print how to connect Claude Code, Cursor and VS Code")
	return cmd
}

// stage is the demo's little world, closed in reverse order of its making.
type stage struct {
	out    io.Writer
	style  style
	dir    string
	issuer *devissuer.Issuer
	host   *sshserver.Server // nil where no sshd is installed
	server *server
	enter  chan struct{} // a line was typed; nil until somebody waits for one
	undo   []func()
}

func (d *stage) close() {
	for i := len(d.undo) - 1; i >= 0; i-- {
		d.undo[i]()
	}
}

func runDemo(ctx context.Context, in io.Reader, out io.Writer, yes, keep bool) error {
	d := &stage{out: out, style: styleOf(out)}
	defer d.close()
	fmt.Fprintln(out, d.style.bold("sallyport demo")+": an agent, a production database, a host and an API, and a gate between them; all on loopback, all removed at the end")
	if err := d.setUp(ctx); err != nil {
		return err
	}
	if f, ok := in.(*os.File); !yes && (!ok || !term.IsTerminal(int(f.Fd()))) {
		fmt.Fprintln(out, d.style.dim("no terminal to ask at: the write will be approved by itself, as with --yes"))
		yes = true
	}
	if err := d.play(ctx, in, yes); err != nil {
		return err
	}
	if keep {
		return d.stay(ctx)
	}
	fmt.Fprintf(out, "\n%s  run it again with --keep to connect your own agent; docs/getting-started.md sets up a real target\n", d.style.green("done"))
	return nil
}

// step prints what is being done, does it, and prints how long it took.
func (d *stage) step(what string, f func() error) error {
	fmt.Fprintf(d.out, "  %-54s", what+" ...")
	begun := time.Now()
	if err := f(); err != nil {
		fmt.Fprintln(d.out, d.style.red("failed"))
		return fmt.Errorf("%s: %w", what, err)
	}
	fmt.Fprintf(d.out, "%s %s\n", d.style.green("ok"), d.style.dim(time.Since(begun).Round(time.Millisecond).String()))
	return nil
}

func (d *stage) setUp(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp("", "sallyport-demo-"); err != nil {
		return err
	}
	d.undo = append(d.undo, func() { os.RemoveAll(d.dir) })
	password := randomHex(16)
	var pg *pgserver.Server
	if err := d.step("starting PostgreSQL", func() (err error) {
		pg, err = pgserver.Start(ctx, pgserver.Options{Download: true})
		if err == nil {
			d.undo = append(d.undo, func() { pg.Close() })
		}
		return err
	}); err != nil {
		return err
	}
	if err := d.step("loading a small shop: 300 customers, 1,500 orders", func() error {
		sql, err := demoFiles.ReadFile("demo/shop.sql")
		if err != nil {
			return err
		}
		if err := pg.Exec(ctx, "CREATE DATABASE shop"); err != nil {
			return err
		}
		return pg.ExecIn(ctx, "shop", strings.ReplaceAll(string(sql), "PASSWORD_PLACEHOLDER", password))
	}); err != nil {
		return err
	}
	if err := d.step("starting an OIDC issuer", func() (err error) {
		d.issuer, err = devissuer.Start(ctx, devissuer.Options{})
		if err == nil {
			d.undo = append(d.undo, func() { d.issuer.Close() })
		}
		return err
	}); err != nil {
		return err
	}
	err = d.step("starting an SSH host", func() (err error) {
		d.host, err = sshserver.Start(ctx, sshserver.Options{})
		if err == nil {
			d.undo = append(d.undo, func() { d.host.Close() })
		}
		return err
	})
	if errors.Is(err, sshserver.ErrNoSSHD) {
		fmt.Fprintln(d.out, d.style.dim("    no sshd on this machine: the demo goes on without exec (install openssh-server to see it)"))
	} else if err != nil {
		return err
	}
	token := randomHex(20)
	var api *demoAPI
	if err := d.step("starting an HTTP API", func() (err error) {
		api, err = startDemoAPI(token)
		if err == nil {
			d.undo = append(d.undo, func() { api.Close() })
		}
		return err
	}); err != nil {
		return err
	}
	return d.step("starting the gateway", func() error { return d.startGateway(ctx, pg, api, password, token) })
}

// secretFile keeps a secret where the configuration refers to it.
func (d *stage) secretFile(name, secret string) (string, error) {
	path := filepath.Join(d.dir, name)
	return path, os.WriteFile(path, []byte(secret), 0o600)
}

// startGateway writes the configuration a real gateway would have and serves it in this process.
func (d *stage) startGateway(ctx context.Context, pg *pgserver.Server, api *demoAPI, password, token string) error {
	passwordFile, err := d.secretFile("shop-password", password)
	if err != nil {
		return err
	}
	tokenFile, err := d.secretFile("billing-token", token)
	if err != nil {
		return err
	}
	addr, err := freeAddress()
	if err != nil {
		return err
	}
	values := map[string]string{
		"Listen": addr, "PublicURL": "http://" + addr, "Issuer": d.issuer.URL(), "State": filepath.Join(d.dir, "state"), "Hold": "10m",
		"Database": net.JoinHostPort("127.0.0.1", strconv.Itoa(int(pg.Port))) + "/shop", "PasswordFile": passwordFile,
		"API": api.url, "APITokenFile": tokenFile,
	}
	if d.host != nil {
		keyFile, err := d.secretFile("web-1-key", string(d.host.Key))
		if err != nil {
			return err
		}
		values["Host"], values["HostUser"], values["HostKey"], values["HostKeyFile"] = d.host.Address, d.host.User, d.host.HostKey, keyFile
	}
	raw, err := demoFiles.ReadFile("demo/sallyport.yaml")
	if err != nil {
		return err
	}
	var yaml strings.Builder
	if err := template.Must(template.New("").Parse(string(raw))).Execute(&yaml, values); err != nil {
		return err
	}
	path := filepath.Join(d.dir, "sallyport.yaml")
	if err := os.WriteFile(path, []byte(yaml.String()), 0o600); err != nil {
		return err
	}
	f, err := configs.Load(path)
	if err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(d.dir, "gateway.log"))
	if err != nil {
		return err
	}
	d.undo = append(d.undo, func() { logFile.Close() })
	if d.server, err = newServer(ctx, serverConfig{file: f, path: path, log: slog.New(slog.NewTextHandler(logFile, nil))}); err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		if err := d.server.run(serving); err != nil {
			fmt.Fprintln(d.out, "gateway:", err)
		}
	}()
	d.undo = append(d.undo, func() { stop(); wg.Wait() })
	return waitReady(ctx, d.server.URL())
}

func waitReady(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("the gateway did not become ready")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// person mints a token as the demo's issuer would for somebody who logged in a moment ago.
func (d *stage) person(subject string, groups []string, audience, client string) string {
	now := time.Now()
	return d.issuer.Mint(devissuer.Claims{
		"sub": subject, "aud": audience, "groups": groups, "azp": client, "name": subject,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "auth_time": now.Unix(),
	})
}

func (d *stage) agentToken() string {
	return d.person("maria", []string{"support"}, d.server.file.PublicURL+"/mcp", "claude-code")
}

func (d *stage) apiToken(subject string, groups ...string) string {
	return d.person(subject, groups, d.server.file.PublicURL+"/api", "sallyport-cli")
}

// stay keeps everything up until it is interrupted, and renews the tokens in their files meanwhile.
func (d *stage) stay(ctx context.Context) error {
	agent, approver, auditor := filepath.Join(d.dir, "agent.token"), filepath.Join(d.dir, "approver.token"), filepath.Join(d.dir, "auditor.token")
	renew := func() error {
		return errors.Join(
			os.WriteFile(agent, []byte(d.agentToken()), 0o600),
			os.WriteFile(approver, []byte(d.apiToken("bob", "dba", "sre-leads")), 0o600),
			os.WriteFile(auditor, []byte(d.apiToken("olga", "security")), 0o600))
	}
	if err := renew(); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	d.printConnect(exe, agent, approver, auditor)
	tick := time.NewTicker(20 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(d.out, "\nstopping")
			return nil
		case <-tick.C:
			if err := renew(); err != nil {
				return err
			}
		}
	}
}

func (d *stage) printConnect(exe, agent, approver, auditor string) {
	base, s := d.server.file.PublicURL, d.style
	args := fmt.Sprintf(`["stdio", "--url", %q, "--token-file", %q]`, base, agent)
	fmt.Fprintf(d.out, "\n%s  the gateway stays up until Ctrl-C. Connect your own agent:\n\n", s.green("ready"))
	fmt.Fprintf(d.out, "%s\n  claude mcp add sallyport -- %s stdio --url %s --token-file %s\n\n", s.bold("Claude Code"), exe, base, agent)
	fmt.Fprintf(d.out, "%s  (~/.cursor/mcp.json)\n  {\"mcpServers\": {\"sallyport\": {\"command\": %q, \"args\": %s}}}\n\n", s.bold("Cursor"), exe, args)
	fmt.Fprintf(d.out, "%s  (.vscode/mcp.json)\n  {\"servers\": {\"sallyport\": {\"type\": \"stdio\", \"command\": %q, \"args\": %s}}}\n\n", s.bold("VS Code"), exe, args)
	fmt.Fprintf(d.out, "%s\n  %s approvals list --url %s --api-token-file %s\n  %s audit search --url %s --api-token-file %s\n",
		s.bold("As a person, in another terminal"), exe, base, approver, exe, base, auditor)
}

// awaitEnter waits until the person at the terminal presses Enter, unless the request is answered elsewhere first (done is closed
// then). One goroutine reads the terminal for the whole demo, so that an Enter that came late is not swallowed.
func (d *stage) awaitEnter(ctx context.Context, in io.Reader, done <-chan struct{}) bool {
	if d.enter == nil {
		d.enter = make(chan struct{})
		go func() { // ends with the input, or with the process: a blocked read of a terminal cannot be interrupted
			for lines := bufio.NewScanner(in); lines.Scan(); {
				select {
				case d.enter <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	select {
	case <-d.enter:
		return true
	case <-done:
	case <-ctx.Done():
	}
	return false
}

// freeAddress is a loopback address nobody listens on at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
