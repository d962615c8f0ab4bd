package slack

import (
	"fmt"
	"strconv"
	"strings"

	"sallyport/approvals"
)

// impactLines say how much a change hits, the most important first. They hold names of the target.
func impactLines(i *approvals.Impact) []string {
	first := countText(i.Rows) + " of " + i.Object
	if i.Of.Is == approvals.Exact || i.Of.Is == approvals.Estimate {
		first = countText(i.Rows) + " of " + countText(i.Of) + " in " + i.Object
	}
	out := []string{first}
	if i.Unknown != "" {
		out = append(out, "not counted: "+i.Unknown)
	}
	for _, c := range i.Cascades {
		out = append(out, fmt.Sprintf("%scascades: %s of %s, %s", strings.Repeat("  ", min(8, max(0, c.Level-1))), countText(c.Rows), c.Object, c.Action))
	}
	for _, x := range i.Involved {
		out = append(out, strings.TrimSpace(x.Kind+" "+x.Name)+" of "+x.Object)
	}
	for _, why := range i.Unstable {
		out = append(out, "may hit other rows when it runs: "+why)
	}
	return out
}

// countText is a count with how well it is known: "6,500 rows", "at least 10 rows".
func countText(c approvals.Count) string {
	rows := thousands(c.N) + " rows"
	if c.N == 1 {
		rows = "1 row"
	}
	switch c.Is {
	case approvals.Exact:
		return rows
	case approvals.AtLeast:
		return "at least " + rows
	case approvals.AtMost:
		return "at most " + rows
	case approvals.Estimate:
		return "about " + rows
	}
	return "an unknown number of rows"
}

func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
