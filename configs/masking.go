package configs

import (
	"reflect"
	"slices"
)

// Detect chooses the content detectors: api_key, email, iban, ipv4, jwt, password, payment_card, private_key, us_itin, us_ssn. Everything the gateway holds as a secret is hidden whatever stands here.
type Detect struct {
	// Default is on or off for detectors that are named in neither list.
	Default string `yaml:"default" default:"on" enum:"on off"`
	// On are detectors that run although default is off.
	On []string `yaml:"on"`
	// Off are detectors that do not run.
	Off []string `yaml:"off"`
}

// detectors are the names that masking knows, without the one that cannot be off. A test in cmd/sallyport compares the two lists.
var detectors = []string{"api_key", "email", "iban", "ipv4", "jwt", "password", "payment_card", "private_key", "us_itin", "us_ssn"}

// Detectors lists the content detectors that can be on or off, sorted.
func Detectors() []string { return slices.Clone(detectors) }

// MaskMethods lists what columns.*.mask can be.
func MaskMethods() []string {
	fields := fieldsOf(reflect.TypeFor[Column]())
	return fields[slices.IndexFunc(fields, func(f field) bool { return f.name == "mask" })].enum
}

// Disabled lists the detectors that do not run, sorted.
func (d Detect) Disabled() []string {
	var off []string
	for _, name := range detectors {
		if slices.Contains(d.Off, name) || d.Default == "off" && !slices.Contains(d.On, name) {
			off = append(off, name)
		}
	}
	return off
}
