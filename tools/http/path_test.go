package httpapi

import (
	"testing"

	"sallyport/tools"
)

// Ordinary requests of ordinary APIs pass, and arrive as they were written.
func TestOrdinaryPathsPass(t *testing.T) {
	up := newUpstream(t, nil)
	w := newWorld(t, Target{BaseURL: up.URL + "/api", Auth: Auth{Bearer: secret("s3cr3t-credential")}})
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/x?", "/v1/x?flag", "/v1/x?a=b=c", "/v1/x?a=", "/v1/x?tag=a&tag=b", "/v1/x?filter[status]=open&filter[age][gt]=3",
		"/v1/x?ids=1,2,3", "/v1/x?q=c%2B%2B&sort=stars", "/v1/x?q=x+y", "/v1/x?q=100%25", "/v1/x?range=1..5", "/v1/x?cursor=eyJhIjoxfQ==", "/v1/x?q=../../etc",
		"/v1/x?url=https%3A%2F%2Fa.example%2Fc%3Fd%3De", "/v1/x?url=https://a.example/c", "/v1/x?$filter=name%20eq%20'x'", "/v1/x?key=1&api=2&keyapi=3",
		"/v1/x?q=%F0%9F%98%80", "/v1/x?a=1?b=2", "/v1/x?q=%255B", "/v1/x?callback=f", "/v1/x?method=fast",
		"/repos/o/r/contents/.github/workflows/ci.yml", "/v1/users/jane%40example.com", "/v1/users/jane@example.com", "/v1/$metadata", "/v1/Products('A1')", "/v1/items:batchGet",
		"/v1/~me", "/v1/@me", "/v1/-/x", "/v1/a%20b", "/v1/1.2.3", "/v1/a..b", "/v1/..a", "/v1/a..", "/v1/100%25", "/v1/50%25off", "/v1/caf%C3%A9", "/v1/%E6%97%A5%E6%9C%AC",
		"/v1/emoji/%F0%9F%98%80", "/v1/a,b", "/v1/a+b", "/v1/a=b&c", "/v1/a!b*c", "/v1/what%3F", "/v1/c%23", "/v1/[id]", "/v1/%41", "/v1/http:", "/v1/DELETE", "/v1/a%3Ab",
	} {
		if _, err := w.call(t.Context(), get(path).json(), tools.Limits{}, "GET /**", "GET /"); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := up.last(t).target; got != "/api"+path {
			t.Errorf("%s arrived as %s", path, got)
		}
	}
}
