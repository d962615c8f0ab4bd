package masking

import "bytes"

// privateKey looks at the label of a private key in PEM (RFC 7468), OpenPGP or PuTTY form; src[i:end] ends it. A key whose
// end is missing is hidden up to the end of the text, one whose beginning is missing as far back as there is base64.
func (s *scan) privateKey(i, end int) {
	src := s.src
	if i < s.keysDone {
		return // inside one
	}
	if bytes.HasPrefix(src[i:], []byte("PuTTY")) {
		stop := len(src)
		if mac := bytes.Index(src[end:], []byte("Private-MAC:")); mac >= 0 {
			stop = end + mac + len("Private-MAC:")
			stop = run(src, run(src, stop, blank), hexDigit)
		}
		s.addKey(i, stop)
		return
	}
	line := max(0, i-64)
	if begin := bytes.LastIndex(src[line:i], []byte("-----BEGIN ")); begin >= 0 && !bytes.Contains(src[line+begin:i], []byte("-----END ")) {
		start, stop := line+begin, len(src)
		if foot := bytes.Index(src[end:], []byte("-----END ")); foot >= 0 {
			stop = end + foot + len("-----END ")
			if dash := bytes.Index(src[stop:], []byte("-----")); dash >= 0 && dash < 64 {
				stop += dash + len("-----")
			}
		}
		s.addKey(start, stop)
		return
	}
	if foot := bytes.LastIndex(src[line:i], []byte("-----END ")); foot >= 0 {
		start := line + foot
		for start > s.keysDone && (is(src[start-1], base64std|blank) || src[start-1] == '=' || src[start-1] == '\\') {
			start--
		}
		s.addKey(start, end)
	}
}

func (s *scan) addKey(start, end int) {
	s.add(start, end, kindPrivateKey)
	s.keysDone = end
}
