package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/bundle"
)

// newKey is a key pair as PEM.
func newKey(t testing.TB) (private, public string) {
	t.Helper()
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	private = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(k))}))
	public = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(&k.PublicKey))}))
	return private, public
}

type files = map[string]string

// pack is an archive of files by name, in the order of their names.
func pack(f files) []byte {
	var headers []*tar.Header
	for _, name := range slices.Sorted(maps.Keys(f)) {
		headers = append(headers, &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(f[name]))})
	}
	return packHeaders(headers, f)
}

func packHeaders(headers []*tar.Header, f files) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, h := range headers {
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		_, _ = io.WriteString(w, f[h.Name])
	}
	if w.Close() != nil || z.Close() != nil {
		panic("tar")
	}
	return buf.Bytes()
}

// signed is f with its signatures.
func signed(t testing.TB, f files, private string) files {
	t.Helper()
	return signedWith(t, f, bundle.NewSigningConfig(private, "ES256", ""))
}

func signedWith(t testing.TB, f files, how *bundle.SigningConfig) files {
	t.Helper()
	hash := must(bundle.NewSignatureHasher(bundle.SHA256))
	var list []bundle.FileInfo
	for _, name := range slices.Sorted(maps.Keys(f)) {
		var content any = []byte(f[name])
		if !strings.HasSuffix(name, ".rego") {
			content = must(parsed(f[name]))
		}
		list = append(list, bundle.NewFile(name, hex.EncodeToString(must(hash.HashFile(content))), "SHA-256"))
	}
	token, err := bundle.GenerateSignedToken(list, how, "any")
	if err != nil {
		t.Fatal(err)
	}
	out := maps.Clone(f)
	out[".signatures.json"] = string(must(json.Marshal(bundle.SignaturesConfig{Signatures: []string{token}})))
	return out
}

func parsed(text string) (v any, err error) {
	err = json.Unmarshal([]byte(text), &v)
	return v, err
}

func rules(revision string, changes files) files {
	f := files{
		".manifest":          fmt.Sprintf(`{"revision": %q, "roots": ["sallyport/operator", "sallyport/operator_test"]}`, revision),
		"operator/main.rego": "package sallyport.operator\n\nvotes contains {\"decision\": \"deny\", \"id\": \"listed\", \"reason\": \"it is on the list\"} if {\n\tsome o in input.plan.objects\n\to.name in data.sallyport.operator.closed.tables\n}\n",
		"operator/main_test.rego": "package sallyport.operator_test\n\nimport data.sallyport.operator\n\ntest_listed if {\n\t" +
			"some v in operator.votes with input as {\"plan\": {\"objects\": [{\"name\": \"public.ledger\"}]}}\n\tv.id == \"listed\"\n}\n",
		"sallyport/operator/closed/data.json": `{"tables": ["public.ledger"]}`,
	}
	for name, text := range changes {
		if f[name] = text; text == "" {
			delete(f, name)
		}
	}
	return f
}

func TestBundleDecides(t *testing.T) {
	private, public := newKey(t)
	b, err := ReadBundle("b", pack(signed(t, rules("7", nil), private)), public)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(context.Background(), Config{Targets: []TargetInfo{{Name: "orders-db"}}, Scopes: []Scope{onCall(func(s *Scope) { s.Targets = []string{"orders-db"} })},
		EvalTimeout: patient, Rego: &Rego{Modules: b.Modules, Data: b.Data, Timeout: patient}})
	if err != nil {
		t.Fatal(err)
	}
	if d := decide(t, e, call(touching("public.ledger"))); d.Rule != "rego:listed" || b.Revision != "7" {
		t.Errorf("%+v", d)
	}
	if d := decide(t, e, call()); d.Verdict != Allow {
		t.Errorf("%+v", d)
	}
}

