package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
)

func chatStore(t *testing.T) (*Store, *suite) {
	t.Helper()
	c := newClock()
	cfg := config(filepath.Join(t.TempDir(), "state"))
	cfg.Now = c.Now
	s, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, &suite{state: s, clock: c}
}

func (s *suite) opened(t *testing.T, call string, count int) approvals.Request {
	t.Helper()
	r, _, err := s.OpenApproval(ctx, s.request(call, count), record(audit.KindRequest, call))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func claim(t *testing.T, s *Store) (approvals.Posting, bool) {
	t.Helper()
	p, ok, err := s.ClaimPosting(ctx, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return p, ok
}

// TestAPostingIsDueUntilItShowsWhatIsTrue: the outbox is a difference, so that nothing is forgotten and nothing is told twice.
func TestAPostingIsDueUntilItShowsWhatIsTrue(t *testing.T) {
	s, u := chatStore(t)
	r := u.opened(t, "c1", 2)
	p, ok := claim(t, s)
	if !ok || p.Request != r.ID || p.Message != "" || p.Version != "pending/0" {
		t.Fatalf("%+v %v", p, ok)
	}
	if _, again := claim(t, s); again {
		t.Error("two have the same turn")
	}
	p.Channel, p.Message, p.Shown = "C1", "1.1", p.Version
	if err := s.SavePosting(ctx, p, false); err != nil {
		t.Fatal(err)
	}
	if err := s.ReleasePosting(ctx, p, u.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if p, due := claim(t, s); due {
		t.Errorf("nothing changed, but it is due: %+v", p)
	}
	for i, who := range []string{"bob", "cat"} {
		vote := approvals.Vote{By: approvals.Identity{Issuer: "https://idp", Subject: who}, Yes: true, Digest: r.Digest, Time: u.clock.Now()}
		if _, err := s.CastVote(ctx, r.ID, vote, approvals.Apply, func(approvals.Request) []audit.Record { return nil }); err != nil {
			t.Fatal(err)
		}
		p, ok := claim(t, s)
		if want := []string{"pending/1", "approved/2"}[i]; !ok || p.Version != want || p.Message != "1.1" || p.Shown == p.Version {
			t.Fatalf("after %d votes: %+v %v", i+1, p, ok)
		}
		p.Shown = p.Version
		if err := errors.Join(s.SavePosting(ctx, p, false), s.ReleasePosting(ctx, p, u.clock.Now())); err != nil {
			t.Fatal(err)
		}
	}
	intent := record(audit.KindIntent, "c1")
	if err := s.ConsumeAndIntend(ctx, &approvals.Use{ID: r.ID, Digest: r.Digest}, intent); err != nil {
		t.Fatal(err)
	}
	if p, ok = claim(t, s); !ok || p.Version != "consumed/2" {
		t.Fatalf("while it runs: %+v", p)
	}
	p.Shown = p.Version
	if err := errors.Join(s.SavePosting(ctx, p, false), s.ReleasePosting(ctx, p, u.clock.Now())); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(ctx, outcome("c1", "x")); err != nil {
		t.Fatal(err)
	}
	if p, ok = claim(t, s); !ok || p.Version != "consumed/2/ended" {
		t.Fatalf("after it ran: %+v", p)
	}
	p.Shown = "something older" // final counts all the same
	if err := errors.Join(s.SavePosting(ctx, p, true), s.ReleasePosting(ctx, p, u.clock.Now())); err != nil {
		t.Fatal(err)
	}
	if _, due := claim(t, s); due {
		t.Error("due after the end")
	}
}

// TestASlowWorkerDoesNotOverwrite: a lease that ended, and a claim that is another's.
func TestASlowWorkerDoesNotOverwrite(t *testing.T) {
	s, u := chatStore(t)
	r := u.opened(t, "c1", 1)
	slow, _ := claim(t, s)
	if err := s.ArmPosting(ctx, slow, approvals.Token{Hash: "old", Request: r.ID, Digest: r.Digest, Act: "approve"}); err != nil {
		t.Fatal(err)
	}
	u.clock.advance(2 * time.Minute)
	quick, ok := claim(t, s)
	if !ok {
		t.Fatal("the lease does not end")
	}
	if err := s.ArmPosting(ctx, quick, approvals.Token{Hash: "new", Request: r.ID, Digest: r.Digest, Act: "approve"}); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"save": s.SavePosting(ctx, slow, true), "release": s.ReleasePosting(ctx, slow, u.clock.Now()), "arm": s.ArmPosting(ctx, slow),
		"without a claim": s.SavePosting(ctx, approvals.Posting{Request: r.ID}, true),
	} {
		if !errors.Is(err, approvals.ErrClaim) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Token(ctx, "old"); !errors.Is(err, approvals.ErrNotFound) {
		t.Errorf("the button of a card nobody knows of: %v", err)
	}
	if tok, err := s.Token(ctx, "new"); err != nil || tok.Digest != r.Digest {
		t.Errorf("%+v %v", tok, err)
	}
	if err := s.ReleasePosting(ctx, quick, u.clock.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, due := claim(t, s); due {
		t.Error("it was to wait for an hour")
	}
}

// TestWhatWasNeverShownIsNotPosted: a request that is over before anybody was told.
func TestWhatWasNeverShownIsNotPosted(t *testing.T) {
	s, u := chatStore(t)
	r := u.opened(t, "c1", 1)
	if _, err := s.CloseApproval(ctx, r.ID, []approvals.State{approvals.Pending}, approvals.Cancelled, record(audit.KindApproval, "c1")); err != nil {
		t.Fatal(err)
	}
	if p, due := claim(t, s); due {
		t.Errorf("%+v", p)
	}
}

// TestAChannelIsPostedToOnceASecondByAll.
func TestAChannelIsPostedToOnceASecondByAll(t *testing.T) {
	s, u := chatStore(t)
	now := u.clock.Now()
	var wg sync.WaitGroup
	slots := make(chan time.Time, 8)
	for range 8 {
		wg.Go(func() {
			at, err := s.ReserveChannel(ctx, "C1", time.Second)
			if err != nil {
				t.Error(err)
			}
			slots <- at
		})
	}
	wg.Wait()
	close(slots)
	seen := map[time.Duration]bool{}
	for at := range slots {
		seen[at.Sub(now)] = true
	}
	for i := range 8 {
		if !seen[time.Duration(i)*time.Second] {
			t.Errorf("nobody has second %d: %v", i, seen)
		}
	}
	if err := s.DelayChannel(ctx, "C2", 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if at, err := s.ReserveChannel(ctx, "C2", time.Second); err != nil || at.Sub(now) != 30*time.Second {
		t.Errorf("after Retry-After: %v %v", at.Sub(now), err)
	}
}

// TestAnInteractionIsDealtWithOnce: the same bytes twice are one; whoever has it has it alone; afterwards its payload is gone.
func TestAnInteractionIsDealtWithOnce(t *testing.T) {
	s, u := chatStore(t)
	payload := []byte(`{"secret":"UPDATE t SET a = 'planted'"}`)
	for i := range 3 {
		if first, err := s.KeepInteraction(ctx, payload); err != nil || first != (i == 0) {
			t.Errorf("time %d: first %v, %v", i, first, err)
		}
	}
	var n int
	if err := s.readers.QueryRow("SELECT count(*) FROM interactions WHERE instr(sealed, 'planted') > 0").Scan(&n); err != nil || n != 0 {
		t.Errorf("the payload lies open: %d %v", n, err)
	}
	crashed, ok, err := s.ClaimInteraction(ctx, time.Minute)
	if err != nil || !ok || string(crashed.Payload) != string(payload) {
		t.Fatalf("%s %v %v", crashed.Payload, ok, err)
	}
	if _, again, _ := s.ClaimInteraction(ctx, time.Minute); again {
		t.Error("two deal with it")
	}
	u.clock.advance(2 * time.Minute)
	i, ok, err := s.ClaimInteraction(ctx, time.Minute)
	if err != nil || !ok {
		t.Fatal("it is lost with its worker")
	}
	if err := s.CloseInteraction(ctx, crashed); !errors.Is(err, approvals.ErrClaim) {
		t.Errorf("closed by the one that was too slow: %v", err)
	}
	if err := s.CloseInteraction(ctx, i); err != nil {
		t.Fatal(err)
	}
	if first, err := s.KeepInteraction(ctx, payload); err != nil || first {
		t.Errorf("after it was dealt with: first %v, %v", first, err)
	}
	u.clock.advance(2 * time.Minute)
	if _, ok, _ := s.ClaimInteraction(ctx, time.Minute); ok {
		t.Error("it comes again")
	}
}

// TestALinkIsProvenFromBothSidesOnce: the code is for one account, is used once, and expires.
func TestALinkIsProvenFromBothSidesOnce(t *testing.T) {
	s, u := chatStore(t)
	account := approvals.Account{Team: "T1", User: "U1", Name: "bob"}
	bob := approvals.Identity{Issuer: "https://idp", Subject: "bob"}
	link := approvals.Link{Account: account, Identity: bob, Person: "Bob", Groups: []string{"dba"}}
	rec := record(audit.KindConfig, "")
	if _, err := s.Link(ctx, account); !errors.Is(err, approvals.ErrNoLink) {
		t.Errorf("before: %v", err)
	}
	start := func(hash string) {
		t.Helper()
		if err := s.StartPairing(ctx, hash, account, 10*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	start("h0")
	start("h1")
	other := link
	other.User = "U2"
	for name, err := range map[string]error{
		"an earlier code": s.CompletePairing(ctx, "h0", link, rec, "x"), "another account": s.CompletePairing(ctx, "h1", other, rec, "x"),
		"no code": s.CompletePairing(ctx, "", link, rec, "x"),
	} {
		if !errors.Is(err, approvals.ErrPairing) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, err := s.Pairing(ctx, "h1"); err != nil || a != account {
		t.Errorf("%+v %v", a, err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 8 {
		wg.Go(func() {
			if s.CompletePairing(ctx, "h1", link, rec, "done") == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("one code linked %d times", won)
	}
	got, err := s.Link(ctx, account)
	if err != nil || got.Identity != bob || fmt.Sprint(got.Groups) != "[dba]" || !got.Proven.Equal(u.clock.Now()) {
		t.Fatalf("%+v %v", got, err)
	}
	if n, ok, err := s.ClaimNote(ctx, time.Minute); err != nil || !ok || n.Text != "done" || n.To.User != "U1" {
		t.Errorf("%+v %v %v", n, ok, err)
	} else if err := s.CloseNote(ctx, n); err != nil {
		t.Error(err)
	}

	// Groups are those of the moment they were proven.
	if _, err := got.Voter(u.clock.Now().Add(8*time.Hour), 8*time.Hour); !errors.Is(err, approvals.ErrGroupsOld) {
		t.Errorf("after eight hours: %v", err)
	}
	u.clock.advance(9 * time.Hour)
	if links, err := s.RefreshLinks(ctx, approvals.Voter{Identity: bob, Groups: []string{"sre"}}); err != nil || len(links) != 1 {
		t.Errorf("%v %v", links, err)
	}
	if got, _ = s.Link(ctx, account); fmt.Sprint(got.Groups) != "[sre]" {
		t.Errorf("%+v", got)
	}

	// A row somebody else wrote is not believed.
	if err := s.writer.do(ctx, true, func(t *transaction) error {
		_, err := t.ExecContext(ctx, "UPDATE links SET subject = 'mallory'")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Link(ctx, account); err == nil || errors.Is(err, approvals.ErrNoLink) || !strings.Contains(err.Error(), "link of") {
		t.Errorf("a changed row: %v", err)
	}
	start("h2")
	u.clock.advance(11 * time.Minute)
	if _, err := s.Pairing(ctx, "h2"); !errors.Is(err, approvals.ErrPairing) {
		t.Errorf("an old code: %v", err)
	}
	if _, err := s.RemoveLinks(ctx, approvals.Identity{Issuer: "https://idp", Subject: "nobody"}, rec); !errors.Is(err, approvals.ErrNoLink) {
		t.Errorf("removing nothing: %v", err)
	}
}
