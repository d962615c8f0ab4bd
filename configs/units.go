package configs

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time. In YAML it is a number with its unit: 500ms, 10s, 30m, 1h30m. A number alone is refused.
type Duration time.Duration

// D is the span as the standard library has it.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is the shortest text that Parse reads as d.
func (d Duration) String() string {
	s := time.Duration(d).String()
	s = strings.TrimSuffix(s, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(s, "m0s")]
	return strings.TrimSuffix(s, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(s, "h0m")]
}

func (d *Duration) parse(text string) error {
	if number(text) {
		return fmt.Errorf("%s has no unit; write %ss or %sm", text, text, text)
	}
	v, err := time.ParseDuration(text)
	if err != nil || strings.ContainsAny(text, "nuµμ+-") {
		return fmt.Errorf("%q is not a time span; write a number with ms, s, m or h: 10s", text)
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes. In YAML it is a whole number with its unit: 512B, 256KiB, 8MiB, 1GiB. A number alone is refused.
type Size int64

var sizeUnits = []struct {
	name string
	n    Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String has the largest unit that divides s.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s >= u.n && s%u.n == 0 {
			return fmt.Sprintf("%d%s", s/u.n, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

func (s *Size) parse(text string) error {
	if number(text) {
		return fmt.Errorf("%s has no unit; write %sKiB or %sMiB", text, text, text)
	}
	digits := strings.TrimRight(text, "BKMGTiabcdefghjklmnopqrstuvwxyz ")
	n, err := strconv.ParseUint(digits, 10, 62)
	for _, u := range sizeUnits {
		if err == nil && text[len(digits):] == u.name && Size(n) <= math.MaxInt64/u.n {
			*s = Size(n) * u.n
			return nil
		}
	}
	return fmt.Errorf("%q is not a size; write a whole number with B, KiB, MiB or GiB: 256KiB", text)
}

// number reports whether text is digits, perhaps with a fraction.
func number(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil && strings.Trim(text, "0123456789.") == ""
}

// splitPort splits host, host:port and [IPv6]:port. The host is never empty.
func splitPort(address string, port uint16) (string, uint16, error) {
	host, digits := address, ""
	if h, p, err := net.SplitHostPort(address); err == nil {
		host, digits = h, p
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("%q is not a port; write a number from 1 to 65535", p)
		}
		port = uint16(n)
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	if strings.Contains(host, ":") && net.ParseIP(host) == nil || strings.Contains(host, ":") && digits == "" && address == host {
		return "", 0, errors.New("write an IPv6 address in brackets: [2001:db8::1]:22")
	}
	if host == "" || strings.ContainsAny(host, " /\\@?#[]%") {
		return "", 0, errors.New("write host:port")
	}
	return host, port, nil
}

// splitDatabase splits host[:port]/database.
func splitDatabase(address string) (host string, port uint16, database string, err error) {
	address, database, ok := strings.Cut(address, "/")
	if strings.Contains(database, "://") || strings.HasSuffix(address, ":") && strings.HasPrefix(database, "/") {
		return "", 0, "", errors.New("this is a URL; write host:port/database")
	}
	if !ok || database == "" || strings.ContainsAny(database, "/?#") {
		return "", 0, "", errors.New("write host:port/database")
	}
	if host, port, err = splitPort(address, 5432); err != nil {
		return "", 0, "", err
	}
	return host, port, database, nil
}

// loopback reports whether host can only be this machine. Names other than localhost may resolve to anything.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
