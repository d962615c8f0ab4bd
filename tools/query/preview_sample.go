package query

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"sallyport/tools"
	"sallyport/tools/query/sqlparse"
)

// A sample shows approvers some of the rows. Its values leave the target, so each passes the mask: those of a labelled column, and what is
// to be written to one, by their label, whatever they look like; all others through the detectors. Values are masked whole and cut afterwards.

const (
	sampleRows    = 5
	sampleColumns = 8
	sampleLooked  = 50 // rows of a join that are looked at to find five different ones
	sampleRunes   = 120
)

// at is one row's place: tableoid and ctid as text.
type at struct{ table, row string }

func (v *preview) sample(parser Parser) error {
	shadow := v.call.st.Shadow
	switch {
	case v.hits == "" || v.impact.Rows.N == 0:
		return nil // nothing that the statement does not show itself
	case v.call.st.Kind == "insert":
		return v.sampleAdded()
	case v.call.st.Kind == "update" && shadow.Sample != "":
		text, err := v.plain(parser, shadow.Sample)
		if err != nil {
			return err
		}
		return v.sampleRows(text, v.assigned())
	}
	return v.sampleRows(v.hits, nil)
}

// assigned are the columns of UPDATE ... SET, in the order of the shadow's expressions; nil when they are not all told apart.
func (v *preview) assigned() []column {
	var out []column
	for _, ref := range v.call.st.Columns { // ordered by position, and so are the expressions
		if ref.Place == sqlparse.PlaceAssigned {
			if col := v.table.column(ref.Names[0]); col != nil {
				out = append(out, *col)
			}
		}
	}
	return out
}

// sampleRows reads the places of some rows, with their new values behind them, and then the rows.
func (v *preview) sampleRows(text string, assigned []column) error {
	var places []at
	var fresh [][][]byte
	err := v.query(text, sampleLooked, func(values [][]byte) {
		place := at{string(values[0]), string(values[1])}
		if len(places) == sampleRows || slices.Contains(places, place) || len(values) != 2+len(assigned) {
			return
		}
		places = append(places, place)
		row := make([][]byte, len(assigned))
		for i, b := range values[2:] {
			row[i] = slices.Clone(b)
		}
		fresh = append(fresh, row)
	})
	if err != nil || len(places) == 0 {
		return err
	}
	columns := v.shown(assigned)
	s := &tools.Sample{}
	var list []string
	for _, c := range columns {
		s.Columns = append(s.Columns, c.name)
		list = append(list, quoteIdent(c.name))
	}
	sql := "SELECT " + strings.Join(list, ", ") + " FROM " + quoted(v.table) + " WHERE tableoid OPERATOR(pg_catalog.=) $1 AND ctid OPERATOR(pg_catalog.=) $2"
	for n, place := range places {
		rr := v.conn.ExecParams(v.ctx, sql, [][]byte{[]byte(place.table), []byte(place.row)}, []uint32{oidOID, oidTID}, nil, nil)
		var before []*string
		for rr.NextRow() {
			before = nil
			for i, b := range rr.Values() {
				before = append(before, v.masked(columns[i], b))
			}
		}
		if _, err := rr.Close(); err != nil || before == nil {
			return err
		}
		s.Before = append(s.Before, before)
		if assigned == nil {
			continue
		}
		after := slices.Clone(before)
		for i, c := range assigned {
			if where := slices.IndexFunc(columns, func(x column) bool { return x.num == c.num }); where >= 0 {
				after[where] = v.masked(c, fresh[n][i])
			}
		}
		s.After = append(s.After, after)
	}
	v.impact.Sample = s
	return nil
}

const oidTID = 27

// shown are the columns of a sample: the key, then those that change; for rows that go, as many as fit.
func (v *preview) shown(assigned []column) []column {
	var out []column
	add := func(c *column) {
		if c != nil && len(out) < sampleColumns && !slices.ContainsFunc(out, func(x column) bool { return x.num == c.num }) {
			out = append(out, *c)
		}
	}
	for _, num := range v.table.key {
		add(v.table.numbered(num))
	}
	for i := range assigned {
		add(&assigned[i])
	}
	if assigned == nil {
		for i := range v.table.columns {
			add(&v.table.columns[i])
		}
	}
	return out
}

// sampleAdded shows rows of INSERT ... SELECT. The server says which column each comes from.
func (v *preview) sampleAdded() error {
	if _, ok := v.in.cat.anyLabel(v.table); ok {
		return nil // which of the values would get into the labelled column is not looked into
	}
	s := &tools.Sample{}
	var fields []pgconn.FieldDescription
	err := v.queryDescribed(v.hits, sampleRows, func(f []pgconn.FieldDescription) { fields = slices.Clone(f) }, func(values [][]byte) {
		var row []*string
		for i, b := range values {
			if i == sampleColumns {
				break
			}
			l, ok := v.in.cat.labels[fields[i].TableOID][int16(fields[i].TableAttributeNumber)]
			row = append(row, v.maskedBy(l, ok, b))
		}
		s.After = append(s.After, row)
	})
	for i, f := range fields {
		if i < sampleColumns {
			s.Columns = append(s.Columns, f.Name)
		}
	}
	if err == nil && len(s.After) > 0 {
		v.impact.Sample = s
	}
	return err
}

// masked is a value of a column of the changed table as people may see it.
func (v *preview) masked(c column, b []byte) *string {
	l, ok := v.in.cat.labels[v.table.oid][c.num]
	return v.maskedBy(l, ok, b)
}

func (v *preview) maskedBy(l labelled, ok bool, b []byte) *string {
	if b == nil {
		return nil
	}
	var out []byte
	if ok {
		var shown bool
		if out, shown = v.mask.Labelled(nil, b, l.Class, l.Method); !shown {
			return nil
		}
	} else {
		out = v.mask.Text(nil, b)
	}
	text := string(validUTF8(out))
	if r := []rune(text); len(r) > sampleRunes {
		text = string(r[:sampleRunes]) + "…"
	}
	return &text
}
