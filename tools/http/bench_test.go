package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/tools"
)

// BenchmarkAgainstNetHTTP sends the same request through the tool (plan, inspect, run, mask, render) and through a plain
// client, in turns in one run, and reports the ratio of their medians per round. Keep-alive connections on loopback: the
// least a real API costs, so the most the tool can cost in comparison.
func BenchmarkAgainstNetHTTP(b *testing.B) {
	row := `{"id":1234,"state":"open","note":"nothing to see here","total":12.50},`
	for _, rows := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(rows, "rows"), func(b *testing.B) {
			body := "[" + strings.TrimSuffix(strings.Repeat(row, rows), ",") + "]"
			up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, body)
			}))
			defer up.Close()
			e := newEngine(b)
			w := newWorld(b, Target{BaseURL: up.URL + "/api", Auth: Auth{Bearer: secret("s3cr3t-credential")}}, func(c *Config) { c.Known = e.know })
			call := get("/v1/invoices?limit=10").json()
			governed := func() {
				p, f, err := w.facts(call)
				if err != nil {
					b.Fatal(err)
				}
				r, err := w.Tool().Run(b.Context(), p, f, tools.Obligations{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.Render(b.Context(), e.For("s")); err != nil {
					b.Fatal(err)
				}
			}
			plain := func() {
				req, _ := http.NewRequestWithContext(b.Context(), "GET", up.URL+"/api/v1/invoices?limit=10", nil)
				req.Header.Set("Authorization", "Bearer s3cr3t-credential")
				resp, err := up.Client().Do(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			var ours, theirs []time.Duration
			for b.Loop() {
				theirs = append(theirs, took(plain))
				ours = append(ours, took(governed))
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			b.ReportMetric(float64(ours[len(ours)/2])/float64(theirs[len(theirs)/2]), "ratio-p50")
			b.ReportMetric(float64(theirs[len(theirs)/2].Microseconds()), "net/http-us")
		})
	}
}

func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
