package identity

import (
	"fmt"
	"net/http"
	"strings"
)

// BearerToken is the token of the one Authorization header of a request (RFC 6750 §2.1; the scheme in any case). It looks
// nowhere else: a token in a query string or form is no token. Errors: [ErrMissing] when there is no such header or it has
// another scheme, [ErrMalformed] when there are several, or what follows the scheme is not one b64token.
func BearerToken(h http.Header) (string, error) {
	values := h.Values("Authorization")
	switch len(values) {
	case 0:
		return "", ErrMissing
	case 1:
	default:
		// Two parties that pick different ones would disagree on who is calling.
		return "", fmt.Errorf("several Authorization headers: %w", ErrMalformed)
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", fmt.Errorf("the Authorization header has another scheme than Bearer: %w", ErrMissing)
	}
	token = strings.TrimLeft(token, " ")
	if len(token) > maxToken {
		return "", fmt.Errorf("longer than 16 KiB: %w", ErrMalformed)
	}
	if !b64token(token) {
		return "", fmt.Errorf("not a b64token: %w", ErrMalformed)
	}
	return token, nil
}

// b64token is the grammar of RFC 6750 §2.1: at least one character of the set, then any number of "=".
func b64token(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~', c == '+', c == '/':
		default:
			return false
		}
	}
	return body != ""
}
