package masking

// Social security numbers have no check digit: their evidence is the grouping 3-2-4, or a word that says what they are.
// Numbers that look like samples are not left out; 123-45-6789 is somebody's test of whether masking works.

var ssnWords = []string{"ssn", "ssns", "social", "socsec", "itin", "tin", "taxpayer", "ss#"}

// ssn looks for NNN-NN-NNNN at p, with the same separator twice, and reports whether it is one. With a blank or a dot as
// the separator it must stand alone: tables of numbers have those too.
func (s *scan) ssn(r region, p int) bool {
	src := s.src
	if p+11 > r.end {
		return false
	}
	sep := src[p+3]
	if src[p+6] != sep || isDigit(sep) || run(src, p+4, digit) != p+6 || run(src, p+7, digit) != p+11 {
		return false
	}
	if sep != '-' && (r.start != p || r.end != p+11) && !s.hinted(p, ssnWords) {
		return false
	}
	k, ok := ssnKind(src[p:p+3], src[p+4:p+6], src[p+7:p+11])
	if ok {
		s.add(p, p+11, k)
	}
	return ok
}

// bareSSN looks at nine digits in a row, which are a social security number only where the text says so: 88 % of all
// nine-digit numbers could be one.
func (s *scan) bareSSN(p, q int) {
	d := s.src[p:q]
	if k, ok := ssnKind(d[:3], d[3:5], d[5:]); ok && s.hinted(p, ssnWords) {
		s.add(p, q, k)
	}
}

// ssnKind tells a social security number from an individual taxpayer's (area 9xx, IRS publication 4757) and from neither:
// areas 000 and 666, group 00 and serial 0000 were never issued.
func ssnKind(area, group, serial []byte) (kind, bool) {
	if string(group) == "00" || string(serial) == "0000" || string(area) == "000" || string(area) == "666" {
		return 0, false
	}
	if area[0] != '9' {
		return kindUSSSN, true
	}
	g := int(group[0]-'0')*10 + int(group[1]-'0')
	return kindUSITIN, g >= 50 && g <= 65 || g >= 70 && g <= 88 || g >= 90 && g <= 92 || g >= 94
}
