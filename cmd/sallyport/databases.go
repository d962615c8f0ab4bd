package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"sallyport/configs"
	"sallyport/gateway"
	"sallyport/tools/query"
	"sallyport/tools/query/sqlparse"
)

// openDatabases makes the query tools over the targets of kind postgres.
func (s *server) openDatabases(ctx context.Context, f *configs.File, w *gateway.World, describe describers, known *secrets) (func(), error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var targets []query.Target
	var problems []error
	for name, t := range f.Targets {
		if t.Postgres == nil {
			continue
		}
		target, err := database(ctx, f, name, known)
		if err != nil {
			problems = append(problems, err)
		}
		targets = append(targets, target)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	parser, err := sqlparse.NewPool(sqlparse.Config{Argv: []string{exe, parseWorkerCommand}})
	if err != nil {
		return nil, fmt.Errorf("sql parser: %w", err)
	}
	db, err := query.Open(query.Config{Targets: targets, Parser: parser, Log: s.log, Now: time.Now})
	if err != nil {
		parser.Close()
		return nil, err
	}
	w.Tools["query"], w.Tools["query_write"] = db.Reads(), db.Writes()
	for _, t := range targets {
		addTarget(w, describe, f, t.Name, databases{db})
	}
	return func() { db.Close(); parser.Close() }, nil
}

// database is a target of kind postgres as the tool needs it.
func database(ctx context.Context, f *configs.File, name string, known *secrets) (query.Target, error) {
	t := f.Targets[name]
	pg, at := t.Postgres, "targets."+name+".postgres"
	password, err := known.resolve(ctx, at+".password", pg.Password)
	if err != nil {
		return query.Target{}, err
	}
	encrypted, err := databaseTLS(pg)
	if err != nil {
		return query.Target{}, fmt.Errorf("%s: %w", at, err)
	}
	labels := map[string]query.Label{}
	for column, l := range t.Columns {
		labels[column] = query.Label{Class: l.Class, Method: l.Mask}
	}
	target := query.Target{
		Name: name, Host: pg.Host(), Port: pg.Port(), Database: pg.Database(), User: pg.User, Password: password, TLS: encrypted,
		SearchPath: pg.SearchPath, MaxConns: pg.MaxConnections, Revision: f.TargetRevision(name), Labels: labels,
	}
	if pg.Functions != nil {
		target.Functions = pg.Functions.Allow
	}
	if pg.Introspect != nil {
		lower, err := known.resolve(ctx, at+".introspect.password", pg.Introspect.Password)
		if err != nil {
			return query.Target{}, err
		}
		target.Introspect = &query.Login{User: pg.Introspect.User, Password: lower}
	}
	return target, nil
}

// databaseTLS is nil only for tls: off, which the configuration accepts on loopback alone.
func databaseTLS(pg *configs.Postgres) (*tls.Config, error) {
	if pg.TLS == "off" {
		return nil, nil
	}
	roots, err := readCA(pg.CA)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{ServerName: pg.Host(), MinVersion: tls.VersionTLS12, RootCAs: roots}
	switch pg.TLS {
	case "require": // encrypted, the server not checked: as libpq means it
		c.InsecureSkipVerify = true
	case "verify-ca":
		c.InsecureSkipVerify = true // the name is not checked; the chain is, below
		c.VerifyConnection = func(st tls.ConnectionState) error {
			opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
			for _, cert := range st.PeerCertificates[1:] {
				opts.Intermediates.AddCert(cert)
			}
			_, err := st.PeerCertificates[0].Verify(opts)
			return err
		}
	}
	return c, nil
}

// readCA reads certificates to trust; nil, the host's own, for no path.
func readCA(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca: %s holds no certificate", path)
	}
	return pool, nil
}

// databases adapts the tool's typed description to what the gateway passes on.
type databases struct{ *query.DB }

func (d databases) Describe(ctx context.Context, target, path, detail string) (any, error) {
	return d.DB.Describe(ctx, target, path, detail)
}
