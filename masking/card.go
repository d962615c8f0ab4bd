package masking

// cardGroups are the lengths of the groups in which card numbers are written.
var cardGroups = [][]int{{4, 4, 4, 4}, {4, 6, 5}, {4, 6, 4}, {4, 4, 4, 4, 3}, {4, 4, 4, 3}, {4, 4, 4, 1}, {6, 13}, {8, 8}}

// groupedCard looks for a card number written in groups, the first of which begins at p. One separator throughout; real
// groupings only: "2024-01-15" has none.
func (s *scan) groupedCard(r region, p int) {
	first := run(s.src[:r.end], p, digit)
	if first+4 >= r.end || run(s.src[:first+5], first+1, digit) != first+5 {
		return // no second group of at least four
	}
	var lens [6]int
	var digits [24]byte
	n, total := 0, 0
	end := [6]int{}
	for i, sep := p, byte(0); n < len(lens); n++ {
		q := run(s.src[:r.end], i, digit)
		if total+q-i > len(digits) {
			break
		}
		total += copy(digits[total:], s.src[i:q])
		lens[n], end[n] = q-i, q
		if q == r.end || sep != 0 && s.src[q] != sep {
			n++
			break
		}
		sep, i = s.src[q], q+1
	}
	best := 0
	for _, g := range cardGroups {
		if len(g) > n || len(g) <= best {
			continue
		}
		size, fits := 0, true
		for j, l := range g {
			fits = fits && lens[j] == l
			size += l
		}
		if fits && (isCard(digits[:size]) || isRareCard(digits[:size]) && s.hinted(p, cardWords)) {
			best = len(g)
		}
	}
	if best > 0 {
		s.add(p, end[best-1], kindPaymentCard)
	}
}

// bareCard looks at 12 to 19 digits without separators.
func (s *scan) bareCard(r region, p, q int) {
	src := s.src
	number := src[p:q]
	if !luhn(number) || p > 0 && src[p-1] == '+' { // +49...: a telephone number
		return
	}
	if !isCard(number) && !(isRareCard(number) && s.hinted(p, cardWords)) {
		return
	}
	if p > r.start && src[p-1] == '.' || q < r.end && src[q] == '.' && !zeros(src, q+1) {
		return // the digits of a fraction, or a number that has one
	}
	if s.inHex(p, q) {
		return
	}
	s.add(p, q, kindPaymentCard)
}

// zeros reports whether the digits at i are all zero: 4111111111111111.00 is a card number that went through a float.
func zeros(src []byte, i int) bool {
	for ; i < len(src) && isDigit(src[i]); i++ {
		if src[i] != '0' {
			return false
		}
	}
	return true
}

// inHex reports whether src[p:q] is part of a longer hexadecimal number or a UUID. Letters beside a number do not hide it
// otherwise: "pan4111111111111111x" is still a card.
func (s *scan) inHex(p, q int) bool {
	a, b := runBack(s.src, p, 64, hexDigit), run(s.src, q, hexDigit)
	if (a > 0 && isAlnum(s.src[a-1])) || (b < len(s.src) && isAlnum(s.src[b])) {
		return false
	}
	if uuid := a - 24; q-p == 12 && uuid >= 0 && s.src[a-1] == '-' && s.src[a-6] == '-' && s.src[a-11] == '-' && s.src[a-16] == '-' {
		return true
	}
	return b-a > q-p && b-a >= 20
}

var cardWords = []string{"card", "cards", "pan", "cc", "creditcard", "debit", "visa", "mastercard", "maestro", "amex", "kreditkarte", "cvv", "cardnumber", "ccnum"}

// isCard reports whether d is a card number by issuer, length and check digit. Of random 16-digit numbers 2.9 % are.
func isCard(d []byte) bool { return issued(d) && luhn(d) }

// issued reports whether cards with this beginning and length exist (ISO/IEC 7812 ranges as the schemes publish them).
func issued(d []byte) bool {
	if len(d) < 13 || len(d) > 19 {
		return false
	}
	n, p := len(d), 0
	for _, c := range d[:4] {
		p = p*10 + int(c-'0')
	}
	switch {
	case p/1000 == 4: // Visa
		return n == 13 || n == 16 || n == 19
	case p/100 >= 51 && p/100 <= 55, p >= 2221 && p <= 2720: // Mastercard
		return n == 16
	case p/100 == 34, p/100 == 37: // American Express
		return n == 15
	case p == 6011, p/10 >= 644 && p/10 <= 649, p/100 == 65, p/100 == 62: // Discover, UnionPay
		return n >= 16
	case p/10 >= 300 && p/10 <= 305, p/100 == 36, p/100 == 38, p/100 == 39: // Diners Club
		return n == 14 || n == 16
	case p >= 3528 && p <= 3589: // JCB
		return n >= 16
	case p >= 2200 && p <= 2204: // Mir
		return n >= 16
	case p == 5018, p == 5020, p == 5038, p == 5893, p == 6304, p == 6759, p >= 6761 && p <= 6763: // Maestro
		return n >= 16
	case p/10 == 508, p >= 6069 && p <= 6085: // RuPay
		return n == 16
	}
	return false
}

// isRareCard accepts what is a card only where the text says so: wide ranges that would catch too many other numbers.
func isRareCard(d []byte) bool {
	if len(d) < 12 || len(d) > 19 {
		return false
	}
	first := (d[0]-'0')*10 + d[1] - '0'
	return (first == 50 || first >= 56 && first <= 69 || first == 81 || first == 82) && luhn(d)
}

func luhn(d []byte) bool {
	sum := 0
	for i := len(d) - 1; i >= 0; i -= 2 {
		sum += int(d[i] - '0')
		if i > 0 {
			x := 2 * int(d[i-1]-'0')
			if x > 9 {
				x -= 9
			}
			sum += x
		}
	}
	return sum%10 == 0
}
