package rest

import (
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"frostline/query"
)

// metrics are archive.query.* under their Prometheus names, with a registry of their own.
type metrics struct {
	registry *prometheus.Registry
	count    *prometheus.CounterVec // by outcome
	duration prometheus.Histogram
	scanned  prometheus.Counter
	matched  prometheus.Counter
	parts    *prometheus.CounterVec // level: partition, file, row_group, page; result: read, skipped
	bytes    prometheus.Counter
	requests prometheus.Counter
}

func newMetrics(more []prometheus.Collector) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		count: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "archive_query_count",
			Help: "Queries answered, by outcome: ok, error (the caller's mistake), failed (the server's), canceled (the caller left)."}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "archive_query_duration",
			Help: "Seconds that queries took in the engine.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}}),
		scanned: prometheus.NewCounter(prometheus.CounterOpts{Name: "archive_query_records_scanned",
			Help: "Rows whose values were looked at."}),
		matched: prometheus.NewCounter(prometheus.CounterOpts{Name: "archive_query_records_matched",
			Help: "Rows for which the filter was true, of queries that counted them."}),
		parts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "archive_query_parts",
			Help: "Partitions, files, row groups and pages that queries read or skipped."}, []string{"level", "result"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{Name: "archive_query_read_bytes",
			Help: "Bytes of data files asked of the store."}),
		requests: prometheus.NewCounter(prometheus.CounterOpts{Name: "archive_query_read_requests",
			Help: "Reads of data files asked of the store."}),
	}
	m.registry.MustRegister(m.count, m.duration, m.scanned, m.matched, m.parts, m.bytes, m.requests,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(more...)
	for _, outcome := range []string{"ok", "error", "failed", "canceled"} {
		m.count.WithLabelValues(outcome)
	}
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// refused counts a query that did not reach the engine.
func (m *metrics) refused() { m.count.WithLabelValues("error").Inc() }

// observe counts one query of the engine.
func (m *metrics) observe(res *query.Result, err error, took time.Duration) {
	m.duration.Observe(took.Seconds())
	var qe *query.Error
	switch {
	case err == nil:
		m.count.WithLabelValues("ok").Inc()
	case errors.As(err, &qe) && qe.Code == query.Canceled:
		m.count.WithLabelValues("canceled").Inc()
	case asProblem(err).Status < 500:
		m.count.WithLabelValues("error").Inc()
	default:
		m.count.WithLabelValues("failed").Inc()
	}
	if err != nil {
		return
	}
	m.scanned.Add(float64(res.Scanned))
	if res.Counted {
		m.matched.Add(float64(res.Matched))
	}
	p := res.Pruning
	for level, l := range map[string]query.Level{"partition": p.Partitions, "file": p.Files, "row_group": p.RowGroups, "page": p.Pages} {
		m.parts.WithLabelValues(level, "skipped").Add(float64(l.Skipped))
		m.parts.WithLabelValues(level, "read").Add(float64(l.Total - l.Skipped))
	}
	m.bytes.Add(float64(p.BytesRead))
	m.requests.Add(float64(p.Requests))
}
