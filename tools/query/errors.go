package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"sallyport/tools"
	"sallyport/tools/query/sqlparse"
)

// The server's own words never leave: a message, detail, hint or context can hold values of rows, chosen ones even. What the
// agent gets is made from the SQLSTATE, where known, and from names that stand in the catalog. A SQLSTATE that is not in this list
// is one more text that code on the server may choose, so it becomes XX000.

// sentences say what a SQLSTATE means, and what helps. Source: appendix A of PostgreSQL's manual.
var sentences = map[string][2]string{
	"0A000": {"the server does not support this", ""},
	"21000": {"a sub-query or a RETURNING gave more rows than one", "add LIMIT 1 or an aggregate"},
	"22000": {"a value is not usable here", ""},
	"22001": {"a text is longer than its column", ""},
	"22003": {"a number is out of range for its type", "cast to a larger type"},
	"22004": {"a null is not allowed here", ""},
	"22007": {"a date or time does not have the form it needs", "write dates as YYYY-MM-DD and times as ISO 8601"},
	"22008": {"a date or time is out of range", ""},
	"22009": {"a time zone offset is out of range", ""},
	"2200F": {"a character of length zero is not allowed here", ""},
	"22011": {"a substring length is negative", ""},
	"22012": {"division by zero", "use NULLIF(divisor, 0)"},
	"22013": {"a window frame size is not valid", ""},
	"2201B": {"a regular expression is not valid", ""},
	"2201E": {"a logarithm of a number that has none", ""},
	"2201F": {"a power of a number that has none", ""},
	"2201W": {"LIMIT must not be negative", ""},
	"2201X": {"OFFSET must not be negative", ""},
	"22021": {"a character does not exist in the encoding", ""},
	"22023": {"a parameter value is not valid", ""},
	"22025": {"an escape sequence is not valid", ""},
	"22026": {"the lengths of bit strings differ", ""},
	"2202E": {"array subscripts do not fit", ""},
	"22030": {"a JSON key is there twice", ""},
	"22032": {"a text is not valid JSON", ""},
	"22033": {"a JSON subscript is not valid", ""},
	"22034": {"a JSON path gave more than one item", ""},
	"22P02": {"a text does not have the form its type needs", "check the constants, parameters and casts against the column types"},
	"22P03": {"a value does not have the binary form its type needs", ""},
	"22P05": {"a character cannot be translated", ""},
	"23000": {"an integrity constraint would be violated", ""},
	"23001": {"rows that refer to this one forbid it", ""},
	"23502": {"a column that must not be null would be null", ""},
	"23503": {"a foreign key would be violated", "the row referred to must exist; rows that are referred to cannot go"},
	"23505": {"a unique constraint would be violated", "a row with this key exists already"},
	"23514": {"a check constraint would be violated", ""},
	"23P01": {"an exclusion constraint would be violated", ""},
	"25006": {"the statement would change something, and this transaction only reads", "use query_write for changes"},
	"25P02": {"the transaction had failed before", ""},
	"26000": {"no such prepared statement", ""},
	"34000": {"no such cursor", ""},
	"40001": {"another transaction changed the same rows at the same time; nothing was changed", "send the call again"},
	"40P01": {"two transactions waited for each other; nothing was changed", "send the call again"},
	"42501": {"the gateway's login has no privilege for this", "ask an administrator of the database"},
	"42601": {"a syntax error", ""},
	"42602": {"a name is not valid", ""},
	"42611": {"a column definition is not valid", ""},
	"42622": {"a name is too long", ""},
	"42701": {"a column is named twice", ""},
	"42702": {"a column name is ambiguous", "qualify it with the table's name or alias"},
	"42703": {"a column does not exist", "describe_target shows the columns"},
	"42704": {"an object does not exist", ""},
	"42710": {"an object exists already", ""},
	"42712": {"a table alias is used twice", ""},
	"42723": {"a function exists already", ""},
	"42725": {"a function or operator is ambiguous", "add casts"},
	"42803": {"a column must be in GROUP BY or in an aggregate", ""},
	"42804": {"data types do not fit together", "add casts"},
	"42809": {"an object is of the wrong kind for this", ""},
	"42830": {"a foreign key is not valid", ""},
	"42846": {"there is no cast between these types", ""},
	"42883": {"no function or operator takes these types", "check the argument types; add casts"},
	"42939": {"a name is reserved", ""},
	"42P01": {"a table does not exist", "describe_target shows the tables"},
	"42P02": {"a parameter does not exist", ""},
	"2BP01": {"other objects depend on it", "drop or change those first"},
	"2BP02": {"other objects depend on it", "drop or change those first"},
	"3F000": {"a schema does not exist", "describe_target shows the schemas"},
	"0LP01": {"a right cannot be given this way", ""},
	"25001": {"the statement cannot run in a transaction", "have an operator run it"},
	"42P06": {"a schema of this name exists already", ""},
	"42P07": {"a table, view, index or sequence of this name exists already", ""},
	"42P16": {"a table definition is not valid", ""},
	"42P17": {"an object definition is not valid", ""},
	"55P04": {"a new value of an enumeration cannot be used yet", "send the call again"},
	"42P08": {"a parameter's type is ambiguous", "cast the parameter: $1::int"},
	"42P10": {"a column reference is not valid here", ""},
	"42P11": {"a cursor definition is not valid", ""},
	"42P18": {"a parameter's type cannot be told", "cast the parameter: $1::int"},
	"42P19": {"a recursive query is not valid", ""},
	"42P20": {"a window definition is not valid", ""},
	"42P21": {"collations do not fit together", ""},
	"42P22": {"a collation cannot be told", "add COLLATE"},
	"44000": {"the row would not be visible through its view", ""},
	"53000": {"the server is out of resources", ""},
	"53100": {"the server's disk is full", ""},
	"53200": {"the server is out of memory", "ask for less"},
	"53400": {"a limit of the server's configuration was reached", "ask for less"},
	"54000": {"a limit of the server was reached", "write it more simply"},
	"54001": {"the statement is too complex", "write it more simply"},
	"54011": {"too many columns", ""},
	"54023": {"too many arguments", ""},
	"55000": {"an object is not in the state this needs", ""},
	"55006": {"an object is in use", "try again later"},
	"55P03": {"a lock was not free in time; nothing was changed", "try again later"},
	"57014": {"the statement was cancelled", ""},
	"57P01": {"the server is shutting down", "try again later"},
	"57P03": {"the server is starting up", "try again later"},
	"58000": {"the server had a problem of its system", ""},
	"58030": {"the server had a problem reading or writing", ""},
	"P0001": {"code in the database raised an error", ""},
	"XX000": {"the server reported an error", ""},
}

