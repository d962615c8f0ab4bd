// Package policy answers: may this call run, and under which obligations?
//
// The operator's scopes are data, one embedded Rego module decides over them (OPA), and the guards that no score overrides
// are checked once more in Go. Policy sees facts, never SQL text or results, and it fails closed: an error, a time-out,
// zero results or a decision that does not decode strictly is a denial.
package policy

import "time"

// Verdict is the outcome of a decision.
type Verdict string

const (
	Allow Verdict = "allow"
	Ask   Verdict = "ask"
	Deny  Verdict = "deny"
)

// Input is everything a decision may depend on. It is the contract with policy authors: the JSON names are what Rego
// sees, and the same value decides the same way at any later time (the clock is in it). The base module by itself is shown less: who
// calls is looked up in Go, and neither the clock nor the call's id decides anything.
type Input struct {
	Version   int       `json:"v"` // 1
	Call      Call      `json:"call"`
	Principal Principal `json:"principal"`
	Target    Target    `json:"target"`
	Plan      Plan      `json:"plan"`
	Approval  *Approval `json:"approval"` // what humans said so far; nil before anybody was asked
}

type Call struct {
	ID   string    `json:"id"`
	Tool string    `json:"tool"`
	Time time.Time `json:"time"` // UTC
}

type Principal struct {
	Issuer  string   `json:"issuer"`
	Subject string   `json:"subject"`
	Groups  []string `json:"groups"`
	Agent   string   `json:"agent"`
	Client  string   `json:"client"`
	Claims  Claims   `json:"claims"` // those the configuration names for the issuer
}

type Target struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`        // postgres, ssh, http
	Environment string   `json:"environment"` // "" counts as production
	Labels      []string `json:"labels"`
}

// Plan is the facts of a call (see tools.Facts).
type Plan struct {
	Understood bool     `json:"understood"`
	Unknown    []string `json:"unknown"` // constructs, for the sentence
	Effect     string   `json:"effect"`  // read, write, define, admin, unknown
	Kinds      []string `json:"kinds"`
	Objects    []Object `json:"objects"`
	Functions  []string `json:"functions"`
	Bounded    bool     `json:"bounded"`
	Reversible bool     `json:"reversible"`
	Triggers   bool     `json:"triggers"` // what it changes fires triggers
	External   []string `json:"external"` // what it reaches beyond the target: "foreign table", "notify", "network"
	Rows       *Rows    `json:"rows"`     // nil: not known
}

type Object struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Access  string   `json:"access"`
	Labels  []string `json:"labels"`
}

// Rows is how many rows a write would change.
type Rows struct {
	Exact   int64     `json:"exact"`   // of the tables it names, counted
	Table   int64     `json:"table"`   // how many the largest of those has; 0 when not known
	Cascade []Cascade `json:"cascade"` // what else it changes through foreign keys
	Source  string    `json:"source"`  // how it was counted: "shadow"; "" when that is not known
}

// Cascade is another table of which a write changes rows.
type Cascade struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// Approval is the state of the humans' answer at the time of the decision.
type Approval struct {
	State string `json:"state"` // approved
	Votes int    `json:"votes"` // distinct humans who said yes
}

// Decision is the answer. It is decoded strictly: an unknown or missing field is a denial.
type Decision struct {
	Verdict  Verdict      `json:"verdict"`
	Score    int          `json:"score"` // 0 to 100
	Reasons  []Reason     `json:"reasons"`
	Scope    string       `json:"scope"` // the scope that covers the call; "" when none does
	Rule     string       `json:"rule"`  // what decided; see the list below
	Approval *Requirement `json:"approval"`
	Limits   Limits       `json:"limits"`
	Revision string       `json:"revision"` // of the policy; filled in by Go
}

// What Decision.Rule says:
//
//	score                 the score, against the thresholds of the scope
//	guard:not-understood  the call was not understood: denied, or asked where the scope has people look
//	guard:credential      it touches data labelled "credential": asked
//	guard:effect          no matching scope allows its effect: denied
//	guard:objects         what Rego decided does not hold for all that the call touches: denied
//	no-scope              no single scope covers all of it: denied
//	no-approvers          it would be asked, but the scope names nobody: denied
//	approved              enough people said yes to what would be asked: allowed
//	deny:NAME             the deny rule NAME of a matching scope
//	rego:ID               the vote ID of the operator's Rego
//	error                 no decision was reached: denied, and Decide returned an error

// Reason is one named contribution to the score, or one sentence behind a verdict (points 0).
type Reason struct {
	ID     string `json:"id"`
	Points int    `json:"points"`
	Text   string `json:"text"`
}

// Requirement is who has to say yes.
type Requirement struct {
	From      []string `json:"from"`  // groups
	Count     int      `json:"count"` // distinct humans
	WithinS   int      `json:"within_s"`
	Assurance string   `json:"assurance"` // chat, web, web_fresh
}

// Limits of the covering scope; zero means the tool's own maximum.
type Limits struct {
	Rows         int `json:"rows"`
	Bytes        int `json:"bytes"`
	TimeMS       int `json:"time_ms"`
	AffectedRows int `json:"affected_rows"`
}
