package masking

import "net/netip"

var ipWords = []string{"ip", "ips", "ipaddr", "ipv4", "addr", "address", "host", "client", "peer", "remote", "from", "visitor", "forwarded", "inet"}

// ipv4 looks at a whole region of numbers for the address of somebody: public, and named as an address, since versions
// have the same shape. Private and reserved addresses say nothing about a person and are needed to operate systems.
func (s *scan) ipv4(start, end int) {
	if s.t.off[kindIPv4] || end-start > 15 {
		return
	}
	var octets [4]byte
	p := start
	for i := range octets {
		q := run(s.src[:end], p, digit)
		if q == p || q-p > 3 || (q == end) != (i == 3) || q < end && s.src[q] != '.' {
			return
		}
		v := 0
		for _, c := range s.src[p:q] {
			v = v*10 + int(c-'0')
		}
		if v > 255 {
			return
		}
		octets[i] = byte(v)
		p = q + 1
	}
	if a := netip.AddrFrom4(octets); !a.IsGlobalUnicast() || a.IsPrivate() || reserved(a) {
		return
	}
	if s.hinted(start, ipWords) {
		s.add(start, end, kindIPv4)
	}
}

var reservedRanges = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
}

func reserved(a netip.Addr) bool {
	for _, p := range reservedRanges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
