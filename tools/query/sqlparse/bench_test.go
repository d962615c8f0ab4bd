package sqlparse

import (
	"strings"
	"testing"
)

func BenchmarkAnalyse(b *testing.B) {
	for name, sql := range map[string]string{
		"point": "SELECT id, name FROM users WHERE id = $1",
		"join":  "SELECT u.id, count(*) FROM users u JOIN orders o ON o.user_id = u.id WHERE o.status = 'done' GROUP BY u.id ORDER BY u.id LIMIT 5",
		"rows":  "INSERT INTO t (a) VALUES (1)" + strings.Repeat(",(1)", 10000),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := analyse(sql); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
