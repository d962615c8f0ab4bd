package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
)

// crashDir in the environment makes the test binary the process that is killed.
const crashDir = "STORE_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// always is the length of a window that does not end during a test.
const always = 100 * 365 * 24 * time.Hour

// writeUntilKilled makes calls from 8 goroutines and prints each step after it was acknowledged.
func writeUntilKilled(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	cfg := config(dir)
	cfg.CheckpointEvery = 50
	s, err := Open(ctx, cfg)
	fail(err)
	n, err := s.RecoverIntents(ctx, unknown)
	fail(err)
	fmt.Println("recovered", n)
	var mu sync.Mutex // one line at a time
	say := func(what, call string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(what, call)
	}
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				call := fmt.Sprintf("call-%d-%d-%d", os.Getpid(), w, i)
				req := (&suite{clock: newClock()}).request(call, 1)
				req.ID, req.Expires = "req-"+call, cfg.Now().Add(1e12)
				req.Sign()
				_, _, err := s.OpenApproval(ctx, req, record(audit.KindRequest, call))
				fail(err)
				_, err = s.CastVote(ctx, req.ID, approvals.Vote{By: approvals.Identity{Subject: "bob"}, Yes: true, Digest: req.Digest}, approvals.Apply,
					func(approvals.Request) []audit.Record { return []audit.Record{record(audit.KindVote, call)} })
				fail(err)
				intent := record(audit.KindIntent, call)
				intent.Spent = spending(always, 1, 0)
				fail(s.ConsumeAndIntend(ctx, &approvals.Use{ID: req.ID, Digest: req.Digest}, intent))
				say("intent", call)
				fail(s.Append(ctx, outcome(call, "{}")))
				say("outcome", call)
			}
		}()
	}
	select {}
}

// TestKilledUnderLoad kills a process that writes, several times over one state, and compares what it acknowledged with what is there.
func TestKilledUnderLoad(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	dir := filepath.Join(t.TempDir(), "state")
	intents, outcomes := map[string]bool{}, map[string]bool{}
	for round := range rounds {
		killWhileWriting(t, dir, 200+37*round, intents, outcomes)
		checkAfterKill(t, dir, intents, outcomes)
	}
}

// killWhileWriting reads what the child acknowledged, and kills it after some lines, in the middle of whatever it does.
func killWhileWriting(t *testing.T, dir string, lines int, intents, outcomes map[string]bool) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	for n := 0; scan.Scan(); n++ {
		what, call, _ := strings.Cut(scan.Text(), " ")
		switch what {
		case "intent":
			intents[call] = true
		case "outcome":
			outcomes[call] = true
		case "error":
			t.Error("the child failed:", call)
		}
		if n == lines {
			child.Process.Kill()
		}
	}
	child.Wait() // killed
}

func checkAfterKill(t *testing.T, dir string, intents, outcomes map[string]bool) {
	t.Helper()
	if r, err := VerifyDir(dir); err != nil || len(r.Integrity)+len(r.Authorship) > 0 {
		t.Fatalf("offline, after the kill: %+v, %v", r, err)
	}
	s := open(t, config(dir))
	defer s.Close()
	r, err := s.Verify(ctx)
	if err != nil || len(r.Integrity)+len(r.Authorship) > 0 {
		t.Fatalf("after the kill: %+v, %v", r, err)
	}
	found := map[string]bool{}
	err = s.Entries(ctx, audit.Filter{}, func(e audit.Entry, b *audit.Body) error {
		key := string(e.Kind) + " " + e.Call
		if found[key] {
			t.Errorf("%s is there twice", key)
		}
		found[key] = true
		return nil
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	executions := int64(0)
	for key := range found {
		if strings.HasPrefix(key, "intent ") {
			executions++
		}
	}
	if spent, err := s.Spent(ctx, "support", "https://idp", "ann"); err != nil || executions > 0 && (len(spent) != 1 || spent[0].Calls != executions) {
		t.Errorf("%d intents, and %+v was counted, %v", executions, spent, err)
	}
	for call := range intents {
		if !found["intent "+call] {
			t.Errorf("the intent of %s was acknowledged and is lost", call)
		}
		req, err := s.ApprovalByCall(ctx, call)
		if err != nil || req.State != approvals.Consumed {
			t.Errorf("the approval of %s is %s, %v; its intent is there", call, req.State, err)
		}
	}
	for call := range outcomes {
		if !found["outcome "+call] {
			t.Errorf("the outcome of %s was acknowledged and is lost", call)
		}
	}
	open := len(r.Completeness)
	if n, err := s.RecoverIntents(ctx, unknown); err != nil || n != open {
		t.Errorf("recovered %d, %v; verification reported %d", n, err, open)
	}
	if r, err := s.Verify(ctx); err != nil || !r.OK() {
		t.Errorf("after recovery: %+v, %v", r, err)
	}
}
