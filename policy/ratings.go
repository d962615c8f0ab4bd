package policy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// table is rego/points.json: what each named contribution to the score costs, and its sentence.
type table struct {
	NotUnderstood rating            `json:"not_understood"`
	Effects       map[string]rating `json:"effects"`
	Kinds         map[string]rating `json:"kinds"`
	AddsOnly      []string          `json:"adds_only"`   // kinds of statement that have no bound because they change no row that is there
	NeverBound    []string          `json:"never_bound"` // kinds that have no bound whatever the plan says
	Unrated       rating            `json:"unrated"`     // an effect or kind that is not in the tables
	Labels        map[string]int    `json:"labels"`
	UnratedLabel  int               `json:"unrated_label"`
	Rows          []step            `json:"rows"` // ascending
	MoreRows      rating            `json:"more_rows"`
	RowsUnknown   rating            `json:"rows_unknown"`
	Share         share             `json:"share"`
	Cascade       rating            `json:"cascade"` // a foreign key passes the change on
	Unbounded     rating            `json:"unbounded"`
	Irreversible  rating            `json:"irreversible"`
	Environments  map[string]rating `json:"environments"`
	UnratedEnv    rating            `json:"unrated_environment"`
}

type rating struct {
	Points int    `json:"points"`
	Text   string `json:"text"`
}

type step struct {
	To     int64 `json:"to"`
	Points int   `json:"points"`
}

// share rates a write that changes more than Percent of a table, and more than From rows.
type share struct {
	rating
	Percent int   `json:"percent"`
	From    int64 `json:"from"`
}

// contribution is a rating as the reason people read, and the same as Rego sees it. Both are made once and never change. Nil counts
// nothing and has no sentence.
type contribution struct {
	Reason
	term *ast.Term
}

// ratings is the table with every rating spelled out.
type ratings struct {
	table                        table
	notUnderstood, unrated       *contribution
	effects, kinds, environments map[string]*contribution
	reads, changes               labelRatings
	rows                         []*contribution // by the table's steps
	moreRows, rowsUnknown, share *contribution
	cascade                      *contribution
	unbounded, irreversible      *contribution
	unratedEnv                   *contribution
}

// labelRatings rates what is touched by its label; other is for every label without a rating.
type labelRatings struct {
	rated map[string]*contribution
	other *contribution
}

func readRatings(src []byte) (*ratings, error) {
	var t table
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t); err != nil {
		return nil, fmt.Errorf("policy: rego/points.json: %w", err)
	}
	r := &ratings{
		table: t, notUnderstood: t.NotUnderstood.as("not-understood"), unrated: t.Unrated.as("unrated"),
		effects:      named(t.Effects, func(name string) string { return "effect:" + name }),
		kinds:        named(t.Kinds, func(name string) string { return "kind:" + name }),
		environments: named(t.Environments, func(string) string { return "environment" }),
		reads:        t.labels("touches", 5), changes: t.labels("changes", 6), // a fifth more for a change
		moreRows: t.MoreRows.as("rows"), rowsUnknown: t.RowsUnknown.as("rows"), share: t.Share.as("rows"),
		cascade: t.Cascade.as("cascade"), unbounded: t.Unbounded.as("unbounded"), irreversible: t.Irreversible.as("irreversible"), unratedEnv: t.UnratedEnv.as("environment"),
	}
	r.environments[""] = r.environments["production"]
	for _, s := range t.Rows {
		r.rows = append(r.rows, newContribution("rows", s.Points, fmt.Sprintf("changes at most %d rows", s.To)))
	}
	return r, nil
}

// labels with fifths/5 of their points, rounded up.
func (t *table) labels(verb string, fifths int) labelRatings {
	l := labelRatings{rated: map[string]*contribution{}, other: newContribution("label:other", (t.UnratedLabel*fifths+4)/5, verb+" labelled data")}
	for name, points := range t.Labels {
		l.rated[name] = newContribution("label:"+name, (points*fifths+4)/5, verb+" "+name+" data")
	}
	return l
}

func (r rating) as(id string) *contribution { return newContribution(id, r.Points, r.Text) }

func named(table map[string]rating, id func(name string) string) map[string]*contribution {
	out := make(map[string]*contribution, len(table))
	for name, r := range table {
		out[name] = r.as(id(name))
	}
	return out
}

func newContribution(id string, points int, text string) *contribution {
	if points == 0 {
		return nil
	}
	return spelledOut(Reason{id, points, fmt.Sprintf("%s: +%d", text, points)})
}

func spelledOut(r Reason) *contribution {
	return &contribution{r, object(field{"id", text(r.ID)}, field{"points", ast.InternedTerm(r.Points)}, field{"text", text(r.Text)})}
}

func (c *contribution) points() int {
	if c == nil {
		return 0
	}
	return c.Reason.Points
}
