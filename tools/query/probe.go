package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// This file asks the server what it understood of a statement. The statement becomes the query of a temporary view or, where it
// changes data, the action of a rule on one, in a transaction that is always rolled back. The server resolves every name for that
// and runs nothing: it neither plans nor executes. What it stored is read back as a query tree.
//
// Reading a statement does run code: input functions turn literals into values while a statement is parsed, and for an array or a
// row with a domain in it these run the domain's check. So only statements are sent here whose types are known to be
// harmless (finding.open), and never where event triggers would run at CREATE VIEW.

// probe is one exchange on one connection.
type probe struct {
	ctx  context.Context
	conn *pgconn.PgConn
	cat  *catalog
	c    *call
}

// errNoProbe says that the server cannot be asked at all, about any statement.
type errNoProbe struct{ why string }

func (e errNoProbe) Error() string { return "the server cannot be asked: " + e.why }

const (
	probeName = "pg_temp.sallyport_probe"

	// sqlProbeReady says whether asking is possible and harmless, and where names are looked up: the schemas of the search path that
	// this login can use.
	sqlProbeReady = `SELECT pg_catalog.pg_is_in_recovery(),
		pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP'),
		EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D' AND evtevent LIKE 'ddl%'),
		pg_catalog.array_to_string(ARRAY(SELECT n.oid FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY s(name, i)
			JOIN pg_catalog.pg_namespace n ON n.nspname = s.name WHERE n.nspname !~ '^pg_temp_' ORDER BY i), ' ')`

	// sqlProbeTree is the tree of the view's query or of the rule's action, and the number of the view itself.
	sqlProbeTree = `SELECT w.ev_action::text, w.ev_class FROM pg_catalog.pg_rewrite w WHERE w.ev_class = '` + probeName + `'::pg_catalog.regclass
		AND (w.rulename = 'sallyport_probe') = $1::pg_catalog.bool`
)

// answer is what the server understood.
type answer struct {
	*tree
	self   uint32 // the view that was made for asking
	prefix int    // bytes before the statement in the text that was sent; -1 where positions are not those of the statement
}

// ask returns the server's answer. Nothing of the transaction is left, whatever happened. Errors are errNoProbe, the server's
// (*pgconn.PgError) about the statement, and those of the connection.
func (p *probe) ask() (*answer, error) {
	got, err := p.asking()
	if p.conn.IsClosed() {
		return nil, err
	}
	if _, backErr := p.conn.ExecParams(p.ctx, sqlRollback, nil, nil, nil, nil).Close(); err == nil && backErr != nil {
		return nil, backErr
	}
	return got, err
}

