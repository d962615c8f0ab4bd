package store

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/approvals"
	"sallyport/audit"
)

// filled makes a closed state directory with 40 entries, 20 of them with bodies, under two checkpoints.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := open(t, config(dir))
	for i := range 20 {
		if err := s.Append(ctx, outcome(fmt.Sprint("c", i), "{}"), record(audit.KindConfig, "")); err != nil {
			t.Fatal(err)
		}
		if i == 9 {
			if _, err := s.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEveryChangeIsFound(t *testing.T) {
	const swap = `UPDATE %[1]s SET %[2]s = -1 WHERE %[2]s = 4; UPDATE %[1]s SET %[2]s = 4 WHERE %[2]s = 5; UPDATE %[1]s SET %[2]s = 5 WHERE %[2]s = -1;`
	for _, tt := range []struct{ name, script, want string }{
		{"an envelope says something else", `UPDATE entries SET envelope = CAST(replace(CAST(envelope AS TEXT), '"ann"', '"bob"') AS BLOB), subject = 'bob' WHERE seq = 5`, "entry 5 was changed"},
		{"an envelope is no envelope", "UPDATE entries SET envelope = x'7b7d' WHERE seq = 5", "entry 5"},
		{"an envelope is spelled differently", `UPDATE entries SET envelope = CAST(CAST(envelope AS TEXT) || ' ' AS BLOB) WHERE seq = 5`, "entry 5: audit: envelope is not in canonical form"},
		{"a column says something else", "UPDATE entries SET target = 'x' WHERE seq = 5", "entry 5: the columns"},
		{"a body was replaced", "UPDATE entries SET sealed = (SELECT sealed FROM entries WHERE seq = 2) WHERE seq = 6", "entry 6: its sealed body"},
		{"a body was removed", "UPDATE entries SET sealed = NULL WHERE seq = 6", "entry 6: its sealed body was removed"},
		{"a body was added", "UPDATE entries SET sealed = x'00' WHERE seq = 5", "entry 5: its sealed body"},
		{"an entry was removed", "DELETE FROM entries WHERE seq = 5", "entry 5 is missing"},
		{"an entry was removed with its hashes", "DELETE FROM entries WHERE seq = 5; DELETE FROM tree WHERE leaf = 5", "entry 5 is missing"},
		{"two entries changed places", fmt.Sprintf(swap, "entries", "seq"), "entry 4 says it is entry 5"},
		{"two entries changed places with their hashes", fmt.Sprintf(swap, "entries", "seq") + fmt.Sprintf(swap, "tree", "leaf"), "entry 4 says it is entry 5"},
		{"the end was cut", "DELETE FROM entries WHERE seq >= 35", "the log was cut"},
		{"the end was cut with its hashes", "DELETE FROM entries WHERE seq >= 35; DELETE FROM tree WHERE leaf >= 35", "the log was cut"},
		{"an entry before the first", "INSERT INTO entries SELECT -1, time, kind, call, subject, tool, target, key, envelope, sealed FROM entries WHERE seq = 5", "the next row is -1"},
		{"a leaf's hash was changed", "UPDATE tree SET hashes = randomblob(32) WHERE leaf = 6", "entry 6 was changed"},
		{"a hash above was removed", "UPDATE tree SET hashes = substr(hashes, 1, 32) WHERE leaf = 5", "entry 5: the tree above it was changed"},
		{"hashes were removed", "DELETE FROM tree WHERE leaf = 5", "entry 5: its hashes were removed"},
		{"half a hash", "UPDATE tree SET hashes = substr(hashes, 1, 20) WHERE leaf = 5", "entry 5"},
		{"a checkpoint's text was changed", "UPDATE checkpoints SET note = replace(note, '\n20\n', '\n21\n')", "checkpoint signature"},
		{"a checkpoint was moved", "UPDATE checkpoints SET size = 19 WHERE size = 20", "holds a checkpoint of 20"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filled(t)
			if r, err := VerifyDir(dir); err != nil || !r.OK() || r.Entries != 40 || r.Bodies != 20 || r.ProvenSize != 40 || r.Checkpoints != 2 {
				t.Fatalf("before: %+v, %v", r, err)
			}
			edit(t, dir, tt.script)
			r, err := VerifyDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(append(r.Integrity, r.Authorship...), "\n"); r.OK() || !strings.Contains(all, tt.want) {
				t.Errorf("found:\n%s\nwant %q", all, tt.want)
			}
		})
	}
}

// TestEveryBitCounts flips bits all over what is stored.
func TestEveryBitCounts(t *testing.T) {
	dir := filled(t)
	db, err := openDB(filepath.Join(dir, databaseFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		seq := 2 * random.IntN(20) // one with a body
		column := []string{"entries SET envelope", "entries SET sealed", "tree SET hashes"}[random.IntN(3)]
		table, name := strings.Fields(column)[0], strings.Fields(column)[2]
		key := map[string]string{"entries": "seq", "tree": "leaf"}[table]
		var good []byte
		if err := db.QueryRow("SELECT "+name+" FROM "+table+" WHERE "+key+" = ?", seq).Scan(&good); err != nil {
			t.Fatal(err)
		}
		bad := slices.Clone(good)
		bit := random.IntN(8 * len(bad))
		bad[bit/8] ^= 1 << (bit % 8)
		for _, value := range [][]byte{bad, good} {
			if _, err := db.Exec("UPDATE "+column+" = ? WHERE "+key+" = ?", value, seq); err != nil {
				t.Fatal(err)
			}
			r, err := VerifyDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			if changed := &value[0] == &bad[0]; r.OK() == changed || changed && !strings.Contains(r.Integrity[0], fmt.Sprintf("entry %d", seq)) {
				t.Errorf("%s of %d, bit %d, changed %v: %+v", name, seq, bit, changed, r)
			}
		}
	}
}

// TestAConsistentForgeryNeedsTheKey: whoever recomputes the whole tree after a change is caught by the signed root.
func TestAConsistentForgeryNeedsTheKey(t *testing.T) {
	dir := filled(t)
	db, err := openDB(filepath.Join(dir, databaseFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	var head audit.Head
	for seq := range 40 {
		var envelope []byte
		if err := db.QueryRow("SELECT envelope FROM entries WHERE seq = ?", seq).Scan(&envelope); err != nil {
			t.Fatal(err)
		}
		if seq == 5 {
			e, err := audit.Decode(envelope)
			if err != nil {
				t.Fatal(err)
			}
			e.Detail = "nothing to see"
			envelope = e.Encode()
		}
		if _, err := db.Exec("UPDATE entries SET envelope = ? WHERE seq = ?", envelope, seq); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("UPDATE tree SET hashes = ? WHERE leaf = ?", joinHashes(head.Add(audit.LeafHash(envelope))), seq); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	r, err := VerifyDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Integrity) != 2 || !strings.Contains(r.Integrity[0], "entry below 20") || r.ProvenSize != 0 {
		t.Errorf("found %q, proven %d", r.Integrity, r.ProvenSize)
	}
	if s, err := Open(ctx, config(dir)); err == nil {
		s.Close()
		t.Error("a forged log is continued")
	}
}

func TestACopyIsVerifiedWithoutSecrets(t *testing.T) {
	dir, copied := filled(t), t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{masterFile, maskingFile, signingFile} {
		if err := os.Remove(filepath.Join(copied, keysDir, name)); err != nil {
			t.Fatal(err)
		}
	}
	before := listing(t, copied)
	if r, err := VerifyDir(copied); err != nil || !r.OK() || r.Entries != 40 {
		t.Errorf("%+v, %v", r, err)
	}
	if after := listing(t, copied); after != before {
		t.Errorf("verifying changed the copy:\n%s\n%s", before, after)
	}
	os.Remove(filepath.Join(copied, keysDir, publicFile))
	if _, err := VerifyDir(copied); err == nil || !strings.Contains(err.Error(), publicFile) {
		t.Errorf("without the public key: %v", err)
	}
	if _, err := VerifyDir(t.TempDir()); err == nil {
		t.Error("an empty directory verifies")
	}
}

// TestACopyOfARunningStateIsVerified: what is still in the write-ahead log counts.
func TestACopyOfARunningStateIsVerified(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	s := open(t, config(dir))
	if err := s.Append(ctx, outcome("c1", "{}"), record(audit.KindConfig, "")); err != nil {
		t.Fatal(err)
	}
	if r, err := VerifyDir(dir); err != nil || !r.OK() || r.Entries != 2 {
		t.Errorf("beside the running gateway: %+v, %v", r, err)
	}
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if r, err := VerifyDir(copied); err != nil || !r.OK() || r.Entries != 2 {
		t.Errorf("of the copy: %+v, %v", r, err)
	}
}

func listing(t *testing.T, dir string) (all string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
		info, err := d.Info()
		if err != nil {
			t.Fatal(err)
		}
		all += fmt.Sprintln(path, info.Size(), info.ModTime())
		return nil
	})
	return all
}

// TestNothingReadableIsOnDisk plants values wherever a caller's text goes and searches every file for them, also while
// the write-ahead log still holds everything.
func TestNothingReadableIsOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	const planted = "PLANTED-4711"
	st := &suite{state: s, clock: newClock(), dir: dir}
	st.clock.at.Store(config(dir).Now().UnixNano())
	r := st.request("c1", 2)
	r.Text, r.Claim, r.Summary, r.Args = "UPDATE "+planted, planted, planted, []byte(planted)
	r.Reasons, r.Chain = []string{planted}, []string{planted}
	value := planted
	r.Impact = &approvals.Impact{Object: planted, Sample: &approvals.Sample{Columns: []string{planted}, Before: [][]*string{{&value}}}}
	if _, _, err := s.OpenApproval(ctx, r, withBody(record(audit.KindRequest, "c1"), planted, planted)); err != nil {
		t.Fatal(err)
	}
	v := approvals.Vote{By: approvals.Identity{Issuer: "i", Subject: "bob"}, Name: planted, Reason: planted, Yes: true, Digest: r.Digest, Via: "cli", Time: st.clock.Now()}
	if _, err := s.CastVote(ctx, r.ID, v, approvals.Apply, func(approvals.Request) []audit.Record {
		return []audit.Record{withBody(record(audit.KindVote, "c1"), planted, "")}
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(ctx, withBody(record(audit.KindOutcome, "c1"), planted, planted)); err != nil {
		t.Fatal(err)
	}
	search := func(when string) {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				t.Fatal(err)
			}
			if d.IsDir() {
				return nil
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(b), planted) || strings.Contains(string(b), planted[:8]) {
				t.Errorf("%s: %s holds a planted value", when, path)
			}
			return nil
		})
	}
	search("while it runs")
	if got, err := s.Approval(ctx, r.ID); err != nil || got.Votes[0].Reason != planted || string(got.Args) != planted {
		t.Errorf("the planted values were not stored: %+v, %v", got, err)
	}
	s.Close()
	search("after close")
}

// TestATamperedRowIsNotBelieved: reading refuses what verification would report.
func TestATamperedRowIsNotBelieved(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	st := &suite{state: s, clock: newClock(), dir: dir}
	st.clock.at.Store(config(dir).Now().UnixNano())
	a := st.asked(t, "c1", 1)
	if err := s.Append(ctx, outcome("c1", "{}"), outcome("c2", "{}")); err != nil {
		t.Fatal(err)
	}
	edit(t, dir, "UPDATE entries SET sealed = (SELECT sealed FROM entries WHERE call = 'c2') WHERE call = 'c1' AND kind = 'outcome'")
	if _, b, err := s.Outcome(ctx, "c1"); err == nil {
		t.Errorf("the body of another entry was opened: %+v", b)
	}
	edit(t, dir, "UPDATE approvals SET digest = 'another'")
	if got, err := s.Approval(ctx, a.ID); err == nil {
		t.Errorf("a request with another digest was read: %+v", got)
	}
}
