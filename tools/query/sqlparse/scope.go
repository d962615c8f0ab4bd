package sqlparse

import pg "github.com/pganalyze/pg_query_go/v6"

// scope is the chain of CTE names in reach, nearest first. The zero of it is nil: none.
//
// The rules are those of PostgreSQL's parse_cte.c: a CTE is known to the statement its WITH belongs to and to everything
// inside; without RECURSIVE also to the CTEs after it (WITH users AS (SELECT * FROM users) reads the table), with
// RECURSIVE to all of them. Only a name without a schema can mean a CTE, and never the target of a write.
type scope struct {
	name  string
	outer *scope
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		if s.name == name {
			return true
		}
	}
	return false
}

// with adds the names of the first n CTEs of a WITH clause (which may be nil).
func (s *scope) with(clause *pg.WithClause, n int) *scope {
	for _, cte := range clause.GetCtes()[:n] {
		s = &scope{name: cte.GetCommonTableExpr().GetCtename(), outer: s}
	}
	return s
}

// body is the scope of the statement that the clause belongs to.
func (s *scope) body(clause *pg.WithClause) *scope { return s.with(clause, len(clause.GetCtes())) }
