package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sallyport/approvals/slack"
	"sallyport/approvals/web"
	"sallyport/audit"
	"sallyport/configs"
	"sallyport/configs/vault"
	"sallyport/gateway"
	"sallyport/gateway/adminapi"
	"sallyport/gateway/mcpserver"
	"sallyport/identity"
	"sallyport/policy"
	"sallyport/store"
)

// drainTime is how long calls in flight may go on after a stop was asked for; then they are cancelled.
const drainTime = 20 * time.Second

func newServe() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "serve --config FILE", Short: "Run the gateway", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return &cliError{code: exitUsage, err: errors.New("serve needs --config FILE"), hints: []string{"configs/examples/ has files to start from; sallyport config check FILE checks yours"}}
			}
			f, err := configs.Load(path)
			if err != nil {
				return configError(err)
			}
			if err := harden(); err != nil {
				return err
			}
			s, err := newServer(cmd.Context(), serverConfig{file: f, path: path, log: newLogger(f, cmd.ErrOrStderr())})
			if err != nil {
				return err
			}
			return s.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "sallyport.yaml")
	return cmd
}

// serverConfig is what newServer needs.
type serverConfig struct {
	file *configs.File
	path string // read again on SIGHUP
	log  *slog.Logger
}

// server is a running gateway: every part constructed once, and the listeners in front of it.
type server struct {
	serverConfig
	store    *store.Store
	verifier *identity.Verifier
	vault    *vault.Client        // nil without one
	bundle   *policy.BundleSource // nil without a remote bundle
	gateway  *gateway.Gateway
	mcp      *mcpserver.Server
	pages    *web.Server
	listener net.Listener
	metrics  net.Listener // nil when not configured
	current  *current
	// reloading is held while a world is built and put into force, so that a bundle and a configuration do not undo each other.
	reloading sync.Mutex
	slack     *slack.Bridge // nil when not configured
}

// newServer opens everything a gateway needs, or nothing: on error what was opened is closed again.
func newServer(ctx context.Context, cfg serverConfig) (*server, error) {
	s := &server{serverConfig: cfg, current: &current{file: cfg.file}}
	var undo []func()
	if err := s.open(ctx, func(f func()) { undo = append(undo, f) }); err != nil {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
		return nil, err
	}
	return s, nil
}

