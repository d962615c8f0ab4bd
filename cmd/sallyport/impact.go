package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"sallyport/approvals"
)

// printImpact is the block of the approval card that says how much a change hits: rows and their share of the table, what changes with
// them, what else takes part, and some of the rows.
func printImpact(w io.Writer, s style, i *approvals.Impact) {
	line := func(label, text string) { fmt.Fprintf(w, "  %-10s %s\n", label, text) }
	line("impact", s.bold(rowsOf(i)))
	if i.Unknown != "" {
		line("", s.yellow("not counted: "+visible(i.Unknown, false)))
	}
	for n, c := range i.Cascades {
		label := ""
		if n == 0 {
			label = "cascades"
		}
		line(label, strings.Repeat("  ", max(0, c.Level-1))+fmt.Sprintf("%s of %s: %s", c.Rows.Words("row"), visible(c.Object, false), visible(c.Action, false)))
	}
	for n, x := range i.Involved {
		label := ""
		if n == 0 {
			label = "involved"
		}
		line(label, visible(strings.TrimSpace(x.Kind+" "+x.Name)+" of "+x.Object, false))
	}
	for n, why := range i.Unstable {
		label := ""
		if n == 0 {
			label = "may differ"
		}
		line(label, s.yellow(visible(why, false)))
	}
	if i.Sample != nil {
		printSample(w, s, i.Sample)
	}
}

// rowsOf is the line "100 of 5,000 rows of public.orders (2%)".
func rowsOf(i *approvals.Impact) string {
	object := visible(i.Object, false)
	if i.Of.Is == approvals.Unknown || i.Of.Is == "" {
		return i.Rows.Words("row") + " of " + object
	}
	of := i.Of.Words("")
	share := ""
	if i.Rows.Is == approvals.Exact && i.Of.N > 0 && i.Rows.N <= i.Of.N {
		share = fmt.Sprintf(" (%s)", percent(i.Rows.N, i.Of.N))
	}
	return fmt.Sprintf("%s of %s rows of %s%s", i.Rows.Words(""), of, object, share)
}

// percent rounds up, so that no row is ever "0%".
func percent(n, of int64) string {
	switch tenths := float64(n) * 1000 / float64(of); {
	case n == 0:
		return "0%"
	case n == of:
		return "100%"
	case tenths < 1:
		return "less than 0.1%"
	case tenths < 100:
		return strconv.FormatFloat(tenths/10, 'f', 1, 64) + "%"
	default:
		return strconv.FormatInt(int64(tenths/10), 10) + "%"
	}
}

// printSample shows each row as it is (-) and as it would be (+). Values come from the target: they were masked, and are made visible here.
func printSample(w io.Writer, s style, sample *approvals.Sample) {
	t := table{header: []string{" "}}
	for _, c := range sample.Columns {
		t.header = append(t.header, cell(&c))
	}
	add := func(sign string, rows [][]*string, n int) {
		if n < len(rows) {
			row := []string{sign}
			for _, v := range rows[n] {
				row = append(row, cell(v))
			}
			t.add(row...)
		}
	}
	for n := range max(len(sample.Before), len(sample.After)) {
		add("-", sample.Before, n)
		add("+", sample.After, n)
	}
	var b strings.Builder
	t.print(&b, s, func(column int, c string) string {
		switch {
		case column == 0 && c == "-":
			return s.red(c)
		case column == 0:
			return s.green(c)
		}
		return c
	})
	fmt.Fprintf(w, "  sample\n%s\n", indent(b.String(), "    "))
}

// cell is a value on one line, as wide as fits beside others.
func cell(v *string) string {
	const widest = 32
	if v == nil {
		return "NULL"
	}
	text := strings.ReplaceAll(visible(*v, false), "\t", " ")
	if utf8.RuneCountInString(text) > widest {
		text = string([]rune(text)[:widest-1]) + "…"
	}
	return text
}
