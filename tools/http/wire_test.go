package httpapi

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/tools"
)

// echo answers with everything it received, in every place an answer has.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", r.Header.Get("Authorization"))
	w.Header().Set("Etag", r.URL.Query().Get("api_key"))
	w.Header().Set("Location", "/api/next?api_key="+r.URL.Query().Get("api_key"))
	w.Header().Set("Set-Cookie", "session=s3cr3t-credential")
	w.Header().Set("X-Anything", "s3cr3t-credential")
	_ = json.NewEncoder(w).Encode(map[string]any{"headers": r.Header, "uri": r.RequestURI,
		"base64": base64.StdEncoding.EncodeToString([]byte(r.Header.Get("Authorization"))), "query": r.URL.Query()})
}

func leaks(t *testing.T, r *tools.Rendered, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		for _, form := range []string{s, base64.StdEncoding.EncodeToString([]byte(s)), url.QueryEscape(s)} {
			if strings.Contains(string(r.Data), form) {
				t.Errorf("%q is in the answer: %s", form, r.Data)
			}
		}
	}
}

func TestCredentialEchoIsMasked(t *testing.T) {
	const value = "s3cr3t/credential+1"
	for name, auth := range map[string]Auth{
		"bearer": {Bearer: secret(value)},
		"basic":  {Basic: &Basic{User: "agent", Password: secret(value)}},
		"header": {Header: &Named{"X-Api-Key", secret("Token " + value)}},
		"query":  {Query: &Named{"api_key", secret(value)}},
		"both":   {Bearer: secret(value), Query: &Named{"api_key", secret(value)}},
	} {
		for _, status := range []int{200, 302, 400, 500} {
			t.Run(fmt.Sprint(name, status), func(t *testing.T) {
				up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
					rec := httptest.NewRecorder()
					echo(rec, r)
					for k, v := range rec.Header() {
						w.Header()[k] = v
					}
					w.WriteHeader(status)
					_, _ = w.Write(rec.Body.Bytes())
				})
				w := newWorld(t, Target{BaseURL: up.URL + "/api", Auth: auth})
				r := first(t)(w.call(t.Context(), get("/v1/x?a=1").json(), tools.Limits{}))
				if r.Code != fmt.Sprint(status) || len(up.requests()) != 1 {
					t.Errorf("code %s, %d requests", r.Code, len(up.requests()))
				}
				leaks(t, r, value, "agent:"+value, "s3cr3t-credential")
				for name := range data(t, r).Headers {
					if name == "set-cookie" || name == "x-anything" {
						t.Errorf("header %s is shown", name)
					}
				}
			})
		}
	}
}

func TestRotatedSecretIsUsedAndKnown(t *testing.T) {
	up := newUpstream(t, echo)
	var n atomic.Int64
	w := newWorld(t, Target{BaseURL: up.URL, Auth: Auth{Bearer: func(context.Context) (string, error) { return fmt.Sprint("rotating-secret-", n.Add(1)), nil }}})
	for i := 1; i <= 2; i++ {
		r := first(t)(w.call(t.Context(), get("/x").json(), tools.Limits{}))
		if got := up.last(t).header.Get("Authorization"); got != fmt.Sprint("Bearer rotating-secret-", i) {
			t.Errorf("authorization %q", got)
		}
		leaks(t, r, fmt.Sprint("rotating-secret-", i))
	}
}

// Two calls that see a rotation in different order: neither value may be forgotten.
func TestRotationKeepsBothSecretsKnown(t *testing.T) {
	w := newWorld(t, Target{BaseURL: "http://127.0.0.1:1", Auth: Auth{Bearer: secret("unused")}})
	for _, v := range []string{"old-secret", "new-secret", "old-secret"} {
		w.targets["api"].cred.tell("bearer", v)
		w.targets["api"].cred.tell("bearer", v)
	}
	if got := string(w.mask.Text(nil, []byte("old-secret new-secret"))); got != "[secret] [secret]" {
		t.Error(got)
	}
}