// open opens the parts one after another, and says of each how it is closed again.
func (s *server) open(ctx context.Context, undo func(func())) (err error) {
	f := s.file
	if s.listener, err = listen(f); err != nil {
		return err
	}
	undo(func() { s.listener.Close() })
	if f.Metrics != "" {
		if s.metrics, err = net.Listen("tcp", f.Metrics); err != nil {
			return hinted(fmt.Errorf("metrics: %w", err), "choose another address for metrics")
		}
		undo(func() { s.metrics.Close() })
	}
	if s.store, err = store.Open(ctx, store.Config{Dir: f.State, Origin: f.PublicURL, Now: time.Now, Log: s.log, ReplayWindow: replayWindow}); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	undo(func() { s.store.Close() })
	if s.vault, err = openVault(f); err != nil {
		return err
	}
	if s.verifier, err = newVerifier(ctx, f, s.log, s.read); err != nil {
		return err
	}
	undo(func() { s.verifier.Close() })
	if s.bundle, err = openBundle(ctx, f, filepath.Join(f.State, "policy"), s.log); err != nil {
		return err
	}
	world, err := s.buildWorld(ctx, f)
	if err != nil {
		return err
	}
	undo(world.Close)
	s.gateway, err = gateway.New(ctx, gateway.Config{
		Store: s.store, Log: s.log, Now: time.Now, SessionIdle: f.Sessions.Idle.D(), SessionMax: f.Sessions.Max.D(),
		Replay: replayWindow, MaxPending: 10,
	}, world)
	if err != nil {
		return err
	}
	if s.mcp, err = s.newMCP(f); err != nil {
		return err
	}
	if s.pages, err = s.newPages(); err != nil {
		return err
	}
	if s.slack, err = s.newSlack(ctx, f); err != nil {
		return err
	}
	if err = s.recordConfig(ctx, "gateway started", f); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// URL is where the gateway listens, for the demo and tests.
func (s *server) URL() string {
	scheme := "http"
	if s.file.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String()
}

// run serves until ctx ends; then it lets calls in flight finish, cancels what does not, and closes every part.
func (s *server) run(ctx context.Context) error {
	mux := http.NewServeMux()
	s.mcp.Register(mux)
	mux.Handle("/api/", adminapi.New(adminapi.Config{
		Gateway: s.gateway, Log: s.store, Links: s.store, Slog: s.log, Roles: s.current.roles,
		Verify: func(ctx context.Context, token string) (*identity.Principal, error) {
			return s.verifier.Verify(ctx, token, identity.API)
		},
	}))
	mux.Handle(web.Path, s.pages)
	mux.Handle(web.Path+"/", s.pages)
	if s.slack != nil {
		mux.Handle("POST "+slackPath, s.slack.Handler())
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)

	// No write time-out: a call may be held for people. The transport sets a deadline for each write.
	main := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	metrics := &http.Server{Handler: s.gateway.MetricsHandler(), ReadHeaderTimeout: 10 * time.Second}

	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	failed := make(chan error, 2)
	serve := func(srv *http.Server, l net.Listener) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	serve(main, s.listener)
	if s.metrics != nil {
		serve(metrics, s.metrics)
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // before anybody is told that the gateway is ready: without it the signal ends the process
	defer signal.Stop(hup)
	wg.Go(func() { s.expireLoop(work) })
	wg.Go(func() { s.sweepLoop(work) })
	wg.Go(func() { s.reloadLoop(work, hup) })
	if s.vault != nil {
		wg.Go(func() { s.vault.Run(work) })
	}
	if s.bundle != nil {
		wg.Go(func() { s.bundle.Run(work, s.activateBundle) })
	}
	if s.slack != nil {
		wg.Go(func() { s.slack.Run(work) })
	}
	s.log.Info("gateway ready", "listen", s.listener.Addr().String(), "public_url", s.file.PublicURL, "version", version)

	var err error
	select {
	case <-ctx.Done():
		s.log.Info("stopping: calls in flight may finish", "within", drainTime)
	case err = <-failed:
	}
	drain, stop := context.WithTimeout(context.Background(), drainTime)
	defer stop()
	s.gateway.Drain() // whoever waits for people is told to come back: the requests stay
	for _, shutdown := range []func(context.Context) error{s.mcp.Shutdown, main.Shutdown, metrics.Shutdown} {
		if e := shutdown(drain); errors.Is(e, context.DeadlineExceeded) {
			s.log.Warn("calls that were still running have been cancelled", "after", drainTime)
		} else {
			err = errors.Join(err, e)
		}
	}
	main.Close()
	cancel()
	wg.Wait()
	return errors.Join(err, s.close())
}

// close ends the parts in the order in which they depend on each other.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.gateway.Close(ctx)
	err = errors.Join(err, s.recordConfig(ctx, "gateway stopped", s.file))
	s.verifier.Close()
	return errors.Join(err, s.store.Close())
}

// expireLoop closes approval requests whose time has passed.
func (s *server) expireLoop(ctx context.Context) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.gateway.Expire(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("closing expired requests", "err", err)
			}
		}
	}
}

// sweepLoop ends the sessions whose time has come.
func (s *server) sweepLoop(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.gateway.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("ending sessions; it is tried again", "err", err)
			}
		}
	}
}

// reloadLoop reads the configuration again on SIGHUP. A bad file keeps the old one and says so.
func (s *server) reloadLoop(ctx context.Context, hup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if err := s.reload(ctx); err != nil {
				s.log.Error("the configuration was not reloaded; the old one stays in force", "err", err)
			} else {
				s.log.Info("configuration reloaded")
			}
		}
	}
}