// TestTamperedBundle: each change to a signed bundle is found, and each bundle that reaches beyond its package.
func TestTamperedBundle(t *testing.T) {
	private, public := newKey(t)
	other, otherPublic := newKey(t)
	good := signed(t, rules("7", nil), private)
	change := func(name, text string) []byte {
		f := maps.Clone(good)
		if f[name] = text; text == "" {
			delete(f, name)
		}
		return pack(f)
	}
	makeSigned := func(changes files) []byte { return pack(signed(t, rules("7", changes), private)) }
	twice := packHeaders([]*tar.Header{{Name: "a.rego", Typeflag: tar.TypeReg}, {Name: "/a.rego", Typeflag: tar.TypeReg}}, nil)
	link := packHeaders([]*tar.Header{{Name: "a.rego", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, nil)
	up := packHeaders([]*tar.Header{{Name: "../a.rego", Typeflag: tar.TypeReg}}, nil)
	bomb := files{}
	for i := range 20 {
		bomb[fmt.Sprintf("d%02d/data.json", i)] = strings.Repeat(" ", 1<<20)
	}
	many := files{}
	for i := range maxFiles + 1 {
		many[fmt.Sprintf("%d.rego", i)] = ""
	}
	tests := []struct {
		name string
		b    []byte
		key  string
		want string
	}{
		{"the key of somebody else", pack(good), otherPublic, "signature"},
		{"signed by somebody else", pack(signed(t, rules("7", nil), other)), public, "signature"},
		{"not signed", pack(rules("7", nil)), public, "missing .signatures.json"},
		{"an empty signature", change(".signatures.json", `{"signatures": []}`), public, "signature"},
		{"a module changed", change("operator/main.rego", "package sallyport.operator\n\nvotes contains {}"), public, "digest"},
		{"a module added", change("operator/more.rego", "package sallyport.operator\n"), public, "not included"},
		{"a module removed", change("operator/main.rego", ""), public, "file(s)"},
		{"a test removed", change("operator/main_test.rego", ""), public, "file(s)"},
		{"a document changed", change("sallyport/operator/closed/data.json", `{"tables": []}`), public, "digest"},
		{"the manifest changed", change(".manifest", `{"revision": "8", "roots": ["sallyport/operator", "sallyport/operator_test"]}`), public, "digest"},
		{"the manifest removed", change(".manifest", ""), public, ".manifest"},
		{"roots outside", makeSigned(files{".manifest": `{"revision": "7", "roots": ["sallyport"]}`}), public, "not within"},
		{"roots that begin like it", makeSigned(files{".manifest": `{"revision": "7", "roots": ["sallyport/operator", "sallyport/operators", "sallyport/operator_test"]}`}), public, "not within"},
		{"all roots", makeSigned(files{".manifest": `{"revision": "7"}`}), public, "not within"},
		{"no manifest", makeSigned(files{".manifest": ""}), public, "not within"},
		{"a document of the scopes", pack(rules("7", files{"sallyport/scopes/data.json": `{}`, ".manifest": `{"roots": ["sallyport/operator", "sallyport/operator_test", "sallyport/operator/x"]}`})), "", "root"},
		{"not an archive", []byte("no"), public, "gzipped tar"},
		{"a program", pack(files{"policy.wasm": "x"}), public, "only"},
		{"a patch", pack(files{"patch.json": "{}"}), public, "only"},
		{"a file twice", twice, public, "twice"},
		{"a link", link, public, "not a plain file"},
		{"a file above", up, public, "not the name"},
		{"a bomb", pack(bomb), public, "larger than 16 MiB"},
		{"a large file", pack(files{"data.json": strings.Repeat(" ", 1<<20+1)}), public, "larger than 1 MiB"},
		{"many files", pack(many), public, "more than"},
		{"a large bundle", make([]byte, maxBundle+1), public, "larger than 4 MiB"},
		{"a key that is none", pack(good), "secret", "not PEM"},
		{"a symmetric signature with the public key", pack(signedWith(t, rules("7", nil), bundle.NewSigningConfig(strings.TrimLeft(public, "-"), "HS256", ""))), public, "signature"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadBundle("b", tt.b, tt.key)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

// A document and a rule of the same name would hide each other.
func TestDocumentAgainstRule(t *testing.T) {
	b, err := ReadBundle("b", pack(rules("7", files{"operator/main_test.rego": "", "sallyport/operator/votes/data.json": `{"x": 1}`})), "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = newOperator(context.Background(), &Rego{Modules: b.Modules, Data: b.Data})
	if err == nil || !strings.Contains(err.Error(), "conflict") {
		t.Errorf("%v", err)
	}
}

// bundleServer serves whatever body is set, with an ETag.
type bundleServer struct {
	*httptest.Server
	mu       sync.Mutex
	body     []byte // guarded by mu; nil answers 503
	requests int    // guarded by mu
	same     int    // guarded by mu; answered with 304
}

func newBundleServer(t testing.TB) *bundleServer {
	s := &bundleServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests++
		tag := fmt.Sprintf(`"%x"`, sha256.Sum256(s.body))
		switch {
		case s.body == nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.Header.Get("If-None-Match") == tag:
			s.same++
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("ETag", tag)
			w.Write(s.body)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *bundleServer) serve(body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body = body
}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestBundleSource(t *testing.T) {
	ctx := context.Background()
	private, public := newKey(t)
	server, now := newBundleServer(t), &clock{now: time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)}
	cfg := BundleConfig{URL: server.URL + "/operator.tar.gz", PublicKey: public, Poll: time.Minute, MaxAge: time.Hour, Dir: t.TempDir(), Now: now.Now,
		Log: slog.New(slog.DiscardHandler)}
	bundleOf := func(revision string, changes files) []byte { return pack(signed(t, rules(revision, changes), private)) }
	if _, err := OpenBundle(ctx, cfg); err == nil || !strings.Contains(err.Error(), "503") {
		t.Fatalf("without any bundle: %v", err)
	}
	seven := bundleOf("7", nil)
	server.serve(seven)
	s, err := OpenBundle(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Update(ctx); changed || err != nil || server.same != 1 {
		t.Errorf("the same bundle: changed %v, %v, %d times 304", changed, err, server.same)
	}
	refused := func(body []byte, want string) {
		t.Helper()
		server.serve(body)
		changed, err := s.Update(ctx)
		if changed || err == nil || !strings.Contains(err.Error(), want) || s.Revision() != "7" {
			t.Errorf("changed %v, %v, want %q; revision %s in force", changed, err, want, s.Revision())
		}
	}
	refused(bundleOf("6", nil), "not later")
	refused(bundleOf("7", files{"sallyport/operator/closed/data.json": `{"tables": ["public.ledger", "x"]}`}), "not later")
	refused(bundleOf("2026-08-01T00:00:00Z", nil), "cannot be compared")
	refused(bundleOf("newest", nil), "neither a whole number")
	refused(bundleOf("", nil), "neither a whole number")
	refused(bundleOf("8", files{"sallyport/operator/closed/data.json": `{"tables": []}`}), "test_listed fails")
	refused(bundleOf("8", files{"operator/typo.rego": "package sallyport.operator\n\nx if input.plan.efect == \"read\""}), "did you mean effect")
	refused(pack(rules("8", nil)), "missing .signatures.json")

	// With the server down, the last good one decides until it is too old, also after a restart.
	server.serve(nil)
	now.add(59 * time.Minute)
	if s, err = OpenBundle(ctx, cfg); err != nil || s.Revision() != "7" || s.Fresh() != nil {
		t.Fatalf("after a restart: %v", err)
	}
	refused(bundleOf("6", nil), "not later")
	now.add(2 * time.Minute)
	server.serve(nil)
	if err := s.Fresh(); err == nil || !strings.Contains(err.Error(), "max_age") {
		t.Errorf("stale: %v", err)
	}
	if _, err := OpenBundle(ctx, cfg); err == nil || !strings.Contains(err.Error(), "max_age") {
		t.Errorf("a start with a stale one: %v", err)
	}
	e := newTestEngine(t, onCall())
	e.fresh = s.Fresh
	failsClosed(t, e, ctx, call(), "max_age")

	server.serve(bundleOf("8", nil))
	if changed, err := s.Update(ctx); !changed || err != nil || s.Revision() != "8" || s.Fresh() != nil {
		t.Errorf("a new one: %v, %v", changed, err)
	}
	now.add(-time.Hour)
	if s.Fresh() == nil {
		t.Error("confirmed in the future")
	}
	// What is kept on disk is verified again.
	now.add(time.Hour)
	server.serve(nil)
	if err := os.WriteFile(s.path(".tar.gz"), pack(rules("9", nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBundle(ctx, cfg); err == nil {
		t.Error("a kept bundle without a signature was used")
	}
	server.serve(seven)
	if _, err := OpenBundle(ctx, cfg); err == nil || !strings.Contains(err.Error(), "not later") {
		t.Errorf("an older one after what was kept was destroyed: %v", err)
	}
}

func TestBundleRedirect(t *testing.T) {
	private, public := newKey(t)
	elsewhere := newBundleServer(t)
	elsewhere.serve(pack(signed(t, rules("7", nil), private)))
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer server.Close()
	_, err := OpenBundle(context.Background(), BundleConfig{URL: server.URL, PublicKey: public, Poll: time.Minute, MaxAge: time.Hour, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "another place") || elsewhere.requests != 0 {
		t.Errorf("%v, %d requests", err, elsewhere.requests)
	}
}

// Run activates a new bundle, tries again when that fails, and ends with its context.
func TestBundleRun(t *testing.T) {
	private, public := newKey(t)
	server := newBundleServer(t)
	server.serve(pack(signed(t, rules("7", nil), private)))
	s, err := OpenBundle(context.Background(), BundleConfig{URL: server.URL, PublicKey: public, Poll: 5 * time.Millisecond, MaxAge: time.Hour, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server.serve(pack(signed(t, rules("8", nil), private)))
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	s.Run(ctx, func(context.Context) error {
		if n++; n == 1 {
			return fmt.Errorf("a target is down")
		}
		cancel()
		return nil
	})
	if n != 2 || s.Revision() != "8" {
		t.Errorf("activated %d times, revision %s", n, s.Revision())
	}
}

// A folder is a bundle that is not packed yet.
func TestPackFolder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range rules("7", files{"README.md": "x"}) {
		if i := strings.LastIndex(name, "/"); i >= 0 {
			if err := os.MkdirAll(dir+"/"+name[:i], 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := ReadBundle(dir, must(PackFolder(dir)), "")
	if err != nil || b.Revision != "7" || len(b.Modules) != 2 {
		t.Errorf("%+v, %v", b, err)
	}
}
