package httpapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/tools"
)

func noCertificate(context.Context) (*tls.Certificate, error) {
	return nil, errors.New("no certificate in this test")
}

// issuer is a token endpoint of RFC 6749 section 4.4.
type issuer struct {
	*httptest.Server
	issued  atomic.Int64
	expires atomic.Int64 // seconds
	fail    atomic.Bool
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{}
	i.expires.Store(3600)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pw, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		if user != "client" || pw != "cl1ent-s3cret" || r.FormValue("grant_type") != "client_credentials" || i.fail.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_client", "error_description": "wrong: " + pw})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprint("access-token-", i.issued.Add(1)), "token_type": "Bearer", "expires_in": i.expires.Load()})
	}))
	t.Cleanup(i.Close)
	return i
}

func TestOAuth2TokenIsCachedRefreshedAndMasked(t *testing.T) {
	i := newIssuer(t)
	var status atomic.Int64
	status.Store(200)
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, r.Header.Get("Authorization"))
	})
	var skew atomic.Int64
	clock := func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) } }
	w := newWorld(t, Target{BaseURL: up.URL, Auth: Auth{OAuth2: &OAuth2{TokenURL: i.URL + "/token", ClientID: "client", ClientSecret: secret("cl1ent-s3cret"), Scopes: []string{"read"}}}}, clock)
	call := func(want string) {
		t.Helper()
		r := first(t)(w.call(t.Context(), get("/x").json(), tools.Limits{}))
		if got := up.last(t).header.Get("Authorization"); got != "Bearer "+want {
			t.Errorf("authorization %q, want %q", got, want)
		}
		leaks(t, r, want, "cl1ent-s3cret")
	}
	call("access-token-1")
	call("access-token-1")
	i.expires.Store(100_000)
	skew.Store(int64(time.Hour)) // it is about to expire
	call("access-token-2")
	status.Store(401) // not allowed: the token is too new to blame it
	call("access-token-2")
	call("access-token-2")
	skew.Store(int64(time.Hour + time.Minute)) // it was revoked
	call("access-token-2")
	status.Store(200)
	call("access-token-3")
	if v := w.mask.values["targets.api.auth.token.previous"]; v != "access-token-2" {
		t.Errorf("masking forgot the last token: %q", v)
	}

	i.fail.Store(true)
	skew.Store(int64(48 * time.Hour))
	_, err := w.call(t.Context(), get("/x").json(), tools.Limits{})
	var down *tools.UnreachableError
	if !errors.As(err, &down) || !strings.Contains(down.Err.Error(), "invalid_client") || strings.Contains(down.Err.Error(), "cl1ent") {
		t.Errorf("%v: %v", err, errors.Unwrap(err))
	}
}

// The client's secret goes to the configured token endpoint and nowhere else.
func TestTokenEndpointCannotRedirect(t *testing.T) {
	var other atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		i := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		defer i.Close()
		up := newUpstream(t, nil)
		w := newWorld(t, Target{BaseURL: up.URL, Auth: Auth{OAuth2: &OAuth2{TokenURL: i.URL, ClientID: "client", ClientSecret: secret("cl1ent-s3cret")}}})
		_, err := w.call(t.Context(), args{"method": "POST", "path": "/x"}.json(), tools.Limits{})
		var down *tools.UnreachableError
		if !errors.As(err, &down) || other.Load() != 0 || len(up.requests()) != 0 {
			t.Errorf("%d: %v, %d requests elsewhere", status, err, other.Load())
		}
	}
}

func TestManyCallsShareOneToken(t *testing.T) {
	i := newIssuer(t)
	up := newUpstream(t, nil)
	w := newWorld(t, Target{BaseURL: up.URL, Auth: Auth{OAuth2: &OAuth2{TokenURL: i.URL, ClientID: "client", ClientSecret: secret("cl1ent-s3cret")}}})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := w.call(t.Context(), get("/x").json(), tools.Limits{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := i.issued.Load(); n != 1 {
		t.Errorf("%d tokens were issued", n)
	}
}

func TestClientCertificate(t *testing.T) {
	cert, pool := selfSigned(t)
	up := &upstream{}
	up.Server = httptest.NewUnstartedServer(up.recording(nil))
	up.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are what is tested
	up.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	up.StartTLS()
	defer up.Close()
	roots := x509.NewCertPool()
	roots.AddCert(up.Certificate())
	with := newWorld(t, Target{BaseURL: up.URL, CA: roots, ClientCertificate: func(context.Context) (*tls.Certificate, error) { return cert, nil }})
	if a := with.must(t, get("/x")); a.Status != 200 {
		t.Errorf("%+v", a)
	}
	for name, target := range map[string]Target{
		"none":       {BaseURL: up.URL, CA: roots},
		"unreadable": {BaseURL: up.URL, CA: roots, ClientCertificate: noCertificate},
	} {
		_, err := newWorld(t, target).call(t.Context(), get("/x").json(), tools.Limits{})
		var down *tools.UnreachableError
		if !errors.As(err, &down) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(up.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func selfSigned(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}
