package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
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

func readTable(src []byte) (*table, error) {
	t := &table{}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	if err := dec.Decode(t); err != nil {
		return nil, fmt.Errorf("policy: rego/points.json: %w", err)
	}
	return t, nil
}

// document spells the table out for Rego, where every rating is one complete reason. What counts nothing has no text, and is
// dropped from the reasons afterwards.
func (t *table) document() map[string]any {
	steps := []any{}
	for _, s := range t.Rows {
		steps = append(steps, map[string]any{"to": s.To, "rating": reason("rows", s.Points, fmt.Sprintf("changes at most %d rows", s.To))})
	}
	environments := named(t.Environments, func(string) string { return "environment" })
	environments[""] = environments["production"]
	return map[string]any{
		"none":           reason("none", 0, ""),
		"not_understood": t.NotUnderstood.reason("not-understood"),
		"effects":        named(t.Effects, func(name string) string { return "effect:" + name }),
		"kinds":          named(t.Kinds, func(name string) string { return "kind:" + name }),
		"unrated":        t.Unrated.reason("unrated"),
		"adds_only":      t.AddsOnly, "never_bound": t.NeverBound,
		"touched":      map[string]any{"read": t.labels("touches", 5), "write": t.labels("changes", 6)},
		"rows":         steps,
		"more_rows":    t.MoreRows.reason("rows"),
		"rows_unknown": t.RowsUnknown.reason("rows"),
		"share":        map[string]any{"percent": t.Share.Percent, "from": t.Share.From, "rating": t.Share.reason("rows")},
		"unbounded":    t.Unbounded.reason("unbounded"), "irreversible": t.Irreversible.reason("irreversible"),
		"environments": environments, "unrated_environment": t.UnratedEnv.reason("environment"),
	}
}

// labels with fifths/5 of their points, rounded up. "other" stands for every label that has no rating.
func (t *table) labels(verb string, fifths int) map[string]any {
	out := map[string]any{"other": reason("label:other", (t.UnratedLabel*fifths+4)/5, verb+" labelled data")}
	for name, points := range t.Labels {
		out[name] = reason("label:"+name, (points*fifths+4)/5, verb+" "+name+" data")
	}
	return out
}

func (r rating) reason(id string) map[string]any { return reason(id, r.Points, r.Text) }

func named(ratings map[string]rating, id func(name string) string) map[string]any {
	out := map[string]any{}
	for name, r := range ratings {
		out[name] = r.reason(id(name))
	}
	return out
}

func reason(id string, points int, text string) map[string]any {
	if points == 0 {
		return map[string]any{"id": id, "points": 0, "text": ""}
	}
	return map[string]any{"id": id, "points": points, "text": fmt.Sprintf("%s: +%d", text, points)}
}
