package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"sallyport/masking"
	"sallyport/tools"
)

// engine is the real masking engine, told of secrets as the program tells it.
type engine struct {
	*masking.Engine
	mu      sync.Mutex
	secrets map[string][]byte // guarded by mu
}

func newEngine(t testing.TB) *engine {
	t.Helper()
	e, err := masking.New(masking.Config{Key: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return &engine{Engine: e, secrets: map[string][]byte{}}
}

func (e *engine) know(name string, secret []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secrets[name] = secret
	e.SetSecrets(e.secrets)
}

// The injected credential comes back in no encoding, from no place of an answer, through the engine that is shipped.
func TestEchoThroughTheRealMaskingEngine(t *testing.T) {
	const value = "s3cr3t/credential+Zq81"
	encodings := map[string]func(string) string{
		"plain": func(s string) string { return s }, "base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64 url": func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }, "hex": func(s string) string { return hex.EncodeToString([]byte(s)) },
		"query": url.QueryEscape, "path": url.PathEscape, "html": html.EscapeString,
		"json in json": func(s string) string { b, _ := json.Marshal(map[string]string{"a": s}); return string(b) },
		"quoted":       func(s string) string { return fmt.Sprintf("%q", s) },
	}
	places := map[string]func(w http.ResponseWriter, v string){
		"json body": func(w http.ResponseWriter, v string) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"seen": []string{"Bearer " + v}, v: 1})
		},
		"text body": func(w http.ResponseWriter, v string) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "<p>%s</p>", v)
		},
		"gzip body": func(w http.ResponseWriter, v string) {
			w.Header().Set("Content-Type", "text/plain; charset=iso-8859-1")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprintf(z, "f\xfcr %s", v)
			_ = z.Close()
		},
		"broken json": func(w http.ResponseWriter, v string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprintf(w, `{"error": "%s"`, v)
		},
		"location": func(w http.ResponseWriter, v string) {
			w.Header()["Location"] = []string{"/next/" + url.PathEscape(v) + "?token=" + url.QueryEscape(v)}
			w.WriteHeader(http.StatusSeeOther)
		},
		"headers": func(w http.ResponseWriter, v string) {
			w.Header()["Etag"], w.Header()["Link"], w.Header()["X-Request-Id"] = []string{v}, []string{"<https://x/?k=" + v + ">"}, []string{"Bearer " + v}
		},
	}
	for place, write := range places {
		for name, encode := range encodings {
			t.Run(place+" "+name, func(t *testing.T) {
				up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
					write(w, encode(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
				})
				e := newEngine(t)
				w := newWorld(t, Target{BaseURL: up.URL, Auth: Auth{Bearer: secret(value)}}, func(c *Config) { c.Known = e.know })
				p, f, err := w.facts(get("/x").json())
				if err != nil {
					t.Fatal(err)
				}
				res, err := w.Tool().Run(t.Context(), p, f, tools.Obligations{})
				if err != nil {
					t.Fatal(err)
				}
				r := first(t)(res.Render(t.Context(), e.For("session")))
				data(t, r)
				for name, encode := range encodings {
					if form := strings.TrimSuffix(strings.TrimPrefix(encode(value), `{"a":"`), `"}`); strings.Contains(string(r.Data), form) {
						t.Errorf("the %s form left: %s", name, r.Data)
					}
				}
			})
		}
	}
}

// JSON stays JSON: shape, order and types are the API's, only what must not leave is replaced.
func TestJSONIsMaskedByStructure(t *testing.T) {
	up := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"z":1.50,"a":[true,null,{"mail":"ann@example.com"}],"big":12345678901234567890,"key":"AKIAIOSFODNN7EXAMPL2"}`)
	})
	e := newEngine(t)
	w := newWorld(t, Target{BaseURL: up.URL})
	p, f, err := w.facts(get("/x").json())
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.Tool().Run(t.Context(), p, f, tools.Obligations{})
	if err != nil {
		t.Fatal(err)
	}
	r := first(t)(res.Render(t.Context(), e.For("session")))
	body := string(data(t, r).Body)
	if r.Code != "422" || strings.Contains(body, "ann@example.com") || strings.Contains(body, "AKIAIOSFODNN7EXAMPL2") ||
		!strings.HasPrefix(body, `{"z":1.50,"a":[true,null,{"mail":"`) || !strings.Contains(body, `"big":12345678901234567890,"key":"`) {
		t.Errorf("%s: %s", r.Code, body)
	}
}
