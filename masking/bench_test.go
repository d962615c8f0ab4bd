package masking

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

func corpora() map[string][][]byte {
	cells := map[string][][]byte{}
	var prose, rows, log, dense, hostile, utf strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&prose, "The shipment left the harbour on time and nobody has asked about it since, so line %d is all there is to say. ", i)
		row := fmt.Sprintf("%d,2024-01-%02d 12:30:45.%06d,order-%d,shipped,%d.%02d,berlin", 100000+i, i%28+1, i*7919%1000000, i*31, i, i%100)
		rows.WriteString(row + "\n")
		cells["cells"] = append(cells["cells"], []byte(fmt.Sprintf("customer %d of the shop in town", i)))
		fmt.Fprintf(&log, "Jan %2d 10:00:%02d web-1 nginx[%d]: GET /v1/orders/%d?limit=50 HTTP/1.1 200 %d \"Mozilla/5.0\" rt=0.%03d\n", i%28+1, i%60, 1000+i, i, i*13, i%1000)
		fmt.Fprintf(&dense, "%d,ann.smith%d@example.com,123-45-%04d,4111 1111 1111 1111,note\n", i, i, i%9000+1)
		fmt.Fprintf(&hostile, "%09d %013d 550e8400-e29b-41d4-a716-%012x da39a3ee5e6b4b0d3255bfef95601890afd80709 user@host 1.2.3.%d\n", i*7919, 1700000000000+int64(i), i, i%255)
		fmt.Fprintf(&utf, "Die Bestellung Nr. %d für Jürgen Müller geht über Köln nach Österreich; Grüße. ", i)
	}
	for name, b := range map[string]*strings.Builder{"prose": &prose, "rows": &rows, "log": &log, "dense": &dense, "nearmiss": &hostile, "german": &utf} {
		for text := b.String(); len(text) > 16<<10; text = text[16<<10:] {
			cells[name] = append(cells[name], []byte(text[:16<<10]))
		}
	}
	return cells
}

func BenchmarkText(b *testing.B) {
	m := newEngine(b, "Tr0ub4dor&3", "correct horse battery", "hunter2hunter2").For("s")
	all := corpora()
	for _, name := range []string{"prose", "log", "rows", "cells", "german", "nearmiss", "dense"} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for _, c := range all[name] {
				n += len(c)
			}
			b.SetBytes(int64(n))
			b.ReportAllocs()
			dst := make([]byte, 0, 1<<20)
			cpu := processorTime()
			rounds := 0
			for b.Loop() {
				rounds++
				for _, c := range all[name] {
					dst = m.Text(dst[:0], c)
				}
			}
			b.ReportMetric(float64(n)*float64(rounds)/(processorTime()-cpu).Seconds()/1e6, "MB/cpu-s")
		})
	}
}

// processorTime of this process: on a machine that others use, the only fair clock.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkJSON(b *testing.B) {
	m := newEngine(b, "Tr0ub4dor&3").For("s")
	doc := []byte(`{"rows":[` + strings.Repeat(`{"id":100023,"at":"2024-01-15T12:30:45Z","status":"shipped","note":"left at the door","total":12.50},`, 200) + `{}]}`)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	dst := make([]byte, 0, 1<<20)
	for b.Loop() {
		dst = m.JSON(dst[:0], doc)
	}
}

func BenchmarkPseudonym(b *testing.B) {
	m := newEngine(b).For("s")
	b.ReportAllocs()
	dst := make([]byte, 0, 64)
	for b.Loop() {
		dst, _ = m.Labelled(dst[:0], []byte("ann.smith@example.com"), Email, Pseudonym)
	}
}
