// Package query answers: what would this SQL statement do to this PostgreSQL? And then it runs it.
//
// Three parties have to agree before a statement runs. The parser (sqlparse) says what the text says; the target's catalog
// says what the names in it are; and the server itself enforces what was decided: one statement, extended protocol, a
// read-only transaction and a cursor for reads, a transaction that is rolled back when it changes too much for writes.
//
// Promises. What cannot be resolved completely is unknown, and unknown does not run: relations, columns, functions,
// operators and types are allowed by lists made from the catalog, never refused by lists of bad names alone. A labelled
// column may only be selected plainly, and comes back masked. No text of the server leaves this package except through
// the mask: errors are rebuilt from their SQLSTATE. When a call ends, so does its statement on the server.
//
// Not promised: a read may still be expensive (limits bound it), and functions of the server's own are trusted to be what
// the server's catalog says they are.
package query

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sallyport/tools"
	"sallyport/tools/query/sqlparse"
)

// Parser turns SQL text into facts about it; *sqlparse.Pool is the implementation. Safe for concurrent use.
type Parser interface {
	Parse(ctx context.Context, sql string) (*sqlparse.Statement, error)
}

// Config is what Open needs.
type Config struct {
	Targets []Target
	Parser  Parser
	Log     *slog.Logger     // what the operator should know; never a statement, a row or a server's text
	Now     func() time.Time // decides when a catalog snapshot is stale
}

// Target is one PostgreSQL database and the login the gateway uses on it. The connection must keep its session: a pooler that
// hands out another server session for each transaction does not.
type Target struct {
	Name     string // as in sallyport.yaml
	Host     string // name or address
	Port     uint16
	Database string
	User     string
	// Password is asked each time a connection is made; it is kept nowhere. nil: none is sent.
	Password func(ctx context.Context) (string, error)
	TLS      *tls.Config // nil: not encrypted
	// SearchPath are the schemas unqualified names are looked up in; empty: public. pg_catalog is always first and
	// pg_temp always last.
	SearchPath []string
	MaxConns   int    // connections at most; 0: 8. Two more may be made to ask what the server understands.
	Revision   string // changes when the definition does
	// Introspect is the login that the server is asked with what it understands of a statement; nil: the target's own. It needs TEMP on
	// the database and USAGE on the schemas of the search path, and nothing else.
	Introspect *Login
	// Functions are functions of users that statements may call, as schema.name(type, ...).
	Functions []string
	// Labels are the sensitive columns: "customers.ssn" (every table of that name) or "public.customers.ssn".
	Labels map[string]Label
}

// Label says what a column holds and how its values are replaced.
type Label struct {
	Class  string // us_ssn, email, ...
	Method string // redact, pseudonym, ...
}

// DB is the query tools' side of all PostgreSQL targets. Safe for concurrent use.
type DB struct {
	cfg     Config
	targets map[string]*target // set in Open, read-only after
}

// Open checks the configuration. It connects to nothing: a target that is down stops its own calls only.
func Open(cfg Config) (*DB, error) {
	if cfg.Parser == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("query: Parser, Log and Now are required")
	}
	db := &DB{cfg: cfg, targets: map[string]*target{}}
	var problems []error
	for _, t := range cfg.Targets {
		if db.targets[t.Name] != nil {
			problems = append(problems, fmt.Errorf("target %q is defined twice", t.Name))
			continue
		}
		tgt, err := newTarget(t, cfg)
		if err != nil {
			problems = append(problems, fmt.Errorf("target %q: %w", t.Name, err))
			continue
		}
		db.targets[t.Name] = tgt
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return db, nil
}

// Close ends every connection and waits until they are gone. Calls in flight fail.
func (db *DB) Close() {
	for _, t := range db.targets {
		t.pool.Close()
		t.oracle.pool.Close()
		t.previews.Close()
	}
}

// Reads is the tool query: one statement that reads.
func (db *DB) Reads() *Tool { return &Tool{db: db, name: toolRead} }

// Writes is the tool query_write: one INSERT, UPDATE or DELETE.
func (db *DB) Writes() *Tool { return &Tool{db: db, name: toolWrite} }

func (db *DB) target(name string) (*target, error) {
	t, ok := db.targets[name]
	if !ok {
		return nil, tools.ErrNoSuchTarget
	}
	return t, nil
}

const (
	toolRead  = "query"
	toolWrite = "query_write"
)

// Tool is one of the two query tools. Safe for concurrent use.
type Tool struct {
	db   *DB
	name string
}
