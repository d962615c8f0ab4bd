package main

import (
	"bytes"
	"context"
	"errors"
	"time"
)

// memoryResult is what one large result does to a server that has done little before.
type memoryResult struct {
	Way       string    `json:"way"`
	Before    int64     `json:"rss_before"`   // bytes
	Growth    int64     `json:"peak_growth"`  // bytes: the peak of resident memory during the calls, less Before; -1 unknown
	ReplySize int64     `json:"reply_bytes"`  // of the whole answer
	Took      []float64 `json:"milliseconds"` // each call
}

// measureMemory asks for a whole table, labelled columns included, three times: the peak shows whether a call's memory is the next one's.
func (r *report) measureMemory(ctx context.Context, w *world) error {
	for _, v := range []struct {
		name  string
		agent *agent
		child *child
	}{{wayOff, w.offline, w.off}, {wayGoverned, w.agent, w.gateway}} {
		if err := v.agent.queryOn(ctx, "bulk", "SELECT id FROM customers WHERE id = 1", complete(1)); err != nil {
			return err
		}
		m := &memoryResult{Way: v.name, Before: v.child.memory("VmRSS"), Growth: -1}
		counted := v.child.resetPeak() == nil
		for range 3 {
			begun := time.Now()
			err := v.agent.queryOn(ctx, "bulk", "SELECT * FROM customers", func(body []byte) error {
				m.ReplySize = int64(len(body))
				if !bytes.HasPrefix(body[bytes.Index(body, []byte(`"structuredContent":`)):], []byte(`"structuredContent":{"status":"ok"`)) {
					return errors.New("the large result was cut")
				}
				return nil
			})
			if err != nil {
				return err
			}
			m.Took = append(m.Took, float64(time.Since(begun).Microseconds())/1000)
		}
		if peak := v.child.memory("VmHWM"); counted && peak >= 0 && m.Before >= 0 {
			m.Growth = peak - m.Before
		}
		r.Memory = append(r.Memory, m)
	}
	return nil
}
