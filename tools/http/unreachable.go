package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// problem says why there was no answer, without a host, an address or any word of the target.
func problem(err error, sent bool) string {
	var (
		dns      *net.DNSError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		alert    tls.AlertError
		verify   *tls.CertificateVerificationError
		timeout  net.Error
	)
	switch {
	case errors.Is(err, errAddress):
		return "its name resolves to an address the gateway may not connect to"
	case errors.As(err, &dns):
		return "its name could not be resolved"
	case errors.As(err, &hostname):
		return "its certificate is for another name"
	case errors.As(err, &unknown):
		return "its certificate is signed by an authority the gateway does not know"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "its certificate is not valid"
	case errors.As(err, &record):
		return "it does not speak TLS"
	case errors.As(err, &alert):
		return "it refused the TLS handshake"
	case sent:
		return "it closed the connection or sent something that is not an HTTP/1.1 answer within the limits"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the connection timed out"
	}
	return "the connection failed"
}
