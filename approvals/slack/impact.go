package slack

import (
	"fmt"
	"strings"

	"sallyport/approvals"
)

// impactLines say how much a change hits, the most important first. They hold names of the target.
func impactLines(i *approvals.Impact) []string {
	first := i.Rows.Words("row") + " of " + i.Object
	if i.Of.Is == approvals.Exact || i.Of.Is == approvals.Estimate {
		first = i.Rows.Words("row") + " of " + i.Of.Words("row") + " in " + i.Object
	}
	out := []string{first}
	if i.Unknown != "" {
		out = append(out, "not counted: "+i.Unknown)
	}
	for _, c := range i.Cascades {
		out = append(out, fmt.Sprintf("%scascades: %s of %s, %s", strings.Repeat("  ", min(8, max(0, c.Level-1))), c.Rows.Words("row"), c.Object, c.Action))
	}
	for _, x := range i.Involved {
		out = append(out, strings.TrimSpace(x.Kind+" "+x.Name)+" of "+x.Object)
	}
	for _, why := range i.Unstable {
		out = append(out, "may hit other rows when it runs: "+why)
	}
	return out
}
