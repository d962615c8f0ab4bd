package identity_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sallyport/identity"
)

func TestBearerToken(t *testing.T) {
	for name, tt := range map[string]struct {
		headers []string
		want    string
		err     error
	}{
		"ordinary":                 {headers: []string{"Bearer abc.def-_~+/=="}, want: "abc.def-_~+/=="},
		"scheme in any case":       {headers: []string{"bEARER abc"}, want: "abc"},
		"several spaces":           {headers: []string{"Bearer   abc"}, want: "abc"},
		"none":                     {err: identity.ErrMissing},
		"empty":                    {headers: []string{""}, err: identity.ErrMissing},
		"another scheme":           {headers: []string{"Basic YWxhZGRpbg=="}, err: identity.ErrMissing},
		"scheme as prefix":         {headers: []string{"BearerX abc"}, err: identity.ErrMissing},
		"scheme alone":             {headers: []string{"Bearer"}, err: identity.ErrMalformed},
		"scheme and a space":       {headers: []string{"Bearer "}, err: identity.ErrMalformed},
		"two headers":              {headers: []string{"Bearer abc", "Bearer abc"}, err: identity.ErrMalformed},
		"one good, one other":      {headers: []string{"Basic abc", "Bearer abc"}, err: identity.ErrMalformed},
		"joined by a proxy":        {headers: []string{"Bearer abc, Bearer def"}, err: identity.ErrMalformed},
		"two tokens":               {headers: []string{"Bearer abc def"}, err: identity.ErrMalformed},
		"tab":                      {headers: []string{"Bearer\tabc"}, err: identity.ErrMissing},
		"trailing space":           {headers: []string{"Bearer abc "}, err: identity.ErrMalformed},
		"line end":                 {headers: []string{"Bearer abc\r\nX: y"}, err: identity.ErrMalformed},
		"quoted":                   {headers: []string{`Bearer "abc"`}, err: identity.ErrMalformed},
		"padding alone":            {headers: []string{"Bearer =="}, err: identity.ErrMalformed},
		"padding in the middle":    {headers: []string{"Bearer a=b"}, err: identity.ErrMalformed},
		"letters beyond ASCII":     {headers: []string{"Bearer ａbc"}, err: identity.ErrMalformed},
		"JSON serialization":       {headers: []string{`Bearer {"payload":"e30"}`}, err: identity.ErrMalformed},
		"longer than any token is": {headers: []string{"Bearer " + strings.Repeat("a", 16<<10+1)}, err: identity.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			for _, v := range tt.headers {
				h.Add("Authorization", v)
			}
			got, err := identity.BearerToken(h)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got (%q, %v), want (%q, %v)", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestReasonsAreStable(t *testing.T) {
	for err, want := range map[error]string{
		nil:                        "",
		errors.New("other"):        "internal",
		identity.ErrMissing:        "token-missing",
		identity.ErrMalformed:      "token-malformed",
		identity.ErrAlgorithm:      "token-algorithm",
		identity.ErrIssuer:         "token-issuer",
		identity.ErrSignature:      "token-signature",
		identity.ErrExpired:        "token-expired",
		identity.ErrNotYetValid:    "token-not-yet-valid",
		identity.ErrLifetime:       "token-lifetime",
		identity.ErrAudience:       "token-audience",
		identity.ErrClaims:         "token-claims",
		identity.ErrDelegated:      "token-delegated",
		identity.ErrNotInteractive: "token-not-interactive",
		identity.ErrUnavailable:    "issuer-unavailable",
	} {
		if got := identity.Reason(err); got != want {
			t.Errorf("Reason(%v) = %q, want %q", err, got, want)
		}
		if err != nil {
			if got := identity.Reason(fmt.Errorf("while serving: %w", err)); got != want {
				t.Errorf("wrapped: Reason(%v) = %q, want %q", err, got, want)
			}
		}
	}
}
