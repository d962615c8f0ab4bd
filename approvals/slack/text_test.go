package slack

import "testing"

func TestCutCountsAsSlackDoes(t *testing.T) {
	if got, was := cut("😀😀😀", 5); got != "😀😀…" || !was || size(got) != 5 {
		t.Errorf("%q %v", got, was)
	}
	if got, was := cut("abc", 3); got != "abc" || was {
		t.Errorf("%q %v", got, was)
	}
}
