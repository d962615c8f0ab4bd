package masking

import (
	"encoding/base64"
	"encoding/json"
)

// maxJOSEHeader bounds what is decoded to see whether something is a token, in bytes of base64.
const maxJOSEHeader = 8 << 10

// jwt looks for a JSON web token (RFC 7519, also encrypted, RFC 7516) at i: base64url segments joined by dots, of which the
// first decodes to a JSON object with "alg". The signature may be missing, as in one that was cut or has none.
func (s *scan) jwt(i int) {
	src := s.src
	if i > 0 && isAlnum(src[i-1]) || i < s.jwtDone {
		return
	}
	head := run(src, i, base64url)
	s.jwtDone = head
	if head == len(src) || src[head] != '.' || head-i > maxJOSEHeader {
		return
	}
	plain := make([]byte, base64.RawURLEncoding.DecodedLen(head-i))
	n, err := base64.RawURLEncoding.Decode(plain, src[i:head])
	if err != nil {
		return
	}
	var header struct{ Alg *json.RawMessage }
	if json.Unmarshal(plain[:n], &header) != nil || header.Alg == nil {
		return
	}
	end := head
	for segment := 0; segment < 4 && end < len(src) && src[end] == '.'; segment++ {
		end = run(src, end+1, base64url)
	}
	if end > head+1 && src[end-1] == '.' {
		end--
	}
	s.add(i, end, kindJWT)
}
