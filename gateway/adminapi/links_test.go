package adminapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/approvals"
)

// TestALinkNeedsTheCodeTheTokenAndTheAccountThatWasShown: each of the three alone links nothing, and a code is used once.
func TestALinkNeedsTheCodeTheTokenAndTheAccountThatWasShown(t *testing.T) {
	r := newRig(t)
	account := approvals.Account{Team: "T0TEAM", User: "U0BOB", Name: "bob"}
	code := approvals.NewPairingCode()
	if err := r.store.StartPairing(t.Context(), approvals.PairingHash(code), account, time.Minute); err != nil {
		t.Fatal(err)
	}
	bob := r.person("bob", "dba")
	send := func(in Pairing) (int, Paired) {
		t.Helper()
		body, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		status, answer := r.send("POST", "/api/links", bob, string(body))
		var out Paired
		if err := json.Unmarshal([]byte(answer), &out); err != nil {
			t.Fatal(err)
		}
		return status, out
	}
	if status, _ := send(Pairing{Code: approvals.NewPairingCode(), Account: &account}); status != http.StatusNotFound {
		t.Errorf("a code that was never sent: %d", status)
	}
	status, shown := send(Pairing{Code: strings.ToLower(code)})
	if status != http.StatusOK || shown.Linked || shown.Account != account || shown.Identity.Subject != "bob" {
		t.Errorf("%d %+v", status, shown)
	}
	if _, err := r.store.Link(t.Context(), account); err == nil {
		t.Error("looking at both sides links them")
	}
	other := approvals.Account{Team: "T0TEAM", User: "U0OTHER"}
	if status, _ := send(Pairing{Code: code, Account: &other}); status != http.StatusNotFound {
		t.Errorf("another account than the one that was shown: %d", status)
	}
	if status, done := send(Pairing{Code: code, Account: &account}); status != http.StatusOK || !done.Linked {
		t.Errorf("%d %+v", status, done)
	}
	if status, _ := send(Pairing{Code: code, Account: &account}); status != http.StatusNotFound {
		t.Errorf("the same code again: %d", status)
	}
	link, err := r.store.Link(t.Context(), account)
	if err != nil || link.Subject != "bob" || len(link.Groups) != 1 || link.Groups[0] != "dba" {
		t.Errorf("%+v %v", link, err)
	}
	if status, _ := r.send("POST", "/api/links/refresh", r.person("bob", "sre"), ""); status != http.StatusOK {
		t.Errorf("refresh: %d", status)
	}
	if link, _ = r.store.Link(t.Context(), account); link.Groups[0] != "sre" {
		t.Errorf("%+v", link)
	}
	if status, _ := r.send("DELETE", "/api/links", bob, ""); status != http.StatusOK {
		t.Errorf("remove: %d", status)
	}
	if _, err := r.store.Link(t.Context(), account); err == nil {
		t.Error("the link is still there")
	}
}
