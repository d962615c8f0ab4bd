package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Bounds of the connections to one target.
const (
	maxResponseHeader = 64 << 10
	dialTimeout       = 10 * time.Second
	idleTimeout       = 30 * time.Second // shorter than servers keep theirs: a change on a connection just closed there has no known outcome
	maxConns          = 32
)

// errAddress is a look-up that led where the target may not be. Which address it was is for the operator's log.
var errAddress = errors.New("the name resolves to an address outside of the target's allowed networks")

// wire is the way to one host: HTTP/1.1, no proxy, no redirects (nobody follows them: requests go straight to the
// transport), no cookies, no transparent decompression, and only to addresses that were checked.
type wire struct {
	transport *http.Transport
	guard     *guard
}

func newWire(cfg Config, t Target, base *url.URL) (*wire, error) {
	if t.ClientCertificate != nil && base.Scheme != "https" {
		return nil, errors.New("a client certificate needs an https base URL")
	}
	g := &guard{host: base.Hostname(), resolve: cfg.Resolve, allowed: t.AllowedNetworks, loopback: loopbackHost(base.Hostname())}
	if ip, err := netip.ParseAddr(g.host); err == nil && !g.allows(ip) {
		return nil, errors.New("base_url: names an address outside of allowed_networks; link-local and metadata addresses must be listed there")
	}
	conf := &tls.Config{ServerName: g.host, MinVersion: tls.VersionTLS12, RootCAs: t.CA, NextProtos: []string{"http/1.1"}}
	if get := t.ClientCertificate; get != nil {
		conf.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) { return get(info.Context()) }
	}
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &wire{guard: g, transport: &http.Transport{
		Proxy:                  nil,
		DialContext:            g.dial,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    dialTimeout,
		Protocols:              &http1,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxResponseHeader,
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    maxConns,
		IdleConnTimeout:        idleTimeout,
	}}, nil
}

func (w *wire) close() { w.transport.CloseIdleConnections() }

// guard decides which addresses a host may have. It looks a name up once and connects to what it checked: a name that
// resolves differently a moment later (DNS rebinding) changes nothing.
type guard struct {
	host     string
	resolve  func(ctx context.Context, host string) ([]netip.Addr, error)
	allowed  []netip.Prefix
	loopback bool // the configured host is loopback in so many words
}

func (g *guard) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !strings.EqualFold(host, g.host) {
		return nil, fmt.Errorf("asked to connect to another host than the target's: %w", errAddress)
	}
	addrs, err := g.lookup(ctx)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: dialTimeout}
	var first error
	for _, a := range addrs {
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// lookup returns the host's addresses, all of them allowed: one that is not spoils the answer.
func (g *guard) lookup(ctx context.Context) ([]netip.Addr, error) {
	addrs := []netip.Addr{}
	if ip, err := netip.ParseAddr(g.host); err == nil {
		addrs = append(addrs, ip)
	} else if addrs, err = g.resolve(ctx, g.host); err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, errors.New("the name has no address")
	}
	for _, a := range addrs {
		if !g.allows(a) {
			return nil, fmt.Errorf("%s: %w", a, errAddress)
		}
	}
	return addrs, nil
}

// allows judges one address, in the form it is routed by.
func (g *guard) allows(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() {
		return false
	}
	if v4, ok := embedded(a); ok && !g.allows(v4) {
		return false
	}
	if len(g.allowed) > 0 {
		for _, p := range g.allowed {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	if a.IsLoopback() {
		return g.loopback
	}
	// A name that claims to be this machine must be this machine.
	return !g.loopback && !a.IsLinkLocalUnicast() && !metadata[a] && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && !thisNetwork.Contains(a)
}

// metadata are addresses of clouds' metadata services outside of the link-local range.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("fd00:ec2::254"):   true, // AWS
	netip.MustParseAddr("fd20:ce::254"):    true, // Google
	netip.MustParseAddr("100.100.100.200"): true, // Alibaba
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle
	netip.MustParseAddr("168.63.129.16"):   true, // Azure
}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8") // Linux takes it for loopback
	nat64       = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour   = netip.MustParsePrefix("2002::/16")
)

// embedded is the IPv4 address that a translated IPv6 address stands for.
func embedded(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}
