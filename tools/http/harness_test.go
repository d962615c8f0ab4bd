package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/tools"
)

// upstream is a real HTTP server that remembers what arrived.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	seen []arrived // guarded by mu
}

// arrived is one request as the server read it.
type arrived struct {
	method, target, host string
	header               http.Header
	body                 string
	coding               []string // transfer codings
}

func newUpstream(t testing.TB, handler http.HandlerFunc) *upstream {
	t.Helper()
	u := &upstream{}
	u.Server = httptest.NewServer(u.recording(handler))
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) recording(handler http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		u.mu.Lock()
		u.seen = append(u.seen, arrived{r.Method, r.RequestURI, r.Host, r.Header.Clone(), string(b), r.TransferEncoding})
		u.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(b))
		if handler != nil {
			handler(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
}

func (u *upstream) requests() []arrived {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]arrived(nil), u.seen...)
}

func (u *upstream) last(t testing.TB) arrived {
	t.Helper()
	seen := u.requests()
	if len(seen) == 0 {
		t.Fatal("no request arrived")
	}
	return seen[len(seen)-1]
}

// world is APIs with one target named "api", and the secrets masking was told.
type world struct {
	*APIs
	mask *knownValues
}

func newWorld(t testing.TB, target Target, more ...func(*Config)) *world {
	t.Helper()
	w := &world{mask: &knownValues{}}
	if target.Name == "" {
		target.Name = "api"
	}
	cfg := Config{Targets: []Target{target}, Log: slog.New(slog.DiscardHandler), Now: time.Now, Known: w.mask.know}
	for _, f := range more {
		f(&cfg)
	}
	var err error
	if w.APIs, err = Open(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// args are the arguments of a call.
type args map[string]any

func (a args) json() tools.Args {
	if a["target"] == nil {
		a["target"] = "api"
	}
	b, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return b
}

func get(path string) args { return args{"method": "GET", "path": path} }

// facts plans and inspects.
func (w *world) facts(a tools.Args) (*tools.Plan, *tools.Facts, error) {
	p, err := w.Tool().Plan(context.Background(), a)
	if err != nil {
		return nil, nil, err
	}
	f, err := w.Tool().Inspect(context.Background(), p)
	return p, f, err
}

var errNotCovered = errors.New("the scope does not cover the call")

// call takes arguments through every step; covered by a scope with these patterns, or any call when there are none.
func (w *world) call(ctx context.Context, a tools.Args, limits tools.Limits, patterns ...string) (*tools.Rendered, error) {
	p, f, err := w.facts(a)
	if err != nil {
		return nil, err
	}
	if !f.Understood() || len(patterns) > 0 && (f.Effect != tools.Read || !Covers(patterns, f.Objects)) {
		return nil, errNotCovered
	}
	r, err := w.Tool().Run(ctx, p, f, tools.Obligations{CallID: "call-1", Limits: limits, Changes: f.Effect != tools.Read})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Render(ctx, w.mask)
}

// answer is the data object of a result.
type answer struct {
	Status   int               `json:"status"`
	Headers  map[string]string `json:"headers"`
	Body     json.RawMessage   `json:"body"`
	BodyNote string            `json:"body_note"`
	Note     string            `json:"note"`
}

func (w *world) must(t testing.TB, a args) answer {
	t.Helper()
	return data(t, first(t)(w.call(t.Context(), a.json(), tools.Limits{})))
}

func first(t testing.TB) func(*tools.Rendered, error) *tools.Rendered {
	return func(r *tools.Rendered, err error) *tools.Rendered {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func data(t testing.TB, r *tools.Rendered) (out answer) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(r.Data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		t.Fatalf("data is not what is promised: %v\n%s", err, r.Data)
	}
	return out
}

func secret(v string) Secret { return func(context.Context) (string, error) { return v, nil } }

// knownValues is a mask that knows the secrets it was told, in the encodings an echo comes in, and nothing else.
type knownValues struct {
	mu     sync.Mutex
	values map[string]string // guarded by mu
}

func (k *knownValues) know(name string, secret []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.values == nil {
		k.values = map[string]string{}
	}
	k.values[name] = string(secret)
}

func (k *knownValues) Text(dst, src []byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := string(src)
	for _, v := range k.values {
		for _, form := range []string{v, base64.StdEncoding.EncodeToString([]byte(v)), base64.RawURLEncoding.EncodeToString([]byte(v)), url.QueryEscape(v), queryEscape(v),
			hex.EncodeToString([]byte(v))} {
			s = strings.ReplaceAll(s, form, "[secret]")
		}
	}
	return append(dst, s...)
}

func (k *knownValues) JSON(dst, src []byte) []byte {
	v, err := decodeNumbers(src)
	if err != nil {
		return append(dst, marshal(string(k.Text(nil, src)))...)
	}
	return append(dst, marshal(k.value(v))...)
}

func (k *knownValues) value(v any) any {
	switch v := v.(type) {
	case string:
		return string(k.Text(nil, []byte(v)))
	case []any:
		for i := range v {
			v[i] = k.value(v[i])
		}
	case map[string]any:
		out := map[string]any{}
		for key, m := range v {
			out[string(k.Text(nil, []byte(key)))] = k.value(m)
		}
		return out
	}
	return v
}

func (k *knownValues) Labelled(dst, _ []byte, _, _ string) ([]byte, bool) { return dst, false }
