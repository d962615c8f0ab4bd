package configs

import "net/netip"

// HTTP is an API under one base URL, and the credential that the gateway adds to each request.
type HTTP struct {
	// BaseURL is scheme://host/path. Calls are relative to it and cannot leave it. Refused: plain http except on loopback, user
	// and password, a query, a fragment.
	BaseURL string `yaml:"base_url" check:"required"`
	// Auth is the credential. Absent: none is sent.
	Auth *HTTPAuth `yaml:"auth"`
	// OpenAPI is the path of an OpenAPI 3 document. Operations that are not in it are refused; x-sallyport-effect in it overrides
	// the effect that the method suggests.
	OpenAPI string `yaml:"openapi" check:"path"`
	// AllowedNetworks are the networks in which the host may be: 10.20.0.0/16, or one address. Absent: every address the name
	// resolves to, except link-local ones (cloud metadata), multicast and unspecified; loopback only when base_url says so itself.
	AllowedNetworks []netip.Prefix `yaml:"allowed_networks"`
	// CA is the path of a PEM file with the certificates that are trusted. Absent: those of the host.
	CA string `yaml:"ca" check:"path"`
	// Headers are sent with every request, and the agent cannot set them. A credential belongs in auth.
	Headers map[string]string `yaml:"headers"`
	// GraphQL tells queries from mutations at one path.
	GraphQL *GraphQL `yaml:"graphql"`
	// JSONRPC names the methods that read at one path.
	JSONRPC *JSONRPC `yaml:"jsonrpc"`
	// Limits of one request.
	Limits HTTPLimits `yaml:"limits"`
}

// HTTPAuth is exactly one of its fields.
type HTTPAuth struct {
	// Bearer is the token in Authorization: Bearer.
	Bearer Secret `yaml:"bearer"`
	// Basic is user and password (RFC 7617).
	Basic *Login `yaml:"basic"`
	// Header is a credential in a header of its own.
	Header *NamedSecret `yaml:"header"`
	// Query is a credential in the query string. It ends up in logs of the target; prefer header.
	Query *NamedSecret `yaml:"query"`
	// OAuth2 gets tokens with client credentials (RFC 6749 section 4.4).
	OAuth2 *OAuth2 `yaml:"oauth2"`
	// Exchange gets a token for each session by exchanging the agent's own (RFC 8693).
	Exchange *Exchange `yaml:"exchange"`
	// SigV4 signs requests as AWS does.
	SigV4 *SigV4 `yaml:"sigv4"`
	// MTLS is a client certificate.
	MTLS *MTLS `yaml:"mtls"`
}

// NamedSecret is a secret and the name under which it is sent.
type NamedSecret struct {
	// Name of the header or parameter.
	Name string `yaml:"name" check:"required"`
	// Value is the credential.
	Value Secret `yaml:"value" check:"required"`
}

// OAuth2 gets tokens with client credentials.
type OAuth2 struct {
	// TokenURL is the token endpoint; https, or http on loopback.
	TokenURL string `yaml:"token_url" check:"required"`
	// ClientID at that endpoint.
	ClientID string `yaml:"client_id" check:"required"`
	// ClientSecret of the client.
	ClientSecret Secret `yaml:"client_secret" check:"required"`
	// Scopes are asked for.
	Scopes []string `yaml:"scopes"`
	// Audience is asked for too, where the endpoint wants one.
	Audience string `yaml:"audience"`
}

// Exchange gets tokens by exchanging those of agents (RFC 8693), one for each session: the API sees on whose behalf a request is made. The
// issuer has to keep the act claim for the API to see the agent as well.
type Exchange struct {
	// TokenURL is the token endpoint; https, or http on loopback.
	TokenURL string `yaml:"token_url" check:"required"`
	// RevokeURL is the revocation endpoint (RFC 7009): what a session holds is revoked at its end. Absent: it ends by itself.
	RevokeURL string `yaml:"revoke_url"`
	// ClientID of the gateway at the issuer.
	ClientID string `yaml:"client_id" check:"required"`
	// ClientSecret of the client.
	ClientSecret Secret `yaml:"client_secret" check:"required"`
	// Audience is the API, as the issuer knows it.
	Audience string `yaml:"audience" check:"required"`
	// Scopes are asked for.
	Scopes []string `yaml:"scopes"`
}

// SigV4 signs requests with AWS Signature Version 4.
type SigV4 struct {
	// Region is a word like eu-central-1.
	Region string `yaml:"region" check:"required"`
	// Service is a word like execute-api.
	Service string `yaml:"service" check:"required"`
	// AccessKey is the id of the key.
	AccessKey Secret `yaml:"access_key" check:"required"`
	// SecretKey of the id.
	SecretKey Secret `yaml:"secret_key" check:"required"`
	// SessionToken of temporary credentials.
	SessionToken Secret `yaml:"session_token"`
}

// MTLS is a client certificate.
type MTLS struct {
	// Cert is the path of a PEM file: the certificate, then its intermediates.
	Cert string `yaml:"cert" check:"required,path"`
	// Key is the private key (PEM).
	Key Secret `yaml:"key" check:"required"`
}

// GraphQL tells queries from mutations.
type GraphQL struct {
	// Path of the endpoint, relative to base_url.
	Path string `yaml:"path" default:"/graphql"`
	// Introspection lets agents ask for the schema.
	Introspection bool `yaml:"introspection" default:"false"`
}

// JSONRPC names the methods that read; every other method writes.
type JSONRPC struct {
	// Path of the endpoint, relative to base_url.
	Path string `yaml:"path" default:"/rpc"`
	// Read are methods that change nothing; "*" at the end stands for any rest.
	Read []string `yaml:"read"`
}

// HTTPLimits bounds one request, whatever the scope allows.
type HTTPLimits struct {
	// RequestBytes of a body that is sent.
	RequestBytes Size `yaml:"request_bytes" default:"1MiB" min:"1B" max:"64MiB"`
	// ResponseBytes of a body that is read, after decompression.
	ResponseBytes Size `yaml:"response_bytes" default:"8MiB" min:"1KiB" max:"1GiB"`
	// Time for the whole request.
	Time Duration `yaml:"time" default:"30s" min:"100ms" max:"15m"`
}
