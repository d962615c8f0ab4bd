package masking

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// What makes values here is written apart from what recognises them.

func randomDigits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	if b[0] == '0' {
		b[0] = '1'
	}
	return string(b)
}

func randomFrom(r *rand.Rand, set string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = set[r.IntN(len(set))]
	}
	return string(b)
}

const (
	lowerCase = "abcdefghijklmnopqrstuvwxyz"
	alnum     = lowerCase + "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
)

func randomCard(r *rand.Rand) string {
	issuer := []struct {
		prefix string
		n      int
	}{{"4", 16}, {"4", 13}, {"4", 19}, {"51", 16}, {"55", 16}, {"2221", 16}, {"2720", 16}, {"34", 15}, {"37", 15}, {"6011", 16}, {"65", 16}, {"62", 16}, {"62", 19},
		{"300", 14}, {"36", 14}, {"3528", 16}, {"2200", 16}, {"6759", 16}}[r.IntN(18)]
	body := issuer.prefix + randomDigits(r, issuer.n-1-len(issuer.prefix))
	for check := range 10 { // the one of ten that makes the digits sum up
		card := body + fmt.Sprint(check)
		sum := 0
		for i := range card {
			d := int(card[len(card)-1-i] - '0')
			if i%2 == 1 {
				d = d*2/10 + d*2%10
			}
			sum += d
		}
		if sum%10 == 0 {
			return card
		}
	}
	panic("no check digit")
}

