package httpapi

import "testing"

func TestSegmentsThatSomeServersRouteAlike(t *testing.T) {
	for _, other := range []string{"graphql", "GraphQL", "graphql.", "graphql ", "graphql..", "graphql\u00a0", "graphql . "} {
		if !routedAlike("graphql", other) {
			t.Errorf("%q is another segment", other)
		}
	}
	for _, other := range []string{"graphql2", "graph", "", ".graphql"} {
		if routedAlike("graphql", other) {
			t.Errorf("%q is the same", other)
		}
	}
}
