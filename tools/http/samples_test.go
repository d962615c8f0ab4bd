package httpapi

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"sallyport/tools"
)

// sample is one line of testdata/samples.jsonl: a call and what a careful gateway does with it in a scope that may only
// GET below /v1.
type sample struct {
	ID      string
	Must    string
	Why     string
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Query   map[string]string `json:"query"`
		Headers map[string]string `json:"headers"`
		Body    any               `json:"body"`
	}
	Server struct {
		Status    int               `json:"status"`
		Headers   map[string]string `json:"headers"`
		BodyBytes int64             `json:"body_bytes"`
	}
	Expect struct {
		Wire         string            `json:"wire"`
		QueryDecodes map[string]string `json:"wire_query_decodes_to"`
		ReadMax      int64             `json:"read_bytes_max"`
	}
}

func samples(t testing.TB) (out []sample) {
	t.Helper()
	f, err := os.Open("testdata/samples.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var one sample
		if err := json.Unmarshal(s.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		out = append(out, one)
	}
	return out
}

func (s sample) args() tools.Args {
	path := s.Request.Path
	if len(s.Request.Query) > 0 {
		q := url.Values{}
		for k, v := range s.Request.Query {
			q.Set(k, v)
		}
		path += "?" + q.Encode()
	}
	a := args{"method": s.Request.Method, "path": path}
	if s.Request.Headers != nil {
		a["headers"] = s.Request.Headers
	}
	if s.Request.Body != nil {
		a["body"] = s.Request.Body
	}
	return a.json()
}

func TestSamples(t *testing.T) {
	all := samples(t)
	if len(all) < 30 {
		t.Fatalf("%d samples", len(all))
	}
	for _, s := range all {
		t.Run(s.ID+" "+s.Why, func(t *testing.T) {
			var sent atomic.Int64
			up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
				for k, v := range s.Server.Headers {
					w.Header().Set(k, v)
				}
				w.Header().Set("Content-Type", "text/plain")
				w.WriteHeader(max(s.Server.Status, 200))
				n, _ := io.CopyN(w, endless{}, s.Server.BodyBytes)
				sent.Store(n)
			})
			w := newWorld(t, Target{BaseURL: up.URL + "/api", Auth: Auth{Bearer: secret("s3cr3t-credential"), Query: &Named{"api_key", secret("key-in-query")}}})
			r, err := w.call(t.Context(), s.args(), tools.Limits{}, "GET /v1/**")
			seen := up.requests()
			switch s.Must {
			case "deny":
				if err == nil || len(seen) > 0 {
					t.Fatalf("was sent: %+v", seen)
				}
			case "allow":
				first(t)(r, err)
				target := strings.TrimSuffix(strings.TrimSuffix(seen[0].target, "api_key=key-in-query"), "&")
				if s.Request.Query == nil && !strings.Contains(s.Request.Path, "?") {
					target = strings.TrimSuffix(target, "?")
				}
				if s.Expect.Wire != "" && target != s.Expect.Wire {
					t.Errorf("wire target %q, want %q", target, s.Expect.Wire)
				}
				u, _ := url.ParseRequestURI(target)
				for k, v := range s.Expect.QueryDecodes {
					if u.Query().Get(k) != v {
						t.Errorf("query %s = %q, want %q", k, u.Query().Get(k), v)
					}
				}
				if seen[0].header.Get("Authorization") != "Bearer s3cr3t-credential" {
					t.Error("the credential is missing")
				}
			case "guard":
				first(t)(r, err)
				if len(seen) != 1 {
					t.Errorf("%d requests", len(seen))
				}
				up.CloseClientConnections()
				up.Close() // waits for the handler, so that sent is final
				if s.Expect.ReadMax > 0 && (sent.Load() > s.Expect.ReadMax || r.Truncated == nil) {
					t.Errorf("read %d bytes, truncated %v", sent.Load(), r.Truncated)
				}
				if s.Server.Status == 301 && r.Code != strconv.Itoa(301) {
					t.Errorf("code %s", r.Code)
				}
			}
		})
	}
}

// endless is lines of text without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, manyLines), nil }

var manyLines = strings.Repeat(strings.Repeat("x", 79)+"\n", 400)
