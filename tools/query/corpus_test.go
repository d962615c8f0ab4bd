package query

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
)

// TestCorpus: no attack of the corpus runs as a read, every benign call does.
func TestCorpus(t *testing.T) {
	script, err := os.ReadFile("testdata/corpus.sql")
	if err != nil {
		t.Fatal(err)
	}
	bothWays(t, func(t *testing.T) *fixture {
		return open(t, string(script), func(t *Target) { t.User = "corpus_agent" })
	}, func(t *testing.T, f *fixture, _ func(string) bool) { testCorpus(t, f) })
}

func testCorpus(t *testing.T, f *fixture) {
	file, err := os.Open("testdata/corpus.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var c struct{ ID, SQL, Must string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		n++
		_, err := f.read(c.SQL)
		if ok := err == nil; ok != (c.Must == "ok_as_read") {
			t.Errorf("%s must be %s: %s\n\t%v", c.ID, c.Must, c.SQL, err)
		}
	}
	if n < 31 {
		t.Errorf("only %d cases were read", n)
	}
}
