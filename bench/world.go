package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sallyport/identity/devissuer"
	"sallyport/tools/query/pgserver"
)

//go:embed tables.sql
var tablesSQL string

//go:embed sallyport.yaml
var gatewayYAML string

// callers is the most there are at once; every pool and connection limit is made for it.
const callers = 16

// world is what the calls need, started for this run and gone after it.
type world struct {
	dir     string
	pool    *pgxpool.Pool // as the gateway's login
	gateway *child
	off     *child // the same server with governance off
	agent   *agent // of the gateway
	offline *agent // of the server with governance off
	metrics string // the gateway's
	host    *host  // nil: there is no sshd on this machine
	api     *api
	undo    []func() error
}

func (w *world) close() error {
	var errs []error
	for i := len(w.undo) - 1; i >= 0; i-- {
		errs = append(errs, w.undo[i]())
	}
	return errors.Join(errs...)
}

// startWorld returns a world to close also when it fails.
func startWorld(ctx context.Context, gateway string, say func(string, ...any)) (w *world, err error) {
	w = &world{}
	if w.dir, err = os.MkdirTemp("", "sallyport-bench-"); err != nil {
		return w, err
	}
	w.undo = append(w.undo, func() error { return os.RemoveAll(w.dir) })
	password := rand.Text()
	say("starting PostgreSQL and loading two tables of %d rows ...", tableRows)
	dsn, err := w.startDatabase(ctx, password)
	if err != nil {
		return w, err
	}
	if err := w.startHost(ctx, say); err != nil {
		return w, err
	}
	if err := w.startAPI(); err != nil {
		return w, err
	}
	say("starting an OIDC issuer, the gateway, and the same server with governance off ...")
	issuer, err := devissuer.Start(ctx, devissuer.Options{Alg: "RS256", Lifetime: time.Hour})
	if err != nil {
		return w, err
	}
	w.undo = append(w.undo, func() error { issuer.Close(); return nil })
	if err := w.startGateway(ctx, gateway, issuer, dsn, password); err != nil {
		return w, err
	}
	return w, w.startOff(dsn)
}

// startDatabase returns the connection string of the login that all three ways use.
func (w *world) startDatabase(ctx context.Context, password string) (string, error) {
	pg, err := pgserver.Start(ctx, pgserver.Options{Download: true, Settings: map[string]string{"shared_buffers": "256MB"}})
	if err != nil {
		return "", err
	}
	w.undo = append(w.undo, pg.Close)
	if err := pg.Exec(ctx, "CREATE DATABASE bench"); err != nil {
		return "", err
	}
	sql := strings.NewReplacer("PASSWORD_PLACEHOLDER", password, "ROWS_PLACEHOLDER", strconv.Itoa(tableRows)).Replace(tablesSQL)
	if err := pg.ExecIn(ctx, "bench", sql); err != nil {
		return "", err
	}
	dsn := fmt.Sprintf("postgres://sallyport:%s@127.0.0.1:%d/bench?sslmode=disable", password, pg.Port)
	conf, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return "", err
	}
	conf.MaxConns = callers
	conf.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec // one round trip for a text that is new each time
	if w.pool, err = pgxpool.NewWithConfig(ctx, conf); err != nil {
		return "", err
	}
	w.undo = append(w.undo, func() error { w.pool.Close(); return nil })
	return dsn, nil
}

// startGateway runs the real program with a real configuration: twenty scopes, labelled columns, the log as in production.
func (w *world) startGateway(ctx context.Context, program string, issuer *devissuer.Issuer, dsn, password string) error {
	conf, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	metrics, err := freeAddress()
	if err != nil {
		return err
	}
	secret := filepath.Join(w.dir, "password")
	var yaml strings.Builder
	err = template.Must(template.New("").Parse(gatewayYAML)).Execute(&yaml, map[string]any{
		"Host": w.host, "KeyFile": filepath.Join(w.dir, "key"), "API": w.api,
		"Listen": listen, "Metrics": metrics, "Issuer": issuer.URL(), "State": filepath.Join(w.dir, "state"), "PasswordFile": secret,
		"Database": net.JoinHostPort("127.0.0.1", strconv.Itoa(int(conf.Port))) + "/bench", "Connections": callers, "Teams": make([]int, scopes-3),
	})
	if err != nil {
		return err
	}
	config := filepath.Join(w.dir, "sallyport.yaml")
	if err := errors.Join(os.WriteFile(secret, []byte(password), 0o600), os.WriteFile(config, []byte(yaml.String()), 0o600)); err != nil {
		return err
	}
	if w.gateway, err = startChild(filepath.Join(w.dir, "gateway.log"), nil, program, "serve", "--config", config); err != nil {
		return err
	}
	w.undo = append(w.undo, w.gateway.stop)
	w.metrics = "http://" + metrics + "/metrics"
	w.agent = newAgent("http://"+listen, issuer.Mint(devissuer.Claims{
		"sub": "maria", "aud": "http://" + listen + "/mcp", "groups": []string{"readers", "staff"}, "azp": "bench", "name": "maria"}))
	return w.gateway.waitFor(ctx, "http://"+listen+"/readyz")
}

// startOff runs this program again, as the server with governance off.
func (w *world) startOff(dsn string) (err error) {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if w.off, err = startChild(filepath.Join(w.dir, "off.log"), []string{envUngoverned + "=" + dsn}, exe); err != nil {
		return err
	}
	w.undo = append(w.undo, w.off.stop)
	base, err := w.off.firstLine()
	if err != nil {
		return err
	}
	w.offline = newAgent(base, "token")
	return nil
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

// waitFor asks url until it answers 200, the child ends or half a minute has passed.
func (c *child) waitFor(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-c.ended:
			return fmt.Errorf("%s ended: %s", c.name, c.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %s", c.name, c.lastWords())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
