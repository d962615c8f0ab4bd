package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"

	"sallyport/configs"
	"sallyport/gateway"
	httpapi "sallyport/tools/http"
)

// openAPIs makes the http tool over the targets of kind http.
func (s *server) openAPIs(ctx context.Context, f *configs.File, w *gateway.World, describe describers, known *secrets) (func(), error) {
	var targets []httpapi.Target
	var problems []error
	for name, t := range f.Targets {
		if t.HTTP == nil {
			continue
		}
		target, err := api(ctx, f, name, known)
		if err != nil {
			problems = append(problems, err)
		}
		targets = append(targets, target)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	apis, err := httpapi.Open(httpapi.Config{Targets: targets, Log: s.log, Now: time.Now, Known: known.add, Record: s.recordCredential})
	if err != nil {
		return nil, err
	}
	w.Tools["http"] = apis.Tool()
	for _, t := range targets {
		addTarget(w, describe, f, t.Name, operations{apis})
	}
	return apis.Close, nil
}

// api is a target of kind http as the tool needs it.
func api(ctx context.Context, f *configs.File, name string, known *secrets) (t httpapi.Target, err error) {
	h, at := f.Targets[name].HTTP, "targets."+name+".http"
	t = httpapi.Target{
		Name: name, BaseURL: h.BaseURL, AllowedNetworks: h.AllowedNetworks, Fixed: h.Headers, Headers: headersOf(f, name), Revision: f.TargetRevision(name),
		Limits: httpapi.Limits{RequestBytes: int(h.Limits.RequestBytes), ResponseBytes: int(h.Limits.ResponseBytes), Time: h.Limits.Time.D()},
	}
	if t.CA, err = readCA(h.CA); err != nil {
		return t, fmt.Errorf("%s: %w", at, err)
	}
	if h.OpenAPI != "" {
		if t.OpenAPI, err = os.ReadFile(h.OpenAPI); err != nil {
			return t, fmt.Errorf("%s.openapi: %w", at, err)
		}
	}
	if g := h.GraphQL; g != nil {
		t.GraphQL = &httpapi.GraphQL{Path: g.Path, Introspection: g.Introspection}
	}
	if r := h.JSONRPC; r != nil {
		t.JSONRPC = &httpapi.JSONRPC{Path: r.Path, Read: r.Read}
	}
	if h.Auth != nil {
		t.Auth, t.ClientCertificate, err = credential(ctx, at+".auth", h.Auth, known)
	}
	return t, err
}

// headersOf are the headers some scope lets an agent set on a target; the scope that covers a call narrows them again.
func headersOf(f *configs.File, target string) (all []string) {
	for _, s := range f.Scopes {
		if slices.Contains(f.TargetsOf(s), target) {
			all = append(all, s.Headers...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// credential is what the gateway adds to every request of a target.
func credential(ctx context.Context, at string, a *configs.HTTPAuth, known *secrets) (out httpapi.Auth, certificate func(context.Context) (*tls.Certificate, error), err error) {
	var problems []error
	secret := func(key string, ref configs.Secret) httpapi.Secret {
		if ref.IsZero() {
			return nil
		}
		read, err := known.resolve(ctx, at+"."+key, ref)
		problems = append(problems, err)
		return read
	}
	out.Bearer = secret("bearer", a.Bearer)
	if b := a.Basic; b != nil {
		out.Basic = &httpapi.Basic{User: b.User, Password: secret("basic.password", b.Password)}
	}
	if h := a.Header; h != nil {
		out.Header = &httpapi.Named{Name: h.Name, Value: secret("header.value", h.Value)}
	}
	if q := a.Query; q != nil {
		out.Query = &httpapi.Named{Name: q.Name, Value: secret("query.value", q.Value)}
	}
	if o := a.OAuth2; o != nil {
		out.OAuth2 = &httpapi.OAuth2{TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecret: secret("oauth2.client_secret", o.ClientSecret), Scopes: o.Scopes, Params: url.Values{}}
		if o.Audience != "" {
			out.OAuth2.Params.Set("audience", o.Audience)
		}
	}
	if x := a.Exchange; x != nil {
		out.Exchange = &httpapi.Exchange{TokenURL: x.TokenURL, RevokeURL: x.RevokeURL, ClientID: x.ClientID, ClientSecret: secret("exchange.client_secret", x.ClientSecret),
			Audience: x.Audience, Scopes: x.Scopes}
	}
	if v := a.SigV4; v != nil {
		out.SigV4 = &httpapi.SigV4{Region: v.Region, Service: v.Service, AccessKey: secret("sigv4.access_key", v.AccessKey),
			SecretKey: secret("sigv4.secret_key", v.SecretKey), SessionToken: secret("sigv4.session_token", v.SessionToken)}
	}
	if m := a.MTLS; m != nil {
		key := secret("mtls.key", m.Key)
		certificate = func(ctx context.Context) (*tls.Certificate, error) {
			pem, err := os.ReadFile(m.Cert)
			if err != nil {
				return nil, fmt.Errorf("%s.mtls.cert: %w", at, err)
			}
			k, err := key(ctx)
			if err != nil {
				return nil, err
			}
			c, err := tls.X509KeyPair(pem, []byte(k))
			return &c, err
		}
	}
	return out, certificate, errors.Join(problems...)
}

// operations adapts the tool's typed description to what the gateway passes on.
type operations struct{ *httpapi.APIs }

func (o operations) Describe(ctx context.Context, target, path, detail string) (any, error) {
	return o.APIs.Describe(ctx, target, path, detail)
}
