package configs

import "cmp"

// Scope allows somebody something on some targets. When several match: a deny rule in any of them wins; otherwise one single
// scope must cover the whole call, and its limits hold.
type Scope struct {
	// Who are the callers it is for. Refused when it names nobody.
	Who Who `yaml:"who" check:"required"`
	// Targets are given by name ([orders-db, billing]) or by what they are ({environment: production, labels: [eu]}).
	Targets Selector `yaml:"targets" check:"required"`
	// Allow lists the effects that are covered. define is schema, configuration and packages; admin is roles, privileges and
	// the server. What is not understood has none of them.
	Allow []string `yaml:"allow" check:"required" enum:"read write define admin"`

	// Objects narrows databases.
	Objects Objects `yaml:"objects"`
	// Operations narrows HTTP: "GET /v1/**", an operationId, "graphql:query.*", "rpc:get_*". Absent: every operation of the effect.
	Operations []string `yaml:"operations"`
	// Headers are the request headers an agent may set beside the harmless ones (Accept, Accept-Language, Content-Type).
	Headers []string `yaml:"headers"`
	// Commands narrows SSH: a program, or a program and its first words ("systemctl status"). Absent: every command of the effect.
	Commands []string `yaml:"commands"`
	// CommandText also accepts a command as one text; it is parsed, and refused unless every word is literal.
	CommandText bool `yaml:"command_text" default:"false"`
	// Stdin also accepts standard input for a command.
	Stdin bool `yaml:"stdin" default:"false"`

	// Hours are when the scope covers calls. Absent: always. Its deny rules hold at all times.
	Hours *Hours `yaml:"hours"`
	// Limits of one call.
	Limits Limits `yaml:"limits"`
	// Budgets bound what one person may use under this scope in an hour or a day, whatever the agent and the client. A call that was
	// denied uses nothing; one whose outcome is unknown uses all that it could.
	Budgets []Budget `yaml:"budgets"`
	// Risk is where asking and refusing begin.
	Risk Risk `yaml:"risk"`
	// Approval is who is asked. Absent: what would be asked is denied.
	Approval *Approval `yaml:"approval"`
	// NotUnderstood is what happens to a call that could not be classified completely: deny, or ask people.
	NotUnderstood string `yaml:"not_understood" default:"deny" enum:"deny ask"`
	// Deny refuses calls whatever else allows them, in this scope or in another that matches.
	Deny []Deny `yaml:"deny"`
	// BreakGlass is for emergencies: own role, fresh login, reason, review afterwards.
	BreakGlass *BreakGlass `yaml:"break_glass" check:"later"`
}

// Who names callers. One matches when groups or subjects names it (one of either is enough) and, where agents, clients or claims are
// given, each of these matches it as well; agents, clients or claims alone are enough too. Everything is compared exactly.
type Who struct {
	// Groups of the subject, from the issuer's groups claim.
	Groups []string `yaml:"groups"`
	// Subjects are sub claims, of any issuer, or of one: "https://login.example.com#sub".
	Subjects []string `yaml:"subjects"`
	// Agents are agent names from the token.
	Agents []string `yaml:"agents"`
	// Clients are OAuth client ids (azp or client_id).
	Clients []string `yaml:"clients"`
	// Claims of the token, by name: a value, or a list of which one is enough ({department: finance, tier: [gold, silver]}). Each that
	// is named has to match. An issuer has to name them in its claims.
	Claims map[string]ClaimValues `yaml:"claims"`
}

// ClaimValues are what a claim may be, each as JSON: "finance" in quotes, true, 3. In YAML one value or a list.
type ClaimValues []string

// Selector chooses targets: by name, or by what they are.
type Selector struct {
	// Names of targets.
	Names []string `yaml:"-"`
	// Environment is that of the targets.
	Environment string `yaml:"environment"`
	// Labels are carried by the targets, all of them.
	Labels []string `yaml:"labels"`
}

// Empty: nothing is chosen, because the key is absent.
func (s *Selector) Empty() bool { return s.Names == nil && s.Environment == "" && len(s.Labels) == 0 }

// Objects narrows what a scope covers in a database: names as schema.name, "*" for one whole part (schema.* is all of a schema), double
// quotes around a part that holds a dot. schema.name.column is one column; a call that touches all columns, or of which it is not known
// which ones, touches each.
type Objects struct {
	// Allow: only these. Absent: all. A table is covered by its own name, or by the names of all columns that are touched.
	Allow []string `yaml:"allow"`
	// Deny: not these, whatever allow says. A name without a schema is that name in every schema.
	Deny []string `yaml:"deny"`
}

// Limits are the bounds of one call. Absent: the tool's own maximum. In Go, zero is absent.
type Limits struct {
	// Rows of a result; more is answered with the rows up to here and truncated.
	Rows int `yaml:"rows" min:"1" max:"1000000"`
	// Bytes of a result.
	Bytes Size `yaml:"bytes" min:"1B" max:"1GiB"`
	// Time is how long the call may run on the target.
	Time Duration `yaml:"time" min:"10ms" max:"1h"`
	// AffectedRows is how many rows a statement may change; more is rolled back.
	AffectedRows int `yaml:"affected_rows" min:"1"`
}

