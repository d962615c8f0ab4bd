package approvals

import "testing"

// TestADigestCoversTheImpact: whatever the card showed of the blast radius is what a yes is for.
func TestADigestCoversTheImpact(t *testing.T) {
	text := "x"
	with := func(change func(*Impact)) string {
		r := request(1)
		r.Impact = &Impact{Object: "public.orders", Rows: Count{100, Exact}, Of: Count{5000, Exact},
			Cascades: []Cascade{{"public.lines", "delete", 1, Count{6500, Exact}}}, Sample: &Sample{Columns: []string{"id"}, Before: [][]*string{{&text}}}}
		change(r.Impact)
		return r.digest([16]byte{})
	}
	base := with(func(*Impact) {})
	if again := with(func(*Impact) {}); again != base {
		t.Error("the same request has two digests with one nonce")
	}
	for name, change := range map[string]func(*Impact){
		"rows":          func(i *Impact) { i.Rows.N++ },
		"how well":      func(i *Impact) { i.Rows.Is = AtLeast },
		"a cascade":     func(i *Impact) { i.Cascades[0].Rows.N++ },
		"no cascade":    func(i *Impact) { i.Cascades = nil },
		"a sample":      func(i *Impact) { i.Sample.Before[0][0] = nil },
		"a trigger":     func(i *Impact) { i.Involved = []Involved{{"trigger", "public.orders", "t"}} },
		"a doubt":       func(i *Impact) { i.Unstable = []string{"random()"} },
		"not counted":   func(i *Impact) { i.Unknown = "it was not understood" },
		"another table": func(i *Impact) { i.Object = "public.others" },
	} {
		if with(change) == base {
			t.Errorf("%s is not in the digest", name)
		}
	}
}
