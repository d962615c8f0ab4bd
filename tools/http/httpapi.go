// Package httpapi answers: what would this HTTP request do, and what did the API say?
//
// A call names a target, a method and a path below the target's base URL; it never names a host. [APIs.Tool] plans it
// (parsing only), inspects it against what the operator knows of the API (an OpenAPI document, GraphQL, JSON-RPC) and runs
// it. Promises:
//
//   - What was decided is what is sent, byte for byte: a path, a query or a body that two servers could read differently
//     is refused, never normalised.
//   - The gateway connects to the configured host only: no redirects, no proxy, and the address is checked after the one
//     look-up it then connects to.
//   - The credential is added last, after everything else is fixed, and the agent can set nothing of the same name.
//   - A change whose answer was not seen is reported as such ([tools.OutcomeUnknownError]), never as a failure.
//
// It does not decide and does not mask: facts are judged by policy, and every byte of a response passes the [tools.Mask]
// it is given. Rules for paths and headers follow RFC 3986, RFC 9110 and RFC 9112; docs/http.md is the operator's page.
package httpapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"sallyport/tools"
)

// Secret returns a credential at the moment it is needed, so that a rotated one is used without a reload. Safe for
// concurrent use.
type Secret func(ctx context.Context) (string, error)

// Config is what Open needs.
type Config struct {
	Targets []Target
	Log     *slog.Logger
	Now     func() time.Time
	// Known is told every secret value before it is first sent, so that masking knows it: the value itself and composed
	// forms ("user:password"); encodings of them are masking's own business. A second call with the same name replaces
	// the first. It must not call back. Required when a target has a credential.
	Known func(name string, secret []byte)
	// Record is told of each token that was made for a session, before it is used, and of its end. Required with Auth.Exchange.
	Record tools.RecordCredential
	// Resolve looks up a host name; nil means the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Target is one API. The zero value of every field but Name and BaseURL is usable.
type Target struct {
	Name    string
	BaseURL string // "https://billing.internal/api"; plain http only when the host is loopback; no query, no user
	Auth    Auth
	// ClientCertificate is mTLS: the certificate presented to the server, at each handshake; nil for none.
	ClientCertificate func(ctx context.Context) (*tls.Certificate, error)
	CA                *x509.CertPool // nil: the system's roots
	// AllowedNetworks are the only addresses the gateway connects to for this target. Empty: any address the host resolves
	// to, but link-local (cloud metadata), multicast and unspecified ones, and loopback only if the host says so itself
	// ("localhost", "127.0.0.1", "[::1]").
	AllowedNetworks []netip.Prefix

	OpenAPI []byte   // an OpenAPI 3 document, JSON or YAML; paths are relative to BaseURL. nil: none
	GraphQL *GraphQL // nil: no such endpoint
	JSONRPC *JSONRPC

	// Headers are request headers an agent may set besides the everyday ones (Accept, Accept-Language, the conditional
	// headers, and Content-Type with a body). Facts name those that were set, so that a scope can narrow them.
	Headers      []string
	Fixed        map[string]string // headers sent with every request, which no agent can set
	ContentTypes []string          // media types of answers that are shown, as in "text/*", "+json"; empty: JSON, XML, YAML and text
	Limits       Limits

	Revision string // identifies this definition
}

// Limits bound every request to a target, whatever a scope allows. Zero means the default.
type Limits struct {
	RequestBytes  int           // of a body that is sent; default 1 MiB, at most 64 MiB
	ResponseBytes int           // of an answer's body that is read, after decompression; default 8 MiB, at most 1 GiB
	Time          time.Duration // from the look-up of the name to the last byte; default 30s, at most 15m
}

// GraphQL is an endpoint whose requests are told apart by their document.
type GraphQL struct {
	Path          string // below the base URL: "/graphql"
	Introspection bool   // allow __schema and __type
}

// JSONRPC is an endpoint whose requests are told apart by their method.
type JSONRPC struct {
	Path string
	Read []string // methods that only read, "*" stands for any text: "get_*"; all others write
}

// APIs are the HTTP targets. Safe for concurrent use.
type APIs struct {
	targets map[string]*api // set in Open, read-only after
}

// api is one target, prepared. Read-only after Open but for the credential's cache and the connections, which guard
// themselves.
type api struct {
	Target
	base       *url.URL
	prefix     string          // the base URL's path without its last slash: "/api"
	headers    map[string]bool // request headers an agent may set, canonical
	queryNames map[string]bool // folded names of injected query parameters
	operations *operations     // nil without a document
	cred       *credential
	wire       *wire
	media      mediaTypes
}

// Open checks every target's definition and prepares it. It connects to nothing. All problems are reported at once.
func Open(cfg Config) (*APIs, error) {
	if cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("http targets: Config.Log and Config.Now are required")
	}
	if cfg.Resolve == nil {
		cfg.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	a := &APIs{targets: map[string]*api{}}
	var problems []error
	for _, t := range cfg.Targets {
		if _, dup := a.targets[t.Name]; dup || t.Name == "" {
			problems = append(problems, fmt.Errorf("target %q: a name is missing or used twice", t.Name))
			continue
		}
		p, err := prepare(cfg, t)
		if err != nil {
			problems = append(problems, fmt.Errorf("target %q: %w", t.Name, err))
			continue
		}
		a.targets[t.Name] = p
	}
	if err := errors.Join(problems...); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func prepare(cfg Config, t Target) (*api, error) {
	base, prefix, err := parseBase(t.BaseURL)
	if err != nil {
		return nil, err
	}
	p := &api{Target: t, base: base, prefix: prefix}
	if p.cred, err = newCredential(cfg, t); err != nil {
		return nil, err
	}
	if err := checkFixed(t.Fixed, p.cred.headerNames()); err != nil {
		return nil, err
	}
	occupied := append(p.cred.headerNames(), slices.Sorted(maps.Keys(t.Fixed))...)
	if p.headers, err = headerList(t.Headers, occupied); err != nil {
		return nil, err
	}
	if p.Limits, err = t.Limits.orDefaults(); err != nil {
		return nil, err
	}
	p.queryNames = map[string]bool{}
	for _, n := range p.cred.queryNames() {
		p.queryNames[foldName(n)] = true
	}
	if t.OpenAPI != nil {
		if p.operations, err = loadOperations(t.OpenAPI); err != nil {
			return nil, fmt.Errorf("openapi: %w", err)
		}
		if !p.operations.patterns {
			cfg.Log.Warn("the OpenAPI document holds patterns that Go's regular expressions do not know; no pattern of it is checked", "target", t.Name)
		}
	}
	if err := checkEndpoints(t); err != nil {
		return nil, err
	}
	p.media = newMediaTypes(t.ContentTypes)
	if p.wire, err = newWire(cfg, t, base); err != nil {
		return nil, err
	}
	return p, nil
}

// orDefaults fills in what is not set and refuses what is out of bounds.
func (l Limits) orDefaults() (Limits, error) {
	if l.RequestBytes == 0 {
		l.RequestBytes = 1 << 20
	}
	if l.ResponseBytes == 0 {
		l.ResponseBytes = 8 << 20
	}
	if l.Time == 0 {
		l.Time = 30 * time.Second
	}
	if l.RequestBytes < 0 || l.RequestBytes > maxBody || l.ResponseBytes < 0 || l.ResponseBytes > 1<<30 || l.Time < 0 || l.Time > 15*time.Minute {
		return l, errors.New("limits: out of bounds; at most 64MiB for a request, 1GiB for an answer, 15m")
	}
	return l, nil
}

// checkEndpoints refuses endpoints whose path could not be asked for.
func checkEndpoints(t Target) error {
	if t.GraphQL != nil {
		if _, err := parsePath(t.GraphQL.Path); err != nil {
			return fmt.Errorf("graphql.path: %w", err)
		}
	}
	if t.JSONRPC != nil {
		if _, err := parsePath(t.JSONRPC.Path); err != nil {
			return fmt.Errorf("jsonrpc.path: %w", err)
		}
		if t.GraphQL != nil && strings.EqualFold(t.GraphQL.Path, t.JSONRPC.Path) {
			return errors.New("graphql and jsonrpc cannot share one path")
		}
	}
	return nil
}

// parseBase checks a base URL: the one place where a host is named.
func parseBase(raw string) (base *url.URL, prefix string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, "", errors.New("base_url: is not a URL") // url.Parse's error would repeat a password in it
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "", errors.New("base_url: must start with https://")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		return nil, "", errors.New("base_url: plain http carries the credential in the clear and is for loopback only; use https")
	case u.Hostname() == "" || strings.ContainsFunc(u.Host, notInTarget):
		return nil, "", errors.New("base_url: names no host, or not in ASCII (write other letters in Punycode)")
	case u.User != nil:
		return nil, "", errors.New("base_url: holds a user; put it under auth.basic")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, "", errors.New("base_url: must not hold a query or a fragment")
	}
	prefix = strings.TrimSuffix(u.EscapedPath(), "/")
	if prefix != "" {
		if _, err := parsePath(prefix); err != nil {
			return nil, "", fmt.Errorf("base_url: %w", err)
		}
	}
	return u, prefix, nil
}

// loopbackHost reports whether a base URL's host says itself that it is this machine.
func loopbackHost(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

func (a *APIs) target(name string) (*api, error) {
	t, ok := a.targets[name]
	if !ok {
		return nil, tools.ErrNoSuchTarget
	}
	return t, nil
}

// Close ends the idle connections. Calls in flight end with their own context.
func (a *APIs) Close() {
	for _, t := range a.targets {
		t.wire.close()
		t.cred.close()
	}
}
