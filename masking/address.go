package masking

import "unicode/utf8"

// address looks at the @ at i: first whether it ends the user part of a URL, then whether it is an e-mail address.
func (s *scan) address(i int) {
	if start, ok := s.userinfo(i); ok {
		if !notSecret(s.src[start:i]) {
			s.add(start, i, kindPassword)
		}
		return
	}
	start, end := s.localPart(i), s.domain(i+1)
	if start == i || end == i+1 {
		return
	}
	if string(s.src[start:i]) == "git" && end < len(s.src) && s.src[end] == ':' {
		return // git@host:path names a repository
	}
	s.add(start, end, kindEmail)
}

// userinfo finds the password in scheme://user:password@host, RFC 3986 section 3.2.1, where the @ is at i. The password
// begins after the first colon, so that one with an @ in it is found too.
func (s *scan) userinfo(i int) (start int, ok bool) {
	const reach = 512
	colon := -1
	for j := i - 1; j >= 0 && i-j <= reach; j-- {
		switch c := s.src[j]; {
		case c == ':':
			if j+2 < len(s.src) && s.src[j+1] == '/' && s.src[j+2] == '/' {
				return colon + 1, colon > j+2 && colon+1 < i
			}
			colon = j
		case c == '/' && (j == 0 || s.src[j-1] != '/' && s.src[j-1] != ':'), c == '"' || c == '<' || c == '>', is(c, blank):
			return 0, false
		}
	}
	return 0, false
}

// localPart returns where the local part that ends at i begins, or i when there is none.
func (s *scan) localPart(i int) int {
	const reach = 256
	src := s.src
	if i > 2 && src[i-1] == '"' { // "john doe"@example.com
		for j := i - 2; j >= 0 && i-j < 66; j-- {
			if src[j] == '"' {
				return j
			}
			if src[j] == '\n' {
				break
			}
		}
		return i
	}
	start := i
	for start > 0 && i-start < reach && (is(src[start-1], atext) || src[start-1] == '.') {
		start--
	}
	for start < i && !utf8.RuneStart(src[start]) {
		start++
	}
	for start < i && !isAlnum(src[start]) && !is(src[start], highByte) && src[start] != '_' && src[start] != '+' {
		start++ // a quote, an equals sign or a slash before the address belongs to what stands around it
	}
	return start
}

// domain returns where the domain that begins at i ends, or i when it is none: labels with a dot, the last of them letters
// (or xn-- for one that was not ASCII). A name without a dot is a host in somebody's network; nothing to hide.
func (s *scan) domain(i int) int {
	const reach = 254
	src := s.src
	if i < len(src) && src[i] == '[' { // user@[192.0.2.1]
		for j := i + 1; j < len(src) && j-i < 50; j++ {
			if src[j] == ']' {
				return j + 1
			}
			if !is(src[j], hexDigit) && src[j] != '.' && src[j] != ':' && lower(src[j]) != 'i' && lower(src[j]) != 'p' && lower(src[j]) != 'v' {
				break
			}
		}
		return i
	}
	end, label, good := i, i, i
	for end < len(src) && end-i < reach && (is(src[end], hostByte) || src[end] == '.' && end > label) {
		if src[end] == '.' {
			label = end + 1
		}
		end++
		if label > i && end-label >= 2 && (end == len(src) || !is(src[end], hostByte)) && topLevel(src[label:end]) {
			good = end
		}
	}
	if good > i && isAsset(src[i:good]) {
		return i
	}
	for good < len(src) && !utf8.RuneStart(src[good]) {
		good++ // the reach ended within a character
	}
	return good
}

func topLevel(label []byte) bool {
	if len(label) > 4 && hasFold(label, 0, "xn--") {
		return true
	}
	for _, c := range label {
		if !is(c, alpha|highByte) {
			return false
		}
	}
	return true
}

// isAsset tells the file name icon@2x.png from an address.
func isAsset(domain []byte) bool {
	if len(domain) < 6 || !isDigit(domain[0]) || domain[1] != 'x' || domain[2] != '.' {
		return false
	}
	switch string(domain[3:]) {
	case "png", "jpg", "jpeg", "gif", "svg", "webp", "pdf":
		return true
	}
	return false
}
