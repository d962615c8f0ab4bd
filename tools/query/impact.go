package query

import (
	"slices"
	"strings"

	"sallyport/tools"
	"sallyport/tools/query/sqlparse"
)

// This file says what a change does to its surroundings as far as the catalog knows: nothing is asked of the target.

// written is the table that the statement changes; nil for a read.
func (f *finding) written(st *sqlparse.Statement) *relation {
	for _, r := range st.Relations {
		if r.Written {
			return f.cat.relation(r.Schema, r.Name)
		}
	}
	return nil
}

// impactOf is the impact without counts.
func (c *catalog) impactOf(r *relation, st *sqlparse.Statement) *tools.Impact {
	i := &tools.Impact{Object: r.qualified(), Rows: tools.Count{Is: tools.NotCounted}, Of: r.estimated()}
	all := append([]*relation{r}, r.descendants()...)
	for _, step := range c.effects(r, st).steps {
		i.Cascades = append(i.Cascades, tools.Cascade{Object: step.table.qualified(), Action: step.action, Level: step.level, Rows: tools.Count{Is: tools.NotCounted}})
		all = append(all, append([]*relation{step.table}, step.table.descendants()...)...)
	}
	seen := map[tools.Involved]bool{}
	add := func(kind string, t *relation, name string) {
		if x := (tools.Involved{Kind: kind, Object: t.qualified(), Name: name}); !seen[x] && len(i.Involved) < maxInvolved {
			seen[x] = true
			i.Involved = append(i.Involved, x)
		}
	}
	for _, t := range all {
		for _, name := range t.triggers {
			add("trigger", t, name)
		}
		for _, name := range t.rules {
			add("rule", t, name)
		}
		if t.rowSec {
			add("row security", t, "")
		}
		for _, col := range t.columns {
			if col.generated != 0 && st.Kind != "delete" {
				add("generated column", t, col.name)
			}
		}
		if t != r && slices.Contains(r.descendants(), t) {
			add("partition", r, t.qualified())
		}
	}
	i.Unstable = c.unstable(r, st)
	return i
}

// maxInvolved bounds a card: a table may have thousands of partitions.
const maxInvolved = 30

// estimated is the number of rows by the server's statistics.
func (r *relation) estimated() tools.Count {
	sum := 0.0
	for _, t := range append([]*relation{r}, r.descendants()...) {
		if t.kind == 'p' {
			continue // its partitions hold the rows
		}
		if t.estimate < 0 {
			return tools.Count{Is: tools.NotCounted} // never analysed
		}
		sum += t.estimate
	}
	return tools.Count{N: int64(sum), Is: tools.Estimate}
}

// clockFunctions say when it is.
var clockFunctions = []string{"now", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "transaction_timestamp",
	"statement_timestamp", "clock_timestamp", "timeofday", "age"}

// unstable says why the statement may hit other rows when it is run again.
func (c *catalog) unstable(r *relation, st *sqlparse.Statement) (why []string) {
	add := func(text string) {
		if !slices.Contains(why, text) {
			why = append(why, text)
		}
	}
	for _, call := range st.Functions {
		switch {
		case slices.Contains(clockFunctions, call.Name):
			add("it depends on the time: " + call.Name)
		case allowedFunctions[call.Name]:
			add("it is another value each time: " + call.Name)
		}
	}
	if st.Shadow != nil && st.Shadow.Unordered {
		add("it takes some rows and not others, in no order: LIMIT without ORDER BY, or TABLESAMPLE")
	}
	var others []string
	for _, x := range st.Relations {
		if other := c.relation(x.Schema, x.Name); other != nil && other != r && !x.Written {
			others = append(others, other.qualified())
		}
	}
	if slices.Sort(others); len(others) > 0 {
		add("it depends on what other tables hold: " + strings.Join(slices.Compact(others), ", "))
	}
	return why
}
