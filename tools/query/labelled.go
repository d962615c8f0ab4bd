package query

import (
	"slices"

	"sallyport/tools"
	"sallyport/tools/query/sqlparse"
)

// This file keeps labelled columns from being used for anything but being shown, masked. A condition, an order, an
// expression, a join, a constraint: each can tell the value, so each is refused. A labelled column may stand as a whole item of the
// outermost SELECT list or RETURNING of a statement that is a plain projection, or be the target of an assignment.

func (in *inspection) labels() error {
	labelledOutput := ""
	for i := range in.rels {
		r := &in.rels[i]
		if l, ok := in.cat.taints[r.oid]; ok {
			return refuse(l, r.Position, "in view "+r.qualified())
		}
		first, ok := in.cat.anyLabel(r.relation)
		if !ok {
			continue
		}
		switch {
		case r.ColumnAliases:
			return refuse(first, r.Position, "under another name")
		case len(in.st.NaturalJoins) > 0:
			return refuse(first, in.st.NaturalJoins[0].Position, "in a NATURAL JOIN")
		case r.Written && slices.Contains(in.st.Aliases, "excluded"):
			return refuse(first, r.Position, "in a table that ON CONFLICT compares with")
		}
		for _, ref := range in.st.Columns {
			shown, err := in.reference(ref, r, first)
			if err != nil {
				return err
			}
			if shown {
				labelledOutput = first.column
			}
		}
	}
	if labelledOutput != "" && !in.st.Output.Plain {
		// EXPLAIN and everything that compares, groups or sorts by the output.
		l, position := in.firstLabelled()
		return refuse(l, position, "in the result of a statement with "+in.st.Output.Why)
	}
	return nil
}

// reference checks one reference against one relation with labelled columns; shown means that it selects one of them plainly.
func (in *inspection) reference(ref sqlparse.ColumnRef, r *resolved, first labelled) (shown bool, err error) {
	switch {
	case ref.Star:
		rels := in.qualifier(ref)
		if len(ref.Names) > 0 && len(rels) > 0 && !slices.Contains(rels, r) {
			return false, nil
		}
		if len(ref.Names) > 0 && len(rels) == 0 && ref.Place == sqlparse.PlaceOutput {
			return false, nil // the star of a sub-query or CTE: what that selects was checked where it stands
		}
		if ref.Place != sqlparse.PlaceOutput {
			return false, refuse(first, ref.Position, "as part of * "+ref.Where)
		}
		return r.TopLevel, nil
	case in.wholeRow(ref, r):
		return false, refuse(first, ref.Position, "as part of a whole row")
	}
	if in.calledWithRow(ref, r) {
		return false, refuse(first, ref.Position, "as part of a whole row: ."+ref.Names[len(ref.Names)-1]+" is a call with the row")
	}
	l, ok := in.cat.labelOf(r.relation, ref.Names[len(ref.Names)-1])
	if !ok {
		return false, nil
	}
	if len(ref.Names) > 1 {
		if rels := in.qualifier(ref); len(rels) > 0 && !slices.Contains(rels, r) {
			return false, nil
		}
	}
	switch {
	case ref.Place == sqlparse.PlaceOutput && !r.TopLevel:
		return false, nil // an item of the outermost list cannot mean a table of a sub-query
	case ref.Place == sqlparse.PlaceOutput:
		in.masked++
		return true, nil
	case ref.Place == sqlparse.PlaceAssigned:
		return false, nil // a column that is written, of the table that is written
	}
	return false, refuse(l, ref.Position, ref.Where)
}

func (in *inspection) firstLabelled() (labelled, int) {
	for i := range in.rels {
		if l, ok := in.cat.anyLabel(in.rels[i].relation); ok {
			return l, in.rels[i].Position
		}
	}
	return labelled{}, 0
}

func refuse(l labelled, position int, where string) error {
	return &tools.LabelledError{Column: l.column, Class: l.Class, Position: position, Where: where}
}