// Budget is what may be used in an hour or a day. Refused when it names no amount.
type Budget struct {
	// Per is the length of the windows, which begin at full hours, or at midnight, UTC.
	Per string `yaml:"per" check:"required" enum:"hour day"`
	// Calls that reached the target.
	Calls int `yaml:"calls" min:"1"`
	// Rows returned or changed. What is left also bounds the next call.
	Rows int `yaml:"rows" min:"1"`
	// MaskedValues are values replaced in results. A read that would go past it is withheld.
	MaskedValues int `yaml:"masked_values" min:"1"`
	// Bytes of results, as JSON. A read that would go past it is withheld.
	Bytes Size `yaml:"bytes" min:"1B"`
}

// Risk holds the thresholds on the score of a call, 0 to 100: below ask it is allowed, from ask on people are asked, from deny on
// it is refused.
type Risk struct {
	// Ask: from here on people are asked; 0 always asks. Not above deny.
	Ask int `yaml:"ask" default:"40" min:"0" max:"100"`
	// Deny: from here on the call is refused.
	Deny int `yaml:"deny" default:"95" min:"1" max:"100"`
}

// Approval is who has to say yes.
type Approval struct {
	// From are the groups whose members may answer; they also need roles.approver. Never the requester.
	From []string `yaml:"from" check:"required"`
	// Count is how many different people have to say yes.
	Count int `yaml:"count" default:"1" min:"1" max:"10"`
	// Within is how long a request stays open.
	Within Duration `yaml:"within" default:"30m" min:"1s" max:"168h"`
	// Assurance is how sure it has to be who says yes: chat is a chat account that was linked from both sides; web a login at the
	// identity provider of the last hours, on the approvals page or the command line; web_fresh one of the last five minutes. A no needs
	// chat only.
	Assurance string `yaml:"assurance" default:"chat" enum:"chat web web_fresh"`
	// Higher asks for more from a score on, in ascending order of risk. The last that the score reaches holds.
	Higher []Higher `yaml:"higher"`
	// Channel is the id of the Slack channel that is asked. Absent: that of approvals.slack.
	Channel string `yaml:"channel"`
	// Mention is the id of a Slack user group that is mentioned when people are asked (S0123456789).
	Mention string `yaml:"mention"`
}

// Higher is who has to say yes from a score on. What is absent is as below it; it never asks for less.
type Higher struct {
	// Risk is the score from which on it holds: above risk.ask of the scope and below risk.deny.
	Risk int `yaml:"risk" check:"required" min:"1" max:"100"`
	// From are the groups whose members may answer.
	From []string `yaml:"from"`
	// Count is how many different people have to say yes.
	Count int `yaml:"count" min:"1" max:"10"`
	// Within is how long a request stays open.
	Within Duration `yaml:"within" min:"1s" max:"168h"`
	// Assurance is how sure it has to be who says yes.
	Assurance string `yaml:"assurance" enum:"chat web web_fresh"`
}

// Levels are the requirements from the lowest score on, a itself first, with what each leaves out filled in.
func (a *Approval) Levels() []Higher {
	all := []Higher{{From: a.From, Count: a.Count, Within: a.Within, Assurance: a.Assurance}}
	for _, h := range a.Higher {
		below := all[len(all)-1]
		if h.From == nil {
			h.From = below.From
		}
		h.Count, h.Within, h.Assurance = cmp.Or(h.Count, below.Count), cmp.Or(h.Within, below.Within), cmp.Or(h.Assurance, below.Assurance)
		all = append(all, h)
	}
	return all
}

// Deny is one rule that refuses.
type Deny struct {
	// When is the condition. Every list that is present must match.
	When When `yaml:"when" check:"required"`
	// Reason is shown to the agent.
	Reason string `yaml:"reason" check:"required"`
}

// When is the condition of a deny rule: every key that is present has to hold, each for the call as a whole. A call that was not understood
// may be what the rule is about, so only targets, tools and outside_hours rule it out. Refused when it is empty: it would refuse everything.
type When struct {
	// Effects are those of the call; one is enough.
	Effects []string `yaml:"effects" enum:"read write define admin"`
	// Objects are what the call touches, written as in objects of the scope; one is enough.
	Objects []string `yaml:"objects"`
	// Kinds of statement, command or request, as explain_access and the audit log name them: update, delete, stdin, "graphql mutation".
	Kinds []string `yaml:"kinds"`
	// Tools the call is of.
	Tools []string `yaml:"tools" enum:"query query_write exec http"`
	// Labels of what the call touches: classes of labelled columns, credential, data-copy. One is enough.
	Labels []string `yaml:"labels"`
	// Targets the call goes to, written as in the scope.
	Targets Selector `yaml:"targets"`
	// Operations of an HTTP API, written as in the scope; one is enough.
	Operations []string `yaml:"operations"`
	// Commands on a host, written as in the scope; one is enough. Not together with operations.
	Commands []string `yaml:"commands"`
	// OutsideHours: the call is made at another time than this.
	OutsideHours *Hours `yaml:"outside_hours"`
}

func (w *When) empty() bool {
	return len(w.Effects)+len(w.Objects)+len(w.Kinds)+len(w.Tools)+len(w.Labels)+len(w.Operations)+len(w.Commands) == 0 && w.Targets.Empty() && w.OutsideHours == nil
}

// BreakGlass marks a scope for emergencies.
type BreakGlass struct {
	// Role that may use it.
	Role string `yaml:"role" check:"required"`
	// For is how long it lasts.
	For Duration `yaml:"for"`
}
