package configs

import "slices"

// Detect chooses the content detectors. Everything the gateway holds as a secret is hidden whatever stands here.
type Detect struct {
	// Default is on or off for detectors that are named in neither list.
	Default string `yaml:"default" default:"on" enum:"on off"`
	// On are detectors that run although default is off.
	On []string `yaml:"on"`
	// Off are detectors that do not run.
	Off []string `yaml:"off"`
}

// Detectors are the names of the content detectors.
var detectors = []string{"email", "ipv4", "jwt", "payment_card", "private_key", "us_ssn"}

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