// targetError makes what the agent sees of an error of the server. prefix is how many characters were sent before the
// statement's Text. Errors that are not the server's are *tools.UnreachableError: the connection was lost.
func (f *finding) targetError(err error, c *call, prefix int, limit time.Duration) error {
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case !errors.As(err, &pg):
		var large *pgproto3.ExceededMaxBodyLenErr
		if errors.As(err, &large) {
			return &tools.TooLargeError{What: "a row of the result", Limit: maxMessage}
		}
		return &tools.UnreachableError{Problem: "the connection was lost; nothing was changed", Err: err}
	case pg.Code == "57014" && limit > 0:
		return &tools.TimeoutError{Limit: limit.String(), Executed: tools.ExecutedNo}
	case strings.HasPrefix(pg.Code, "57P"), strings.HasPrefix(pg.Code, "08"):
		return &tools.UnreachableError{Problem: "the server ended the connection; nothing was changed", Err: err}
	}
	e := &tools.TargetError{Code: pg.Code, Executed: tools.ExecutedNo}
	words, known := sentences[pg.Code]
	if !known {
		e.Code, words = "XX000", sentences["XX000"]
	}
	e.Message, e.Hint = words[0], words[1]
	if n := int(pg.Position) - prefix; pg.Position > 0 && n > 0 {
		e.Position = n + leading(c.sql, c.st.Text)
	}
	f.name(e, pg, c)
	return e
}

// leading is how many characters of sql stand before its text: comments and blanks, which are not sent.
func leading(sql, text string) int {
	before, _, found := strings.Cut(sql, text)
	if !found {
		return 0
	}
	return len([]rune(before))
}

// name adds the names that help, all of the catalog or of the agent's own statement.
func (f *finding) name(e *tools.TargetError, pg *pgconn.PgError, c *call) {
	switch pg.Code {
	case "42703":
		for _, ref := range c.st.Columns {
			if ref.Position == e.Position && len(ref.Names) > 0 {
				e.Message = fmt.Sprintf("column %s does not exist", strings.Join(ref.Names, "."))
				e.Candidates = near(ref.Names[len(ref.Names)-1], f.columnNames(c.st))
			}
		}
	case "42P01":
		for _, r := range c.st.Relations {
			if r.Position == e.Position {
				e.Message = fmt.Sprintf("table %s does not exist", join(r.Schema, r.Name))
				e.Candidates = f.cat.nearTables(r.Name)
			}
		}
	case "23502", "23503", "23505", "23514", "23P01":
		s := f.cat.byName[pg.SchemaName]
		if s == nil || s.relations[pg.TableName] == nil {
			return
		}
		r := s.relations[pg.TableName]
		e.Message += " in " + r.qualified()
		if r.column(pg.ColumnName) != nil {
			e.Message += ": " + pg.ColumnName
		}
	}
}

func (f *finding) columnNames(st *sqlparse.Statement) []string {
	var out []string
	for _, r := range st.Relations {
		if rel := f.cat.relation(r.Schema, r.Name); rel != nil {
			for _, col := range rel.columns {
				out = append(out, col.name)
			}
		}
	}
	return out
}

// undefinedTable is the error for a table the login cannot see, in the words the server would have caused.
func (c *catalog) undefinedTable(r sqlparse.Relation) error {
	return &tools.TargetError{Code: "42P01", Message: fmt.Sprintf("table %s does not exist", join(r.Schema, r.Name)), Position: r.Position,
		Hint: sentences["42P01"][1], Candidates: c.nearTables(r.Name), Executed: tools.ExecutedNo}
}

func (c *catalog) undefinedColumn(ref sqlparse.ColumnRef, rels []*resolved) error {
	var names []string
	for _, r := range rels {
		for _, col := range r.columns {
			names = append(names, col.name)
		}
	}
	return &tools.TargetError{Code: "42703", Message: fmt.Sprintf("column %s does not exist", strings.Join(ref.Names, ".")), Position: ref.Position,
		Hint: sentences["42703"][1], Candidates: near(ref.Names[len(ref.Names)-1], names), Executed: tools.ExecutedNo}
}
