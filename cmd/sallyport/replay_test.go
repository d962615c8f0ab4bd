package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func recorded(t *testing.T, data string) *transcript {
	t.Helper()
	var tr transcript
	if err := json.Unmarshal([]byte(`{"data":`+data+`}`), &tr); err != nil {
		t.Fatal(err)
	}
	tr.command, tr.started = "[0] /usr/bin/make", "2026-11-25T12:00:00.123Z"
	return &tr
}

func TestAReplayKeepsTheOrderAndLosesNothing(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"at once", `{"exit_code":0,"stdout":"a\n","stderr":"b\n"}`, `0:a\n|b\n|`},
		{"two streams", `{"exit_code":1,"stdout":"onethree","stderr":"two","timing":[[0.1,"o",3],[0.5,"e",3],[2,"o",5]]}`, "0.1:one|0.5:two|2:three|2:|"},
		{"lengths that do not fit", `{"exit_code":1,"stdout":"one","stderr":"","timing":[[0.1,"o",99],[0.2,"o",5]]}`, "0.1:one|0.2:|0.2:|"},
		{"a record that was cut", `{"exit_code":1,"stdout":"one and more","stderr":"","timing":[[0.1,"o",3],["x"],[-1,"o",2]]}`, "0.1:one|0.1: and more|"},
	}
	for _, tt := range tests {
		var b strings.Builder
		for _, c := range recorded(t, tt.data).chunks() {
			at, _ := json.Marshal(c.at)
			b.WriteString(string(at) + ":" + c.text + "|")
		}
		want := strings.NewReplacer(`\n|b\n|`, "\nb\n|", `\n`, "\n").Replace(tt.want)
		if b.String() != want {
			t.Errorf("%s: %q, want %q", tt.name, b.String(), want)
		}
	}
}

// What a host printed must not drive the auditor's terminal.
func TestAnAsciicastHoldsNoControlSequences(t *testing.T) {
	var b strings.Builder
	if err := recorded(t, `{"exit_code":0,"stdout":"a\u001b]0;title\u0007b\nc\n","stderr":""}`).asciicast(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%q", lines)
	}
	var header struct {
		Version   int
		Timestamp int64
	}
	if err := json.Unmarshal([]byte(lines[0]), &header); err != nil || header.Version != 2 || header.Timestamp != 1795608000 {
		t.Errorf("header %s: %v", lines[0], err)
	}
	var event []any
	if err := json.Unmarshal([]byte(lines[1]), &event); err != nil || event[1] != "o" || event[2] != "a\\u{1b}]0;title\\u{7}b\r\nc\r\n" {
		t.Errorf("event %s: %v", lines[1], err)
	}
}
