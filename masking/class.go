package masking

import "slices"

// The classes detectors report, as they stand in `masking.detect.off`. A column's label may use any class of lower snake
// case, also others; then it only names the replacement.
const (
	Email       = "email"
	PaymentCard = "payment_card"
	USSSN       = "us_ssn"
	USITIN      = "us_itin"
	IBAN        = "iban"
	JWT         = "jwt"
	PrivateKey  = "private_key"
	APIKey      = "api_key"
	Password    = "password" // in assignments, headers and URLs
	IPv4        = "ipv4"     // public addresses named as such
	Secret      = "secret"   // what the gateway itself holds
)

// The methods by which a labelled column is replaced.
const (
	Redact    = "redact"    // the class in brackets
	Pseudonym = "pseudonym" // the same replacement for the same value of a class, within a session
	Partial   = "partial"   // what may be shown of the class, or nothing
	Null      = "null"      // no value
)

// The reasons in [Count.Why].
const (
	WhyColumn   = "column"
	WhyDetected = "detected"
)

type kind uint8

// In order of precedence: where detections overlap, the first names the replacement.
const (
	kindSecret kind = iota
	kindPrivateKey
	kindJWT
	kindAPIKey
	kindPassword
	kindPaymentCard
	kindIBAN
	kindUSSSN
	kindUSITIN
	kindEmail
	kindIPv4
	kinds
)

var classNames = [kinds]string{Secret, PrivateKey, JWT, APIKey, Password, PaymentCard, IBAN, USSSN, USITIN, Email, IPv4}

var placeholders = func() (p [kinds]string) {
	for k, name := range classNames {
		p[k] = "[" + name + "]"
	}
	return p
}()

func (k kind) String() string { return classNames[k] }

func kindOf(class string) (kind, bool) {
	i := slices.Index(classNames[:], class)
	return kind(max(i, 0)), i >= 0
}

// Classes are the classes detectors report, sorted. All but [Secret] can be off.
func Classes() []string { return slices.Sorted(slices.Values(classNames[:])) }

// Methods are the methods a column's label can name. [Mask.Labelled] treats any other as [Redact].
func Methods() []string { return []string{Redact, Pseudonym, Partial, Null} }