func (s *server) reload(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	f, err := configs.Load(s.path)
	if err != nil {
		return err
	}
	if key := fixedKey(s.file, f); key != "" {
		return fmt.Errorf("%s cannot change while the gateway runs; restart it", key)
	}
	return s.replace(ctx, f, "configuration reloaded")
}

// activateBundle puts the bundle that the server has into force, under the configuration that is.
func (s *server) activateBundle(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	return s.replace(ctx, s.current.get(), "policy bundle "+s.bundle.Revision()+" activated")
}

// replace puts a new world into force. Guarded by reloading.
func (s *server) replace(ctx context.Context, f *configs.File, what string) error {
	w, err := s.buildWorld(ctx, f)
	if err != nil {
		return err
	}
	if err := s.recordConfig(ctx, what, f); err != nil {
		w.Close()
		return err
	}
	s.current.set(f)
	s.gateway.Replace(w)
	return nil
}

// fixedKey is a key that differs and that a running gateway cannot change; "" when there is none.
func fixedKey(old, changed *configs.File) string {
	for _, k := range []struct {
		name     string
		old, new any
	}{
		{"listen", old.Listen, changed.Listen}, {"tls", old.TLS, changed.TLS}, {"trusted_proxies", old.TrustedProxies, changed.TrustedProxies},
		{"metrics", old.Metrics, changed.Metrics}, {"public_url", old.PublicURL, changed.PublicURL}, {"state", old.State, changed.State},
		{"identity", old.Identity, changed.Identity}, {"sessions", old.Sessions, changed.Sessions}, {"approvals", old.Approvals, changed.Approvals},
		{"log", old.Log, changed.Log}, {"vault", old.Vault, changed.Vault}, {"policy.bundle", remoteBundle(old), remoteBundle(changed)},
	} {
		if !reflect.DeepEqual(k.old, k.new) {
			return k.name
		}
	}
	return ""
}

// remoteBundle is where a bundle comes from that the gateway keeps asking for; nil when there is none. The modules beside it are checked
// together with it, so they are fixed as well.
func remoteBundle(f *configs.File) any {
	if f.Policy == nil || f.Policy.Bundle == nil || f.Policy.Bundle.URL == "" {
		return nil
	}
	return *f.Policy
}

// recordConfig appends that a configuration came into force, or that the gateway stopped.
func (s *server) recordConfig(ctx context.Context, what string, f *configs.File) error {
	return s.store.Append(ctx, audit.Record{Entry: audit.Entry{Kind: audit.KindConfig, Detail: what + ", revision " + f.Revision()}})
}

// readyz says whether calls are taken, and if not, which part is the reason.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	var problems []string
	if err := s.store.Writable(); err != nil {
		problems = append(problems, "audit: the store cannot be written: "+err.Error())
	}
	if err := s.verifier.Ready(); err != nil {
		problems = append(problems, "identity: "+err.Error())
	}
	if s.bundle != nil {
		if err := s.bundle.Fresh(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) == 0 {
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, p := range problems {
		fmt.Fprintln(w, p)
	}
}

func listen(f *configs.File) (net.Listener, error) {
	l, err := net.Listen("tcp", f.Listen)
	if err != nil {
		return nil, hinted(fmt.Errorf("listen: %w", err), "another program may use the address; change listen in the configuration")
	}
	if f.TLS == nil {
		return l, nil
	}
	cert, err := tls.LoadX509KeyPair(f.TLS.Cert, f.TLS.Key)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("tls: %w", err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), nil
}

// current is the configuration in force, for the parts that outlive a reload.
type current struct {
	mu   sync.RWMutex
	file *configs.File
}

func (c *current) set(f *configs.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file = f
}

func (c *current) get() *configs.File {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.file
}

func (c *current) roles() adminapi.Roles {
	c.mu.RLock()
	defer c.mu.RUnlock()
	r := c.file.Roles
	return adminapi.Roles{Approver: r.Approver.Groups, Operator: r.Operator.Groups, Auditor: r.Auditor.Groups}
}
