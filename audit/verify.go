package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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

// Text is the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	verdict := func(name, good string, problems []string) {
		if len(problems) == 0 {
			fmt.Fprintf(&b, "%-13s ok      %s\n", name, good)
			return
		}
		for _, p := range problems {
			fmt.Fprintf(&b, "%-13s FAILED  %s\n", name, p)
		}
	}
	verdict("integrity", fmt.Sprintf("%d entries and %d sealed bodies match their hashes; %d are fixed by %d signed checkpoints", r.Entries, r.Bodies, r.ProvenSize, r.Checkpoints), r.Integrity)
	verdict("completeness", fmt.Sprintf("every intent has an outcome or is marked unknown (%d calls are running)", len(r.OpenIntents)), r.Completeness)
	verdict("authorship", "checkpoints are signed by "+r.Key, r.Authorship)
	if tail := r.Entries - r.ProvenSize; tail > 0 {
		fmt.Fprintf(&b, "note: the newest %d entries are not under a checkpoint yet\n", tail)
	}
	b.WriteString("note: whoever holds this machine and its signing key could have written another log; keep checkpoints elsewhere to rule that out\n")
	return b.String()
}

// Verifier checks a log entry by entry. Feed it every row in the order of seq, then call Finish.
type Verifier struct {
	public string
	tree   []tlog.Hash // the stored hashes, recomputed
	n      int64
	bodies int64
	open   map[string]int64 // intents without outcome: call -> seq
	roots  map[int64]tlog.Hash
	want   map[int64]bool // sizes at which a root is needed
	report Report
}

// Checkpoint is a stored checkpoint and when it was made.
type Checkpoint struct {
	Size int64
	Time time.Time
	Note string
}

// NewVerifier begins a verification of a log whose checkpoints are signed with the given public key. Checkpoints must be known
// beforehand, because the roots they fix are computed on the way.
func NewVerifier(public string, checkpoints []Checkpoint) *Verifier {
	v := &Verifier{public: public, open: map[string]int64{}, roots: map[int64]tlog.Hash{}, want: map[int64]bool{}}
	v.report.Key = public
	for _, c := range checkpoints {
		v.want[c.Size] = true
	}
	return v
}

// ReadHashes implements tlog.HashReader over the recomputed hashes.
func (v *Verifier) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x >= int64(len(v.tree)) {
			return nil, fmt.Errorf("hash %d is not computed yet", x)
		}
		out[i] = v.tree[x]
	}
	return out, nil
}

// Add checks the next row: its place, its canonical form, its body, and what it does to open intents.
func (v *Verifier) Add(seq int64, envelope, body []byte) {
	if seq != v.n {
		v.fail("entry %d is missing: the next row is %d", v.n, seq)
		v.n = seq // go on from here: one gap is one problem
	}
	e, err := Decode(envelope)
	switch {
	case err != nil:
		v.fail("entry %d: %v", seq, err)
	case e.Seq != seq:
		v.fail("entry %d says it is entry %d: moved or copied", seq, e.Seq)
	}
	if body != nil {
		v.bodies++
		sum := sha256.Sum256(body)
		if e.Body == nil || hex.EncodeToString(sum[:]) != e.Body.SHA256 {
			v.fail("entry %d: its sealed body is not the one that was recorded", seq)
		}
	}
	hashes, err := tlog.StoredHashesForRecordHash(int64(v.count()), LeafHash(envelope), v)
	if err != nil {
		v.fail("entry %d: %v", seq, err)
	}
	v.tree = append(v.tree, hashes...)
	v.n++
	if v.want[v.n] {
		v.roots[v.n] = v.root()
	}
	switch e.Kind {
	case KindIntent:
		v.open[e.Call] = seq
	case KindOutcome:
		delete(v.open, e.Call)
	}
}

// count is the number of leaves hashed so far; it differs from n after a gap.
func (v *Verifier) count() int64 {
	return leaves(int64(len(v.tree)))
}

// leaves is the number of leaves of a tree with the given number of stored hashes.
func leaves(stored int64) int64 {
	n := stored / 2
	for tlog.StoredHashCount(n+1) <= stored {
		n++
	}
	return n
}

func (v *Verifier) root() tlog.Hash {
	h, err := tlog.TreeHash(v.count(), v)
	if err != nil {
		v.fail("root of %d entries: %v", v.count(), err)
	}
	return h
}

func (v *Verifier) fail(format string, args ...any) {
	if len(v.report.Integrity) < 20 {
		v.report.Integrity = append(v.report.Integrity, fmt.Sprintf(format, args...))
	}
}

// Finish compares the checkpoints, the stored hashes' count and the running calls (by id; nil when the gateway is not
// running) and returns the report.
func (v *Verifier) Finish(checkpoints []Checkpoint, running func(call string) bool) *Report {
	r := &v.report
	r.Entries, r.Bodies, r.Checkpoints = v.n, v.bodies, len(checkpoints)
	root := v.root()
	r.Root = hex.EncodeToString(root[:])
	for _, c := range checkpoints {
		size, root, err := OpenCheckpoint(c.Note, v.public)
		switch {
		case err != nil:
			r.Authorship = append(r.Authorship, fmt.Sprintf("checkpoint of %d entries: %v", c.Size, err))
		case size != c.Size:
			v.fail("checkpoint row of %d entries holds a checkpoint of %d", c.Size, size)
		case size > v.n:
			v.fail("the log was cut: a signed checkpoint has %d entries, the log has %d", size, v.n)
		case v.roots[size] != root:
			v.fail("some entry below %d was changed, removed or reordered: the signed root does not match", size)
		default:
			if size >= r.ProvenSize {
				r.ProvenSize, r.ProvenTime = size, c.Time.UTC().Format(time.RFC3339)
			}
		}
	}
	for call, seq := range v.open {
		if running != nil && running(call) {
			r.OpenIntents = append(r.OpenIntents, call)
			continue
		}
		r.Completeness = append(r.Completeness, fmt.Sprintf("entry %d: the intent of call %s has no outcome; starting the gateway marks it unknown", seq, call))
	}
	return r
}
