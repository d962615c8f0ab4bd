package gateway

import (
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the Prometheus counters of the pipeline. Labels are tool names, codes and stages: never a target's or a
// caller's text.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	stages   *prometheus.HistogramVec
	masked   *prometheus.CounterVec
	refused  *prometheus.CounterVec
	inFlight prometheus.Gauge
	chat     *prometheus.CounterVec
}

func newMetrics() *Metrics {
	buckets := prometheus.ExponentialBuckets(0.0001, 2, 18) // 0.1 ms to 13 s
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_calls_total", Help: "Calls by tool and how they ended."}, []string{"tool", "status", "code"}),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "sallyport_call_seconds", Help: "Time of a call, waiting for people included.", Buckets: buckets}, []string{"tool"}),
		stages:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "sallyport_stage_seconds", Help: "Time in each stage of the pipeline.", Buckets: buckets}, []string{"stage"}),
		masked:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_masked_values_total", Help: "Values replaced before release, by class."}, []string{"class"}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_refused_total", Help: "Requests refused before they became a call, by reason."}, []string{"reason"}),
		chat:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_slack_events_total", Help: "What happened between the gateway and Slack, by event."}, []string{"event"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sallyport_calls_in_flight", Help: "Calls being answered now."}),
	}
	m.registry.MustRegister(m.calls, m.seconds, m.stages, m.masked, m.refused, m.inFlight, m.chat, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// MetricsHandler serves the Prometheus text format.
func (g *Gateway) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{})
}

// ChatEvent counts what happened in the chat in which people are asked. event is a word of ours.
func (g *Gateway) ChatEvent(event string) { g.metrics.chat.WithLabelValues(event).Inc() }

func (m *Metrics) observe(call *Call, a *answer, elapsed time.Duration) {
	tool := call.toolName()
	m.calls.WithLabelValues(tool, a.status, string(a.code)).Inc()
	m.seconds.WithLabelValues(tool).Observe(elapsed.Seconds())
	for i := range call.took.n {
		m.stages.WithLabelValues(call.took.stage[i]).Observe(call.took.time[i].Seconds())
	}
	for _, c := range call.mask.Report() {
		m.masked.WithLabelValues(c.Class).Add(float64(c.N))
	}
}

// stageTimes is where the time of one call went. A call that is decided twice has a stage twice.
type stageTimes struct {
	last  time.Time
	stage [12]string
	time  [12]time.Duration
	n     int
}

// at ends a stage: the time since the last one belongs to it.
func (c *Call) at(stage string) {
	now := time.Now()
	if t := &c.took; t.n < len(t.stage) {
		t.stage[t.n], t.time[t.n] = stage, now.Sub(t.last)
		t.n++
		t.last = now
	}
}

// newID is a UUIDv7: sortable by time, unguessable enough to be a name, never a permission.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// Began is when the call of this id began: the id says so (RFC 9562 §5.7), to the millisecond. Zero for anything that is no id of a call.
func Began(callID string) time.Time {
	id, err := uuid.Parse(callID)
	if err != nil || id.Version() != 7 {
		return time.Time{}
	}
	return time.Unix(id.Time().UnixTime()).UTC().Truncate(time.Millisecond)
}
