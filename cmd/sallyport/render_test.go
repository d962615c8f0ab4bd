package main

import (
	"bytes"
	"runtime/debug"
	"strings"
	"testing"

	"sallyport/audit"
	"sallyport/gateway/adminapi"
)

// The entry of a vote carries the request's principal; who did what it records is the voter.
func TestAVoteIsShownUnderItsVoter(t *testing.T) {
	vote := auditLine{Kind: "vote", Principal: &audit.Principal{Subject: "maria", Agent: "claude-code"},
		Approval: &audit.Approval{Code: "ABCD", State: "approved", By: "https://login.example.com#bob#2", Via: "cli"}}
	if got := whoOf(vote); got != "bob#2" {
		t.Errorf("who is %q", got)
	}
	var b bytes.Buffer
	printEntry(&b, vote)
	if got := b.String(); !strings.Contains(got, "  who       bob#2\n") || !strings.Contains(got, "  request of maria, through claude-code\n") {
		t.Errorf("got\n%s", got)
	}
	vote.Kind = "outcome" // an outcome names the request it came from, and nobody voted with it
	if got := whoOf(vote); got != "maria" {
		t.Errorf("who of an outcome is %q", got)
	}
}

func TestAClosedRequestHasNoExpiry(t *testing.T) {
	for state, shown := range map[string]bool{"pending": true, "approved": true, "denied": false, "expired": false, "cancelled": false, "stale": false, "consumed": false} {
		d := adminapi.Detail{Item: adminapi.Item{Code: "ABCD", State: state, Expires: "2026-11-25T11:00:00Z"}}
		var show, list bytes.Buffer
		printRequest(&show, d)
		if err := printApprovals(&list, []adminapi.Item{d.Item}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(show.String(), "expires") != shown || strings.Contains(list.String(), "passed") != shown {
			t.Errorf("%s: want shown %v, got\n%s%s", state, shown, show.String(), list.String())
		}
	}
}

func TestTheVersionNamesTheRevision(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.99", Main: debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}}}
	if got, want := describeBuild("dev", info), "v1.2.3 (revision 0123456789ab, changed, go1.99)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := describeBuild("v2", &debug.BuildInfo{GoVersion: "go1.99", Main: debug.Module{Version: "(devel)"}}), "v2 (go1.99)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