func (p *probe) asking() (*answer, error) {
	if err := p.ready(); err != nil {
		return nil, err
	}
	text, fields, err := p.typed()
	if err != nil {
		return nil, err
	}
	a := &answer{prefix: -1}
	changes := p.c.st.Kind != "select"
	pipe := p.conn.StartPipeline(p.ctx)
	create, end := "CREATE TEMP VIEW "+probeName[len("pg_temp."):]+" AS SELECT 1 FROM (", "\n) s"
	if changes {
		// RETURNING has to give what the view has.
		view, err := p.viewOf(fields)
		if err != nil {
			_ = pipe.Close()
			return nil, err
		}
		pipe.SendQueryParams(view, nil, nil, nil, nil)
		create, end = "CREATE RULE sallyport_probe AS ON INSERT TO "+probeName+" DO INSTEAD ", ""
	}
	if len(p.c.st.ParamTokens) == 0 {
		a.prefix = len(create)
	}
	pipe.SendQueryParams(create+text+end, nil, nil, nil, nil)
	pipe.SendQueryParams(sqlProbeTree, [][]byte{strconv.AppendBool(nil, changes)}, nil, nil, nil)
	err = pipe.Sync()
	if err == nil {
		made := 1
		if changes {
			made = 2
		}
		err = pass(pipe, made)
	}
	if err == nil {
		err = p.stored(pipe, a)
	}
	if closeErr := pipe.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// ready begins the transaction and checks that names mean the same here as where the statement will run.
func (p *probe) ready() error {
	pipe := p.conn.StartPipeline(p.ctx)
	pipe.SendQueryParams("BEGIN READ WRITE", nil, nil, nil, nil)
	pipe.SendQueryParams(sqlProbeReady, nil, nil, nil, nil)
	err := pipe.Sync()
	if err == nil {
		err = pass(pipe, 1)
	}
	var path string
	if err == nil {
		var rr *pgconn.ResultReader
		if rr, err = next(pipe); err == nil {
			why := "it gave no answer"
			if rr.NextRow() {
				v := rr.Values()
				path = string(v[3])
				switch {
				case string(v[0]) == "t":
					why = "it is a standby, where no view can be made"
				case string(v[1]) == "f":
					why = "the login may not make temporary objects (GRANT TEMP)"
				case string(v[2]) == "t":
					why = "an event trigger would run at CREATE VIEW"
				default:
					why = ""
				}
			}
			if _, err = rr.Close(); err == nil && why != "" {
				err = errNoProbe{why}
			}
		}
	}
	if closeErr := pipe.Close(); err == nil {
		err = closeErr
	}
	if err == nil && path != p.cat.usablePath() {
		err = errNoProbe{"its login finds other schemas in the search path than the target's own (GRANT USAGE ON SCHEMA)"}
	}
	return err
}

// usablePath are the numbers of the schemas that unqualified names are looked up in, as sqlProbeReady writes them.
func (c *catalog) usablePath() string {
	var out []string
	for _, name := range c.path {
		if s := c.byName[name]; s != nil && s.usage {
			out = append(out, strconv.FormatUint(uint64(s.oid), 10))
		}
	}
	return strings.Join(out, " ")
}

// typed is the statement's text with a NULL of its type for each parameter, and what the statement returns. A view has no
// parameters, and which function is meant depends on their types.
func (p *probe) typed() (string, []pgconn.FieldDescription, error) {
	st := p.c.st
	if len(st.ParamTokens) == 0 && st.Kind == "select" {
		return st.Text, nil, nil
	}
	desc, err := p.conn.Prepare(p.ctx, "", st.Text, nil)
	if err != nil {
		return "", nil, err
	}
	var b strings.Builder
	at := 0
	for _, t := range st.ParamTokens {
		if t.Number < 1 || t.Number > len(desc.ParamOIDs) {
			return "", nil, fmt.Errorf("parameter %d has no type", t.Number)
		}
		null, err := p.null(desc.ParamOIDs[t.Number-1])
		if err != nil {
			return "", nil, err
		}
		b.WriteString(st.Text[at:t.Start] + " (" + null + ") ")
		at = t.End
	}
	return b.String() + st.Text[at:], desc.Fields, nil
}

// viewOf makes a view with the columns that the statement returns.
func (p *probe) viewOf(fields []pgconn.FieldDescription) (string, error) {
	columns := []string{"1 AS c"}
	for i, f := range fields {
		null, err := p.null(f.DataTypeOID)
		if err != nil {
			return "", err
		}
		columns = append(columns, fmt.Sprintf("%s AS c%d", null, i+1))
	}
	if len(fields) > 0 {
		columns = columns[1:]
	}
	return "CREATE TEMP VIEW " + probeName[len("pg_temp."):] + " AS SELECT " + strings.Join(columns, ", "), nil
}

// errType is a type that the catalog's snapshot does not have or that is not plain.
var errType = errors.New("a type that no NULL is written for")

// null is a NULL of a type, written with the names of the catalog.
func (p *probe) null(typ uint32) (string, error) {
	t := p.cat.types[typ]
	if t == nil || p.cat.schemas[t.schema] == nil || p.cat.typeRuns(t, isCast) != "" {
		return "", errType
	}
	return "NULL::" + quoteIdent(p.cat.schemas[t.schema].name) + "." + quoteIdent(t.name), nil
}

// stored reads the tree back.
func (p *probe) stored(pipe *pgconn.Pipeline, a *answer) error {
	rr, err := next(pipe)
	if err != nil {
		return err
	}
	if rr.NextRow() {
		v := rr.Values()
		a.tree, a.self = readTree(string(v[0])), oid(string(v[1]))
	}
	if _, err := rr.Close(); err != nil {
		return err
	}
	if a.tree == nil {
		return errors.New("the server stored no query")
	}
	a.relations = slices.DeleteFunc(a.relations, func(u used) bool { return u.oid == a.self })
	return nil
}
