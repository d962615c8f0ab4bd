package main

import (
	"fmt"
	"io"
)

// progress tells a person at a terminal how far a long run is; elsewhere nothing is written. The zero value is silent.
type progress struct{ w io.Writer }

// progressOn is for a command's standard error.
func progressOn(w io.Writer) progress {
	if styleOf(w).on {
		return progress{w}
	}
	return progress{}
}

const progressEvery = 1000

// at is called before each of n steps.
func (p progress) at(i, n int) {
	if p.w != nil && i > 0 && i%progressEvery == 0 {
		fmt.Fprintf(p.w, "\r%d of %d calls (%d%%)", i, n, 100*i/n)
	}
}

// done takes the line away again.
func (p progress) done() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
