package masking

// ibanLength is the length of an IBAN by country (ISO 13616 registry, release 99).
var ibanLength = byCountry(map[string]uint8{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
	"CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
	"FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
	"IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
	"LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
	"NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
	"SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26,
	"UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
})

// byCountry makes the table one to look up by the two letters, 26*first+second from A.
func byCountry(m map[string]uint8) (t [26 * 26]uint8) {
	for c, n := range m {
		t[26*int(c[0]-'A')+int(c[1]-'A')] = n
	}
	return t
}

// iban looks for an IBAN of which the digits that begin at p are the check digits, or the first digits after the bank's
// letters: GB29 NWBK 6016 1331 9268 19.
func (s *scan) iban(p int) {
	const before = 12 // country, check digits, and a bank's letters, with blanks between
	for j := p - 2; j >= max(0, p-before); j-- {
		if !is(s.src[j], alpha) || !is(s.src[j+1], alpha) || j+4 > len(s.src) || j > 0 && isAlnum(s.src[j-1]) {
			continue
		}
		if end, ok := ibanAt(s.src, j); ok {
			s.add(j, end, kindIBAN)
			return
		}
	}
}

// ibanAt reports where the IBAN that begins at i ends. Single blanks or dashes may stand between its characters.
func ibanAt(src []byte, i int) (end int, ok bool) {
	want := int(ibanLength[26*int(src[i]&^32-'A')+int(src[i+1]&^32-'A')]) // both are letters
	if want == 0 {
		return 0, false
	}
	var b [34]byte
	n := 0
	for end = i; end < len(src) && n < want; end++ {
		switch c := src[end]; {
		case isAlnum(c):
			b[n] = c
			n++
		case (c == ' ' || c == '-') && n > 2 && end+1 < len(src) && isAlnum(src[end+1]):
		default:
			return 0, false
		}
	}
	if n < want || end < len(src) && isAlnum(src[end]) || !isDigit(b[2]) || !isDigit(b[3]) {
		return 0, false
	}
	rest := 0
	for k := range n { // ISO 7064 mod 97-10, the first four characters moved to the end
		c := lower(b[(k+4)%n])
		if isDigit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'a') + 10) % 97
		}
	}
	return end, rest == 1
}