func TestUnusableSecretStopsTheCall(t *testing.T) {
	up := newUpstream(t, nil)
	for name, s := range map[string]Secret{
		"unreadable": func(context.Context) (string, error) { return "", errors.New("vault: the s3cr3t is sealed") },
		"line feed":  secret("s3cr3t\r\nX: y"), "empty": secret(""), "space": secret(" s3cr3t"),
	} {
		w := newWorld(t, Target{BaseURL: up.URL, Auth: Auth{Bearer: s}})
		_, err := w.call(t.Context(), get("/x").json(), tools.Limits{})
		var down *tools.UnreachableError
		if !errors.As(err, &down) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(up.requests()); n > 0 {
		t.Errorf("%d requests arrived without a credential", n)
	}
}

// A redirect is an answer. On the target it becomes a path to call next; elsewhere it loses what may be a credential.
func TestRedirectsAreShownAndNotFollowed(t *testing.T) {
	var other atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other.Add(1) }))
	defer elsewhere.Close()
	for _, c := range []struct{ location, want string }{
		{elsewhere.URL + "/x?sig=abc#f", elsewhere.URL + "/x?(left out)"},
		{"http://user:pw@10.0.0.1/", "http://10.0.0.1/"},
		{"/api/v2/y?page=2", "/v2/y?page=2"},
		{"sibling%20x", "/v1/sibling%20x"},
		{"/other/y", "ORIGIN/other/y"},
		{"//evil.example/x", "http://evil.example/x"},
		{"/api/v2/y?api_key=key-in-query&page=2", "/v2/y?page=2"},
	} {
		up := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", c.location)
			w.WriteHeader(http.StatusFound)
		})
		w := newWorld(t, Target{BaseURL: up.URL + "/api", Auth: Auth{Query: &Named{"api_key", secret("key-in-query")}}})
		a := w.must(t, get("/v1/go"))
		if want := strings.ReplaceAll(c.want, "ORIGIN", up.URL); a.Status != 302 || a.Headers["location"] != want || a.Note == "" {
			t.Errorf("%s: %+v, want %s", c.location, a, want)
		}
		if len(up.requests()) != 1 {
			t.Errorf("%s: %d requests", c.location, len(up.requests()))
		}
	}
	if other.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// The name is looked up once per connection and the checked address is the one connected to.
func TestRebindingIsRefused(t *testing.T) {
	up := newUpstream(t, nil)
	_, port, _ := net.SplitHostPort(up.Listener.Addr().String())
	var lookups atomic.Int64
	answers := [][]netip.Addr{}
	resolve := func(_ context.Context, host string) ([]netip.Addr, error) {
		n := lookups.Add(1)
		if host != "api.internal" {
			return nil, fmt.Errorf("asked for %s", host)
		}
		return answers[min(int(n), len(answers))-1], nil
	}
	loop := netip.MustParseAddr("127.0.0.1")
	for name, c := range map[string]struct {
		answers [][]netip.Addr
		allowed []netip.Prefix
		works   bool
	}{
		"loopback behind a name":           {[][]netip.Addr{{loop}}, nil, false},
		"metadata":                         {[][]netip.Addr{{netip.MustParseAddr("169.254.169.254")}}, nil, false},
		"one good and one bad":             {[][]netip.Addr{{loop, netip.MustParseAddr("192.0.2.1")}}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, false},
		"none":                             {[][]netip.Addr{{}}, nil, false},
		"allowed":                          {[][]netip.Addr{{loop}}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, true},
		"second answer would be elsewhere": {[][]netip.Addr{{loop}, {netip.MustParseAddr("10.0.0.1")}}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, true},
	} {
		lookups.Store(0)
		answers = c.answers
		cfg := Config{Resolve: resolve}
		p := &api{Target: Target{Name: "api"}}
		base := &url.URL{Scheme: "http", Host: "api.internal:" + port}
		w, err := newWire(cfg, Target{AllowedNetworks: c.allowed}, base)
		if err != nil {
			t.Fatal(err)
		}
		p.base, p.wire, p.cred = base, w, &credential{}
		x := &exchange{ctx: t.Context(), cancel: func() {}, api: p, limits: tools.Limits{Bytes: 1000, Time: time.Minute}}
		path, _ := parsePath("/x")
		err = x.send(&inspected{api: p, req: &request{method: "GET", path: path}})
		if (err == nil) != c.works {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && up.last(t).host != "api.internal:"+port {
			t.Errorf("%s: host %q", name, up.last(t).host)
		}
		if err != nil && strings.ContainsAny(err.Error(), "0123456789") {
			t.Errorf("%s: the error names an address: %v", name, err)
		}
		if lookups.Load() != 1 {
			t.Errorf("%s: %d look-ups", name, lookups.Load())
		}
		x.Close()
		w.close()
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Encoding", "gzip")
		switch r.URL.Path {
		case "/bomb":
			z := gzip.NewWriter(w)
			_, _ = io.CopyN(z, endless{}, 20<<20)
			_ = z.Close()
		case "/empties": // members that decode to nothing, for ever
			z := gzip.NewWriter(w)
			for range 1 << 13 {
				if z.Close() != nil {
					return
				}
				z.Reset(w)
			}
		case "/good":
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "hello")
			_ = z.Close()
		case "/nothing":
			w.WriteHeader(http.StatusNotModified)
		case "/broken":
			_, _ = io.WriteString(w, "not gzip at all")
		}
	})
	w := newWorld(t, Target{BaseURL: up.URL})
	r := first(t)(w.call(t.Context(), get("/bomb").json(), tools.Limits{Bytes: 10000}))
	if r.Truncated == nil || r.Truncated.By != "bytes" || len(r.Data) > 11000 {
		t.Errorf("bomb: %v, %d bytes", r.Truncated, len(r.Data))
	}
	if body := string(data(t, r).Body); !strings.HasSuffix(body, `\n"`) {
		t.Error("a cut text must end with a whole line")
	}
	if a := w.must(t, get("/good")); string(a.Body) != `"hello"` {
		t.Errorf("good: %+v", a)
	}
	if a := w.must(t, get("/nothing")); a.Status != 304 || a.Body != nil {
		t.Errorf("nothing: %+v", a)
	}
	for _, path := range []string{"/empties", "/broken"} {
		if _, err := w.call(t.Context(), get(path).json(), tools.Limits{Bytes: 10000}); err == nil {
			t.Errorf("%s: an answer that could not be read was released", path)
		}
	}
}

