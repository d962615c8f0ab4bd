package masking

// numbers looks at the region of digits around i: groups of digits with single separators between them. Cards, social
// security numbers and IBANs are all found here, because whether a group is one depends on its neighbours.
func (s *scan) numbers(i int) {
	src := s.src
	if !isDigit(src[i]) {
		i++
	}
	start := i
	for start > s.digitsDone && (isDigit(src[start-1]) || start-2 >= s.digitsDone && separates(src[start-1]) && isDigit(src[start-2])) {
		start--
	}
	end, digits := start, 0
	for end < len(src) && (isDigit(src[end]) || separates(src[end]) && end+1 < len(src) && isDigit(src[end+1])) {
		if isDigit(src[end]) {
			digits++
		}
		end++
	}
	s.digitsDone = end
	if start > 0 && (is(src[start-1], alpha) || start > 1 && separates(src[start-1]) && is(src[start-2], alpha)) {
		s.iban(start)
	}
	if digits >= 4 && digits <= 12 {
		s.ipv4(start, end)
	}
	if digits < 8 {
		return
	}
	for p := start; p < end; {
		q := run(src, p, digit)
		s.group(region{start, end}, p, q)
		p = q + 1
	}
}

// region of digits and single separators.
type region struct{ start, end int }

// separates reports whether c may stand between the groups of a number.
func separates(c byte) bool { return c == ' ' || c == '-' || c == '.' || c == '_' }

// group looks at the group of digits src[p:q] and those after it.
func (s *scan) group(r region, p, q int) {
	switch n := q - p; {
	case n == 3 && s.ssn(r, p):
	case n == 4 || n == 6 || n == 8:
		s.groupedCard(r, p)
	case n == 9:
		s.bareSSN(p, q)
	case n >= 12 && n <= 19:
		s.bareCard(r, p, q)
	}
	if n := q - p; n >= 8 && n <= 10 && q < len(s.src) && s.src[q] == ':' {
		// A Telegram bot's token: the bot's number, then 35 characters that begin with AA.
		if e := run(s.src, q+1, base64url); e-q-1 >= 34 && s.src[q+1] == 'A' && s.src[q+2] == 'A' {
			s.add(p, e, kindAPIKey)
		}
	}
}
