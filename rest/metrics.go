package rest

import (
	"errors"
	"net/http"
	"strconv"
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

	stages   *prometheus.HistogramVec // stage: queue, plan, prune, scan, encode, write
	sent     *prometheus.CounterVec   // by format
	refusals *prometheus.CounterVec   // by the problem's code
	http     *prometheus.CounterVec   // method, route, status
	httpTook *prometheus.HistogramVec // route
	inFlight prometheus.Gauge
}

// buckets are bounds in seconds.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}

func newMetrics(registry *prometheus.Registry, more []prometheus.Collector) *metrics {
	if registry == nil {
		registry = prometheus.NewRegistry()
	}
	m := &metrics{
		registry: registry,
		count: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "archive_query_count",
			Help: "Queries answered, by outcome: ok, error (the caller's mistake), failed (the server's), canceled (the caller left)."}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "archive_query_duration",
			Help: "Seconds that queries took in the engine.", Buckets: buckets}),
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
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "archive_query_stage_seconds", Buckets: append([]float64{.0001, .0005}, buckets...),
			Help: "Seconds of answered queries by stage: queue, plan (metadata), prune (footers and Bloom filters, files at once summed; part of scan), " +
				"scan, encode, write (to the client, who may be slow)."}, []string{"stage"}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "archive_query_sent_bytes",
			Help: "Bytes of answers, compressed where they are sent so."}, []string{"format"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "archive_http_problems",
			Help: "Requests that were refused or failed, by the code of the problem."}, []string{"code"}),
		http: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "archive_http_requests",
			Help: "Requests answered, without probes."}, []string{"method", "route", "status"}),
		httpTook: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "archive_http_duration", Buckets: buckets,
			Help: "Seconds from a request's head to its answer's end."}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "archive_http_in_flight", Help: "Requests being answered."}),
	}
	m.registry.MustRegister(m.count, m.duration, m.scanned, m.matched, m.parts, m.bytes, m.requests,
		m.stages, m.sent, m.refusals, m.http, m.httpTook, m.inFlight,
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

// answered counts one request. A method that nobody has heard of is none of its own.
func (m *metrics) answered(method, route string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodHead, http.MethodOptions:
	default:
		method = "other"
	}
	m.http.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.httpTook.WithLabelValues(route).Observe(took.Seconds())
}

// wrote counts the sending of one answer: sending is all of it, writing the part that the client or the network took.
func (m *metrics) wrote(format string, sending, writing time.Duration, bytes int64) {
	m.stages.WithLabelValues("encode").Observe(max(sending-writing, 0).Seconds())
	m.stages.WithLabelValues("write").Observe(writing.Seconds())
	m.sent.WithLabelValues(format).Add(float64(bytes))
}

// observe counts one query of the engine, whose scan has waited for the sending of rows that long.
func (m *metrics) observe(res *query.Result, err error, took, sending time.Duration) {
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
	for stage, d := range map[string]time.Duration{"queue": res.Queued, "plan": res.Planned, "prune": res.Pruning.Opening,
		"scan": max(res.Elapsed-res.Queued-res.Planned-sending, 0)} {
		m.stages.WithLabelValues(stage).Observe(d.Seconds())
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
