package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Report is the answer of a verification: three separate verdicts, and the place of everything found.
type Report struct {
	Entries      int64    `json:"entries"`
	Bodies       int64    `json:"bodies"`
	Root         string   `json:"root"` // hex
	Checkpoints  int      `json:"checkpoints"`
	ProvenSize   int64    `json:"proven_size"` // entries below the newest checkpoint
	ProvenTime   string   `json:"proven_time,omitempty"`
	Key          string   `json:"key"` // public key the checkpoints verify with
	OpenIntents  []string `json:"open_intents,omitempty"`
	Integrity    []string `json:"integrity_problems,omitempty"`
	Completeness []string `json:"completeness_problems,omitempty"`
	Authorship   []string `json:"authorship_problems,omitempty"`
}

// OK reports whether nothing is wrong. Calls still being executed are not wrong.
func (r *Report) OK() bool {
	return len(r.Integrity)+len(r.Completeness)+len(r.Authorship) == 0
}

// Text is the report for people, with at most so many problems of each kind; 0 lists all.
func (r *Report) Text(most int) string {
	var b strings.Builder
	verdict := func(name, good string, problems []string) {
		if len(problems) == 0 {
			fmt.Fprintf(&b, "%-13s ok      %s\n", name, good)
			return
		}
		for i, p := range problems {
			if most > 0 && i == most {
				fmt.Fprintf(&b, "%-13s FAILED  and %d further problems; --all lists them\n", name, len(problems)-i)
				break
			}
			fmt.Fprintf(&b, "%-13s FAILED  %s\n", name, p)
		}
	}
	verdict("integrity", fmt.Sprintf("%d entries and %d sealed bodies match their hashes; %d are fixed by %d signed checkpoints", r.Entries, r.Bodies, r.ProvenSize, r.Checkpoints), r.Integrity)
	verdict("completeness", fmt.Sprintf("every intent has an outcome or is marked unknown (%d calls are running)", len(r.OpenIntents)), r.Completeness)
	if r.Checkpoints == 0 && len(r.Authorship) == 0 {
		fmt.Fprintf(&b, "%-13s -       no checkpoint is signed yet; %s will sign them\n", "authorship", r.Key)
	} else {
		verdict("authorship", "checkpoints are signed by "+r.Key, r.Authorship)
	}
	if tail := r.Entries - r.ProvenSize; tail > 0 {
		fmt.Fprintf(&b, "note: the newest %d entries are not under a checkpoint yet\n", tail)
	}
	b.WriteString("note: whoever holds this machine and its signing key could have written another log; keep checkpoints elsewhere to rule that out\n")
	return b.String()
}

// Verifier checks a log entry by entry, in memory that does not grow with the log. Feed it every row in the order of seq, then
// call Finish.
type Verifier struct {
	public  string
	head    Head // recomputed
	n       int64
	broken  bool // something before this row was wrong, so hashes above the leaves differ and are not compared
	bodies  int64
	open    map[string]int64 // intents without outcome: call -> seq
	roots   map[int64]tlog.Hash
	want    map[int64]bool // sizes at which a root is needed
	dropped int            // integrity problems beyond maxProblems
	report  Report
}

// maxProblems bounds each list of a report, and so its memory.
const maxProblems = 1000

// Checkpoint is a stored checkpoint and when it was made.
type Checkpoint struct {
	Size int64
	Time time.Time
	Note string
}

// Row is one entry as it is stored.
type Row struct {
	Seq      int64
	Envelope []byte
	Body     []byte      // sealed; nil when the row has none
	Stored   []tlog.Hash // the tree's hashes that were stored for this entry, see Head.Add
}

// NewVerifier begins a verification of a log whose checkpoints are signed with the given public key. Checkpoints must be known
// beforehand, because the roots they fix are computed on the way.
func NewVerifier(public string, checkpoints []Checkpoint) *Verifier {
	v := &Verifier{public: public, open: map[string]int64{}, roots: map[int64]tlog.Hash{}, want: map[int64]bool{}}
	v.report.Key = public
	for _, c := range checkpoints {
		v.want[c.Size] = true
	}
	if v.want[0] {
		v.roots[0] = v.head.Root()
	}
	return v
}

