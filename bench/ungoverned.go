package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"sallyport/gateway"
	"sallyport/gateway/mcpserver"
	"sallyport/identity"
)

// envUngoverned makes this program the server with governance off; its value is the database's connection string.
const envUngoverned = "SALLYPORT_BENCH_UNGOVERNED"

// serveUngoverned serves the gateway's own MCP endpoint in front of a Doer that does nothing but the work: run the statement, write
// the rows as JSON. Whoever sends any token is let in; nothing is parsed, decided, masked, recorded or limited. It prints its URL
// and ends when its standard input does.
func serveUngoverned(dsn string, in io.Reader, out io.Writer) error {
	ctx := context.Background()
	conf, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return err
	}
	conf.MaxConns = callers
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return err
	}
	defer pool.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	base := "http://" + l.Addr().String()
	who := &identity.Principal{Issuer: base, Subject: "anybody"}
	s, err := mcpserver.New(mcpserver.Config{
		Gateway: straight{pool}, ResourceURL: base + "/mcp", AuthorizationServers: []string{base},
		Verify: func(context.Context, string) (*identity.Principal, error) { return who, nil },
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	s.Register(mux)
	server := &http.Server{Handler: mux}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // ends with Close
	}()
	fmt.Fprintln(out, base)
	_, err = io.Copy(io.Discard, in)
	server.Close()
	<-served
	return err
}

// straight runs statements without asking anybody.
type straight struct{ pool *pgxpool.Pool }

// Do answers like the gateway: the same envelope, and the same mirror of small results in text.
func (s straight) Do(ctx context.Context, r *gateway.Request) *gateway.Reply {
	data, err := s.run(ctx, r.Args)
	if err != nil {
		b, _ := json.Marshal(map[string]string{"status": "failed", "error": err.Error()}) // strings always marshal
		return &gateway.Reply{Structured: b, Text: err.Error(), IsError: true}
	}
	out := make([]byte, 0, len(data)+128)
	out = append(out, `{"status":"ok","call_id":"00000000-0000-0000-0000-000000000000","executed":"yes","data":`...)
	out = append(append(out, data...), '}')
	text := "ok\n"
	if len(data) <= 32<<10 {
		text += string(data)
	}
	return &gateway.Reply{Structured: out, Text: text}
}

func (s straight) run(ctx context.Context, raw json.RawMessage) ([]byte, error) {
	var args struct{ SQL string }
	if err := json.Unmarshal(raw, &args); err != nil {
		return nil, err
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	rows := conn.Conn().PgConn().ExecParams(ctx, args.SQL, nil, nil, nil, nil)
	types := conn.Conn().TypeMap()
	buf := appendColumns(nil, rows.FieldDescriptions(), types)
	for first := true; rows.NextRow(); first = false {
		if first {
			buf = appendColumns(buf[:0], rows.FieldDescriptions(), types)
		} else {
			buf = append(buf, ',')
		}
		buf = append(buf, '[')
		for i, v := range rows.Values() {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = appendValue(buf, rows.FieldDescriptions()[i].DataTypeOID, v)
		}
		buf = append(buf, ']')
	}
	if _, err := rows.Close(); err != nil {
		return nil, err
	}
	return append(buf, "]}"...), nil
}

func appendColumns(buf []byte, fields []pgconn.FieldDescription, types *pgtype.Map) []byte {
	buf = append(buf, `{"columns":[`...)
	for i, f := range fields {
		if i > 0 {
			buf = append(buf, ',')
		}
		name := "unknown"
		if t, ok := types.TypeForOID(f.DataTypeOID); ok {
			name = t.Name
		}
		buf = append(buf, `{"name":`...)
		buf = append(appendText(buf, []byte(f.Name)), `,"type":`...)
		buf = append(appendText(buf, []byte(name)), '}')
	}
	return append(buf, `],"rows":[`...)
}

func appendValue(buf []byte, typ uint32, v []byte) []byte {
	switch {
	case v == nil:
		return append(buf, "null"...)
	case typ == pgtype.BoolOID && v[0] == 't':
		return append(buf, "true"...)
	case typ == pgtype.BoolOID:
		return append(buf, "false"...)
	case typ == pgtype.Int4OID || typ == pgtype.Int8OID || typ == pgtype.NumericOID:
		return append(buf, v...)
	}
	return appendText(buf, v)
}

// appendText writes a JSON string; encoding/json is called only for the few that need it.
func appendText(buf, v []byte) []byte {
	for _, b := range v {
		if b < 0x20 || b == '"' || b == '\\' || b >= 0x7f {
			q, _ := json.Marshal(string(v)) // strings always marshal
			return append(buf, q...)
		}
	}
	return append(append(append(buf, '"'), v...), '"')
}