// raw is a server that answers with these bytes, whatever it is asked.
func raw(t *testing.T, answer string, then func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 64<<10)
			_, _ = c.Read(buf)
			_, _ = io.WriteString(c, answer)
			if then != nil {
				then(c)
			}
			c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestStrangeAnswers(t *testing.T) {
	hang := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) } // until the gateway hangs up
	for name, c := range map[string]struct {
		answer string
		then   func(net.Conn)
	}{
		"101":                {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nsecret stream", nil},
		"huge header":        {"HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 70<<10) + "\r\n\r\n", nil},
		"not HTTP":           {"SSH-2.0-OpenSSH_9.2\r\n", nil},
		"closed at once":     {"", nil},
		"never answers":      {"", hang},
		"half a header":      {"HTTP/1.1 200 OK\r\nContent-Type: te", hang},
		"two lengths":        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\nhello", nil},
		"body cut short":     {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 50\r\n\r\nhello", nil},
		"body never arrives": {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 50\r\n\r\nhel", hang},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Target{BaseURL: raw(t, c.answer, c.then)})
			limits := tools.Limits{Time: time.Second}
			if r, err := w.call(t.Context(), get("/x").json(), limits); err == nil {
				t.Errorf("read: %s", r.Data)
			} else if unknown := (*tools.OutcomeUnknownError)(nil); errors.As(err, &unknown) {
				t.Errorf("a read has no unknown outcome: %v", err)
			}
			r, err := w.call(t.Context(), args{"method": "POST", "path": "/x", "body": "hi"}.json(), limits)
			if strings.HasPrefix(name, "body") { // the status arrived: the change has an answer
				if first(t)(r, err); r.Code != "200" || data(t, r).Body != nil || r.Truncated == nil {
					t.Errorf("write: %s", r.Data)
				}
				return
			}
			if unknown := (*tools.OutcomeUnknownError)(nil); !errors.As(err, &unknown) {
				t.Errorf("write: %v, %v", r, err)
			}
		})
	}
}

// A drip of bytes keeps no call alive beyond its limit.
func TestSlowAnswerEnds(t *testing.T) {
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	w := newWorld(t, Target{BaseURL: up.URL})
	_, err := w.call(t.Context(), get("/x").json(), tools.Limits{Time: 100 * time.Millisecond})
	var slow *tools.TimeoutError
	if !errors.As(err, &slow) || slow.Executed != tools.ExecutedNo {
		t.Errorf("%v", err)
	}
}

func TestCancelEndsTheRequest(t *testing.T) {
	arrived, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	up := newUpstream(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	w := newWorld(t, Target{BaseURL: up.URL})
	for _, method := range []string{"GET", "POST"} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		_, err := w.call(ctx, args{"method": method, "path": "/x"}.json(), tools.Limits{})
		<-gone // the server saw the connection close
		unknown := (*tools.OutcomeUnknownError)(nil)
		if !errors.Is(err, context.Canceled) || errors.As(err, &unknown) != (method == "POST") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// Nothing was sent: whoever reads it may try again.
func TestRefusedConnectionIsUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	w := newWorld(t, Target{BaseURL: "http://" + l.Addr().String()})
	_, err = w.call(t.Context(), args{"method": "POST", "path": "/x"}.json(), tools.Limits{})
	var down *tools.UnreachableError
	if !errors.As(err, &down) || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("%v", err)
	}
}

func TestTLSIsVerified(t *testing.T) {
	up := &upstream{}
	up.Server = httptest.NewUnstartedServer(up.recording(nil))
	up.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are what is tested
	up.StartTLS()
	defer up.Close()
	roots := x509.NewCertPool()
	roots.AddCert(up.Certificate())
	w := newWorld(t, Target{BaseURL: up.URL, CA: roots, AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if a := w.must(t, get("/x")); string(a.Body) != `{"ok":true}` {
		t.Errorf("%+v", a)
	}
	for name, target := range map[string]Target{
		"unknown authority": {BaseURL: up.URL},
		"other name":        {BaseURL: strings.Replace(up.URL, "127.0.0.1", "localhost", 1), CA: roots},
		"not TLS":           {BaseURL: "https" + strings.TrimPrefix(newUpstream(t, nil).URL, "http"), CA: roots},
	} {
		_, err := newWorld(t, target).call(t.Context(), args{"method": "POST", "path": "/x"}.json(), tools.Limits{})
		var down *tools.UnreachableError
		if !errors.As(err, &down) || down.Problem == "the connection failed" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