// Add checks the next row: its place, its canonical form, its body, its hashes, and what it does to open intents.
func (v *Verifier) Add(r Row) Entry {
	if r.Seq != v.n {
		v.Fail("entry %d is missing: the next row is %d", v.n, r.Seq)
		v.n = r.Seq // go on from here: one gap is one problem
		v.broken = true
	}
	e, err := Decode(r.Envelope)
	switch {
	case err != nil:
		v.Fail("entry %d: %v", r.Seq, err)
	case e.Seq != r.Seq:
		v.Fail("entry %d says it is entry %d: moved or copied", r.Seq, e.Seq)
	}
	v.checkBody(r, e)
	v.checkHashes(r)
	v.n++
	if v.want[v.n] {
		v.roots[v.n] = v.head.Root()
	}
	switch e.Kind {
	case KindIntent:
		v.open[e.Call] = r.Seq
	case KindOutcome:
		delete(v.open, e.Call)
	}
	return e
}

func (v *Verifier) checkBody(r Row, e Entry) {
	if r.Body == nil {
		if e.Body != nil {
			v.Fail("entry %d: its sealed body was removed", r.Seq)
		}
		return
	}
	v.bodies++
	if sum := sha256.Sum256(r.Body); e.Body == nil || hex.EncodeToString(sum[:]) != e.Body.SHA256 {
		v.Fail("entry %d: its sealed body is not the one that was recorded", r.Seq)
	}
}

// checkHashes adds the row to the recomputed tree and compares with what was stored. The leaf's own hash names a changed entry exactly.
func (v *Verifier) checkHashes(r Row) {
	leaf := LeafHash(r.Envelope)
	hashes := v.head.Add(leaf)
	switch {
	case len(r.Stored) == 0:
		v.Fail("entry %d: its hashes were removed from the tree", r.Seq)
	case r.Stored[0] != leaf:
		v.Fail("entry %d was changed: it does not match its hash in the tree", r.Seq)
	case !v.broken && !slices.Equal(hashes, r.Stored):
		v.Fail("entry %d: the tree above it was changed", r.Seq)
	default:
		return
	}
	v.broken = true
}

// Fail reports a problem of integrity that the caller found in its own columns.
func (v *Verifier) Fail(format string, args ...any) {
	if len(v.report.Integrity) >= maxProblems {
		v.dropped++
		return
	}
	v.report.Integrity = append(v.report.Integrity, fmt.Sprintf(format, args...))
}

// Finish compares the checkpoints, the number of entries the stored tree has, and the running calls (by id; nil when the
// gateway is not running) and returns the report.
func (v *Verifier) Finish(checkpoints []Checkpoint, treeSize int64, running func(call string) bool) *Report {
	r := &v.report
	r.Entries, r.Bodies, r.Checkpoints = v.n, v.bodies, len(checkpoints)
	root := v.head.Root()
	r.Root = hex.EncodeToString(root[:])
	if treeSize > v.n {
		v.Fail("the log was cut: the tree has %d entries, the log has %d", treeSize, v.n)
	}
	for _, c := range checkpoints {
		v.checkCheckpoint(c)
	}
	for _, call := range slices.SortedFunc(maps.Keys(v.open), func(a, b string) int { return cmp.Compare(v.open[a], v.open[b]) }) {
		if running != nil && running(call) {
			r.OpenIntents = append(r.OpenIntents, call)
			continue
		}
		r.Completeness = append(r.Completeness, fmt.Sprintf("entry %d: the intent of call %s has no outcome; starting the gateway marks it unknown", v.open[call], call))
	}
	if v.dropped > 0 {
		r.Integrity = append(r.Integrity, fmt.Sprintf("and %d further problems", v.dropped))
	}
	r.Completeness, r.Authorship = bounded(r.Completeness), bounded(r.Authorship)
	return r
}

func bounded(problems []string) []string {
	if len(problems) <= maxProblems {
		return problems
	}
	return append(problems[:maxProblems:maxProblems], fmt.Sprintf("and %d further problems", len(problems)-maxProblems))
}

func (v *Verifier) checkCheckpoint(c Checkpoint) {
	r := &v.report
	size, root, err := OpenCheckpoint(c.Note, v.public)
	switch {
	case err != nil:
		r.Authorship = append(r.Authorship, fmt.Sprintf("checkpoint of %d entries: %v", c.Size, err))
	case size != c.Size:
		v.Fail("checkpoint row of %d entries holds a checkpoint of %d", c.Size, size)
	case size > v.n:
		v.Fail("the log was cut: a signed checkpoint has %d entries, the log has %d", size, v.n)
	case v.roots[size] != root:
		v.Fail("some entry below %d was changed, removed or reordered: the signed root does not match", size)
	case size >= r.ProvenSize:
		r.ProvenSize, r.ProvenTime = size, c.Time.UTC().Format(time.RFC3339)
	}
}