func randomIBAN(r *rand.Rand) string {
	country, bban := "DE", randomDigits(r, 18)
	if r.IntN(2) == 0 {
		country, bban = "GB", randomFrom(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", 4)+randomDigits(r, 14)
	}
	var digits strings.Builder
	for _, c := range bban + country + "00" {
		if c >= 'A' {
			fmt.Fprint(&digits, c-'A'+10)
		} else {
			digits.WriteRune(c)
		}
	}
	n, _ := new(big.Int).SetString(digits.String(), 10)
	return fmt.Sprintf("%s%02d%s", country, 98-n.Mod(n, big.NewInt(97)).Int64(), bban)
}

var makers = map[string]func(*rand.Rand) string{
	PaymentCard: randomCard,
	IBAN:        randomIBAN,
	USSSN: func(r *rand.Rand) string {
		return fmt.Sprintf("%03d-%02d-%04d", 1+r.IntN(665), 1+r.IntN(99), 1+r.IntN(9999))
	},
	Email: func(r *rand.Rand) string {
		return randomFrom(r, lowerCase, 2+r.IntN(8)) + []string{"", ".x", "+tag", "_1"}[r.IntN(4)] + "@" + randomFrom(r, lowerCase, 3+r.IntN(9)) + []string{".com", ".co.uk", ".io", ".museum"}[r.IntN(4)]
	},
	APIKey: func(r *rand.Rand) string {
		return []string{"ghp_" + randomFrom(r, alnum, 36), "AKIA" + randomFrom(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16), "xoxb-" + randomDigits(r, 12) + "-" + randomFrom(r, alnum, 24),
			"sk_live_" + randomFrom(r, alnum, 24), "npm_" + randomFrom(r, alnum, 36), "glpat-" + randomFrom(r, alnum, 20)}[r.IntN(6)]
	},
}

// places are where values stand.
var surroundings = []string{"%s", "a,%s,b", "a\t%s\tb", `{"v":"%s"}`, "{%s,x}", "It was %s, they said.", "export V=%s\n", "v: %s\n", " 17 | %s | ok", "+ echo '%s'", "<v>%s</v>", "?v=%s&w=1",
	"_%s_", "\"%s\";", "(%s)", "[%s]", "v=%s;", "2024-01-15 10:00:00 [info] got %s from web-1"}

// Every well-formed value is found wherever it stands and however it is spelled, and no four of its characters stay.
func TestRecall(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	m := newEngine(t).For("s")
	for class, random := range makers {
		for name, render := range renderings {
			misses, total := 0, 0
			for range 6 {
				for _, around := range surroundings {
					value := random(r)
					text := fmt.Sprintf(strings.ReplaceAll(around, "%s", "%[1]s"), render(value))
					got := m.String(text)
					total++
					if left := got; !strings.Contains(got, "[") || leaves(left, render(value), around) {
						if misses++; misses < 4 {
							t.Logf("%s, %s: %q became %q", class, name, text, got)
						}
					}
				}
			}
			if misses*200 > total { // 0.5 %
				t.Errorf("%s, %s: %d of %d missed", class, name, misses, total)
			}
		}
	}
}

// leaves reports whether four characters in a row of value, that do not stand around it anyway, are left in got.
func leaves(got, value, around string) bool {
	got = strings.NewReplacer("[payment_card]", "", "[email]", "", "[us_ssn]", "", "[iban]", "", "[api_key]", "", "[password]", "").Replace(got)
	for i := 0; i+4 <= len(value); i++ {
		if four := value[i : i+4]; strings.Contains(got, four) && !strings.Contains(around, four) {
			return true
		}
	}
	return false
}

// Of values that only look like one, no more than their check digits let through are masked.
func TestFalseAlarms(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	m := newEngine(t).For("s")
	uuid := func() string {
		h := randomFrom(r, "0123456789abcdef", 32)
		return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
	}
	for _, c := range []struct {
		name   string
		permil int
		random func() string
	}{
		{"9-digit id", 0, func() string { return randomDigits(r, 9) }},
		{"10-digit id", 0, func() string { return randomDigits(r, 10) }},
		{"11-digit id", 0, func() string { return randomDigits(r, 11) }},
		{"12-digit id", 0, func() string { return randomDigits(r, 12) }},
		{"16-digit id", 32, func() string { return randomDigits(r, 16) }},
		{"19-digit id", 20, func() string { return randomDigits(r, 19) }},
		{"epoch seconds", 0, func() string { return fmt.Sprint(1_500_000_000 + r.IntN(400_000_000)) }},
		{"epoch milliseconds", 0, func() string { return fmt.Sprint(1_500_000_000_000 + r.Int64N(400_000_000_000)) }},
		{"epoch microseconds", 0, func() string { return fmt.Sprint(1_500_000_000_000_000 + r.Int64N(400_000_000_000_000)) }},
		{"epoch nanoseconds", 0, func() string {
			return fmt.Sprint(1_500_000_000_000_000_000 + r.Int64N(400_000_000_000_000_000))
		}},
		{"timestamp", 0, func() string {
			return fmt.Sprintf("2024-%02d-%02d %02d:%02d:%02d.%06d+00", 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e6))
		}},
		{"float", 0, func() string { return fmt.Sprint(r.Float64()) }},
		{"big float", 0, func() string { return fmt.Sprintf("%.6f", r.Float64()*1e9) }},
		{"coordinates", 0, func() string { return fmt.Sprintf("%.6f,%.6f", r.Float64()*90, r.Float64()*180) }},
		{"version", 0, func() string { return fmt.Sprintf("%d.%d.%d.%d", r.IntN(30), r.IntN(30), r.IntN(300), r.IntN(30)) }},
		{"uuid", 0, uuid},
		{"sha1", 0, func() string { return randomFrom(r, "0123456789abcdef", 40) }},
		{"sha256", 0, func() string { return randomFrom(r, "0123456789abcdef", 64) }},
		{"nanoid", 0, func() string { return randomFrom(r, alnum+"_-", 21) }},
		{"base64", 0, func() string { return randomFrom(r, alnum+"+/", 64) }},
		{"sku", 0, func() string { return randomFrom(r, "ABCDEFGH", 3) + "-" + randomDigits(r, 5) }},
		{"order", 0, func() string { return randomDigits(r, 3) + "-" + randomDigits(r, 7) + "-" + randomDigits(r, 7) }},
		{"telephone", 0, func() string { return randomDigits(r, 3) + "-" + randomDigits(r, 3) + "-" + randomDigits(r, 4) }},
		{"words", 0, func() string { return randomFrom(r, lowerCase, 6) + " " + randomFrom(r, lowerCase, 14) }},
	} {
		const n = 2000
		masked := 0
		for range n {
			v := c.random()
			if m.String(v) != v || m.String("a,"+v+",b") != "a,"+v+",b" {
				masked++
			}
		}
		if masked*1000 > (c.permil+1)*n {
			t.Errorf("%s: %d of %d masked, more than %d in 1000", c.name, masked, n, c.permil)
		}
	}
}
